"""`capital_share`: what of a follower's account each of its subscriptions counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config_core import core_json
from tests.unit.config_text import GOOD, find, problems_of, write

EQUITY = '{ mode = "equity", k = 1 }'
BETA = """
[leaders.beta]
session = "LEADER"
account = "L2"
currency = "USD"
assume_flat = true

[[subscriptions]]
follower = "f2"
leader = "beta"
sizing = SIZING
max_ratio = 10
"""


def twice(share: str = "", other: str = "", sizing: str = EQUITY) -> str:
    """f2 copies alpha and beta by its equity."""
    first = GOOD.replace("max_ratio = 10", f"max_ratio = 10\n{share}")
    return first + BETA.replace("SIZING", sizing) + other + "\n"


def shares(folder: Path, text: str) -> list[str]:
    """As the core gets them."""
    core = json.loads(core_json(load(write(folder, text))))
    return [one["capital_share"] for one in core["subscriptions"]]


def test_each_subscription_has_its_share(tmp_path: Path) -> None:
    """One that says none has all."""
    text = twice('capital_share = "0.6"', 'capital_share = "0.4"')
    assert problems_of(tmp_path, text) == []
    assert shares(tmp_path, text) == ["1", "0.6", "0.4"]


def test_several_that_size_by_all_of_one_account_are_a_warning(tmp_path: Path) -> None:
    """Two leaders at k = 1 are twice the leverage: meant or not, it is said."""
    problem = find(problems_of(tmp_path, twice()), "subscriptions[2].capital_share", "count 2 of it")
    assert problem.severity == "warning"
    assert "one without has all of it" in problem.hint
    assert shares(tmp_path, twice()) == ["1", "1", "1"]


@pytest.mark.parametrize(("share", "other"), [('"0.5"', '"0.51"'), ('"0.5"', None), (None, '"0.01"')])
def test_shares_of_more_than_the_account_are_refused(
    tmp_path: Path, share: str | None, other: str | None
) -> None:
    """One that is left out counts as all of it."""
    of = ["" if one is None else f"capital_share = {one}" for one in (share, other)]
    problem = find(
        problems_of(tmp_path, twice(*of)), "subscriptions[2].capital_share", "sized by the account"
    )
    assert problem.severity == "error"


def test_what_takes_no_account_values_shares_with_nobody(tmp_path: Path) -> None:
    """Units of the leader's own, an amount, and one that leaves."""
    assert problems_of(tmp_path, twice(sizing='{ mode = "notional", k = 1 }')) == []
    assert problems_of(tmp_path, twice(other='leaving = "keep"')) == []


def test_subscriptions_to_one_leader_are_one_copy_of_him(tmp_path: Path) -> None:
    """Split by instrument: neither adds to what the other opens."""
    gold = GOOD.replace("max_ratio = 10", 'max_ratio = 10\nfilters = { instruments = ["EURUSD"] }')
    gold += BETA[BETA.index("[[sub") :].replace("SIZING", EQUITY).replace("beta", "alpha")
    gold += 'name = "gold"\nfilters = { instruments = ["GOLD"] }\n'
    assert [one for one in problems_of(tmp_path, gold) if "capital_share" in one.path] == []


def test_a_share_of_nothing_is_refused(tmp_path: Path) -> None:
    """It would look as if it made orders smaller; leverage is a reason for one."""
    multiplier = GOOD.replace('k = "0.5" }', 'k = "0.5" }\ncapital_share = "0.5"')
    find(
        problems_of(tmp_path, multiplier), "subscriptions[0].capital_share", "a share of nothing: multiplier"
    )
    bounded = multiplier.replace("[gateway]", "[limits]\nmax_leverage = 2\n[gateway]", 1)
    assert [one for one in problems_of(tmp_path, bounded) if "capital_share" in one.path] == []


@pytest.mark.parametrize("value", ["0", '"-0.5"', '"1.01"', "0.5", "true"])
def test_a_share_is_above_nothing_and_at_most_all(tmp_path: Path, value: str) -> None:
    """A float is no exact number."""
    text = GOOD.replace("max_ratio = 10", f"max_ratio = 10\ncapital_share = {value}")
    find(problems_of(tmp_path, text), "subscriptions[1].capital_share")
