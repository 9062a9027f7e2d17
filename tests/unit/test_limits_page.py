"""The page of limits: every code has its row, and every limit an example that the core was asked."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.config import examine
from gateway.refusal_texts import REASONS
from gateway.sim.text import decode, first

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
BY_HAND, _, MADE = PAGE.partition("## Examples\n")
NO_LIMITS = {"bad_side", "duplicate", "frozen_order", "not_filled", "order_terms"}
"""Codes about what a report says, or about mirrors; the page says that they have no example."""
WORDS_ONLY = NO_LIMITS | {"max_inflation", "missed", "broker_reject", "overflow"}
"""Codes that the page has in words, without a row of its tables."""


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tools that play examples."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("limit_stage")


@pytest.fixture
def examples(stage: Any) -> Any:
    return importlib.import_module("limit_examples")


def codes(text: str) -> set[str]:
    """The first column of every table."""
    return set(re.findall(r"^\| `([a-z_]+)`", text, flags=re.MULTILINE))


def test_every_code_is_on_the_page() -> None:
    """A row, or words where it is no limit; no other code has a row."""
    assert codes(BY_HAND) == set(REASONS) - WORDS_ONLY
    assert all(f"`{code}`" in BY_HAND for code in REASONS)


def test_every_limit_has_an_example() -> None:
    assert codes(MADE) == set(REASONS) - NO_LIMITS | {"look_alike"}


def test_every_example_shows_its_code(examples: Any) -> None:
    """An example whose code the core does not say would be no example of it."""
    silent = [one for one in examples.EXAMPLES if f"`{one.code}`" not in "; ".join(one.played())]
    assert silent == []


def test_every_example_is_a_file_that_check_takes(stage: Any, examples: Any, tmp_path: Path) -> None:
    """Without an error; and of warnings only that about a leader whose position is not told."""
    path = tmp_path / "gateway.toml"
    for one in examples.EXAMPLES:
        path.write_text(stage.deployment(one.keys), encoding="utf-8")
        found = [problem.message for problem in examine(path)[1]]
        unknown = ["nothing says what this account holds at the start"]
        assert found == (unknown if one.code == "leader_position_unknown" else []), one.code


@pytest.mark.parametrize(("does", "side"), [("buys", "1"), ("sells", "2")])
def test_a_bust_has_the_side_of_its_trade(stage: Any, tmp_path: Path, does: str, side: str) -> None:
    """As a broker reports it."""
    played, said = stage.Stage(tmp_path, ()), list[Any]()
    try:
        played.say(f"he {does} 1 at 1.1")
        played.leader = said.append
        played.say("his broker busts it")
    finally:
        played.close()
    (bust,) = map(decode, said)
    assert [first(bust, tag) for tag in (150, 19, 54)] == ["H", played.last, side]


def test_a_phrase_that_nobody_knows_is_an_error(examples: Any) -> None:
    """Nothing of a story is left out silently."""
    with pytest.raises(ValueError, match="no such phrase: he hopes"):
        examples.Example("kill", (), "he buys 1 at 1.1; he hopes").played()


OWN = {"contract_size": 100_000, "lot_step": "0.01", "min_lot": "0.01", "tick": "0.00001", "currency": "USD"}
MAPPED = (
    f"instruments.EUR = {{ {', '.join(f'{key} = {value!r}' for key, value in OWN.items())} }}",
    'leader.symbols = { EURUSD = "EURUSD", EUR = "EUR" }',
    'follower.symbols = { EUR = "EUR" }',
    'subscription.symbol_map = { EURUSD = { instrument = "EUR" } }',
    "subscription.max_drift_bps = 20",
)


@pytest.mark.parametrize(
    ("quotes", "made"),
    [
        ([("EURUSD", "1.1", "1.1"), ("EUR", "2", "2")], ("buys 1", "")),
        ([("EURUSD", "1.2", "1.2"), ("EUR", "1.1", "1.1")], ("nothing", "`drift`")),
        ([("EUR", "1.1", "1.1")], ("nothing", "`no_quote`")),
    ],
)
def test_drift_goes_by_the_quote_of_the_leaders_instrument_alone(
    stage: Any, tmp_path: Path, quotes: list[tuple[str, str, str]], made: tuple[str, str]
) -> None:
    """Whatever the follower's own is quoted at (decision 0032). Without the leader's nothing is opened."""
    played = stage.Stage(tmp_path, MAPPED)
    try:
        for symbol, bid, ask in quotes:
            played.says([(35, "W"), (55, symbol), (268, "2"), (269, "0"), (270, bid), (269, "1"), (270, ask)])
        orders, refused = played.say("he buys 1 at 1.1")
    finally:
        played.close()
    assert (orders, refused.split(" ")[0]) == made


def test_what_never_comes_to_an_end_is_no_answer(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A story that is cut off in the middle would go onto the page as if that were all."""
    played = stage.Stage(tmp_path, ())
    monkeypatch.setattr(importlib.import_module("stage"), "ROUNDS_MAX", 1)
    try:
        with pytest.raises(RuntimeError, match="after 1 rounds"):
            played.say("he buys 1 at 1.1")
    finally:
        played.close()
