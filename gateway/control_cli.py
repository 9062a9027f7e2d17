"""`copygate ctl CONFIG …`: what an operator may tell a running gateway.

Each command but `status` is an event in the journal. `kill`, `arm` and `status` need no more of the
configuration file than its state folder: a file that is being changed must not keep anybody from stopping.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticCustomError
from rich.console import Console

from gateway import control
from gateway.audit.places import places
from gateway.config import GatewayConfig, load
from gateway.config_types import decimal_text, read_decimal
from gateway.control_view import grouped, status_screen
from gateway.errors import EnvironmentProblem, ExitCode, OperatingError, UsageError
from gateway.hints import did_you_mean

app = typer.Typer(
    no_args_is_help=True, help="Tell a running gateway: status, kill, arm, account, bust-resume."
)

WHO_CHARS_MAX = 64
"""A name in every line of a log stays short."""

WhoOption = Annotated[
    str | None, typer.Option("--who", help="Your name, for the journal.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Value = Annotated[str | None, typer.Option(help="Decimal in the account's currency.", show_default=False)]


@dataclass(frozen=True)
class Desk:
    """The deployment that a command is for."""

    path: Path

    def config(self) -> GatewayConfig:
        """The whole configuration, checked, for commands that name parts of it."""
        return load(self.path)

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Asks the running core."""
        return control.ask_at(places(self.path).state, command)


@app.callback()
def desk(
    context: typer.Context,
    config: Annotated[
        Path, typer.Argument(help="Configuration file of the running gateway.", show_default=False)
    ],
) -> None:
    """Tell a running gateway. Every command but status is journaled with the name of who gave it."""
    context.obj = Desk(config)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Kill switch, routes, orders, refusals, positions against targets, alerts."""
    with _errors():
        show_status(context.obj, as_json)


@app.command()
def kill(context: typer.Context, who: WhoOption = None, as_json: AsJson = False) -> None:
    """Open nothing any more, for any follower. Closes go on. It stays on over restarts, until `arm`."""
    with _errors():
        who = _name(who or getpass.getuser())
        answer = _tell(context.obj, {"cmd": "kill", "who": who}, killed=True)
        arm_it = f"copygate ctl {context.obj.path} arm --who NAME"
        _say(
            answer,
            as_json,
            "The kill switch is ON: no opens for any follower; closes go on.",
            f"To open again: {arm_it}",
        )


@app.command()
def arm(context: typer.Context, who: WhoOption = None, as_json: AsJson = False) -> None:
    """Open again after a kill. Needs --who: somebody answers for it by name."""
    with _errors():
        if not who:
            hint = "Write --who NAME: it is journaled who let the gateway trade again."
            raise UsageError("arm needs a named operator", path="--who", hint=hint)
        answer = _tell(context.obj, {"cmd": "arm", "who": _name(who)}, killed=False)
        _say(
            answer,
            as_json,
            "The kill switch is OFF: leaders' opens are copied again.",
            "Missed opens are not made up.",
        )


@app.command()
def account(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A leader or follower of the configuration.", show_default=False)
    ],
    balance: Value = None,
    equity: Value = None,
    free_margin: Value = None,
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Give the account values that sizing needs, where the broker sends none."""
    with _errors():
        config = context.obj.config()
        known = [*config.leaders, *config.followers]
        _known(name, known, "neither a leader nor a follower")
        given = {"balance": balance, "equity": equity, "free_margin": free_margin}
        values = {key: decimal_text(_decimal(key, text)) for key, text in given.items() if text is not None}
        if not values:
            raise UsageError(
                "no value given", path="account", hint="Give --balance, --equity or --free-margin."
            )
        command = {"cmd": "account", "who": _name(who or getpass.getuser()), "account": name, **values}
        said = ", ".join(f"{key} {text}" for key, text in values.items())
        _say(
            _tell(context.obj, command),
            as_json,
            f"{name}: {said}.",
            "Later values of the broker replace them.",
        )


@app.command("bust-resume")
def bust_resume(
    context: typer.Context,
    leader: Annotated[str, typer.Argument(help="A leader of the configuration.", show_default=False)],
    who: WhoOption = None,
    as_json: AsJson = False,
) -> None:
    """Let opens on a leader go on after you have looked at a bust or correction of its trades."""
    with _errors():
        _known(leader, list(context.obj.config().leaders), "not a leader")
        command = {"cmd": "bust_resume", "who": _name(who or getpass.getuser()), "leader": leader}
        _say(_tell(context.obj, command), as_json, f"Opens on {leader} go on.", "")


def show_status(desk: Desk, as_json: bool) -> None:
    """Asks the core and prints its state."""
    answer = desk.ask({"cmd": "status"})
    if isinstance(own := answer.get("pipeline"), dict):
        own["alerts"] = grouped(own.get("alerts") or [])
    if as_json:
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    # Into a file or a pipe nothing needs to be folded.
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(status_screen(str(desk.path), answer))


def _tell(desk: Desk, command: dict[str, Any], killed: bool | None = None) -> dict[str, Any]:
    """Sends a command, and looks whether it took effect. Raises OperatingError where it did not."""
    answer = desk.ask(command)
    if "journal_no" not in answer:
        raise EnvironmentProblem("the core refused the command", value=answer.get("error", answer))
    if killed is not None and desk.ask({"cmd": "status"}).get("killed") is not killed:
        raise EnvironmentProblem(
            "the command is journaled but not in effect", path=f"journal row {answer['journal_no']}",
            hint="Look at `copygate ctl CONFIG status`; stop the gateway if in doubt.",
            exit_code=ExitCode.INTERNAL,
        )  # fmt: skip
    return {**command, "journal_no": answer["journal_no"]}


def _say(answer: dict[str, Any], as_json: bool, done: str, next_step: str) -> None:
    if as_json:
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    typer.echo(f"{done} Journal row {answer['journal_no']}, by {answer['who']}. {next_step}".rstrip())


def _name(who: str) -> str:
    if not who.isprintable() or not who.strip() or len(who) > WHO_CHARS_MAX:
        raise UsageError(
            "not a name", path="--who", value=who, bound=f"1..{WHO_CHARS_MAX} printable characters"
        )
    return who.strip()


def _known(name: str, names: list[str], message: str) -> None:
    if name not in names:
        raise UsageError(f"{message} of this deployment", path=name, hint=did_you_mean(name, names))


def _decimal(key: str, text: str) -> Decimal:
    try:
        return read_decimal(text)
    except PydanticCustomError as error:
        raise UsageError(error.message(), path=f"--{key.replace('_', '-')}", value=text) from error


@contextmanager
def _errors() -> Iterator[None]:
    """An operating error ends the command with its message and exit code, without a traceback."""
    try:
        yield
    except OperatingError as error:
        typer.echo(f"copygate: {error}", err=True)
        raise typer.Exit(int(error.exit_code)) from error
