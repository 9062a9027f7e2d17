//! Damaged journals: a row that is read is the row that was written, or the error names it.
//!
//! Part of `make fuzz`; a failure names the command that repeats it.
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::panic)]

#[allow(dead_code)] // the core's own test uses all of it
#[path = "../../tests/allocations/deployment.rs"]
mod deployment;
#[allow(dead_code)]
#[path = "../../tests/fuzz/hunt.rs"]
mod hunt;
#[allow(dead_code)]
#[path = "../../tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../../tests/fuzz/rng.rs"]
mod rng;

use deployment::{config, leader_fill};
use fastcore::engine::Engine;
use fastcore::link::{self, Row, RowRef};
use hunt::{Tally, hunt, reached};
use journal::{Durability, Journal, JournalRow, Pipeline, Replay};
use rng::Rng;
use std::path::{Path, PathBuf};

const NOW: i64 = 1_700_000_000_000_000_000;
const COLUMNS: [&str; 7] = ["seq", "at_ns", "kind", "session", "payload", "prev_digest", "sum"];

/// A journal of some trading with a snapshot in its middle: its file's bytes, its rows, its folder.
struct Whole {
    bytes: Vec<u8>,
    rows: Vec<JournalRow>,
    snapshot: Vec<u8>,
    folder: tempfile::TempDir,
}

fn whole() -> Whole {
    let folder = tempfile::tempdir().unwrap();
    let pipeline =
        Pipeline::<Engine>::open(folder.path(), &config(3, |_| {}), Durability::Process, NOW).unwrap();
    let sync = RowRef { row_no: 1, at_ns: NOW, row: Row::Sync { incarnation: 1, epoch: pipeline.epoch() } };
    let hello = link::encode_hello("r", 1, pipeline.epoch(), 1, 0, &["R"]).unwrap();
    pipeline.receive(b"r/1", &hello, NOW).unwrap();
    pipeline.receive(b"r/1", &link::encode_rows(1, &[sync]).unwrap(), NOW).unwrap();
    for n in 1..24 {
        pipeline.submit("leader", "L", &leader_fill(n, n % 3 > 0, 10, NOW), NOW).unwrap();
        if n == 12 {
            pipeline.snapshot(NOW).unwrap();
        }
    }
    pipeline.close().unwrap();
    drop(pipeline);
    let file = folder.path().join("journal.db");
    let journal = Journal::open(folder.path(), Durability::Process).unwrap();
    let (rows, head) = (journal.rows(0, 1_000).unwrap(), journal.head());
    let snapshot = journal.snapshot(head).unwrap().unwrap().state;
    drop(journal);
    // One file: what the log holds is in it.
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    Whole { bytes: std::fs::read(&file).unwrap(), rows, snapshot, folder: tempfile::tempdir().unwrap() }
}

impl Whole {
    /// The file anew, damaged: by bytes anywhere, or one value of one row as SQLite itself would write it.
    fn damaged(&self, rng: &mut Rng) -> PathBuf {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let file = self.folder.path().join("journal.db");
        let mut bytes = self.bytes.clone();
        let by_value = rng.one_in(2);
        if !by_value {
            for _ in 0..=rng.below(6) {
                // Behind the first page as a rule: a damaged head is refused at once.
                let from = if rng.one_in(8) { 0 } else { 4_096.min(bytes.len() - 1) };
                let at = from + rng.below(bytes.len() - from);
                bytes[at] = rng.byte();
            }
            if rng.one_in(16) {
                bytes.truncate(rng.below(bytes.len()));
            }
        }
        std::fs::write(&file, &bytes).unwrap();
        if by_value {
            change(&file, rng, self.rows.len());
        }
        file
    }
}

fn change(file: &Path, rng: &mut Rng, rows: usize) {
    let conn = rusqlite::Connection::open(file).unwrap();
    let (column, seq) = (*rng.pick(&COLUMNS), 1 + rng.below(rows));
    let mut value: Vec<u8> = conn
        .query_row(&format!("SELECT CAST({column} AS BLOB) FROM rows WHERE seq = {seq}"), [], |r| r.get(0))
        .unwrap();
    mutate::bytes(rng, &mut value);
    let cast = *rng.pick(&["BLOB", "TEXT", "INTEGER"]);
    let sql = format!("UPDATE rows SET {column} = CAST(?1 AS {cast}) WHERE seq = {seq}");
    // A value that the schema does not take is not damage.
    let _refused = conn.execute(&sql, [value]);
}

fn one(whole: &Whole, rng: &mut Rng, tally: &mut Tally) -> u64 {
    let file = whole.damaged(rng);
    match Journal::open(&file, Durability::Process)
        .and_then(|j| Ok((j.rows(0, 1_000)?, j.snapshot(j.head())?)))
    {
        Ok((rows, snapshot)) => {
            assert!(
                rows.iter().zip(&whole.rows).all(|(read, written)| read == written),
                "a row was read as another"
            );
            assert!(rows.len() <= whole.rows.len());
            assert!(snapshot.is_none_or(|s| s.state == whole.snapshot), "a snapshot was read as another");
            tally.note(if rows.len() == whole.rows.len() { "read whole" } else { "read without its tail" });
        }
        Err(why) => tally.note(&format!(
            "refused: {}",
            why.to_string().split(": ").nth(1).unwrap_or_default().split(' ').next().unwrap_or_default()
        )),
    }
    match Replay::<Engine>::open(&file, 0, None).and_then(|mut replay| replay.step(1_000)) {
        Ok(_) => tally.note("replayed"),
        Err(_) => tally.note("replay refused"),
    }
    1
}

/// Bytes of the file and values of rows are damaged: what is read is what was written.
#[test]
fn a_damaged_journal_is_refused_or_read_as_it_was() {
    let whole = whole();
    let tally = hunt("a_damaged_journal", 1, |rng, tally| one(&whole, rng, tally));
    reached(&tally, &["read whole", "replayed", "replay refused"]);
}
