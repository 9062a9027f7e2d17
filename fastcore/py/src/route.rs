//! `RoutePipeline`: the route process's half.

use crate::errors::raise;
use journal::Durability;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::HashMap;
use std::path::PathBuf;

/// (session, FIX message) to send now.
type ToSend<'py> = Vec<(String, Bound<'py, PyBytes>)>;

/// Guard and durable file of a route.
#[pyclass(frozen)]
pub struct RoutePipeline {
    inner: journal::RoutePipeline,
}

#[pymethods]
impl RoutePipeline {
    /// Opens the file and raises the incarnation.
    #[staticmethod]
    #[pyo3(signature = (path, route, sessions, orphan_ms, now_ns, durability="process"))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        route: &str,
        sessions: Vec<String>,
        orphan_ms: u64,
        now_ns: i64,
        durability: &str,
    ) -> PyResult<Self> {
        let open = || {
            let durability = Durability::parse(durability)?;
            journal::RoutePipeline::open(&path, route, &sessions, orphan_ms, durability, now_ns)
        };
        py.detach(open).map(|inner| Self { inner }).map_err(raise)
    }

    #[getter]
    fn identity<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.inner.identity())
    }

    /// The first frame of a link.
    fn hello<'py>(&self, py: Python<'py>, now_ns: i64) -> PyResult<Bound<'py, PyBytes>> {
        let _ = now_ns;
        let frame = py.detach(|| self.inner.hello()).map_err(raise)?;
        Ok(PyBytes::new(py, &frame))
    }

    /// Decides a frame of the core; answers (session, FIX) to send now, their OUT rows durable.
    fn receive<'py>(&self, py: Python<'py>, frame: &[u8], now_ns: i64) -> PyResult<ToSend<'py>> {
        self.receive_some(py, frame, usize::MAX, now_ns).map(|(sends, _)| sends)
    }

    /// The same with at most `most` messages; and whether more of the frame is left, which has to be given again.
    fn receive_some<'py>(
        &self,
        py: Python<'py>,
        frame: &[u8],
        most: usize,
        now_ns: i64,
    ) -> PyResult<(ToSend<'py>, bool)> {
        let (sends, more) = py.detach(|| self.inner.receive_some(frame, most, now_ns)).map_err(raise)?;
        Ok((sends.into_iter().map(|(session, fix)| (session, PyBytes::new(py, &fix))).collect(), more))
    }

    /// A message of the broker; durable when this returns.
    fn record(
        &self,
        py: Python<'_>,
        session: &str,
        msg_seq_num: u64,
        raw: &[u8],
        now_ns: i64,
    ) -> PyResult<u64> {
        py.detach(|| self.inner.record(session, msg_seq_num, raw, now_ns)).map_err(raise)
    }

    /// A message of ours on its way to the wire.
    fn sent(&self, py: Python<'_>, session: &str, raw: &[u8]) -> PyResult<()> {
        py.detach(|| self.inner.sent(session, raw)).map_err(raise)
    }

    /// MsgSeqNum(34) that a session must expect next.
    fn expected_seq_num(&self, py: Python<'_>, session: &str) -> PyResult<Option<u64>> {
        py.detach(|| self.inner.expected_seq_num(session)).map_err(raise)
    }

    /// Our own outgoing Reject(3) or BusinessMessageReject(j).
    fn refused(&self, py: Python<'_>, session: &str, raw: &[u8], now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.refused(session, raw, now_ns)).map_err(raise)
    }

    /// The broker filled a gap over numbers that we asked for.
    fn gap(&self, py: Python<'_>, session: &str, from_seq: u64, to_seq: u64, now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.gap(session, from_seq, to_seq, now_ns)).map_err(raise)
    }

    /// A session logged on or off.
    fn session(&self, py: Python<'_>, session: &str, up: bool, now_ns: i64) -> PyResult<u64> {
        py.detach(|| self.inner.session(session, up, now_ns)).map_err(raise)
    }

    /// Frames for the core.
    #[pyo3(signature = (max_bytes=262_144))]
    fn pending<'py>(&self, py: Python<'py>, max_bytes: usize) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let out = py.detach(|| self.inner.pending(max_bytes)).map_err(raise)?;
        Ok(out.iter().map(|frame| PyBytes::new(py, frame)).collect())
    }

    /// The link is new: HELLO goes first and unacknowledged rows go again.
    fn relink(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.relink()).map_err(raise)
    }

    /// The route's heartbeat.
    fn beat<'py>(&self, py: Python<'py>, now_ns: i64) -> PyResult<Bound<'py, PyBytes>> {
        let _ = now_ns;
        let frame = py.detach(|| self.inner.beat()).map_err(raise)?;
        Ok(PyBytes::new(py, &frame))
    }

    /// Forgets tries that were answered for before `before_ns` and whose rows the core has; how many.
    fn forget(&self, py: Python<'_>, before_ns: i64) -> PyResult<usize> {
        py.detach(|| self.inner.forget(before_ns)).map_err(raise)
    }

    /// For a watchdog: rows not acknowledged, and the longest write or sync of a row since the last call, nanoseconds.
    fn watched(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        py.detach(|| self.inner.watched()).map_err(raise)
    }

    /// Holds back new orders at the levels of this host's own kill switch, 0 to 3: of everything, and of the orders
    /// that have a field, `1=F1`. They take the place of those before.
    fn kill_here(&self, py: Python<'_>, level: u8, parts: HashMap<Vec<u8>, u8>) -> PyResult<()> {
        let parts = parts.into_iter().map(|(field, level)| (field.into(), level)).collect();
        py.detach(|| self.inner.kill_here(level, parts)).map_err(raise)
    }

    /// Stops all sending until the process is restarted.
    fn halt(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.halt()).map_err(raise)
    }

    /// The state as JSON text.
    fn status(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.inner.status()).map_err(raise)
    }

    /// Nothing is held in memory; the folder stays locked until the object is gone.
    #[allow(clippy::unused_self)]
    fn close(&self) {}
}
