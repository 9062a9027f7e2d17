"""`copygate explain`: one decision in words, each with the numbers of the log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from gateway import control_cli
from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.explain import HELD_BACK, Context, Reason, context, explain
from gateway.audit.store import Store
from gateway.audit.trace import Child
from tests.unit.audit_rows import DAY_NS, T0_NS, Row, decision, outcome

QUANTA = 10**18
BOUGHT = "alpha bought 10000 units (0.1 lots) of EURUSD at 1.1."
KNOWN = Context(
    {"sizing": {"mode": "multiplier", "k": "0.5"}}, {"min_lot": "0.01", "contract_size": "100000"}
)


def line(rounded: str = "0", filled: str = "0", buy: str = "0", sell: str = "0") -> dict[str, str]:
    """The follower's line as a conversion has it."""
    return {"rounded": rounded, "filled": filled, "working_buy": buy, "working_sell": sell}


def entry(moved: float | int, **fields: Any) -> dict[str, Any]:
    """A decision on a buy of 10000 by a leader who was flat, with a follower step of 1000 units."""
    numbers = {
        "position_before": "0", "reduce": "0", "increase": "10000", "counted": "10000",
        "reverse": False, "qty_factor": "1", "leader_contract": "100000", "follower_contract": "100000",
        "sized": None, "order_open": None, "target_moved": str(int(moved * QUANTA)), **line("5000"),
        **fields.pop("numbers", {}),
    }  # fmt: skip
    whole = {
        "leader": "alpha", "follower": "f1", "subscription": "f1<alpha", "instrument": "EURUSD",
        "mode": "multiplier", "leader_delta": "10000", "leader_position": "10000", "px": "1.1",
        "ratio": "0.5", "rounding": "toward_zero", "target_before": "0", "step": "1000",
        "target_after": str(int(moved * QUANTA)), "result": "ordered", "refusals": [],
        "conversion": numbers, "exec_id": "E7",
    }  # fmt: skip
    return {**whole, **fields}


def said(fields: dict[str, Any], *children: Child, known: Context = KNOWN) -> dict[str, str]:
    """The steps of a decision by name; of refusals and orders the last."""
    return {one.step: one.text for one in explain(fields, known, children)}


def test_an_inverse_contract_is_said_to_be_one() -> None:
    """Who reads the numbers has to know what a unit is."""
    contract = {"min_lot": "1", "contract_size": "100", "inverse": True, "base": "USD", "currency": "XBT"}
    text = said(entry(5), known=Context(KNOWN.rule, contract))["rule"]
    assert text.endswith(" The contract is inverse: a unit is a USD, worth 1 / price in XBT.")
    assert "inverse" not in said(entry(5))["rule"]


def test_a_share_of_the_account_is_said() -> None:
    """It is part of why the size is what it is."""
    rule = {"sizing": {"mode": "equity", "k": "1"}, "capital_share": "0.25"}
    text = said(entry(5, mode="equity"), known=Context(rule, KNOWN.instrument))["rule"]
    assert text.startswith("f1<alpha copies by equity (k 1), by 0.25 of the account: 0.5 units")


@pytest.mark.parametrize("why", HELD_BACK)
def test_what_waits_says_what_it_waits_for(why: str) -> None:
    """A support desk reads it to a client: not `for orders that are on their way` where there are none."""
    held = {"why": why, "units": "6000"}
    fields = entry(0, numbers=line("0", "6000"), result="waits", held_back=held)
    told = said(fields)
    assert told["held_back"] == f"6000 units (0.06 lots) waited: {HELD_BACK[why]}"
    assert told["result"] == "So it waited."
    later = said(fields, Child("C1", "sell", "6000", "filled", "6000", "1.2", later=True))
    assert later["result"] == "So nothing was sent at once; the later order was made when it could be."


def test_a_close_that_is_cut_says_what_waits_beside_its_order() -> None:
    """10,000 were missing and 4,000 sent: the rest is told. A code of a newer core is its own word."""
    held = {"why": "broker_position", "units": "6000"}
    child = Child("C1", "sell", "4000", "filled", "4000", "1.2")
    told = said(entry(0, numbers=line("0", "10000"), held_back=held), child)
    assert "6000 units (0.06 lots) waited: the account held no more" in told["held_back"]
    assert told["result"] == "So these orders were made; the rest waited."
    doubt = said(
        entry(0, numbers=line("0", "0"), result="waits", held_back={"why": "new_code", "units": "0"})
    )
    assert doubt["held_back"] == "A close waited: new_code"
    assert "held_back" not in said(entry(5))


def test_an_open_is_told_from_the_leaders_trade_to_the_order() -> None:
    """Every number on the way, in units and lots."""
    told = explain(entry(5), KNOWN, [Child("C1", "buy", "5000", "filled", "5000", "1.2")])
    assert [one.text for one in told] == [
        f"{BOUGHT} Its position went from 0 to 10000: all of it opened.",
        "f1<alpha copies by multiplier (k 0.5): 0.5 units for each unit of the leader.",
        "Size: 0.5 x 10000 = 5000 units (0.05 lots). The target went from 0 to 5000.",
        "Rounded toward_zero to steps of 1000, not below 0.01 lots: 5000 becomes 5000 units (0.05 lots).",
        "Our orders had filled 0; 0 was being bought, 0 sold: 5000 units (0.05 lots) to buy were missing.",
        "Order C1: buy 5000 units (0.05 lots); filled, 5000 filled at 1.2.",
        "So these orders were made.",
    ]
    assert told[2].numbers == {"target_moved": str(5 * QUANTA)}


def test_a_flip_is_told_as_a_close_and_an_open() -> None:
    """The leader goes from +4000 to -6000: 4000 close, 6000 open on the other side."""
    numbers = {"position_before": "4000", "reduce": "4000", "increase": "6000", "counted": "6000"}
    flip = entry(
        -3, leader_delta="-10000", leader_position="-6000", target_before=str(2 * QUANTA),
        numbers={**numbers, **line("-3000", "2000", sell="1000")},
    )  # fmt: skip
    told = said(flip)
    assert told["leader"].endswith("from 4000 to -6000: 4000 of it closed, 6000 opened.")
    assert told["close"] == "The leader closed all that it held, so the target is 0; it was 2000."
    assert told["size"].startswith("Size: 0.5 x 6000 = 3000 units")
    assert told["difference"].endswith("1000 sold: 4000 units (0.04 lots) to sell were missing.")


def test_a_part_close_takes_the_same_share_and_is_rounded_as_the_core_rounds_it() -> None:
    """1000 of 3000 closed: two thirds of the target are left, to 10^-18 of a step."""
    numbers = {"position_before": "3000", "reduce": "1000", "increase": "0", "counted": "0"}
    close = entry(
        0.666, leader_delta="-1000", leader_position="2000", target_before=str(QUANTA), ratio=None,
        numbers={**numbers, **line("0", "1000")},
    )  # fmt: skip
    told = said(close)
    assert told["rule"].endswith("a close needs no ratio.")
    assert told["close"].endswith("1000 x (1 - 1000 / 3000) = 666.666666666666667.")
    assert "size" not in told


def test_an_amount_says_what_was_given_before_and_what_is_still_open() -> None:
    """`fixed`: 12000 of 30000 were given; 4000 of 6000 open units fill now, half of them young."""
    numbers = {"increase": "4000", "counted": "2000", "sized": "12000", "order_open": "6000"}
    told = said(entry(6, ratio="30000", mode="fixed", numbers=numbers))
    assert "30000 units (0.3 lots) in all for this order of the leader" in told["rule"]
    assert told["counted"] == "2000 of the 4000 opened counted; the rest was refused."
    expected = "Size: (30000 - 12000 given before) x 4000 / 6000 still open of it x 2000 / 4000 = 6000 units"
    assert told["size"].startswith(expected)


def test_a_refusal_has_its_words_and_its_numbers_and_what_was_taken_off() -> None:
    """Limit and value as the core compared them; the target gives up what was not sent."""
    refused = [
        {"code": "max_position", "limit": "3000", "value": "5000"},
        {"code": "kill", "limit": "0", "value": "0"},
    ]
    told = explain(entry(5, result="refused", refusals=refused, target_after="0"), KNOWN, [])
    texts = [one.text for one in told if one.step == "refusal"]
    assert texts == [
        "max_position: position too large (limit 3000, value 5000).",
        "kill: somebody stopped it.",
    ]
    assert told[-1].text == "So nothing was sent. What was not sent was taken off the target: 0 is left."


@pytest.mark.parametrize(
    ("moved", "held", "what"),
    [
        (0.4, line(), "less than the smallest lot"),
        (5, line("5000", "5000"), "nothing had to be sent"),
        (5, line("5000", sell="3000"), "So it waits, for orders that are on their way."),
        (5, line("500"), "for orders that are on their way or until it is a smallest lot."),
    ],
)
def test_what_waits_says_for_what(moved: float, held: dict[str, str], what: str) -> None:
    """Too small, already held, or behind an order the other way."""
    assert what in said(entry(moved, result="waits", numbers=held))["result"]


def test_an_order_that_was_made_later_is_no_order_that_waits() -> None:
    """What is told above the result was made; the result is of the moment of the decision."""
    later = Child("C9", "buy", "5000", "filled", "5000", "1.2", later=True)
    for result in ("waits", "refused", "none", "withdrawn"):
        told = said(entry(5, result=result), later)
        assert told["order"].startswith("Later order C9: buy 5000 units")
        assert told["result"] == "So nothing was sent at once; the later order was made when it could be."
    two = said(entry(5, result="waits"), later, later)["result"]
    assert two == "So nothing was sent at once; the later orders were made when they could be."
    assert said(entry(5), later)["result"] == "So these orders were made."


THEIRS = "So no order was made for it: mirrored orders may still fill it, or have filled ahead; their own"
WAITS = "So it waits, for orders that are on their way"


@pytest.mark.parametrize(
    ("held", "mirrors", "result"),
    [
        (line("5000"), True, THEIRS),
        (line("5000", "9000"), True, THEIRS),
        (line("5000", "5000"), True, "So nothing had to be sent: what was held, or on its way"),
        (line("5000", "4500"), True, f"{WAITS} or until it is a smallest lot."),
        (line("5000"), False, f"{WAITS}."),
    ],
)
def test_what_is_missing_beside_mirrored_orders_is_theirs(
    held: dict[str, str], mirrors: bool, result: str
) -> None:
    """A decision does not count them: what is more than a smallest lot does not wait for one."""
    told = said(entry(5, result="waits", numbers=held), known=replace(KNOWN, mirrors=mirrors))
    assert told["result"].startswith(result)
    assert ("; beside mirrored orders 0 was being bought" in told["difference"]) is mirrors


def test_nothing_is_left_to_mirrored_orders_where_nothing_is_missing() -> None:
    """Also where the smallest lot is not known."""
    bare = Context({}, {}, mirrors=True)
    held = entry(5, result="waits", numbers=line("5000", "5000"))
    assert said(held, known=bare)["result"].startswith("So nothing had to be sent")
    assert said(entry(5, result="waits"), known=bare)["result"].startswith(THEIRS)


@pytest.mark.parametrize(
    ("keys", "mirrors"),
    [({}, False), ({"copy": "fills"}, False), ({"copy": "orders"}, True), ({"copy_stops": True}, True)],
)
def test_the_configuration_in_force_says_whether_orders_are_mirrored(
    keys: dict[str, Any], mirrors: bool
) -> None:
    """Whole orders, or stops alone."""
    config = json.loads(json.dumps(CONFIG))
    config["subscriptions"][0] |= keys
    assert context(config, entry(5)).mirrors is mirrors


def test_a_bust_and_a_symbol_without_a_mapping_are_told_as_what_they_are() -> None:
    """No target follows a bust, and none is there where nothing is mapped."""
    bust = entry(
        0, leader_delta="-10000", leader_position="0", numbers={"position_before": "10000", "increase": "0"}
    )
    assert said(bust)["close"] == "The target does not follow: an operator decides about a bust."
    kept = said({**bust, "refusals": [{"code": "leaving"}]})
    assert kept["close"] == "The target does not follow: the subscription left with what it holds."
    unmapped = entry(0, conversion=None, result="refused", refusals=[{"code": "restricted"}])
    told = said(unmapped)
    assert set(told) == {"leader", "refusal", "result"}
    assert told["result"].endswith("no mapping, or the leader's position is not known.")


def test_a_log_without_the_line_is_told_without_it() -> None:
    """Entries of an older engine have no rounded target: those steps are left out, nothing is guessed."""
    older = entry(5)
    for name in line():
        del older["conversion"][name]
    assert {"rounding", "difference"}.isdisjoint(said(older, known=Context({}, {})))


CONFIG = {
    "subscriptions": [{"name": "f1<alpha", "sizing": {"mode": "percent", "percent": "50"},
                       "symbol_map": {"EURUSD": {"instrument": "EUR"}}}],
    "instruments": [{"name": "EUR", "min_lot": "0.02", "contract_size": "100000"}],
}  # fmt: skip


def start(journal: int, percent: str, at_ns: int) -> Row:
    """A START with a rule."""
    config = json.loads(json.dumps(CONFIG).replace('"50"', json.dumps(percent)))
    return journal, "start", json.dumps({"kind": "start", "at_ns": str(at_ns), "config": config})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two days: a start and a decision on each, and the first order's fill on the second."""
    rows = [
        start(1, "50", T0_NS),
        decision(2, at_ns=T0_NS + 1, **entry(5), orders=[{"cl_ord_id": "C1", "qty": "5000"}]),
        start(3, "70", T0_NS + DAY_NS),
        outcome(4, "C1", "filled", T0_NS + DAY_NS + 1),
        decision(5, at_ns=T0_NS + DAY_NS + 2, **entry(5, exec_id="E8")),
    ]
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*row) for row in rows], 5)
    return tmp_path


def invoke(*words: str) -> typer.testing.Result:
    """Runs `copygate explain …`."""
    return typer.testing.CliRunner().invoke(app, ["explain", *words])


def test_the_rule_is_the_one_in_force_and_a_late_fill_counts(state: Path) -> None:
    """Yesterday's decision has yesterday's rule, and the fill of today."""
    old, new = (invoke(exec_id, "f1", "--state", str(state)).output for exec_id in ("E7", "E8"))
    assert "percent 50" in old
    assert "not below 0.02 lots" in old
    assert "filled, 500 filled at 1.1" in old
    assert "percent 70" in new


def test_json_has_the_same_steps(state: Path) -> None:
    """For a program: names of the steps, words and numbers."""
    told = json.loads(invoke("E7", "f1<alpha", "--state", str(state), "--json").stdout)
    assert (told["exec_id"], told["follower"], told["journal"]) == ("E7", "f1", "2")
    assert [s["step"] for s in told["steps"]] == [
        "leader", "rule", "size", "rounding", "difference", "order", "result",
    ]  # fmt: skip
    assert told["steps"][1]["numbers"]["ratio"] == "0.5"


@pytest.mark.parametrize("words", [["E7", "f1"], ["E7", "f1<alpha", "--json"], ["E7", "f2"], ["E9", "f1"]])
def test_ctl_has_the_same_command(state: Path, words: list[str]) -> None:
    """`copygate ctl CONFIG explain` takes the same names, and says the same with the same exit code."""
    file = state / "gateway.toml"
    file.write_text('[gateway]\nstate_dir = "."\n', "utf-8")
    top = invoke(*words, "--config", str(file))
    under = typer.testing.CliRunner().invoke(control_cli.app, [str(file), "explain", *words])
    assert (under.exit_code, under.stdout, under.output) == (top.exit_code, top.stdout, top.output)
    assert (under.exit_code == 0) == (words[:2] != ["E7", "f2"] and words[0] != "E9")


def test_a_wrong_name_is_answered_with_what_there_is(state: Path) -> None:
    """Exit code 2 and one line."""
    unknown = invoke("E7", "f2", "--state", str(state))
    assert (unknown.exit_code, "Known: f1." in unknown.output) == (2, True)
    missing = invoke("E9", "f1", "--state", str(state))
    assert (missing.exit_code, "no decision has this ExecID" in missing.output) == (2, True)


def test_every_step_has_words() -> None:
    """No step is empty, whatever the decision."""
    told: list[Reason] = explain(entry(5), KNOWN, [])
    assert all(one.text.endswith(".") for one in told)
