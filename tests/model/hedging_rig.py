"""The core and the model of hedging accounts side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from gateway.sim.text import Fields, first
from tests.model.deployment import Deployment, exact
from tests.model.hedging import Model
from tests.model.hedging_terms import POSITION_TAG, Apart, Named
from tests.model.rig import Rig
from tests.model.side_by_side import NEAR, Live, SideBySide
from tests.model.terms import ZERO, Action


@dataclass(frozen=True)
class Hedged:
    """A deployment, and which side's positions stand side by side."""

    deployment: Deployment
    leader: bool = True
    follower: bool = True
    close_tag: int | None = None
    """The tag that names a position on orders, where it is not the one of reports."""

    def core_json(self) -> str:
        """The core's configuration."""
        told: dict[str, Any] = json.loads(self.deployment.core_json())
        profile = told["profiles"][0]
        apart = {"position_model": "hedging", "position_id_tag": POSITION_TAG}
        ours = {**profile, "name": "q", **(apart if self.follower else {})}
        if self.follower and self.close_tag:
            ours["close_position_id_tag"] = self.close_tag
        told["profiles"] = [{**profile, **(apart if self.leader else {})}, ours]
        told["routes"][0]["profile"] = "q"
        return json.dumps(told)


@dataclass
class Filled:
    """A fill of an order of ours, for busts."""

    order: Live
    exec_id: str
    qty: Fraction
    name: str


@dataclass
class Ours:
    """Orders that have filled something."""

    orders: list[Live] = field(default_factory=list)
    fills: list[Filled] = field(default_factory=list)


class HedgingRig(Rig):
    """Both sides of one history where positions have names."""

    model: Model

    def __init__(self, hedged: Hedged) -> None:
        self.hedged = hedged
        self.deployment = hedged.deployment
        self.ours = Ours()
        self._numbers: dict[str, int] = {}
        d = self.deployment
        self.model = Model(
            d.instruments(), d.model_followers(), d.model_subscriptions(), d.model_positions(),
            d.model_allowances(), d.model_repeated(), d.model_together(), d.model_currencies(),
            d.model_inactive(), hedges=hedged.follower,
        )  # fmt: skip
        SideBySide.__init__(self, self.model, hedged.core_json(), d.start_ms, [f"{hedged}"])

    def fill_as(self, order: Live, qty: Fraction, name: str) -> None:
        """The broker fills a part of an order, and names a position or none."""
        if order not in self.ours.orders:
            self.ours.orders.append(order)
        self.ours.fills.append(Filled(order, f"E{self._execs + 1}", qty, name))
        order.cum += qty
        if not order.leaves:
            self.live.remove(order)
        more: Fields = [
            (32, exact(qty)), (31, "1"), (14, exact(order.filled)), (151, exact(order.leaves)), *_name(name)
        ]  # fmt: skip
        self._broker(
            order, "F", "1" if order.leaves else "2", more,
            lambda: self.model.filled(order.number, qty, name, self.now_ns),
        )  # fmt: skip

    def name(self, order: Live, name: str) -> None:
        """The broker's status of an order names a position."""
        status = "1" if order in self.live else "2"
        left = order.leaves if order in self.live else ZERO
        more: Fields = [(14, exact(order.filled)), (151, exact(left)), *_name(name)]
        self._broker(order, "I", status, more, lambda: self.model.named(order.number, name, self.now_ns))

    def position_on(self, order: Live) -> str:
        """What an order of ours names."""
        return first(order.fields, self.hedged.close_tag or POSITION_TAG)

    def _same(self, action: Action, message: Fields) -> None:
        super()._same(action, message)
        wanted = action.position if isinstance(action, Named) else ""
        got = first(message, self.hedged.close_tag or POSITION_TAG) if first(message, 35) == "D" else ""
        if got != wanted:
            raise self._differs(f"the core closes {got!r}, the model {wanted!r}")

    def _same_state(self) -> None:
        status = json.loads(self._core.status())
        for line in self.model.lines:
            key = line.subscription.name, line.leader_instrument.name
            shown = [s for s in status["subscriptions"] if (s["subscription"], s["leader_instrument"]) == key]
            books = self.model.books.get(key, [Apart(line)])
            for n, book in enumerate(books):
                got = shown[n] if n < len(shown) else None
                self._same_line(key, got, book.line, NEAR * line.instrument.step)
                if self.hedged.follower:
                    self._same_book((*key, n), got or {"positions": [], "unnamed": "0"}, book)
            if len(shown) > len(books):
                raise self._differs(f"{key}: {len(shown)} lines in the core, {len(books)} in the model")
        if status["refusals"] != dict(self.model.refusals):
            raise self._differs(
                f"refusals {status['refusals']} in the core, {dict(self.model.refusals)} in the model"
            )
        self._same_leaders(status)

    def _same_book(self, key: object, core: dict[str, Any], book: Apart) -> None:
        theirs = [(p["id"], Fraction(p["units"])) for p in core["positions"]]
        ours = [(t.name, t.units) for t in book.tickets]
        if theirs != ours or Fraction(core["unnamed"]) != book.unnamed:
            shown = f"{core['positions']}, {core['unnamed']} unnamed in the core"
            raise self._differs(f"{key}: {shown}, {book} in the model")

    def _same_leaders(self, status: dict[str, Any]) -> None:
        if not self.hedged.leader:
            return
        core = {
            (p["leader"], p["instrument"]): (
                {one["id"]: Fraction(one["units"]) for one in p["positions"]}, Fraction(p["unnamed"])
            )
            for p in status["leader_positions"]
        }  # fmt: skip
        model = {}
        for key, net in self.model.positions.items():
            book = self.model.leaders.get(key)
            held = book.held() if book else {}
            rest = net - sum(held.values(), ZERO)
            if held or rest:
                model[key] = held, rest
        if core != model:
            raise self._differs(f"leaders hold {core} in the core, {model} in the model")


def _name(name: str) -> Fields:
    return [(POSITION_TAG, name)] if name else []
