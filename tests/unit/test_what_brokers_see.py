"""The page for brokers: every test that it names is there, and its timers are those of the configuration."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.config_sections import CoreSection, ReconcileSection, SessionConfig, TimingSection
from gateway.config_types import Model

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "what-brokers-see.md"
COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
CLAIM = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+){3,}\b")
"""Names of tests are sentences: four words and more."""
FILE = re.compile(r"\b(?:tests|fastcore|gateway|docs)/[\w/.-]+\.(?:py|rs|md)\b")
TEST = re.compile(r"\b(?:fn|def) (?:test_)?(\w+)")
TIMER = re.compile(
    r"^\| `(?P<section>\w+)\.(?:NAME\.)?(?P<key>\w+)`(?P<rest>[^|]*)\| (?P<value>[^|]+) \|", re.M
)
SECTIONS: dict[str, type[Model]] = {
    "timing": TimingSection,
    "core": CoreSection,
    "sessions": SessionConfig,
    "reconcile": ReconcileSection,
}


def comments() -> str:
    """All that the page says to its editors."""
    return "\n".join(COMMENT.findall(PAGE.read_text(encoding="utf-8")))


def test_every_test_that_the_page_names_is_there() -> None:
    """A test that is renamed takes its claim along, or the claim is looked at again."""
    sources = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "fastcore").rglob("*.rs")]
    known = {name for path in sources for name in TEST.findall(path.read_text(encoding="utf-8"))}
    files = {Path(name).stem for name in FILE.findall(comments())}
    named = set(CLAIM.findall(comments())) - files
    assert len(named) > 40
    assert sorted(named - known) == []


def test_every_file_that_the_page_names_is_there() -> None:
    """Paths from the root of the repository."""
    named = set(FILE.findall(comments()))
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_timers_are_those_of_the_configuration() -> None:
    """Keys and defaults."""
    found = list(TIMER.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(found) >= 10
    for row in found:
        fields = SECTIONS[row["section"]].model_fields
        keys = [row["key"], *re.findall(r"`(\w+)`", row["rest"])]
        values = [int(re.sub(r"\D", "", value)) for value in row["value"].split(";")]
        assert [fields[key].default for key in keys] == values, row.group()
