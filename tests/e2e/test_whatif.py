"""`copygate whatif` on the journal of a demo: real processes and brokers recorded what is compared here."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.store import read_entries
from tests.e2e.trading import run_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a short demo, and its figures."""
    folder = tmp_path_factory.mktemp("demo")
    done = run_demo(folder, "--seconds", "3")
    assert done.returncode == 0, done.stderr
    (state,) = folder.glob("copygate-demo-*")
    figures: dict[str, Any] = json.loads(done.stdout)
    return state, figures


def whatif(folder: Path, name: str, *changes: tuple[str, str]) -> dict[str, Any]:
    """The demo's configuration with passages replaced, over the demo's journal."""
    text = (folder / "gateway.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    file = folder / name
    file.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "whatif", str(file), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_the_demos_own_configuration_makes_no_difference(demo: tuple[Path, dict[str, Any]]) -> None:
    """What was recorded is all there: every order that was sent, every refusal, and everybody is flat."""
    folder, figures = demo
    found = whatif(folder, "same.toml")
    assert (found["differs"], found["unknown"], found["notes"]) == (False, [], [])
    recorded, paper = found["total"]["recorded"], found["total"]["new"]
    assert found["core"]["recorded"]["orders"] == figures["orders_sent"]
    assert found["core"]["recorded"]["refusals"] == figures["refusals"]
    assert recorded["positions"] == paper["positions"] == {}
    assert recorded["floating"] == paper["floating"] == {"USD": "0"}
    # Brokers of the demo fill in parts and reject; nothing else of what was opened is missing.
    assert recorded["realised"]["USD"] != "0"
    for name, lots in paper["lots_opened"].items():
        assert Fraction(recorded["lots_opened"].get(name, "0")) <= Fraction(lots)


@pytest.mark.slow
def test_recorded_results_are_the_money_that_changed_hands(demo: tuple[Path, dict[str, Any]]) -> None:
    """Everybody is flat at the end, so what was earned is what the audit log has as received and paid."""
    folder, _ = demo
    entries = [json.loads(data) for _, data in read_entries(folder / "state" / "audit")]
    signs: dict[str, int] = {}
    for entry in entries:
        if entry["kind"] == "order":
            signs[entry["cl_ord_id"]] = -1 if entry["side"] == "sell" else 1
        for order in entry.get("orders") or []:
            signs[order["cl_ord_id"]] = -1 if order["qty"].startswith("-") else 1
    earned: dict[str, Fraction] = {}
    filled: dict[str, Fraction] = {}
    for entry in entries:
        if entry["kind"] == "outcome" and entry["px"] is not None:
            order, cum = entry["cl_ord_id"], Fraction(entry["cum_qty"])
            paid = signs[order] * (cum - filled.get(order, Fraction(0))) * Fraction(entry["px"])
            earned[entry["follower"]] = earned.get(entry["follower"], Fraction(0)) - paid
            filled[order] = cum
    found = whatif(folder, "money.toml")
    told = {part["name"]: part["recorded"]["realised"] for part in found["followers"]}
    assert len(told) == 6
    for follower, amounts in told.items():
        assert abs(Fraction(amounts["USD"]) - earned[follower]) < Fraction(1, 10**9), follower


@pytest.mark.slow
def test_twice_the_multiplier_is_twice_the_lots_of_one_follower(demo: tuple[Path, dict[str, Any]]) -> None:
    """The others have no difference; refusals of a tighter bound are named."""
    folder, _ = demo
    rule = 'sizing = { mode = "multiplier", k = "0.5" }'
    found = whatif(
        folder,
        "twice.toml",
        (rule, rule.replace("0.5", "1")),
        ('max_position_lots = "0.08"', 'max_position_lots = "0.01"'),
    )
    parts = {part["name"]: part for part in found["followers"]}
    assert [name for name, part in parts.items() if part["differs"]] == ["f1", "f6"]
    f1, f6 = parts["f1"], parts["f6"]
    doubled = {name: 2 * Fraction(lots) for name, lots in f1["old"]["lots_opened"].items()}
    assert {name: Fraction(lots) for name, lots in f1["new"]["lots_opened"].items()} == doubled
    assert f6["new"]["refusals"]["max_position"] > f6["old"]["refusals"]["max_position"] > 0
    assert found["timing"]["events_per_s"] > 0
