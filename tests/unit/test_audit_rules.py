"""The hash of the rule in force in each decision."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.audit.entry import ENTRY_BYTES_MAX, EntryError
from gateway.audit.rules import Rules, rule_hash
from gateway.audit.tail import read_aside
from tests.unit.audit_rows import decision

RULE = {"name": "f1<alpha", "sizing": {"mode": "multiplier", "k": "0.5"}}
TIGHTER = {**RULE, "max_ratio": "2"}


def start(*rules: dict[str, Any]) -> str:
    """A START row's entry, as the replay gives it."""
    return json.dumps({"config": {"subscriptions": rules}, "at_ns": "1"})


def test_a_decision_has_the_hash_of_the_rule_in_force() -> None:
    """A rule that changes at a start has another hash from there on; one that is gone has none."""
    rules = Rules()
    found = []
    for row, content in enumerate(([RULE], [TIGHTER], []), 1):
        rules.entry(2 * row - 1, "start", start(*content))
        found.append(rules.entry(*decision(2 * row)).fields["rule_hash"])
    assert found == [rule_hash(RULE), rule_hash(TIGHTER), None]
    assert found[0] != found[1]


def test_an_audit_that_goes_on_knows_the_rules_without_the_start_row() -> None:
    """The replay gives the configuration in force; the entry is the same byte for byte."""
    from_the_beginning = Rules()
    from_the_beginning.entry(1, "start", start(RULE))
    going_on = Rules(json.dumps({"subscriptions": [RULE]}), 1)
    assert going_on.entry(*decision(2)).data == from_the_beginning.entry(*decision(2)).data


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    """Canonical JSON first: SHA-256 of `{"name":"a","sizing":{"k":"1","mode":"x"}}`."""
    one = rule_hash({"name": "a", "sizing": {"mode": "x", "k": "1"}})
    other = rule_hash({"sizing": {"k": "1", "mode": "x"}, "name": "a"})
    assert one == other == "75571296c06896a78c1299d2d4a2948f570124d5769cea09097e7b4ca6411685"


def test_a_large_configuration_is_read_aside_and_gives_the_same_entry() -> None:
    """What it takes while it is read goes with the process that reads it; the bytes do not depend on that."""
    many = [{**RULE, "name": f"f{n}<alpha"} for n in range(1_000)]
    here, aside = Rules(), Rules("", 0, read_aside)
    text = start(*many)
    assert len(text) > ENTRY_BYTES_MAX
    assert aside.entry(1, "start", text) == here.entry(1, "start", text)
    line = decision(2, subscription="f999<alpha")
    assert aside.entry(*line) == here.entry(*line)
    assert aside.entry(*line).fields["rule_hash"] == rule_hash(many[999])
    going_on = Rules(json.dumps({"subscriptions": many}), 1, read_aside)
    assert going_on.entry(*line) == here.entry(*line)


def test_a_configuration_that_cannot_be_read_aside_is_the_error_of_this_process() -> None:
    """The child's own words are lost with it; the error is met again where it is handled."""
    with pytest.raises(EntryError, match="not JSON"):
        Rules("", 0, read_aside).entry(1, "start", "x" * (ENTRY_BYTES_MAX + 1))
