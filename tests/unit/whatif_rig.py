"""Recordings for `whatif`: journals that the real pipeline wrote, with what a test tells of a leader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway._fastcore import Pipeline, RoutePipeline, WhatIf
from gateway.config import core_json, load
from gateway.sim.text import Fields, decode, encode, first, utc
from gateway.whatif_compare import Comparison, FollowerPart, Numbers, compare
from tests.unit.config_text import GOOD, write

T0_NS = 1_795_600_000_000_000_000
SECOND_NS = 1_000_000_000
BEGIN = "FIX.4.4"


def compiled(folder: Path, text: str = GOOD) -> str:
    """A deployment as the core takes it."""
    folder.mkdir(exist_ok=True)
    return core_json(load(write(folder, text)))


class Recording:
    """A journal while it is written. Each event is a second after the one before."""

    def __init__(self, folder: Path, text: str = GOOD) -> None:
        self.folder = folder
        self.path = folder / "journal.db"
        self.now_ns = T0_NS
        self._numbers = 0
        self._open(text)
        self.pipeline.submit("session", "LEADER", b"up", self.now_ns)

    def _open(self, text: str) -> None:
        self.pipeline = Pipeline.open(
            str(self.path), compiled(self.folder / "config", text), "process", self.now_ns
        )

    def restart(self, text: str) -> None:
        """The core starts again, with this configuration."""
        self.pipeline.close()
        del self.pipeline
        self._open(text)

    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now_ns += seconds * SECOND_NS

    def trade(self, units: int | str, px: str = "1.1", symbol: str = "EURUSD") -> None:
        """The leader's order of signed units is filled whole."""
        self.wait(1)
        self._numbers += 1
        qty = str(units).lstrip("-")
        body: Fields = [
            (35, "8"), (34, str(self._numbers)), (37, f"O{self._numbers}"), (11, f"O{self._numbers}"),
            (17, f"E{self._numbers}"), (150, "F"), (39, "2"), (1, "L1"), (55, symbol),
            (54, "2" if str(units).startswith("-") else "1"), (38, qty), (14, qty), (32, qty), (31, px),
            (151, "0"), (60, utc(self.now_ns)),
        ]  # fmt: skip
        self.submit("leader", "LEADER", encode(BEGIN, body))

    def quote(self, bid: str, ask: str, symbol: str = "EURUSD") -> None:
        """The leader's broker quotes."""
        self.wait(1)
        body: Fields = [
            (35, "W"), (55, symbol), (268, "2"), (269, "0"), (270, bid), (269, "1"), (270, ask),
        ]  # fmt: skip
        self.submit("leader", "LEADER", encode(BEGIN, body))

    def operator(self, cmd: str, **values: str) -> None:
        """A person's command."""
        self.wait(1)
        self.submit("operator", "", json.dumps({"cmd": cmd, "who": "ops", **values}).encode())

    def submit(self, kind: str, session: str, payload: bytes) -> None:
        """Any other event."""
        self.pipeline.submit(kind, session, payload, self.now_ns)

    def route(self, name: str, session: str) -> Line:
        """Links a route whose session is logged on."""
        return Line(self, name, session)

    def done(self) -> Path:
        """Closes the journal."""
        self.pipeline.close()
        del self.pipeline
        return self.path


class Line:
    """A route and its session, played by a test: it sees the orders, and says what the broker says."""

    def __init__(self, recording: Recording, name: str, session: str) -> None:
        folder = recording.folder / f"route-{name}"
        folder.mkdir()
        now_ns = recording.now_ns
        self._recording = recording
        self._session = session
        self._reports = 0
        self._route = RoutePipeline.open(str(folder / "route.db"), name, [session], 3_600_000, now_ns)
        self._route.session(session, True, now_ns)
        recording.pipeline.receive(self._route.identity, self._route.hello(now_ns), now_ns)
        self.orders()

    def orders(self) -> list[Fields]:
        """New orders since the last call."""
        found = []
        for _ in range(3):
            for _, frame in self._recording.pipeline.drain():
                found += [decode(raw) for _, raw in self._route.receive(frame, self._recording.now_ns)]
            self._tell()
        return [order for order in found if first(order, 35) == "D"]

    def says(self, *bodies: Fields) -> None:
        """Messages of the broker, a second later."""
        self._recording.wait(1)
        for body in bodies:
            self._reports += 1
            raw = encode(BEGIN, [body[0], (34, str(self._reports)), *body[1:]])
            self._route.record(self._session, self._reports, raw, self._recording.now_ns)
        self._tell()

    def answers(
        self, order: Fields, kind: str, cum: str, last: str = "0", px: str = "1", ref: str = ""
    ) -> None:
        """An ExecutionReport for an order: 150 = `kind`."""
        status = {"F": "2" if cum == first(order, 38) else "1", "8": "8", "H": "1"}[kind]
        self.says([
            (35, "8"), (37, first(order, 11)), (11, first(order, 11)), (17, f"X{self._reports}"), (150, kind),
            (39, status), (54, first(order, 54)), (38, first(order, 38)), (14, cum), (32, last), (31, px),
            (151, "0"), *([(19, ref)] if ref else []),
        ])  # fmt: skip

    def _tell(self) -> None:
        now_ns = self._recording.now_ns
        for frame in self._route.pending():
            self._recording.pipeline.receive(self._route.identity, frame, now_ns)


def report_of(
    path: Path, config_json: str, from_ns: int | None = None, to_ns: int | None = None, step: int = 1_024
) -> dict[str, Any]:
    """What the core says of a recording under another configuration."""
    played = WhatIf.open(str(path), config_json, from_ns, to_ns)
    while played.step(step):
        pass
    report: dict[str, Any] = json.loads(played.report())
    return report


def played(
    recording: Recording, text: str, from_ns: int | None = None, to_ns: int | None = None
) -> Comparison:
    """The recording so far under another deployment text."""
    config = compiled(recording.folder / "new", text)
    return compare(report_of(recording.path, config, from_ns, to_ns))


def part_of(found: Comparison, follower: str) -> FollowerPart:
    """One follower of a comparison."""
    return next(part for part in found.followers if part.name == follower)


def side(numbers: Numbers | None) -> Numbers:
    """A side that has to be there."""
    assert numbers is not None
    return numbers
