"""`python -m tests.bench.recovery`: from `kill -9` of core and route to the next order at a broker.

The leader trades on meanwhile, so what is measured is how long nothing was copied: the end noticed, the
shortest pause of the supervisor (200 ms), fork, replay, links, logon, and the leader's reports resent. Each
kill is the first one of its deployment: the supervisor's pauses grow with those that come soon behind.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.plant import BenchError
from tests.fault.rig import Rig

SEED = 3
READY_S, BACK_S = 30, 30
TRADING_S = 0.5
"""Trading before the first kill, and between the two."""
VICTIMS = ("core", "route:a")


def arrivals(rig: Rig, session: str) -> list[int]:
    """Times at which orders reached a broker, ns."""
    party = rig.parties[session]
    times: list[int] = party.call(lambda: [arrival.at_ns for arrival in party.model.arrivals])
    return times


def kill(rig: Rig, victim: str) -> float:
    """Kills once; seconds until an order of the process that follows is at its broker."""
    before = rig.pid(victim)
    at_ns = time.time_ns()
    if not rig.signal(victim, signal.SIGKILL):
        raise BenchError(f"{victim} is not there")
    if not rig.until(lambda: rig.pid(victim) not in (None, before), BACK_S):
        raise BenchError(f"{victim} was not started again")
    # What was on its way when the process was killed arrived long before the next one has its sessions.
    started_ns = time.time_ns()
    if not rig.until(lambda: bool(_behind(rig, started_ns)), BACK_S):
        raise BenchError(f"no order within {BACK_S} s of the start of {victim}")
    return (min(_behind(rig, started_ns)) - at_ns) / 1e9


def _behind(rig: Rig, at_ns: int) -> list[int]:
    return [arrived_ns for arrived_ns in arrivals(rig, "A") if arrived_ns > at_ns]


def measure(kills: int, folder: Path) -> dict[str, Any]:
    """So many deployments, in each of which every victim is killed once."""
    seconds: dict[str, list[float]] = {victim: [] for victim in VICTIMS}
    for number in range(kills):
        place = folder / str(number)
        place.mkdir()
        rig = Rig(place, SEED + number, {}, trusting=True, program="gateway")
        try:
            if not rig.until(rig.logged_on, READY_S):
                raise BenchError("the deployment does not start")
            rig.leader.call(rig.trader.begin)
            for victim in VICTIMS:
                time.sleep(TRADING_S)
                seconds[victim].append(kill(rig, victim))
        finally:
            rig.close()
    return {
        victim: {"kills": kills, "p50_s": round(statistics.median(found), 3), "max_s": round(max(found), 3)}
        for victim, found in seconds.items()
    }


def main() -> int:
    """Measures and prints; 1 when something did not come back."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each kind (default: 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="copygate-recovery-") as folder:
        try:
            found = measure(chosen.kills, Path(folder))
        except BenchError as error:
            sys.stderr.write(f"recovery: {error}\n")
            return 1
        if chosen.json:
            print(json.dumps(found))
        for victim, figures in () if chosen.json else found.items():
            print(f"kill -9 of {victim} to the next order: {figures}")
        sys.stdout.flush()
    # QuickFIX's threads are not waited for.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
