"""Inverse contracts: what cannot be valued is refused by `check`, and a coin is not copied as a dollar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.check import effective_table
from gateway.config import examine, load
from gateway.config_core import core_json
from tests.unit.config_text import GOOD, find, problems_of

SIZING = '{ mode = "multiplier", k = "0.5" }'
XBTUSD = """
[instruments.XBTUSD]
contract_size = 100
lot_step = 1
min_lot = 1
tick = "0.5"
base = "USD"
currency = "XBT"
inverse = true
"""
COIN = """
[instruments.XBT]
contract_size = 1
lot_step = "0.001"
min_lot = "0.001"
tick = "0.5"
base = "XBT"
currency = "USD"
"""
BOTH = GOOD + XBTUSD + COIN


def mapped(source: str, target: str, sizing: str, more: str = "") -> str:
    """Copies one into the other."""
    symbol_map = f'symbol_map = {{ {source} = {{ instrument = "{target}"{more} }} }}'
    return BOTH.replace(SIZING, f"{sizing}\n{symbol_map}", 1)


def test_an_inverse_contract_reaches_the_core(tmp_path: Path) -> None:
    """The key is handed over as it is, and the others are linear."""
    assert problems_of(tmp_path, BOTH) == []
    told = json.loads(core_json(load(tmp_path / "gateway.toml")))
    assert {i["name"]: i["inverse"] for i in told["instruments"]} == {
        "EURUSD": False, "GOLD": False, "XBTUSD": True, "XBT": False,
    }  # fmt: skip


def test_check_says_what_a_lot_is(tmp_path: Path) -> None:
    """Whoever has the currencies the wrong way round sees it here: nothing else can tell."""
    assert problems_of(tmp_path, BOTH) == []
    config, _ = examine(tmp_path / "gateway.toml")
    assert config is not None
    notes = {row.note.split("; ")[0] for row in effective_table(config) if row.instrument == "XBTUSD"}
    assert notes == {"inverse: a lot is 100 USD, settled in XBT"}


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [('base = "USD"\ncurrency = "XBT"', 'currency = "XBT"', "is missing"),
     ('base = "USD"\ncurrency = "XBT"', 'base = "XBT"\ncurrency = "XBT"', "is its own currency")],
)  # fmt: skip
def test_the_unit_and_the_settlement_are_two_currencies(
    tmp_path: Path, was: str, becomes: str, said: str
) -> None:
    """The unit is of the price's currency: without it nobody can convert."""
    text = GOOD + XBTUSD.replace(was, becomes)
    assert said in find(problems_of(tmp_path, text), "instruments.XBTUSD.base").message


@pytest.mark.parametrize(("source", "target"), [("XBT", "XBTUSD"), ("XBTUSD", "XBT")])
def test_a_coin_is_not_copied_as_a_dollar(tmp_path: Path, source: str, target: str) -> None:
    """Half of the units of one are not half of the other's; by value they are, at any price."""
    found = find(problems_of(tmp_path, mapped(source, target, SIZING)), "subscriptions[0].sizing")
    assert (found.severity, "inverse" in found.message) == ("error", True)
    factor = ', qty_factor = "60000"'
    found = find(problems_of(tmp_path, mapped(source, target, SIZING, factor)), "subscriptions[0].sizing")
    assert (found.severity, "one price only" in found.message) == ("warning", True)
    notional = '{ mode = "notional", k = 1 }\nmax_ratio = 1000'
    assert problems_of(tmp_path, mapped(source, target, notional)) == []
    bounded = f"{notional}\nmax_amplification = 2"
    found = find(problems_of(tmp_path, mapped(source, target, bounded)), "subscriptions[0].max_amplification")
    assert found.severity == "error"


@pytest.mark.parametrize(
    "sizing",
    ['{ mode = "fixed", lots = 1 }', '{ mode = "percent_equity", percent = 2 }'],
    ids=lambda s: s[10:15],
)
@pytest.mark.parametrize(("source", "target"), [("XBT", "XBTUSD"), ("XBTUSD", "XBT")])
def test_an_amount_asks_for_no_unit_of_the_leaders(
    tmp_path: Path, source: str, target: str, sizing: str
) -> None:
    """So many lots, or a part of the equity, whatever he trades; a bound by his position compares both."""
    assert problems_of(tmp_path, mapped(source, target, sizing)) == []
    bounded = mapped(source, target, f"{sizing}\nmax_amplification = 2")
    (problem,) = problems_of(tmp_path, bounded)
    assert (problem.path, problem.severity) == ("subscriptions[0].max_amplification", "error")


@pytest.mark.parametrize("owner", ["leaders.alpha", "followers.f1", "subscriptions[0]"])
def test_a_bound_of_every_scope_is_looked_at(tmp_path: Path, owner: str) -> None:
    """10,000 of a leader, of a follower or of one subscription would be bitcoin as well."""
    bound = "max_order_value = 10000"
    text = f"{GOOD}{XBTUSD}\n[{owner}.limits]\n{bound}\n"
    own = f'{text}[{owner}.limits.instruments.XBTUSD]\nmax_order_value = "0.2"\n'
    if owner.startswith("subs"):
        text = (XBTUSD + GOOD).replace(SIZING, f"{SIZING}\nlimits = {{ {bound} }}", 1)
        instead = f'limits = {{ {bound}, instruments = {{ XBTUSD = {{ max_order_value = "0.2" }} }} }}'
        own = (XBTUSD + GOOD).replace(SIZING, f"{SIZING}\n{instead}", 1)
    problem = find(problems_of(tmp_path, text), f"{owner}.limits.max_order_value", "XBT for XBTUSD")
    assert problem.severity == "error"
    assert problems_of(tmp_path, own) == []


def test_a_bound_of_an_order_in_dollars_does_not_bound_one_in_bitcoin(tmp_path: Path) -> None:
    """10,000 would be 10,000 bitcoin: it has to be said for the contract as well."""
    bound = "\n[limits]\nmax_order_value = 10000\n"
    found = find(problems_of(tmp_path, GOOD + XBTUSD + bound), "limits.max_order_value")
    assert "XBT for XBTUSD" in found.message
    own = "limits.instruments.XBTUSD.max_order_value"
    assert own in found.hint
    said = bound + '[limits.instruments.XBTUSD]\nmax_order_value = "0.2"\n'
    assert problems_of(tmp_path, GOOD + XBTUSD + said) == []
    assert problems_of(tmp_path, GOOD + bound) == []


def test_what_is_settled_in_a_coin_has_to_be_converted(tmp_path: Path) -> None:
    """Exposure is in dollars: the contract's own quote converts, where its base is dollars too."""
    bound = "\n[limits]\nmax_exposure = 10000\n"
    assert problems_of(tmp_path, GOOD + XBTUSD + bound) == []
    other = XBTUSD.replace('base = "USD"', 'base = "EUR"')
    found = find(problems_of(tmp_path, GOOD + other + bound), "followers.f1.limits", "XBT")
    assert "no instrument converts" in found.message
