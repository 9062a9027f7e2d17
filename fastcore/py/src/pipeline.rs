//! `Pipeline`: the core process's half.

use crate::errors::raise;
use fastcore::engine::Engine;
use journal::Durability;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;

/// As [`journal::Watched`], field by field.
type Watched = (u64, usize, Vec<(String, u64)>);
type Frames<'py> = Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>;

/// Journal, engine and outbox.
#[pyclass(frozen)]
pub struct Pipeline {
    inner: journal::Pipeline<Engine>,
}

fn frames<'py>(py: Python<'py>, addressed: &[journal::Addressed]) -> Frames<'py> {
    addressed.iter().map(|(to, frame)| (PyBytes::new(py, to), PyBytes::new(py, frame))).collect()
}

#[pymethods]
impl Pipeline {
    /// Locks the folder, replays and checks the journal, raises the epoch, writes START.
    #[staticmethod]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        config_json: &str,
        durability: &str,
        now_ns: i64,
    ) -> PyResult<Self> {
        let open = || journal::Pipeline::open(&path, config_json, Durability::parse(durability)?, now_ns);
        py.detach(open).map(|inner| Self { inner }).map_err(raise)
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    /// Journals and applies one event; answers its journal number.
    fn submit(
        &self,
        py: Python<'_>,
        kind: &str,
        session: &str,
        payload: &[u8],
        now_ns: i64,
    ) -> PyResult<u64> {
        py.detach(|| self.inner.submit(kind, session, payload, now_ns)).map_err(raise)
    }

    /// Takes a frame from the ROUTER socket.
    fn receive(&self, py: Python<'_>, identity: &[u8], frame: &[u8], now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.receive(identity, frame, now_ns)).map_err(raise)
    }

    /// Frames that may go now.
    #[pyo3(signature = (max_frames=256))]
    fn drain<'py>(&self, py: Python<'py>, max_frames: usize) -> PyResult<Frames<'py>> {
        let out = py.detach(|| self.inner.drain(max_frames)).map_err(raise)?;
        Ok(frames(py, &out))
    }

    /// Alerts since the last call: (journal number, code, text).
    fn take_alerts(&self, py: Python<'_>) -> PyResult<Vec<(u64, &'static str, String)>> {
        py.detach(|| self.inner.take_alerts()).map_err(raise)
    }

    /// Questions to leaders' brokers since the last call: (session, FIX message).
    fn take_questions<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyBytes>)>> {
        let taken = py.detach(|| self.inner.take_questions()).map_err(raise)?;
        Ok(taken.into_iter().map(|(session, raw)| (session, PyBytes::new(py, &raw))).collect())
    }

    /// The socket refused a frame.
    fn undeliverable(&self, py: Python<'_>, identity: &[u8], frame: &[u8], now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.undeliverable(identity, frame, now_ns)).map_err(raise)
    }

    /// A heartbeat for every linked route.
    fn beat<'py>(&self, py: Python<'py>, now_ns: i64) -> PyResult<Frames<'py>> {
        let out = py.detach(|| self.inner.beat(now_ns)).map_err(raise)?;
        Ok(frames(py, &out))
    }

    /// The link of a route is gone.
    fn lost(&self, py: Python<'_>, identity: &[u8], now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.lost(identity, now_ns)).map_err(raise)
    }

    /// When `tick` has something to do: by the clock that says `now_ns`, or in the journal's own time.
    #[pyo3(signature = (now_ns = None))]
    fn next_due_ns(&self, py: Python<'_>, now_ns: Option<i64>) -> PyResult<Option<i64>> {
        py.detach(|| self.inner.next_due_ns(now_ns)).map_err(raise)
    }

    /// By how much the journal's time is ahead of the clock.
    fn ahead_ns(&self, py: Python<'_>, now_ns: i64) -> PyResult<i64> {
        py.detach(|| self.inner.ahead_ns(now_ns)).map_err(raise)
    }

    /// Journals a timer event when one is due.
    fn tick(&self, py: Python<'_>, now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.tick(now_ns)).map_err(raise)
    }

    /// For a watchdog: the longest write or sync of a row since the last call in nanoseconds, frames in the outbox,
    /// rows that each route keeps.
    fn watched(&self, py: Python<'_>) -> PyResult<Watched> {
        let found = py.detach(|| self.inner.watched()).map_err(raise)?;
        Ok((found.slowest_ns, found.frames, found.rows))
    }

    /// MsgSeqNum(34) that a leader session must expect next.
    fn expected_seq_num(&self, py: Python<'_>, session: &str) -> PyResult<Option<u64>> {
        py.detach(|| self.inner.expected_seq_num(session)).map_err(raise)
    }

    /// The state as JSON text.
    fn status(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.inner.status()).map_err(raise)
    }

    /// The row behind which the newest snapshot was taken; 0: there is none.
    fn snapshot_seq(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| self.inner.snapshot_seq()).map_err(raise)
    }

    /// Stores the state, so that the next start replays less.
    fn snapshot(&self, py: Python<'_>, now_ns: i64) -> PyResult<()> {
        py.detach(|| self.inner.snapshot(now_ns)).map_err(raise)
    }

    /// Writes what is still in memory. The folder stays locked until the object is gone.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.close()).map_err(raise)
    }
}
