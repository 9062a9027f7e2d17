"""The generated parts of the reference pages: the same as the code, complete, and checked to be so."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.config import GatewayConfig, SubscriptionConfig, schema
from gateway.refusal_texts import REASONS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
KEY = re.compile(r"^\| `([A-Za-z0-9_.]+)` \|", re.MULTILINE)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The script, at work in a folder that has copies of the pages and of what they are made from."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    module = importlib.import_module("reference")
    for name in ("docs/reference", "fix_specs/profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "fastcore" / "src").mkdir(parents=True)
    for name in ("refusal.rs", "mirrored.rs"):
        shutil.copy(ROOT / "fastcore" / "src" / name, tmp_path / "fastcore" / "src")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def keys_page() -> str:
    """The page of configuration keys, as committed."""
    return (REFERENCE / "configuration-keys.md").read_text(encoding="utf-8")


def test_the_pages_say_what_the_code_says() -> None:
    """A key, docstring, bound, code or profile that changed without its page is found."""
    script = ROOT / "tools" / "reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run: python tools/reference.py\n{done.stdout}{done.stderr}"


def test_a_changed_docstring_is_a_difference(
    tool: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check fails with the line, writing mends it, and the check passes again."""
    assert tool.main(["--check"]) == 0
    monkeypatch.setattr(SubscriptionConfig.model_fields["reverse"], "description", "Sell what he buys.")
    assert tool.main(["--check"]) == 1
    diff = capsys.readouterr().out
    assert "\n-| `reverse` | true or false | – | `false` | Buy what the leader sells. |\n" in diff
    assert "\n+| `reverse` | true or false | – | `false` | Sell what he buys. |\n" in diff
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        ("fix_specs/profiles/cme.toml", "status_request = true", "status_request = false"),
        ("docs/reference/refusals.md", "| `kill` | somebody stopped it |\n", ""),
    ],
)
def test_a_changed_source_or_page_is_a_difference(tool: Any, source: str, old: str, new: str) -> None:
    """Profiles and codes are compared as the keys are."""
    path = tool.ROOT / source
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert tool.main(["--check"]) == 1


def test_a_code_without_words_stops_the_script(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new code of the core is not left out of the table in silence."""
    monkeypatch.setattr(tool, "REASONS", {code: text for code, text in REASONS.items() if code != "kill"})
    with pytest.raises(SystemExit, match="kill"):
        tool.main(["--check"])


def test_a_page_without_its_markers_stops_the_script(tool: Any) -> None:
    """A part that was deleted is not up to date."""
    page = tool.ROOT / "docs" / "reference" / "refusals.md"
    page.write_text(page.read_text(encoding="utf-8").replace("<!-- end -->", ""), encoding="utf-8")
    with pytest.raises(SystemExit, match="refusal-codes"):
        tool.main([])


def test_every_section_of_the_schema_is_a_table_with_the_same_keys() -> None:
    """The page is complete by the schema, which pydantic makes and not the script."""
    wanted = [set(schema()["properties"])]
    wanted += [set(part["properties"]) for part in schema()["$defs"].values() if "properties" in part]
    tables = [KEY.findall(body) for _, body in SECTION.findall(keys_page())]
    assert len(wanted) > 20
    assert sorted(sorted(keys) for keys in wanted) == sorted(sorted(keys) for keys in tables)
    assert set(GatewayConfig.model_fields) == set(tables[0])


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    """A reader who clicks on a section's name gets there."""
    titles = [
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title, _ in SECTION.findall(keys_page())
    ]
    links = set(re.findall(r"\]\(#([^)]+)\)", keys_page()))
    assert len(set(titles)) == len(titles)
    assert links
    assert links <= set(titles)


def test_the_defaults_of_profiles_are_those_of_the_core(tool: Any) -> None:
    """What a profile does not say is filled in from the table of keys, so that table has to be right."""
    source = (ROOT / "fastcore" / "src" / "profile.rs").read_text(encoding="utf-8")
    body = re.search(r"pub struct Profile \{(.*?)\n\}", source, flags=re.DOTALL)
    assert body is not None
    types = dict(re.findall(r"^    pub (\w+): (\w+)", body[1], flags=re.MULTILINE))
    firsts = dict(re.findall(r"pub enum (\w+) \{[^}]*?#\[default\]\s+(\w+)", source))
    told = tool.profile_defaults()
    enums = [key for key in tool.COLUMNS if types.get(key) in firsts]
    assert {"quantity_unit", "position_model", "recovery", "query_covers", "time_source"} <= set(enums)
    for key in enums:
        assert told[key] == re.sub(r"(?<!^)(?=[A-Z])", "_", firsts[types[key]]).lower(), key
    for key in re.findall(
        r"^    pub (\w+): bool", re.findall(r"struct Supports \{(.*?)\n\}", source, re.DOTALL)[0], re.M
    ):
        assert told[f"supports.{key}"] == "false", key
    for key in ("order_types", "tifs"):
        made = re.search(rf"fn {key}\(\)[^{{]*\{{(.*?)\n\}}", source, flags=re.DOTALL)
        assert made is not None, key
        assert told[key] == ", ".join(re.findall(r"::(\w+)", made[1])).lower(), key
