"""The stop that is left while no core answers: the higher one stays, an unreadable one stops as well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.config import load
from gateway.control import ControlSocket
from gateway.control_cli import app
from gateway.kill_file import LeftStop, leave, left, place_of, set_aside, taken_up
from tests.unit.config_text import write


def test_nothing_is_stopped_without_a_file(tmp_path: Path) -> None:
    assert left(tmp_path) is None
    taken_up(tmp_path)


@pytest.mark.parametrize(("first", "second"), [("no_opens", "halt"), ("halt", "no_opens"), ("halt", "halt")])
def test_the_stop_that_stops_more_stays(tmp_path: Path, first: str, second: str) -> None:
    """As in the core: a kill never lowers a stop."""
    leave(tmp_path, LeftStop(first, "ann"))
    stands = leave(tmp_path, LeftStop(second, "bob"))
    assert stands == left(tmp_path) == LeftStop("halt", "ann" if first == "halt" else "bob")
    assert stands.number == 3
    set_aside(tmp_path)
    assert left(tmp_path) == stands
    taken_up(tmp_path)
    assert left(tmp_path) is None


def test_a_harder_stop_that_comes_while_one_is_taken_up_is_not_lost(tmp_path: Path) -> None:
    """The core writes the first into its journal, which takes time; what is left meanwhile stays for it."""
    leave(tmp_path, LeftStop("no_opens", "ann"))
    set_aside(tmp_path)
    assert left(tmp_path) == LeftStop("no_opens", "ann"), "routes hold back until it is the core's"
    leave(tmp_path, LeftStop("halt", "bob"))
    taken_up(tmp_path)
    assert left(tmp_path) == LeftStop("halt", "bob")


class Journal:
    """A pipeline that only remembers what it was told."""

    def __init__(self) -> None:
        self.commands: list[dict[str, str]] = []

    def submit(self, _kind: str, _session: str, payload: bytes, _now_ns: int) -> int:
        self.commands.append(json.loads(payload))
        return len(self.commands)


def test_a_stop_whose_file_cannot_be_removed_is_journaled_once(tmp_path: Path) -> None:
    """A folder of that name stops opens, and neither ends the core nor fills its journal."""
    journal, config = Journal(), load(write(tmp_path))
    control = ControlSocket(config, journal)  # type: ignore[arg-type]
    try:
        place_of(config.state_dir).mkdir()
        for _ in range(3):
            control.take_up()
        assert [command["level"] for command in journal.commands] == ["no_opens"]
        leave(config.state_dir, LeftStop("halt", "bob"))
        control.take_up()
        assert [command["level"] for command in journal.commands] == ["no_opens", "halt"]
    finally:
        control.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"level": "hlat"}', '{"level": 3, "who": 4}', "\x00\xff"])
def test_a_file_that_nobody_can_read_stops_opens(tmp_path: Path, text: str) -> None:
    """Somebody meant to stop something."""
    place_of(tmp_path).write_bytes(text.encode("latin-1"))
    stop = left(tmp_path)
    assert stop is not None
    assert stop.number == 1


def test_kill_without_a_core_says_how_far_it_goes(tmp_path: Path) -> None:
    """Exit code 3: the core has not said that it is in effect. One part cannot be stopped like that."""
    file = write(tmp_path)
    done = CliRunner().invoke(app, [str(file), "kill", "--who", "ann", "--level", "halt"])
    assert done.exit_code == 3
    assert "Left at halt for the routes of this host" in done.output
    assert "closes too" in done.output
    assert left(tmp_path / "state") == LeftStop("halt", "ann")
    place_of(tmp_path / "state").unlink()
    done = CliRunner().invoke(app, [str(file), "kill", "--who", "ann", "--follower", "f1"])
    assert done.exit_code == 3
    assert "leave out the scope" in done.output
    assert left(tmp_path / "state") is None
