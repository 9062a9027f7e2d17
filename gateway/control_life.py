"""Operator commands for one subscription: pause and resume, leave.

The core is the judge: it knows the names, and says what a command did. These commands need no more of the
configuration file than its state folder.
"""

from __future__ import annotations

import getpass
from shlex import quote
from typing import Annotated, Any

import typer

from gateway.control_desk import AsJson, Desk, WhoOption, by_name, errors, named, outcome, say, tell
from gateway.errors import UsageError
from gateway.kill_file import LEVELS

RULES = ("keep", "close_now", "close_with_leader")
PAUSE_LEVELS = LEVELS[:2]
"""A pause never holds back a close."""

SubscriptionName = Annotated[
    str, typer.Argument(metavar="SUBSCRIPTION", help="Its name in the configuration.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Adds the commands of this page to `copygate ctl`."""
    for command in (pause, resume, leave):
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
