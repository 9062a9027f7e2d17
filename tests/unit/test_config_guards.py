"""Guards of the file: which rules a follower has, and that the core takes them as they are written."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from gateway._fastcore import Pipeline, time_zone_known
from gateway.check import effective_table
from gateway.config import GatewayConfig, core_json, load
from gateway.control_view import status_screen
from tests.unit.config_text import GOOD, write

OF_ALL = """
[guards]
zone = "UTC"
max_age_ms = 1000
rules = [{ rule = "daily_loss", percent = 5, auto_reset = true }]
"""
OWN = """guards = { zone = "America/New_York", day_begins = "17:00", rules = [
    { rule = "equity_floor", percent = 80, of = "high_water", action = "close_all" },
    { rule = "drawdown", period = "week", amount = "250.5" },
] }
"""


def deployment(folder: Path, of_all: str = "", own: str = "") -> GatewayConfig:
    text = GOOD.replace('account = "F1"\n', f'account = "F1"\n{own}') + of_all
    return load(write(folder, text))


def guards(config: GatewayConfig) -> list[Any]:
    """What the core is given, by follower."""
    return [one.get("guards") for one in json.loads(core_json(config))["followers"]]


def test_a_follower_without_guards_has_none(tmp_path: Path) -> None:
    assert guards(deployment(tmp_path)) == [None, None]


def test_rules_for_all_and_a_followers_own_are_all_in_force(tmp_path: Path) -> None:
    """In the follower's own zone; what its section leaves out is as for everybody."""
    first, second = guards(deployment(tmp_path, OF_ALL, OWN))
    loss = {"percent": "5", "action": "no_opens", "rule": "daily_loss", "auto_reset": True}
    assert second == {"zone": "UTC", "day_begins_s": 0, "max_age_ms": 1000, "rules": [loss]}
    assert (first["zone"], first["day_begins_s"], first["max_age_ms"]) == ("America/New_York", 61_200, 1000)
    assert first["rules"][0] == loss
    assert [rule["rule"] for rule in first["rules"]] == ["daily_loss", "equity_floor", "drawdown"]
    of_all = OF_ALL.replace('"UTC"', '"Asia/Tokyo"\nday_begins = "07:00"')
    own = 'guards = { max_age_ms = 5000, rules = [{ rule = "drawdown", amount = 1 }] }\n'
    first, _ = guards(deployment(tmp_path, of_all, own))
    assert (first["zone"], first["day_begins_s"], first["max_age_ms"]) == ("Asia/Tokyo", 25_200, 5000)


def test_the_core_takes_every_rule_and_shows_what_it_guards(tmp_path: Path) -> None:
    config = deployment(tmp_path, OF_ALL, OWN)
    pipeline = Pipeline.open(tmp_path / "core", core_json(config), "process", 1_700_000_000_000_000_000)
    told = {"cmd": "account", "who": "ann", "account": "f1", "equity": "1000"}
    pipeline.submit("operator", "", json.dumps(told).encode(), 1_700_000_000_000_000_001)
    status = json.loads(pipeline.status())
    first, second = status["guards"]
    assert (first["follower"], first["equity"], first["floor"], first["code"]) == (
        "f1",
        "1000",
        "950",
        "daily_loss",
    )
    assert (second["equity"], second["floor"], second["stopped"]) == (None, None, False)
    pipeline.submit("operator", "", json.dumps({**told, "equity": "750"}).encode(), 1_700_000_000_000_000_002)
    status = json.loads(pipeline.status())
    # Every rule that was reached, each with its own numbers.
    assert [(s["name"], s["level"], s["code"]) for s in status["stops"]] == [
        ("f1", "no_opens", "daily_loss"),
        ("f1", "close_only", "suspended_equity"),
    ]
    del status["pipeline"]
    out = StringIO()
    Console(file=out, width=120).print(status_screen("t", status))
    shown = out.getvalue()
    assert "equity 750 at or below 800" in shown
    assert "750.00 USD" in shown
    assert "not known: no opens" in shown
    assert shown.index("f1 ") < shown.index("f2 "), "who is stopped comes first"


def test_check_says_which_guards_a_copy_is_under(tmp_path: Path) -> None:
    notes = {row.follower: row.note for row in effective_table(deployment(tmp_path, OF_ALL, OWN))}
    assert (
        "guards: daily loss 5 %, equity floor 80 % of high_water, close_all, drawdown 250.5 a week"
        in notes["f1"]
    )
    assert "day from 17:00 America/New_York" in notes["f1"]
    assert "guards: daily loss 5 %, day from 00:00 UTC" in notes["f2"]


def test_zones_are_those_of_the_core(tmp_path: Path) -> None:
    """The machine's own list of zones, if it has one, is not asked."""
    assert time_zone_known("Asia/Tokyo")
    assert not time_zone_known("Asia/Atlantis")
    assert not time_zone_known("")
