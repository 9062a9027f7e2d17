"""Operator commands for one subscription, from joining to leaving, and for a leader's position.

The core is the judge: it knows the names, and says what a command did. These commands need no more of the
configuration file than its state folder.
"""

from __future__ import annotations

import getpass
from shlex import quote
from typing import Annotated, Any

import typer

from gateway.config_types import decimal_text
from gateway.control_desk import (
    AsJson,
    Desk,
    WhoOption,
    by_name,
    decimal,
    errors,
    named,
    outcome,
    say,
    tell,
)
from gateway.errors import UsageError
from gateway.kill_file import LEVELS

JOINING = ("flat", "target")
TARGETS = ("unchanged", "rescaled")
RULES = ("keep", "close_now", "close_with_leader")
WAYS = ("auto", "primary", "reserve")
REMEDIES = ("adopt", "close", "ignore", "ask", "filled", "gone")
PAUSE_LEVELS = LEVELS[:2]
"""A pause never holds back a close."""

SubscriptionName = Annotated[
    str, typer.Argument(metavar="SUBSCRIPTION", help="Its name in the configuration.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this page to `copygate ctl`."""
    for command in (pause, resume, join, leave, resync, adjust, reconcile, position, reroute):
        app.command()(command)


def pause(
    context: typer.Context,
    subscription: SubscriptionName,
    who: WhoOption = None,
    level: Annotated[str, typer.Option(help="no_opens, or close_only (cancels opens too).")] = LEVELS[0],
    as_json: AsJson = False,
) -> None:
    """Open nothing for one subscription, until `resume`. It stays over restarts. Closes go on."""
    with errors():
        if level not in PAUSE_LEVELS:
            raise UsageError("no such level", path="--level", value=level, bound=", ".join(PAUSE_LEVELS))
        command = {"cmd": "pause", "who": named(who or getpass.getuser()), "subscription": subscription}
        resume_it = f"To go on: copygate ctl {context.obj.path} resume {quote(subscription)} --as NAME"
        _do(context.obj, {**command, "level": level}, as_json, resume_it)


def resume(
    context: typer.Context,
    subscription: SubscriptionName,
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a paused subscription open again. Needs --as: somebody answers for it by name."""
    with errors():
        command = {"cmd": "resume", "who": by_name(who, "resume"), "subscription": subscription}
        _do(context.obj, command, as_json, "Missed opens are not made up.")


def join(
    context: typer.Context,
    subscription: SubscriptionName,
    joining: Annotated[
        str, typer.Option(help="flat, or target (what its leader holds is opened).")
    ] = JOINING[0],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a subscription that was leaving copy again. Needs --as."""
    with errors():
        if joining not in JOINING:
            raise UsageError("no such word", path="--joining", value=joining, bound=", ".join(JOINING))
        command = {"cmd": "join", "who": by_name(who, "join"), "subscription": subscription}
        _do(context.obj, {**command, "joining": joining}, as_json, "")


def resync(
    context: typer.Context,
    subscription: SubscriptionName,
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Set all targets from what the leader holds, as if it joined now: closes and opens. Needs --as."""
    with errors():
        command = {"cmd": "resync", "who": by_name(who, "resync"), "subscription": subscription}
        _do(context.obj, command, as_json, "")


def adjust(
    context: typer.Context,
    leader: Annotated[str, typer.Argument(help="A leader of the configuration.", show_default=False)],
    instrument: Annotated[str, typer.Argument(help="One of his instruments.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, for the journal.", show_default=False)],
    factor: Annotated[
        str | None,
        typer.Option(
            help="Units after it for each before it: 2, 1.5, 1/3. Position, targets and holdings.",
            show_default=False,
        ),
    ] = None,
    excepted: Annotated[
        list[str] | None,
        typer.Option(
            "--except", help="With --factor: a follower whose broker rescales nothing.", show_default=False
        ),
    ] = None,
    position: Annotated[
        str | None, typer.Option(help="Signed units that the leader holds now.", show_default=False)
    ] = None,
    targets: Annotated[
        str, typer.Option(help="With --position: unchanged, or rescaled (nearer to zero only).")
    ] = TARGETS[0],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell of a split, a roll, a give-up or a transfer: what the leader holds after it. Needs --as."""
    with errors():
        if targets not in TARGETS:
            raise UsageError("no such word", path="--targets", value=targets, bound=", ".join(TARGETS))
        command: dict[str, Any] = {"cmd": "adjust", "who": by_name(who, "adjust"), "leader": leader}
        command |= {"instrument": instrument, "reason": reason, "factor": factor, "except": excepted or []}
        units = None if position is None else decimal_text(decimal("position", position))
        command |= {"position": units, "rescale": targets == "rescaled"}
        _do(context.obj, command, as_json, "`status` shows positions against targets.")


def reconcile(
    context: typer.Context,
    follower: Annotated[str, typer.Argument(help="A follower of the configuration.", show_default=False)],
    instrument: Annotated[str, typer.Argument(help="One of its instruments.", show_default=False)],
    remedy: Annotated[
        str,
        typer.Option(
            help="adopt (our books follow the broker), close (what is more than ours is closed), ignore "
            "(it is let be), ask (the broker, now); or, of our orders in doubt there: filled (whole), "
            "or gone (not at the broker, nothing more of them filled).",
            show_default=False,
        ),
    ],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Decide about a position that a follower's broker reports otherwise. Needs --as."""
    with errors():
        if remedy not in REMEDIES:
            raise UsageError("no such remedy", path="--remedy", value=remedy, bound=", ".join(REMEDIES))
        command = {"cmd": "reconcile", "who": by_name(who, "reconcile"), "follower": follower}
        command |= {"instrument": instrument, "remedy": remedy}
        _do(context.obj, command, as_json, "`status` shows what is left of it.")


def position(
    context: typer.Context,
    subscription: SubscriptionName,
    instrument: Annotated[str, typer.Argument(help="The follower's instrument.", show_default=False)],
    position_id: Annotated[
        str, typer.Argument(metavar="ID", help="The broker's name of the position.", show_default=False)
    ],
    units: Annotated[
        str, typer.Option(help="Signed units that it holds; 0: it is not there.", show_default=False)
    ],
    reason: Annotated[str, typer.Option(help="Why, for the journal.", show_default=False)],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Say what one position of a hedging follower holds: it had no name, or is gone. Needs --as."""
    with errors():
        command = {"cmd": "position", "who": by_name(who, "position"), "subscription": subscription}
        command |= {"instrument": instrument, "id": position_id, "reason": reason}
        command |= {"units": decimal_text(decimal("units", units))}
        _do(context.obj, command, as_json, "`status --json` shows positions and what has no name.")


def reroute(
    context: typer.Context,
    route: Annotated[str, typer.Argument(help="A route that has a reserve.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(help="reserve, primary, or auto (as its thresholds say).", show_default=False),
    ],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Say by which of two routes new orders go. Needs --as. What has left already stays where it is."""
    with errors():
        if to not in WAYS:
            raise UsageError("no such way", path="--to", value=to, bound=", ".join(WAYS))
        command = {"cmd": "reroute", "who": by_name(who, "reroute"), "route": route, "to": to}
        _do(context.obj, command, as_json, "`status` shows which way they go.")


def leave(
    context: typer.Context,
    subscription: SubscriptionName,
    rule: Annotated[
        str,
        typer.Option(
            help="keep (nothing is worked any more), close_now, or close_with_leader.", show_default=False
        ),
    ],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """End a subscription: it opens nothing any more, and closes by the rule. Needs --as."""
    with errors():
        if rule not in RULES:
            raise UsageError("no such rule", path="--rule", value=rule, bound=", ".join(RULES))
        command = {"cmd": "leave", "who": by_name(who, "leave"), "subscription": subscription, "rule": rule}
        _do(context.obj, command, as_json, "`status` shows when it has left.")


def _do(desk: Desk, command: dict[str, Any], as_json: bool, next_step: str) -> None:
    """Sends a command, and prints what the core says that it did."""
    answer = tell(desk, command)
    said = outcome(desk, answer)
    say({**answer, "said": said}, as_json, f"{said[:1].upper()}{said[1:]}.", next_step)
