"""`ctl stops` lists opens that wait after a bust: which execution, since when, and what ends it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from gateway import clock
from tests.unit.control_rig import Core, core, ctl, file, state

__all__ = ["core", "file"]


def report(core: Core, exec_id: str, more: str) -> None:
    """The leader's broker reports something of his order of 100,000 EURUSD."""
    now = clock.wall_ns()
    time = f"{datetime.fromtimestamp(now // 10**9, tz=UTC):%Y%m%d-%H:%M:%S}"
    body = (
        f"35=8|49=LB|56=CG|34={exec_id[1:]}|52={time}|1=L1|37=o1|11=c1|17={exec_id}|39=2|55=EURUSD|54=1|38=100000"
        f"|32=100000|31=1.1|14=100000|151=0|6=1.1|60={time}|{more}|"
    ).replace("|", "\x01")
    head = f"8=FIX.4.4\x019={len(body)}\x01{body}"
    raw = f"{head}10={sum(head.encode()) % 256:03}\x01".encode()
    core.pipeline.submit("leader", "LEADER", raw, now)


def test_stops_lists_what_waits_after_a_bust(file: Path, core: Core) -> None:
    """As text and as JSON, also in `status`, until a person has looked."""
    report(core, "E1", "150=F")
    report(core, "E2", "150=H|19=E1")
    (stop,) = json.loads(ctl(file, "stops", "--json").output)
    since_ns = int(stop.pop("at_ns"))
    assert abs(clock.wall_ns() - since_ns) < 60 * 10**9
    assert stop == {
        "scope": "copies",
        "name": "alpha EURUSD",
        "level": "no_opens",
        "code": "bust_hold",
        "who": "",
        "numbers": "execution E1 of order o1 was busted",
        "until_ns": None,
        "release": "bust-resume alpha",
    }
    shown = " ".join(ctl(file, "stops").output.split())
    for words in (
        "copies of alpha EURUSD",
        "bust_hold",
        "execution E1 of order o1 was busted, until",
        "`bust-resume alpha`",
        f"{datetime.fromtimestamp(since_ns // 10**9, tz=UTC):%Y-%m-%d %H:%M:%S} UTC",
    ):
        assert words in shown, shown
    assert "1 stop ON" in ctl(file, "status").output


def test_a_bust_that_waits_is_no_stop_of_its_leader(file: Path, core: Core) -> None:
    """`kill` and `arm` of the leader are their own, and `bust-resume` ends the wait."""
    report(core, "E1", "150=F")
    report(core, "E2", "150=H|19=E1")
    assert ctl(file, "kill", "--level", "halt", "--leader", "alpha").exit_code == 0
    released = ctl(file, "arm", "--who", "ann", "--leader", "alpha")
    assert (released.exit_code, "it was halt" in released.output) == (0, True), released.output
    assert [one["code"] for one in state(core)["stops"]] == ["bust_hold"]  # type: ignore[attr-defined]
    assert ctl(file, "bust-resume", "alpha", "--as", "ann").exit_code == 0
    assert state(core)["stops"] == []
