"""Blocks: what makes members of one, what the core is given, what `check` and `explain` say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway._fastcore import Pipeline
from gateway.check import effective_table
from gateway.config import load
from gateway.config_core import core_json
from tests.unit.config_text import GOOD, problems_of, write
from tests.unit.test_explain import QUANTA, entry, line, said

BLOCK = GOOD.replace('{ mode = "multiplier", k = "0.5" }', '{ mode = "block", weight = "2.5" }').replace(
    'max_ratio = 10\n', ""
).replace('mode = "equity", k = 1', 'mode = "block"')  # fmt: skip


def test_a_block_is_compiled_and_shown(tmp_path: Path) -> None:
    """The core takes it; `check` shows each weight."""
    config = load(write(tmp_path, BLOCK))
    core = json.loads(core_json(config))
    assert [one["sizing"] for one in core["subscriptions"]] == [
        {"mode": "block", "weight": "2.5", "by": "weight"},
        {"mode": "block", "weight": "1", "by": "weight"},
    ]
    Pipeline.open(tmp_path / "core", core_json(config), "process", 1_700_000_000_000_000_000).close()
    rows = effective_table(config)
    assert {row.rule for row in rows} == {"block, weight 2.5", "block, weight 1"}
    assert {row.one_lot for row in rows} == {"1 leader lot → one member's lot"}


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ('{ mode = "block" }', '{ mode = "block", by = "equity" }', "sizing.by", "cannot be compared"),
        ('{ mode = "block" }', '{ mode = "block" }\nreverse = true', "reverse", "one direction"),
        (
            '{ mode = "block" }',
            '{ mode = "block" }\nsymbol_map = { EURUSD = { instrument = "EURUSD", qty_factor = 2 } }',
            "symbol_map",
            "a lot step is 500 leader units, not 1000",
        ),
    ],
)
def test_members_of_a_block_are_alike(tmp_path: Path, old: str, new: str, path: str, words: str) -> None:
    assert BLOCK.count(old) == 1
    (problem,) = problems_of(tmp_path, BLOCK.replace(old, new))
    assert problem.path == f"subscriptions[1].{path}"
    assert words in problem.text()
    assert "f1<alpha" in problem.text()


def test_weights_by_account_need_currencies(tmp_path: Path) -> None:
    text = BLOCK.replace('weight = "2.5"', 'by = "equity"').replace(
        '{ mode = "block" }', '{ mode = "block", by = "equity" }'
    )
    assert problems_of(tmp_path, text) == []
    without = text.replace('account = "F1"\ncurrency = "USD"', 'account = "F1"')
    assert [p.path for p in problems_of(tmp_path, without)] == ["followers.f1.currency"]


def test_weights_by_account_need_a_rate(tmp_path: Path) -> None:
    """Without an instrument that converts them one member would get nothing, and the others its part."""
    by_equity = '{ mode = "block", by = "equity" }'
    text = BLOCK.replace('{ mode = "block", weight = "2.5" }', by_equity).replace(
        '{ mode = "block" }', by_equity
    )
    text = text.replace('account = "F1"\ncurrency = "USD"', 'account = "F1"\ncurrency = "CHF"')
    (problem,) = problems_of(tmp_path, text)
    assert (problem.path, "no instrument converts" in problem.message) == ("subscriptions[0].sizing", True)


def test_a_block_cannot_join_with_a_position(tmp_path: Path) -> None:
    (problem,) = problems_of(
        tmp_path, BLOCK.replace('{ mode = "block" }', '{ mode = "block" }\njoining = "target"')
    )
    assert problem.path == "subscriptions[1].joining"


def test_lots_of_what_a_member_does_not_trade_are_no_lots_of_the_block(tmp_path: Path) -> None:
    """One member trades a smaller GOLD, the other none at all."""
    small = '\n[instruments.MINI]\ncontract_size = 1\nlot_step = "0.1"\nmin_lot = "0.1"\ntick = "0.01"\n'
    small += 'currency = "USD"\n'
    mapped = '{ mode = "block", weight = "2.5" }\nsymbol_map = { GOLD = { instrument = "MINI" } }'
    text = BLOCK.replace('{ mode = "block", weight = "2.5" }', mapped) + small
    assert [p.path for p in problems_of(tmp_path, text)] == ["subscriptions[1].symbol_map"]
    only_euro = text.replace('account = "F2"\n', 'account = "F2"\nsymbols = { E = "EURUSD" }\n')
    assert [p.severity for p in problems_of(tmp_path, only_euro)] == ["warning"], "GOLD is not copied"
    Pipeline.open(tmp_path / "core", core_json(load(write(tmp_path, only_euro))), "process", 1).close()


def test_a_deal_is_explained_lot_by_lot() -> None:
    """The weight, what was dealt and what of it counted; and what a close took back."""
    dealt = {"before": "0", "kept": "0", "after": "6", "lots": "10", "weights": "3.5"}
    opened = said(entry(6, mode="block", ratio="2.5", numbers={"block": dealt, **line("6000")}))
    assert opened["rule"].endswith("weight 2.5 of 3.5, 6 of the block's 10 lot steps.")
    assert opened["size"].startswith("Size: 6 lot steps dealt x 1000 = 6000 units (0.06 lots).")
    numbers = {
        "position_before": "10000",
        "reduce": "4000",
        "increase": "0",
        "counted": "0",
        **line("2400", "4000"),
    }
    back = {"before": "5", "kept": "3", "after": "3", "lots": "6", "weights": "0"}
    closed = said(
        entry(
            2.4, mode="block", ratio=None, leader_delta="-4000", leader_position="6000",
            target_before=str(4 * QUANTA), numbers={"block": back, **numbers},
        )
    )  # fmt: skip
    assert closed["close"] == (
        "Of the 5 lot steps that it was dealt, 2 were taken back: 4000 x (1 - 2 / 5) = 2400."
    )
