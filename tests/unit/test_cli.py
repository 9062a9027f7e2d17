"""The command line: exit codes, files it writes, and parts of others that it only hands over to."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway import __version__, cli, keys
from gateway.audit import cli as audit_cli
from gateway.errors import EnvironmentProblem, OperatingError, UsageError
from tests.unit.config_text import changed, write

RUNNER = CliRunner()


def _part(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


def test_check_ends_with_0_for_a_good_and_2_for_a_bad_file(tmp_path: Path) -> None:
    """Scripts and supervisors look at the code."""
    assert RUNNER.invoke(cli.app, ["check", str(write(tmp_path))]).exit_code == 0
    assert (
        RUNNER.invoke(cli.app, ["check", str(write(tmp_path, changed("port = 9001", "port = 0")))]).exit_code
        == 2
    )
    assert RUNNER.invoke(cli.app, ["check", str(tmp_path / "none.toml")]).exit_code == 2
    assert RUNNER.invoke(cli.app, ["check"]).exit_code == 2
    assert RUNNER.invoke(cli.app, ["nonsense"]).exit_code == 2


def test_bare_and_help_say_where_to_begin() -> None:
    """Bare is wrong usage with help; --help is help."""
    bare, asked = RUNNER.invoke(cli.app, []), RUNNER.invoke(cli.app, ["--help"])
    assert (bare.exit_code, asked.exit_code) == (2, 0)
    for shown in (bare.output, asked.output):
        assert "Begin with: copygate demo" in shown
        assert "Exit codes" in shown


def test_help_names_every_command_of_the_audit_log() -> None:
    """People look for a command there first."""
    shown = " ".join(RUNNER.invoke(cli.app, ["--help"], env={"COLUMNS": "200"}).output.split())
    names = [command.callback.__name__ for command in audit_cli.app.registered_commands if command.callback]
    assert f"The audit log: {', '.join(names)}. See" in shown


def test_schema_prints_json_schema() -> None:
    """Editors read it as it is."""
    result = RUNNER.invoke(cli.app, ["schema"])
    assert json.loads(result.stdout)["title"] == "GatewayConfig"


def test_version_prints_the_version() -> None:
    """Support asks for it first."""
    assert RUNNER.invoke(cli.app, ["version"]).stdout == f"copygate {__version__}\n"


def test_init_writes_a_deployment_once(tmp_path: Path) -> None:
    """The file is commented, and never replaced."""
    folder = tmp_path / "desk"
    assert RUNNER.invoke(cli.app, ["init", str(folder)]).exit_code == 0
    text = (folder / "gateway.toml").read_text("utf-8")
    assert text.count("#") > 20
    result = RUNNER.invoke(cli.app, ["init", str(folder)])
    assert isinstance(result.exception, EnvironmentProblem)
    assert "exists already" in str(result.exception)
    assert (folder / "gateway.toml").read_text("utf-8") == text


def test_keys_are_a_pair_and_the_secret_is_its_owners_only(tmp_path: Path) -> None:
    """Public key 0644, secret key 0600, both Z85, never replaced."""
    assert RUNNER.invoke(cli.app, ["keys", str(tmp_path / "keys"), "core", "r1"]).exit_code == 0
    secret = tmp_path / "keys" / "core.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(keys.read_key(secret)) == 40
    assert keys.read_key(tmp_path / "keys" / "r1.public") != keys.read_key(tmp_path / "keys" / "core.public")
    with pytest.raises(EnvironmentProblem, match="exists already"):
        keys.write_pair(tmp_path / "keys", "core")
    with pytest.raises(UsageError, match="name"):
        keys.write_pair(tmp_path, "../x")


def test_a_file_that_is_not_a_key_is_refused(tmp_path: Path) -> None:
    """A wrong file is found at the start, not at the first handshake."""
    (tmp_path / "k").write_text("short", "utf-8")
    with pytest.raises(EnvironmentProblem, match="not a CURVE key"):
        keys.read_key(tmp_path / "k")
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        keys.read_key(tmp_path / "none")


def test_run_and_demo_hand_over_their_arguments_and_return_their_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command line adds nothing of its own."""
    seen: list[tuple[object, ...]] = []

    def run(path: Path, only: str | None) -> int:
        seen.append((path, only))
        return 70

    def demo(followers: int, sessions: int, seconds: float, seed: int, json_output: bool) -> int:
        seen.append((followers, sessions, seconds, seed, json_output))
        return 1

    _part(monkeypatch, "gateway.app", run=run)
    _part(monkeypatch, "gateway.demo", main=demo)
    assert RUNNER.invoke(cli.app, ["run", "x.toml", "--only", "route:r1"]).exit_code == 70
    assert RUNNER.invoke(cli.app, ["run", "x.toml"]).exit_code == 70
    arguments = ["demo", "--followers", "20", "--sessions", "4", "--seconds", "1.5", "--seed", "7", "--json"]
    assert RUNNER.invoke(cli.app, arguments).exit_code == 1
    assert seen == [(Path("x.toml"), "route:r1"), (Path("x.toml"), None), (20, 4, 1.5, 7, True)]


def test_status_hands_over_to_control(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running core answers, not the command line."""

    def answer(path: Path, as_json: bool) -> int:
        return 5 if as_json and path == Path("x.toml") else 6

    _part(monkeypatch, "gateway.control", status=answer)
    assert RUNNER.invoke(cli.app, ["status", "x.toml", "--json"]).exit_code == 5


@pytest.mark.parametrize(("command", "module"), [("sim", "gateway.sim.cli"), ("audit", "gateway.audit.cli")])
def test_nested_commands_get_their_arguments_and_their_help(
    monkeypatch: pytest.MonkeyPatch, command: str, module: str
) -> None:
    """Options, `--help` and exit codes belong to the nested command."""
    nested = typer.Typer()

    @nested.command()
    def first(name: str, fast: bool = False) -> None:
        """Says hello."""
        typer.echo(f"{name} {fast}")
        raise typer.Exit(4)

    @nested.command()
    def second() -> None:
        """Does nothing."""

    assert callable(first)
    assert callable(second)
    _part(monkeypatch, module, app=nested)
    result = RUNNER.invoke(cli.app, [command, "first", "--fast", "abc"])
    assert (result.exit_code, result.stdout) == (4, "abc True\n")
    assert RUNNER.invoke(cli.app, [command, "second"]).exit_code == 0
    assert "Says hello" in RUNNER.invoke(cli.app, [command, "--help"]).stdout
    assert RUNNER.invoke(cli.app, [command, "third"]).exit_code == 2


def test_a_missing_part_is_an_environment_problem() -> None:
    """Someone who runs a half-built checkout learns what to build."""
    with pytest.raises(EnvironmentProblem, match="make build"):
        cli._part("gateway.no_such_part")


def test_main_prints_one_message_and_ends_with_the_errors_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for what a person can put right."""

    def fail() -> None:
        raise OperatingError("the port is in use", path="core.bind", value=7001, hint="Choose another.")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    assert capsys.readouterr().err == "copygate: core.bind: the port is in use, got 7001. Choose another.\n"


def test_the_command_line_starts_without_the_compiled_core() -> None:
    """`check` must work where nothing is built, and must not pay for what it does not use."""
    code = (
        "import sys, gateway.cli, gateway.config, gateway.check\n"
        "bad = [m for m in ('gateway._fastcore', 'zmq', 'quickfix', 'numpy') if m in sys.modules]\n"
        "sys.exit(repr(bad) if bad else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
