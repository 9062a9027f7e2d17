"""The audit process as a whole, with a journal that is a list: exit codes, observers, status."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import zmq

from gateway import _fastcore
from gateway._fastcore import DiskFull, FastcoreError, JournalDamaged, JournalError, ReplayMismatch
from gateway.audit.places import places
from gateway.audit.store import StoreError, read_entries
from gateway.audit.tail import main
from gateway.errors import ExitCode
from tests.unit.audit_rows import FakeReplay, Row, decision


class GrowingReplay(FakeReplay):
    """A journal with a new decision at every look."""

    @staticmethod
    def open(_path: str, from_seq: int, _state: bytes | None) -> GrowingReplay:
        """As the binding does."""
        return GrowingReplay([], from_seq, from_seq)

    def step(self, max_rows: int) -> list[Row]:
        """One more row."""
        if self.last < 400:
            self.last += 1
            self.rows = [decision(self.last)]
        return super().step(1)


class BrokenReplay(FakeReplay):
    """A journal that fails as the binding does."""

    error: ClassVar[Exception]

    @staticmethod
    def open(_path: str, from_seq: int, _state: bytes | None) -> BrokenReplay:
        """As the binding does."""
        return BrokenReplay([], from_seq + 1, from_seq)

    def step(self, max_rows: int) -> list[Row]:
        """Fails as the binding does."""
        raise self.error


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A deployment with observers and a journal file."""
    path = tmp_path / "gateway.toml"
    path.write_text('[gateway]\nstate_dir = "s"\n[core]\nobservers = "ipc"\n')
    (tmp_path / "s/core").mkdir(parents=True)
    (tmp_path / "s/core/journal.db").write_bytes(b"")
    return path


def use(monkeypatch: pytest.MonkeyPatch, replay: type[FakeReplay]) -> None:
    """Puts a fake in the binding's place."""
    monkeypatch.setattr(_fastcore, "Replay", replay)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_observers_get_decisions_and_a_stop_is_clean(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber reads what the log holds, byte for byte; SIGTERM ends with code 0 and lag 0."""
    use(monkeypatch, GrowingReplay)
    state = config.parent / "s"
    received: list[list[bytes]] = []

    def observe() -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.SUBSCRIBE, b"decision")
            socket.setsockopt(zmq.RECONNECT_IVL, 10)
            socket.connect(f"ipc://{state}/run/observers.ipc")
            if socket.poll(20_000):
                received.append(socket.recv_multipart())
        os.kill(os.getpid(), signal.SIGTERM)

    observer = threading.Thread(target=observe)
    observer.start()
    code = main(places(config))
    observer.join()
    assert code == 0
    log = [data for _, data in read_entries(state / "audit")]
    assert received
    assert received[0][0] == b"decision"
    assert received[0][1] in log
    said = json.loads((state / "audit/status.json").read_text())
    assert (said["state"], said["lag_rows"], said["entries"]) == ("stopped", 0, len(log))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ReplayMismatch("row 7: digest differs"), ExitCode.STATE),
        (JournalDamaged("row 7: torn"), ExitCode.STATE),
        (DiskFull("row 7: disk is full"), ExitCode.RETRY),
        (JournalError("row 7: locked"), ExitCode.ENVIRONMENT),
        (OSError(28, "No space left on device"), ExitCode.RETRY),
        (StoreError("place", exit_code=ExitCode.STATE), ExitCode.STATE),
        (FastcoreError("row 7: a panic"), ExitCode.INTERNAL),
        (ValueError("row 7: nobody foresaw this"), ExitCode.INTERNAL),
    ],
)
def test_a_failure_has_the_code_that_says_whether_a_start_helps(
    config: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: ExitCode
) -> None:
    """4 is not started again, 75 and 3 are. The reason stays in status.json, where `audit stats` shows it."""
    use(monkeypatch, BrokenReplay)
    monkeypatch.setattr(BrokenReplay, "error", error, raising=False)
    assert main(places(config)) == code
    said = json.loads((config.parent / "s/audit/status.json").read_text())
    assert said["state"] == "failed"
    assert str(error) in said["detail"] or repr(error) in said["detail"] or "No space" in said["detail"]


def test_an_audit_folder_that_cannot_be_made_is_code_3(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands in its place; the log names it."""
    use(monkeypatch, GrowingReplay)
    (config.parent / "s/audit").write_text("in the way")
    assert main(places(config)) == 3
    assert str(config.parent / "s/audit") in capsys.readouterr().out
