"""Guards of one subscription: what the core is given, and what is a mistake."""

from __future__ import annotations

import json
from pathlib import Path

from gateway._fastcore import Pipeline
from gateway.check import effective_table
from gateway.config import core_json, load
from gateway.config_core import core_config
from tests.unit.config_text import GOOD, problems_of, write

NOW_NS = 1_700_000_000_000_000_000
OF_ALL = """
[guards]
zone = "Asia/Tokyo"
day_begins = "07:00"
rules = [{ rule = "daily_loss", percent = 5 }]
"""


def guarded(rule: str) -> str:
    """The second subscription has a rule of its own."""
    return GOOD.replace("max_ratio = 10\n", f"max_ratio = 10\nguards = {{ rules = [{rule}] }}\n")


def test_the_core_takes_the_rules_of_a_subscription(tmp_path: Path) -> None:
    """Zone and day are those of its follower's guards; their rules stay with the account."""
    text = guarded('{ rule = "drawdown", period = "week", amount = "250.5" }') + OF_ALL
    config = load(write(tmp_path, text))
    (guards,) = [one["guards"] for one in core_config(config)["subscriptions"] if "guards" in one]
    assert (guards["zone"], guards["day_begins_s"]) == ("Asia/Tokyo", 25_200)
    assert [(rule["rule"], rule["amount"]) for rule in guards["rules"]] == [("drawdown", "250.5")]
    pipeline = Pipeline.open(tmp_path / "core", core_json(config), "process", NOW_NS)
    assert json.loads(pipeline.status())["stops"] == []
    notes = [row.note for row in effective_table(config)]
    own = "its own guards: drawdown 250.5 a week, day from 07:00 Asia/Tokyo"
    assert sum(own in note for note in notes) == 2, "one row for each of its instruments"


def test_a_subscription_has_no_equity(tmp_path: Path) -> None:
    """Neither a floor of it nor a part of it."""
    found = problems_of(tmp_path, guarded('{ rule = "equity_floor", amount = 5 }'))
    assert [p.path for p in found] == ["subscriptions[1].guards.rules[0].rule"]
    found = problems_of(tmp_path, guarded('{ rule = "daily_loss", percent = 5 }'))
    assert [p.path for p in found] == ["subscriptions[1].guards.rules[0].percent"]
