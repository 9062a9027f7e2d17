//! The FIX reader and the meaning of reports, from messages that are changed field by field and byte by byte.

use crate::hunt::Tally;
use crate::mutate::{self, Fields, fields_of};
use crate::rng::Rng;
use crate::support;
use fastcore::decimal::Dec;
use fastcore::fix::{self, Check, Field, Garbled, Writer};
use fastcore::profile::Profile;
use fastcore::report::{Inbound, Kind, read};
use fastcore::sent::SentLog;
use fastcore::time;

const CORPUS: &str = include_str!("corpus/messages.txt");

/// Messages to change: our own; with `FUZZ_REAL=1` the real ones beside the repository as well.
pub struct Seeds(Vec<Fields>);

impl Seeds {
    pub fn new() -> Seeds {
        let mut list: Vec<Fields> = CORPUS.lines().map(fields_of).collect();
        if std::env::var_os("FUZZ_REAL").is_some() {
            for raw in support::messages().values() {
                let mut fields = Vec::new();
                if let Ok(message) = fix::parse(raw, &mut fields) {
                    list.push(message.fields().map(|(tag, value)| (tag, value.to_vec())).collect());
                }
            }
        }
        Seeds(list)
    }

    /// A changed message: most by fields, some by bytes, some by both, one in sixteen not at all.
    pub fn message(&self, rng: &mut Rng) -> Vec<u8> {
        let mut list = rng.pick(&self.0).clone();
        if rng.one_in(8) {
            let other = rng.pick(&self.0);
            let (from, to) = (rng.below(list.len()), rng.below(other.len()));
            list.truncate(from);
            list.extend_from_slice(&other[to..]);
        }
        if !rng.one_in(4) {
            mutate::fields(rng, &mut list);
        }
        let mut raw = mutate::framed(rng, &list);
        if rng.one_in(4) {
            mutate::bytes(rng, &mut raw);
        }
        raw
    }
}

const fn garbled(why: &Garbled) -> &'static str {
    match why {
        Garbled::NoBeginString => "garbled: no BeginString",
        Garbled::BadTag { .. } => "garbled: bad tag",
        Garbled::NoSoh => "garbled: no end",
        Garbled::TooLong => "garbled: too long",
        Garbled::TooManyFields => "garbled: too many fields",
        Garbled::BodyLength { .. } => "garbled: BodyLength",
        Garbled::CheckSum { .. } => "garbled: CheckSum",
        Garbled::DataLength { .. } => "garbled: data length",
    }
}

/// What is read is written again as the same fields; numbers and times come back; a framed message is as long as said.
pub fn fix_reader(seeds: &Seeds, rng: &mut Rng, tally: &mut Tally, memory: &mut Memory) -> u64 {
    let raw = seeds.message(rng);
    let framed = match fix::parse_checked(&raw, &mut memory.framed, Check::Framing) {
        Ok(message) => {
            assert_eq!(fix::frame_len(&raw), Ok(Some(raw.len())), "a whole message is one frame");
            tally.note("framed");
            Some(message.len())
        }
        Err(why) => {
            tally.note(garbled(&why));
            None
        }
    };
    if let Ok(Some(len)) = fix::frame_len(&raw) {
        assert!(len <= raw.len());
    }
    let Ok(message) = fix::parse(&raw, &mut memory.fields) else {
        assert!(framed.is_none(), "a framed message is readable");
        tally.note("not readable");
        return 1;
    };
    assert!(framed.is_none_or(|fields| fields == message.len()));
    tally.note("readable");
    for (tag, value) in message.fields() {
        assert!(message.get(tag).is_some());
        let end = (value.as_ptr() as usize + value.len()) - raw.as_ptr() as usize;
        assert_eq!(raw.get(end), Some(&fix::SOH), "a value ends where a separator stands");
        values(value);
    }
    memory.log.sent(&raw);
    let _order = memory.log.rejected_by(&raw);
    written_again(&message, memory_of(&mut memory.out), tally);
    1
}

/// What a target keeps from one input to the next.
#[derive(Default)]
pub struct Memory {
    fields: Vec<Field>,
    framed: Vec<Field>,
    out: Vec<u8>,
    log: SentLog,
}

fn memory_of(out: &mut Vec<u8>) -> &mut Vec<u8> {
    out.clear();
    out
}

/// A number that is read is written and read as itself; a time that is read lies in its range.
fn values(value: &[u8]) {
    if let Ok(number) = Dec::parse(value) {
        assert_eq!(Dec::parse(number.to_text().as_bytes()), Ok(number));
    }
    if let Some(ns) = time::parse_utc(value) {
        let mut text = Vec::new();
        time::write_utc_digits(ns, 9, &mut text);
        assert_eq!(time::parse_utc(&text), Some(ns), "{}", text.escape_ascii());
    }
    let _numbers = (fix::number(value), fix::small_number(value));
}

fn written_again(message: &fix::Message<'_>, out: &mut Vec<u8>, tally: &mut Tally) {
    let mut fields = message.fields().filter(|(tag, _)| !matches!(tag, 8..=10 | 35)).peekable();
    if fields.peek().is_none() || message.msg_type().is_empty() {
        return;
    }
    let list: Vec<(u32, &[u8])> = fields.collect();
    // Without the fields of the head a length may come to stand before data of another length.
    let misleads = |w: &[(u32, &[u8])]| {
        let length_of = w[0].0.checked_add(1) == Some(w[1].0) || (w[0].0, w[1].0) == (93, 89);
        length_of && fix::small_number(w[0].1).is_some_and(|n| n as usize != w[1].1.len())
    };
    if list.windows(2).any(misleads) {
        return tally.note("not written again: a length that is none");
    }
    let written = (|| {
        let mut writer = Writer::begin(out, b"FIX.4.4", message.msg_type())?;
        list.iter().try_for_each(|(tag, value)| writer.text(*tag, value))?;
        writer.finish()
    })();
    if written.is_err() {
        return tally.note("not writable: empty values or separators");
    }
    let mut again = Vec::new();
    match fix::parse_checked(out, &mut again, Check::Framing) {
        Ok(read) => {
            let same: Vec<_> = read.fields().filter(|(tag, _)| !matches!(tag, 8..=10 | 35)).collect();
            assert_eq!(same, list);
            tally.note("written again");
        }
        // A length field before a data field of another length was read as it stood; framed, it is an error.
        Err(Garbled::DataLength { .. }) => tally.note("written again: data length"),
        // One field more than the message had: BodyLength and CheckSum were missing.
        Err(Garbled::TooManyFields | Garbled::TooLong) => {}
        Err(why) => panic!("{why}: {}", out.escape_ascii()),
    }
}

/// Every venue's profile, and the standard's.
pub fn profiles() -> Vec<Profile> {
    let mut names = support::profile_names();
    names.extend(["standard", "standard_legs"].map(str::to_owned));
    names.iter().map(|name| support::profile(name)).collect()
}

/// Any message has one meaning, or says which value cannot be read; quantities are never negative.
pub fn meaning(
    seeds: &Seeds,
    all: &[Profile],
    rng: &mut Rng,
    tally: &mut Tally,
    fields: &mut Vec<Field>,
) -> u64 {
    let (raw, profile) = (seeds.message(rng), rng.pick(all));
    let Ok(message) = fix::parse(&raw, fields) else {
        tally.note("not readable");
        return 1;
    };
    let found = read(&message, profile);
    assert_eq!(found, read(&message, profile));
    match found {
        Ok(Inbound::Execution(r)) => {
            let negative = [r.cum_qty, r.last_qty].into_iter().flatten().any(Dec::is_negative);
            assert!(!negative || r.kind == Kind::Rejected, "{r:?}");
            let some = |q: Option<Dec>| q.is_some_and(Dec::is_positive);
            if r.kind == Kind::Trade && (some(r.last_qty) || some(r.cum_qty)) {
                tally.note("a fill");
            }
            tally.note(r.kind.name());
        }
        Ok(Inbound::CancelReject(_)) => tally.note("cancel reject"),
        Ok(Inbound::BusinessReject(_) | Inbound::SessionReject(_)) => tally.note("reject"),
        Ok(Inbound::Position(_)) => tally.note("position"),
        Ok(Inbound::Account(_)) => tally.note("account"),
        Ok(Inbound::Quote(_)) => tally.note("quote"),
        Ok(Inbound::Trading(_)) => tally.note("trading status"),
        Ok(Inbound::News { .. }) => tally.note("news"),
        Ok(Inbound::Ignored { why }) => tally.note(why),
        Err(why) => tally.note(why.why),
    }
    1
}
