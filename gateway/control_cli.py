"""`copygate ctl CONFIG …`: what an operator may tell a running gateway.

Each command but `status`, `stops` and `explain` is an event in the journal. They and `kill` and `arm` need
no more of the configuration file than its state folder: a file that is being changed must not keep anybody
from stopping.
"""

from __future__ import annotations

import getpass
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gateway import control_life
from gateway.audit.places import places
from gateway.clock import fix_text, option_ns
from gateway.config_types import decimal_text
from gateway.control import NoCore
from gateway.control_desk import AsJson, Desk, WhoOption, decimal, errors, known, named, outcome, say, tell
from gateway.control_left import without_core
from gateway.control_view import grouped, status_screen, stops_table
from gateway.errors import EnvironmentProblem, ExitCode, UsageError
from gateway.hints import did_you_mean
from gateway.kill_file import LEVELS, LeftStop
from gateway.kill_parts import kept
from gateway.screen import screen

app = typer.Typer(
    no_args_is_help=True,
    help="Tell a running gateway what to stop, pause, end or know. What is told is journaled.",
)

ScopeOption = Annotated[
    str | None, typer.Option(help="Only what has this name in the configuration.", show_default=False)
]
PIPE_COLUMNS = 120
"""Into a file or a pipe nothing needs to be folded."""
NOT_STOPPED = "is not stopped"
"""The core's words for a release of what it does not hold."""
EFFECTS = {
    "no_opens": "no opens; closes go on",
    "close_only": "no opens, and those that worked are being cancelled; closes go on",
    "halt": "no opens, and closes wait until the release",
}
Value = Annotated[str | None, typer.Option(help="Decimal in the account's currency.", show_default=False)]


@app.callback()
def desk(
    context: typer.Context,
    config: Annotated[
        Path, typer.Argument(help="Configuration file of the running gateway.", show_default=False)
    ],
) -> None:
    """Finds the running gateway."""
    context.obj = Desk(config)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Kill switch, routes, orders, refusals, positions against targets, alerts."""
    with errors():
        show_status(context.obj, as_json)


@app.command()
def kill(
    context: typer.Context,
    who: WhoOption = None,
    level: Annotated[
        str, typer.Option(help="no_opens, close_only (cancels opens too), or halt (closes wait too).")
    ] = LEVELS[0],
    leader: ScopeOption = None,
    follower: ScopeOption = None,
    instrument: ScopeOption = None,
    route: ScopeOption = None,
    as_json: AsJson = False,
) -> None:
    """Stop everything, or one leader, follower, instrument or route. It stays over restarts, until `arm`."""
    with errors():
        if level not in LEVELS:
            bound = ", ".join(LEVELS)
            raise UsageError("no such level", path="--level", value=level, bound=bound)
        scope = _scope(leader=leader, follower=follower, instrument=instrument, route=route)
        _stop(context.obj, _asked(level, who, scope), as_json)


@app.command("close-only")
def close_only(
    context: typer.Context,
    who: WhoOption = None,
    leader: ScopeOption = None,
    follower: ScopeOption = None,
    instrument: ScopeOption = None,
    route: ScopeOption = None,
    as_json: AsJson = False,
) -> None:
    """The same as `kill --level close_only`: opens are refused and cancelled, closes go on."""
    with errors():
        scope = _scope(leader=leader, follower=follower, instrument=instrument, route=route)
        _stop(context.obj, _asked("close_only", who, scope), as_json)


@app.command()
def arm(
    context: typer.Context,
    who: WhoOption = None,
    leader: ScopeOption = None,
    follower: ScopeOption = None,
    instrument: ScopeOption = None,
    route: ScopeOption = None,
    as_json: AsJson = False,
) -> None:
    """Release the stop of one scope. Needs --who: somebody answers for it by name."""
    with errors():
        if not who:
            hint = "Write --who NAME: it is journaled who let the gateway trade again."
            raise UsageError("arm needs a named operator", path="--who", hint=hint)
        scope = _scope(leader=leader, follower=follower, instrument=instrument, route=route)
        before = _held(context.obj, scope)
        answer = tell(context.obj, {"cmd": "arm", "who": named(who), **scope})
        said = "" if before else _taken(context.obj, answer, scope)
        if _held(context.obj, scope) is not None:
            raise _no_effect(answer, scope)
        if before:
            done = f"{_what(scope)} is released; it was {before}."
        elif NOT_STOPPED in said:
            at = "everything as a whole" if not scope else " ".join(next(iter(scope.items())))
            done = f"Nothing was stopped at {at}: nothing is released."
        else:
            done = f"{_what(scope)} is released; it had stopped by itself."
        say(answer, as_json, done, "Missed opens are not made up. `status` shows what else is stopped.")


@app.command()
def stops(context: typer.Context, as_json: AsJson = False) -> None:
    """Every stop: what, how much, who set it or by which numbers, since and until when."""
    with errors():
        found = context.obj.ask({"cmd": "status"}).get("stops") or []
        if as_json:
            sys.stdout.write(json.dumps(found) + "\n")
        else:
            _console().print(stops_table(found) if found else "Nothing is stopped.")


@app.command()
def account(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A leader or follower of the configuration.", show_default=False)
    ],
    balance: Value = None,
    equity: Value = None,
    free_margin: Value = None,
    deposit: Annotated[
        str | None,
        typer.Option(
            help="Paid in since the last value, below 0: out. Guards count neither.", show_default=False
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="When they were true, UTC, like 2026-11-27T09:30:00; now where it is left out.",
            show_default=False,
        ),
    ] = None,
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Give the account values that sizing and guards need, where the broker sends none."""
    with errors():
        config = context.obj.config()
        known(name, [*config.leaders, *config.followers], "neither a leader nor a follower")
        given = {"balance": balance, "equity": equity, "free_margin": free_margin, "deposit": deposit}
        values = {key: decimal_text(decimal(key, text)) for key, text in given.items() if text is not None}
        if not values:
            raise UsageError(
                "no value given",
                path="account",
                hint="Give --balance, --equity, --free-margin or --deposit.",
            )
        command = {"cmd": "account", "who": named(who or getpass.getuser()), "account": name, **values}
        if (at_ns := option_ns(as_of, "--as-of")) is not None:
            command["as_of"] = fix_text(at_ns)
        said = ", ".join(f"{key} {text}" for key, text in values.items())
        answer = tell(context.obj, command)
        outcome(context.obj, answer)
        say(answer, as_json, f"{name}: {said}.", "Later values of the broker replace them.")


@app.command("bust-resume")
def bust_resume(
    context: typer.Context,
    leader: Annotated[str, typer.Argument(help="A leader of the configuration.", show_default=False)],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Let opens on a leader go on after you have looked at a bust or correction of its trades."""
    with errors():
        known(leader, list(context.obj.config().leaders), "not a leader")
        command = {"cmd": "bust_resume", "who": named(who or getpass.getuser()), "leader": leader}
        answer = tell(context.obj, command)
        outcome(context.obj, answer)
        say(answer, as_json, f"Opens on {leader} go on.", "")


@app.command()
def explain(
    context: typer.Context,
    exec_id: Annotated[str, typer.Argument(metavar="EXECID", help="ExecID(17) of a report of the leader's.")],
    follower: Annotated[str, typer.Argument(metavar="FOLLOWER", help="Follower, or subscription.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each decision.")] = False,
) -> None:
    """The same as `copygate explain`: why this size, price or refusal. Reads the audit log only."""
    from gateway.audit.cli import explain as read

    read(exec_id, follower, config=context.obj.path, state=None, as_json=as_json)


control_life.register(app)


def show_status(desk: Desk, as_json: bool) -> None:
    """Asks the core and prints its state."""
    answer = desk.ask({"cmd": "status"})
    if isinstance(own := answer.get("pipeline"), dict):
        own["alerts"] = grouped(own.get("alerts") or [])
    if as_json:
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    _console().print(status_screen(str(desk.path), answer))


def _console() -> Console:
    """Into a file or a pipe nothing needs to be folded."""
    return screen(PIPE_COLUMNS, markup=True)


def _scope(**names: str | None) -> dict[str, str]:
    """The one scope that was named; empty for everything. The core knows the names."""
    given = {kind: name for kind, name in names.items() if name is not None}
    if len(given) > 1:
        what = " and ".join(f"--{kind}" for kind in given)
        raise UsageError("a stop has one scope", path=what, hint="Give one of them, or two commands.")
    return given


def _words(scope: dict[str, str]) -> list[str]:
    return [f"--{kind} {shlex.quote(name)}" for kind, name in scope.items()]


def _what(scope: dict[str, str]) -> str:
    return next((f"{kind.capitalize()} {name}" for kind, name in scope.items()), "Everything")


def _held(desk: Desk, scope: dict[str, str]) -> str | None:
    """The level at which the core holds this scope now; None when it does not. A clock that is off stops
    everything as well: nobody releases that."""
    kind, name = next(iter(scope.items()), ("global", ""))
    found = [one for one in desk.ask({"cmd": "status"}).get("stops") or [] if one["code"] != "clock"]
    return next((str(one["level"]) for one in found if (one["scope"], one["name"]) == (kind, name)), None)


def _asked(level: str, who: str | None, scope: dict[str, str]) -> LeftStop:
    return LeftStop(level, named(who or getpass.getuser()), *next(iter(scope.items()), ()))


def _stop(desk: Desk, stop: LeftStop, as_json: bool) -> None:
    """Stops a scope, and looks whether it is in effect."""
    scope = stop.names
    try:
        answer = tell(desk, {"cmd": "kill", "who": stop.who, "level": stop.level, **scope})
    except NoCore as problem:
        raise without_core(desk.path, problem, stop) from problem
    held = _held(desk, scope)
    if held not in LEVELS or LEVELS.index(held) < LEVELS.index(stop.level):
        _taken(desk, answer, scope)
        raise _no_effect(answer, scope)
    arm_it = " ".join(["copygate ctl", str(desk.path), "arm --who NAME", *_words(scope)])
    say(answer, as_json, f"{_what(scope)} is stopped: {EFFECTS[held]}.", f"To release: {arm_it}")


def _taken(desk: Desk, answer: dict[str, Any], scope: dict[str, str]) -> str:
    """What the core says of a stop or release. Raises UsageError, with the names there are, where it knows no
    such name."""
    try:
        return outcome(desk, answer)
    except UsageError as refused:
        known = kept(places(desk.path).state)
        for kind, name in scope.items():
            hint = did_you_mean(name, known.names(kind)) if known else ""
            raise UsageError(refused.message, path=f"--{kind}", value=name, hint=hint) from refused
        raise


def _no_effect(answer: dict[str, Any], scope: dict[str, str]) -> EnvironmentProblem:
    words = "the command is journaled but not in effect"
    if answer.get("cmd") == "arm" and "follower" in scope:
        words += "; a guard stops it again while its account is below a fixed floor"
    return EnvironmentProblem(
        words, path=f"journal row {answer['journal_no']}", value=" ".join(_words(scope)) or None,
        hint="Look at `copygate ctl CONFIG status`; stop the gateway if in doubt.",
        exit_code=ExitCode.USAGE if scope else ExitCode.INTERNAL,
    )  # fmt: skip
