"""Bounds over all followers together: what the core is given, what `check` says, and what status shows."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from gateway._fastcore import Pipeline
from gateway.check import effective_table
from gateway.config import load
from gateway.config_core import core_config, core_json
from gateway.control_view import status_screen
from tests.unit.config_text import GOOD, problems_of, write

NOW_NS = 1_700_000_000_000_000_000
TOGETHER = """
[together]
max_position_lots = 500
max_exposure = 9_000_000
currency = "USD"
instruments = { GOLD = { max_position_lots = "12.5" } }
"""
OF_LEADER = 'account = "L1"\ntogether = { max_open_orders = 40, on_breach = "refuse" }\n'


def deployment() -> str:
    """A deployment with both sections."""
    return GOOD.replace('account = "L1"\n', OF_LEADER) + TOGETHER


def test_the_core_is_given_both_scopes_and_takes_them(tmp_path: Path) -> None:
    """An instrument's bound is the tighter of its own and the one for every instrument."""
    config = load(write(tmp_path, deployment()))
    core = core_config(config)
    limits = core["together"]["limits"]
    assert (core["together"]["currency"], core["together"]["max_age_ms"]) == ("USD", 3_600_000)
    assert limits["totals"] == {"max_open_orders": None, "max_exposure": "9000000", "max_leverage": None}
    assert limits["default"]["max_position_lots"] == "500"
    assert limits["instruments"]["GOLD"]["max_position_lots"] == "12.5"
    (leader, *_) = [one["together"]["limits"] for one in core["leaders"] if "together" in one]
    assert (leader["totals"]["max_open_orders"], leader["default"]["on_breach"]) == (40, "refuse")
    pipeline = Pipeline.open(tmp_path / "core", core_json(config), "process", NOW_NS)
    assert json.loads(pipeline.status())["together"] == []


def test_check_shows_what_binds_together(tmp_path: Path) -> None:
    """In the note, apart from the limits of the account."""
    rows = effective_table(load(write(tmp_path, deployment())))
    row = next(row for row in rows if row.instrument == "GOLD")
    assert "all followers together: position 12.5 lots, worth 9000000 USD (clip)" in row.note
    leaders = {row.leader for row in rows if "together: 40 open orders (refuse)" in row.note}
    assert len(leaders) == 1


def test_a_worth_together_needs_a_currency_that_prices_convert_to(tmp_path: Path) -> None:
    """Both mistakes name their section."""
    without = GOOD + "\n[together]\nmax_exposure = 5\n"
    assert "needs `currency`" in " ".join(p.message for p in problems_of(tmp_path, without))
    foreign = GOOD + '\n[together]\nmax_exposure = 5\ncurrency = "NOK"\n'
    found = [(p.path, p.message) for p in problems_of(tmp_path, foreign)]
    assert ("together", "accounts in USD and NOK cannot be compared: no instrument converts them") in found


def test_an_instrument_that_nobody_has_is_told(tmp_path: Path) -> None:
    """In both sections."""
    text = GOOD + "\n[together.instruments.SILVRE]\nmax_position_lots = 5\n"
    assert [p.path for p in problems_of(tmp_path, text)] == ["together.instruments.SILVRE"]


def test_status_shows_the_fullest_first() -> None:
    """A position that is not bounded has no place there."""
    one = {"scope": "global", "name": "", "instrument": "X", "long_lots": "1", "short_lots": "0"}
    sums = [
        {**one, "max_position_lots": "10"},
        {**one, "scope": "leader", "name": "alpha", "instrument": "Y", "max_position_lots": "2"},
        {**one, "instrument": "Z", "max_position_lots": None},
    ]
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(status_screen("d", {"together": sums}))
    text = shown.get()
    assert text.index("alpha") < text.index("all")
    assert "Z" not in text.split("together", 1)[1].split("journal row")[0]
