"""`copygate demo` as a user runs it: real processes, real sockets, and books that agree."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gateway._fastcore import Replay
from gateway.audit.explain import context, explain, missing
from gateway.audit.rules import Rules
from gateway.audit.stats import collect
from gateway.audit.store import read_entries
from gateway.audit.trace import find
from tests.e2e import recompute
from tests.e2e.trading import DEMO_S, run_demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo leaves its files."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(folder: Path) -> tuple[int, dict[str, Any]]:
    """One run of the demo: exit code and figures. `TMPDIR` keeps its files in the test's folder."""
    done = run_demo(folder, "--seconds", "3")
    assert done.stdout, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, figures


@pytest.mark.slow
def test_the_demo_loses_and_doubles_nothing(demo: tuple[int, dict[str, Any]]) -> None:
    """Exit code 0, and nothing lost, doubled or off target, without a reason to complain."""
    code, figures = demo
    assert code == 0, figures
    assert (figures["lost"], figures["duplicated"], figures["off_target_followers"]) == (0, 0, 0)
    assert figures["reasons"] == []


@pytest.mark.slow
def test_the_comparison_had_something_to_compare(demo: tuple[int, dict[str, Any]]) -> None:
    """Zeros prove nothing about an idle run: the leader traded, followers filled, journal and audit grew."""
    _, figures = demo
    assert figures["leader_executions"] > 0
    assert figures["orders_sent"] > 0
    assert figures["follower_fills"] > 0
    # Every leader execution and every follower fill is a row of its own, at least.
    assert figures["journal_rows"] > figures["leader_executions"] + figures["follower_fills"]
    assert figures["audit_entries"] > 0
    stages = {"journal", "decide", "queue", "send", "acknowledge", "fill", "received_to_filled"}
    assert set(figures["latency_stages_us"]) == stages
    assert 0 < figures["latency_us"]["count"] <= figures["orders_sent"]
    # Rules that leave instruments to another rule are part of the demo.
    assert figures["refusals"]["filtered"] > 0


@pytest.mark.slow
def test_the_audit_log_derives_again_to_the_same_bytes(
    demo: tuple[int, dict[str, Any]], folder: Path
) -> None:
    """The log is a function of the journal: whoever replays it later gets what was written live."""
    (state,) = folder.glob("copygate-demo-*/state")
    live = [data for _, data in read_entries(state / "audit")]
    replay = Replay.open(str(state / "core" / "journal.db"), 0, None)
    again: list[bytes] = []
    rules = Rules()
    while replay.position < replay.head():
        again += [rules.entry(*line).data for line in replay.step(7)]
    assert live[1:] == again
    decisions = [json.loads(data) for data in live if b'"kind":"decision"' in data]
    assert decisions
    assert all(entry["stages"] for entry in decisions)


@pytest.mark.slow
def test_the_audit_log_has_every_order_that_the_brokers_have(
    demo: tuple[int, dict[str, Any]], folder: Path
) -> None:
    """Those that were tried again as well: each of them belongs to an execution, and is in its trace."""
    _, figures = demo
    (state,) = folder.glob("copygate-demo-*/state")
    assert collect(state / "audit").orders == figures["orders_sent"]
    entries = [json.loads(data) for _, data in read_entries(state / "audit")]
    made = {order["cl_ord_id"] for e in entries if e["kind"] == "decision" for order in e["orders"]}
    later = {entry["cl_ord_id"] for entry in entries if entry["kind"] == "order"}
    assert not made & later
    executions = {entry["exec_id"] for entry in entries if entry["kind"] == "decision"}
    steps = [step for e in executions for found in find(state / "audit", e) for step in found.steps]
    assert {child.cl_ord_id for step in steps for child in step.children} == made | later


@pytest.mark.slow
def test_every_decision_is_worked_out_again_from_its_entry_alone(
    demo: tuple[int, dict[str, Any]], folder: Path
) -> None:
    """Leader quantity to follower target with exact fractions, and the rule it was made by."""
    (state,) = folder.glob("copygate-demo-*/state")
    entries = [json.loads(data) for _, data in read_entries(state / "audit")]
    (start,) = [entry for entry in entries if entry["kind"] == "start"]
    rules = {rule["name"]: rule for rule in start["config"]["subscriptions"]}
    decisions = [entry for entry in entries if entry["kind"] == "decision"]
    sized = {entry["mode"] for entry in decisions if entry["conversion"]["counted"] != "0"}
    assert sized >= {"multiplier", "fixed"}, "a rate and an amount at least"
    for entry in decisions:
        numbers, rule = entry["conversion"], rules[entry["subscription"]]
        before, delta = Fraction(numbers["position_before"]), Fraction(entry["leader_delta"])
        assert before + delta == Fraction(entry["leader_position"])
        assert Fraction(numbers["reduce"]) + Fraction(numbers["increase"]) == abs(delta)
        assert recompute.target_moved(entry) == int(numbers["target_moved"]), entry
        assert recompute.ratio(entry, rule) in (None, Fraction(entry["ratio"] or -1)) or not entry["ratio"]
        assert entry["rule_hash"] == recompute.rule_hash(rule)
        moved, after = int(numbers["target_moved"]), int(entry["target_after"])
        # What limits and refusals took back is nearer to zero; without them nothing was.
        assert after == moved or (entry["refusals"] and 0 <= after * moved <= moved * moved)


@pytest.mark.slow
def test_every_decision_of_the_demo_is_explained_down_to_its_orders(
    demo: tuple[int, dict[str, Any]], folder: Path
) -> None:
    """What was missing by the log's own numbers was sent, where no limit and no order was in the way."""
    (state,) = folder.glob("copygate-demo-*/state")
    entries = [json.loads(data) for _, data in read_entries(state / "audit")]
    (start,) = [entry for entry in entries if entry["kind"] == "start"]
    whole = 0
    for entry in (entry for entry in entries if entry["kind"] == "decision"):
        told = explain(entry, context(start["config"], entry), [])
        assert (told[0].step, told[-1].step) == ("leader", "result")
        numbers = entry["conversion"]
        sent = sum((Fraction(order["qty"]) for order in entry["orders"]), Fraction(0))
        assert abs(sent) <= abs(missing(numbers)), entry
        one_way = Fraction(numbers["filled"]) * Fraction(numbers["rounded"]) >= 0
        quiet = {numbers["working_buy"], numbers["working_sell"]} == {"0"}
        if one_way and quiet and not entry["refusals"]:
            smallest = Fraction(entry["step"]) if Fraction(numbers["rounded"]) else Fraction(0)
            assert sent == missing(numbers) or abs(missing(numbers)) < smallest, entry
            whole += bool(sent)
    assert whole > 10, "orders whose size was checked"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_and_says_so(
    tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    """Ctrl-C while it trades: one message, code 128 and the signal's number, and nobody is left behind."""
    # A short name: the gateway's sockets are files, and their paths have a bound.
    here = tmp_path_factory.mktemp("i")
    demo = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--seconds", "600"],
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(here)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    try:
        while "trading" not in (line := demo.stdout.readline()):
            assert line, "the demo ended before it traded"
        # Ours and nobody else's: their command line has our own folder in it.
        assert len(processes_of(here)) >= 4
        demo.send_signal(number)
        said, _ = demo.communicate(timeout=DEMO_S)
    finally:
        demo.kill()
        demo.stdout.close()
    assert demo.returncode == 128 + number
    assert "no process is left" in said
    assert processes_of(here) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines of the running processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [line] if str(folder) in line else []
    return found
