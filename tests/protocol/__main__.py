"""`python -m tests.protocol`: explores the model and says what was found."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import fields, replace
from typing import Any

from tests.protocol.explore import Result, explore
from tests.protocol.rules import REJECTING, UNNAMED, VENUES, Rules, Setup, Venue

ALL_VENUES = {venue.name: venue for venue in (*VENUES, UNNAMED, REJECTING)}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol", description=__doc__)
    names = [rule.name for rule in fields(Rules)]
    parser.add_argument("--faults", type=int, default=1, help="how many faults may happen (1)")
    parser.add_argument(
        "--without", choices=names, action="append", default=[], help="a rule that is left out"
    )
    parser.add_argument(
        "--venue", choices=[*ALL_VENUES], action="append", help="the first three, if none is named"
    )
    parser.add_argument("--held", action="store_true", help="begin with the open filled: the close alone")
    parser.add_argument("--json", action="store_true", help="one object for each venue")
    return parser


def told(venue: Venue, seconds: float, result: Result) -> dict[str, Any]:
    """One exploration as data."""
    found = None if result.found is None else {"promise": result.found.promise, "steps": result.found.steps}
    return {
        "venue": venue.name,
        "states": result.states,
        "edges": result.edges,
        "depth": result.depth,
        "seconds": round(seconds, 1),
        "found": found,
    }


def show(said: dict[str, Any]) -> None:
    """One exploration for people."""
    counts = "{venue}: {states:,} states, {edges:,} steps, depth {depth}, {seconds} s".format(**said)
    found = said["found"]
    print(f"{counts}: " + ("nothing found" if found is None else found["promise"]), flush=True)
    for number, step in enumerate(() if found is None else found["steps"], start=1):
        print(f"  {number:2} {step}")


def main() -> int:
    """Exit code 1 when a promise was broken."""
    given = arguments().parse_args()
    rules = replace(Rules(), **dict.fromkeys(given.without, False))
    broken = False
    for name in given.venue or [venue.name for venue in VENUES]:
        began = time.monotonic()
        setup = Setup(rules, ALL_VENUES[name], given.faults, given.held)
        result = explore(setup)
        said = told(setup.venue, time.monotonic() - began, result)
        broken = broken or result.found is not None
        if given.json:
            print(json.dumps(said), flush=True)
        else:
            show(said)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
