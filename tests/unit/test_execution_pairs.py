"""The page of execution reports: every pair is there, and says what the core does today."""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "execution-reports.md"
DICTIONARIES = Path(sys.prefix) / "share" / "quickfix"
ROW = re.compile(
    r"^\| (\w) \| ([\w ]+) \| (nothing filled|a fill|a fill is less) \| ([a-z ]+) \| (.+) \|$", re.M
)


@pytest.fixture(scope="module")
def pairs() -> Any:
    """The script that asks the core."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("execution_pairs")
    finally:
        sys.path.pop(0)


def tables() -> list[list[tuple[str, str, str, str, str]]]:
    """The rows of both tables: 150, the other field's values, what it says, is read as, and does."""
    text = PAGE.read_text(encoding="utf-8")
    return [ROW.findall(part) for part in text.split("<!-- generated: ")[1:]]


def enum(name: str, tag: int) -> set[str]:
    """Values of a field in one of QuickFIX's dictionaries."""
    root = ElementTree.parse(DICTIONARIES / f"{name}.xml").getroot()
    return {str(value.get("enum")) for value in root.findall(f"fields/field[@number='{tag}']/value")}


def test_the_values_are_all_that_the_standard_has(pairs: Any) -> None:
    """ExecType and OrdStatus of every version, by QuickFIX's dictionaries."""
    for name in ("FIX42", "FIX43", "FIX44", "FIX50SP2"):
        for tag, known in ((150, pairs.EXEC_TYPES), (39, pairs.ORD_STATUSES)):
            assert enum(name, tag), name
            assert enum(name, tag) <= set(known), name
    assert enum("FIX42", 150) <= set(pairs.OLD_EXEC_TYPES)
    assert enum("FIX42", 20) == set(pairs.TRANS_TYPES)


def test_every_pair_is_on_the_page(pairs: Any) -> None:
    """Each pair once as it takes a fill away, or twice: with nothing filled, and with a fill."""
    for rows, asked in zip(tables(), (pairs.NEW, pairs.OLD), strict=True):
        found: dict[tuple[str, str], list[str]] = {pair: [] for pair in asked.pairs}
        for one, twos, says, _, _ in rows:
            for two in twos.split():
                found[one, two].append(says)
        wrong = {
            p: s
            for p, s in found.items()
            if sorted(s) not in (["a fill", "nothing filled"], ["a fill is less"])
        }
        assert not wrong


def test_a_pair_does_on_the_page_what_the_core_does(pairs: Any) -> None:
    """Some of them played again, beside what a person knows of them."""
    chosen = tuple(itertools.product("0F8HI4", "0248"))
    asked = pairs.Asked("44", (150, 39), chosen)
    copies, follows = pairs.COLUMNS["from the leader"], pairs.COLUMNS["of a follower's order"]
    filled = pairs.played(asked, *follows, pairs.FILLED)
    assert filled["F", "2"] == "fill of 10 counted, acknowledged → filled"
    assert filled["4", "4"].startswith("fill of 4 counted, acknowledged → canceled"), "a fill on any report"
    assert pairs.played(asked, *copies, pairs.FILLED)["F", "2"] == "target +10, we buy 10"
    assert "alert `bust`" in pairs.played(asked, *copies, pairs.TAKEN)["H", "8"]
    nothing = pairs.played(asked, *follows, pairs.NOTHING)
    assert "broker_reject" in nothing["8", "8"]
    assert "canceled" in nothing["4", "4"]
    for one, twos, says, _, does in tables()[0]:
        for two in twos.split():
            if says == "nothing filled" and (one, two) in chosen:
                assert nothing[one, two] == does.split(" | ")[2], (one, two)


def test_a_report_of_a_fill_is_never_noted_only(pairs: Any) -> None:
    """Whatever ExecType and OrdStatus say: what was filled is counted on both sides."""
    for rows in tables():
        for one, twos, says, _, does in rows:
            if says == "a fill":
                words = ("target +", "target +", "fill of", "fill of")
                for word, cell in zip(words, does.split(" | "), strict=True):
                    assert word in cell, (one, twos)
