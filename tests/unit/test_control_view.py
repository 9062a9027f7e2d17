"""The status screen says where to look for what it does not show."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from rich.console import Console

from gateway.audit.cli import app
from gateway.control_view import status_screen
from tests.unit.audit_rows import decision, moved
from tests.unit.test_audit_subscriptions_view import written


def screen(deployment: str, columns: int = 120, **status: Any) -> list[str]:
    """The status screen, line by line."""
    console = Console(width=columns)
    with console.capture() as found:
        console.print(status_screen(deployment, status))
    return [line.rstrip() for line in found.get().splitlines()]


@pytest.mark.parametrize("folder", ["a", "two words"])
def test_status_says_where_the_results_of_all_subscriptions_are(tmp_path: Path, folder: str) -> None:
    """As soon as there is a fill, guarded or not: a command that can be copied, and that works."""
    state = tmp_path / folder
    state.mkdir()
    config = state / "gateway.toml"
    config.write_text(f'[gateway]\nstate_dir = "{state}"\n')
    written(state, [decision(1), moved(2, "f1<alpha", "fill", 100_000, "1.1")])
    shown = screen(str(config), columns=400, follower_fills=1)
    (line,) = [line for line in shown if "audit subscriptions" in line]
    name, group, *words = shlex.split(line)
    assert (name, group) == ("copygate", "audit")
    told = typer.testing.CliRunner().invoke(app, words)
    assert (told.exit_code, "f1<alpha" in told.stdout) == (0, True)
    assert shown[shown.index(line) - 1] == "Won, traded and refused, of each subscription:"


def test_the_command_keeps_its_end_on_a_narrow_screen() -> None:
    """A path that is longer than a line goes on below."""
    path = f"/{'deployments/' * 12}gateway.toml"
    shown = screen(path, columns=80, follower_fills=1)
    assert path in "".join(shown[-4:])


def test_without_a_fill_there_is_nothing_to_look_for() -> None:
    """The log may not be there yet."""
    assert not any("audit" in line for line in screen("gateway.toml", follower_fills=0))
