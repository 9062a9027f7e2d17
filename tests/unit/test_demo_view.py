"""The demo's screens: everything is on them, and nothing is cut on a terminal of 80 x 24."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from gateway import demo_config, demo_view
from gateway.audit.entry import from_replay
from gateway.audit.store import Store
from gateway.demo_result import Ledger
from gateway.demo_watch import refused
from gateway.refusal_texts import REASONS
from tests.unit.audit_rows import decision

DOCS = Path(__file__).parents[2] / "docs"


def a_moment() -> tuple[demo_view.Snapshot, Ledger]:
    """A busy moment: every part of the screen has something to show."""
    snapshot = demo_view.Snapshot(
        leader_positions={"EURUSD": Decimal(-220_000), "XAUUSD": Decimal(145)},
        leader_fills=[("EURUSD", "2", Decimal(103_000), Decimal("1.08512"))] * 20,
        leader_executions=1234, orders=10_234, fills=20_456, live_orders=18,
        newest_orders=[("F3", "2", Decimal(1_250_000), "EURUSD", "rejected")] * 20,
        positions={("F3", "EURUSD"): Decimal(-1_250_000), ("F1", "XAUUSD"): Decimal(72)},
        refused=[("f6", "AUDUSD", "max_position", " (limit 8000, value 22000)")] * 6,
    )  # fmt: skip
    raw = {
        "refusals": {"filtered": 1234, "max_position": 190, "restricted": 57, "broker_reject": 44},
        "latency_us": {"n": 9, "p50": 139, "p99": 1219, "max": 21411},
        "latency_stages_us": {"journal": {"n": 9, "p50": 129, "p99": 1139, "max": 21402}},
    }
    targets = {("F3", "EURUSD"): Decimal(-1_150_000), ("F1", "XAUUSD"): Decimal("72.5")}
    return snapshot, Ledger(True, raw, targets, {})


def drawn(width: int, height: int, followers: int) -> list[str]:
    """The screen as lines."""
    deployment = demo_config.plan(Path("/nowhere"), followers, 2)
    snapshot, ledger = a_moment()
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(demo_view.screen(deployment, snapshot, ledger, "trading for 15 s", height))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height", "followers"), [(80, 24, 6), (120, 40, 6), (80, 24, 20)])
def test_nothing_is_cut_and_nothing_scrolls(width: int, height: int, followers: int) -> None:
    """The screen fills the terminal exactly, and no text ends in an ellipsis."""
    lines = drawn(width, height, followers)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert "…" not in "\n".join(lines)


def test_the_screen_says_what_a_desk_asks_first() -> None:
    """Fills, orders with their end, positions beside targets, refusals with their reasons, latency."""
    text = "\n".join(drawn(80, 24, 6))
    for words in (
        "leader fills 1234", "sell", "rejected", "-12.5→-11.5", "0.72",
        "max_position 190", "f6 AUDUSD max_position (limit 8000, value 22000): position too large",
        "journal 129 / 1139 / 21402", "reverse percent_equity",
    ):  # fmt: skip
        assert words in text, words


def test_the_last_command_is_whole_on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who copies it copies a line; where a path is longer, the terminal folds it, and nobody cuts it."""
    monkeypatch.setattr(demo_view, "command", lambda: ".venv/bin/copygate")
    lines = demo_view.afterwards("/tmp/copygate-demo-12345678")
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "  .venv/bin/copygate audit trace -c /tmp/copygate-demo-12345678/gateway.toml"


def test_followers_without_room_are_counted() -> None:
    """Twenty do not fit on 24 lines, and the title says so."""
    assert any("of 20)" in line for line in drawn(80, 24, 20))


def test_refusals_come_from_the_audit_log_newest_last(tmp_path: Path) -> None:
    """Filters are left out; a folder without a log is no error."""
    assert refused(tmp_path / "none") == []
    numbers = [{"code": "max_position", "limit": "8000", "value": "9000"}]
    rows = [
        decision(1, 1, 3, result="refused", code="filtered", orders=[], refusals=[]),
        decision(1, 2, 3, result="refused", code="max_position", orders=[], numbers=numbers),
        decision(1, 3, 3, result="refused", code="restricted", orders=[], numbers=[]),
    ]
    with Store(tmp_path) as store:
        store.append([from_replay(*row) for row in rows], 1)
    assert refused(tmp_path) == [
        ("f2", "EURUSD", "max_position", " (limit 8000, value 9000)"),
        ("f3", "EURUSD", "restricted", ""),
    ]


def test_every_documented_refusal_code_has_words() -> None:
    """The screen and the document know the same codes."""
    text = (DOCS / "reference" / "refusals.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    assert documented == set(REASONS)


def test_the_command_at_the_end_works_as_it_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`make demo` activates no environment: then the path is needed, short where we stand beside it."""
    own = tmp_path / ".venv" / "bin" / "copygate"
    own.parent.mkdir(parents=True)
    own.touch()
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(tmp_path)
    assert demo_view.command() == ".venv/bin/copygate"
    monkeypatch.chdir(own.parent.parent)
    assert demo_view.command() == "bin/copygate"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / ".venv"))
    assert demo_view.command() == "copygate"
