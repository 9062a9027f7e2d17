"""The core and the model of mirrored orders side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partial

from gateway.sim.text import Fields, encode, first, utc
from tests.model.deployment import CURRENCY, NEVER_MS, START_MS, exact
from tests.model.mirror_terms import Message, Place, Report, Rule, Terms
from tests.model.mirrors import Model
from tests.model.side_by_side import BEGIN, NEAR, Live, SideBySide, said
from tests.model.stops import LEVELS
from tests.model.terms import MS

KINDS = {"new": ("0", "0"), "trade": ("F", "1"), "replaced": ("5", "0"), "canceled": ("4", "4")}
TYPES = {"market": "1", "limit": "2", "stop": "3", "stop_limit": "4"}
BROKERS_CHOICE, TOO_LATE = "2", "0"
"""CxlRejReason(102)."""


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
        "limits": {
            "totals": {"max_open_orders": rule.max_open_orders},
            "default": {
                "max_position_lots": rule.max_position,
                "on_breach": "refuse" if rule.refuse else "clip",
            },
            "instruments": {},
        },
    }


class Rig(SideBySide[Message]):
    """Both sides of one history of working orders that are mirrored."""

    def __init__(self, rules: list[Rule]) -> None:
        self.reached: Counter[str] = Counter()
        self.model = Model(rules, self.reached)
        self.silent = False
        """The broker does not acknowledge new orders before he is asked to (`acknowledge`)."""
        self.too_late: list[tuple[Live, Fields]] = []
        """Orders that filled while they were asked for something, and what that was."""
        super().__init__(self.model, core_json(rules), START_MS, [f"{rule}" for rule in rules])

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
            f"leader: {said(fields)}",
            lambda: self._core.submit("leader", "L0", encode(BEGIN, fields), self.now_ns),
            lambda: self.model.report(r, self.now_ns),
        )

    def fill(self, order: Live, qty: Fraction) -> None:
        """The broker fills a part of an order, whatever it is asked."""
        asked = order.asked
        self._fill(order, qty, "10", lambda: self.model.fill(order.number, qty, self.now_ns))
        if asked is not None and not order.leaves:
            self.too_late.append((order, asked))

    def accept(self, order: Live) -> None:
        """The broker replaces an order as it was asked."""
        assert order.asked is not None
        asked, was = order.asked, order.cl_ord_id
        if order.asked_qty == order.cum:
            self.live.remove(order)  # it has filled all that it is to be
        order.qty, order.cl_ord_id, order.asked = Fraction(first(asked, 38)), first(asked, 11), None
        more: Fields = [(41, was), (14, exact(order.cum)), (151, exact(order.leaves)), *_said(asked)]
        self._broker(
            order,
            "5",
            "0" if order.leaves else "2",
            more,
            lambda: self.model.accepted(order.number, self.now_ns),
        )

    def refuse(self, order: Live) -> None:
        """The broker refuses what it was asked: the order works on as it is."""
        assert order.asked is not None
        asked, order.asked = order.asked, None
        self._refuse(order, asked, BROKERS_CHOICE, lambda: self.model.refused(order.number, self.now_ns))

    def refuse_late(self) -> None:
        """He answers what he was asked about orders that have filled since: that it is too late."""
        late, self.too_late = self.too_late, []
        for order, asked in late:
            self._refuse(order, asked, TOO_LATE, lambda: self.model.tick(self.now_ns))

    def _refuse(self, order: Live, asked: Fields, why: str, model: Callable[[], list[Message]]) -> None:
        cancels = first(asked, 35) == "F"
        fields: Fields = [
            (35, "9"), (37, f"B{first(order.fields, 11)}"), (11, first(asked, 11)),
            (41, order.cl_ord_id), (39, "0" if order.leaves else "2"),
            (434, "1" if cancels else "2"), (102, why), (60, utc(self.now_ns)),
        ]  # fmt: skip
        self._tell(f"broker: {said(fields)}", lambda: self._say(fields), model)

    def acknowledge(self) -> None:
        """The broker acknowledges what he has not."""
        for order in [o for o in self.live if not o.acknowledged]:
            order.acknowledged = True
            number, status = order.number, "1" if order.cum else "0"
            more: Fields = [(14, exact(order.cum)), (151, exact(order.leaves))]
            self._broker(order, "0", status, more, partial(self.model.known, number, self.now_ns + MS))

    def _arrived(self, order: Live) -> None:
        if not self.silent:
            super()._arrived(order)

    def stop(self, scope: tuple[str, str], level: int) -> None:
        """`kill` and `arm` of everything or a follower, `pause` and `resume` of a subscription (0)."""
        kind, name = scope
        what = {"subscription": ("resume", "pause")}.get(kind, ("arm", "kill"))[level > 0]
        at = {"level": LEVELS[level]} if level else {}
        named = {} if kind == "global" else {kind: name}
        payload = json.dumps({"cmd": what, "who": "a person", **named, **at}).encode()
        self._tell(
            f"{what} {kind} {name} {LEVELS[level]}",
            lambda: self._core.submit("operator", "", payload, self.now_ns),
            lambda: self.model.stop(scope, level, self.now_ns),
        )

    def targets(self) -> list[str]:
        """The core's targets, units."""
        return [line["target"] for line in json.loads(self._core.status())["subscriptions"]]

    # Comparing.

    def _compare(self, messages: list[Fields], actions: list[Message]) -> None:
        """Which of several messages of one event goes first is not compared."""
        wanted = sorted(actions, key=lambda action: (self._of_model(action), action.number))
        got = sorted(messages, key=self._of_core)
        if [self._of_model(action) for action in wanted] != [self._of_core(message) for message in got]:
            raise self._differs("the messages differ")
        for action, message in zip(wanted, got, strict=True):
            if isinstance(action, Place):
                self.live.append(Live.sent(action.number, message))
                self.live[-1].acknowledged = not self.silent
                self.model.silent(action.number, self.silent)
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
            raise self._differs("the core asks for what does not work")
        asked = (kind, first(found[0].fields, 1), str(found[0].number))
        return asked if kind == "F" else (*asked, first(message, 38), *_values(message))

    def _same_state(self) -> None:
        status = json.loads(self._core.status())
        lines = {x["subscription"]: x for x in status["subscriptions"]}
        for line in self.model.lines:
            self._same_line(line.name, lines.get(f"s{line.name[1:]}"), line, NEAR)


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
