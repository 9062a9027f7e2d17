"""The stop that is left while no core answers: the higher one stays, an unreadable one stops as well."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from gateway import clock, control, kill_file, kill_parts
from gateway.app import _work_of
from gateway.config import load
from gateway.control import ControlSocket
from gateway.control_cli import app
from gateway.deployment import read
from gateway.kill_file import UNREADABLE, LeftStop, leave, left, place_of, set_aside, taken_up
from gateway.kill_parts import keep, packed
from tests.unit.config_text import changed, write


def test_nothing_is_stopped_without_a_file(tmp_path: Path) -> None:
    assert left(tmp_path) == left(tmp_path / "not there") == ()
    taken_up(tmp_path)


@pytest.mark.parametrize(("first", "second"), [("no_opens", "halt"), ("halt", "no_opens"), ("halt", "halt")])
def test_the_stop_that_stops_more_stays(tmp_path: Path, first: str, second: str) -> None:
    """As in the core: a kill never lowers a stop."""
    leave(tmp_path, LeftStop(first, "ann"))
    stands = leave(tmp_path, LeftStop(second, "bob"))
    assert stands == LeftStop("halt", "ann" if first == "halt" else "bob")
    assert left(tmp_path) == (stands,)
    assert stands.number == 3
    set_aside(tmp_path)
    assert left(tmp_path) == (stands,)
    taken_up(tmp_path)
    assert left(tmp_path) == ()


def test_a_harder_stop_that_comes_while_one_is_taken_up_is_not_lost(tmp_path: Path) -> None:
    """The core writes the first into its journal, which takes time; what is left meanwhile stays for it."""
    leave(tmp_path, LeftStop("no_opens", "ann"))
    set_aside(tmp_path)
    assert left(tmp_path) == (LeftStop("no_opens", "ann"),), "routes hold back until it is the core's"
    leave(tmp_path, LeftStop("halt", "bob"))
    taken_up(tmp_path)
    assert left(tmp_path) == (LeftStop("halt", "bob"),)


PARTS = (
    LeftStop("no_opens", "ann"),
    LeftStop("halt", "ann", "follower", "f1"),
    LeftStop("close_only", "bob", "instrument", "EUR/USD.x ö"),
    LeftStop("no_opens", "bob", "instrument", ".taken"),
    LeftStop("halt", "bob", "route", "r-1_a"),
)


def test_stops_of_several_scopes_stand_side_by_side(tmp_path: Path) -> None:
    """One that stops more of another scope takes no place; a symbol may be any text."""
    for stop in PARTS:
        assert leave(tmp_path, stop) == stop
    assert leave(tmp_path, LeftStop("no_opens", "eve", "follower", "f1")) == PARTS[1]
    assert set(left(tmp_path)) == set(PARTS)
    set_aside(tmp_path)
    assert set(left(tmp_path)) == set(PARTS)
    taken_up(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("kill-follower-f1.json", LeftStop("no_opens", UNREADABLE, "follower", "f1")),
        ("kill-leader-alpha.json", LeftStop("no_opens", UNREADABLE)),
        ("kill-follower.json", LeftStop("no_opens", UNREADABLE)),
    ],
)
def test_the_name_of_an_unreadable_file_says_its_scope(tmp_path: Path, name: str, stop: LeftStop) -> None:
    """A scope that no route heeds, or none, is everything."""
    (tmp_path / name).write_text("{", "utf-8")
    assert left(tmp_path) == (stop,)


class Journal:
    """A pipeline that only remembers what it was told."""

    def __init__(self) -> None:
        self.commands: list[dict[str, str]] = []

    def submit(self, _kind: str, _session: str, payload: bytes, _now_ns: int) -> int:
        self.commands.append(json.loads(payload))
        return len(self.commands)


@contextmanager
def taking_up(folder: Path) -> Iterator[tuple[ControlSocket, Journal, Path]]:
    """A core's end that takes up stops, its journal, and the state folder."""
    journal, config = Journal(), load(write(folder))
    control = ControlSocket(config, journal)  # type: ignore[arg-type]
    try:
        yield control, journal, config.state_dir
    finally:
        control.close()


def test_a_stop_whose_file_cannot_be_removed_is_journaled_once(tmp_path: Path) -> None:
    """A folder of that name stops opens, and neither ends the core nor fills its journal."""
    with taking_up(tmp_path) as (core, journal, state):
        place_of(state).mkdir()
        for _ in range(3):
            core.take_up()
        assert [command["level"] for command in journal.commands] == ["no_opens"]
        leave(state, LeftStop("halt", "bob"))
        core.take_up()
        assert [command["level"] for command in journal.commands] == ["no_opens", "halt"]


def test_a_stop_that_is_left_again_after_a_person_removed_its_file_is_journaled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else is left beside it all the time. Why a file stays is said once."""
    said: list[str] = []
    monkeypatch.setattr(control.log, "error", lambda event, **_: said.append(event))
    with taking_up(tmp_path) as (core, journal, state):
        other, stop = place_of(state, "route", "r1"), place_of(state)
        other.mkdir()
        for again in (1, 2):
            stop.mkdir()
            for _ in range(3):
                core.take_up()
            assert len(journal.commands) == again + 1
            stop.with_suffix(".taken.json").rmdir()
            core.take_up()
        assert said == ["control.left_stop_stays"] * 4, "once each time that another file is in the way"


def test_a_file_that_could_not_be_removed_is_removed_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds back in the routes as long as it stands, and `arm` does not reach them."""
    with taking_up(tmp_path) as (core, journal, state), monkeypatch.context() as full:
        leave(state, LeftStop("halt", "ann"))
        full.setattr(Path, "unlink", Mock(side_effect=OSError("no")))
        core.take_up()
        assert left(state) == (LeftStop("halt", "ann"),)
        full.undo()
        core.take_up()
        assert (left(state), len(journal.commands)) == ((), 1)


def test_a_harder_stop_that_is_left_just_before_it_is_set_aside_is_journaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed was seen after it was set aside."""
    with taking_up(tmp_path) as (core, journal, state):
        leave(state, LeftStop("no_opens", "ann"))

        def later(folder: Path) -> None:
            leave(folder, LeftStop("halt", "bob"))
            set_aside(folder)

        monkeypatch.setattr(kill_file, "set_aside", later)
        core.take_up()
        assert [command["level"] for command in journal.commands] == ["halt"]
        assert left(state) == ()


def test_the_core_takes_up_every_stop_with_its_scope(tmp_path: Path) -> None:
    """Once each, as if it had been told; the same stop that is left again later is another one."""
    told = [{"cmd": "kill", "level": stop.level, "who": stop.who, **stop.names} for stop in PARTS]
    told = [dict(sorted(command.items())) for command in told]

    def asked(commands: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{key: value for key, value in one.items() if key != "since"} for one in commands]

    with taking_up(tmp_path) as (core, journal, state):
        for stop in PARTS:
            leave(state, stop)
        core.take_up()
        assert sorted(map(json.dumps, asked(journal.commands))) == sorted(map(json.dumps, told))
        leave(state, PARTS[1])
        core.take_up()
        core.take_up()
        assert asked(journal.commands[len(PARTS) :]) == [told[1]]
        assert left(state) == ()


@pytest.mark.parametrize("text", [None, "{"])
def test_a_stop_is_as_old_as_its_file(tmp_path: Path, text: str | None) -> None:
    """Not as young as the core that takes it up: what was not opened in between is explained by it."""
    with taking_up(tmp_path) as (core, journal, state):
        leave(state, LeftStop("halt", "ann"))
        if text is not None:
            place_of(state).write_text(text, "utf-8")
        os.utime(place_of(state), ns=(1, 1_577_836_800_000_001_000))
        core.take_up()
        assert [command["since"] for command in journal.commands] == ["20200101-00:00:00.000001"]


def test_nothing_is_left_beside_a_stop_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk says so in the end, or a person ends the command before. The stop of before stays."""
    leave(tmp_path, LeftStop("no_opens", "ann"))
    for error in (OSError(errno.ENOSPC, "full"), KeyboardInterrupt()):
        monkeypatch.setattr(os, "fsync", Mock(side_effect=error))
        with pytest.raises(type(error)):
            leave(tmp_path, LeftStop("halt", "bob"))
        assert left(tmp_path) == (LeftStop("no_opens", "ann"),)
        assert [one.name for one in tmp_path.iterdir()] == ["kill.json"]


def test_what_an_ended_writer_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    """Also of earlier versions, on a disk that was full; what is being written, and other files, stay."""
    state = load(write(tmp_path)).state_dir
    names = ["kill.4711", "kill-route-r1.4711", "kill.12", "kill.old", "killed.7", "kill.json", "notes.7"]
    state.mkdir(exist_ok=True)
    for name in names:
        (state / name).write_bytes(b"")
        if name != "kill.12":
            os.utime(state / name, ns=(1, clock.wall_ns() - 2 * kill_file.HALF_NS_MAX))
    with taking_up(tmp_path):
        found = {one.name for one in state.iterdir() if one.is_file()}
    assert found == set(names) - {"kill.4711", "kill-route-r1.4711"}


def denied(*_: object, **__: object) -> None:
    """What a folder of another user says."""
    raise PermissionError(errno.EACCES, "no")


def test_a_folder_that_cannot_be_listed_stops_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be a stop in it; and nobody is ended by it."""
    leave(tmp_path, LeftStop("halt", "ann"))
    with monkeypatch.context() as closed:
        closed.setattr(os, "scandir", denied)
        assert left(tmp_path) == (LeftStop("no_opens", UNREADABLE),)
        set_aside(tmp_path)
        kill_file.tidy(tmp_path, clock.wall_ns())
    assert left(tmp_path) == (LeftStop("halt", "ann"),)


def test_a_file_that_goes_while_it_is_read_is_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core takes stops up while routes look."""
    leave(tmp_path, LeftStop("halt", "ann", "route", "r1"))
    there = [place_of(tmp_path, "route", "r1"), place_of(tmp_path)]
    monkeypatch.setattr(kill_file, "_places", lambda _: there)
    assert left(tmp_path) == (LeftStop("halt", "ann", "route", "r1"),)


def only(name: str, call: Callable[..., object]) -> Callable[..., object]:
    """The call, but not for a file of this name."""
    return lambda path, *rest, **named: denied() if path.name == name else call(path, *rest, **named)


def test_one_file_that_cannot_be_moved_or_removed_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays and counts as it is; the rest is set aside, taken up and tidied."""
    for scope in ("follower", "instrument", "route"):
        leave(tmp_path, LeftStop("halt", "ann", scope, "x"))
    stays = "kill-instrument-x.json"
    with monkeypatch.context() as held:
        held.setattr(Path, "replace", only(stays, Path.replace))
        set_aside(tmp_path)
    taken = {"kill-follower-x.taken.json", "kill-route-x.taken.json"}
    assert {one.name for one in tmp_path.iterdir()} == {stays, *taken}
    assert len(left(tmp_path)) == 3
    with monkeypatch.context() as held:
        held.setattr(Path, "unlink", only(min(taken), Path.unlink))
        with pytest.raises(PermissionError):
            taken_up(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {stays, min(taken)}
    for number in ("1", "2", "3"):
        (tmp_path / f"kill.{number}").touch()
    with monkeypatch.context() as held:
        held.setattr(Path, "unlink", only("kill.2", Path.unlink))
        kill_file.tidy(tmp_path, clock.wall_ns() + 2 * kill_file.HALF_NS_MAX)
    assert {one.name for one in tmp_path.glob("kill.?")} == {"kill.2"}


def test_a_full_disk_is_named_also_where_half_a_file_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first error is the one that a person can do something about."""
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "full")))
    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(OSError, match="full"):
        leave(tmp_path, LeftStop("halt", "bob"))
    assert left(tmp_path) == (), "half a file is no stop"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"level": "hlat"}', '{"level": 3, "who": 4}', "\x00\xff"])
def test_a_file_that_nobody_can_read_stops_opens(tmp_path: Path, text: str) -> None:
    """Somebody meant to stop something."""
    place_of(tmp_path).write_bytes(text.encode("latin-1"))
    (stop,) = left(tmp_path)
    assert (stop.number, stop.scope) == (1, "global")


def test_kill_without_a_core_says_how_far_it_goes(tmp_path: Path) -> None:
    """Exit code 3: the core has not said that it is in effect."""
    file = write(tmp_path)
    done = CliRunner().invoke(app, [str(file), "kill", "--who", "ann", "--level", "halt"])
    assert done.exit_code == 3
    assert "Left at halt for the routes of this host" in done.output
    assert "closes too" in done.output
    assert left(tmp_path / "state") == (LeftStop("halt", "ann"),)


STARTED = {
    ("follower", "f1"): "Route r1 holds back new opens of follower f1 from",
    ("instrument", "GOLD"): "Routes r1, r2 hold back new opens of instrument GOLD from",
    ("route", "r2"): "Route r2 holds back new opens of route r2 from",
}


def started(folder: Path) -> Path:
    """A configuration, and what its start writes."""
    file = write(folder)
    keep(folder / "state", packed(load(file)))
    return file


@pytest.mark.parametrize("part", STARTED)
def test_one_part_is_stopped_without_a_core(tmp_path: Path, part: tuple[str, str]) -> None:
    """Also while the rest of the file is being changed."""
    started(tmp_path)
    file = write(tmp_path, changed('lot_step = "0.01"', 'lot_step = "wrong"'))
    scope, name = part
    done = CliRunner().invoke(app, [str(file), "close-only", "--who", "ann", f"--{scope}", name])
    said = f"Left at close_only of {scope} {name} for the routes of this host"
    assert (done.exit_code, said in done.output) == (3, True), done.output
    assert STARTED[part] in done.output
    assert left(tmp_path / "state") == (LeftStop("close_only", "ann", scope, name),)


def test_names_are_those_of_what_was_started(tmp_path: Path) -> None:
    """Routes go by the configuration that runs, whatever the file says by now."""
    text = started(tmp_path).read_text("utf-8")
    file = write(tmp_path, text.replace("[followers.f1]", "[followers.f1b]"))
    renamed = CliRunner().invoke(app, [str(file), "kill", "--level", "halt", "--follower", "f1b"])
    assert (renamed.exit_code, "Did you mean 'f1'?" in renamed.output) == (2, True), renamed.output
    assert left(tmp_path / "state") == ()
    done = CliRunner().invoke(app, [str(file), "kill", "--level", "halt", "--follower", "f1"])
    said = "Route r1 holds back every new order of follower f1, closes too, from the next beat on"
    assert (done.exit_code, said in done.output) == (3, True), done.output


def test_what_no_route_has_orders_of_is_for_the_core_alone(tmp_path: Path) -> None:
    """And where nothing was started, nobody can say who heeds it: it is left all the same."""
    file = write(tmp_path)
    done = CliRunner().invoke(app, [str(file), "kill", "--follower", "f9"])
    assert (done.exit_code, "whether a route knows this one is not known" in done.output) == (3, True)
    text = changed('account = "F1"', 'account = "F1"\nsymbols = { EURUSD = "EURUSD" }')
    text = text.replace('account = "F2"', 'account = "F2"\nsymbols = { EURUSD = "EURUSD" }')
    keep(tmp_path / "state", packed(load(write(tmp_path, text))))
    done = CliRunner().invoke(app, [str(file), "kill", "--instrument", "GOLD"])
    assert (done.exit_code, "only the core can stop it" in done.output) == (3, True), done.output


def test_the_start_leaves_its_names_for_its_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor's and a route's; one that cannot write them starts all the same."""
    deployment = read(write(tmp_path), with_core=False)
    place = kill_parts.place_of(tmp_path / "state")
    for only in ("route:r1", None):
        monkeypatch.setattr("gateway.app.share", lambda: None)
        assert callable(_work_of(deployment, only))
        assert place.stat().st_mode & 0o777 == 0o600
        place.unlink()
    place.mkdir()
    assert callable(_work_of(deployment, "route:r1"))
    assert [one.name for one in place.parent.iterdir()] == [place.name], "nothing is left beside it"
    assert kill_parts.kept(tmp_path / "state") is None


@pytest.mark.parametrize(
    ("part", "code", "words"),
    [
        (("leader", "alpha"), 3, ["Nothing is stopped", "Stop the followers by name", "leave out the scope"]),
        (("leader", "nobody"), 2, ["no such leader in what was started", "Known: alpha", "leave out the"]),
        (("follower", "f3"), 2, ["no such follower in what was started", "Known: f1, f2", "leave out the"]),
        (("instrument", "SILVER"), 2, ["no such instrument in what was started", "Known: EURUSD, GOLD"]),
        (("route", "../r1"), 2, ["no such route in what was started"]),
    ],
)
def test_what_no_route_can_know_is_not_left(
    tmp_path: Path, part: tuple[str, str], code: int, words: list[str]
) -> None:
    """A person who believes that something is stopped is worse off than one who knows that it is not."""
    file = started(tmp_path)
    done = CliRunner().invoke(app, [str(file), "kill", "--who", "ann", f"--{part[0]}", part[1]])
    assert done.exit_code == code
    assert [one for one in words if one not in done.output] == [], done.output
    assert left(tmp_path / "state") == ()
