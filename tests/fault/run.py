"""One seed: a deployment starts, trades, is broken as the schedule says, is left alone, and is judged."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from gateway.audit.store import day_files, open_reader
from gateway.sim.broker import Behaviour
from tests.fault import judge
from tests.fault.gateway import WITHOUT
from tests.fault.judge import Finding, positions
from tests.fault.page import Io, Slot
from tests.fault.rig import LEADER_ACCOUNT, Rig
from tests.fault.schedule import LATE_KINDS, Fault, schedule
from tests.fault.steps import NUMBERS

START_S, RECOVER_S, ROUND_S = 60, 45, 15
"""How long a phase may take: start, recovery from all faults, one order and its copies."""
SHORT_S = 12
"""How long recovery may take where a rule is left out: a gateway that has all of them needs less."""
AUDIT_S = 20
"""How long the audit log may take to come to the journal's end."""
AUDIT_ROWS = 200
"""Its status is a second old, and quotes go on; what is still missing then is written at the stop."""
WARM_FILLS = 4
STALE_SLACK_MS = 900
LOT = Decimal(100_000)
CALM_LOOKS = 3
"""Looks in a row at which everything rests, before it counts as rest."""
REJECTING = Behaviour(reject_per_10k=6_000)
EXPIRING = Behaviour(partial_per_10k=9_000, expire_per_10k=6_000)


@dataclass
class Outcome:
    """What came of one seed."""

    seed: int
    faults: int = 0
    """Faults that took place. A step that nobody reached did not."""
    planned: int = 0
    executions: int = 0
    recovery_s: float = 0.0
    seconds: float = 0.0
    restarts: int = 0
    kinds: list[str] = field(default_factory=list)
    finding: Finding = field(default_factory=Finding)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        return {**{k: v for k, v in values.items() if k != "finding"}, **values["finding"]}


class Breaker:
    """Does what the schedule says, at its time, and counts what took place."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.done: list[Fault] = []
        self._timers: list[threading.Timer] = []
        self.clock_is_right_s = 0.0
        """When the journal's time is the clock's again: it makes up for a step back at half its speed."""
        self._doing: dict[str, Callable[[Fault], bool]] = {
            "kill": lambda f: rig.signal(f.where, signal.SIGKILL),
            "kill_all": lambda f: rig.signal(f.where, signal.SIGKILL),
            "kill_at_step": self._at_step,
            "pause": self._pause,
            "cut": self._line(lambda line, f: line.cut(f.for_ms / 1000)),
            "stall": self._line(lambda line, f: line.hold(f.for_ms / 1000, cut_behind=False)),
            "half_open": self._line(lambda line, f: line.hold(f.for_ms / 1000, cut_behind=True)),
            "slow": self._line(lambda line, f: line.slow(f.for_ms / 1000, f.number / 1000)),
            "pieces": self._line(lambda line, f: line.tear(f.for_ms / 1000)),
            "garble_in": self._line(lambda line, _: line.garble(to_gateway=True)),
            "garble_out": self._line(lambda line, _: line.garble(to_gateway=False)),
            "lose_orders": partial(self._lose, Slot.DROP_TO_ROUTE),
            "lose_rows": partial(self._lose, Slot.DROP_TO_CORE),
            "clock": self._clock,
            "silence": self._party(lambda p, f: p.be_silent(f.for_ms)),
            "slow_gateway": self._party(lambda p, f: p.be_slow_to_take(f.for_ms, f.number)),
            "crossed_answers": self._party(lambda p, f: p.cross_answers(f.for_ms)),
            "late_fills": self._party(lambda p, f: p.behave(Behaviour(fill_ms=f.number), f.for_ms)),
            "rejects": self._party(lambda p, f: p.behave(REJECTING, f.for_ms)),
            "expires": self._party(lambda p, f: p.behave(EXPIRING, f.for_ms)),
            "bust": self._party(lambda p, _: p.bust()),
            "repeat": self._party(lambda p, f: p.repeat(f.number)),
            "skip_numbers": self._party(lambda p, f: p.skip_numbers(f.number)),
        }
        for io in (Io.KILL_BEFORE, Io.KILL_TORN, Io.KILL_BEHIND, Io.KILL_SYNC, Io.FULL, Io.BAD, Io.READ_ONLY):
            self._doing[io.name.lower()] = partial(self._io, io)

    def play(self, faults: list[Fault]) -> None:
        """All of them; returns when the last has been begun."""
        began = time.monotonic()
        for fault in faults:
            wait_s = fault.at_ms / 1000 - (time.monotonic() - began)
            if wait_s > 0:
                time.sleep(wait_s)
            if self._doing[fault.kind](fault):
                self.done.append(fault)

    def lift(self) -> None:
        """Everything works again. Steps and writes that were reached count now."""
        page = self._rig.page
        for timer in self._timers:
            timer.cancel()
        page.lift()
        self._rig.signal_all(signal.SIGCONT)
        for line in self._rig.lines.values():
            line.lift()
        for party in self._rig.parties.values():
            party.call(party.settle)

    def fired(self) -> int:
        """Faults that wait for a step, a write or a frame, and took place."""
        page = self._rig.page
        return page[Slot.STEP_FIRED] + min(page[Slot.IO_FIRED], 1) + min(page[Slot.DROPPED], 1)

    def _at_step(self, fault: Fault) -> bool:
        self._rig.page.kill_at(NUMBERS[fault.where], fault.number)
        return False

    def _io(self, io: Io, fault: Fault) -> bool:
        self._rig.page.break_file(fault.where, io, fault.number)
        if fault.for_ms:
            self._later(fault.for_ms, lambda: self._rig.page.mend_file(io))
        return False

    def _pause(self, fault: Fault) -> bool:
        if not self._rig.signal(fault.where, signal.SIGSTOP):
            return False
        pid = self._rig.pid(fault.where)
        self._later(fault.for_ms, lambda: self._go_on(pid))
        return True

    def _go_on(self, pid: int | None) -> None:
        for child in ("core", "route:a", "route:b", "route:c", "audit"):
            if self._rig.pid(child) == pid:
                self._rig.signal(child, signal.SIGCONT)

    def _lose(self, slot: Slot, fault: Fault) -> bool:
        self._rig.page[slot] = fault.number
        return False

    def _clock(self, fault: Fault) -> bool:
        self._rig.page.step_clock(fault.number * 1_000_000_000)
        right_s = time.monotonic() + fault.for_ms / 1000 + 2 * abs(fault.number) + 1
        self.clock_is_right_s = max(self.clock_is_right_s, right_s)
        self._later(fault.for_ms, lambda: self._rig.page.step_clock(0))
        return True

    def _line(self, act: Callable[[Any, Fault], None]) -> Callable[[Fault], bool]:
        def do(fault: Fault) -> bool:
            act(self._rig.lines[fault.where], fault)
            return True

        return do

    def _party(self, act: Callable[[Any, Fault], object]) -> Callable[[Fault], bool]:
        def do(fault: Fault) -> bool:
            party = self._rig.parties[fault.where]
            return party.call(lambda: act(party, fault)) is not False

        return do

    def _later(self, ms: int, act: Callable[[], None]) -> None:
        timer = threading.Timer(ms / 1000, act)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()


def run(seed: int, kinds: tuple[str, ...], folder: Path, environment: dict[str, str]) -> Outcome:
    """Plays a seed. The folder keeps configuration, journal, logs and books."""
    began = time.monotonic()
    faults = schedule(seed, kinds)
    outcome = Outcome(seed, planned=len(faults))
    # A broker that refuses a ClOrdID it knows protects us from ourselves; most of ours do not.
    rig = Rig(folder, seed, environment, trusting=seed % 4 != 0)
    try:
        _play(rig, faults, outcome, SHORT_S if environment.get(WITHOUT) else RECOVER_S)
    finally:
        rig.close()
    _read_records(rig, faults, outcome)
    outcome.restarts = rig.restarts
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def _play(rig: Rig, faults: list[Fault], outcome: Outcome, recover_s: int) -> None:
    finding, breaker = outcome.finding, Breaker(rig)
    if not rig.until(rig.logged_on, START_S) or not rig.until(lambda: _routes_ready(rig), START_S):
        finding.add("broken", "the deployment does not start")
        return
    rig.leader.call(rig.trader.begin)
    rig.until(lambda: _executions(rig) >= WARM_FILLS, START_S)
    breaker.play(faults)
    last_s = max((f.at_ms + f.for_ms for f in faults), default=0) - max((f.at_ms for f in faults), default=0)
    time.sleep(min(1.0, last_s / 1000))
    breaker.lift()
    lifted = time.monotonic()
    rig.leader.call(lambda: setattr(rig.trader, "trading", False))
    outcome.faults = len(breaker.done) + breaker.fired()
    outcome.kinds = sorted({fault.kind for fault in faults})
    rests = rig.until(Rest(rig), recover_s)
    outcome.recovery_s = round(time.monotonic() - lifted, 2)
    if rig.final_code is not None:
        finding.add("broken", f"the gateway ended with code {rig.final_code} and stays down")
        return
    _judge_position(rig, finding, rests, recover_s)
    if recover_s == SHORT_S and not finding.good:
        # What was looked for is found.
        return
    _close_all(rig, finding)
    rig.until(lambda: time.monotonic() > breaker.clock_is_right_s, RECOVER_S)
    _round(rig, finding)
    if not rig.until(lambda: _audited(rig), AUDIT_S):
        finding.add("broken", f"the audit log is not at the journal's end within {AUDIT_S} s")


def _audited(rig: Rig) -> bool:
    """The audit process may have been down, and waits longer each time before it is started again."""
    try:
        told = json.loads((rig.folder / "state" / "audit" / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    rows = rig.status().get("journal_rows")
    return told["state"] == "following" and rows is not None and rows - told["journal"] <= AUDIT_ROWS


def _executions(rig: Rig) -> int:
    return rig.leader.call(lambda: len(rig.leader.model.book.executions))


def _routes_ready(rig: Rig) -> bool:
    routes = rig.status().get("routes", [])
    return bool(routes) and all(route["up"] and route["synced"] for route in routes)


class Rest:
    """True once everybody is logged on, nothing works, and every follower is where the gateway wants it."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._looks = 0
        self._last: object = None

    def __call__(self) -> bool:
        now = self._look()
        self._looks = self._looks + 1 if now is not None and now == self._last else 0
        self._last = now
        return self._looks >= CALM_LOOKS

    def _look(self) -> object:
        rig = self._rig
        if not rig.logged_on():
            return None
        books = [
            p.call(lambda p=p: (len(p.model.book.orders), any(o.live for o in p.model.book.orders.values())))  # type: ignore[misc]
            for p in rig.parties.values()
        ]
        status = rig.status()
        if not status or any(live for _, live in books) or not _routes_ready(rig):
            return None
        rests = all(_rests(line) for line in status["subscriptions"])
        known = status["leader_executions"] == _executions(rig)
        return (status["leader_executions"], tuple(n for n, _ in books)) if rests and known else None


def _rests(line: dict[str, Any]) -> bool:
    off = abs(Decimal(line["filled"]) - Decimal(line["target"]))
    return Decimal(line["working"]) == 0 and not line["unknown"] and off < Decimal(line["step"])


def _held(rig: Rig) -> dict[str, dict[str, Decimal]]:
    """Positions by follower name, and the leader's under its account."""
    held = {
        c.name: rig.party_of(c).call(lambda c=c: positions(rig.party_of(c).model.book, c.account))  # type: ignore[misc]
        for c in rig.copiers
    }
    held[LEADER_ACCOUNT] = rig.leader.call(lambda: positions(rig.leader.model.book, LEADER_ACCOUNT))
    return held


def _judge_position(rig: Rig, finding: Finding, rests: bool, recover_s: int) -> None:
    status, held = rig.status(), _held(rig)
    if not rests:
        finding.add("broken", f"no rest within {recover_s} s")
    if not status:
        finding.add("broken", "the core does not answer")
        return
    judge.unknown(status, finding)
    for who in rig.copiers:
        judge.equal(held[who.name], judge.targets(status, who.name), "off_target", who.name, finding)
        judge.within_leader(held[who.name], held[LEADER_ACCOUNT], who, finding)


def _close_all(rig: Rig, finding: Finding) -> None:
    rig.leader.call(rig.trader.finish)
    flat = rig.until(lambda: rig.trader.flat, ROUND_S)
    if not flat or not rig.until(lambda: not any(_held(rig).values()), ROUND_S):
        held = _held(rig)
        for who in rig.copiers:
            judge.equal(held[who.name], {}, "lost_closes", who.name, finding)
        if held[LEADER_ACCOUNT]:
            finding.add("broken", "the leader is not flat")
    rig.until(Rest(rig), ROUND_S)


def _round(rig: Rig, finding: Finding) -> None:
    """One open and its close behind all faults: everybody takes part, with exactly his share."""
    if not finding.good:
        return
    wanted = {c.name: {"EURUSD": LOT * c.k} for c in rig.copiers} | {LEADER_ACCOUNT: {"EURUSD": LOT}}
    rig.leader.call(lambda: rig.hand.place("EURUSD", "1", LOT))
    if not rig.until(lambda: _held(rig) == wanted, ROUND_S):
        held = _held(rig)
        for who in rig.copiers:
            judge.equal(held[who.name], wanted[who.name], "not_copied", who.name, finding)
    rig.leader.call(lambda: rig.hand.place("EURUSD", "2", LOT))
    if not rig.until(lambda: not any(_held(rig).values()), ROUND_S):
        held = _held(rig)
        for who in rig.copiers:
            judge.equal(held[who.name], {}, "lost_closes", who.name, finding)
    rig.until(Rest(rig), ROUND_S)


def _read_records(rig: Rig, faults: list[Fault], outcome: Outcome) -> None:
    """Behind the end: books against books, and against what the audit log says was meant."""
    finding, leader = outcome.finding, rig.leader.model.book
    arrivals = [a for party in rig.parties.values() if party is not rig.leader for a in party.model.arrivals]
    finding.sent = len(arrivals)
    outcome.executions = len(leader.executions)
    judge.accepted_twice(arrivals, finding)
    busted = any(e.busted for p in rig.parties.values() for e in p.model.book.executions.values())
    for who in rig.copiers:
        if not busted:
            judge.volume(leader, LEADER_ACCOUNT, rig.party_of(who).model.book, who, finding)
    try:
        caused = _causes(rig)
    except sqlite3.Error as error:
        finding.add("broken", f"the audit log cannot be read: {error}")
        return
    finding.intents = len(caused)
    for arrival in arrivals:
        if arrival.cl_ord_id not in caused:
            finding.add("broken", f"{arrival.cl_ord_id} is at a broker and in no log")
    if not LATE_KINDS & {fault.kind for fault in faults}:
        at_ns = {e.exec_id: e.at_ns for e in leader.executions.values()}
        times = {order: at_ns[exec_id] for order, exec_id in caused.items() if exec_id in at_ns}
        judge.stale(arrivals, times, {c.account: c for c in rig.copiers}, STALE_SLACK_MS, finding)


def _causes(rig: Rig) -> dict[str, str]:
    """ClOrdID(11) of every order in the audit log, to the ExecID(17) that caused it; empty where time did."""
    found: dict[str, str] = {}
    for path in day_files(rig.folder / "state" / "audit"):
        with closing(open_reader(path)) as db:
            query = (
                "SELECT cl_ord_id, exec_id FROM child_order LEFT JOIN decision ON decision.id = decision_id"
            )
            for row in db.execute(query):
                found[row["cl_ord_id"]] = row["exec_id"] or ""
    return found
