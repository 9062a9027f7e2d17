"""`python -m tests.bench.hostile`: what the other followers notice of a broker that misbehaves.

One leader, four brokers that take every order, and a fifth one with followers of its own that does something
else in each run. Latency is of the four: from when a fill was meant to be sent to the last of their orders.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.deployment import Shape, write_config
from tests.bench.measured import started
from tests.bench.plant import BenchError, Plant, utc_now
from tests.bench.rawfix import Session, broker_fill, fields

SHAPE = Shape("4 brokers x 5 accounts", 4, 5, 400, 20)
ACCOUNTS = 5
"""Followers of the fifth broker."""
READY_S, ORDERS_S, STOP_S = 60.0, 60.0, 5.0
WARM_UP = 20
READ_BYTES = 262_144
FLOOD = 200_000
"""Messages of a flood; written before it begins, so that the line is the only thing that holds it up."""
NOISE_BYTES = 1_000_000
HOSTILE = """
[sessions.HX]
role = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "COPYGATE"
target_comp_id = "HOSTILE"
host = "127.0.0.1"
port = {port}
profile = "copygate44"
heartbeat_s = 30
reconnect_s = 1

[routes.hx]
session = "HX"
"""
FOLLOWER = """
[followers.h{n}]
route = "hx"
account = "H{n}"

[[subscriptions]]
follower = "h{n}"
leader = "alpha"
sizing = {{ mode = "multiplier", k = "1" }}
"""


class Fifth:
    """The fifth broker: a socket and a thread of its own. It behaves until it is told otherwise."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._session = Session(b"FIX.4.4", b"HOSTILE", b"COPYGATE")
        self._peer: socket.socket | None = None
        self._lock = threading.Lock()
        self._ears = threading.Event()
        self._ears.set()
        self._stopped = False
        self.answers = True
        self.orders = 0
        self.flooded = 0
        """Messages of a flood that the line took."""
        self._flood_thread: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="fifth", daemon=True)
        self._thread.start()

    @property
    def logged_on(self) -> bool:
        """Whether the gateway is there."""
        return self._session.logged_on

    # ---- what it does to us ----------------------------------------------------------------------------

    def well(self) -> None:
        """Takes orders and fills them."""

    def silent(self) -> None:
        """Reads everything, and answers no order and no question."""
        self.answers = False

    def deaf(self) -> None:
        """Reads nothing more."""
        self._ears.clear()

    def noise(self) -> None:
        """A megabyte that is no FIX, in front of everything else that it says."""
        self._put(random.Random(5).randbytes(NOISE_BYTES))

    def flood(self) -> None:
        """Reports about orders that nobody sent, as fast as the line takes them."""
        report = (
            b"37=Z\x0111=NOTOURS\x01150=0\x0139=0\x011=H0\x0155=EURUSD\x0154=1\x0138=1\x0114=0\x01151=1\x01"
        )
        utc = utc_now()
        written = [
            self._session.message(b"8", b"17=F%d\x01%b60=%b\x01" % (number, report, utc), utc)
            for number in range(FLOOD)
        ]
        self._flood_thread = threading.Thread(target=self._pour, args=(written,), daemon=True)
        self._flood_thread.start()

    # ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends sockets and threads."""
        self._stopped = True
        self._ears.set()
        self._listener.close()
        if self._peer is not None:
            with suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
        for thread in (self._thread, self._flood_thread):
            if thread is not None:
                thread.join(STOP_S)

    def _pour(self, messages: list[bytes]) -> None:
        for first in range(0, len(messages), 100):
            if self._stopped or not self._put(b"".join(messages[first : first + 100])):
                return
            self.flooded += 100

    def _put(self, data: bytes) -> bool:
        with self._lock:
            try:
                if self._peer is not None:
                    self._peer.sendall(data)
                    return True
            except OSError:
                pass
        return False

    def _run(self) -> None:
        while not self._stopped:
            with suppress(OSError):
                self._peer, _ = self._listener.accept()
                self._serve(self._peer)
            self._session.logged_on = False

    def _serve(self, peer: socket.socket) -> None:
        while self._ears.wait() and (data := peer.recv(READ_BYTES)):
            for message in self._session.framer.feed(data):
                answer, application = self._session.reply(message, utc_now())
                if application and fields(message).get(35) == b"D":
                    self.orders += 1
                    answer = self._fill(message) if self.answers else b""
                if answer:
                    self._put(answer)

    def _fill(self, order: bytes) -> bytes:
        utc = utc_now()
        return self._session.message(b"8", broker_fill(self.orders, order, utc), utc)


MODES: dict[str, Callable[[Fifth], None]] = {
    "well": Fifth.well,
    "silent": Fifth.silent,
    "deaf": Fifth.deaf,
    "noise": Fifth.noise,
    "flood": Fifth.flood,
}


def measure(mode: str, folder: Path) -> dict[str, Any]:
    """One deployment, one way to misbehave. BenchError where one of the others misses an order."""
    plant, fifth = Plant(SHAPE), Fifth()
    try:
        config = write_config(folder, SHAPE, plant.leader.port, [broker.port for broker in plant.brokers])
        followers = "".join(FOLLOWER.format(n=n) for n in range(ACCOUNTS))
        text = config.read_text("utf-8") + HOSTILE.format(port=fifth.port) + followers
        config.write_text(text, encoding="utf-8")
        with started(["gateway", "run", str(config)], folder / "gateway.log") as process:
            alive = lambda: process.poll() is None  # noqa: E731
            plant.wait_ready(READY_S, alive)
            plant.wait(lambda: fifth.logged_on, READY_S, "logon of the fifth broker", alive)
            MODES[mode](fifth)
            began = time.monotonic()
            result = plant.run(WARM_UP, ORDERS_S, alive)
            seconds = time.monotonic() - began
    finally:
        fifth.close()
        plant.close()
    last = {f"p{rank}": result.last.get_value_at_percentile(rank) // 1000 for rank in (50, 90, 99)}
    rate = {"flood_per_s": round(fifth.flooded / seconds)} if fifth.flooded else {}
    return {"fifth": mode, **last, "max": result.last.get_max_value() // 1000, **rate}


def main() -> int:
    """Measures and prints; 1 when one of the others missed an order."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hostile", description=__doc__)
    parser.add_argument("--modes", default=",".join(MODES), help="some of them, with commas")
    parser.add_argument("--json", action="store_true", help="a line of JSON each")
    chosen = parser.parse_args()
    for mode in chosen.modes.split(","):
        try:
            with tempfile.TemporaryDirectory(prefix="copygate-hostile-") as folder:
                row = measure(mode, Path(folder))
        except BenchError as error:
            sys.stderr.write(f"{mode}: {error}\n")
            return 1
        told = json.dumps(row) if chosen.json else "  ".join(f"{key} {value}" for key, value in row.items())
        print(told, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
