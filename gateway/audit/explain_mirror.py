"""One step of a mirrored order told with every number: what led to it, and what left.

Pure: an entry in, words out. What is computed here is only shown, in exact fractions, so that a reader can
do it again.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from gateway.audit.explain import Context, Reason, refusal
from gateway.audit.figures import Fields, number, quanta, units
from gateway.mirror_texts import act, why

TIFS = {
    "day": "day",
    "gtc": "good till cancel",
    "ioc": "at once or not",
    "fok": "whole or not",
    "gtd": "till a date",
}
"""TimeInForce(59) in words."""

CAUSES = {
    "route": "a word of the follower's broker or route",
    "operator": "a command of an operator",
    "timer": "a time that had passed",
}
"""Kinds of journal rows in words."""

HEARD = frozenset(
    {"fill", "bust", "accepted", "replace_refused", "cancel_refused", "ended", "settled", "over"}
)
"""Steps that nobody decided: a broker's word, or an end."""


Part = Callable[[Fields, Any], Reason | None]
"""One step of the telling, where the entry has it; told the units of a lot."""


def explain(entry: Fields, known: Context) -> list[Reason]:
    """Every step of one entry of kind `mirror`, in the order in which the core takes them."""
    lot = known.instrument.get("contract_size")
    told = [_cause(entry), _leader(entry, known)]
    if entry["act"] in HEARD:
        told += _parts(entry, lot, [_order, _moved])
    else:
        told += _parts(entry, lot, [_rule(known), _between, _size, _prices, _limits, _order])
    told += [refusal(one) for one in entry.get("refusals") or []]
    told.append(_result(entry, lot))
    return told


def _parts(entry: Fields, lot: Any, parts: list[Part]) -> list[Reason]:
    found = [part(entry, lot) for part in parts]
    return [one for one in found if one is not None]


def _cause(entry: Fields) -> Reason:
    """Because of what: a report of the leader's, or a word of somebody else."""
    leader, own, said = entry["leader"], entry.get("exec_id") or "none", entry.get("cause_exec_id")
    newest = f"{leader}'s newest report of the order is {own}, of row {entry['report']}"
    if entry["cause"] == "leader" and said == entry.get("exec_id"):
        text = f"Because of {leader}'s report {said}, about this order."
    elif entry["cause"] == "leader" and said is None:
        text = f"Because of a message of {leader}'s broker that has no ExecID; {newest}."
    elif entry["cause"] == "leader":
        text = f"Because of {leader}'s report {said}, about another order; {newest}."
    else:
        what = CAUSES.get(entry["cause"], f"a row of kind {entry['cause']}")
        text = f"Because of {what}; {newest}."
    names = ("cause", "exec_id", "cause_exec_id", "report", "begun")
    return Reason("cause", text, {name: str(entry[name]) for name in names if entry.get(name) is not None})


def _leader(entry: Fields, known: Context) -> Reason:
    his = entry["leader_order"]
    names = [str(entry[name]) for name in ("cl_ord_id", "order_id") if entry.get(name)]
    lot = known.leaders.get("contract_size")
    left = units(Fraction(his["left"]), lot)
    does = "has ended" if his["ended"] else f"may still fill {left}"
    terms = _terms(his) or "on terms that cannot be read"
    text = f"{entry['leader']}'s order {' / '.join(names)}: {his['side']} {entry['instrument']}, {terms}"
    text += f"; it {does}."
    position = his.get("position")
    if position is None:
        text += " What he holds is not known."
    else:
        text += f" He holds {number(Fraction(position))}."
    named = {name: his[name] for name in ("left", "position", "px", "stop_px") if his.get(name) is not None}
    return Reason("leader", text, named)


def _rule(known: Context) -> Part:
    """How what opens is sized, by the configuration in force."""
    sizing = known.rule.get("sizing", {})
    values = ", ".join(f"{name} {value}" for name, value in sizing.items() if name != "mode")

    def part(entry: Fields, _lot: Any) -> Reason | None:
        size = entry.get("size")
        if not size or not size["opens"] or not sizing:
            return None
        text = f"{entry['subscription']} mirrors orders, by {sizing.get('mode')}"
        text += f" ({values})" if values else ""
        rule = {"rule_hash": entry["rule_hash"]} if entry.get("rule_hash") else {}
        return Reason("rule", f"{text}; what this order is worth was frozen when it began.", rule)

    return part


def _between(entry: Fields, _lot: Any) -> Reason | None:
    between = entry["between"]
    ahead, lost = quanta(between["ahead"], entry), _lost(entry)
    if not ahead and not lost:
        return None
    said = []
    if ahead > 0:
        said.append(
            f"the follower's order filled {number(ahead)} units that the leader's has not brought yet"
        )
    if ahead < 0:
        said.append(
            f"the leader's order brought {number(-ahead)} units that the follower's has not filled yet"
        )
    if lost:
        said.append(f"{number(lost)} units were refused before")
    text = "; ".join(said)
    return Reason("between", f"{text[0].upper()}{text[1:]}.", dict(between))


def _lost(entry: Fields) -> Fraction:
    """Units that limits, or a reject, refused."""
    between = entry["between"]
    return quanta(between["refused"], entry) + quanta(between["rejected"], entry)


def _size(entry: Fields, lot: Any) -> Reason | None:
    size = entry.get("size")
    if not size or size["opens"] is None:
        return None
    text, named = _open(entry, size) if size["opens"] else _close(entry, size)
    text += f" In steps of {entry['step']}, not below {size['min']}"
    text += f", at most {size['venue_max']} in one order" if size["venue_max"] is not None else ""
    # Entries of older versions have one order.
    parts, others = size.get("parts", 1), size.get("others", "0")
    text += f", in {parts} orders, of which the others have {number(Fraction(others))}" if parts > 1 else ""
    text += f": {units(Fraction(size['units']), lot)}."
    of_parts = {"parts": str(parts), "others": others} if parts > 1 else {}
    return Reason("size", text, {**named, **of_parts, "step": entry["step"], "units": size["units"]})


def _open(entry: Fields, size: Fields) -> tuple[str, dict[str, str]]:
    """What the leader's order would still open, less what is there, or was refused."""
    opening, rest = quanta(size["opening"], entry), quanta(size["rest"], entry)
    ratio, left = size["ratio"], number(Fraction(entry["leader_order"]["left"]))
    if ratio is not None:
        text = f"Size: {ratio} x {left} = {number(opening)} units"
    else:
        counted = number(quanta(size["counted"], entry))
        text = f"Size: {size['amount']} units for the whole order, {counted} of them brought by the leader's"
        text += f" fills: {number(opening)}"
    ahead, lost = quanta(entry["between"]["ahead"], entry), _lost(entry)
    less = f" less {number(ahead)} filled ahead" if ahead > 0 else ""
    less += f" and {number(-ahead)} not filled yet" if ahead < 0 else ""
    less += f" less {number(lost)} refused" if lost else ""
    text += f"{less} = {number(rest)}." if less else "."
    names = ("ratio", "amount", "counted", "opening", "rest")
    return text, {name: size[name] for name in names if size[name] is not None}


def _close(entry: Fields, size: Fields) -> tuple[str, dict[str, str]]:
    """The share of what is held that the leader's order has of the leader's position."""
    his = entry["leader_order"]
    held, left, position = size["base"], his["left"], abs(Fraction(his["position"] or 0))
    text = f"It closes. Of {held} units the same share as the leader's order has of his position"
    share = f"{held} x {left} / {number(position)} = " if position and Fraction(left) < position else ""
    text += f": {share}{size['share']}"
    text += f", less {size['done']} that it has closed" if Fraction(size["done"]) else ""
    text += f"; other closes and the target leave {size['room']}"
    text += f", the broker's position {size['broker']}" if size["broker"] is not None else ""
    names = ("held", "base", "share", "done", "room", "broker")
    return f"{text}.", {name: size[name] for name in names if size[name] is not None}


def _prices(entry: Fields, _lot: Any) -> Reason | None:
    prices = entry.get("prices")
    if not prices:
        return None
    if prices["unmirrored"] is not None:
        return Reason("price", f"No terms: {prices['unmirrored']}.", {"unmirrored": prices["unmirrored"]})
    buys, said = entry["side"] == "buy", []
    if prices["reverse"]:
        said.append("In reverse a limit becomes a stop and a stop a limit")
    if prices["entry"] is not None:
        stop = entry["leader_order"]["stop_px"]
        said.append(
            f"The stop at {prices['multiplier']} times its distance from the entry: "
            f"{prices['entry']} + ({stop} - {prices['entry']}) x {prices['multiplier']}"
        )
    for name, exact, up in (("Limit", "exact_px", not buys), ("Stop", "exact_stop_px", buys)):
        if prices[exact] is not None:
            px = prices["px" if name == "Limit" else "stop_px"]
            said.append(_on_tick(prices, (name, prices[exact], px), up))
    if not said:
        return None
    names = ("entry", "multiplier", "factor", "tick", "exact_px", "exact_stop_px", "px", "stop_px")
    named = {name: prices[name] for name in names if prices[name] is not None}
    return Reason("price", f"{'. '.join(said)}.", named)


def _on_tick(prices: Fields, names: tuple[str, str, str], up: bool) -> str:
    name, exact, px = names
    factor = f" (the leader's x {prices['factor']})" if Fraction(prices["factor"]) != 1 else ""
    if Fraction(exact) == Fraction(px):
        return f"{name} {px}{factor}"
    return f"{name} {exact}{factor}, {'up' if up else 'down'} to a tick of {prices['tick']}: {px}"


def _limits(entry: Fields, lot: Any) -> Reason | None:
    limits = entry.get("limits")
    if not limits:
        return None
    asked, admitted = (Fraction(limits[name]) for name in ("asked", "admitted"))
    passed = "all" if asked == admitted else "nothing" if not admitted else units(admitted, lot)
    more = " more" if entry["act"] != "place" and entry["act"] != "refuse" else ""
    text = f"Limits of an open, for {units(asked, lot)}{more}: {passed} passed."
    return Reason("limits", text, dict(limits))


def _order(entry: Fields, lot: Any) -> Reason | None:
    had = entry.get("order")
    if not had:
        return None
    qty, cum = Fraction(had["qty"]), Fraction(had["cum_qty"])
    text = f"The order {had['cl_ord_id']}: {entry['side']} {units(qty, lot)}"
    text += f", {terms}" if (terms := _terms(had)) else ""
    text += f"; {had['state']}, {number(cum)} filled"
    if had["asked"] is not None:
        text += f"; a request to {had['asked']} it was not answered"
    named = {name: had[name] for name in ("cl_ord_id", "state", "qty", "cum_qty", "asked") if had[name]}
    return Reason("order", f"{text}.", named)


def _moved(entry: Fields, lot: Any) -> Reason | None:
    moved = entry.get("moved")
    if not moved:
        return None
    before, after = (_balance(quanta(moved[f"ahead_{name}"], entry)) for name in ("before", "after"))
    text = ""
    if moved["units"] is not None:
        filled = Fraction(moved["units"])
        text = f"{units(filled, lot)} filled. "
        wanted = filled - quanta(moved["ahead_after"], entry) + quanta(moved["ahead_before"], entry)
        if filled > 0 and wanted:
            text += f"{number(wanted)} units of it were the close that was still wanted. "
    text += f"It was {before}, and is {after}."
    if moved["target_before"] != moved["target_after"]:
        was, now = (number(quanta(moved[f"target_{name}"], entry)) for name in ("before", "after"))
        text += f" The target went from {was} to {now}."
    return Reason("moved", text, {name: value for name, value in moved.items() if value is not None})


def _balance(ahead: Fraction) -> str:
    """Who is ahead, and by how much."""
    if not ahead:
        return "even with the leader's fills"
    return f"{number(abs(ahead))} units {'ahead of' if ahead > 0 else 'behind'} the leader's fills"


def _terms(terms: Fields) -> str:
    """Order type, prices and time in force."""
    kind = terms.get("order_type")
    if kind is None:
        return ""
    prices = {"limit": ["px"], "stop": ["stop_px"], "stop_limit": ["stop_px", "px"]}.get(str(kind), [])
    at = " limit ".join(str(terms[name]) for name in prices)
    until = "" if kind == "market" else f", {TIFS.get(str(terms['tif']), terms['tif'])}"
    return f"{str(kind).replace('_', '-')}{' ' if at else ''}{at}{until}"


def _result(entry: Fields, lot: Any) -> Reason:
    """What was done, or heard, and why."""
    to, done = entry.get("to"), str(entry["act"])
    text = f"So {act(done)}" if done not in HEARD else act(done)[0].upper() + act(done)[1:]
    if to and to["qty"] is not None:
        text += f", {to['cl_ord_id']}: {entry['side']} {units(Fraction(to['qty']), lot)}, {_terms(to)}"
    elif to:
        text += f", {to['cl_ord_id']}"
    named = {"act": done, "why": str(entry["why"])}
    if to:
        left = ("cl_ord_id", "qty", "px", "stop_px")
        named |= {name: str(to[name]) for name in left if to[name] is not None}
    return Reason("result", f"{text}: {why(str(entry['why']))}.", named)
