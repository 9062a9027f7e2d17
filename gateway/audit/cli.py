"""`copygate audit`: reads the log. Only files are opened; a running gateway is not disturbed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console

from gateway.audit import explain_read as explaining
from gateway.audit import export as exporting
from gateway.audit import fairness as serving
from gateway.audit import stats as counting
from gateway.audit import subscriptions as attributing
from gateway.audit import subscriptions_names as naming
from gateway.audit import subscriptions_view as attributed
from gateway.audit import trace as tracing
from gateway.audit.alive import last_word, say_trouble
from gateway.audit.places import Places, names_in, places
from gateway.audit.store import day_files
from gateway.clock import option_ns
from gateway.errors import EnvironmentProblem, OperatingError, UsageError
from gateway.failures import operating
from gateway.screen import screen

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Read the audit log: export it, follow or explain one execution, count, compare, attribute.",
)

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Default: ./gateway.toml.")]
StateOption = Annotated[Path | None, typer.Option("--state", help="The state folder, instead of --config.")]
WIDE_COLUMNS = 120
"""From here on a trace has room for ClOrdIDs."""


@app.command()
def export(
    out: Annotated[str, typer.Argument(help="File to write; - is standard output.")] = "-",
    config: ConfigOption = None,
    state: StateOption = None,
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    start: Annotated[str | None, typer.Option("--from", help="First time: 2026-11-23[T09:30:00].")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Time behind the last; a day counts whole.")] = None,
) -> None:
    """Write the log as text: entries as they are (jsonl), or a table (csv)."""
    with _errors():
        if form not in exporting.FORMATS:
            raise UsageError("unknown format", path="--format", value=form, bound="jsonl or csv")
        entries = exporting.selected(
            _folder(config, state), option_ns(start, "--from"), option_ns(end, "--to")
        )
        write = exporting.write_jsonl if form == "jsonl" else exporting.write_csv
        if out == "-":
            count = write(entries, sys.stdout)
        else:
            with _written(out) as file:
                count = write(entries, file)
        screen(stderr=True, highlight=True).print(f"{count} entries written")


@app.command()
def trace(
    exec_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[EXECID]",
            help="ExecID(17) of the leader's fill. Not set: the newest.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every follower, however many.")] = False,
) -> None:
    """Follow one execution of a leader to every follower's fill."""
    with _errors():
        folder = _folder(config, state)
        exec_id = exec_id or tracing.newest(folder)
        found = tracing.find(folder, exec_id) if exec_id else []
        if not found:
            raise UsageError(
                "no decision has this ExecID" if exec_id else "no leader execution was decided on yet",
                path="EXECID", value=exec_id,
                hint=last_word(folder).line.capitalize() + ".",
            )  # fmt: skip
        console = _console()
        for one in found:
            shown = len(one.steps) if every else tracing.LINES_MAX
            console.print(tracing.render(one, shown, console.width >= WIDE_COLUMNS))


@app.command()
def explain(
    exec_id: Annotated[str, typer.Argument(metavar="EXECID", help="ExecID(17) of a report of the leader's.")],
    follower: Annotated[str, typer.Argument(metavar="FOLLOWER", help="Follower, or subscription.")],
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each decision.")] = False,
) -> None:
    """Why this size, this price or this refusal: step by step, with every number."""
    with _errors():
        folder = _folder(config, state)
        console = _console()
        for one in explaining.find(folder, exec_id, follower):
            if as_json:
                sys.stdout.write(explaining.as_json(one) + "\n")
            else:
                console.print(explaining.render(one))


@app.command()
def fairness(
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object by follower.")] = False,
) -> None:
    """Who is served when: each follower's place in the order of dispatch, and its delay."""
    with _errors():
        found = serving.collect(_folder(config, state))
        if as_json:
            sys.stdout.write(serving.as_json(found) + "\n")
        else:
            _console().print(serving.render(found))


@app.command()
def stats(
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Count decisions, refusals and orders; show latency per stage and how far the log is behind."""
    with _errors():
        found = counting.collect(_folder(config, state))
        if as_json:
            sys.stdout.write(found.as_json() + "\n")
        else:
            _console().print(counting.render(found))


@app.command()
def subscriptions(
    config: ConfigOption = None,
    state: StateOption = None,
    follower: Annotated[str | None, typer.Option(help="Only this follower's.", show_default=False)] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INSTRUMENT=PRICE",
            help="Values what is open in a follower's instrument. May be given again.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What each subscription did and won: fills, position, result, refusals; and what its account did."""
    with _errors():
        prices = naming.price_pairs(price or ())
        found = attributing.collect(_folder(config, state), follower)
        if follower is not None:
            naming.check_follower(follower, [*found.followers, *_names(config, state, "followers")])
        naming.check_instruments(prices, found.traded, _names(config, state, "instruments"))
        if as_json:
            sys.stdout.write(attributed.as_json(found, prices) + "\n")
        else:
            _console().print(attributed.render(found, prices))


def _names(config: Path | None, state: Path | None, section: str) -> list[str]:
    """The names of the configuration beside those of the log; none where it is not named."""
    config = _config(config, state)
    return [] if config is None else names_in(config, section)


def _console() -> Console:
    """Numbers are set off, as people look for them."""
    return screen(by_env=True, highlight=True)


def _folder(config: Path | None, state: Path | None) -> Path:
    """The audit folder that the options name. UsageError when there is no log in it."""
    config = _config(config, state)
    if (config is None) == (state is None):
        raise UsageError("name the deployment by --config or --state, one of them")
    folder = (places(config) if config is not None else Places(state or Path(), None)).audit
    if not day_files(folder):
        raise UsageError("no audit log here", path=str(folder), hint="Run the gateway: copygate run CONFIG.")
    if why := say_trouble(folder):
        # Beside the answer: what is not in the log is not in it either.
        typer.echo(f"copygate: {why}", err=True)
    return folder


def _config(config: Path | None, state: Path | None) -> Path | None:
    """The configuration that is named, or the one of this folder where nothing is."""
    default = Path("gateway.toml")
    return default if config is None and state is None and default.exists() else config


@contextmanager
def _written(out: str) -> Iterator[IO[str]]:
    """The file to export to. EnvironmentProblem when it cannot be opened or takes no more; 75 for no room."""
    try:
        with Path(out).open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        problem = operating(error)
        raise EnvironmentProblem(
            f"the export cannot be written: {problem.message}",
            path=out, hint="Name a file in a folder that exists, with room, and that this user may write to.",
            exit_code=problem.exit_code,
        ) from error  # fmt: skip


@contextmanager
def _errors() -> Iterator[None]:
    """An operating error ends the command with its message and exit code, without a traceback."""
    try:
        yield
    except OperatingError as error:
        screen(stderr=True, soft_wrap=True, highlight=True).print(f"copygate: {error}", style="red")
        raise typer.Exit(int(error.exit_code)) from error
