"""`copygate doctor`: gathers, examines, prints, and says by its exit code whether something failed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from rich.table import Table
from rich.text import Text

from gateway.doctor.checks import examine
from gateway.doctor.facts import Finding, Result
from gateway.doctor.gather import gather
from gateway.errors import ExitCode
from gateway.screen import say_line, screen

STYLES = {Result.OK: "green", Result.WARN: "yellow", Result.FAIL: "bold red", Result.SKIP: "dim"}


def main(path: Path, offline: bool, as_json: bool) -> int:
    """Prints the findings. 0 when none failed, else 1."""
    findings = examine(gather(path, offline))
    failed = any(finding.result is Result.FAIL for finding in findings)
    if as_json:
        checks = [
            {"name": one.name, "result": one.result.value, "seen": one.seen, "advice": one.advice}
            for one in findings
        ]
        sys.stdout.write(json.dumps({"ok": not failed, "checks": checks}, ensure_ascii=False) + "\n")
    else:
        _print(path, findings)
    return int(ExitCode.BAD_RESULT if failed else ExitCode.OK)


def _print(path: Path, findings: list[Finding]) -> None:
    console = screen()
    table = Table()
    for heading in ("check", "result", "seen", "what to do"):
        table.add_column(heading, overflow="fold")
    for one in findings:
        table.add_row(one.name, Text(one.result.value, style=STYLES[one.result]), one.seen, one.advice)
    console.print(table)
    counts = Counter(one.result for one in findings)
    said = ", ".join(f"{counts[result]} {result.value}" for result in Result)
    say_line(console, f"{path}: {said}")
