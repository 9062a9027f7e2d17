//! The pipeline: nothing is acted on that is not journaled, and a replay decides alike or stops.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod common;

use common::{CONFIG, Toy, ToyOf, open, orders, status};
use fastcore::link::{self, Frame, Row, RowRef};
use journal::{Durability, JournalError, Pipeline, Replay};
use rusqlite::Connection;
use std::path::Path;

fn hello(incarnation: u64) -> Vec<u8> {
    link::encode_hello("r1", incarnation, 5, 1, 0, &["R1"]).unwrap()
}

fn rows_frame() -> Vec<u8> {
    link::encode_rows(1, &[RowRef { row_no: 1, at_ns: 1, row: Row::Logon { session: "R1" } }]).unwrap()
}

/// Opens the file behind the writer's back.
fn sql(folder: &Path, text: &str) {
    Connection::open(folder.join("journal.db")).unwrap().execute_batch(text).unwrap();
}

fn failure(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    }
}

/// A folder with START and three leader rows.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    for text in ["a", "bb", "ccc"] {
        pipeline.submit("leader", "L", text.as_bytes(), 2_000).unwrap();
    }
    pipeline.close().unwrap();
    folder
}

/// Numbers rise by one, START is the first, and frames come out in decision order for the linked route.
#[test]
fn submit_numbers_rows_and_queues_frames_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    assert_eq!(pipeline.receive(b"r1/1", &hello(1), 2_000).unwrap(), 2);
    assert_eq!(pipeline.submit("leader", "L", b"a", 2_000).unwrap(), 3);
    assert_eq!(pipeline.submit("leader", "L", b"b", 2_000).unwrap(), 4);
    let first = pipeline.drain(1).unwrap();
    assert_eq!((orders(&first), first[0].0.as_slice()), (vec![("ID3".into(), "a".into())], &b"r1/1"[..]));
    assert_eq!(orders(&pipeline.drain(9).unwrap()), [("ID4".into(), "b".into())]);
    assert!(pipeline.drain(9).unwrap().is_empty());
}

/// Frames for a route without a link are counted, not queued for a peer that may never come.
#[test]
fn frames_for_an_unlinked_route_are_dropped_and_counted() {
    let folder = filled();
    let pipeline = open(folder.path()).unwrap();
    pipeline.submit("leader", "L", b"x", 9_000).unwrap();
    assert!(pipeline.drain(9).unwrap().is_empty());
    assert_eq!(status(&pipeline)["pipeline"]["dropped"], 1);
}

/// Only shells' kinds are taken: START is written by open alone.
#[test]
fn an_unknown_kind_is_refused() {
    let folder = filled();
    let pipeline = open(folder.path()).unwrap();
    assert!(pipeline.submit("start", "", b"", 1).is_err());
    assert!(pipeline.submit("nonsense", "", b"", 1).is_err());
}

/// A restart replays to the same state and raises the epoch.
#[test]
fn a_restart_replays_and_raises_the_epoch() {
    let folder = filled();
    let pipeline = open(folder.path()).unwrap();
    assert_eq!(pipeline.epoch(), 2);
    assert_eq!(status(&pipeline)["applied"], 5);
    assert_eq!(pipeline.expected_seq_num("L").unwrap(), Some(6));
}

/// A snapshot gives the same state as the whole replay, and rows before it are not read again.
#[test]
fn a_snapshot_is_as_good_as_a_replay() {
    let folder = filled();
    {
        let pipeline = open(folder.path()).unwrap();
        assert_eq!(pipeline.snapshot_seq().unwrap(), 0);
        pipeline.snapshot(3_000).unwrap();
        pipeline.submit("leader", "L", b"after", 3_000).unwrap();
        pipeline.close().unwrap();
    }
    sql(folder.path(), "UPDATE rows SET payload = x'00' WHERE seq = 2");
    let pipeline = open(folder.path()).unwrap();
    assert_eq!((status(&pipeline)["applied"].clone(), pipeline.snapshot_seq().unwrap()), (7.into(), 5));
    sql(folder.path(), "UPDATE snapshots SET state = x'00'");
    drop(pipeline);
    assert!(failure(folder.path()).contains("row 5: the snapshot after it does not match its checksum"));
}

/// Another program on the same rows stops at the first row that it decides otherwise, and names it.
#[test]
fn a_replay_that_decides_otherwise_stops_at_its_row() {
    let folder = filled();
    let live = Pipeline::<ToyOf<1>>::open(folder.path(), CONFIG, Durability::Process, 3_000);
    assert!(matches!(live, Err(JournalError::Mismatch { row: 3, .. })), "row 3 holds bb");
    let mut replay = Replay::<ToyOf<1>>::open(folder.path(), 0, None).unwrap();
    assert!(matches!(replay.step(9), Err(JournalError::Mismatch { row: 3, .. })));
}

/// A configuration changes only at START, live and in replay alike.
#[test]
fn a_changed_configuration_takes_effect_at_start() {
    let folder = filled();
    let other = CONFIG.replace("\"1\"", "\"9\"");
    {
        let pipeline = Pipeline::<Toy>::open(folder.path(), &other, Durability::Power, 3_000).unwrap();
        pipeline.submit("leader", "L", b"x", 3_000).unwrap();
    }
    let pipeline = open(folder.path()).unwrap();
    assert_eq!(status(&pipeline)["applied"], 7);
}

/// A refused configuration leaves no row behind.
#[test]
fn a_refused_configuration_writes_nothing() {
    let folder = filled();
    let refused = Pipeline::<Toy>::open(folder.path(), "{}", Durability::Process, 3_000);
    assert!(matches!(refused, Err(JournalError::Config(_))));
    assert_eq!(Replay::<Toy>::open(folder.path(), 0, None).unwrap().head().unwrap(), 4);
}

/// Damage is named by file and row: a changed byte, a missing row, a foreign file, a truncated file.
#[test]
fn damage_names_file_and_row() {
    for (damage, says) in [
        ("UPDATE rows SET payload = x'00' WHERE seq = 3", "row 3: its bytes do not match its checksum"),
        ("DELETE FROM rows WHERE seq = 2", "row 2: it is missing, the next one is 3"),
        ("UPDATE rows SET kind = 'odd' WHERE seq = 4", "row 4: unknown event kind"),
        ("PRAGMA application_id = 99", "application id 99 is not ours"),
    ] {
        let folder = filled();
        sql(folder.path(), damage);
        let text = failure(folder.path());
        assert!(text.contains("journal.db") && text.contains(says), "{damage}: {text}");
    }
    let folder = filled();
    let file = folder.path().join("journal.db");
    sql(folder.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let text = failure(folder.path());
    assert!(text.contains("journal.db") && text.contains("torn or truncated"), "{text}");
    std::fs::write(&file, b"this is a text file, not a journal, and it is long enough").unwrap();
    assert!(failure(folder.path()).contains("not a journal"));
}

/// A row of another engine version is refused by name.
#[test]
fn another_engine_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut journal = journal::Journal::open(folder.path(), Durability::Process).unwrap();
        let payload = br#"{"engine":"0.0.1","config":{"salt":"1"}}"#.to_vec();
        let kind = fastcore::event::EventKind::Start;
        let row =
            journal::JournalRow { seq: 1, at_ns: 1, kind, session: String::new(), payload, prev_digest: 7 };
        journal.append(&row, &[]).unwrap();
    }
    assert!(failure(folder.path()).contains("written by engine 0.0.1"));
}

/// Two owners of a folder cannot be: the second is told.
#[test]
fn a_locked_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).unwrap();
    assert!(failure(folder.path()).contains("another process holds the lock"));
}

/// A write that fails is not applied; tried again, it is applied once.
#[test]
fn a_failed_write_is_not_applied_and_may_be_tried_again() {
    let folder = filled();
    let pipeline = open(folder.path()).unwrap();
    let blocker = Connection::open(folder.path().join("journal.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = pipeline.submit("leader", "L", b"x", 4_000).unwrap_err().to_string();
    assert!(error.contains("append row 6") && error.contains("another program holds the file"), "{error}");
    assert_eq!(status(&pipeline)["applied"], 5);
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(pipeline.submit("leader", "L", b"x", 4_000).unwrap(), 6);
    assert_eq!(status(&pipeline)["applied"], 6);
}

/// A full disk says so, and nothing is applied.
#[test]
fn a_full_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal::Journal::open(folder.path(), Durability::Process).unwrap();
    let kind = fastcore::event::EventKind::Leader;
    let payload = vec![7; 100_000];
    let row = journal::JournalRow { seq: 1, at_ns: 1, kind, session: String::new(), payload, prev_digest: 7 };
    journal.limit_pages(8).unwrap();
    let error = journal.append(&row, &[]).unwrap_err().to_string();
    assert!(error.contains("append row 1") && error.contains("the disk is full"), "{error}");
    assert_eq!(journal.head(), 0);
}

/// A row that was committed but answered with an error is recognised, not written twice.
#[test]
fn an_ambiguous_write_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = journal::Journal::open(folder.path(), Durability::Process).unwrap();
    let kind = fastcore::event::EventKind::Leader;
    let payload = b"x".to_vec();
    let mut row =
        journal::JournalRow { seq: 1, at_ns: 1, kind, session: String::new(), payload, prev_digest: 7 };
    journal.append(&row, &[]).unwrap();
    journal.forget_head();
    journal.append(&row, &[]).unwrap();
    assert_eq!(journal.head(), 1);
    journal.forget_head();
    row.payload = b"y".to_vec();
    assert!(journal.append(&row, &[]).is_err(), "another row under this number is not ours");
}

/// Time never falls, whatever the wall clock does.
#[test]
fn time_in_the_journal_rises() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    pipeline.submit("leader", "L", b"x", 1).unwrap();
    pipeline.submit("leader", "L", b"x", -5).unwrap();
    drop(pipeline);
    let rows = journal::Journal::open(folder.path(), Durability::Process).unwrap().rows(0, 9).unwrap();
    assert_eq!(rows.iter().map(|r| r.at_ns).collect::<Vec<_>>(), [1_000, 1_001, 1_002]);
}

/// Timers are journaled when due, and not before.
#[test]
fn a_timer_is_a_row_when_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    assert_eq!(pipeline.next_due_ns(None).unwrap(), Some(5_000));
    assert_eq!((pipeline.tick(4_999).unwrap(), pipeline.tick(5_000).unwrap()), (0, 2));
}

/// A route that was silent for too long is taken for lost. It does not know: what it says next is answered by the
/// question who it is, and its HELLO links it again.
#[test]
fn a_route_that_was_lost_and_goes_on_is_asked_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    assert_eq!(pipeline.receive(b"r1/1", &hello(1), 2_000).unwrap(), 2);
    assert_eq!(pipeline.lost(b"r1/1", 3_000).unwrap(), 3);
    pipeline.drain(99).unwrap();
    assert_eq!(pipeline.receive(b"r1/1", &link::encode_route_beat(1, 1, 0), 4_000).unwrap(), 0);
    let told = pipeline.drain(99).unwrap();
    assert_eq!((told.len(), &told[0].0[..], link::decode(&told[0].1)), (1, &b"r1/1"[..], Ok(Frame::Who)));
    assert_eq!(pipeline.receive(b"r1/1", &hello(1), 5_000).unwrap(), 4);
    assert_eq!(pipeline.receive(b"r1/1", &rows_frame(), 6_000).unwrap(), 5, "it counts again");
}

/// Links: rows count only on the newest link; an older incarnation, a stranger and garbage are ignored.
#[test]
fn only_the_newest_link_of_a_route_counts() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    assert_eq!(pipeline.receive(b"r1/1", &rows_frame(), 2_000).unwrap(), 0, "no HELLO yet");
    let told = pipeline.drain(9).unwrap();
    assert_eq!(link::decode(&told[0].1), Ok(Frame::Who));
    assert_eq!(pipeline.receive(b"r1/2", &hello(2), 2_000).unwrap(), 2);
    assert_eq!(pipeline.receive(b"r1/2", &rows_frame(), 2_000).unwrap(), 3);
    assert_eq!(pipeline.receive(b"r1/1", &hello(1), 2_000).unwrap(), 0, "an older incarnation");
    assert_eq!(pipeline.receive(b"r1/3", &hello(2), 2_000).unwrap(), 0, "identity and HELLO differ");
    assert_eq!(pipeline.receive(b"r9/1", &hello(1), 2_000).unwrap(), 0, "a stranger");
    assert_eq!(pipeline.receive(b"r1/2", b"garbage", 2_000).unwrap(), 0);
    assert_eq!(pipeline.beat(0).unwrap()[0].0, b"r1/2");
    assert_eq!(pipeline.lost(b"r1/1", 2_000).unwrap(), 0);
    assert_eq!(pipeline.lost(b"r1/2", 2_000).unwrap(), 4);
    assert!(pipeline.beat(0).unwrap().is_empty());
}

/// An ORDERS frame that the socket refused becomes an event; other frames do not.
#[test]
fn refused_orders_are_told_to_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    pipeline.receive(b"r1/1", &hello(1), 2_000).unwrap();
    pipeline.submit("leader", "L", b"x", 2_000).unwrap();
    let (to, frame) = pipeline.drain(1).unwrap().remove(0);
    assert_eq!(pipeline.undeliverable(&to, &frame, 2_000).unwrap(), 4);
    assert_eq!(pipeline.undeliverable(&to, &link::encode_ack(1), 2_000).unwrap(), 0);
}

/// Stages of every row are in the file after a clean stop.
#[test]
fn stages_are_written_by_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    for _ in 0..200 {
        pipeline.submit("leader", "L", b"x", 2_000).unwrap();
    }
    pipeline.close().unwrap();
    let conn = Connection::open(folder.path().join("journal.db")).unwrap();
    let count: i64 = conn.query_row("SELECT count(*) FROM stages", [], |r| r.get(0)).unwrap();
    assert_eq!(count, 201);
    assert_eq!(status(&pipeline)["latency_us"]["n"], 201);
}

/// The audit's replay follows the tail, continues from its own state, and derives the same entries.
#[test]
fn a_replay_follows_the_tail_and_continues() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    let mut replay = Replay::<Toy>::open(folder.path(), 0, None).unwrap();
    pipeline.beat(1_500).unwrap();
    assert_eq!(replay.step(9).unwrap()[0].1, "start");
    assert!(replay.step(9).unwrap().is_empty());
    pipeline.submit("leader", "L", b"x", 2_000).unwrap();
    let state = replay.snapshot();
    assert!(replay.step(9).unwrap().is_empty(), "its stage times may still come");
    pipeline.beat(2_500).unwrap();
    let entries = replay.step(9).unwrap();
    let text = r#"{"at_ns":"2000","code":"seen","journal":2,"kind":"alert","text":"L"}"#;
    assert_eq!(entries, [(2, "alert".to_owned(), text.to_owned())]);
    assert_eq!((replay.position(), replay.head().unwrap()), (2, 2));
    let mut continued = Replay::<Toy>::open(folder.path(), 1, Some(&state)).unwrap();
    assert_eq!(continued.step(9).unwrap(), entries);
    let mut skipped = Replay::<Toy>::open(folder.path(), 1, None).unwrap();
    assert_eq!(skipped.step(9).unwrap(), entries);
    assert!(Replay::<Toy>::open(folder.path(), 2, Some(&state)).is_err(), "a state of another row");
    assert!(Replay::<Toy>::open(folder.path(), 3, None).is_err(), "beyond the end");
}

/// What a watchdog looks at: frames that wait, rows that each route keeps by its own word, the longest write, once.
#[test]
fn what_is_watched_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path()).unwrap();
    pipeline.receive(b"r1/1", &hello(1), 2_000).unwrap();
    pipeline.submit("leader", "L", b"a", 2_000).unwrap();
    let beat = |pipeline: &Pipeline<Toy>, queued| {
        assert_eq!(pipeline.receive(b"r1/1", &link::encode_route_beat(1, 9, queued), 3_000).unwrap(), 0);
    };
    beat(&pipeline, 7);
    // Of a process that is not linked any more: it is asked who it is, which is a frame too.
    pipeline.receive(b"r1/0", &link::encode_route_beat(0, 9, 99), 3_000).unwrap();
    let first = pipeline.watched().unwrap();
    assert_eq!((first.frames, first.rows), (2, vec![("r1".to_owned(), 7)]));
    assert!(first.slowest_ns > 0);
    assert_eq!(status(&pipeline)["pipeline"]["route_rows"]["r1"], 7);
    beat(&pipeline, 0);
    pipeline.drain(9).unwrap();
    let then = pipeline.watched().unwrap();
    assert_eq!((then.frames, then.rows, then.slowest_ns), (0, vec![("r1".to_owned(), 0)], 0));
    pipeline.snapshot(4_000).unwrap();
    assert!(pipeline.watched().unwrap().slowest_ns > 0, "rows wait for a snapshot");
}
