"""Why this size, or this refusal: one decision told step by step, with every number.

Pure: entries in, words out. The numbers are those of the audit entry, where the core wrote them; what is
computed here is only shown, in exact fractions, so that a reader can do it again. Quantities are units of
the account that they belong to, with lots beside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from gateway.audit.figures import Fields, number, quanta, units
from gateway.audit.trace import Child
from gateway.refusal_texts import reason

MIRROR = ("kind", "order_id", "cl_ord_id", "cause", "cause_exec_id", "begun", "act", "why")
"""What names a step of a mirrored order beside what names a decision."""

MIRRORED = "mirrored orders may still fill it, or have filled ahead; their own steps say which."
"""A decision counts no mirrors: each of them knows by itself how far it is ahead or behind."""

HELD_BACK = {
    "halt": "it was stopped at halt; closes go out at the release (`arm`).",
    "order_in_doubt": "it was not known what became of an earlier order; its broker is asked (close_waits).",
    "broker_position": "the account held no more by its broker's own report (close_capped).",
    "unnamed_position": "no report had named the position; without a name it would open one (close_unnamed).",
    "refused_lately": "the broker had refused such an order just before; it is tried again after a pause.",
    "self_match": "another subscription of the account had an order on the other side: that one comes first.",
}
"""What the core says of what was missing and waits, in words for a client."""

LINE = ("rounded", "filled", "working_buy", "working_sell")
"""What the core wrote down about the follower's line."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of the way from the leader's execution to the order, or to none."""

    step: str
    text: str
    numbers: Mapping[str, str]
    """The numbers in the text by their names in the entry."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the configuration in force says beside the entry; empty where the log has only its digest."""

    rule: Fields
    """The subscription."""
    instrument: Fields
    """The follower's instrument."""
    leaders: Fields = field(default_factory=dict)
    """The leader's instrument."""
    mirrors: bool = False
    """Orders of the leader's are mirrored: what they may still fill is counted for itself."""


def context(config: Any, entry: Fields) -> Context:
    """The subscription of a decision and its follower's instrument, by the configuration of a start entry."""
    if not isinstance(config, dict) or "subscriptions" not in config:
        return Context({}, {})
    rules = {rule.get("name"): rule for rule in config["subscriptions"]}
    rule = rules.get(entry.get("subscription"), {})
    mapped = rule.get("symbol_map", {}).get(entry.get("instrument"), {})
    instruments = {one.get("name"): one for one in config.get("instruments", [])}
    leaders = instruments.get(entry.get("instrument"), {})
    mirrors = rule.get("copy") == "orders" or bool(rule.get("copy_stops"))
    return Context(rule, instruments.get(mapped.get("instrument"), {}), leaders, mirrors)


def explain(entry: Fields, known: Context, children: Sequence[Child]) -> list[Reason]:
    """Every step of one decision, in the order in which the core takes them."""
    numbers = entry.get("conversion")
    told = [_leader(entry, numbers or {})]
    if isinstance(numbers, dict):
        told.append(_rule(entry, numbers, known))
        told += [part for part in (_close(entry, numbers), *_open(entry, numbers)) if part is not None]
        if "rounded" in numbers:
            told += [_rounding(entry, numbers, known), _difference(numbers, known)]
    told += [refusal(one) for one in entry.get("refusals") or []]
    told += _held_back(entry, numbers, known)
    told += [_order(child, numbers or {}) for child in children]
    told.append(_result(entry, numbers, known, sum(child.later for child in children)))
    return told


def _leader(entry: Fields, numbers: Fields) -> Reason:
    delta, after = Fraction(entry["leader_delta"]), Fraction(entry["leader_position"])
    did = "sold" if delta < 0 else "bought"
    at = f" at {entry['px']}" if entry.get("px") else ""
    lot = numbers.get("leader_contract")
    text = f"{entry['leader']} {did} {units(abs(delta), lot)} of {entry['instrument']}{at}."
    named = {"leader_delta": entry["leader_delta"], "leader_position": entry["leader_position"]}
    if not numbers:
        return Reason("leader", text, named)
    before, opened = Fraction(numbers["position_before"]), Fraction(numbers["increase"])
    closed = abs(delta) - opened
    parts = f"all of it {'closed' if closed else 'opened'}"
    if closed and opened:
        parts = f"{number(closed)} of it closed, {number(opened)} opened"
    text += f" Its position went from {number(before)} to {number(after)}: {parts}."
    return Reason("leader", text, {**named, "position_before": numbers["position_before"]})


def _rule(entry: Fields, numbers: Fields, known: Context) -> Reason:
    lot, ratio = numbers.get("follower_contract"), entry.get("ratio")
    sizing = known.rule.get("sizing", {})
    values = ", ".join(f"{name} {value}" for name, value in sizing.items() if name != "mode")
    text = f"{entry['subscription']} copies by {entry['mode']}" + (f" ({values})" if values else "")
    share = known.rule.get("capital_share", "1")
    if Fraction(share) != 1:
        text += f", by {share} of the account"
    if numbers["reverse"]:
        text += ", in reverse"
    if ratio is None:
        text += "; no ratio was worked out." if Fraction(numbers["increase"]) else "; a close needs no ratio."
    elif numbers.get("block") is not None:
        text += f": {_share(ratio, numbers['block'])}."
    elif numbers["sized"] is not None:
        text += f": {units(Fraction(ratio), lot)} in all for this order of the leader."
    else:
        text += f": {ratio} units for each unit of the leader."
    if Fraction(numbers["qty_factor"]) != 1 and numbers["sized"] is None:
        text += f" The symbol map's factor {numbers['qty_factor']} is part of it."
    if known.instrument.get("inverse"):
        one, into = known.instrument.get("base") or "unit", known.instrument.get("currency")
        text += f" The contract is inverse: a unit is a {one}, worth 1 / price in {into}."
    named = {"ratio": ratio, "rule_hash": entry.get("rule_hash"), "qty_factor": numbers["qty_factor"]}
    return Reason("rule", text, {name: value for name, value in named.items() if value is not None})


def _share(weight: str, dealt: Fields) -> str:
    """A member's weight among those that were dealt; all lots of the block since then."""
    return f"weight {weight} of {dealt['weights']}, {dealt['after']} of the block's {dealt['lots']} lot steps"


def _close(entry: Fields, numbers: Fields) -> Reason | None:
    before, reduce = Fraction(numbers["position_before"]), Fraction(numbers["reduce"])
    closed = abs(Fraction(entry["leader_delta"])) - Fraction(numbers["increase"])
    named = {"target_before": entry["target_before"], "reduce": numbers["reduce"]}
    if numbers.get("recomputed"):
        was, now = _target(entry, "target_before"), quanta(numbers["target_moved"], entry)
        what = "An earlier execution was taken back or corrected, and the target worked out again without it"
        return Reason("bust", f"{what}: {number(was)} became {number(now)}.", named)
    if closed and not reduce and any(one["code"] == "leaving" for one in entry.get("refusals") or []):
        return Reason("close", "The target does not follow: the subscription left with what it holds.", named)
    if closed and not reduce:
        return Reason("close", "The target does not follow: an operator decides about a bust.", named)
    if not reduce:
        return None
    was, now = _target(entry, "target_before"), _after_close(entry, numbers)
    if reduce >= abs(before):
        what = f"The leader closed all that it held, so the target is 0; it was {number(was)}."
        return Reason("close", what, named)
    if (dealt := numbers.get("block")) is not None:
        back = int(dealt["before"]) - int(dealt["kept"])
        share = f"{number(was)} x (1 - {back} / {dealt['before']})" if back else number(was)
        what = f"Of the {dealt['before']} lot steps that it was dealt, {back} were taken back: "
        return Reason("close", f"{what}{share} = {number(now)}.", {**named, **dealt})
    share = f"{number(was)} x (1 - {number(reduce)} / {number(abs(before))})"
    return Reason("close", f"Of the target, the same share closes: {share} = {number(now)}.", named)


def _open(entry: Fields, numbers: Fields) -> list[Reason]:
    increase, counted = Fraction(numbers["increase"]), Fraction(numbers["counted"])
    if not increase or numbers.get("recomputed"):
        return []
    named = {"increase": numbers["increase"], "counted": numbers["counted"]}
    if not counted:
        return [Reason("counted", f"None of the {number(increase)} opened counted: see the refusals.", named)]
    told = []
    if counted < increase:
        what = f"{number(counted)} of the {number(increase)} opened counted; the rest was refused."
        told.append(Reason("counted", what, named))
    start, end = _after_close(entry, numbers), quanta(numbers["target_moved"], entry)
    size = abs(end - start)
    named = {
        "target_moved": numbers["target_moved"],
        "sized": numbers["sized"],
        "order_open": numbers["order_open"],
    }
    product = _sum(entry, numbers, counted)
    text = f"Size: {product} = " if product else "Size: all of it, "
    text += f"{units(size, numbers['follower_contract'])}."
    text += f" The target went from {number(start)} to {number(end)}."
    told.append(Reason("size", text, {name: value for name, value in named.items() if value is not None}))
    return told


def _sum(entry: Fields, numbers: Fields, counted: Fraction) -> str:
    ratio, increase = entry["ratio"], Fraction(numbers["increase"])
    if (dealt := numbers.get("block")) is not None:
        young = "" if counted == increase else f" x {number(counted)} / {number(increase)}"
        return f"{int(dealt['after']) - int(dealt['kept'])} lot steps dealt x {entry['step']}{young}"
    if numbers["sized"] is None:
        return f"{ratio} x {number(counted)}"
    left, before = Fraction(numbers["order_open"]), numbers["sized"]
    rest = f"({ratio} - {before} given before)" if before != "0" else ratio
    part = f" x {number(increase)} / {number(left)} still open of it"
    share = "" if left <= 0 or increase >= left else part
    young = "" if counted == increase else f" x {number(counted)} / {number(increase)}"
    return f"{rest}{share}{young}" if share or young or before != "0" else ""


def _rounding(entry: Fields, numbers: Fields, known: Context) -> Reason:
    moved, rounded = quanta(numbers["target_moved"], entry), Fraction(numbers["rounded"])
    smallest = known.instrument.get("min_lot")
    text = f"Rounded {entry['rounding']} to steps of {entry['step']}"
    text += f", not below {smallest} lots" if smallest else ""
    text += f": {number(moved)} becomes {units(rounded, numbers['follower_contract'])}."
    return Reason("rounding", text, {"rounded": numbers["rounded"], "step": entry["step"]})


def missing(numbers: Fields) -> Fraction:
    """Signed units between the rounded target and what is filled and works towards it."""
    need = Fraction(numbers["rounded"]) - Fraction(numbers["filled"])
    works = Fraction(numbers["working_sell" if need < 0 else "working_buy"])
    size = max(abs(need) - works, Fraction(0))
    return -size if need < 0 else size


def _difference(numbers: Fields, known: Context) -> Reason:
    filled, buying, selling = (number(Fraction(numbers[name])) for name in LINE[1:])
    beside = "beside mirrored orders " if known.mirrors else ""
    text = f"Our orders had filled {filled}; {beside}{buying} was being bought, {selling} sold: "
    lacking = missing(numbers)
    side, size = "sell" if lacking < 0 else "buy", units(abs(lacking), numbers["follower_contract"])
    text += f"{size} to {side} were missing." if lacking else "nothing was missing."
    return Reason("difference", text, {name: numbers[name] for name in LINE})


def refusal(one: Fields) -> Reason:
    """One refusal: its code, its words, and the numbers that were compared."""
    named = {name: str(one[name]) for name in ("limit", "value") if one.get(name) not in (None, "0")}
    inside = ", ".join(f"{name} {value}" for name, value in named.items())
    text = f"{one['code']}: {reason(str(one['code']))}" + (f" ({inside})." if inside else ".")
    return Reason("refusal", text, {"code": str(one["code"]), **named})


def _held_back(entry: Fields, numbers: Any, known: Context) -> list[Reason]:
    """What was missing and waited, and for what; nothing in logs of before 0.4.0."""
    held = entry.get("held_back")
    if not isinstance(held, dict):
        return []
    lot = numbers["follower_contract"] if isinstance(numbers, dict) else known.instrument.get("contract_size")
    size = units(Fraction(held["units"]), lot)
    what = f"{size} waited: " if Fraction(held["units"]) else "A close waited: "
    why = str(held["why"])
    return [
        Reason(
            "held_back", what + HELD_BACK.get(why, why), {name: str(held[name]) for name in ("why", "units")}
        )
    ]


def _order(child: Child, numbers: Fields) -> Reason:
    size = units(Fraction(child.qty or 0), numbers.get("follower_contract"))
    at = f" at {child.px}" if child.px else ""
    what = "Later order" if child.later else "Order"
    text = f"{what} {child.cl_ord_id}: {child.side} {size}; {child.state}, {child.cum_qty} filled{at}."
    return Reason("order", text, {"cl_ord_id": child.cl_ord_id, "qty": child.qty, "cum_qty": child.cum_qty})


def _result(entry: Fields, numbers: Any, known: Context, later: int) -> Reason:
    """What was made of it at once; `later`: orders that were made of it afterwards, which stand above."""
    text = {
        "ordered": "So these orders were made.",
        "refused": "So nothing was sent.",
        "waits": _waits(entry, numbers, known),
        "none": "So there was nothing to do.",
        "withdrawn": "So what was on its way is withdrawn.",
    }.get(str(entry.get("result")), str(entry.get("result")))
    if later and entry.get("result") != "ordered":
        orders, it = ("the later order was", "it") if later == 1 else ("the later orders were", "they")
        text = f"So nothing was sent at once; {orders} made when {it} could be."
    if entry.get("held_back") and entry.get("result") == "ordered":
        text = "So these orders were made; the rest waited."
    if not isinstance(numbers, dict):
        text += " There is no target: no mapping, or the leader's position is not known."
    elif numbers["target_moved"] != entry["target_after"]:
        text += (
            f" What was not sent was taken off the target: {number(_target(entry, 'target_after'))} is left."
        )
    return Reason("result", text, {"result": str(entry.get("result"))})


def _waits(entry: Fields, numbers: Any, known: Context) -> str:
    if entry.get("held_back") or not isinstance(numbers, dict) or "rounded" not in numbers:
        return "So it waited."
    smallest, lot = known.instrument.get("min_lot"), known.instrument.get("contract_size")
    least = Fraction(smallest) * Fraction(lot) if smallest and lot else Fraction(0)
    if known.mirrors and missing(numbers) and abs(missing(numbers)) >= least:
        return f"So no order was made for it: {MIRRORED}"
    moved = abs(quanta(numbers["target_moved"], entry))
    if 0 < moved < least:
        return "So it waits: less than the smallest lot, it counts when the leader adds."
    if not missing(numbers):
        return "So nothing had to be sent: what was held, or on its way, was the rounded target."
    or_more = "" if least and abs(missing(numbers)) >= least else " or until it is a smallest lot"
    return f"So it waits, for orders that are on their way{or_more}."


def _after_close(entry: Fields, numbers: Fields) -> Fraction:
    """The target between the close and the open, units, as the core rounds it: to whole 10⁻¹⁸ of a step."""
    was, reduce = int(entry["target_before"]), Fraction(numbers["reduce"])
    held = abs(Fraction(numbers["position_before"]))
    if reduce and (dealt := numbers.get("block")) is not None:
        held, reduce = Fraction(dealt["before"]), Fraction(int(dealt["before"]) - int(dealt["kept"]))
    if not reduce:
        return _target(entry, "target_before")
    left = 0 if reduce >= held else round(was * (held - reduce) / held)
    return quanta(str(left), entry)


def _target(entry: Fields, name: str) -> Fraction:
    return quanta(entry[name], entry)


def as_json(entry: Fields, told: Sequence[Reason]) -> str:
    """One object: the decision's names, and the steps."""
    names = ["exec_id", "follower", "subscription", "leader", "instrument", "journal", "at_ns"]
    names += MIRROR if entry.get("kind") == "mirror" else ["result"]
    steps = [{"step": one.step, "text": one.text, "numbers": dict(one.numbers)} for one in told]
    return json.dumps({**{name: entry.get(name) for name in names}, "steps": steps}, ensure_ascii=False)
