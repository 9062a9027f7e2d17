"""The core and the model side by side: both are told the same, and what they decide is compared."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from gateway._fastcore import Pipeline, RoutePipeline
from gateway.sim.text import Fields, decode, encode, first, utc
from tests.model.deployment import NEVER_MS, Deployment, exact
from tests.model.guard_terms import CODES
from tests.model.reference import Model
from tests.model.stops import LEVELS
from tests.model.terms import MS, Action, Cancel, Report

BEGIN = "FIX.4.4"
OFF_NS = 500_000
"""Half a millisecond off what TransactTime(60) can say, so that nothing is due at an event's time."""
TICKS_MAX = 1_000
NEAR = Fraction(1, 10**9)
"""Targets of the core are fixed point: they are the model's within this part of a step."""
KINDS = {
    "new": ("0", "0"), "trade": ("F", "1"), "status": ("I", "1"), "canceled": ("4", "4"), "bust": ("H", "1"),
    "correct": ("G", "1"),
}  # fmt: skip
ENDS = {"rejected": ("8", "8"), "canceled": ("4", "4"), "expired": ("C", "C")}


@dataclass
class Live:
    """An order of ours at the broker."""

    number: int
    fields: Fields
    leaves: Fraction
    cancel: Fields | None = None
    busted: Fraction = Fraction(0)

    @property
    def filled(self) -> Fraction:
        """CumQty(14)."""
        return Fraction(first(self.fields, 38)) - self.leaves - self.busted


@dataclass
class Done:
    """A fill of an order of ours."""

    order: Live
    exec_id: str
    qty: Fraction
    px: str


class Difference(AssertionError):  # noqa: N818 it is what is looked for
    """Core and model decided otherwise; the text has the history."""


class Rig:
    """Both sides of one history, without sockets; the broker is played by the test."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.now_ns = self._start_ns = deployment.start_ms * MS + OFF_NS
        self.story: list[str] = [f"{deployment}"]
        self.live: list[Live] = []
        self.fills: list[Done] = []
        self.model = Model(
            deployment.instruments(),
            deployment.model_followers(),
            deployment.model_subscriptions(),
            deployment.model_positions(),
            deployment.model_allowances(),
            deployment.model_repeated(),
            deployment.model_together(),
        )
        self._numbers: dict[str, int] = {}
        self._execs = 0
        self._folder = tempfile.TemporaryDirectory(prefix="copygate-model-")
        folder = Path(self._folder.name)
        self._core = Pipeline.open(folder / "core.db", deployment.core_json(), "process", self.now_ns)
        (folder / "route").mkdir()
        self._route = RoutePipeline.open(folder / "route" / "route.db", "r", ["R"], NEVER_MS, self.now_ns)
        self._core.receive(self._route.identity, self._route.hello(self.now_ns), self.now_ns)
        self._route.session("R", True, self.now_ns)
        self._exchange()

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._core.close()
        self._route.close()
        del self._core, self._route
        self._folder.cleanup()

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

    def quote(self, instrument: str, px: str) -> None:
        """A price."""
        payload = json.dumps({"instrument": instrument, "bid": px, "ask": px}).encode()
        self._tell(
            f"price of {instrument} is {px}",
            lambda: self._core.submit("quote", "", payload, self.now_ns),
            lambda: self.model.quote(instrument, Fraction(px), self.now_ns),
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
            f"{r.leader}: {_text(fields)}",
            lambda: self._core.submit("leader", session, raw, self.now_ns),
            lambda: self.model.report(r, self.now_ns),
        )

    def step_of(self, order: Live) -> Fraction:
        """The lot step of an order's instrument, units."""
        return self.deployment.instruments()[first(order.fields, 55)].step

    def fill(self, order: Live, qty: Fraction, px: str = "1") -> None:
        """The broker fills a part of an order."""
        order.leaves -= qty
        if not order.leaves:
            self.live.remove(order)
        more: Fields = [(32, exact(qty)), (31, px), (14, exact(order.filled)), (151, exact(order.leaves))]
        status = "1" if order.leaves else "2"
        self.fills.append(Done(order, f"E{self._execs + 1}", qty, px))
        self._broker(
            order, "F", status, more,
            lambda: self.model.fill(order.number, qty, Fraction(px), self.now_ns),
        )  # fmt: skip

    def amend(self, fill: Done, less: Fraction) -> None:
        """The broker takes back so much of a fill; all of it is a bust, else it is a correction."""
        order = fill.order
        fill.qty -= less
        order.busted += less
        ended = order not in self.live
        left = Fraction(0) if ended else order.leaves
        more: Fields = [
            (19, fill.exec_id), (32, exact(fill.qty or less)), (31, fill.px), (14, exact(order.filled)),
            (151, exact(left)),
        ]  # fmt: skip
        fill.exec_id = (
            f"E{self._execs + 1}"  # a correction has a name of its own, and is what is taken back next
        )
        self._broker(
            order, "G" if fill.qty else "H", "4" if ended else "1", more,
            lambda: self.model.amend(order.number, less, self.now_ns),
        )  # fmt: skip

    def bust_resume(self, leader: str) -> None:
        """A person has looked at the busts of a leader."""
        payload = json.dumps({"cmd": "bust_resume", "who": "a person", "leader": leader}).encode()
        self._tell(
            f"busts of {leader} looked at",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            lambda: self.model.bust_resume(leader, self.now_ns),
        )

    def end(self, order: Live, how: str) -> None:
        """The broker ends an order."""
        self.live.remove(order)
        exec_type, status = ENDS[how]
        more: Fields = [(14, exact(order.filled)), (151, "0")]
        if how == "rejected":
            more.append((103, "99"))
        self._broker(order, exec_type, status, more, lambda: self.model.end(order.number, how, self.now_ns))

    def wait(self, ms: int) -> None:
        """Time passes; what is due happens when it is due."""
        until_ns = self.now_ns + ms * MS
        self.story.append(f"{self._clock()} wait {ms} ms")
        for _ in range(TICKS_MAX):
            due_ns = self._core.next_due_ns()
            if due_ns is None or due_ns > until_ns:
                self.now_ns = until_ns
                return
            self.now_ns = max(self.now_ns, due_ns)
            self._tell(
                "tick", lambda: self._core.tick(self.now_ns), lambda: self.model.tick(self.now_ns), pause_ms=0
            )
        raise self._differs("the core's timers are due without end")

    # Comparing.

    def _broker(
        self, order: Live, exec_type: str, status: str, more: Fields, model: Callable[[], list[Action]]
    ) -> None:
        fields = self._report(order, exec_type, status, more)
        self._tell(f"broker: {_text(fields)}", lambda: self._say(fields), model)

    def _report(self, order: Live, exec_type: str, status: str, more: Fields) -> Fields:
        self._execs += 1
        own = order.fields
        ids: Fields = [(11, first(own, 11))]
        if order.cancel is not None and exec_type == "4":
            ids = [(11, first(order.cancel, 11)), (41, first(own, 11))]
        return [
            (35, "8"), (37, f"B{order.number}"), *ids, (17, f"E{self._execs}"), (150, exec_type),
            (39, status),
            (1, first(own, 1)), (55, first(own, 55)), (54, first(own, 54)), (38, first(own, 38)),
            *more,
            (60, utc(self.now_ns)),
        ]  # fmt: skip

    def _say(self, fields: Fields) -> None:
        raw = encode(BEGIN, [fields[0], (34, str(self._execs)), *fields[1:]])
        self._route.record("R", self._execs, raw, self.now_ns)

    def _tell(
        self, what: str, core: Callable[[], object], model: Callable[[], list[Action]], pause_ms: int = 1
    ) -> None:
        self.now_ns += pause_ms * MS
        self.story.append(f"{self._clock()} {what}")
        core()
        messages = self._exchange()
        self._compare(messages, model())

    def _exchange(self) -> list[Fields]:
        """Frames both ways until nobody has anything to say; new orders are acknowledged at once."""
        messages: list[Fields] = []
        busy = True
        while busy:
            busy = False
            for _, frame in self._core.drain():
                for _, raw in self._route.receive(frame, self.now_ns):
                    messages.append(decode(raw))
                    if first(messages[-1], 35) == "D":
                        order = Live(0, messages[-1], Fraction(first(messages[-1], 38)))
                        self._say(self._report(order, "0", "0", [(14, "0"), (151, exact(order.leaves))]))
            for frame in self._route.pending():
                self._core.receive(self._route.identity, frame, self.now_ns)
                busy = True
        return messages

    def _compare(self, messages: list[Fields], actions: list[Action]) -> None:
        for message in messages:
            self.story.append(f"    core  → {_text(message)}")
        for action in actions:
            self.story.append(f"    model → {action}")
        for n in range(len(self.deployment.followers)):
            name = f"f{n}"
            ours = [a for a in actions if a.follower == name]
            theirs = [m for m in messages if first(m, 1) == name or self._follower_of(m) == name]
            if len(ours) != len(theirs):
                raise self._differs(f"{name}: the core sends {len(theirs)}, the model {len(ours)}")
            for action, message in zip(ours, theirs, strict=True):
                self._same(action, message)
        self._same_state()

    def _follower_of(self, message: Fields) -> str:
        live = [o for o in self.live if first(o.fields, 11) == first(message, 41)]
        return first(live[0].fields, 1) if live else ""

    def _same(self, action: Action, message: Fields) -> None:
        kind = first(message, 35)
        if isinstance(action, Cancel):
            number = self._numbers.get(first(message, 41))
            if kind != "F" or number != action.number:
                raise self._differs(f"the model cancels {action.number}, the core {kind} of {number}")
            next(o for o in self.live if o.number == number).cancel = message
            return
        px = "" if action.px is None else exact(action.px)
        wanted = ("D", "1" if action.sign > 0 else "2", exact(action.qty), action.instrument, px)
        got = (kind, *(first(message, tag) for tag in (54, 38, 55, 44)))
        if got != wanted:
            raise self._differs(f"the core orders {got}, the model {wanted}")
        self._numbers[first(message, 11)] = action.number
        self.live.append(Live(action.number, message, action.qty))

    def _same_state(self) -> None:
        status = json.loads(self._core.status())
        lines = {(x["subscription"], x["leader_instrument"]): x for x in status["subscriptions"]}
        for line in self.model.lines:
            key = line.subscription.name, line.leader_instrument.name
            core = lines.get(key, {"target": "0", "filled": "0"})
            if abs(Fraction(core["target"]) - line.target) > NEAR * line.instrument.step:
                raise self._differs(f"{key}: target {core['target']} in the core, {line.target} in the model")
            if Fraction(core["filled"]) != line.filled:
                raise self._differs(f"{key}: filled {core['filled']} in the core, {line.filled} in the model")
        if status["refusals"] != dict(self.model.refusals):
            raise self._differs(
                f"refusals {status['refusals']} in the core, {dict(self.model.refusals)} in the model"
            )

        self._same_guards(status)

    def _same_guards(self, status: dict[str, Any]) -> None:
        shown = {g["follower"]: g for g in status["guards"]}
        watch = self.model.watch
        for name, guard in watch.accounts.items():
            theirs, ours = shown[name]["equity"], guard.known(self.now_ns)
            if (theirs is None) != (ours is None) or abs(Fraction(theirs or 0) - (ours or 0)) > NEAR:
                raise self._differs(f"{name} is worth {theirs} in the core, {ours} in the model")
            floor = guard.floor()
            theirs = shown[name]["floor"]
            if (theirs is None) != (floor is None) or abs(Fraction(theirs or 0) - (floor or 0)) > NEAR:
                raise self._differs(f"{name} stops at {theirs} in the core, {floor} in the model")
        core = {
            (s["scope"], s["name"], s["level"], s["code"])
            for s in status["stops"]
            if s["code"] in (*CODES.values(), "kill", "paused")
        }
        model = {(*key, level, code) for key, guard in watch.named() for level, code in guard.stops()}
        model |= self.model.stopped()
        if core != model:
            raise self._differs(f"stopped: {core} in the core, {model} in the model")

    def _clock(self) -> str:
        return f"{(self.now_ns - self._start_ns) // MS:>7} ms"

    def _differs(self, what: str) -> Difference:
        return Difference("\n".join([what, "the history:", *self.story]))


def _text(fields: Fields) -> str:
    return "|".join(f"{tag}={value}" for tag, value in fields if tag not in (8, 9, 10, 34, 49, 52, 56))
