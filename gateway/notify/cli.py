"""`copygate alerts …`: try the sinks of a configuration, and see how they fare."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gateway import clock
from gateway.alert_texts import PROCESSES
from gateway.config import GatewayConfig, load
from gateway.control_desk import AsJson, errors
from gateway.errors import ExitCode, UsageError
from gateway.hints import did_you_mean
from gateway.notify.alert import ID_BYTES, Alert
from gateway.notify.sinks import sink_of
from gateway.screen import screen

TEST_CODE = "alerts.test"
NS_PER_MS = 1_000_000

app = typer.Typer(
    no_args_is_help=True, help="Who is told of alerts: try the commands and webhooks of a configuration."
)


@app.callback()
def alerts() -> None:
    """Keeps `test` a command of its own, also while it is the only one."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one sink answered to the test alert."""

    sink: str
    kind: str
    where: str
    ok: bool
    said: str
    printed: str
    took_ms: int


@app.command("test")
def send_test(
    config: Annotated[Path, typer.Argument(help="Configuration file (TOML).", show_default=False)],
    sink: Annotated[
        str | None, typer.Option("--sink", help="Only the sink of this name.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test alert through every sink now, and print what each answered. 1 when one did not take it."""
    with errors():
        loaded = load(config)
        tried = try_all(loaded, _names(loaded, sink))
    if as_json:
        ok = all(one.ok for one in tried)
        sys.stdout.write(json.dumps({"ok": ok, "sinks": [asdict(one) for one in tried]}) + "\n")
    else:
        _print(tried)
    raise typer.Exit(int(ExitCode.OK if all(one.ok for one in tried) else ExitCode.BAD_RESULT))


def alert_of(now: str) -> Alert:
    """The alert of a test. It goes past levels, codes and limits: those are for real ones."""
    return Alert(
        id=hashlib.blake2b(f"{TEST_CODE} {now}".encode(), digest_size=ID_BYTES).hexdigest(),
        time=now,
        process="copygate alerts test",
        level="warning",
        code=TEST_CODE,
        text="This is a test of alerts. Nothing has happened.",
        advice=PROCESSES[TEST_CODE][1],
    )


def try_all(config: GatewayConfig, names: list[str]) -> list[Tried]:
    """One attempt at each sink, all at the same time."""
    body = alert_of(clock.utc_text()).body(config.gateway.deployment)

    def attempt(name: str) -> Tried:
        telling = sink_of(config, name)
        began_ns = time.monotonic_ns()
        answer = telling.tell(body)
        took_ms = (time.monotonic_ns() - began_ns) // NS_PER_MS
        kind = config.alerts.sinks[name].kind
        return Tried(name, kind, telling.where, answer.ok, answer.said, answer.printed, took_ms)

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(attempt, names))


def _names(config: GatewayConfig, only: str | None) -> list[str]:
    names = list(config.alerts.sinks)
    if not names:
        hint = "Add [alerts.sinks.NAME] with kind, and argv or url."
        raise UsageError("nobody is told of alerts but the log", path="alerts.sinks", hint=hint)
    if only is not None and only not in names:
        raise UsageError("no such sink", path="--sink", value=only, hint=did_you_mean(only, names))
    return names if only is None else [only]


def _print(tried: list[Tried]) -> None:
    table = Table()
    for heading in ("sink", "kind", "to", "result", "answer", "ms"):
        table.add_column(heading, overflow="fold")
    for one in tried:
        said = f"{one.said}: {one.printed}" if one.printed else one.said
        table.add_row(one.sink, one.kind, one.where, "told" if one.ok else "failed", said, str(one.took_ms))
    screen().print(table)
