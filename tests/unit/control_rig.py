"""A core that answers `copygate ctl`, without sessions and routes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import clock
from gateway._fastcore import Pipeline
from gateway.config import load
from gateway.config_core import core_json
from gateway.control import ControlSocket
from gateway.control_cli import app
from tests.unit.config_text import write


class Core:
    """Pipeline and control socket as the core process has them, without sessions and routes."""

    def __init__(self, file: Path) -> None:
        config = load(file)
        journal = config.state_dir / "core" / "journal.db"
        journal.parent.mkdir(parents=True, exist_ok=True)
        self.pipeline = Pipeline.open(journal, core_json(config), "process", clock.wall_ns())
        self._socket = ControlSocket(config, self.pipeline)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self._socket.socket.poll(20):
                self._socket.answer()

    def take_up(self) -> None:
        """What was left without a core, as at each beat."""
        self._socket.take_up()

    def stop(self) -> None:
        """Ends thread and socket."""
        self._stop.set()
        self._thread.join()
        self._socket.close()
        self.pipeline.close()
        # The lock of the folder goes with the object.
        del self.pipeline, self._socket


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment in a folder with a short name: the path of a socket has a bound."""
    return write(tmp_path_factory.mktemp("c"))


@pytest.fixture
def core(file: Path) -> Iterator[Core]:
    """A core that answers."""
    running = Core(file)
    yield running
    running.stop()


def ctl(file: Path, *words: str) -> Result:
    """Runs `copygate ctl FILE …`."""
    return CliRunner().invoke(app, [str(file), *words])


def last_line(result: Result) -> str:
    """Without the core's own log, which a test has on the same stream."""
    return result.output.splitlines()[-1]


def state(core: Core) -> dict[str, object]:
    """The core's own word."""
    found: dict[str, object] = json.loads(core.pipeline.status())
    return found
