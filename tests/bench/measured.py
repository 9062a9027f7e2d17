"""The processes that a bench measures: started, asked for their memory, stopped. Only its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 10.0


@contextmanager
def started(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `python -m words…` in a session of its own and ends all of it."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def memory_kib(pid: int) -> list[tuple[str, int, int]]:
    """(name, Pss, Rss in KiB) of each process of the family. Pss counts shared pages once."""
    found = []
    for member in family(pid):
        values = {"Pss": 0, "Rss": 0}
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in values:
                values[name] += int(value.split()[0])
        name = "supervisor" if member == pid else Path(f"/proc/{member}/comm").read_text().strip()
        found.append((name, values["Pss"], values["Rss"]))
    return found


def audit_is_idle(folder: Path) -> bool:
    """Whether the audit process has followed the journal to its end."""
    try:
        status = json.loads((folder / "state" / "audit" / "status.json").read_text())
    except (OSError, ValueError):
        return False
    return bool(status["journal"] > 0 and status["lag_rows"] == 0)
