"""The worked numbers of the page about sizing rules are the core's."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway._fastcore import Pipeline
from gateway.config import load
from gateway.config_core import core_json
from tests.unit.config_text import GOOD, write

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "choose-a-sizing-rule.md"
ROW = re.compile(r"^\| `(\{ mode = .*? \})`.*? \| ([0-9.]+) \| ([0-9.]+) \|", re.MULTILINE)
NOW_NS = 1_700_000_000_000_000_000


def rows() -> list[tuple[str, str, str]]:
    """Each row of the table: the rule, the target in units, the order in lots."""
    return ROW.findall(PAGE.read_text("utf-8"))


def report() -> bytes:
    """The leader buys 1.37 lots at 1.10."""
    body = (
        "35=8|34=1|49=B|56=G|37=O|17=E|1=L1|150=F|39=2|55=EURUSD|54=1|38=137000|32=137000|31=1.1|151=0|14=137000|"
        "60=20231114-22:13:20.000|"
    ).replace("|", "\x01")
    text = f"8=FIX.4.4\x019={len(body)}\x01{body}"
    return f"{text}10={sum(text.encode()) % 256:03}\x01".encode()


def copied(folder: Path, rule: str, share: str = "1") -> dict[str, Any]:
    """The first follower's line after the leader's trade; with two more members where it is a block."""
    text = GOOD.replace('{ mode = "multiplier", k = "0.5" }', rule).replace("max_ratio = 10\n", "", 1)
    if "equity" in rule and "percent_equity" not in rule:
        text = text.replace(f"sizing = {rule}", f'sizing = {rule}\nmax_ratio = 10\ncapital_share = "{share}"')
    text = text.replace('sizing = { mode = "equity", k = 1 }', 'sizing = { mode = "multiplier", k = 1 }')
    if "block" in rule:
        text = text.replace('{ mode = "multiplier", k = 1 }', '{ mode = "block", weight = 2 }')
        third = 'route = "r2"\naccount = "F3"\ncurrency = "USD"\n'
        text += f'\n[followers.f3]\n{third}\n[[subscriptions]]\nfollower = "f3"\nleader = "alpha"\n'
        text += 'sizing = { mode = "block" }\n'
    pipeline = Pipeline.open(folder / "core", core_json(load(write(folder, text))), "process", NOW_NS)
    told = [
        ("operator", {"cmd": "account", "who": "ann", "account": "alpha", "equity": "50000"}),
        ("operator", {"cmd": "account", "who": "ann", "account": "f1", "equity": "20000"}),
        ("quote", {"instrument": "EURUSD", "bid": "1.1", "ask": "1.1"}),
    ]
    for n, (kind, event) in enumerate(told):
        pipeline.submit(kind, "", json.dumps(event).encode(), NOW_NS + n)
    pipeline.submit("leader", "LEADER", report(), NOW_NS + 9)
    lines = json.loads(pipeline.status())["subscriptions"]
    return next(one for one in lines if one["follower"] == "f1")


def test_the_table_has_every_mode_of_one_instrument() -> None:
    """Modes that compare other accounts or instruments stand in the text below it."""
    modes = {tomllib.loads(f"sizing = {rule}")["sizing"]["mode"] for rule, _, _ in rows()}
    assert modes == {"multiplier", "percent", "lots_multiplier", "fixed", "equity", "percent_equity", "block"}


@pytest.mark.parametrize(("rule", "target", "lots"), rows(), ids=[rule for rule, _, _ in rows()])
def test_a_worked_number_is_what_the_core_does(tmp_path: Path, rule: str, target: str, lots: str) -> None:
    """Target in units before rounding, and what is ordered of it, lots of 100,000."""
    line = copied(tmp_path, rule)
    assert line["target"] == target
    assert float(line["working"]) / 100_000 == pytest.approx(float(lots), abs=1e-12)


SHARES = re.compile(
    r"^\| (?:no `capital_share`|`\"([0-9.]+)\"`) \| ([0-9]+) \| ([0-9]+) \| ([0-9.]+) \|", re.MULTILINE
)


def test_shares_of_an_account_are_what_the_core_does(tmp_path: Path) -> None:
    """Each row of the table: the share, what counts of 20,000, the target in units, the order in lots."""
    found = SHARES.findall(PAGE.read_text("utf-8"))
    assert [share for share, *_ in found] == ["", "0.5", "0.3", "0.2"]
    for share, counts, target, lots in found:
        assert float(counts) == pytest.approx(20_000 * float(share or "1"))
        (folder := tmp_path / f"s{share}").mkdir()
        line = copied(folder, '{ mode = "equity", k = "1" }', share or "1")
        assert line["target"] == target
        assert float(line["working"]) / 100_000 == pytest.approx(float(lots), abs=1e-12)
