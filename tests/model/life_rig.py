"""Both sides of a history in which subscriptions come and go, and the core is started with another file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from gateway._fastcore import ConfigError, Pipeline
from gateway.sim.text import Fields, encode, utc
from tests.model.deployment import Deployment, exact
from tests.model.life import LivingModel, left
from tests.model.rig import Rig
from tests.model.side_by_side import BEGIN, said
from tests.model.terms import Action, Line, Report


def core_json(deployment: Deployment, joining: dict[str, str], leaving: dict[str, str]) -> str:
    """The core's configuration, with what the file says of who joins and leaves."""
    told = json.loads(deployment.core_json())
    for rule in told["subscriptions"]:
        rule["joining"] = joining.get(rule["name"], "flat")
        rule["leaving"] = leaving.get(rule["name"])
    return json.dumps(told)


class LifeRig(Rig):
    """A rig whose deployment changes."""

    model: LivingModel
    decides = LivingModel

    def __init__(self, deployment: Deployment) -> None:
        self.joining: dict[str, str] = {}
        self.leaving: dict[str, str] = {}
        """What the file says, by subscription."""
        self._restated = 0
        super().__init__(deployment)

    def life(self, what: str, name: str, word: str = "") -> None:
        """`leave`, `join` or `resync` of a subscription, by a person."""
        key = {"leave": "rule", "join": "joining"}.get(what)
        command = {"cmd": what, "subscription": name} | ({key: word} if key else {})
        model = self.model
        act = {
            "leave": lambda: model.leave(name, word, self.now_ns),
            "join": lambda: model.join(name, word, self.now_ns),
            "resync": lambda: model.resync(name, self.now_ns),
        }
        self._command(f"{what} {name} {word}", command, act[what])

    def split(self, leader: str, instrument: str, factor: str, excepted: list[str]) -> None:
        """`adjust --factor`."""
        command = {"cmd": "adjust", "leader": leader, "instrument": instrument, "factor": factor}
        self._command(
            f"{leader} {instrument} x {factor}, but not {excepted}",
            {**command, "except": excepted, "position": None, "rescale": False, "reason": "a split"},
            lambda: self.model.split(leader, instrument, Fraction(factor), excepted, self.now_ns),
        )

    def moved_to(self, leader: str, instrument: str, position: str, rescale: bool) -> None:
        """`adjust --position`."""
        command = {"cmd": "adjust", "leader": leader, "instrument": instrument, "position": position}
        self._command(
            f"{leader} {instrument} is {position}, targets {'rescaled' if rescale else 'unchanged'}",
            {**command, "except": [], "factor": None, "rescale": rescale, "reason": "a give-up"},
            lambda: self.model.moved_to(leader, instrument, Fraction(position), rescale, self.now_ns),
        )

    def restated(self, order: Report) -> None:
        """A broker restates an order of the leader's for a corporate action; its quantities stay."""
        self._restated += 1
        fields: Fields = [
            (35, "8"), (37, order.order), (17, f"R{self._restated}"), (150, "D"), (378, "0"), (39, "1"),
            (55, order.instrument), (54, "1" if order.sign > 0 else "2"), (38, exact(order.order_qty)),
            (14, exact(order.cum_qty)), (151, "0"), (60, utc(self.now_ns)),
        ]  # fmt: skip
        raw = encode(BEGIN, fields)
        self._tell(
            f"{order.leader}: {said(fields)}",
            lambda: self._core.submit("leader", order.leader.upper(), raw, self.now_ns),
            lambda: self.model.restated(order.leader, order.instrument, self.now_ns),
        )

    def tries(self, deployment: Deployment) -> bool:
        """A start with a file that may not be now; whether the core takes it. One that it refuses changes
        nothing: it starts again with the old one."""
        was, allowed = self.deployment, self.model.may_start(deployment.model_subscriptions())
        self.deployment = deployment
        self.story.append(f"{self._clock()} tries to start")
        try:
            self._start_again()
        except ConfigError as why:
            self.deployment = was
            self._start_again()
            if allowed:
                raise self._differs(f"the core does not start, the model does: {why}") from why
            return False
        if not allowed:
            raise self._differs("the core starts with what the model refuses")
        return True

    def restart(self, deployment: Deployment) -> None:
        """The core ends, and starts with another file; its route stays up."""
        was = self.deployment.rules
        changed = [f"s{n}: {rule}" for n, rule in enumerate(deployment.rules) if rule not in was[n : n + 1]]
        known = len(was)
        self.deployment = deployment
        subscriptions, instruments = deployment.model_subscriptions(), deployment.instruments()
        more = [
            Line(s, instruments[name], mapping)
            for s in subscriptions[known:]
            for name, mapping in s.symbols.items()
        ]
        self._tell(
            f"restart: joining {self.joining}, leaving {self.leaving}, {'; '.join(changed)}",
            self._start_again,
            lambda: self.model.restart(
                deployment.model_followers(), subscriptions, more, self.joining, self.leaving, self.now_ns
            ),
        )

    def _start_again(self) -> None:
        if hasattr(self, "_core"):
            self._core.close()
            del self._core
        told = core_json(self.deployment, self.joining, self.leaving)
        path = Path(self._folder.name) / "core.db"
        self._core = Pipeline.open(path, told, "process", self.now_ns)
        self._core.receive(self._route.identity, self._route.hello(self.now_ns), self.now_ns)
        self._route.relink()

    def _command(self, what: str, command: dict[str, Any], model: Any) -> None:
        payload = json.dumps({"who": "a person", **command}).encode()
        self._tell(what, lambda: self._core.submit("operator", "", payload, self.now_ns), model)

    # Comparing.

    def _compare(self, messages: list[Fields], actions: list[Action]) -> None:
        super()._compare(messages, actions)
        status = json.loads(self._core.status())
        refused = status["alerts"].get("bad_command", 0)
        if refused != self.model.commands_refused:
            raise self._differs(
                f"commands refused: {refused} in the core, {self.model.commands_refused} in the model: "
                f"{self._core.take_alerts()}"
            )
        self._same_leaving(status)
        for one in status["subscriptions"]:
            ours = self.model.positions.get((one["leader"], one["leader_instrument"]), Fraction(0))
            if Fraction(one["leader_position"]) != ours:
                raise self._differs(f"leader's position: {one} in the core, {ours} in the model")

    def _same_leaving(self, status: dict[str, Any]) -> None:
        core = {(one["subscription"], one["rule"], one["done"]) for one in status["leaving"]}
        rules = self.model.leaving_rules()
        model = {
            (name, rule, all(left(o, rule) for o in self.model.lines if o.subscription.name == name))
            for name, rule in rules.items()
        }
        late = {(name, rule, True) for name, rule, done in core if not done}
        if core != model and not model - core <= late:
            raise self._differs(f"leaving: {core} in the core, {model} in the model")
