"""`copygate whatif`: what another configuration would have made of a recorded journal. Nothing is sent.

The core plays the recording twice with orders that are filled on paper, once under its own configuration and
once under the other: docs/decisions/0015-what-if.md says what that means.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway._fastcore import ConfigError, FastcoreError, JournalDamaged, JournalError, ReplayMismatch, WhatIf
from gateway.audit.places import places
from gateway.clock import option_ns
from gateway.config import GatewayConfig, core_json, examine
from gateway.errors import ExitCode, Problem, UsageError
from gateway.failures import operating
from gateway.screen import screen
from gateway.whatif_compare import Comparison, compare
from gateway.whatif_view import render, report_json

ROWS_AT_ONCE = 1_024
"""Between two calls of the core Python can hear Ctrl-C."""
_NOT_READ = "May this user read the file, and its -wal and -shm? Or copy all three to a folder of your own."
_NOT_ONE = "Name the journal of a deployment, state/core/journal.db. If it is that, restore a copy of it."
_OTHER = "Nothing was compared."


def main(
    file: Path,
    journal: Path | None,
    *,
    as_json: bool,
    by_subscription: bool,
    every: bool,
    start: str | None,
    end: str | None,
) -> ExitCode:
    """Compares, prints, and returns the exit code: 0, also where there are differences."""
    from_ns, to_ns = option_ns(start, "--from"), option_ns(end, "--to")
    config, problems = examine(file)
    if not as_json:
        _say_problems(file, config, problems)
    if config is None:
        if as_json:
            _say_json({"ok": False, "problems": [problem.as_dict() for problem in problems]})
        return ExitCode.USAGE
    path = journal or places(file).journal
    began_s = time.perf_counter()
    found, recorded = _play(path, config, from_ns, to_ns)
    seconds = time.perf_counter() - began_s
    noted = notes(found, config, recorded)
    if as_json:
        rate = round(found.report["rows_read"] / seconds) if seconds > 0 else 0
        timing = {"seconds": round(seconds, 6), "events_per_s": rate}
        _say_json(
            {
                "ok": True,
                "problems": [problem.as_dict() for problem in problems],
                "journal": str(path),
                "deployment": config.gateway.deployment,
                **report_json(found, noted),
                "timing": timing,
            }
        )
    else:
        render(screen(), found, noted, by_subscription=by_subscription, every=every)
    return ExitCode.OK


def _play(
    path: Path, config: GatewayConfig, from_ns: int | None, to_ns: int | None
) -> tuple[Comparison, dict[str, Any]]:
    """The comparison, and the recording's first configuration."""
    with _errors():
        if not path.exists():
            raise UsageError("no journal here", path=str(path), hint="Name one with --journal.")
        played = WhatIf.open(str(path), core_json(config), from_ns, to_ns)
        recorded: dict[str, Any] = json.loads(played.recorded_config)
        _same_deployment(path, config, recorded)
        while played.step(ROWS_AT_ONCE):
            pass
        report = json.loads(played.report())
    if not report["rows"]:
        raise UsageError("no row of the journal is between --from and --to", path=str(path))
    return compare(report), recorded


def _same_deployment(path: Path, config: GatewayConfig, recorded: dict[str, Any]) -> None:
    """A comparison with somebody else's recording would look like one."""
    if config.gateway.deployment != recorded["deployment"]:
        raise UsageError(
            f"{path} is the journal of another deployment",
            path="gateway.deployment",
            bound=repr(recorded["deployment"]),
            value=config.gateway.deployment,
            hint="Name the journal that belongs to it with --journal.",
        )


def notes(found: Comparison, config: GatewayConfig, recorded: dict[str, Any]) -> list[str]:
    """What a reader must know before the numbers: what could not be played, and what began otherwise."""
    said = [
        f"not played under the new configuration: {one['count']} {one['what']} {one['name']}"
        for one in found.report["unknown"]
    ]
    changed = found.report["config_changes"]
    if changed:
        rows = ", ".join(str(row) for row in changed)
        said.append(f"the recording changed its configuration at row {rows}: column old follows it")
    compiled = json.loads(core_json(config))
    if compiled.get("clock") and not recorded.get("clock"):
        said.append("the recording did not measure its clock: it is taken for right")
    elif compiled.get("clock") and compiled["clock"] != recorded.get("clock"):
        said.append("the recording has its clock's error where it crossed the bound of then, not that of now")
    for side, config_of in (("old", recorded), ("new", compiled)):
        subscriptions = config_of["subscriptions"]
        resting = [one for one in subscriptions if one.get("copy") == "orders" or one.get("copy_stops")]
        mirrored = [one["name"] for one in resting]
        if mirrored:
            said.append(
                f"column {side} mirrors orders ({', '.join(mirrored[:3])}): on paper they fill whole, when a"
                " recorded price reaches theirs; between two prices nobody knows"
            )
    theirs = {leader["name"]: leader for leader in recorded["leaders"]}
    counted = {leader["name"]: leader["executions"] for leader in found.report["new"]["leaders"]}
    for leader in compiled["leaders"]:
        name = leader["name"]
        if name not in theirs and not counted.get(name, 0):
            said.append(f"nothing was recorded of leader {name}: no follower copied it here")
        elif name in theirs and _start(leader) != _start(theirs[name]):
            said.append(f"leader {name} begins with other positions than in the recording's configuration")
    return said


def _start(leader: dict[str, Any]) -> tuple[bool, dict[str, str]]:
    return leader.get("assume_flat", False), leader.get("initial_positions") or {}


def _say_problems(file: Path, config: GatewayConfig | None, problems: list[Problem]) -> None:
    """Everything that `check` says, first."""
    for problem in problems:
        sys.stdout.write(problem.text() + "\n")
    if config is None:
        errors = sum(1 for problem in problems if problem.severity == "error")
        sys.stdout.write(f"{file}: {errors} error(s), {len(problems) - errors} warning(s). {_OTHER}\n")


def _say_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def _errors() -> Iterator[None]:
    """A failure of the core in the words of somebody who reads a journal, and starts nothing."""
    try:
        yield
    except ConfigError as error:
        raise UsageError(str(error)) from error
    except FastcoreError as error:
        problem = operating(error)
        hint = problem.hint
        if isinstance(error, JournalDamaged):
            hint = _NOT_ONE
        elif isinstance(error, JournalError):
            hint = _NOT_READ
        elif isinstance(error, ReplayMismatch):
            hint = _OTHER
        raise type(problem)(problem.message, hint=hint, exit_code=problem.exit_code) from error
    except OSError as error:
        raise operating(error) from error
