"""Two configurations over one recording, side by side: exact numbers by follower and subscription. Pure.

Three sides: `old` is the recording's own configuration and `new` the other one, both with orders filled on
paper; `recorded` is what really happened. Only `old` and `new` are compared: one rule filled their orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from gateway.amounts import amount

SIDES = ("old", "new", "recorded")
Amounts = dict[str, Fraction | None]
"""By currency; None where it is not known."""
Json = dict[str, Any]


@dataclass
class Numbers:
    """What one follower, or one subscription, came to on one side. Quantities in lots."""

    orders: int = 0
    opened: dict[str, Fraction] = field(default_factory=dict)
    """Lots that opening orders filled, by instrument."""
    refusals: dict[str, int] = field(default_factory=dict)
    positions: dict[str, Fraction] = field(default_factory=dict)
    """Signed lots at the end, by instrument; none is flat."""
    realised: Amounts = field(default_factory=dict)
    floating: Amounts = field(default_factory=dict)

    def add(self, subscription: Json) -> None:
        """Adds a subscription of a report."""
        for code, count in subscription["refusals"].items():
            self.refusals[code] = self.refusals.get(code, 0) + count
        for line in subscription["lines"]:
            # Without orders too: what was sent before counting began may fill after it.
            if line["orders"] or Fraction(line["position"]) or line["realised"] != "0":
                self._line(line)

    def _line(self, line: Json) -> None:
        name, lot = line["instrument"], Fraction(line["contract_size"])
        self.orders += line["orders"]
        _plus(self.opened, name, Fraction(line["opened"]) / lot)
        _plus(self.positions, name, Fraction(line["position"]) / lot)
        for amounts, text in ((self.realised, line["realised"]), (self.floating, line["floating"])):
            before = amounts.get(line["currency"], Fraction(0))
            if before is not None:
                amounts[line["currency"]] = None if text is None else before + Fraction(text)


def _plus(amounts: dict[str, Fraction], name: str, more: Fraction) -> None:
    total = amounts.get(name, Fraction(0)) + more
    if total:
        amounts[name] = total
    else:
        amounts.pop(name, None)


@dataclass
class Part:
    """One follower or subscription on all sides; None where that side does not have it."""

    name: str
    old: Numbers | None = None
    new: Numbers | None = None
    recorded: Numbers | None = None

    @property
    def differs(self) -> bool:
        """The two configurations came to different numbers."""
        return self.old != self.new

    def add(self, side: str, subscription: Json) -> None:
        """Adds a subscription of a side's report."""
        numbers: Numbers | None = getattr(self, side)
        if numbers is None:
            numbers = Numbers()
            setattr(self, side, numbers)
        numbers.add(subscription)


@dataclass
class FollowerPart(Part):
    """One follower with its subscriptions."""

    subscriptions: dict[str, Part] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Also where differences of its subscriptions make up for each other."""
        return self.old != self.new or any(part.differs for part in self.subscriptions.values())


@dataclass
class Comparison:
    """Everything that a report says, compared."""

    total: Part
    followers: list[FollowerPart]
    report: Json

    @property
    def differing(self) -> list[FollowerPart]:
        """Followers with any difference."""
        return [part for part in self.followers if part.differs]

    def changes(self, what: str) -> dict[str, tuple[int, int]]:
        """Counts of the core as a whole, `refusals` or `alerts` by code, where old and new differ."""
        old, new = self.report["old"][what], self.report["new"][what]
        pairs = {code: (old.get(code, 0), new.get(code, 0)) for code in sorted({*old, *new})}
        return {code: pair for code, pair in pairs.items() if pair[0] != pair[1]}


def compare(report: Json) -> Comparison:
    """Reads a report of `WhatIf`. Followers that the new configuration lacks stand last."""
    total = Part("all followers")
    followers: dict[str, FollowerPart] = {}
    for side in ("new", "old", "recorded"):
        for item in report[side]["subscriptions"]:
            follower = followers.setdefault(item["follower"], FollowerPart(item["follower"]))
            own = follower.subscriptions.setdefault(item["name"], Part(item["name"]))
            for part in (total, follower, own):
                part.add(side, item)
    return Comparison(total, list(followers.values()), report)


@dataclass(frozen=True)
class Row:
    """One number of a part on all sides, as text; empty where a side has nothing."""

    label: str
    old: str
    new: str
    difference: str
    recorded: str
    differs: bool


Show = Callable[[Fraction, str], str]
"""Text of a value under its name in the table."""


def _count(value: Fraction, _name: str) -> str:
    return exact(value)


_ROWS: tuple[tuple[str, Show, Callable[[Numbers], Mapping[str, Any]]], ...] = (
    ("orders", _count, lambda numbers: {"": numbers.orders}),
    ("lots opened", _count, lambda numbers: numbers.opened),
    ("refused:", _count, lambda numbers: numbers.refusals),
    ("lots at the end", _count, lambda numbers: numbers.positions),
    ("realised", amount, lambda numbers: numbers.realised),
    ("floating", amount, lambda numbers: numbers.floating),
)
"""Label, text of a value, and the table of it."""


def rows(part: Part) -> list[Row]:
    """Every number that is not nothing on all sides."""
    found = []
    for label, show, table_of in _ROWS:
        tables = [None if side is None else table_of(side) for side in (part.old, part.new, part.recorded)]
        for name in sorted({name for table in tables if table is not None for name in table}):
            values = [None if table is None else table.get(name, 0) for table in tables]
            texts = [
                _cell(table is not None, value, name, show)
                for table, value in zip(tables, values, strict=True)
            ]
            differs = texts[:2].count("") == 1 or values[0] != values[1]
            if differs or any(values) or "?" in texts:
                change = _change(values[0], values[1], name, show) if differs else ""
                found.append(Row(f"{label} {name}".strip(), texts[0], texts[1], change, texts[2], differs))
    return found


def _cell(there: bool, value: Fraction | int | None, name: str, show: Show) -> str:
    if not there:
        return ""
    return "?" if value is None else show(Fraction(value), name)


def _change(old: Fraction | int | None, new: Fraction | int | None, name: str, show: Show) -> str:
    if old is None or new is None:
        return ""
    text = show(Fraction(new) - Fraction(old), name)
    return text if text.startswith("-") else f"+{text}"


def exact(value: Fraction) -> str:
    """An exact number as text: a decimal where it ends, else a fraction."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        places = max(places, count)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text


def as_json(part: Part) -> Json:
    """A part with its exact numbers as text; null where a side does not have it, or a number is not known."""
    result: Json = {"name": part.name, "differs": part.differs}
    for side in SIDES:
        numbers: Numbers | None = getattr(part, side)
        result[side] = None if numbers is None else _numbers_json(numbers)
    if isinstance(part, FollowerPart):
        result["subscriptions"] = [as_json(own) for own in part.subscriptions.values()]
    return result


def _numbers_json(numbers: Numbers) -> Json:
    def texts(table: Amounts | dict[str, Fraction]) -> Json:
        return {name: None if value is None else exact(value) for name, value in sorted(table.items())}

    return {
        "orders": numbers.orders,
        "lots_opened": texts(numbers.opened),
        "refusals": dict(sorted(numbers.refusals.items())),
        "positions": texts(numbers.positions),
        "realised": texts(numbers.realised),
        "floating": texts(numbers.floating),
    }
