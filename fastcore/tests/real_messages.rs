//! Real messages of real venues: every one is read, and each trap they set has a test.
//!
//! The messages stay outside the repository (their licences differ); the tests fail, and say so, when they are missing.
//!
//! What the messages teach, and the test that holds it here:
//! - one fill under two ExecIDs: `one_fill_under_two_exec_ids_is_one_fill`; rejected status on a part-filled order:
//!   `a_rejected_status_does_not_undo_a_fill`; a stop moved by New: `a_second_new_can_carry_a_moved_stop`
//! - no ExecID, no LastPx: `a_fill_without_exec_id_or_last_px_has_price_and_key`; Replaced without 41, LeavesQty on a
//!   dead order: `a_replace_without_41_is_followed_by_order_id`; refusals as 35=j, volume in the wrong unit:
//!   `refusals_by_business_reject_name_our_id`; numeric symbols: `a_symbol_can_be_a_number`
//! - several messages in one read: `one_read_gives_every_message_in_it`
//! - busts and corrections: `a_bust_and_its_correction_are_tied_by_exec_ref_id`; legs: `a_strategy_is_counted_once`
//! - acknowledged as filled: `an_acknowledgement_printed_as_a_fill_is_new`; CumQty 0:
//!   `a_fill_with_cum_qty_zero_is_a_fill`; 150=3 for a match: `a_match_printed_as_done_for_day_is_a_fill`
//! - the same execution three times: `retransmissions_are_read_like_the_original`; one ClOrdID for all orders, or
//!   none: `orders_are_told_apart_without_cl_ord_id`
//! - placeholders and text for numbers: `rejects_with_placeholders_are_read`; tags in numeric order:
//!   `msg_type_is_found_anywhere`; leading zeros: `leading_zeros_are_harmless`; a message in a data field:
//!   `a_message_inside_a_message_is_not_read`
//! - numbers beyond a double, ids of 20 digits: `numbers_beyond_a_double_are_exact`
//!
//! The same messages drive a whole deployment in `tests/e2e/test_sequences.py`.

#[path = "real_messages/support.rs"]
mod support;
#[path = "real_messages/table.rs"]
mod table;

use std::collections::BTreeSet;

use fastcore::decimal::Dec;
use fastcore::fix::{Check, Writer, frame_len, parse, parse_checked};
use fastcore::report::{Inbound, Kind, Side, msg_seq_num, read};
use proptest::prelude::*;
use support::{describe, look, messages, profile, profile_names, report, sequence, text_to_wire};

fn dec(text: &str) -> Option<Dec> {
    Some(Dec::parse(text.as_bytes()).unwrap())
}

fn raw(id: &str) -> Vec<u8> {
    messages().remove(id).unwrap_or_else(|| panic!("no message {id}"))
}

/// A fill's identity where there is no ExecID: OrderID, CumQty, TransactTime.
fn fill_key(id: &str, name: &str) -> (Vec<u8>, Option<Dec>, Option<i64>) {
    report(&raw(id), name, |r| (r.order_id.to_vec(), r.cum_qty, r.transact_ns))
}

/// All 137 messages have the meaning that 04 and their source give them.
#[test]
fn every_real_message_has_its_meaning() {
    let all = messages();
    let known: BTreeSet<&str> = table::MEANINGS.iter().map(|(id, _, _)| *id).collect();
    let found: BTreeSet<&str> = all.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for id in found.symmetric_difference(&known) {
        wrong.push(format!("only on one side: {id}"));
    }
    for (id, name, want) in table::MEANINGS {
        let Some(raw) = all.get(*id) else { continue };
        let got = look(raw, name, |r| describe(&r));
        if got != *want {
            wrong.push(format!("(\"{id}\", \"{name}\", \"{got}\"),"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(all.len(), 137);
}

/// Every profile file is read by the core, and carries its file's name.
#[test]
fn every_profile_file_is_valid() {
    let names = profile_names();
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        assert_eq!(profile(&name).name, name);
    }
}

/// FXCM reports one fill twice under two ExecIDs, OrdStatus 7 then 2: same key, same CumQty.
#[test]
fn one_fill_under_two_exec_ids_is_one_fill() {
    let second = raw("fxcm-doc-8-225010828");
    let text = String::from_utf8(second.clone()).unwrap();
    let first =
        text.replace("\u{1}39=2\u{1}", "\u{1}39=7\u{1}").replace("17=819171964", "17=819171963").into_bytes();
    let key = |raw: &[u8]| report(raw, "fxcm", |r| (r.kind, r.order_id.to_vec(), r.cum_qty, r.transact_ns));
    assert_eq!(key(&first), key(&second));
    assert_eq!(key(&first).0, Kind::Trade);
}

/// FXCM ends a part-filled order as ExecType 4 with OrdStatus 8: it is cancelled, and its fill stays.
#[test]
fn a_rejected_status_does_not_undo_a_fill() {
    let steps = sequence("fxcm-docs-partial-then-rejected");
    let header = b"8=FIX.4.4\x0135=8\x01";
    let seen: Vec<_> = steps
        .iter()
        .map(|s| report(&[header.as_slice(), s].concat(), "fxcm", |r| (r.kind, r.ord_status, r.cum_qty)))
        .collect();
    let zero = dec("0");
    let filled = dec("600000");
    let want = [
        (Kind::New, b'0', zero),
        (Kind::Note(b'7'), b'7', zero),
        (Kind::Note(b'7'), b'7', zero),
        (Kind::Trade, b'1', filled),
        (Kind::Canceled, b'8', filled),
    ];
    assert_eq!(seen, want);
}

/// FXCM moves a trailing stop by sending New again with another price.
#[test]
fn a_second_new_can_carry_a_moved_stop() {
    let px = |id: &str| report(&raw(id), "fxcm", |r| (r.kind, r.order_id.to_vec(), r.px));
    let [a, b, c] = ["fxcm-peg-1", "fxcm-peg-2", "fxcm-peg-3"].map(px);
    assert_eq!((a.0, b.0, c.0), (Kind::New, Kind::New, Kind::New));
    assert_eq!((&a.1, a.2, c.2), (&c.1, dec("104.504"), dec("104.404")));
}

/// cTrader's fills have neither ExecID nor LastPx: the price is AvgPx, the key is made of three fields.
#[test]
fn a_fill_without_exec_id_or_last_px_has_price_and_key() {
    report(&raw("ctrader-roe-fill"), "ctrader", |r| {
        assert_eq!((r.exec_id, r.last_px, r.last_qty), (&b""[..], dec("1.0674"), dec("10000")));
    });
    let (order, cum, time) = fill_key("ctrader-roe-fill", "ctrader");
    assert_eq!((order.as_slice(), cum), (&b"101"[..], dec("10000")));
    assert!(time.is_some());
}

/// cTrader: Replaced has OrdStatus 0 and no OrigClOrdID, a dead order LeavesQty above nothing; OrderID holds on.
#[test]
fn a_replace_without_41_is_followed_by_order_id() {
    report(&raw("ctrader-roe-replaced"), "ctrader", |r| {
        assert_eq!(
            (r.kind, r.ord_status, r.orig_cl_ord_id, r.order_key),
            (Kind::Replaced, b'0', &b""[..], &b"629"[..])
        );
    });
    report(&raw("ctrader-roe-cancelled"), "ctrader", |r| {
        assert_eq!((r.kind, r.leaves_qty, r.cum_qty), (Kind::Canceled, dec("100000"), dec("0")));
    });
}

/// cTrader names instruments by number: the text stays what it is, the symbol map translates it.
#[test]
fn a_symbol_can_be_a_number() {
    let symbol = |id: &str| report(&raw(id), "ctrader", |r| r.symbol.to_vec());
    assert_eq!(
        (symbol("ctrader-roe-fill"), symbol("ctrader-live-new-eurjpy")),
        (b"1".to_vec(), b"3".to_vec())
    );
}

/// cTrader: unknown orders and an empty mass status come as 35=j; 1200 instead of 12000 units is refused so too.
#[test]
fn refusals_by_business_reject_name_our_id() {
    for (id, want) in [
        ("ctrader-roe-bmr-notfound", "jR8dBPcZEQa9"),
        ("ctrader-issue-bmr-noorders", "1"),
        ("ctrader-live-badvolume", "6be7594a-aa5c-47d1-ab74-4e4cba2beda8"),
        ("ctrader-live-channelblocked", "spike-open-1"),
    ] {
        look(&raw(id), "ctrader", |r| {
            let Ok(Inbound::BusinessReject(r)) = r else { panic!("{id}: {r:?}") };
            assert_eq!(r.ref_id, want.as_bytes(), "{id}");
            assert!(!r.text.is_empty());
        });
    }
    assert_eq!(profile("ctrader").quantity_unit, fastcore::profile::QuantityUnit::Units);
}

/// Three messages in one TCP read are three messages, cut by BodyLength.
#[test]
fn one_read_gives_every_message_in_it() {
    let parts = sequence("ctrader-one-read-2023");
    let mut framed = Vec::new();
    for part in &parts {
        framed.extend_from_slice(&reframe(part));
    }
    let mut count = 0;
    let mut rest = framed.as_slice();
    while let Some(length) = frame_len(rest).unwrap() {
        assert!(parse_checked(&rest[..length], &mut Vec::new(), Check::Framing).is_ok());
        rest = &rest[length..];
        count += 1;
    }
    assert_eq!((count, rest.len()), (parts.len(), 0));
}

/// The same body with a length and a sum that are right.
fn reframe(raw: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    let m = parse(raw, &mut fields).unwrap();
    let mut out = Vec::new();
    let mut w = Writer::begin(&mut out, m.get(8).unwrap(), m.msg_type()).unwrap();
    for (tag, value) in m.fields().filter(|(tag, value)| ![8, 9, 35, 10].contains(tag) && !value.is_empty()) {
        w.text(tag, value).unwrap();
    }
    w.finish().unwrap();
    out
}

/// Exberry's bust keeps CumQty and has an OrdStatus of its own; the new trade names the cancel, blanks around it.
#[test]
fn a_bust_and_its_correction_are_tied_by_exec_ref_id() {
    report(&raw("exberry-er-200"), "exberry", |r| {
        assert_eq!((r.kind, r.ord_status, r.exec_ref_id), (Kind::Bust, b'H', &b"10531"[..]));
        assert_eq!((r.last_qty, r.cum_qty), (dec("5"), dec("5")));
    });
    let cancel = report(&raw("exberry-er-212"), "exberry", |r| r.exec_id.to_vec());
    report(&raw("exberry-er-215"), "exberry", |r| {
        assert_eq!((r.kind, r.ord_status, r.last_px), (Kind::Trade, b'G', dec("22")));
        assert_eq!(r.exec_ref_id, cancel);
    });
}

/// A strategy and its two legs are one fill, not three; the legs' placeholder id is no order.
#[test]
fn a_strategy_is_counted_once() {
    let steps = sequence("exberry-multileg");
    let fills =
        steps.iter().filter(|s| look(s, "exberry", |r| matches!(r, Ok(Inbound::Execution(_))))).count();
    assert_eq!(fills, 1);
    report(&raw("exberry-er-185"), "standard_legs", |r| {
        assert_eq!((r.order_id, r.last_px), (&b""[..], dec("-294.33")));
    });
}

/// Drop copies of other sessions' trades are ignored.
#[test]
fn drop_copies_are_not_fills() {
    for id in ["exberry-ae-161", "exberry-ae-185", "exberry-ae-187"] {
        look(&raw(id), "exberry", |r| assert!(matches!(r, Ok(Inbound::Ignored { .. })), "{id}"));
    }
}

/// Banzai acknowledges as 150=2 with nothing filled, and fills under another OrderID: ClOrdID ties them.
#[test]
fn an_acknowledgement_printed_as_a_fill_is_new() {
    let see = |id: &str| report(&raw(id), "quickfix-executor", |r| (r.kind, r.order_key.to_vec()));
    let (new, fill) = (see("banzai-new"), see("banzai-fill"));
    assert_eq!((new.0, fill.0), (Kind::New, Kind::Trade));
    assert_eq!(new.1, fill.1);
}

/// NYSE's fill has CumQty 0: the profile counts LastQty.
#[test]
fn a_fill_with_cum_qty_zero_is_a_fill() {
    report(&raw("nyse-ccg-fill"), "nyse-ccg", |r| {
        assert_eq!(
            (r.kind, r.cum_qty, r.last_qty, r.last_px),
            (Kind::Trade, dec("0"), dec("100"), dec("25.48"))
        );
    });
    assert_eq!(profile("nyse-ccg").fill_qty, fastcore::profile::FillQty::LastQty);
}

/// A match printed as 150=3 with a quantity is a fill; without one the day is done.
#[test]
fn a_match_printed_as_done_for_day_is_a_fill() {
    let fill = String::from_utf8(raw("appia-fill")).unwrap().replace("\u{1}150=2\u{1}", "\u{1}150=3\u{1}");
    assert_eq!(report(fill.as_bytes(), "standard", |r| r.kind), Kind::Trade);
    let done = fill.replace("\u{1}32=100.0000000000\u{1}", "\u{1}32=0\u{1}");
    assert_eq!(report(done.as_bytes(), "standard", |r| r.kind), Kind::DoneForDay);
}

/// CME sends one execution three times with 43=Y, the same in all that identifies it, and a gap-filler only so.
#[test]
fn retransmissions_are_read_like_the_original() {
    let see = |id: &str| {
        report(&raw(id), "cme", |r| {
            (
                (r.order_id.to_vec(), r.exec_id.to_vec(), r.exec_type, r.last_qty, r.cum_qty),
                r.poss_dup,
                r.kind,
            )
        })
    };
    let [first, second, third] = ["cme-seq16", "cme-seq16-dup11", "cme-seq16-dup12"].map(see);
    assert_eq!((first.1, second.1, third.1), (false, true, true));
    assert!(first.0 == second.0 && second.0 == third.0);
    assert_eq!(see("cme-seq12-dup12").2, Kind::Trade);
}

/// CME's orders share one ClOrdID: the order key tells them apart. Orders without a ClOrdID have a key too.
#[test]
fn orders_are_told_apart_without_cl_ord_id() {
    let see = |id: &str| report(&raw(id), "cme", |r| (r.order_key.to_vec(), r.cl_ord_id.to_vec()));
    let (a, b) = (see("cme-seq8"), see("cme-seq16"));
    assert_eq!(a.1, b.1);
    assert_ne!(a.0, b.0);
    let bare =
        report(&raw("tsox-tbill-fill"), "bloomberg-tsox", |r| (r.order_key.to_vec(), r.cl_ord_id.to_vec()));
    assert_eq!(bare, (b"FOOBAR:20170620:1072:6".to_vec(), Vec::new()));
}

/// Rejects with placeholder ids, and text where a number belongs, are read.
#[test]
fn rejects_with_placeholders_are_read() {
    report(&raw("alpaca-rejected"), "alpaca", |r| {
        assert_eq!((r.kind, r.rej_reason), (Kind::Rejected, Some(&b"Price too low"[..])));
    });
    report(&raw("exberry-er-120"), "exberry", |r| {
        assert_eq!(
            (r.kind, r.order_id, r.symbol, r.order_key),
            (Kind::Rejected, &b""[..], &b""[..], &b"1741263512584"[..])
        );
    });
    report(&raw("fxcm-doc-8-NONE"), "fxcm", |r| assert_eq!((r.kind, r.order_id), (Kind::Rejected, &b""[..])));
    // A side on an order that never was, and quantities that are not there: nothing happened all the same.
    for (id, name) in
        [("exberry-er-120", "exberry"), ("alpaca-rejected", "alpaca"), ("fxcm-list-rejected", "fxcm")]
    {
        report(&raw(id), name, |r| {
            assert_eq!(r.kind, Kind::Rejected, "{id}");
            assert!(
                !r.last_qty.is_some_and(Dec::is_positive) && !r.cum_qty.is_some_and(Dec::is_positive),
                "{id}"
            );
        });
    }
}

/// Alpaca sorts its tags: MsgType is not third, and is found.
#[test]
fn msg_type_is_found_anywhere() {
    report(&raw("alpaca-partial"), "alpaca", |r| assert_eq!((r.kind, r.side), (Kind::Trade, Side::Buy)));
}

/// Leading zeros in BodyLength and MsgSeqNum are numbers.
#[test]
fn leading_zeros_are_harmless() {
    let mut fields = Vec::new();
    let amend = raw("binance-xar-1140");
    assert!(amend.starts_with(b"8=FIX.4.4\x019=0000176\x01"));
    assert_eq!(frame_len(&amend), Ok(Some(amend.len())));
    let text = String::from_utf8(reframe(&raw("tsox-tbill-fill"))).unwrap().replace("34=1505", "34=0001505");
    let m = parse(text.as_bytes(), &mut fields).unwrap();
    assert_eq!(msg_seq_num(&m), Some(1505));
    let framed = text_to_wire("8=FIX.4.4|9=0005|35=0|10=163|");
    assert_eq!(frame_len(&framed), Ok(Some(framed.len())));
}

/// A whole report inside a data field is data, not a report.
#[test]
fn a_message_inside_a_message_is_not_read() {
    let raw = raw("cme-n-embedded");
    let mut fields = Vec::new();
    let m = parse(&raw, &mut fields).unwrap();
    assert_eq!((m.msg_type(), m.get(37), m.get(10)), (&b"n"[..], None, Some(&b"028"[..])));
    assert_eq!(m.get(213).unwrap().len(), 392);
}

/// Numbers that a double cannot hold come through digit for digit.
#[test]
fn numbers_beyond_a_double_are_exact() {
    report(&raw("exberry-er-209"), "exberry", |r| {
        assert_eq!(r.avg_px.unwrap().to_text(), "21.666666666666666667")
    });
    let mut fields = Vec::new();
    let raw_ae = raw("exberry-ae-207");
    let px = parse(&raw_ae, &mut fields).unwrap().get(31).unwrap();
    assert_eq!(Dec::parse(px).unwrap().to_text(), "3602879701896396.8");
    report(&raw("qf-cme-fill"), "cme", |r| assert_eq!(r.cl_ord_id, b"00000000000000000003"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Real messages with bytes changed, cut and doubled: a meaning or a reason, never a panic.
    #[test]
    fn mutated_real_messages_never_panic(pick in any::<prop::sample::Index>(), edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..12)) {
        use std::sync::OnceLock;
        static ALL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let all = ALL.get_or_init(|| messages().into_values().collect());
        let mut raw = all[pick.index(all.len())].clone();
        for (at, byte, how) in edits {
            let at = at.index(raw.len());
            match how {
                0 => raw[at] = byte,
                1 => raw[at] = b"\x01=0-.9"[usize::from(byte) % 6],
                2 => { raw.remove(at); }
                _ => raw.insert(at, byte),
            }
            if raw.is_empty() { raw.push(b'8'); }
        }
        let mut fields = Vec::new();
        let profile = fastcore::profile::Profile::standard("x", "FIX.4.4");
        if let Ok(m) = parse(&raw, &mut fields) { let _ = read(&m, &profile); }
        let _ = parse_checked(&raw, &mut fields, Check::Framing);
        let _ = frame_len(&raw);
    }
}
