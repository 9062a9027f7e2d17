"""The store keeps output and place together, over crashes and over midnight."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlite_utils

from gateway.audit.entry import Entry, EntryError, from_replay
from gateway.audit.store import Store, StoreError, day_files, read_entries
from gateway.audit.tail import Tail, follow, status
from tests.unit.audit_rows import DAY_NS, T0_NS, FakeReplay, Row, decision, outcome

ROWS = [
    row
    for journal in range(1, 400)
    for row in (
        [decision(journal, k, 3) for k in (1, 2, 3)] if journal % 3 else [outcome(journal, "C1-1", "out")]
    )
]
HEAD = 400


def nobody(_entry: Entry) -> None:
    """No observer."""


def run(folder: Path, rows: list[Row], head: int) -> list[bytes]:
    """Follows to the end with a fresh store; returns the log."""
    with Store(folder) as store:
        tail = Tail(FakeReplay(rows, head, store.journal), store, nobody)
        while tail.pass_once():
            continue
    return [data for _, data in read_entries(folder)]


def test_the_log_has_every_entry_once_in_order(tmp_path: Path) -> None:
    """Genesis first, then what the replay said; bundles are full but the last."""
    log = run(tmp_path, ROWS, HEAD)
    assert json.loads(log[0])["kind"] == "genesis"
    assert log[1:] == [from_replay(*row).data for row in ROWS]
    db = sqlite3.connect(day_files(tmp_path)[0])
    widths = [width for (width,) in db.execute("SELECT width FROM entries ORDER BY n")]
    db.close()
    assert widths[:-1] == [256] * (len(widths) - 1)
    assert sum(widths) == len(log)


def test_a_crash_between_journal_row_and_commit_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Kill in any step: what is on disk then, followed on, gives the same bytes as no kill at all."""
    whole = run(tmp_path / "whole", ROWS, HEAD)
    live = tmp_path / "live"
    with Store(live) as store:
        tail = Tail(FakeReplay(ROWS, HEAD), store, nobody)
        for step in range(1000):
            # The copy is what a kill leaves: database and WAL as they are, no clean close.
            crashed = tmp_path / f"crash{step}"
            shutil.copytree(live, crashed)
            assert run(crashed, ROWS, HEAD) == whole
            if not tail.pass_once():
                break
    assert step > 3


@pytest.mark.parametrize("applied", [False, True])
def test_a_commit_that_fails_is_repaired_by_the_next_start(tmp_path: Path, applied: bool) -> None:
    """A commit that was not applied, and one that was applied but answered with an error."""

    class Failing(Store):
        def _commit(self, day: str, entries: list[Entry], journal: int) -> None:
            if applied:
                super()._commit(day, entries, journal)
            raise sqlite3.OperationalError("disk I/O error")

    whole = run(tmp_path / "whole", ROWS, HEAD)
    seen: list[Entry] = []
    folder = tmp_path / "live"
    with Failing(folder) as store, pytest.raises(sqlite3.OperationalError):
        Tail(FakeReplay(ROWS, HEAD), store, seen.append).pass_once()
    assert seen == []
    assert run(folder, ROWS, HEAD) == whole


def test_a_replay_that_starts_one_row_early_doubles_nothing(tmp_path: Path) -> None:
    """Rows that are stored are dropped, whatever the replay gives again."""
    with Store(tmp_path) as store:
        entries = [from_replay(*row) for row in ROWS[:10]]
        store.append(entries, ROWS[9][0])
        size = store.size
        assert store.append(entries, ROWS[9][0]) == 0
        assert store.size == size


def test_midnight_starts_a_file_and_the_log_runs_on(tmp_path: Path) -> None:
    """The cut bundle is carried over, the old day is sealed, its hash stands in the new one."""
    rows = [decision(j, at_ns=T0_NS + j * DAY_NS // 300) for j in range(1, 600)]
    log = run(tmp_path, rows, 600)
    assert log[1:] == [from_replay(*row).data for row in rows]
    files = day_files(tmp_path)
    assert len(files) == 3
    assert files[0].stat().st_mode & 0o222 == 0
    db = sqlite3.connect(files[1])
    sealed = db.execute("SELECT file FROM sealed").fetchall()
    db.close()
    assert sealed == [(files[0].name,)]


def test_the_row_at_midnight_stays_whole(tmp_path: Path) -> None:
    """All decisions of one journal row are in one file, even when their times straddle midnight."""
    midnight = 20_001 * DAY_NS
    rows = [decision(1, 1, 2, at_ns=midnight - 1), decision(1, 2, 2, at_ns=midnight)]
    run(tmp_path, rows, 1)
    assert [path.name for path in day_files(tmp_path)] == ["audit-20241004.db"]


def test_a_file_from_a_crash_before_its_first_commit_is_empty_and_used(tmp_path: Path) -> None:
    """A kill right behind the creation of a day's file leaves a file without a place."""
    Store(tmp_path).close()
    sqlite3.connect(tmp_path / "audit-20241004.db").close()
    assert len(run(tmp_path, ROWS, HEAD)) == len(ROWS) + 1


def test_a_missing_bundle_is_an_error_not_a_shorter_log(tmp_path: Path) -> None:
    """A gap is named."""
    run(tmp_path, ROWS, HEAD)
    db = sqlite3.connect(day_files(tmp_path)[0])
    with db:
        db.execute("DELETE FROM entries WHERE n = 1")
    db.close()
    with pytest.raises(EntryError, match="entries 256 to 511 are missing"):
        list(read_entries(tmp_path))


def test_two_writers_of_one_folder_are_refused(tmp_path: Path) -> None:
    """The second one is told that another process writes."""
    with Store(tmp_path), pytest.raises(StoreError, match="another audit process"):
        Store(tmp_path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """The message says what to do."""
    (tmp_path / "audit-20241004.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"audit-20241004\.db.*Move the file away"):
        Store(tmp_path)


def test_a_journal_that_lost_its_tail_stops_the_audit(tmp_path: Path) -> None:
    """09, 7: the log has row 400, the journal ends before it."""
    run(tmp_path, ROWS, HEAD)
    with Store(tmp_path) as store, pytest.raises(StoreError, match="journal_tail_lost"):
        Tail(FakeReplay(ROWS, 10, 10), store, nobody).check_head()


def test_observers_see_only_what_is_stored(tmp_path: Path) -> None:
    """Publishing comes behind the commit."""
    with Store(tmp_path) as store:
        tail = Tail(FakeReplay(ROWS, HEAD), store, lambda entry: seen.append(entry.journal <= store.journal))
        seen: list[bool] = []
        while tail.pass_once():
            continue
    assert len(seen) == len(ROWS)
    assert all(seen)


def test_a_stop_drains_the_journal_first_and_says_so(tmp_path: Path) -> None:
    """After a clean stop the lag is 0 and status.json says stopped."""
    stop = threading.Event()
    stop.set()
    with Store(tmp_path) as store:
        follow(Tail(FakeReplay(ROWS, HEAD), store, nobody), store, stop, lambda: T0_NS)
    said = json.loads((tmp_path / "status.json").read_text())
    assert (said["state"], said["journal"], said["lag_rows"]) == ("stopped", HEAD, 0)


def test_lag_is_rows_and_time_behind(tmp_path: Path) -> None:
    """Five rows wait; the last entry is two seconds old."""
    with Store(tmp_path) as store:
        store.append([from_replay(*decision(1, at_ns=T0_NS))], 1)
        said = status(store, 6, T0_NS + 2_000_000_000, "following")
    assert (said["lag_rows"], said["lag_ns"]) == (5, "2000000000")


def test_sqlite_utils_opens_the_file_usefully(tmp_path: Path) -> None:
    """Typed tables with keys, foreign keys and indexes; views with readable times, one line per order."""
    rows = [outcome(400, "C1-1", "filled", T0_NS + 3_000_000)]
    refused = decision(400, code="stale", result="refused", orders=[])
    run(tmp_path, [*ROWS, refused, *rows], HEAD)
    db = sqlite_utils.Database(day_files(tmp_path)[0])
    assert {"decision", "child_order", "outcome", "entry"} <= set(db.table_names())
    assert {"decisions", "orders", "order_latency", "outcomes", "refusals", "latency"} <= set(db.view_names())
    assert [key.other_table for key in db.table("child_order").foreign_keys] == ["decision"]
    assert db.table("decision").pks == ["id"]
    first = next(iter(db.query("SELECT * FROM decisions ORDER BY id LIMIT 1")))
    assert first["at"] == "2024-10-04T10:00:00.001000Z"
    assert list(db.query("SELECT code, decisions FROM refusals")) == [{"code": "stale", "decisions": 1}]
    assert next(iter(db.query("SELECT * FROM latency LIMIT 1")))["whole_ns"] == 30_000
    order = next(iter(db.query("SELECT * FROM orders WHERE cl_ord_id = ?", ["C1-1"])))
    assert (order["follower"], order["state"], order["filled_qty"]) == ("f1", "filled", "500")
    times = next(iter(db.query("SELECT * FROM order_latency WHERE cl_ord_id = ?", ["C1-1"])))
    assert (times["journal_us"], times["received_to_filled_us"]) == (20, 2_000)
    by = {tuple(index.columns) for name in ("decision", "outcome") for index in db.table(name).indexes}
    assert {("exec_id",), ("follower",), ("cl_ord_id",)} <= by
    db.close()
