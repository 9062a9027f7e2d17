"""What people read is what is there: rich makes no pictures of paths, line numbers and values."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import gateway
from gateway import cli
from gateway.check import check
from gateway.screen import say_line, screen
from tests.unit.config_text import GOOD, write

PICTURE = re.compile("[\U0001f300-\U0001faff☀-➿]")


def on_line_100(text: str) -> str:
    """The configuration with its first wrong value on line 100."""
    head, _, rest = text.partition("port = 9001")
    return head + "\n" * (99 - head.count("\n")) + "port = 0" + rest


@pytest.mark.parametrize("as_json", [False, True])
def test_check_says_line_100_as_a_number(tmp_path: Path, as_json: bool) -> None:
    """`gateway.toml:100:` is where an editor goes; and whatever console it is given."""
    path = write(tmp_path, on_line_100(GOOD))
    done = CliRunner().invoke(cli.app, ["check", str(path), *(["--json"] if as_json else [])])
    out = io.StringIO()
    check(path, as_json=as_json, console=Console(file=out))
    for text in (done.stdout, out.getvalue()):
        assert not PICTURE.search(text), text
        assert as_json or f"{path}:100: error" in text


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """In the last line of each report, in a table's cells, and in errors."""
    folder = tmp_path / ":100: [bold]x :key:"
    folder.mkdir()
    path = write(folder, GOOD)
    for words in (
        ["check", str(path)], ["check", str(path), "--json"], ["doctor", str(path), "--offline"],
        ["audit", "stats", "--config", str(path)],
        ["ctl", str(path), "status"], ["explain", "E1", "f1", "--state", str(folder)],
    ):  # fmt: skip
        said = CliRunner().invoke(cli.app, words, env={"COLUMNS": "400"})
        assert not PICTURE.search(said.output), said.output
        assert words[-1] == "--json" or str(folder) in said.output, said.output


@pytest.mark.parametrize("text", [":100: error", "[bold]x[/]", ":key: [red]"])
def test_a_line_is_printed_as_it_is(text: str) -> None:
    """Also where the console has styles."""
    out = io.StringIO()
    say_line(Console(file=out, width=10), f"{text} and what no line of ten columns has room for")
    assert out.getvalue() == f"{text} and what no line of ten columns has room for\n"


def test_a_screen_has_no_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    """Styles are for screens that ask for them."""
    screen().print("[bold]:100:[/]")
    screen(markup=True).print("[bold]:100:[/]")
    screen(stderr=True).print(":key:")
    assert capsys.readouterr() == ("[bold]:100:[/]\n:100:\n", ":key:\n")


def test_every_console_is_made_in_one_place() -> None:
    """Else the next one makes pictures again."""
    folder = Path(gateway.__file__).parent
    makers = [path for path in folder.rglob("*.py") if "Console(" in path.read_text("utf-8")]
    assert makers == [folder / "screen.py"]
