"""What `check` prints: who copies whom, its end, its JSON; and that what we ship passes it."""

from __future__ import annotations

import io
import json
import re
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from gateway import resources
from gateway.check import check, effective_table
from gateway.config import examine, load
from gateway.errors import ExitCode
from tests.unit.config_text import changed, write


def test_the_effective_table_says_what_one_leader_lot_becomes(tmp_path: Path) -> None:
    """Contract sizes, factors and modes are worked out, limits are those that bind."""
    text = changed(
        'k = "0.5" }\n',
        'k = "0.5" }\nsymbol_map = { EURUSD = { instrument = "GOLD", qty_factor = "0.001" } }\n',
    )
    text += "\n[followers.f1.limits.instruments.GOLD]\nmax_position_lots = 7\n"
    rows = {(row.follower, row.instrument): row for row in effective_table(load(write(tmp_path, text)))}
    mapped = rows[("f1", "EURUSD → GOLD")]
    assert mapped.one_lot == "1 leader lot → 5 follower lots"
    assert mapped.limits == "account: position 7 lots (clip)"
    assert rows[("f1", "GOLD")].one_lot == "1 leader lot → 0.5 follower lots"
    assert rows[("f2", "EURUSD")].one_lot == "1 leader lot → at most 10 follower lots"
    assert rows[("f2", "EURUSD")].rule == "equity x 1, ratio at most 10"


def test_the_table_says_when_one_leader_lot_is_too_small_to_copy(tmp_path: Path) -> None:
    """A ratio below the minimum lot would look like a gateway that does nothing."""
    rows = effective_table(load(write(tmp_path, changed('k = "0.5"', 'k = "0.001"'))))
    assert "below min_lot 0.01" in rows[0].note


def _run(path: Path, *, as_json: bool) -> tuple[ExitCode, str]:
    out = io.StringIO()
    code = check(path, as_json=as_json, console=Console(file=out, width=160))
    return code, out.getvalue()


def test_check_prints_the_table_and_ends_with_0(tmp_path: Path) -> None:
    """What a desk reads before it starts."""
    code, text = _run(write(tmp_path), as_json=False)
    assert code == ExitCode.OK
    assert "1 leader lot → 0.5 follower lots" in text
    assert "no errors, 0 warning(s)" in text


@pytest.mark.parametrize("width", [80, 139, 140, 200])
def test_the_table_breaks_no_word_at_any_width(width: int) -> None:
    """Rules, sizes and limits stand whole on 80 columns too; equal instruments share a line."""
    out = io.StringIO()
    demo = resources.sessions() / "demo" / "gateway.toml"
    assert check(demo, as_json=False, console=Console(file=out, width=width)) == ExitCode.OK
    text = out.getvalue()
    # The summary at the end is one line for scripts, whatever its length.
    assert max(map(len, text.splitlines()[:-1])) <= width
    words = set(re.findall(r"[\w.]+", text))
    assert {"percent_equity", "lots_multiplier", "min_lot_if_nonzero", "position", "refuse", "0.25"} <= words
    assert text.count("EURUSD") == 6, "one line for each rule, not for each instrument"


def test_check_ends_with_2_and_no_table_when_there_is_an_error(tmp_path: Path) -> None:
    """Exit code 2 is what scripts look at."""
    code, text = _run(write(tmp_path, changed("port = 9001", "port = 0")), as_json=False)
    assert code == ExitCode.USAGE
    assert "sessions.LEADER.port" in text
    assert "who copies whom" not in text


def test_check_as_json_is_one_object(tmp_path: Path) -> None:
    """Machines read the same facts."""
    code, text = _run(write(tmp_path, changed("port = 9001", "port = 0")), as_json=True)
    report = json.loads(text)
    assert (code, report["ok"], report["problems"][0]["path"]) == (
        ExitCode.USAGE,
        False,
        "sessions.LEADER.port",
    )
    code, text = _run(write(tmp_path), as_json=True)
    report = json.loads(text)
    assert report["ok"] is True
    assert report["effective"][0]["one_lot"] == "1 leader lot → 0.5 follower lots"


SHIPPED = sorted(resources.sessions().rglob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_shipped_deployment_is_free_of_errors(path: Path) -> None:
    """What we hand out passes our own check."""
    problems = [problem.text() for problem in examine(path)[1] if problem.severity == "error"]
    assert problems == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_example_says_of_its_accounts_what_the_profile_says(path: Path) -> None:
    """A desk that reads "netting" on the first line would not look whether its closes name a position."""
    config = load(path)
    sessions = [config.route_session(route)[1].profile for route in config.routes]
    models = {config.profiles[name].get("position_model", "netting") for name in sessions}
    head = "".join(line for line in path.read_text("utf-8").splitlines()[:4] if line.startswith("#"))
    assert {word for word in ("netting", "hedging") if word in head} <= models


def test_the_demo_shows_every_sizing_mode() -> None:
    """One leader, six followers, two routes, and no mode left out."""
    raw = tomllib.loads((resources.sessions() / "demo" / "gateway.toml").read_text("utf-8"))
    modes = {subscription["sizing"]["mode"] for subscription in raw["subscriptions"]}
    assert modes == {
        "multiplier", "percent", "lots_multiplier", "fixed", "equity", "balance", "free_margin", "notional",
        "percent_equity",
    }  # fmt: skip
    assert (len(raw["leaders"]), len(raw["followers"]), len(raw["routes"])) == (1, 6, 2)


def test_no_shipped_deployment_holds_a_secret() -> None:
    """Secrets never stand in the TOML, not even in an example."""
    for path in SHIPPED:
        assert not re.search(r"^\s*(password|secret)\s*=", path.read_text("utf-8"), re.MULTILINE)
