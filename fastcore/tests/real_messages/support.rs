//! Reads the real messages and the profiles; turns a meaning into one line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fastcore::decimal::Dec;
use fastcore::fix::{Message, parse};
use fastcore::profile::Profile;
use fastcore::report::{Inbound, Report, Side, Unreadable, read};
use serde_json::{Map, Value};

fn repo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn lines(name: &str) -> Vec<Value> {
    let path = repo().join("../shared/data").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| {
        panic!(
            "{}: {e}. The real messages are needed: put the shared data folder beside the repository.",
            path.display()
        )
    });
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// `|` is the separator in the files; where a value holds one itself, `fields_array` has the fields apart.
pub fn to_wire(entry: &Value) -> Vec<u8> {
    if let Some(fields) = entry["fields_array"].as_array() {
        return fields.iter().flat_map(|f| [f.as_str().unwrap().as_bytes(), b"\x01"].concat()).collect();
    }
    text_to_wire(entry["raw"].as_str().unwrap())
}

pub fn text_to_wire(text: &str) -> Vec<u8> {
    let mut raw: Vec<u8> = text.bytes().map(|b| if b == b'|' { 1 } else { b }).collect();
    if raw.last() != Some(&1) {
        raw.push(1);
    }
    raw
}

/// All messages by id, as bytes.
pub fn messages() -> BTreeMap<String, Vec<u8>> {
    lines("messages.jsonl").iter().map(|m| (m["id"].as_str().unwrap().to_owned(), to_wire(m))).collect()
}

/// One sequence's messages, as bytes.
pub fn sequence(id: &str) -> Vec<Vec<u8>> {
    let all = lines("sequences.jsonl");
    let found = all.iter().find(|s| s["id"] == id).unwrap_or_else(|| panic!("no sequence {id}"));
    found["messages"].as_array().unwrap().iter().map(|m| text_to_wire(m.as_str().unwrap())).collect()
}

pub fn profile_names() -> Vec<String> {
    let folder = repo().join("fix_specs/profiles");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A profile from `fix_specs/profiles/`, or the standard one.
pub fn profile(name: &str) -> Profile {
    if name == "standard" {
        return Profile::standard("standard", "FIX.4.4");
    }
    if name == "standard_legs" {
        return Profile { multileg: fastcore::profile::Multileg::Legs, ..profile("standard") };
    }
    let path = repo().join("fix_specs/profiles").join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_value(flat_toml(&text)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The part of TOML that profiles use: sections, and values that are written as in JSON, one per line.
fn flat_toml(text: &str) -> Value {
    let mut root = Map::new();
    let mut section: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            root.insert(name.to_owned(), Value::Object(Map::new()));
            section = Some(name.to_owned());
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("not `key = value`: {line}"));
        let value: Value = serde_json::from_str(value).unwrap_or_else(|e| panic!("{line}: {e}"));
        let table = match &section {
            Some(name) => root[name].as_object_mut().unwrap(),
            None => &mut root,
        };
        assert!(table.insert(key.to_owned(), value).is_none(), "twice: {line}");
    }
    Value::Object(root)
}

/// Parses and reads; the closure sees the meaning.
pub fn look<T>(raw: &[u8], profile_name: &str, look: impl FnOnce(Result<Inbound<'_>, Unreadable>) -> T) -> T {
    let mut fields = Vec::new();
    let m: Message<'_> = parse(raw, &mut fields).unwrap_or_else(|e| panic!("{e}: {}", raw.escape_ascii()));
    look(read(&m, &profile(profile_name)))
}

/// The report in a message that must be one.
pub fn report<T>(raw: &[u8], profile_name: &str, see: impl FnOnce(&Report<'_>) -> T) -> T {
    look(raw, profile_name, |r| match r {
        Ok(Inbound::Execution(r)) => see(&r),
        other => panic!("not a report: {other:?}"),
    })
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn qty(value: Option<Dec>) -> String {
    value.map_or_else(|| "-".to_owned(), Dec::to_text)
}

fn shown(code: u8) -> char {
    if code == 0 { '-' } else { char::from(code) }
}

/// One line: kind, status, side, key, CumQty, LastQty, price, symbol, account.
pub fn describe(meaning: &Result<Inbound<'_>, Unreadable>) -> String {
    match meaning {
        Err(e) => format!("unreadable {} {}", e.tag, e.why),
        Ok(Inbound::Execution(r)) => describe_report(r),
        Ok(Inbound::CancelReject(r)) => format!(
            "cancel-reject 11={} 41={} 37={} 39={} 102={}",
            text(r.cl_ord_id),
            text(r.orig_cl_ord_id),
            text(r.order_id),
            shown(r.ord_status),
            text(r.reason)
        ),
        Ok(Inbound::BusinessReject(r)) => {
            format!("business-reject 379={} 45={:?} 380={}", text(r.ref_id), r.ref_seq_num, text(r.reason))
        }
        Ok(Inbound::SessionReject(r)) => {
            format!("session-reject 45={:?} 371={:?} 372={}", r.ref_seq_num, r.ref_tag, text(r.ref_msg_type))
        }
        Ok(Inbound::Position(p)) => format!(
            "position {} {} long {} short {} id {} of {:?}",
            text(p.account),
            text(p.symbol),
            qty(p.long),
            qty(p.short),
            text(p.position_id),
            p.total_reports
        ),
        Ok(Inbound::Account(a)) => format!(
            "account {} balance {} equity {} free {}",
            text(a.account),
            qty(a.balance),
            qty(a.equity),
            qty(a.free_margin)
        ),
        Ok(Inbound::Ignored { why }) => format!("ignored {}", why.split([' ', ':']).next().unwrap()),
        Ok(other) => format!("{other:?}"),
    }
}

fn describe_report(r: &Report<'_>) -> String {
    let side = match r.side {
        Side::Buy => "buy".to_owned(),
        Side::Sell => "sell".to_owned(),
        Side::Other(c) => format!("side-{}", char::from(c)),
        Side::Missing => "no-side".to_owned(),
    };
    let status = shown(r.ord_status);
    format!(
        "{:?} {status} {side} key {} cum {} last {} px {} of {} {} {}{}{}",
        r.kind,
        text(r.order_key),
        qty(r.cum_qty),
        qty(r.last_qty),
        qty(r.last_px),
        qty(r.order_qty),
        text(r.symbol),
        text(r.account),
        if r.poss_dup { " dup" } else { "" },
        if r.transact_ns.is_none() { " no-time" } else { "" },
    )
}
