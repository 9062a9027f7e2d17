//! The route's durable half: rows before sends, rows until acknowledged, nothing twice across restarts.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use fastcore::link::{self, Frame, Greet, OrdersWriter, Row, SendKind, decode};
use journal::{Durability, JournalError, RoutePipeline};
use rusqlite::Connection;
use std::path::Path;

const NOW: i64 = 1_000_000;

fn open(path: &Path) -> journal::Result<RoutePipeline> {
    RoutePipeline::open(path, "r1", &["R1".to_owned()], 3_600_000, Durability::Process, NOW)
}

fn greet(incarnation: u64, acked_row: u64) -> Vec<u8> {
    link::encode_greet(&Greet { epoch: 3, incarnation, acked_row, kill: 0 })
}

fn orders(incarnation: u64, ids: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = OrdersWriter::begin(&mut out, 3, incarnation, 40);
    for id in ids {
        writer.order(id, 1, SendKind::New, 0, "R1", |o| o.extend_from_slice(id.as_bytes())).unwrap();
    }
    writer.finish();
    out
}

/// A greeted route with its session logged on: rows 1 LOGON, 2 SYNC.
fn ready(path: &Path) -> RoutePipeline {
    let route = open(path).unwrap();
    route.session("R1", true, NOW).unwrap();
    route.receive(&greet(1, 0), NOW).unwrap();
    route
}

/// Rows of frames in words.
fn words(frames: &[Vec<u8>]) -> Vec<String> {
    let mut list = Vec::new();
    for frame in frames {
        match decode(frame).unwrap() {
            Frame::Hello(h) => list.push(format!("hello {} {}", h.incarnation, h.first_row)),
            Frame::Rows(rows) => list.extend(rows.iter().map(|r| match r.row {
                Row::Out { keys, .. } => format!("{} out {}", r.row_no, keys.iter().count()),
                Row::NotSent { cl_ord_id, .. } => format!("{} not_sent {cl_ord_id}", r.row_no),
                Row::In { msg_seq_num, .. } => format!("{} in {msg_seq_num}", r.row_no),
                Row::Rejected { cl_ord_id, .. } => format!("{} rejected {cl_ord_id}", r.row_no),
                Row::Sync { incarnation, epoch } => format!("{} sync {incarnation} {epoch}", r.row_no),
                Row::Logon { .. } => format!("{} logon", r.row_no),
                other => format!("{} {other:?}", r.row_no),
            })),
            other => panic!("not a route's frame: {other:?}"),
        }
    }
    list
}

fn failure<T>(result: journal::Result<T>) -> String {
    match result {
        Ok(_) => panic!("it worked"),
        Err(error) => error.to_string(),
    }
}

/// What is handed out has its OUT row in the file already: one row per frame.
#[test]
fn a_send_has_its_out_row_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    let sends = route.receive(&orders(1, &["A", "B"]), NOW).unwrap();
    assert_eq!(sends, [("R1".to_owned(), b"A".to_vec()), ("R1".to_owned(), b"B".to_vec())]);
    let seen: i64 = Connection::open(folder.path().join("route.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM seen WHERE reason = 0", [], |r| r.get(0))
        .unwrap();
    assert_eq!(seen, 2);
    assert_eq!(words(&route.pending(9_999).unwrap()), ["1 logon", "2 sync 1 3", "3 out 2"]);
    assert!(route.pending(9_999).unwrap().is_empty(), "each row goes once per link");
}

/// After a restart, and after an acknowledgement, a try that left does not leave again.
#[test]
fn a_try_that_left_does_not_leave_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.receive(&orders(1, &["A"]), NOW).unwrap();
    route.receive(&link::encode_ack(3), NOW).unwrap();
    drop(route);
    let route = open(folder.path()).unwrap();
    assert_eq!(route.identity(), b"r1/2");
    route.session("R1", true, NOW).unwrap();
    route.receive(&greet(2, 3), NOW).unwrap();
    assert!(route.receive(&orders(2, &["A"]), NOW).unwrap().is_empty());
    assert_eq!(route.receive(&orders(2, &["A", "B"]), NOW).unwrap().len(), 1);
}

/// Rows that the core has not acknowledged go again on a new link, behind HELLO; acknowledged ones are gone.
#[test]
fn unacknowledged_rows_go_again_on_a_new_link() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.record("R1", 7, b"8=FIX", NOW).unwrap();
    route.pending(9_999).unwrap();
    route.receive(&link::encode_ack(1), NOW).unwrap();
    route.receive(&link::encode_ack(99), NOW).unwrap();
    route.relink().unwrap();
    assert_eq!(words(&route.pending(9_999).unwrap()), ["hello 1 2", "2 sync 1 3", "3 in 7"]);
}

/// Row numbers rise for ever: not even an empty file after a restart begins again.
#[test]
fn row_numbers_never_begin_again() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.receive(&link::encode_ack(2), NOW).unwrap();
    drop(route);
    let route = open(folder.path()).unwrap();
    assert_eq!(route.record("R1", 1, b"x", NOW).unwrap(), 3);
}

/// The beat of a newer core makes the route say HELLO again.
#[test]
fn a_new_core_epoch_is_answered_by_hello() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.pending(9_999).unwrap();
    route.receive(&link::encode_beat(4, 1), NOW).unwrap();
    assert_eq!(words(&route.pending(9_999).unwrap())[0], "hello 1 1");
}

/// A core that does not know the link is told HELLO, under the same epoch too: it may have taken the route for lost.
#[test]
fn a_core_that_asks_is_told_hello_once() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.pending(9_999).unwrap();
    route.receive(&link::encode_beat(3, 1), NOW).unwrap();
    assert!(route.pending(9_999).unwrap().is_empty(), "the beat of the same core asks nothing");
    for _ in 0..2 {
        route.receive(&link::encode_who(), NOW).unwrap();
    }
    assert_eq!(words(&route.pending(9_999).unwrap()), ["hello 1 1", "1 logon", "2 sync 1 3"]);
    assert!(route.pending(9_999).unwrap().is_empty());
}

/// A HELLO or a GREET that gets lost on a link that lives: it is said again, until it is answered.
#[test]
fn a_hello_without_an_answer_is_said_again() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.relink().unwrap();
    assert_eq!(words(&route.pending(9_999).unwrap())[0], "hello 1 1");
    let hellos = |beats: usize| {
        let said = (0..beats).map(|_| {
            route.beat().unwrap();
            route.pending(9_999).unwrap().len()
        });
        said.filter(|frames| *frames > 0).count()
    };
    assert_eq!(hellos(4), 0, "the core may be busy");
    assert_eq!(hellos(1), 1);
    assert_eq!(hellos(5), 1);
    let greet = link::Greet { epoch: 3, incarnation: 1, acked_row: 2, kill: 0 };
    route.receive(&link::encode_greet(&greet), NOW).unwrap();
    route.pending(9_999).unwrap();
    route.receive(&link::encode_ack(3), NOW).unwrap();
    assert_eq!(hellos(20), 0);
}

/// Rows that get lost on a link that lives go again until they are acknowledged, and no other ones.
#[test]
fn rows_without_an_acknowledgement_go_again() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.record("R1", 7, b"8=FIX", NOW).unwrap();
    assert_eq!(words(&route.pending(9_999).unwrap()), ["1 logon", "2 sync 1 3", "3 in 7"]);
    route.receive(&link::encode_ack(2), NOW).unwrap();
    let beats = |count: usize| {
        let said = (0..count).flat_map(|_| {
            route.beat().unwrap();
            words(&route.pending(9_999).unwrap())
        });
        said.collect::<Vec<_>>()
    };
    assert!(beats(5).is_empty(), "the core may be busy");
    assert_eq!(beats(1), ["3 in 7"]);
    assert_eq!(beats(6), ["3 in 7"]);
    route.receive(&link::encode_ack(3), NOW).unwrap();
    assert!(beats(30).is_empty());
}

/// HELLO names the sessions that are up and the highest journal number that came with orders, across restarts.
#[test]
fn hello_names_the_highest_journal_number() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.receive(&orders(1, &["A"]), NOW).unwrap();
    drop(route);
    let bytes = open(folder.path()).unwrap().hello().unwrap();
    let Frame::Hello(hello) = decode(&bytes).unwrap() else { panic!("not HELLO") };
    assert_eq!((hello.highest_journal_no, hello.incarnation, hello.first_row), (40, 2, 1));
    assert_eq!(hello.sessions().count(), 0);
}

/// A report that cannot be written is an error, and tried again it is one row.
#[test]
fn a_report_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    let blocker = Connection::open(folder.path().join("route.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = failure(route.record("R1", 7, b"x", NOW));
    assert!(error.contains("append row 3") && error.contains("another program"), "{error}");
    assert!(route.receive(&orders(1, &["A"]), NOW).is_err(), "no OUT row, nothing to send");
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(route.record("R1", 7, b"x", NOW).unwrap(), 3);
}

fn fix(text: &str) -> Vec<u8> {
    format!("8=FIX.4.4|{text}10=000|").replace('|', "\x01").into_bytes()
}

/// A reject that names our message by its number only comes with the ClOrdID(11) that had it (09.10).
#[test]
fn a_reject_by_number_names_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.sent("R1", &fix("35=D|34=7|11=A|")).unwrap();
    route.sent("R9", &fix("35=D|34=7|11=STRANGER|")).unwrap();
    route.record("R1", 4, &fix("35=3|34=4|45=7|"), NOW).unwrap();
    route.record("R1", 5, &fix("35=j|34=5|45=8|"), NOW).unwrap();
    assert_eq!(words(&route.pending(9_999).unwrap())[2..], ["3 rejected A", "4 in 5"]);
    drop(route);
    // The numbers of an earlier process are not known any more: asked about, as any order without a report.
    let route = open(folder.path()).unwrap();
    route.record("R1", 6, &fix("35=3|34=6|45=7|"), NOW).unwrap();
    assert_eq!(words(&route.pending(9_999).unwrap()).last().unwrap(), "5 in 6");
}

/// What the FIX engine counted but nobody wrote is asked for again: the number follows the rows, not its store.
#[test]
fn the_expected_number_follows_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    assert_eq!(route.expected_seq_num("R1").unwrap(), None);
    route.record("R1", 7, b"8=FIX", NOW).unwrap();
    route.record("R1", 8, b"8=FIX", NOW).unwrap();
    route.receive(&link::encode_ack(4), NOW).unwrap();
    drop(route);
    let route = open(folder.path()).unwrap();
    assert_eq!(
        route.expected_seq_num("R1").unwrap(),
        Some(9),
        "acknowledged rows are deleted, the number stays"
    );
    route.record("R1", 2, b"8=FIX", NOW).unwrap();
    assert_eq!(route.expected_seq_num("R1").unwrap(), Some(3), "the session began anew");
    route.gap("R1", 3, 6, NOW).unwrap();
    assert_eq!(
        route.expected_seq_num("R1").unwrap(),
        Some(7),
        "what the broker skipped is not asked for again"
    );
    assert_eq!(route.expected_seq_num("R2").unwrap(), None);
}

/// Damage names the row; a second owner and a bad name are told.
#[test]
fn damage_locks_and_names_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    assert!(matches!(open(folder.path()), Err(JournalError::Locked(_))));
    let other = Connection::open(folder.path().join("route.db")).unwrap();
    other.execute_batch("UPDATE rows SET body = x'00' WHERE row_no = 2").unwrap();
    assert!(failure(route.pending(9_999)).contains("row 2: its bytes do not match its checksum"));
    other.execute_batch("DELETE FROM rows WHERE row_no = 1").unwrap();
    assert!(failure(route.pending(9_999)).contains("row 1: it is missing"));
    let bad = RoutePipeline::open(folder.path(), "a/b", &[], 1, Durability::Process, NOW);
    assert!(matches!(bad, Err(JournalError::Config(_))));
}

/// Frames stay near the asked size, and nothing is left out between them.
#[test]
fn pending_is_cut_into_frames_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    for n in 0..600 {
        route.record("R1", n, &[b'x'; 100], NOW).unwrap();
    }
    let mut list = Vec::new();
    loop {
        let frames = route.pending(20_000).unwrap();
        if frames.is_empty() {
            break;
        }
        assert!(frames.iter().map(Vec::len).sum::<usize>() < 60_000);
        list.extend(words(&frames));
    }
    assert_eq!((list.len(), list[601].as_str()), (602, "602 in 599"));
}

/// What a watchdog looks at: rows that the core has not acknowledged, and the longest write, once.
#[test]
fn what_is_watched_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    let (rows, slowest_ns) = route.watched().unwrap();
    assert_eq!(rows, 2);
    assert!(slowest_ns > 0);
    route.receive(&link::encode_ack(2), NOW).unwrap();
    assert_eq!(route.watched().unwrap(), (0, 0));
    route.record("R1", 1, b"8=FIX", NOW).unwrap();
    assert!(route.watched().unwrap().1 > 0);
}

fn number(route: &RoutePipeline, key: &str) -> u64 {
    let status: serde_json::Value = serde_json::from_str(&route.status().unwrap()).unwrap();
    status.get(key).and_then(serde_json::Value::as_u64).unwrap()
}

fn remembered(route: &RoutePipeline) -> u64 {
    number(route, "remembered")
}

/// Tries are forgotten when they are old and the core has their rows, never before; what is not forgotten is still barred,
/// also after a restart.
#[test]
fn old_tries_are_forgotten_once_the_core_has_their_rows() {
    const S: i64 = 1_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    route.receive(&orders(1, &["A", "B"]), 100 * S).unwrap(); // row 3
    route.receive(&orders(1, &["C"]), 130 * S).unwrap(); // row 4
    route.receive(&orders(1, &["D"]), 160 * S).unwrap(); // row 5
    assert_eq!(
        (route.forget(1_000 * S).unwrap(), remembered(&route)),
        (0, 4),
        "the core has none of the rows"
    );
    route.receive(&link::encode_ack(4), 170 * S).unwrap();
    assert_eq!((route.forget(99 * S).unwrap(), remembered(&route)), (0, 4), "all of them are younger");
    assert_eq!((route.forget(120 * S).unwrap(), remembered(&route)), (2, 2), "C is younger");
    assert_eq!((route.forget(1_000 * S).unwrap(), remembered(&route)), (1, 1), "D is not acknowledged");
    assert_eq!(route.forget(1_000 * S).unwrap(), 0);
    drop(route);
    let route = open(folder.path()).unwrap();
    assert_eq!(remembered(&route), 1);
    route.session("R1", true, 170 * S).unwrap();
    route.receive(&greet(2, 4), 170 * S).unwrap();
    assert!(route.receive(&orders(2, &["D"]), 170 * S).unwrap().is_empty(), "D left before");
}

/// Many are forgotten some at a time, the oldest first: orders wait meanwhile.
#[test]
fn many_tries_are_forgotten_some_at_a_time() {
    const S: i64 = 1_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let route = ready(folder.path());
    let names: Vec<String> = (0..5_000).map(|n| format!("N{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    route.receive(&orders(1, &names), 100 * S).unwrap();
    route.receive(&link::encode_ack(number(&route, "next_row") - 1), 100 * S).unwrap();
    let gone: Vec<usize> = (0..4).map(|_| route.forget(200 * S).unwrap()).collect();
    assert_eq!((gone, remembered(&route)), (vec![2_000, 2_000, 1_000, 0], 0));
}

/// A file that was made before tries had an age is opened as it is, and learns it.
#[test]
fn a_file_of_an_earlier_version_learns_the_age_of_tries() {
    const S: i64 = 1_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    drop(ready(folder.path()));
    let file = Connection::open(folder.path().join("route.db")).unwrap();
    file.execute_batch("DROP TABLE marks; DROP INDEX seen_by_row; INSERT INTO seen VALUES ('OLD', 1, 0, 2);")
        .unwrap();
    drop(file);
    let route = open(folder.path()).unwrap();
    route.session("R1", true, 100 * S).unwrap();
    route.receive(&greet(2, 0), 100 * S).unwrap();
    assert_eq!(remembered(&route), 1);
    route.receive(&link::encode_ack(4), 100 * S).unwrap();
    assert_eq!(route.forget(100 * S).unwrap(), 0, "its age is not known: it counts from now");
    assert_eq!(route.forget(120 * S).unwrap(), 1);
}
