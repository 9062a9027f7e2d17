//! Starts that must not succeed, and what can be done about each.
#![allow(clippy::unwrap_used)]
mod common;

use common::open;
use journal::{Durability, JournalError, Remedy, RouteLog};
use std::fs;
use std::path::Path;

fn refused(folder: &Path) -> JournalError {
    match open(folder) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// A folder whose journal has rows, with its write-ahead log still beside it, as `kill -9` leaves them.
fn killed() -> tempfile::TempDir {
    let made = tempfile::tempdir().unwrap();
    let pipeline = open(made.path()).unwrap();
    pipeline.submit("leader", "L", b"x", 2_000).unwrap();
    let left = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal", "lock"] {
        fs::copy(made.path().join(name), left.path().join(name)).unwrap();
    }
    left
}

/// An empty file without a history is a start that was cut short, and is begun anew.
#[test]
fn an_empty_file_without_history_is_new() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("journal.db"), b"").unwrap();
    assert_eq!(open(folder.path()).unwrap().epoch(), 1);
}

/// SQLite would delete the log beside an empty file, the last copy of the rows: refused, and the log is still there.
#[test]
fn an_empty_file_beside_a_log_is_damage_and_the_log_is_kept() {
    let folder = killed();
    let wal = fs::read(folder.path().join("journal.db-wal")).unwrap();
    for empty in [true, false] {
        let path = folder.path().join("journal.db");
        if empty {
            fs::write(&path, b"").unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let error = refused(folder.path());
        assert_eq!(error.remedy(), Remedy::Restore);
        assert!(error.to_string().contains("beside a write-ahead log"), "{error}");
        assert_eq!(fs::read(folder.path().join("journal.db-wal")).unwrap(), wal);
    }
}

/// A journal that is empty or gone after it had rows is damage: a start from nothing would forget positions.
#[test]
fn a_journal_that_lost_everything_is_damage() {
    for gone in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let path = folder.path().join("journal.db");
        if gone {
            fs::remove_file(&path).unwrap()
        } else {
            fs::write(&path, b"").unwrap()
        }
        let error = refused(folder.path());
        assert_eq!(error.remedy(), Remedy::Restore);
        assert!(error.to_string().contains("it had rows before"), "{error}");
    }
}

/// The route's file is held to the same: its row numbers must never begin again.
#[test]
fn a_route_file_that_lost_everything_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(RouteLog::open(folder.path(), Durability::Process, 1).unwrap());
    fs::write(folder.path().join("route.db"), b"").unwrap();
    let error = RouteLog::open(folder.path(), Durability::Process, 1).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Restore);
}

/// Whoever restarts processes learns what may heal and what will not.
#[test]
fn each_failure_names_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    assert_eq!(refused(folder.path()).remedy(), Remedy::Environment);
    drop(first);
    fs::write(folder.path().join("journal.db"), vec![7; 9_000]).unwrap();
    assert_eq!(refused(folder.path()).remedy(), Remedy::Restore);
    assert_eq!(JournalError::Config(String::new()).remedy(), Remedy::Config);
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let path = folder.path().to_owned();
    assert_eq!(JournalError::Io { path, doing: "x", source: full }.remedy(), Remedy::Room);
}

const TWO: &str = r#"{"deployment":"t","profiles":[{"name":"p","begin_string":"FIX.4.4"}],
    "instruments":[{"name":"X","contract_size":"1","lot_step":"1","min_lot":"1","tick":"1","currency":"USD"}],
    "leaders":[{"name":"l","session":"L","profile":"p","symbols":{"X":"X"},"assume_flat":true}],
    "routes":[{"name":"r","session":"R","profile":"p"}],
    "followers":[{"name":"FIRST","route":"r","account":"F","symbols":{"X":"X"}},
                 {"name":"SECOND","route":"r","account":"G","symbols":{"X":"X"}}],"subscriptions":[]}"#;

/// Positions are kept by place: a configuration whose names moved would hand them to another account. Refused before a
/// row is written; the earlier one starts again.
#[test]
fn a_configuration_whose_names_moved_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = |text: &str| {
        journal::Pipeline::<fastcore::engine::Engine>::open(folder.path(), text, Durability::Process, 1_000)
    };
    drop(start(TWO).unwrap());
    let moved = TWO.replace("FIRST", "THIRD").replace("SECOND", "FIRST").replace("THIRD", "SECOND");
    match start(&moved).map(|_| ()) {
        Err(JournalError::Config(text)) => assert!(text.contains("\"FIRST\" was removed or moved"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(start(TWO).unwrap().epoch(), 2, "the refused start left no row");
}
