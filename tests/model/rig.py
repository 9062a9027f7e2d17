"""The core and the model of copied fills side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gateway.sim.text import Fields, encode, first, utc
from tests.model.deployment import Deployment, exact
from tests.model.guard_terms import CODES
from tests.model.reference import Model
from tests.model.side_by_side import BEGIN, NEAR, Difference, Live, Said, SideBySide, number, said
from tests.model.stops import LEVELS
from tests.model.terms import Action, Cancel, Report

KINDS = {
    "new": ("0", "0"), "trade": ("F", "1"), "status": ("I", "1"), "canceled": ("4", "4"), "bust": ("H", "1"),
    "correct": ("G", "1"),
}  # fmt: skip


@dataclass
class Done:
    """A fill of an order of ours."""

    order: Live
    exec_id: str
    qty: Fraction
    px: str


class Rig(SideBySide[Action]):
    """Both sides of one history of fills that are copied."""

    decides: type[Model] = Model

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.fills: list[Done] = []
        self.model = self.decides(
            deployment.instruments(),
            deployment.model_followers(),
            deployment.model_subscriptions(),
            deployment.model_positions(),
            deployment.model_allowances(),
            deployment.model_repeated(),
            deployment.model_together(),
            deployment.model_currencies(),
            deployment.model_inactive(),
        )
        self._numbers: dict[str, int] = {}
        super().__init__(self.model, deployment.core_json(), deployment.start_ms, [f"{deployment}"])

    # What both sides are told.

    def value(self, account: str, kind: str, amount: str) -> None:
        """An account value, by an operator."""
        payload = json.dumps({"cmd": "account", "account": account, kind: amount}).encode()
        self._tell(
            f"{kind} of {account} is {amount}",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            lambda: self.model.value(account, kind, Fraction(amount), self.now_ns),
        )

    def deposit(self, account: str, amount: str) -> None:
        """Money paid in or out, told by an operator."""
        payload = json.dumps({"cmd": "account", "account": account, "deposit": amount}).encode()
        self._tell(
            f"{amount} paid to {account}",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            lambda: self.model.deposit(account, Fraction(amount), self.now_ns),
        )

    def arm(self, account: str) -> None:
        """A person releases a follower."""
        payload = json.dumps({"cmd": "arm", "who": "a person", "follower": account}).encode()
        self._tell(
            f"{account} released",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            lambda: self.model.arm(account, self.now_ns),
        )

    def stop(self, what: str, scope: tuple[str, str], level: int = 0) -> None:
        """`kill` and `arm` of a scope, `pause` and `resume` of a subscription, by a person."""
        kind, name = scope
        named = {} if kind == "global" else {kind: name}
        at = {"level": LEVELS[level]} if level else {}
        payload = json.dumps({"cmd": what, "who": "a person", **named, **at}).encode()
        model = self.model
        act = {
            "kill": lambda: model.kill(scope, level, self.now_ns),
            "arm": lambda: model.release(scope, self.now_ns),
            "pause": lambda: model.pause(name, level, self.now_ns),
            "resume": lambda: model.resume(name, self.now_ns),
        }
        self._tell(
            f"{what} {kind} {name} {LEVELS[level]}",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            act[what],
        )

    def quote(self, instrument: str, bid: str, ask: str | None = None, leader: str = "") -> None:
        """A price, by the session of a leader; without an ask both sides are the same."""
        ask = bid if ask is None else ask
        kind, payload = "quote", json.dumps({"instrument": instrument, "bid": bid, "ask": ask}).encode()
        if leader:
            sides: Fields = [(269, "0"), (270, bid), (269, "1"), (270, ask)]
            kind, payload = "leader", encode(BEGIN, [(35, "W"), (55, instrument), (268, "2"), *sides])
        self._tell(
            f"price of {instrument} is {bid}, {ask} {leader}",
            lambda: self._core.submit(kind, leader.upper(), payload, self.now_ns),
            lambda: self.model.quote(instrument, Fraction(bid), Fraction(ask), self.now_ns, leader),
        )

    def session(self, leader: str, up: bool) -> None:
        """The session of a leader goes up or down."""
        self._tell(
            f"session of {leader} {'up' if up else 'down'}",
            lambda: self._core.submit("session", leader.upper(), b"up" if up else b"down", self.now_ns),
            lambda: self.model.session(leader, up, self.now_ns),
        )

    def leader(self, r: Report) -> None:
        """An ExecutionReport of a leader's broker."""
        exec_type, status = KINDS[r.kind]
        fields: Fields = [
            (35, "8"), (37, r.order), (17, r.exec_id), (150, exec_type), (39, status), (55, r.instrument),
            (54, "1" if r.sign > 0 else "2"), (38, exact(r.order_qty)), (14, exact(r.cum_qty)), (151, "0"),
        ]  # fmt: skip
        if r.kind in ("trade", "bust", "correct"):
            fields.append((32, exact(r.last_qty)))
        fields.extend(r.tags)
        if r.ref is not None:
            fields.append((19, r.ref))
        if r.px is not None:
            fields.append((31, exact(r.px)))
        if r.tif is not None:
            fields.append((59, r.tif))
        if r.transact_ns is not None:
            fields.append((60, utc(r.transact_ns)))
        raw = encode(BEGIN, fields)
        session = r.leader.upper()
        self._tell(
            f"{r.leader}: {said(fields)}",
            lambda: self._core.submit("leader", session, raw, self.now_ns),
            lambda: self.model.report(r, self.now_ns),
        )

    def step_of(self, order: Live) -> Fraction:
        """The lot step of an order's instrument, units."""
        return self.deployment.instruments()[first(order.fields, 55)].step

    def fill(self, order: Live, qty: Fraction, px: str = "1") -> None:
        """The broker fills a part of an order."""
        self.fills.append(Done(order, f"E{self._execs + 1}", qty, px))
        self._fill(order, qty, px, lambda: self.model.fill(order.number, qty, Fraction(px), self.now_ns))

    def amend(self, fill: Done, less: Fraction, px: str | None = None) -> None:
        """The broker takes back so much of a fill; all of it is a bust, else it is a correction. The price
        that it says, if it is another one."""
        order, at, was = fill.order, self.fills.index(fill), (fill.qty, Fraction(fill.px))
        fill.qty -= less
        order.busted += less
        ended = order not in self.live
        left = Fraction(0) if ended else order.leaves
        more: Fields = [
            (19, fill.exec_id), (32, exact(fill.qty or less)), (31, px or fill.px),
            (14, exact(order.filled)), (151, exact(left)),
        ]  # fmt: skip
        fill.px = px if px and fill.qty else fill.px
        now = (fill.qty, Fraction(fill.px))
        fill.exec_id = (
            f"E{self._execs + 1}"  # a correction has a name of its own, and is what is taken back next
        )
        self._broker(
            order, "G" if fill.qty else "H", "4" if ended else "1", more,
            lambda: self.model.amend(order.number, at, was, now, self.now_ns),
        )  # fmt: skip

    def bust_resume(self, leader: str) -> None:
        """A person has looked at the busts of a leader."""
        payload = json.dumps({"cmd": "bust_resume", "who": "a person", "leader": leader}).encode()
        self._tell(
            f"busts of {leader} looked at",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            lambda: self.model.bust_resume(leader, self.now_ns),
        )

    # Comparing.

    def _differs(self, what: str) -> Difference:
        core, model = json.loads(self._core.status())["refusals"], dict(self.model.refusals)
        return super()._differs(f"{what}; refused so far: {core} in the core, {model} in the model")

    def _compare(self, messages: list[Fields], actions: list[Action]) -> None:
        for n in range(len(self.deployment.followers)):
            name = f"f{n}"
            ours = [a for a in actions if a.follower == name]
            theirs = [m for m in messages if first(m, 1) == name or self._follower_of(m) == name]
            if len(ours) != len(theirs):
                raise self._differs(f"{name}: the core sends {len(theirs)}, the model {len(ours)}")
            ours = _cancels_in_order(ours, lambda a: a.number if isinstance(a, Cancel) else None)
            theirs = _cancels_in_order(theirs, self._canceled)
            for action, message in zip(ours, theirs, strict=True):
                self._same(action, message)
        self._same_state()

    def _follower_of(self, message: Fields) -> str:
        live = [o for o in self.live if first(o.fields, 11) == first(message, 41)]
        return first(live[0].fields, 1) if live else ""

    def _canceled(self, message: Fields) -> int | None:
        """The order that a message cancels; none: it cancels nothing."""
        return self._numbers.get(first(message, 41), 0) if first(message, 35) == "F" else None

    def _same(self, action: Action, message: Fields) -> None:
        kind = first(message, 35)
        if isinstance(action, Cancel):
            number = self._numbers.get(first(message, 41))
            if kind != "F" or number != action.number:
                raise self._differs(f"the model cancels {action.number}, the core {kind} of {number}")
            next(o for o in self.live if o.number == number).asked = message
            return
        px = "" if action.px is None else exact(action.px)
        wanted = ("D", "1" if action.sign > 0 else "2", exact(action.qty), action.instrument, px)
        got = (kind, *(first(message, tag) for tag in (54, 38, 55, 44)))
        if got != wanted:
            raise self._differs(f"the core orders {got}, the model {wanted}")
        self._numbers[first(message, 11)] = action.number
        self.live.append(Live.sent(action.number, message))

    def _same_state(self) -> None:
        status = json.loads(self._core.status())
        lines = {(x["subscription"], x["leader_instrument"]): x for x in status["subscriptions"]}
        for line in self.model.lines:
            key = line.subscription.name, line.leader_instrument.name
            self._same_line(key, lines.get(key), line, NEAR * line.instrument.step)
        if status["refusals"] != dict(self.model.refusals):
            raise self._differs("refusals")
        self._same_guards(status)

    def _same_guards(self, status: dict[str, Any]) -> None:
        shown = {g["follower"]: g for g in status["guards"]}
        watch = self.model.watch
        for name, guard in watch.accounts.items():
            theirs, ours = shown[name]["equity"], guard.known(self.now_ns)
            if (theirs is None) != (ours is None) or abs(number(theirs or "0") - (ours or 0)) > NEAR:
                raise self._differs(f"{name} is worth {theirs} in the core, {ours} in the model")
            floor = guard.floor()
            theirs = shown[name]["floor"]
            if (theirs is None) != (floor is None) or abs(number(theirs or "0") - (floor or 0)) > NEAR:
                raise self._differs(f"{name} stops at {theirs} in the core, {floor} in the model")
        core = {
            (s["scope"], s["name"], s["level"], s["code"])
            for s in status["stops"]
            if s["code"] in (*CODES.values(), "kill", "paused", "provider_inactive")
        }
        model = {(*key, level, code) for key, guard in watch.named() for level, code in guard.stops()}
        model |= self.model.stopped()
        if core != model:
            raise self._differs(f"stopped: {core} in the core, {model} in the model")


def _cancels_in_order(said: list[Said], number: Callable[[Said], int | None]) -> list[Said]:
    """Cancels by the orders' numbers, each in a place of one: which of several goes first moves no money."""
    cancels = iter(sorted((s for s in said if number(s) is not None), key=lambda s: number(s) or 0))
    return [next(cancels) if number(s) is not None else s for s in said]
