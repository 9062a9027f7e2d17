"""Recordings for `whatif`: journals that the real pipeline wrote, with what a test tells of a leader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway._fastcore import Pipeline, RoutePipeline, WhatIf
from gateway.config import core_json, load
from gateway.sim.text import Fields, encode, utc
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

    def broker_says(self, route: str, session: str, bodies: list[Fields]) -> None:
        """Messages of a follower's broker, over a real route; nothing that the core sends is answered."""
        self.wait(1)
        folder = self.folder / f"route-{self.now_ns}"
        folder.mkdir()
        line = RoutePipeline.open(str(folder / "route.db"), route, [session], 60_000, self.now_ns)
        self.pipeline.receive(line.identity, line.hello(self.now_ns), self.now_ns)
        for number, body in enumerate(bodies, 1):
            line.record(session, number, encode(BEGIN, body), self.now_ns)
        for frame in line.pending():
            self.pipeline.receive(line.identity, frame, self.now_ns)

    def done(self) -> Path:
        """Closes the journal."""
        self.pipeline.close()
        del self.pipeline
        return self.path


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
