"""What every operator's command needs: the deployment it is for, who gives it, its answer, and its errors."""

from __future__ import annotations

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

from gateway import control
from gateway.audit.places import places
from gateway.config import GatewayConfig, load
from gateway.config_types import read_decimal
from gateway.errors import EnvironmentProblem, ExitCode, OperatingError, UsageError
from gateway.hints import did_you_mean

WHO_CHARS_MAX = 64
"""A name in every line of a log stays short."""

WhoOption = Annotated[
    str | None, typer.Option("--who", "--as", help="Your name, for the journal.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


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


def tell(desk: Desk, command: dict[str, Any]) -> dict[str, Any]:
    """Sends a command. Raises OperatingError where the core does not take it."""
    answer = desk.ask(command)
    if "journal_no" not in answer:
        raise EnvironmentProblem("the core refused the command", value=answer.get("error", answer))
    return {**command, "journal_no": answer["journal_no"]}


def say(answer: dict[str, Any], as_json: bool, done: str, next_step: str) -> None:
    """Prints what was done, its journal row, who did it, and what can be done next; or the answer as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    typer.echo(f"{done} Journal row {answer['journal_no']}, by {answer['who']}. {next_step}".rstrip())


def named(who: str) -> str:
    """The name as it is journaled. Raises UsageError where it is none."""
    if not who.isprintable() or not who.strip() or len(who) > WHO_CHARS_MAX:
        raise UsageError(
            "not a name", path="--who", value=who, bound=f"1..{WHO_CHARS_MAX} printable characters"
        )
    return who.strip()


def outcome(desk: Desk, answer: dict[str, Any]) -> str:
    """What the core says that a command did. Raises UsageError where it refused it, with its reason."""
    alerts = (desk.ask({"cmd": "status"}).get("pipeline") or {}).get("alerts") or []
    mine = [alert for alert in alerts if alert["journal"] == answer["journal_no"]]
    row = f"journal row {answer['journal_no']}"
    if refused := [alert["text"] for alert in mine if alert["code"] == "bad_command"]:
        raise UsageError(f"the core refused it: {refused[0]}", path=row)
    said = [alert["text"] for alert in mine if alert["code"] == answer["cmd"]]
    if not said:
        raise EnvironmentProblem(
            "the core does not say what became of the command",
            path=row,
            hint="Look at `copygate ctl CONFIG status`; stop the gateway if in doubt.",
            exit_code=ExitCode.INTERNAL,
        )
    return "; ".join(said)


def by_name(who: str | None, command: str) -> str:
    """The operator who answers for a command that lets the gateway trade."""
    if not who:
        hint = "Write --as NAME: it is journaled who let the gateway trade."
        raise UsageError(f"{command} needs a named operator", path="--as", hint=hint)
    return named(who)


def known(name: str, names: list[str], message: str) -> None:
    """Raises UsageError where a name is none of those that there are."""
    if name not in names:
        raise UsageError(f"{message} of this deployment", path=name, hint=did_you_mean(name, names))


def decimal(key: str, text: str) -> Decimal:
    """The number of an option. Raises UsageError where it is none."""
    try:
        return read_decimal(text)
    except PydanticCustomError as error:
        raise UsageError(error.message(), path=f"--{key.replace('_', '-')}", value=text) from error


@contextmanager
def errors() -> Iterator[None]:
    """An operating error ends the command with its message and exit code, without a traceback."""
    try:
        yield
    except OperatingError as error:
        typer.echo(f"copygate: {error}", err=True)
        raise typer.Exit(int(error.exit_code)) from error
