"""The command line. Each command imports what it needs when it runs, so that `check` starts at once."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import __version__
from gateway.errors import EnvironmentProblem, ExitCode, OperatingError

app = typer.Typer(
    name="copygate",
    help="Copy-trading FIX gateway: a leader's fill becomes the followers' orders.",
    epilog=(
        "Begin with: copygate demo. Then: copygate init DIR, copygate check FILE, copygate run FILE. "
        "Exit codes: 0 done, 1 bad result, 2 usage or configuration, 3 environment, 4 damaged state, "
        "70 internal, 75 disk full, 128 + n stopped by signal n."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[Path, typer.Argument(help="Configuration file (TOML).", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_PASS_ON: dict[str, Any] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
}


def main() -> None:
    """Entry of the `copygate` command: an operating error is one clear message and its exit code."""
    try:
        app()
    except OperatingError as error:
        sys.stderr.write(f"copygate: {error}\n")
        sys.exit(int(error.exit_code))
    except BrokenPipeError:
        # The reader of our output went away, as `copygate … | head` does.
        sys.exit(int(ExitCode.OK))


@app.command()
def check(file: ConfigFile, as_json: AsJson = False) -> None:
    """Report every problem of FILE, and print who copies whom, by which rule, with which limits."""
    from gateway.check import check as run_check
    from gateway.screen import screen

    raise typer.Exit(int(run_check(file, as_json=as_json, console=screen())))


@app.command()
def doctor(
    config: ConfigFile,
    offline: Annotated[bool, typer.Option("--offline", help="Connect to no counterparty.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine for a deployment, before and while it runs. Changes nothing; 1 if a check failed."""
    raise typer.Exit(int(_part("gateway.doctor.report").main(config, offline, as_json)))


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration file; editors complete from it."""
    from gateway.config import schema as json_schema

    typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)]) -> None:
    """Write a commented deployment to start from."""
    from gateway.init import write_start

    target = write_start(folder)
    typer.echo(f"Wrote {target}. Change it, then run: copygate check {target}")


@app.command()
def keys(
    folder: Annotated[Path, typer.Argument(help="Folder of the key files.", show_default=False)],
    names: Annotated[
        list[str], typer.Argument(help="Names: core, and one for each route.", show_default=False)
    ],
) -> None:
    """Make CURVE key files NAME.public and NAME.secret for sockets on tcp://."""
    from gateway.keys import write_pair

    for name in names:
        public, secret = write_pair(folder, name)
        typer.echo(f"Wrote {public} and {secret}. Keep {secret.name} on the host of {name} only.")


@app.command()
def run(
    config: ConfigFile,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", help="Run one process: core, route:NAME, audit or alerts.", show_default=False
        ),
    ] = None,
) -> None:
    """Start and supervise all processes of a deployment, or one of them."""
    raise typer.Exit(int(_part("gateway.app").run(config, only)))


@app.command()
def status(config: ConfigFile, as_json: AsJson = False) -> None:
    """Show positions, targets, orders, refusals and routes of a running deployment."""
    raise typer.Exit(int(_part("gateway.control").status(config, as_json)))


@app.command(context_settings=_PASS_ON, add_help_option=False)
def ctl(context: typer.Context) -> None:
    """Tell a running gateway: status, stops, kill, pause, account and more. See `copygate ctl --help`."""
    _pass_on("gateway.control_cli", "copygate ctl", context.args)


@app.command(context_settings=_PASS_ON, add_help_option=False)
def sim(context: typer.Context) -> None:
    """Simulated counterparties: leader, broker and history. See `copygate sim --help`."""
    _pass_on("gateway.sim.cli", "copygate sim", context.args)


@app.command(context_settings=_PASS_ON, add_help_option=False)
def audit(context: typer.Context) -> None:
    """The audit log: export, trace, explain, fairness, stats, subscriptions. See `copygate audit --help`."""
    _pass_on("gateway.audit.cli", "copygate audit", context.args)


@app.command(context_settings=_PASS_ON, add_help_option=False)
def explain(context: typer.Context) -> None:
    """Why a follower got this size, or this refusal. See `copygate explain --help`."""
    _pass_on("gateway.audit.cli", "copygate", ["explain", *context.args])


@app.command(context_settings=_PASS_ON, add_help_option=False)
def alerts(context: typer.Context) -> None:
    """Who is told of alerts: test every command and webhook. See `copygate alerts --help`."""
    _pass_on("gateway.notify.cli", "copygate alerts", context.args)


@app.command()
def whatif(
    file: Annotated[
        Path, typer.Argument(metavar="NEW", help="The configuration to try.", show_default=False)
    ],
    journal: Annotated[
        str | None,  # a Path is looked at before we can say what it should be
        typer.Option(
            "--journal",
            metavar="FILE",
            help="The recording. Default: that in NEW's state_dir.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First time, UTC: 2026-11-23[T09:30:00].", show_default=False)
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="Time behind the last; a day counts whole.", show_default=False),
    ] = None,
    by_subscription: Annotated[
        bool, typer.Option("--subscription", help="Each subscription of a follower as well.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Every follower, also those without a difference.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What would this configuration have done? Plays a recorded journal under it; nothing is sent."""
    part = _part("gateway.whatif")
    path = None if journal is None else Path(journal)
    code = part.main(
        file, path, as_json=as_json, by_subscription=by_subscription, every=every, start=start, end=end
    )
    raise typer.Exit(int(code))


@app.command()
def demo(
    followers: Annotated[int, typer.Option(min=1, max=1_000, help="Follower accounts.")] = 6,
    sessions: Annotated[int, typer.Option(min=1, max=50, help="FIX sessions to followers' brokers.")] = 2,
    seconds: Annotated[float, typer.Option(min=1.0, max=3_600.0, help="How long the leader trades.")] = 15.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of market and brokers.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Trade on simulated counterparties over real sockets, and compare the brokers' books with ours."""
    raise typer.Exit(int(_part("gateway.demo").main(followers, sessions, seconds, seed, as_json)))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"copygate {__version__}")


def _part(name: str) -> Any:
    """A part of the program, imported now; a missing one is an installation problem, not a traceback."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "a part of this installation is missing",
            path=name,
            value=error.name,
            hint="Build it with `make build`, or install the package again.",
        ) from error


def _pass_on(module: str, program: str, arguments: list[str]) -> None:
    code = _part(module).app(args=arguments, prog_name=program, standalone_mode=False)
    raise typer.Exit(code if isinstance(code, int) else int(ExitCode.OK))


if __name__ == "__main__":
    main()
