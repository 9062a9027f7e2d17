//! Which of our messages had which MsgSeqNum(34): how a reject that names only RefSeqNum(45) finds its order (09.10).

use crate::fix::{self, Field};
use std::collections::VecDeque;

/// Messages remembered per session. A reject comes within one round trip: this is far more than can be on the way.
pub const SENT_MAX: usize = 8_192;

/// The last messages of one session that a reject may be about. Kept in memory only: after a restart of the route a
/// reject finds nothing here, and the order is asked about.
#[derive(Debug, Default)]
pub struct SentLog {
    sent: VecDeque<(u64, Box<[u8]>)>,
    fields: Vec<Field>,
}

impl SentLog {
    /// Remembers an outgoing message when it is an order, a cancel or a replace.
    ///
    /// Queries are left out on purpose: a rejected question says nothing about the order that it names.
    pub fn sent(&mut self, raw: &[u8]) {
        let mut fields = std::mem::take(&mut self.fields);
        if let Ok(m) = fix::parse(raw, &mut fields)
            && matches!(m.msg_type(), b"D" | b"F" | b"G")
            && let (Some(seq), Some(id)) = (m.get(34).and_then(fix::number), m.get(11))
        {
            self.push(seq, id);
        }
        self.fields = fields;
    }

    fn push(&mut self, seq: u64, id: &[u8]) {
        // Numbers that fall mean that the session began anew: what they meant before is over.
        if self.sent.back().is_some_and(|(last, _)| *last >= seq) {
            self.sent.clear();
        }
        if self.sent.len() >= SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((seq, id.into()));
    }

    /// ClOrdID(11) of the message that a Reject(3) or BusinessMessageReject(j) is about; None for other messages.
    pub fn rejected_by(&mut self, raw: &[u8]) -> Option<&str> {
        let mut fields = std::mem::take(&mut self.fields);
        let about = match fix::parse(raw, &mut fields) {
            Ok(m) if matches!(m.msg_type(), b"3" | b"j") => m.get(45).and_then(fix::number),
            _ => None,
        };
        self.fields = fields;
        let at = self.sent.binary_search_by_key(&about?, |(seq, _)| *seq).ok()?;
        core::str::from_utf8(&self.sent.get(at)?.1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{SENT_MAX, SentLog};

    fn fix(text: &str) -> Vec<u8> {
        format!("8=FIX.4.4|{text}10=000|").replace('|', "\x01").into_bytes()
    }

    /// Orders, cancels and replaces are found by their number; queries and other messages are not.
    #[test]
    fn a_reject_finds_the_order_that_had_its_number() {
        let mut log = SentLog::default();
        for text in ["35=D|34=2|11=A|", "35=F|34=3|11=B|41=A|", "35=H|34=4|11=A|", "35=0|34=5|"] {
            log.sent(&fix(text));
        }
        assert_eq!(log.rejected_by(&fix("35=3|34=9|45=2|")), Some("A"));
        assert_eq!(log.rejected_by(&fix("35=j|34=9|45=3|")), Some("B"));
        for other in ["35=3|34=9|45=4|", "35=j|34=9|", "35=8|34=9|45=2|", "35=3|45=99|", "35=3|45=x|"] {
            assert_eq!(log.rejected_by(&fix(other)), None, "{other}");
        }
        assert_eq!(log.rejected_by(b"garbage"), None);
    }

    /// Numbers that begin again belong to a new session: an old order is not rejected by a new number.
    #[test]
    fn numbers_that_fall_begin_anew() {
        let mut log = SentLog::default();
        log.sent(&fix("35=D|34=2|11=A|"));
        log.sent(&fix("35=D|34=7|11=B|"));
        log.sent(&fix("35=D|34=2|11=C|"));
        assert_eq!(log.rejected_by(&fix("35=3|45=2|")), Some("C"));
        assert_eq!(log.rejected_by(&fix("35=3|45=7|")), None);
    }

    /// The oldest is forgotten first.
    #[test]
    fn the_memory_is_bounded() {
        let mut log = SentLog::default();
        for seq in 1..=SENT_MAX + 1 {
            log.sent(&fix(&format!("35=D|34={seq}|11=A{seq}|")));
        }
        assert_eq!(log.rejected_by(&fix("35=3|45=1|")), None);
        assert_eq!(log.rejected_by(&fix("35=3|45=2|")), Some("A2"));
    }
}
