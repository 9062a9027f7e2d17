"""The documents agree with the code where a reader would act on them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from gateway import cli
from gateway.config import GatewayConfig
from gateway.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
ACKNOWLEDGEMENT = (
    "This product includes software developed by quickfixengine.org (http://www.quickfixengine.org/)."
)


def test_every_relative_link_leads_to_a_file() -> None:
    """A reader never meets a dead link inside the repository."""
    script = ROOT / "tools" / "check_links.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_link_to_a_heading_that_is_gone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same page and in another one; what stands in a block of code is no heading."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    links = importlib.import_module("check_links")
    (tmp_path / "b.md").write_text(
        "# `a` [b](c.md), d\n```\n# no\n```\n## Two\n## Two\n## Two\n", encoding="utf-8"
    )
    page = tmp_path / "a.md"
    right = "[x](b.md#a-b-d) [x](b.md#two) [x](b.md#two-1) [x](b.md#two-2) [x](#here) [x](https://a.org/#b)"
    page.write_text(f"# Here\n{right}\n[x](b.md#no) [x](#b) [x](c.md#two)\n", encoding="utf-8")
    found = [line.removeprefix(f"{page}:3: ") for line in links.broken_links(page)]
    assert found == ["b.md#no: no such heading", "#b: no such heading", "c.md#two: no such file"]


def test_every_section_of_the_file_is_on_the_page_about_it() -> None:
    """A desk looks there first; every key is on the other page."""
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    table = page.partition("| section | what |\n")[2].partition("\n\n")[0]
    listed = {name.split(".")[0] for name in re.findall(r"^\| `([a-z.A-Z]+)` \|", table, flags=re.MULTILINE)}
    assert listed == set(GatewayConfig.model_fields)


def test_every_refusal_code_is_explained() -> None:
    """An operator who sees a code finds what to do about it."""
    source = (ROOT / "fastcore" / "src" / "refusal.rs").read_text(encoding="utf-8")
    codes = set(re.findall(r'^    [A-Z]\w+ = "([a-z_]+)",$', source, flags=re.MULTILINE))
    page = (ROOT / "docs" / "reference" / "refusals.md").read_text(encoding="utf-8")
    by_hand = re.sub(r"<!-- generated: .*?<!-- end -->", "", page, flags=re.DOTALL)
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", by_hand, flags=re.MULTILINE))
    assert codes
    assert codes == explained


def test_the_acknowledgement_that_quickfix_asks_for_is_in_the_notice_and_the_documents() -> None:
    """QuickFIX's licence asks for its sentence in the documentation of what includes it."""
    for name in ("NOTICE", "README.md", "docs/README.md"):
        assert ACKNOWLEDGEMENT in (ROOT / name).read_text(encoding="utf-8"), name


def test_every_exit_code_is_explained() -> None:
    """A script that looks at the code finds it in the table, and the table names no other."""
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    explained = {int(code) for code in re.findall(r"^\| ([0-9]+) \|", page, flags=re.MULTILINE)}
    assert explained == {int(code) for code in ExitCode}
    assert "| 128 + n |" in page
    said = str(cli.app.info.epilog).partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"(\d+) \w", said.replace("128 + n", ""))} == explained


def test_every_command_is_on_the_map() -> None:
    """The page lists what the program has, and nothing else."""
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z]+)[ `]", page, flags=re.MULTILINE))
    assert listed == set(typer.main.get_group(cli.app).list_commands(None))  # type: ignore[arg-type]
