//! `durability = "power"`: nothing that follows from a row leaves before the row is synced.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod common;

use common::{CONFIG, Toy, orders};
use fastcore::link::{self, Frame, Greet, OrdersWriter, SendKind};
use journal::{Durability, Pipeline, RoutePipeline, Syncer};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

const NOW: i64 = 1_000_000;

fn core(path: &Path) -> Pipeline<Toy> {
    let pipeline = Pipeline::open(path, CONFIG, Durability::Power, NOW).unwrap();
    pipeline.receive(b"r1/1", &link::encode_hello("r1", 1, 5, 1, 0, &["R1"]).unwrap(), NOW).unwrap();
    pipeline.drain(9).unwrap();
    pipeline
}

/// A route that is greeted and logged on: orders leave.
fn route(path: &Path) -> RoutePipeline {
    let route = RoutePipeline::open(path, "r1", &["R1".to_owned()], 1_000, Durability::Power, NOW).unwrap();
    route.session("R1", true, NOW).unwrap();
    let greet = Greet { epoch: 3, incarnation: 1, acked_row: 0, kill: 0 };
    route.receive(&link::encode_greet(&greet), NOW).unwrap();
    route
}

fn order() -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = OrdersWriter::begin(&mut out, 3, 1, 40);
    writer.order("A", 1, SendKind::New, 0, "R1", |o| o.extend_from_slice(b"A")).unwrap();
    writer.finish();
    out
}

fn failing() -> Syncer {
    Box::new(|| Err(std::io::Error::other("the disk is gone")))
}

/// A sync that says when it begins, and ends when it is told to.
fn held() -> (Syncer, Receiver<()>, Sender<()>) {
    let ((begins, begun), (go, may)) = (channel(), channel());
    let (begins, may) = (Mutex::new(begins), Mutex::new(may));
    let sync: Syncer = Box::new(move || {
        begins.lock().unwrap().send(()).unwrap();
        may.lock().unwrap().recv().unwrap();
        Ok(())
    });
    (sync, begun, go)
}

/// While the sync runs, `submit` has not returned and no frame has left; behind it both have.
#[test]
fn frames_leave_behind_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = core(folder.path());
    let (sync, begun, go) = held();
    pipeline.replace_sync(sync);
    let (pipeline, done) = (&pipeline, &AtomicU64::new(0));
    std::thread::scope(|s| {
        // Here, so that a failed assertion ends the sync too, and with it the test.
        let go = go;
        s.spawn(move || {
            let seq = pipeline.submit("leader", "L", b"x", NOW).unwrap();
            done.store(seq, Ordering::SeqCst);
        });
        begun.recv().unwrap();
        let drained = s.spawn(move || pipeline.drain(9).unwrap());
        // The lock is free meanwhile: others journal, and see that the row is there.
        assert_eq!(common::status(pipeline)["pipeline"]["head"], 3);
        let beat = pipeline.beat(NOW).unwrap();
        assert_eq!(link::decode(&beat[0].1), Ok(Frame::CoreBeat { epoch: 1, journal_no: 1 }));
        assert_eq!(done.load(Ordering::SeqCst), 0);
        assert!(!drained.is_finished());
        go.send(()).unwrap();
        assert_eq!(orders(&drained.join().unwrap()), [("ID3".into(), "x".into())]);
    });
    assert_eq!(done.load(Ordering::SeqCst), 3);
}

/// A failed sync is an error for the row, and for every later one; nothing leaves any more.
#[test]
fn a_failed_sync_lets_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = core(folder.path());
    pipeline.replace_sync(failing());
    let error = pipeline.submit("leader", "L", b"x", NOW).unwrap_err().to_string();
    assert!(error.contains("sync the write-ahead log: the disk is gone"), "{error}");
    assert!(pipeline.drain(9).is_err());
    assert!(pipeline.submit("leader", "L", b"y", NOW).is_err());
    assert!(pipeline.drain(9).is_err());
}

/// A burst of the socket thread shares the sync of its drain.
#[test]
fn a_burst_of_frames_shares_one_sync() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = core(folder.path());
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    pipeline.replace_sync(Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }));
    for _ in 0..20 {
        pipeline.receive(b"r1/1", &link::encode_hello("r1", 1, 5, 1, 0, &["R1"]).unwrap(), NOW).unwrap();
    }
    pipeline.undeliverable(b"r1/1", &order(), NOW).unwrap();
    pipeline.submit("leader", "L", b"x", NOW).unwrap();
    assert_eq!(pipeline.drain(9).unwrap().len(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// The real sync: a restart finds every row, in either durability.
#[test]
fn rows_of_one_durability_are_read_under_the_other() {
    let folder = tempfile::tempdir().unwrap();
    core(folder.path()).submit("leader", "L", b"x", NOW).unwrap();
    common::open(folder.path()).unwrap().submit("leader", "L", b"y", NOW).unwrap();
    let pipeline = core(folder.path());
    assert_eq!(common::status(&pipeline)["applied"], 7);
    pipeline.close().unwrap();
    let mut replay = journal::Replay::<Toy>::open(folder.path(), 0, None).unwrap();
    replay.step(99).unwrap();
    assert_eq!(replay.position(), 7);
}

/// A route sends nothing whose OUT row is not synced, and shows the core no row that a power loss could take.
#[test]
fn a_route_sends_and_shows_nothing_before_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let mut blocked = route(folder.path());
    blocked.pending(9_999).unwrap();
    let (sync, begun, go) = held();
    blocked.replace_sync(sync);
    let blocked = &blocked;
    std::thread::scope(|s| {
        let go = go;
        let sends = s.spawn(move || blocked.receive(&order(), NOW).unwrap());
        begun.recv().unwrap();
        let shown = s.spawn(move || blocked.pending(9_999).unwrap());
        assert!(blocked.beat().is_ok(), "the lock is free meanwhile");
        assert!(!sends.is_finished() && !shown.is_finished());
        go.send(()).unwrap();
        assert_eq!(sends.join().unwrap().len(), 1);
        assert_eq!(shown.join().unwrap().len(), 1);
    });
    let other = tempfile::tempdir().unwrap();
    let mut broken = route(other.path());
    broken.replace_sync(failing());
    assert!(broken.receive(&order(), NOW).is_err());
    assert!(broken.record("R1", 7, b"8=FIX", NOW).is_err());
    assert!(broken.pending(9_999).is_err());
}

/// A slow sync is what a watchdog sees, in the core and in a route.
#[test]
fn a_slow_sync_is_seen() {
    let slow = || -> Syncer {
        Box::new(|| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            Ok(())
        })
    };
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut core, mut route) = (core(a.path()), route(b.path()));
    core.watched().unwrap();
    route.watched().unwrap();
    core.replace_sync(slow());
    route.replace_sync(slow());
    core.submit("leader", "L", b"a", NOW).unwrap();
    route.record("R1", 1, b"8=FIX", NOW).unwrap();
    assert!(core.watched().unwrap().slowest_ns >= 20_000_000);
    assert!(route.watched().unwrap().1 >= 20_000_000);
}
