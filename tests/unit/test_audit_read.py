"""Reading the log: export, trace, stats and the commands."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from rich.console import Console

from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.export import COLUMNS, TIMES, UNITS, csv_row
from gateway.audit.places import places
from gateway.audit.stats import collect
from gateway.audit.store import Store, day_files, read_entries
from gateway.audit.trace import Trace, find, render, summary
from tests.unit.audit_rows import T0_NS, Row, decision, later, outcome

REFUSED: dict[str, Any] = {"result": "refused", "code": "stale", "orders": [], "numbers": {"age_ms": "70000"}}
ROWS: list[Row] = [
    decision(1, 1, 3),
    decision(1, 2, 3, **REFUSED),
    decision(1, 3, 3, result="waits", orders=[]),
    outcome(2, "C1-1", "out", T0_NS + 1_500_000),
    outcome(3, "C1-1", "acknowledged", T0_NS + 2_000_000),
    outcome(4, "C1-1", "filled", T0_NS + 3_000_000),
    decision(5),
    outcome(6, "C5-1", "rejected", T0_NS + 9_000_000, strange='a "quoted", =text'),
]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder whose log holds ROWS."""
    with Store(tmp_path / "audit") as store:
        store.append([from_replay(*row) for row in ROWS], 6)
    return tmp_path


def invoke(*words: str) -> typer.testing.Result:
    """Runs `copygate audit …`."""
    return typer.testing.CliRunner().invoke(app, list(words))


def test_jsonl_is_the_log_byte_for_byte(state: Path) -> None:
    """Export, read back, and nothing differs."""
    out = state / "log.jsonl"
    assert invoke("export", str(out), "--state", str(state)).exit_code == 0
    assert out.read_bytes().splitlines() == [data for _, data in read_entries(state / "audit")]


def test_csv_says_everything_that_jsonl_says(state: Path) -> None:
    """Each field is in its column or in `more`; nothing is left out."""
    found = invoke("export", "--state", str(state), "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(found.split("9 entries written")[0])))
    assert len(rows) == len(ROWS) + 1
    for row, (number, data) in zip(rows, read_entries(state / "audit"), strict=True):
        back = json.loads(row["more"] or "{}")
        stages = {name: row[name] for name in TIMES if row[name]}
        for name in set(COLUMNS) - {"entry", "more", *UNITS, *stages}:
            if row[name]:
                back[name] = json.loads(row[name]) if name in ("numbers", "orders") else row[name]
        fields = json.loads(data)
        assert row["entry"] == str(number)
        assert fields.pop("stages", {}) == stages
        assert {**dict.fromkeys(fields, ""), **back} == fields


def test_export_takes_times_from_and_to(state: Path) -> None:
    """`--from` is included, `--to` is not; a plain day in --to is included whole."""
    words = ("export", "--state", str(state), "--format", "jsonl")
    late = invoke(*words, "--from", "2024-10-04T10:00:00.003000").stdout
    assert [json.loads(line)["journal"] for line in late.splitlines() if line[0] == "{"] == ["4", "5", "6"]
    assert invoke(*words, "--to", "2024-10-04").stdout.count('"kind"') == len(ROWS) + 1
    assert invoke(*words, "--to", "2024-10-03").stdout.count('"kind"') == 0


def test_trace_shows_all_followers_and_their_fills(state: Path) -> None:
    """Ordered and filled, refused with its number, waiting: each follower has a line, each stage a time."""
    (trace,) = find(state / "audit", "E1")
    text = shown(trace, 200)
    assert "received 10:00:00.001000 UTC → journaled 20 µs → decided 5 µs → queued 5 µs" in text
    lines = {line[:2]: " ".join(line[2:].split()) for line in text.splitlines()}
    assert lines["f1"] == "multiplier x0.5 0 → 500 buy 500 500 at 1.1 C1-1 470 500 1000 2000"
    assert "refused stale" in text
    assert "f2 refused: stale (age_ms 70000)" in text
    assert lines["f3"].endswith("waits")
    assert trace.complete
    assert summary(trace) == "3 of 3 decisions: 1 ordered, 1 refused, 1 waits; 1 orders: 1 filled, 0 open"


def test_a_trace_goes_on_to_what_was_tried_again(tmp_path: Path) -> None:
    """A rejected close and its second attempt are one execution's, not the next one's or another follower's.

    Its waiting is no latency: stages and fairness count what the decision made at once.
    """
    rows = (
        decision(1, 1, 2),
        decision(1, 2, 2),
        outcome(2, "C1-1", "rejected", T0_NS + 2_000_000),
        later(3, "AGAIN", "300", 1),
        later(3, "OTHER", "200", 2),
        outcome(4, "AGAIN", "out", T0_NS + 800_000_000),
        outcome(5, "AGAIN", "filled", T0_NS + 900_000_000, cum_qty="300"),
        outcome(5, "C1-2", "filled", T0_NS + 4_000_000),
        decision(6, 1, 1),
    )
    with Store(tmp_path) as store:
        store.append([from_replay(*row) for row in rows], 6)
    (trace,) = find(tmp_path, "E1")
    assert [[child.cl_ord_id for child in step.children] for step in trace.steps] == [
        ["C1-1", "AGAIN"],
        ["C1-2", "OTHER"],
    ]
    assert summary(trace).endswith("2 ordered; 4 orders: 2 filled, 1 rejected, 1 open")
    assert "later: sell 300" in shown(trace, 200)
    (after,) = find(tmp_path, "E6")
    assert [child.cl_ord_id for child in after.steps[0].children] == ["C6-1"]
    stats = collect(tmp_path)
    assert (stats.orders, stats.states["filled"]) == (5, 2)
    assert "send" not in stats.latency_us


def test_an_order_before_any_decision_of_its_day_is_in_the_tables(tmp_path: Path) -> None:
    """After midnight a close may be tried again for a decision of the day before."""
    with Store(tmp_path) as store:
        store.append([from_replay(*later(3, "AGAIN", "300")), from_replay(*outcome(4, "AGAIN", "filled"))], 4)
    stats = collect(tmp_path)
    assert (stats.orders, stats.states) == (1, {"filled": 1})


def test_a_trace_fits_a_screen_of_80_columns(state: Path) -> None:
    """No number is cut off; the ClOrdID gives way, and is there where it has room."""
    (trace,) = find(state / "audit", "E1")
    narrow = shown(trace, 80)
    assert "C1-1" not in narrow
    assert "…" not in narrow
    assert max(len(line.rstrip()) for line in narrow.splitlines()) <= 80
    assert all(number in narrow for number in ("470", "1000", "2000"))


def test_a_trace_whose_stage_times_were_lost_says_so(tmp_path: Path) -> None:
    """A killed core takes its last times with it: nothing is made up."""
    with Store(tmp_path) as store:
        rows = (decision(1, stages=None), outcome(2, "C1-1", "filled"))
        store.append([from_replay(*row) for row in rows], 2)
    (trace,) = find(tmp_path, "E1")
    assert "stage times were lost" in shown(trace, 120)
    assert "journal" not in collect(tmp_path).latency_us


def test_targets_are_shown_in_units(tmp_path: Path) -> None:
    """The core counts targets in 10^-18 of a step; people and tables read exact units."""
    parts: dict[str, Any] = {
        "step": "1000",
        "target_before": "-7428571428571428571",
        "target_after": "45" + "0" * 18,
    }
    with Store(tmp_path) as store:
        store.append([from_replay(*decision(1, **parts))], 1)
    (trace,) = find(tmp_path, "E1")
    row = trace.steps[0].row
    assert (row["target_before"], row["target_after"]) == ("-7428.571428571428571", "45000")
    assert "-7428.57 → 45000" in shown(trace, 160)
    _, data = list(read_entries(tmp_path))[1]
    written = csv_row(1, json.loads(data))
    assert written["target_before"] == parts["target_before"]
    assert written["target_before_units"] == "-7428.571428571428571"


def shown(trace: Trace, width: int) -> str:
    """The screen as text."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render(trace, wide=width >= 120))
    return console.export_text()


def test_trace_reads_signed_quantities_and_lists_of_refusals(tmp_path: Path) -> None:
    """What the core says in other words lands in the same columns."""
    gone = ("side", "leader_qty", "result", "code", "numbers", "stages")
    rows = []
    for k, orders in enumerate(([{"cl_ord_id": "X", "qty": "-500"}], []), 1):
        fields = json.loads(decision(1, k, 2, leader_delta="-1000", orders=orders)[2])
        fields["refusals"] = [] if orders else [{"code": "kill", "limit": "0", "value": "0"}]
        kept = {name: value for name, value in fields.items() if name not in gone}
        rows.append(from_replay(1, "decision", json.dumps(kept)))
    with Store(tmp_path) as store:
        store.append(rows, 1)
    (trace,) = find(tmp_path, "E1")
    first, second = trace.steps
    assert (first.row["side"], first.row["leader_qty"], first.row["result"]) == ("sell", "1000", "ordered")
    assert (first.children[0].side, first.children[0].qty) == ("sell", "500")
    assert (second.row["result"], second.row["code"]) == ("refused", "kill")
    assert collect(tmp_path).refusals == {"kill": 1}


def test_trace_says_when_a_decision_is_missing(tmp_path: Path) -> None:
    """Completeness: k of n with a hole is not complete."""
    with Store(tmp_path) as store:
        store.append([from_replay(*row) for row in (decision(1, 1, 3), decision(1, 3, 3))], 1)
    (trace,) = find(tmp_path, "E1")
    assert not trace.complete
    assert summary(trace).startswith("only 2 of 3 decisions")


def test_trace_of_many_followers_shows_the_ones_that_need_a_look_first(tmp_path: Path) -> None:
    """Of 100 followers the refused one is on the screen, the settled ones are counted."""
    rows = [decision(1, k, 100) for k in range(1, 100)] + [decision(1, 100, 100, **REFUSED)]
    filled = [outcome(2, f"C1-{k}", "filled") for k in range(1, 100)]
    with Store(tmp_path) as store:
        store.append([from_replay(*row) for row in rows + filled], 2)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(find(tmp_path, "E1")[0]))
    text = console.export_text()
    assert "refused stale" in text
    assert "and 60 more" in text
    assert len(text.splitlines()) < 50


def test_trace_finds_a_fill_of_the_next_day(tmp_path: Path) -> None:
    """The order is in one file, its fill in the next."""
    day_ns = 86_400_000_000_000
    rows = [decision(1, at_ns=T0_NS), outcome(2, "C1-1", "filled", T0_NS + day_ns)]
    with Store(tmp_path) as store:
        store.append([from_replay(*row) for row in rows], 2)
    assert find(tmp_path, "E1")[0].steps[0].children[0].state == "filled"


def test_trace_of_an_unknown_execution_is_a_usage_error(state: Path) -> None:
    """Exit code 2, and the message carries the value."""
    result = invoke("trace", "NOPE", "--state", str(state))
    assert result.exit_code == 2
    assert "NOPE" in result.output


def test_trace_without_an_execid_shows_the_newest(
    state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever is new to it has something to look at; an empty log says that it is empty."""
    assert "ExecID E5" in invoke("trace", "--state", str(state)).stdout
    other = tmp_path_factory.mktemp("x")
    with Store(other / "audit") as store:
        store.append([from_replay(1, "start", "{}")], 1)
    refused = invoke("trace", "--state", str(other))
    assert refused.exit_code == 2
    assert "no leader execution was decided on yet" in refused.output


def test_stats_count_decisions_refusals_orders_and_stages(state: Path) -> None:
    """Each order counts by its last state, each stage by its own times."""
    stats = collect(state / "audit")
    assert (stats.entries, stats.executions, stats.orders) == (9, 2, 2)
    assert stats.results == {"ordered": 2, "refused": 1, "waits": 1}
    assert stats.refusals == {"stale": 1}
    assert stats.states == {"filled": 1, "rejected": 1}
    journal = {"count": 2, "p50": 20, "p90": 20, "p99": 20, "p99_9": 20, "max": 20}
    assert stats.latency_us["journal"] == journal
    assert stats.latency_us["acknowledge"]["p50"] == 500
    assert stats.latency_us["received_to_filled"]["max"] == 2000
    assert json.loads(invoke("stats", "--state", str(state), "--json").stdout)["orders"] == 2
    assert "never ran" in invoke("stats", "--state", str(state)).stdout


READERS = (["export"], ["stats"], ["trace"], ["trace", "E1"], ["explain", "E1", "f1"], ["fairness"])


@pytest.mark.parametrize("words", READERS, ids=" ".join)
@pytest.mark.parametrize("bytes_kept", [10, 4096, 8192])
def test_a_cut_file_is_damaged_state_with_a_way_out(state: Path, words: list[str], bytes_kept: int) -> None:
    """Exit code 4, the file, and that the next start makes it again from the journal; no traceback."""
    (path,) = day_files(state / "audit")
    path.write_bytes(path.read_bytes()[:bytes_kept])
    result = invoke(*words, "--state", str(state))
    assert result.exit_code == 4, result.output
    assert f"copygate: {path}: " in result.stderr
    assert "derives the log again from the journal" in result.stderr


@pytest.mark.parametrize("words", [w for w in READERS if w[0] != "explain"], ids=" ".join)
def test_a_file_of_a_crash_before_its_first_commit_is_empty(state: Path, words: list[str]) -> None:
    """It has no tables yet: what the other days hold is shown."""
    (state / "audit" / "audit-20241005.db").touch()
    result = invoke(*words, "--state", str(state))
    assert result.exit_code == 0, result.output


def test_an_export_that_cannot_be_written_names_the_file(state: Path) -> None:
    """Exit code 3 and one line; it was a traceback."""
    for out in (state / "none" / "log.jsonl", state):
        result = invoke("export", str(out), "--state", str(state))
        assert result.exit_code == 3
        assert f"copygate: {out}: the export cannot be written: " in result.stderr
        assert "a folder that exists" in result.stderr


@pytest.mark.parametrize("words", [[], ["--state", "nowhere"], ["--config", "nowhere.toml"]])
def test_a_deployment_that_is_not_there_is_a_usage_error(words: list[str]) -> None:
    """Exit code 2 and one line that says what to do."""
    result = invoke("stats", *words)
    assert result.exit_code == 2
    assert "copygate:" in result.output


def test_places_come_from_the_configuration(tmp_path: Path) -> None:
    """state_dir is relative to the file; observers are off unless named."""
    config = tmp_path / "gateway.toml"
    config.write_text('[gateway]\nstate_dir = "s"\n[core]\nobservers = "ipc"\n')
    assert places(config).journal == tmp_path / "s/core/journal.db"
    assert places(config).observers == f"ipc://{tmp_path}/s/run/observers.ipc"
    config.write_text("")
    assert (places(config).state, places(config).observers) == (tmp_path / "state", None)
