"""What how-to pages say about rolls, expiries and withdrawals, played at the core."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sim.text import first

ROOT = Path(__file__).resolve().parents[2]
FUTURE = '{ contract_size = 100000, lot_step = "1", min_lot = "1", tick = "0.01", currency = "USD" }'
LOSS = 'follower.guards.rules = [{ rule = "daily_loss", amount = 400, action = "close_all" }]'
DRAWDOWN = (
    'follower.guards.rules = [{ rule = "drawdown", period = "week", amount = 400, action = "close_all" }]'
)
HELD = "the follower's equity is 10000; quote 1.1/1.1; he buys 1 at 1.1"


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tools that play examples."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("limit_stage")


@pytest.fixture
def futures(play: Any, tmp_path: Path) -> Iterator[Any]:
    """A leader who has bought 10 of OLD, and a follower who copied them."""
    stage = play.Stage(tmp_path, (f"instruments.OLD = {FUTURE}", f"instruments.NEW = {FUTURE}"))
    stage.trade("1", "10", "100", symbol="OLD")
    assert sent(stage) == [("OLD", "buys 10")]
    yield stage
    stage.close()


def sent(stage: Any) -> list[tuple[str, str]]:
    """Orders since the last call, by instrument; the broker fills them."""
    stage.carry()
    made = [order for order in stage._sent if first(order, 35) == "D"]
    stage._sent.clear()
    return [(first(order, 55), stage._made(order)) for order in made]


def tell(stage: Any, **command: object) -> list[tuple[str, str]]:
    """An operator's command, and what is traded for it."""
    stage.now_ns += 1_000_000
    stage.operator(command)
    return sent(stage)


def adjust(stage: Any, instrument: str, position: str, rescale: bool) -> list[tuple[str, str]]:
    """`ctl adjust l INSTRUMENT --position … --targets …`."""
    command = {"cmd": "adjust", "leader": "l", "instrument": instrument, "reason": "roll"}
    return tell(stage, **command, position=position, rescale=rescale)


def test_a_leader_who_rolls_by_trades_is_copied(futures: Any) -> None:
    futures.trade("2", "10", "100", symbol="OLD")
    assert sent(futures) == [("OLD", "sells 10")]
    futures.trade("1", "10", "101", symbol="NEW")
    assert sent(futures) == [("NEW", "buys 10")]


def test_a_roll_by_the_leaders_broker_is_two_commands_and_a_resync(futures: Any) -> None:
    """Nothing is bought before the `resync`, and afterwards his closes are copied."""
    assert adjust(futures, "OLD", "0", rescale=False) == [], "refused: nobody would close it"
    assert adjust(futures, "OLD", "0", rescale=True) == [("OLD", "sells 10")]
    assert adjust(futures, "NEW", "1000000", rescale=False) == []
    assert tell(futures, cmd="resync", subscription="f<l") == [("NEW", "buys 10")]
    assert tell(futures, cmd="resync", subscription="f<l") == []
    futures.trade("2", "5", "101", symbol="NEW")
    assert sent(futures) == [("NEW", "sells 5")]


def played(play: Any, folder: Path, keys: str, *stories: str) -> list[str]:
    """What came of each phrase behind the ones that open a position."""
    stage = play.Stage(folder, (keys,))
    try:
        answers = [stage.say(phrase) for phrase in "; ".join([HELD, *stories]).split("; ")]
    finally:
        stage.close()
    return [f"{made} {refused}".strip() for made, refused in filter(None, answers)][1:]


def test_a_withdrawal_that_nobody_told_closes_everything(play: Any, tmp_path: Path) -> None:
    found = played(play, tmp_path, LOSS, "the follower's equity is 9500")
    assert found == ["sells 1"]


def test_a_withdrawal_that_was_told_before_is_no_loss(play: Any, tmp_path: Path) -> None:
    told = "the follower's deposit is -500; the follower's equity is 9500; he buys 0.1 at 1.1"
    assert played(play, tmp_path, LOSS, told) == ["buys 0.1"]


def test_a_pause_keeps_no_guard_from_closing(play: Any, tmp_path: Path) -> None:
    assert played(play, tmp_path, LOSS, "`ctl pause`; the follower's equity is 9500") == ["sells 1"]


def test_told_afterwards_it_releases_nothing(play: Any, tmp_path: Path) -> None:
    story = "the follower's equity is 9500; the follower's deposit is -500; he buys 0.1 at 1.1; "
    story += "`ctl arm --follower f`; he buys 0.1 at 1.1"
    assert played(play, tmp_path, LOSS, story) == [
        "sells 1",
        "nothing `daily_loss` 9500, bound 9600",
        "buys 0.1",
    ]


def test_an_old_equity_after_the_word_looks_like_a_profit_that_ends(play: Any, tmp_path: Path) -> None:
    told = "the follower's deposit is -500; the follower's equity is 10000; 1 s pass; "
    assert played(play, tmp_path, DRAWDOWN, told + "the follower's equity is 9500") == ["sells 1"]


def test_with_no_opens_an_untold_withdrawal_closes_nothing(play: Any, tmp_path: Path) -> None:
    """Until the money has left; then a person releases it."""
    story = "the follower's equity is 9500; he buys 0.1 at 1.1; `ctl arm --follower f`; he buys 0.1 at 1.1"
    assert played(play, tmp_path, LOSS.replace("close_all", "no_opens"), story) == [
        "nothing `daily_loss` 9500, bound 9600",
        "buys 0.1",
    ]


def test_the_pages_have_these_commands() -> None:
    """The recipes are where a person looks for them."""
    page = (ROOT / "docs" / "how-to" / "bring-a-follower-in-and-out.md").read_text(encoding="utf-8")
    assert "adjust alpha OLD --position 0 --targets rescaled" in page
    guide = (ROOT / "docs" / "how-to" / "protect-a-follower.md").read_text(encoding="utf-8")
    assert "--deposit -500" in guide
