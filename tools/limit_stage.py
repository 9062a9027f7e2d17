"""A deployment of one leader and one follower that is played by short phrases: `he buys 2 at 1.1`.

What an example on the page of limits says is what is told to the core here, word for word.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from stage import MS, Played

from gateway._fastcore import Replay
from gateway.sim.text import Fields, first, number, utc

BEGIN = "FIX.4.4"
LOT = Decimal(100_000)
SESSION = {"role": "initiator", "begin_string": BEGIN, "sender_comp_id": "US", "host": "127.0.0.1",
           "profile": "copygate44"}  # fmt: skip
PAIR = {"contract_size": 100_000, "lot_step": "0.01", "min_lot": "0.01", "tick": "0.00001",
        "base": "EUR", "currency": "USD"}  # fmt: skip
BASE: Mapping[str, Any] = {
    "gateway": {"deployment": "limits", "state_dir": "state"},
    "core": {"bind": "ipc"},
    "instruments": {"EURUSD": PAIR},
    "sessions": {"LEADER": {**SESSION, "target_comp_id": "LEADER", "port": 5001},
                 "BROKER": {**SESSION, "target_comp_id": "BROKER", "port": 5002}},
    "routes": {"r": {"session": "BROKER"}},
    "leaders": {"l": {"session": "LEADER", "account": "L", "currency": "USD", "assume_flat": True}},
    "followers": {"f": {"route": "r", "account": "F", "currency": "USD"}},
    "subscriptions": [{"follower": "f", "leader": "l", "sizing": {"mode": "multiplier", "k": 1}}],
}  # fmt: skip
TOLD = ("look_alike", "self_match")
"""Alerts that stand beside a trade which nothing refuses."""
Answer = tuple[str, str]
"""What a phrase made, and the refusals that it got."""


def deployment(keys: Sequence[str]) -> str:
    """The file of an example: its keys over the base. `leader.`, `follower.` and `subscription.` are the
    sections of the one that there is."""
    tree: dict[str, Any] = json.loads(json.dumps(BASE))
    owners = {"leader": tree["leaders"]["l"], "follower": tree["followers"]["f"]}
    owners["subscription"] = tree["subscriptions"][0]
    for key in keys:
        for section, value in tomllib.loads(key, parse_float=Decimal).items():
            if section in owners:
                merge(owners[section], value)
            else:
                merge(tree, {section: value})
    return "".join(f"{name} = {toml(value)}\n" for name, value in tree.items())


def merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Tables grow, all else is replaced; a sizing rule is replaced whole."""
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict) and name != "sizing":
            merge(into[name], value)
        else:
            into[name] = value


def toml(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, Decimal) else json.dumps(value)


class Stage(Played):
    """The deployment, played. The broker fills at once, at the leader's price, unless told otherwise."""

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        self._answers, self.last, self.last_side = "fills", "", "1"
        self._sent: list[Fields] = []
        self.px, self._counted = "1.1", dict[str, int]()
        super().__init__(folder, deployment(keys))
        self.core.submit("session", "LEADER", b"up", self.now_ns)
        self.carry()

    def answer(self, sent: Sequence[Fields]) -> None:
        """He fills, rejects or is silent."""
        self._sent += sent
        for order in sent:
            self._answer(order)

    def waited(self) -> None:
        """What a timer sends goes out at its time."""
        self.carry()

    def _answer(self, order: Fields) -> None:
        tags = {"fills": ("F", "2"), "rejects": ("8", "8")}.get(self._answers)
        if first(order, 35) == "D" and tags is not None:
            qty, name = first(order, 38), first(order, 11)
            filled = qty if tags[0] == "F" else "0"
            last = [(32, qty), (31, self.px)] if tags[0] == "F" else []
            head = [(37, f"B{name}"), (11, name), (1, "F"), (55, first(order, 55)), (54, first(order, 54))]
            what = [(150, tags[0]), (39, tags[1]), (38, qty), (14, filled), (151, "0"), *last]
            ids = [(17, f"X{name}"), (60, self.now())]
            self.broker(self.message([(35, "8"), *ids, *head, *what]))

    def say(self, phrase: str) -> Answer | None:
        """Plays one phrase; what came of it, for a trade and for what closes by itself."""
        for pattern, play in PHRASES:
            if (found := re.fullmatch(pattern, phrase)) is not None:
                self.now_ns += MS
                before = self.core.submit("timer", "", b"", self.now_ns)
                self.px = found.groupdict().get("px") or self.px
                play(self, found.groupdict())
                self.carry()
                made = [self._made(order) for order in self._sent if first(order, 35) in "DF"]
                self._sent.clear()
                refused = self._refused(before)
                told = phrase.startswith(("he buys", "he sells")) or made or refused
                return (", ".join(made) or "nothing", refused) if told else None
        raise ValueError(f"no such phrase: {phrase}")

    def _made(self, order: Fields) -> str:
        if first(order, 35) == "F":
            return "a cancel"
        side = "buys" if first(order, 54) == "1" else "sells"
        return f"{side} {number(Decimal(first(order, 38)) / LOT)}"

    def _refused(self, before: int) -> str:
        """Codes with both numbers, as the audit log has them, of the rows since."""
        # A decision is told once the beat behind it has written when it was made.
        self.core.beat(self.now_ns)
        found: dict[str, str] = {}
        for row, kind, text in Replay.open(self.journal, 0).step(100_000):
            entry = json.loads(text) if row > before and kind in ("decision", "alert") else {}
            if entry.get("code") in TOLD:
                found[entry["code"]] = f"alert `{entry['code']}`"
            for one in entry.get("refusals", []):
                numbers = (
                    "" if one["limit"] == one["value"] == "0" else f" {one['value']}, bound {one['limit']}"
                )
                found[one["code"]] = f"`{one['code']}`{numbers}"
        counted = json.loads(self.core.status())["refusals"]
        for code, times in counted.items():
            if times > self._counted.get(code, 0):
                found.setdefault(code, f"`{code}`")
        self._counted = counted
        return ", ".join(found.values())

    def operator(self, command: Mapping[str, Any]) -> None:
        """An operator's command."""
        self.core.submit("operator", "", json.dumps({"who": "ann", **command}).encode(), self.now_ns)

    def says(self, fields: Fields) -> None:
        """A message of the leader's broker."""
        self.leader(self.message(fields))

    def trade(self, side: str, lots: str, px: str, age_s: str | None = None, symbol: str = "EURUSD") -> None:
        """A fill of an order of his own, so many seconds ago."""
        qty, self.last, self.last_side = number(Decimal(lots) * LOT), f"E{self._serial}", side
        at_ns = self.now_ns - int(age_s or 0) * 1_000 * MS
        order = [(37, f"O{self.last}"), (11, f"O{self.last}"), (17, self.last), (150, "F"), (39, "2")]
        what = [(1, "L"), (55, symbol), (54, side), (38, qty), (32, qty), (31, px), (14, qty), (151, "0")]
        self.says([(35, "8"), *order, *what, (60, utc(at_ns))])

    def bust(self) -> None:
        """His newest fill is taken back."""
        self._amends("H", "4", [(38, "1"), (14, "0"), (151, "0")])

    def correct(self, lots: str, px: str) -> None:
        """His newest fill was another quantity, or at another price."""
        qty = number(Decimal(lots) * LOT)
        self._amends("G", "2", [(38, qty), (32, qty), (31, px), (14, qty), (151, "0")])

    def _amends(self, what: str, status: str, numbers: Fields) -> None:
        ids = [(37, f"O{self.last}"), (11, f"O{self.last}"), (17, f"{what}{self._serial}"), (19, self.last)]
        of = [(1, "L"), (55, "EURUSD"), (54, self.last_side)]
        self.says([(35, "8"), *ids, (150, what), (39, status), *of, *numbers, (60, self.now())])

    def leader_session(self, way: str) -> None:
        """His session goes `up` or `down`."""
        self.core.submit("session", "LEADER", way.encode(), self.now_ns)

    def session(self, up: bool) -> None:
        """The route's session."""
        self.route.session("BROKER", up, self.now_ns)
        self.carry()

    def broker_does(self, does: str) -> None:
        """From now on."""
        self._answers = does


NUMBER = r"-?[0-9.]+"


def _quote(stage: Stage, of: Mapping[str, str]) -> None:
    fields = [
        (35, "W"),
        (55, "EURUSD"),
        (268, "2"),
        (269, "0"),
        (270, of["bid"]),
        (269, "1"),
        (270, of["ask"]),
    ]
    stage.says(fields)


def _account(stage: Stage, of: Mapping[str, str]) -> None:
    account = "l" if of["whose"] == "his" else "f"
    stage.operator({"cmd": "account", "account": account, of["what"]: of["amount"]})


def _trade(stage: Stage, of: Mapping[str, str]) -> None:
    stage.trade("1" if of["side"] == "buys" else "2", of["lots"], of["px"], of["age"])


def _ctl(stage: Stage, of: Mapping[str, str]) -> None:
    commands: Mapping[str, Mapping[str, Any]] = {
        "kill": {"cmd": "kill", "level": "no_opens"},
        "arm": {"cmd": "arm"},
        "arm --follower f": {"cmd": "arm", "follower": "f"},
        "arm --leader l": {"cmd": "arm", "leader": "l"},
        "pause": {"cmd": "pause", "subscription": "f<l"},
        "resume": {"cmd": "resume", "subscription": "f<l"},
        "leave": {"cmd": "leave", "subscription": "f<l", "rule": "close_with_leader"},
        "bust-resume l": {"cmd": "bust_resume", "leader": "l"},
    }
    stage.operator(commands[of["command"]])


PHRASES: Sequence[tuple[str, Callable[[Stage, Mapping[str, str]], None]]] = (
    (rf"he (?P<side>buys|sells) (?P<lots>{NUMBER}) at (?P<px>{NUMBER})(, (?P<age>\d+) s ago)?", _trade),
    (rf"quote (?P<bid>{NUMBER})/(?P<ask>{NUMBER})", _quote),
    (rf"(?P<whose>his|the follower's) (?P<what>equity|balance|deposit) is (?P<amount>{NUMBER})", _account),
    (
        r"the broker's session goes (?P<way>down|up)",
        lambda stage, of: stage.session(of["way"] == "up"),
    ),
    (r"(?P<s>\d+) s pass", lambda stage, of: stage.wait(int(of["s"]) * 1_000)),
    (r"`ctl (?P<command>[^`]+)`", _ctl),
    (r"his broker busts it", lambda stage, _: stage.bust()),
    (
        rf"his broker corrects it to (?P<lots>{NUMBER}) at (?P<px>{NUMBER})",
        lambda stage, of: stage.correct(of["lots"], of["px"]),
    ),
    (r"the broker (?P<does>fills|rejects|is silent)", lambda stage, of: stage.broker_does(of["does"])),
    (
        r"the clock is (?P<us>\d+) us off",
        lambda stage, of: stage.operator({"cmd": "clock", "error_us": int(of["us"])}),
    ),
    (
        r"his session goes (?P<way>down|up)",
        lambda stage, of: stage.leader_session(of["way"]),
    ),
)
"""What an example may say."""
