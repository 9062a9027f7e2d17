"""A real deployment for the venues' sequences: all leader sessions in one core, one simulated broker."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from gateway import control, demo, resources
from gateway.clock import wait_until
from gateway.config import GatewayConfig, load
from gateway.demo_config import DemoDeployment
from gateway.sim.book import Account
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession, free_port
from tests.e2e.sequence_cases import INSTRUMENTS, Case
from tests.session.harness import RawPeer, field, frame

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
START_MS, QUIET_MS = 60_000, 60_000
REFRAMED = re.compile(r"^(8|9|34|35|49|52|56|10)=")
TIME = re.compile(r"(?<=\|60=)(\d{8}-\d\d:\d\d:\d\d)(\.\d+)?")
SUBSCRIPTION = """
[followers.{name}]
route = "r"
account = "{name}"
[[subscriptions]]
follower = "{name}"
leader = "{leader}"
sizing = {{ mode = "percent", percent = {percent} }}
max_age_ms = 600000
on_bust = "{on_bust}"
"""


@cache
def sequences() -> dict[str, dict[str, Any]]:
    """All sequences by id; a missing folder is a failure with a hint, never a skip."""
    path = DATA / "sequences.jsonl"
    assert path.is_file(), f"test data missing: put the shared data folder at {DATA}"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row for row in rows}


def tag(text: str, number: int) -> str:
    """A field of a printed message, or nothing."""
    found = re.search(rf"(?:^|\|){number}=([^|]*)", text)
    return found.group(1) if found else ""


def venue_messages(case: Case) -> list[str]:
    """What the venue said: the client's own orders and requests are left out, and so are logons."""
    messages: list[str] = sequences()[case.sequence]["messages"]
    client = {"D", "E", "F", "G", "AN", "A"}
    return case.edit([m for m in messages if tag(m, 35) not in client])


def fresh(messages: list[str], now: datetime) -> list[str]:
    """TransactTime(60) moved by one distance for all, so that the newest is `now`."""
    times = [_time(m.group(1)) for text in messages for m in TIME.finditer(text)]
    if not times:
        return messages
    shift = now.replace(microsecond=0) - max(times)

    def moved(found: re.Match[str]) -> str:
        return (_time(found.group(1)) + shift).strftime("%Y%m%d-%H:%M:%S") + (found.group(2) or "")

    return [TIME.sub(moved, text) for text in messages]


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)


@dataclass
class Venue:
    """The leader's broker on a raw socket. Numbers run on by themselves."""

    peer: RawPeer
    begin_string: str
    comp_id: str
    peer_comp_id: str
    seq: int = 1

    def framed(self, kind: str, rest: str, seq: int | None = None) -> bytes:
        """A message under our CompIDs, numbers and time; `rest` ends with `|` or is empty."""
        if seq is None:
            seq, self.seq = self.seq, self.seq + 1
        now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        head = f"35={kind}|49={self.comp_id}|56={self.peer_comp_id}|34={seq}|52={now}|"
        return frame(head + rest, self.begin_string)

    def reframed(self, text: str, seq: int | None = None) -> bytes:
        """A printed message, its body as it is."""
        kept = [part for part in text.split("|") if part and not REFRAMED.match(part)]
        return self.framed(tag(text, 35) or "8", "|".join(kept) + "|", seq)

    def log_on(self) -> None:
        """Logon(A), answered."""
        version = "1137=9|" if self.begin_string == "FIXT.1.1" else ""
        self.peer.say(self.framed("A", f"98=0|108=30|{version}"))
        self.peer.hear_type("A")

    def settle(self) -> None:
        """Returns once everything said so far is taken in: sessions work in order."""
        self.peer.say(self.framed("1", f"112=END{self.seq}|"))
        while field(self.peer.hear_type("0"), 112) != f"END{self.seq - 1}":
            pass


class Rig:
    """Gateway and broker, running."""

    def __init__(self, deployment: DemoDeployment, server: FixServer, cases: dict[str, Case]) -> None:
        self.deployment = deployment
        self.server = server
        self.config: GatewayConfig = load(deployment.config)
        self._cases = list(cases)

    def status(self) -> dict[str, Any]:
        """The core's own view."""
        return control.ask(self.config, {"cmd": "status"})

    def venue(self, case: Case) -> Venue:
        """The case's venue, logged on."""
        begin, sender, target = self.config.sessions[session_of(case)].identity
        venue = Venue(RawPeer.connect(self.deployment.ports["LEADERS"]), begin, target, sender)
        venue.log_on()
        return venue

    def play(self, case: Case) -> None:
        """Plays a whole sequence, and returns once it is taken in."""
        messages = venue_messages(case)
        if case.fresh:
            messages = fresh(messages, datetime.now(UTC))
        venue = self.venue(case)
        if case.one_write:
            venue.peer.say(b"".join(venue.reframed(text) for text in messages))
            messages = []
        for number, text in enumerate(messages):
            if number == case.relogon_before:
                venue.peer.say(venue.framed("5", ""))
                venue.peer.hear_type("5")
                venue.peer.close()
                venue = self.venue(case)
            venue.peer.say(venue.reframed(text))
            if case.one_by_one:
                venue.settle()
                self.quiet()
        venue.settle()

    def orders(self, case: Case, percent: int) -> tuple[int, ...]:
        """Signed quantities that one follower's broker was sent, in order."""
        account = f"{case.name}-{percent}"

        def read() -> tuple[int, ...]:
            orders = self.server.broker.book.orders.values()
            return tuple(int(o.sign * o.order_qty) for o in orders if o.account == account)

        return self.server.call(read)

    def quiet(self) -> None:
        """Until every order that was sent has arrived, ended, and been heard of."""

        def done() -> bool:
            status = self.status()
            book = self.server.broker.book
            arrived, live, fills = self.server.call(
                lambda: (len(book.orders), any(o.live for o in book.orders.values()), len(book.executions))
            )
            works = any(Decimal(line["working"]) or line["unknown"] for line in status["subscriptions"])
            same = (arrived, fills) == (status["orders_sent"], status["follower_fills"])
            return same and not live and not works

        assert wait_until(done, QUIET_MS, 50), self.status()


def listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def session_of(case: Case) -> str:
    """Name of the case's session and leader."""
    return case.name


def profile_begin_string(name: str) -> str:
    """BeginString(8) of a profile."""
    text = (resources.profiles() / f"{name}.toml").read_text(encoding="utf-8")
    found = re.search(r'^begin_string = "(.*)"$', text, flags=re.MULTILINE)
    assert found, name
    return found.group(1)


def _leader(number: int, case: Case, port: int) -> str:
    """Session, leader, and two followers. CompIDs are the venue's own; a number keeps sessions apart."""
    original = next(
        (m for m in sequences()[case.sequence]["messages"] if tag(m, 35) in ("8", "AE", "AP", "j")), ""
    )
    ours, venue = tag(original, 56) or "COPYGATE", tag(original, 49) or "VENUE"
    symbols = ", ".join(f'"{theirs}" = "{name}"' for theirs, name in case.symbols.items())
    positions = ", ".join(f"{name} = {units}" for name, units in case.positions.items())
    held = f"initial_positions = {{ {positions} }}" if positions else "assume_flat = true"
    account = f'account = "{case.account}"\n' if case.account else ""
    reset = 'reset = "on_logon"\n' if case.relogon_before else ""
    head = (
        f'[sessions.{case.name}]\nrole = "acceptor"\nbegin_string = "{profile_begin_string(case.profile)}"\n'
        f'sender_comp_id = "{ours}"\ntarget_comp_id = "{venue}-{number}"\nhost = "127.0.0.1"\nport = {port}\n'
        f'profile = "{case.profile}"\nheartbeat_s = 60\n{reset}'
        f'[leaders.{case.name}]\nsession = "{case.name}"\n{account}{held}\nsymbols = {{ {symbols} }}\n'
    )
    shares = (
        SUBSCRIPTION.format(
            name=f"{case.name}-{percent}", leader=case.name, percent=percent, on_bust=case.on_bust
        )
        for percent in (100, 50)
    )
    return head + "".join(shares)


def render(cases: dict[str, Case], ports: dict[str, int]) -> str:
    """The TOML text."""
    parts = [
        '[gateway]\ndeployment = "sequences"\nstate_dir = "state"\ndispatch = "listed"\n',
        (
            '[sessions.R]\nrole = "initiator"\nbegin_string = "FIX.4.4"\nsender_comp_id = "COPYGATE"\n'
            f'target_comp_id = "R"\nhost = "127.0.0.1"\nport = {ports["R"]}\nprofile = "copygate44"\n'
            'reconnect_s = 1\n[routes.r]\nsession = "R"\n'
        ),
    ]
    for name, (size, step) in INSTRUMENTS.items():
        parts.append(
            f'[instruments.{name}]\ncontract_size = "{size}"\nlot_step = "{step}"\nmin_lot = "{step}"\n'
            'tick = "0.00001"\ncurrency = "USD"\n'
        )
    parts += [_leader(number, case, ports["LEADERS"]) for number, case in enumerate(cases.values())]
    return "\n".join(parts)


def _broker(cases: dict[str, Case]) -> Broker:
    """Fills everything at once: what is tested is what was ordered."""
    names = [f"{name}-{percent}" for name in cases for percent in (100, 50)]
    moods = Behaviour(ack_ms=0, fill_ms=0, jitter_ms=0, cancel_ms=0)
    broker = Broker(1, [Account(name) for name in names], moods)
    for instrument in INSTRUMENTS:
        broker.quote(instrument, Decimal("0.99999"), Decimal("1.00001"), 0)
    return broker


@contextmanager
def running(folder: Path, cases: dict[str, Case]) -> Iterator[Rig]:
    """`copygate run` with core, route and audit, and its broker; ended by pid at the end."""
    ports = {"LEADERS": free_port(), "R": free_port()}
    deployment = DemoDeployment(folder, (), ports)
    deployment.config.write_text(render(cases, ports), encoding="utf-8")
    server = FixServer(_broker(cases), [SimSession("R")], ports["R"], folder / "sim")
    server.start()
    try:
        gateway = demo.start_gateway(deployment)
        try:
            rig = Rig(deployment, server, cases)
            assert wait_until(lambda: "R" in server.logged_on, START_MS, 50), _log(deployment)
            assert wait_until(lambda: listening(ports["LEADERS"]), START_MS, 50), _log(deployment)
            yield rig
            assert gateway.poll() is None, _log(deployment)
        finally:
            RawPeer.close_all()
            demo.stop_gateway(gateway)
    finally:
        server.stop()


def _log(deployment: DemoDeployment) -> str:
    text = (deployment.folder / "gateway.log").read_text(encoding="utf-8", errors="replace")
    return text[-3_000:]


def counts(before: dict[str, Any], after: dict[str, Any], what: str) -> dict[str, int]:
    """How much each code of `alerts` or `refusals` grew."""
    grown = {code: n - before[what].get(code, 0) for code, n in after[what].items()}
    return {code: n for code, n in grown.items() if n}
