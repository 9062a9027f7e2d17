"""The worked numbers of an inverse contract, on the page about sizing rules, are the core's."""

from __future__ import annotations

import importlib
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway._fastcore import Pipeline
from gateway.config import load
from gateway.config_core import core_json
from tests.unit.config_text import GOOD, write
from tests.unit.test_sizing_page import NOW_NS, PAGE

ROW = re.compile(r"^\| ([0-9.]+) \| ([0-9.]+) \| (-?[0-9.]+) \| ([0-9]+) \|", re.MULTILINE)
INVERSE = (
    'instruments.EURUSD = { contract_size = 100, lot_step = 1, min_lot = 1, tick = "0.5", base = "USD" }',
    'instruments.EURUSD = { currency = "XBT", inverse = true }',
    'follower.currency = "XBT"',
    'follower.guards.rules = [{ rule = "equity_floor", amount = "0.001" }]',
)
"""The contract of the page under the name that the stage's phrases have."""
UNIT = Decimal("0.000001")
"""The page rounds to it."""
SECOND_NS = 1_000_000_000


def rows() -> list[tuple[str, str, str, str]]:
    """Price, worth, what was won, and contracts for a tenth of the equity."""
    return ROW.findall(PAGE.read_text("utf-8"))


class Desk:
    """A follower with 2 bitcoin who copies XBTUSD in contracts of 100 dollars."""

    def __init__(self, folder: Path, sizing: str, more: str = "") -> None:
        contract = (
            'contract_size = 100\nlot_step = 1\nmin_lot = 1\ntick = "0.5"\nbase = "USD"\ncurrency = "XBT"'
        )
        start, end = GOOD.index("contract_size = 100000"), GOOD.index("[instruments.GOLD]")
        text = f"{GOOD[:start]}{contract}\ninverse = true\n\n{GOOD[end:]}".replace("EURUSD", "XBTUSD")
        text = text.replace('{ mode = "multiplier", k = "0.5" }', sizing)
        money = 'account = "F1"\ncurrency = "XBT"\nsymbols = { XBTUSD = "XBTUSD" }\n'
        text = text.replace('account = "F1"\ncurrency = "USD"\n', f"{money}{more}")
        text = text.replace('account = "L1"', 'account = "L1"\nsymbols = { XBTUSD = "XBTUSD" }')
        self._core = Pipeline.open(folder / "core", core_json(load(write(folder, text))), "process", NOW_NS)
        self._now_ns, self._trades = NOW_NS, 0
        self._tell("operator", {"cmd": "account", "who": "ann", "account": "f1", "equity": "2"})

    def _tell(self, kind: str, event: dict[str, str]) -> None:
        self._now_ns += SECOND_NS
        self._core.submit(kind, "", json.dumps(event).encode(), self._now_ns)

    def quote(self, px: str) -> None:
        """The market is at a price."""
        self._tell("quote", {"instrument": "XBTUSD", "bid": px, "ask": px})

    def trade(self, units: int) -> dict[str, Any]:
        """The leader buys; the follower's line."""
        self._now_ns += SECOND_NS
        self._trades += 1
        n = self._trades
        body = (
            f"35=8|34={n}|49=B|56=G|37=O{n}|17=E{n}|1=L1|150=F|39=2|55=XBTUSD|54=1|38={units}|32={units}|31=60000|"
            f"151=0|14={units}|60=20231114-22:13:20.000|"
        ).replace("|", "\x01")
        text = f"8=FIX.4.4\x019={len(body)}\x01{body}"
        raw = f"{text}10={sum(text.encode()) % 256:03}\x01".encode()
        self._core.submit("leader", "LEADER", raw, self._now_ns)
        return next(one for one in self.status["subscriptions"] if one["follower"] == "f1")

    @property
    def status(self) -> dict[str, Any]:
        """Of the core."""
        found: dict[str, Any] = json.loads(self._core.status())
        return found


def test_the_page_has_its_rows() -> None:
    """Prices above and below what was paid."""
    assert [row[0] for row in rows()] == ["60000", "75000", "64123.5", "50000", "40000"]


@pytest.mark.parametrize(("px", "worth", "won", "lots"), rows(), ids=[row[0] for row in rows()])
def test_a_tenth_of_the_equity_is_so_many_contracts(
    tmp_path: Path, px: str, worth: str, won: str, lots: str
) -> None:
    """Whole contracts, toward zero."""
    desk = Desk(tmp_path, '{ mode = "percent_equity", percent = 10 }')
    desk.quote(px)
    assert desk.trade(100)["working"] == str(int(lots) * 100)


@pytest.mark.parametrize(("px", "worth", "won", "lots"), rows(), ids=[row[0] for row in rows()])
def test_a_bound_of_the_worth_is_where_it_cuts(
    tmp_path: Path, px: str, worth: str, won: str, lots: str
) -> None:
    """What the page says they are worth is enough for 120, and a millionth less is not."""
    for less, left in ((Decimal(0), "12000"), (2 * UNIT, "11900")):
        bound = Decimal(worth) + UNIT - less
        more = f'limits.max_order_value = "{bound}"\n'
        folder = tmp_path / left
        folder.mkdir()
        desk = Desk(folder, '{ mode = "multiplier", k = 1 }', more)
        desk.quote(px)
        assert desk.trade(12_000)["working"] == left


@pytest.mark.parametrize(("px", "worth", "won", "lots"), rows(), ids=[row[0] for row in rows()])
def test_what_was_won_is_what_a_guard_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, px: str, worth: str, won: str, lots: str
) -> None:
    """0.2 bitcoin bought them at 60,000: the equity that the core has for its guard moves by it."""
    monkeypatch.syspath_prepend(str(PAGE.parents[2] / "tools"))
    played = importlib.import_module("limit_stage").Stage(tmp_path, INVERSE)
    try:
        # A lot of the stage's phrases is 100,000 units: 120 contracts are 12,000.
        for phrase in ("quote 60000/60000", "the follower's equity is 2", "he buys 0.12 at 60000"):
            played.say(phrase)
        played.say(f"quote {px}/{px}")
        (guard,) = json.loads(played.core.status())["guards"]
    finally:
        played.close()
    found = Decimal(guard["equity"]) - 2
    assert abs(found - Decimal(won)) <= UNIT / 2
    assert Decimal("0.2") - Decimal(worth) == Decimal(won)
