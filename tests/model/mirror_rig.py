"""The core and the model of mirrored orders side by side, without sockets; brokers are played by the test."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from gateway._fastcore import Pipeline, RoutePipeline
from gateway.sim.text import Fields, decode, encode, first, utc
from tests.model.deployment import CURRENCY, NEVER_MS, START_MS, exact
from tests.model.mirror_terms import Message, Place, Report, Rule, Terms
from tests.model.mirrors import Model
from tests.model.rig import BEGIN, NEAR, OFF_NS, Difference
from tests.model.terms import MS

TICKS_MAX = 1_000
KINDS = {"new": ("0", "0"), "trade": ("F", "1"), "replaced": ("5", "0"), "canceled": ("4", "4")}
ENDS = {"rejected": ("8", "8"), "canceled": ("4", "4"), "expired": ("C", "C")}
TYPES = {"market": "1", "limit": "2", "stop": "3", "stop_limit": "4"}
TOO_LATE, BROKERS_CHOICE = "0", "2"
"""CxlRejReason(102)."""


@dataclass
class Live:
    """An order of ours at its broker."""

    number: int
    fields: Fields
    cl_ord_id: str
    qty: Fraction
    cum: Fraction = Fraction(0)
    asked: Fields | None = None
    """A replace or cancel that is not answered."""

    @property
    def leaves(self) -> Fraction:
        """What it may still fill."""
        return self.qty - self.cum

    @property
    def replacing(self) -> bool:
        """It is asked to be another one."""
        return self.asked is not None and first(self.asked, 35) == "G"

    @property
    def asked_qty(self) -> Fraction:
        """OrderQty of the request that is not answered."""
        assert self.asked is not None
        return Fraction(first(self.asked, 38))


def core_json(rules: list[Rule]) -> str:
    """The core's configuration: one leader, one instrument, each follower with one subscription."""
    timeouts = ("dispatch_timeout_ms", "ack_timeout_ms", "query_retry_ms")
    ours = {
        "name": "q", "begin_string": BEGIN, "order_types": list(TYPES), "tifs": ["day", "gtc", "ioc"],
        "supports": {"replace": all(rule.replaces for rule in rules)},
    }  # fmt: skip
    return json.dumps(
        {
            "deployment": "t",
            "timing": dict.fromkeys(timeouts, NEVER_MS),
            "profiles": [{"name": "p", "begin_string": BEGIN}, ours],
            "instruments": [
                {
                    "name": "X", "contract_size": "1", "lot_step": "1", "min_lot": "1",
                    "max_lot": None, "tick": "0.1", "currency": CURRENCY,
                }
            ],
            "leaders": [
                {
                    "name": "l0", "session": "L0", "profile": "p", "currency": CURRENCY,
                    "symbols": {"X": "X"}, "assume_flat": True, "initial_positions": {"X": "0"},
                }
            ],
            "routes": [{"name": "r", "session": "R", "profile": "q"}],
            "followers": [
                {
                    "name": f"f{n}", "route": "r", "account": f"f{n}", "currency": CURRENCY,
                    "symbols": {"X": "X"}, "restricted": [],
                }
                for n in range(len(rules))
            ],
            "subscriptions": [_subscription(n, rule) for n, rule in enumerate(rules)],
            "dispatch": "listed",
        }
    )  # fmt: skip


def _subscription(n: int, rule: Rule) -> dict[str, object]:
    return {
        "name": f"s{n}",
        "follower": f"f{n}",
        "leader": "l0",
        "sizing": {"mode": rule.mode, {"fixed": "lots"}.get(rule.mode, "k"): rule.factor},
        "max_ratio": "1000000",
        "rounding": rule.rounding,
        "max_inflation": rule.max_inflation,
        "reverse": rule.reverse,
        "symbol_map": {"X": {"instrument": "X", "qty_factor": "1", "price_factor": rule.price_factor}},
        "order_type": "market",
        "max_slippage_bps": "0",
        "max_age_ms": 60_000,
        "copy": rule.copy,
        "copy_stops": rule.copy_stops,
        "ahead": rule.ahead,
        "leader_filled": rule.leader_filled,
        "leader_filled_ms": 5_000 if rule.leader_filled != "none" else 0,
        "stop_multiplier": rule.stop_multiplier,
    }


class Rig:
    """Both sides of one history."""

    def __init__(self, rules: list[Rule]) -> None:
        self.now_ns = self._start_ns = START_MS * MS + OFF_NS
        self.story: list[str] = [f"{rule}" for rule in rules]
        self.live: list[Live] = []
        self.reached: Counter[str] = Counter()
        self.model = Model(rules, self.reached)
        self._followers = len(rules)
        self._execs = 0
        self._folder = tempfile.TemporaryDirectory(prefix="copygate-mirror-model-")
        folder = Path(self._folder.name)
        self._core = Pipeline.open(folder / "core.db", core_json(rules), "process", self.now_ns)
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

    def leader(self, r: Report) -> None:
        """An ExecutionReport of the leader's broker."""
        exec_type, status = KINDS[r.kind]
        status = "2" if r.cum == r.qty else status
        left = "0" if r.kind == "canceled" else exact(r.qty - r.cum)
        fields: Fields = [
            (35, "8"), (37, r.order), (17, f"L{len(self.story)}"), (150, exec_type), (39, status), (55, "X"),
            (54, "1" if r.sign > 0 else "2"), (38, exact(r.qty)), (14, exact(r.cum)), (151, left),
            *_terms(r.terms), (59, r.tif), (60, utc(self.now_ns)),
        ]  # fmt: skip
        if r.kind == "trade":
            fields += [(32, exact(r.last)), (31, exact(r.last_px))]
        self._tell(
            f"leader: {_text(fields)}",
            lambda: self._core.submit("leader", "L0", encode(BEGIN, fields), self.now_ns),
            lambda: self.model.report(r, self.now_ns),
        )

    def fill(self, order: Live, qty: Fraction) -> None:
        """The broker fills a part of an order, whatever it is asked."""
        order.cum += qty
        if not order.leaves:
            self.live.remove(order)
        more: Fields = [(32, exact(qty)), (31, "10"), (14, exact(order.cum)), (151, exact(order.leaves))]
        status = "1" if order.leaves else "2"
        self._broker(order, "F", status, more, lambda: self.model.fill(order.number, qty, self.now_ns))

    def end(self, order: Live, how: str) -> None:
        """The broker ends an order; `canceled` answers a cancel where one is open."""
        self.live.remove(order)
        exec_type, status = ENDS[how]
        more: Fields = [(14, exact(order.cum)), (151, "0")]
        if how == "rejected":
            more.append((103, "99"))
        self._broker(order, exec_type, status, more, lambda: self.model.end(order.number, how, self.now_ns))

    def accept(self, order: Live) -> None:
        """The broker replaces an order as it was asked."""
        assert order.asked is not None
        asked, was = order.asked, order.cl_ord_id
        order.qty, order.cl_ord_id, order.asked = Fraction(first(asked, 38)), first(asked, 11), None
        more: Fields = [(41, was), (14, exact(order.cum)), (151, exact(order.leaves)), *_said(asked)]
        self._broker(order, "5", "0", more, lambda: self.model.accepted(order.number, self.now_ns))

    def refuse(self, order: Live) -> None:
        """The broker refuses what it was asked: the order works on as it is."""
        assert order.asked is not None
        asked, order.asked = order.asked, None
        cancels = first(asked, 35) == "F"
        fields: Fields = [
            (35, "9"), (37, f"B{first(order.fields, 11)}"), (11, first(asked, 11)),
            (41, order.cl_ord_id), (39, "0"),
            (434, "1" if cancels else "2"), (102, BROKERS_CHOICE), (60, utc(self.now_ns)),
        ]  # fmt: skip
        self._tell(
            f"broker: {_text(fields)}",
            lambda: self._say(fields),
            lambda: self.model.refused(order.number, self.now_ns),
        )

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
        raise self.differs("the core's timers are due without end")

    def targets(self) -> list[str]:
        """The core's targets, units."""
        return [line["target"] for line in json.loads(self._core.status())["subscriptions"]]

    # Comparing.

    def _broker(
        self, order: Live, exec_type: str, status: str, more: Fields, model: Callable[[], list[Message]]
    ) -> None:
        fields = self._report(order, exec_type, status, more)
        self._tell(f"broker: {_text(fields)}", lambda: self._say(fields), model)

    def _report(self, order: Live, exec_type: str, status: str, more: Fields) -> Fields:
        self._execs += 1
        ids: Fields = [(11, order.cl_ord_id)]
        if order.asked is not None and exec_type == "4" and not order.replacing:
            ids = [(11, first(order.asked, 11)), (41, order.cl_ord_id)]
        return [
            (35, "8"), (37, f"B{first(order.fields, 11)}"), *ids, (17, f"E{self._execs}"), (150, exec_type),
            (39, status), (1, first(order.fields, 1)), (55, "X"), (54, first(order.fields, 54)),
            (38, exact(order.qty)), *more, (60, utc(self.now_ns)),
        ]  # fmt: skip

    def _say(self, fields: Fields) -> None:
        self._execs += 1
        raw = encode(BEGIN, [fields[0], (34, str(self._execs)), *fields[1:]])
        self._route.record("R", self._execs, raw, self.now_ns)

    def _tell(
        self, what: str, core: Callable[[], object], model: Callable[[], list[Message]], pause_ms: int = 1
    ) -> None:
        self.now_ns += pause_ms * MS
        self.story.append(f"{self._clock()} {what}")
        core()
        messages = self._exchange()
        self.story += [f"    core  → {_text(message)}" for message in messages]
        actions = model()
        self.story += [f"    model → {action}" for action in actions]
        self._compare(messages, actions)

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
                        sent = messages[-1]
                        order = Live(0, sent, first(sent, 11), Fraction(first(sent, 38)))
                        self._say(self._report(order, "0", "0", [(14, "0"), (151, exact(order.leaves))]))
            for frame in self._route.pending():
                self._core.receive(self._route.identity, frame, self.now_ns)
                busy = True
        return messages

    def _compare(self, messages: list[Fields], actions: list[Message]) -> None:
        """Which of several messages of one event goes first is not compared."""
        wanted = sorted(actions, key=lambda action: (self._of_model(action), action.number))
        got = sorted(messages, key=self._of_core)
        if [self._of_model(action) for action in wanted] != [self._of_core(message) for message in got]:
            raise self.differs("the messages differ")
        for action, message in zip(wanted, got, strict=True):
            if isinstance(action, Place):
                qty = Fraction(first(message, 38))
                self.live.append(Live(action.number, message, first(message, 11), qty))
            else:
                next(o for o in self.live if o.number == action.number).asked = message
        self._same_state()

    def _of_model(self, action: Message) -> tuple[str, ...]:
        if isinstance(action, Place):
            side = "1" if action.sign > 0 else "2"
            return ("D", action.follower, side, exact(action.qty), *_values(_terms(action.terms)), action.tif)
        kind = "F" if action.qty is None else "G"
        if action.qty is None or action.terms is None:
            return (kind, action.follower, str(action.number))
        return (
            kind, action.follower, str(action.number), exact(action.qty), *_values(_terms(action.terms))
        )  # fmt: skip

    def _of_core(self, message: Fields) -> tuple[str, ...]:
        kind = first(message, 35)
        if kind == "D":
            sent = (kind, first(message, 1), first(message, 54), first(message, 38))
            return (*sent, *_values(message), first(message, 59))
        found = [o for o in self.live if o.cl_ord_id == first(message, 41)]
        if not found:
            raise self.differs("the core asks for what does not work")
        asked = (kind, first(found[0].fields, 1), str(found[0].number))
        return asked if kind == "F" else (*asked, first(message, 38), *_values(message))

    def _same_state(self) -> None:
        status = json.loads(self._core.status())
        lines = {x["subscription"]: x for x in status["subscriptions"]}
        for line in self.model.lines:
            core = lines.get(f"s{line.name[1:]}", {"target": "0", "filled": "0"})
            if abs(Fraction(core["target"]) - line.target) > NEAR:
                raise self.differs(
                    f"{line.name}: target {core['target']} in the core, {line.target} in the model"
                )
            if Fraction(core["filled"]) != line.filled:
                raise self.differs(
                    f"{line.name}: filled {core['filled']} in the core, {line.filled} in the model"
                )

    def _clock(self) -> str:
        return f"{(self.now_ns - self._start_ns) // MS:>7} ms"

    def differs(self, what: str) -> Difference:
        """The error that stops a history."""
        return Difference("\n".join([what, "the history:", *self.story]))


def _terms(terms: Terms) -> Fields:
    found: Fields = [(40, TYPES[terms.kind])]
    if terms.px is not None:
        found.append((44, exact(terms.px)))
    if terms.stop_px is not None:
        found.append((99, exact(terms.stop_px)))
    return found


def _values(fields: Fields) -> tuple[str, ...]:
    return tuple(first(fields, tag) for tag in (40, 44, 99))


def _said(asked: Fields) -> Fields:
    return [(tag, value) for tag, value in asked if tag in (40, 44, 99, 59)]


def _text(fields: Fields) -> str:
    return "|".join(f"{tag}={value}" for tag, value in fields if tag not in (8, 9, 10, 34, 49, 52, 56))
