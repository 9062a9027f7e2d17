"""What could never open, or bounds nothing, is said by `check`; what the core refuses, it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway import _fastcore
from gateway._fastcore import ConfigError
from gateway.check import effective_table
from gateway.config import load
from gateway.errors import ConfigProblems
from tests.unit.config_text import GOOD, find, problems_of

SIZING = '{ mode = "multiplier", k = "0.5" }'
PERCENT_EQUITY = '{ mode = "percent_equity", percent = 2 }'
NOTIONAL = '{ mode = "notional", k = 1 }\nmax_ratio = 10'
FRANC = GOOD.replace('account = "F1"\ncurrency = "USD"', 'account = "F1"\ncurrency = "CHF"')
USDCHF = """
[instruments.USDCHF]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.00001"
base = "USD"
currency = "CHF"
"""
SMALL = """
[instruments.EURUSDm]
contract_size = 1000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.00001"
base = "EUR"
currency = "USD"
"""
MAP = 'symbol_map = { EURUSD = { instrument = "EURUSDm" } }'
LEADER_EURUSD = 'account = "L1"\nsymbols = { EURUSD = "EURUSD" }'


@pytest.mark.parametrize("sizing", [PERCENT_EQUITY, NOTIONAL])
def test_a_worth_in_another_currency_needs_an_instrument_that_converts_it(
    tmp_path: Path, sizing: str
) -> None:
    """Without a rate every open is refused for ever (`no_quote`)."""
    text = FRANC.replace(SIZING, sizing)
    assert (
        "CHF" in find(problems_of(tmp_path, text), "subscriptions[0].sizing", "no instrument converts").text()
    )
    assert problems_of(tmp_path, text + USDCHF) == []


def test_notional_needs_the_currency_of_the_account(tmp_path: Path) -> None:
    """Values of contracts are compared in it; without it nothing is ever opened."""
    text = GOOD.replace('account = "F1"\ncurrency = "USD"', 'account = "F1"').replace(SIZING, NOTIONAL)
    found = find(problems_of(tmp_path, text), "followers.f1.currency")
    assert "sizing notional" in found.message


def test_a_rate_that_no_leader_quotes_is_no_rate(tmp_path: Path) -> None:
    """Quotes come from leaders' sessions: of an instrument that no leader has a symbol for there are none."""
    text = FRANC.replace(SIZING, PERCENT_EQUITY).replace('account = "L1"', LEADER_EURUSD) + USDCHF
    found = find(problems_of(tmp_path, text), "subscriptions[0].sizing", "USDCHF")
    assert "no leader has a symbol for it" in found.text()
    quoted = text.replace('{ EURUSD = "EURUSD" }', '{ EURUSD = "EURUSD", USDCHF = "USDCHF" }')
    assert problems_of(tmp_path, quoted) == []


@pytest.mark.parametrize("sizing", [PERCENT_EQUITY, NOTIONAL])
def test_a_quote_of_what_the_leader_trades_is_enough(tmp_path: Path, sizing: str) -> None:
    """The core values what is ordered by it, times `price_factor`."""
    text = GOOD.replace(SIZING, f"{sizing}\n{MAP}").replace('account = "L1"', LEADER_EURUSD) + SMALL
    assert problems_of(tmp_path, text) == []


@pytest.mark.parametrize("symbols", ['{ GOLD = "GOLD" }', '{ GOLD = "GOLD", EURUSD = "EURUSD" }'])
def test_quotes_of_a_session_are_read_by_its_first_leader(tmp_path: Path, symbols: str) -> None:
    """What only the second one has a symbol for is never valued, and every open of it refused."""
    first = GOOD.replace('account = "L1"', f'account = "L1"\nsymbols = {symbols}')
    second = (
        f'[leaders.beta]\nsession = "LEADER"\n{LEADER_EURUSD.replace("L1", "L2")}\nassume_flat = true\n\n'
    )
    text = first.replace("[routes.r1]", second + "[routes.r1]", 1)
    head, tail = text.split('leader = "alpha"', 1)
    problems = problems_of(tmp_path, f'{head}leader = "beta"{tail}'.replace(SIZING, PERCENT_EQUITY, 1))
    if "EURUSD" in symbols:
        assert problems == []
    else:
        found = find(problems, "subscriptions[0].sizing", "the first leader of its session")
        assert found.severity == "error"


def test_any_quoted_instrument_of_a_pair_converts(tmp_path: Path) -> None:
    """Whichever of two is written first: the core takes the one that is quoted."""
    text = FRANC.replace(SIZING, PERCENT_EQUITY).replace('account = "L1"', LEADER_EURUSD)
    quoted = text.replace('{ EURUSD = "EURUSD" }', '{ EURUSD = "EURUSD", USDCHF = "USDCHF" }')
    other = USDCHF.replace("USDCHF", "USDCHF2")
    assert (
        problems_of(tmp_path, quoted + other + USDCHF) == problems_of(tmp_path, quoted + USDCHF + other) == []
    )


def test_every_place_that_converts_asks_for_a_quoted_rate(tmp_path: Path) -> None:
    """Blocks by equity, guards, and leverage."""
    text = FRANC.replace('account = "L1"', LEADER_EURUSD) + USDCHF
    one = '{ mode = "block", by = "equity" }'
    block = text.replace(SIZING, one).replace('{ mode = "equity", k = 1 }\nmax_ratio = 10', one)
    find(problems_of(tmp_path, block), "subscriptions[0].sizing", "no leader has a symbol for it")
    guards = text + '[[followers.f1.guards.rules]]\nrule = "daily_loss"\namount = 5\n'
    find(problems_of(tmp_path, guards), "followers.f1.guards", "no leader has a symbol for it")
    leverage = text + "[followers.f1.limits]\nmax_leverage = 5\n"
    find(problems_of(tmp_path, leverage), "followers.f1.limits", "no leader has a symbol for it")


MAPPED = GOOD.replace(SIZING, f"{SIZING}\n{MAP}").replace(
    "max_ratio = 10", f"max_ratio = 10\n{MAP}"
).replace('account = "F1"', 'account = "F1"\nsymbols = { S = "EURUSDm", GOLD = "GOLD" }')  # fmt: skip


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("limits", "limits.instruments.EURUSD"),
        ("leaders.alpha.limits", "leaders.alpha.limits.instruments.EURUSD"),
        ("followers.f1.limits", "followers.f1.limits.instruments.EURUSD"),
        ("together", "together.instruments.EURUSD"),
    ],
)
def test_a_limit_of_a_leaders_instrument_bounds_nothing(tmp_path: Path, section: str, path: str) -> None:
    """Limits are by follower instrument: the error names the one to write."""
    text = f"{MAPPED}{SMALL}\n[{section}.instruments.EURUSD]\nmax_position_lots = 7\n"
    found = find(problems_of(tmp_path, text), path)
    assert (found.severity, "EURUSDm" in found.hint, "bounds nothing" in found.message) == (
        "error",
        True,
        True,
    )
    assert (
        problems_of(tmp_path, text.replace("instruments.EURUSD]\nmax_p", "instruments.EURUSDm]\nmax_p")) == []
    )


def test_a_limit_of_one_subscription_is_by_its_followers_instrument(tmp_path: Path) -> None:
    text = MAPPED.replace(MAP, MAP + "\nlimits.instruments.EURUSD.max_position_lots = 7", 1) + SMALL
    find(problems_of(tmp_path, text), "subscriptions[0].limits.instruments.EURUSD", "EURUSDm")


def test_a_limit_of_an_instrument_that_somebody_trades_is_right(tmp_path: Path) -> None:
    """f2 trades EURUSD under its own name: a common bound of it bounds him."""
    text = MAPPED.replace(f"max_ratio = 10\n{MAP}", "max_ratio = 10") + SMALL
    text += "\n[limits.instruments.EURUSD]\nmax_position_lots = 7\n"
    assert problems_of(tmp_path, text) == []


def test_a_restriction_of_a_leaders_instrument_restricts_nothing(tmp_path: Path) -> None:
    text = MAPPED.replace('account = "F1"', 'account = "F1"\nrestricted = ["EURUSD"]') + SMALL
    found = find(problems_of(tmp_path, text), "followers.f1.restricted[0]", "EURUSDm")
    assert found.severity == "error"


def test_a_limit_of_what_nobody_copies_is_a_warning(tmp_path: Path) -> None:
    """It is legal, and surely not meant."""
    text = (
        GOOD.replace('account = "L1"', LEADER_EURUSD) + "\n[limits.instruments.GOLD]\nmax_position_lots = 7\n"
    )
    found = find(problems_of(tmp_path, text), "limits.instruments.GOLD")
    assert (found.severity, "bounds nothing" in found.message) == ("warning", True)


def test_a_filter_names_what_the_leader_trades(tmp_path: Path) -> None:
    """A filter is by leader instrument: the follower's name would copy nothing."""
    text = MAPPED.replace(MAP, MAP + '\nfilters = { instruments = ["EURUSDm"] }', 1)
    text = (
        text.replace('account = "L1"', 'account = "L1"\nsymbols = { EURUSD = "EURUSD", GOLD = "GOLD" }')
        + SMALL
    )
    found = find(problems_of(tmp_path, text), "subscriptions[0].filters.instruments[0]")
    assert (found.severity, "EURUSD" in found.hint) == ("error", True)


def test_equal_lots_of_a_block_with_other_factors_are_refused_by_both(tmp_path: Path) -> None:
    """1000 units with factor 1 and 100,000 with factor 100 are equal leader units; the core compares both."""
    one = '{ mode = "block" }'
    text = GOOD.replace(SIZING, one).replace('{ mode = "equity", k = 1 }\nmax_ratio = 10', one)
    big = SMALL.replace("EURUSDm", "EURUSDx").replace("contract_size = 1000", "contract_size = 10000000")
    mapped = 'symbol_map = { EURUSD = { instrument = "EURUSDx", qty_factor = 100 } }'
    head, tail = text.rsplit(one, 1)
    found = find(problems_of(tmp_path, f"{head}{one}\n{mapped}{tail}{big}"), "subscriptions[1].symbol_map")
    assert "qty_factor 100, not 1" in found.text()


def test_what_the_core_refuses_check_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its engine is built from what the file becomes: no rule of `check` has to know all of its rules."""
    built = []

    def refuse(text: str) -> None:
        built.append(text)
        raise ConfigError('subscription "s": what no rule here knows')

    monkeypatch.setattr(_fastcore, "prove_config", refuse)
    (problem,) = problems_of(tmp_path, GOOD)
    assert len(built) == 1
    with pytest.raises(ConfigProblems):
        load(tmp_path / "gateway.toml")
    assert "what no rule here knows" in problem.text()
    assert problem.severity == "error"
    built.clear()
    problems_of(tmp_path, GOOD.replace('route = "r2"', 'route = "r9"'))
    assert built == [], "a file with mistakes of its own becomes nothing yet"


def test_where_no_core_is_built_check_says_that_it_was_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gateway._fastcore", None)
    (problem,) = problems_of(tmp_path, GOOD)
    assert (problem.severity, "not built" in problem.message) == ("warning", True)


YEN = """
[instruments.USDJPY]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.001"
base = "USD"
currency = "JPY"
"""
BOUND = "\n[limits]\nmax_order_value = 100000\n"


def test_a_bound_of_orders_in_several_currencies_is_told(tmp_path: Path) -> None:
    """100,000 are dollars of one instrument and yen of the other: nothing is converted."""
    problem = find(problems_of(tmp_path, GOOD + YEN + BOUND), "limits.max_order_value")
    assert problem.severity == "warning"
    assert "100000 USD for EURUSD, GOLD and 100000 JPY for USDJPY" in problem.message
    assert "limits.instruments.NAME.max_order_value" in problem.hint
    assert problems_of(tmp_path, GOOD + BOUND) == []


def test_a_bound_of_its_own_counts_where_it_is_the_tighter_one(tmp_path: Path) -> None:
    """The smaller number binds, whatever its currency: 15 million yen beside 100,000 bound nothing."""
    own = f"{GOOD}{YEN}{BOUND}[limits.instruments.USDJPY]\nmax_order_value = "
    assert problems_of(tmp_path, own + "90000") == []
    assert find(problems_of(tmp_path, own + "15000000"), "limits.max_order_value").severity == "warning"


@pytest.mark.parametrize(
    ("owner", "path"),
    [("leaders.alpha", "leaders.alpha.limits"), ("followers.f1", "followers.f1.limits"), ("", "limits")],
)
def test_bounds_of_every_scope_are_looked_at(tmp_path: Path, owner: str, path: str) -> None:
    """Of everything that they reach."""
    section = f"\n[{owner}.limits]\n" if owner else "\n[limits]\n"
    text = f"{GOOD}{YEN}{section}max_order_value = 100000\n"
    find(problems_of(tmp_path, text), f"{path}.max_order_value", "JPY for USDJPY")


def test_a_bound_reaches_what_its_own_owner_copies_only(tmp_path: Path) -> None:
    """f1 has no yen, so its bound is in dollars; f2's is not."""
    text = (YEN + GOOD).replace('account = "F1"', 'account = "F1"\nsymbols = { EURUSD = "EURUSD" }')
    for owner, count in (("followers.f1", 0), ("followers.f2", 1)):
        bound = f"\n[{owner}.limits]\nmax_order_value = 100000\n"
        told = [
            one
            for one in problems_of(tmp_path, text + bound)
            if one.path == f"{owner}.limits.max_order_value"
        ]
        assert len(told) == count
    for number, count in ((0, 0), (1, 1)):
        bound = "\nlimits = { max_order_value = 100000 }\n"
        parts = text.split("[[subscriptions]]\n")
        parts[number + 1] += bound
        path = f"subscriptions[{number}].limits.max_order_value"
        told = [one for one in problems_of(tmp_path, "[[subscriptions]]\n".join(parts)) if one.path == path]
        assert len(told) == count


def test_the_table_says_in_which_currency_a_bound_is(tmp_path: Path) -> None:
    """Of an order in that of the instrument, of everything in that of the account."""
    bound = "\n[followers.f1.limits]\nmax_order_value = 100000\nmax_exposure = 5000000\n"
    assert not [one for one in problems_of(tmp_path, GOOD + YEN + bound) if one.severity == "error"]
    rows = {
        row.instrument: row.limits
        for row in effective_table(load(tmp_path / "gateway.toml"))
        if row.follower == "f1"
    }
    assert rows["USDJPY"] == "account: order worth 100000 JPY, worth 5000000 USD in all (clip)"
    assert rows["EURUSD"] == "account: order worth 100000 USD, worth 5000000 USD in all (clip)"
