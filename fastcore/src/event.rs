//! What happened: the only input of the engine.

/// Kind of a journal row. Names are stored in journals: added, never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A core process started: `{epoch, engine, config, digest}` as JSON.
    Start,
    /// A FIX message of a leader session, as received.
    Leader,
    /// A leader session went `up` or `down`.
    Session,
    /// A route said HELLO (its frame), or was lost (empty).
    Link,
    /// A frame of route rows.
    Route,
    /// An ORDERS frame that the socket refused to take.
    Unsent,
    /// Something was due; no payload.
    Timer,
    /// An operator's command as JSON.
    Operator,
    /// A quote from another source than a leader session, as JSON.
    Quote,
}

impl EventKind {
    /// Every kind, in the order of the journal's documentation.
    pub const ALL: [EventKind; 9] = [
        EventKind::Start,
        EventKind::Leader,
        EventKind::Session,
        EventKind::Link,
        EventKind::Route,
        EventKind::Unsent,
        EventKind::Timer,
        EventKind::Operator,
        EventKind::Quote,
    ];

    /// The name in the journal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Start => "start",
            EventKind::Leader => "leader",
            EventKind::Session => "session",
            EventKind::Link => "link",
            EventKind::Route => "route",
            EventKind::Unsent => "unsent",
            EventKind::Timer => "timer",
            EventKind::Operator => "operator",
            EventKind::Quote => "quote",
        }
    }

    /// The kind of a journal name, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<EventKind> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// One journal row, before it is applied.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Journal number, rising by one.
    pub seq: u64,
    /// Time of arrival, nanoseconds since 1970 UTC, never falling.
    pub at_ns: i64,
    /// What happened.
    pub kind: EventKind,
    /// Leader session or route name.
    pub session: &'a str,
    /// Bytes as received.
    pub payload: &'a [u8],
}
