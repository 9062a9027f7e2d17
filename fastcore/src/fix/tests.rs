//! The reader and the writer, each against the other and against bad bytes.

use super::*;
use crate::decimal::Dec;
use proptest::prelude::*;

fn wire(text: &str) -> Vec<u8> {
    text.bytes().map(|b| if b == b'|' { SOH } else { b }).collect()
}

fn garbled(raw: &[u8], check: Check) -> Option<Garbled> {
    parse_checked(raw, &mut Vec::new(), check).err()
}

fn order() -> Vec<u8> {
    let mut out = Vec::new();
    let mut w = Writer::begin(&mut out, b"FIX.4.4", b"D").unwrap();
    w.text(11, b"A1").unwrap();
    w.dec(38, Dec::parse(b"1000.50").unwrap()).unwrap();
    w.int(386, -7).unwrap();
    w.utc(60, 0).unwrap();
    w.finish().unwrap();
    out
}

/// A written message is framed right: length, sum, order of the fields.
#[test]
fn what_is_written_is_read_back() {
    let raw = order();
    let mut fields = Vec::new();
    let m = parse_checked(&raw, &mut fields, Check::Framing).unwrap();
    assert_eq!(m.msg_type(), b"D");
    assert_eq!(m.get(38), Some(&b"1000.5"[..]));
    assert_eq!(m.get(386), Some(&b"-7"[..]));
    assert_eq!(m.get(60), Some(&b"19700101-00:00:00.000"[..]));
    assert_eq!(m.fields().map(|(tag, _)| tag).collect::<Vec<_>>(), [8, 9, 35, 11, 38, 386, 60, 10]);
}

/// The length is right with two, three and four digits alike.
#[test]
fn body_length_is_right_at_every_size() {
    for size in [1, 60, 93, 94, 95, 900, 993, 994, 995, 5_000, 60_000] {
        let mut out = b"before".to_vec();
        let mut w = Writer::begin(&mut out, b"FIX.4.2", b"B").unwrap();
        w.text(58, &vec![b'x'; size]).unwrap();
        w.finish().unwrap();
        assert_eq!(garbled(&out[6..], Check::Framing), None, "{size}");
    }
}

/// A separator in a value would let a broker's text forge an order: refused, and nothing of the message stays.
#[test]
fn forged_and_empty_values_are_never_written() {
    let mut out = b"kept".to_vec();
    let mut w = Writer::begin(&mut out, b"FIX.4.4", b"D").unwrap();
    assert_eq!(w.text(58, b"a\x0138=9"), Err(BadValue::Separator { tag: 58 }));
    assert_eq!(w.text(1, b""), Err(BadValue::Empty { tag: 1 }));
    drop(w);
    assert_eq!(out, b"kept");
    assert!(Writer::begin(&mut out, b"FIX.4.4", b"").is_err());
    assert_eq!(out, b"kept");
}

/// Each way of being garbled has its own name.
#[test]
fn garbled_bytes_are_named() {
    assert_eq!(garbled(b"", Check::None), Some(Garbled::NoBeginString));
    assert_eq!(garbled(b"GET / HTTP/1.1", Check::None), Some(Garbled::NoBeginString));
    assert_eq!(garbled(&wire("8=FIX.4.4|x=1|"), Check::None), Some(Garbled::BadTag { at: 10 }));
    assert_eq!(garbled(&wire("8=FIX.4.4||"), Check::None), Some(Garbled::BadTag { at: 10 }));
    assert_eq!(garbled(&wire("8=FIX.4.4|0=1|"), Check::None), Some(Garbled::BadTag { at: 10 }));
    assert_eq!(garbled(&wire("8=FIX.4.4|1234567890=1|"), Check::None), Some(Garbled::BadTag { at: 10 }));
    assert_eq!(garbled(&wire("8=FIX.4.4|35=8"), Check::None), Some(Garbled::NoSoh));
    assert_eq!(
        garbled(&wire(&format!("8=FIX.4.4|58={}|", "x".repeat(70_000))), Check::None),
        Some(Garbled::TooLong)
    );
    assert_eq!(
        garbled(&wire(&format!("8=F|{}", "1=a|".repeat(1_100))), Check::None),
        Some(Garbled::TooManyFields)
    );
    let at_length = garbled(&wire("8=FIX.4.2|9=4|35=0|10=1|"), Check::Framing);
    assert_eq!(at_length, Some(Garbled::BodyLength { stated: 4, actual: 5 }));
    assert!(matches!(
        garbled(&wire("8=FIX.4.2|9=5|35=0|10=161|"), Check::Framing),
        None | Some(Garbled::CheckSum { .. })
    ));
    assert!(matches!(
        garbled(&wire("8=FIX.4.2|9=5|35=0|10=1|"), Check::Framing),
        Some(Garbled::CheckSum { .. })
    ));
}

/// RawData may hold separators and a whole message; what is inside is not read as fields.
#[test]
fn data_fields_are_read_by_their_length() {
    let raw = wire("8=FIX.4.4|35=B|95=10|96=8=F|38=99||58=end|10=000|");
    let mut fields = Vec::new();
    let m = parse(&raw, &mut fields).unwrap();
    assert_eq!(m.get(38), None);
    assert_eq!(m.get(96).map(<[u8]>::len), Some(10));
    assert_eq!(m.get(58), Some(&b"end"[..]));
}

/// A wrong data length is an error when framing is checked, and an ordinary field when it is not.
#[test]
fn a_wrong_data_length_does_not_swallow_the_message() {
    let raw = wire("8=FIX.4.4|35=B|95=4000|96=ab|58=end|10=000|");
    let mut fields = Vec::new();
    assert_eq!(parse(&raw, &mut fields).unwrap().get(58), Some(&b"end"[..]));
    assert_eq!(garbled(&raw, Check::Framing), Some(Garbled::DataLength { at: 26 }));
}

/// Several messages in one read are cut by BodyLength; half a message waits.
#[test]
fn one_read_is_cut_into_its_messages() {
    let one = order();
    let stream = [one.as_slice(), one.as_slice(), &one[..20]].concat();
    assert_eq!(frame_len(&stream), Ok(Some(one.len())));
    assert_eq!(frame_len(&stream[2 * one.len()..]), Ok(None));
    assert_eq!(frame_len(b""), Ok(None));
    assert_eq!(frame_len(b"8"), Ok(None));
    assert_eq!(frame_len(b"9=12"), Err(Garbled::NoBeginString));
    assert!(matches!(frame_len(&wire("8=FIX.4.4|9=x|")), Err(Garbled::BodyLength { .. })));
    assert_eq!(frame_len(&wire("8=FIX.4.4|9=999999|")), Err(Garbled::TooLong));
}

proptest! {
    /// No bytes panic, whatever is checked.
    #[test]
    fn no_bytes_panic(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        for raw in [tail.clone(), [b"8=FIX.4.4\x01".as_slice(), &tail].concat()] {
            let _ = garbled(&raw, Check::None);
            let _ = garbled(&raw, Check::Framing);
            let _ = frame_len(&raw);
        }
    }

    /// Any fields with any bytes but the separator are read back in order.
    #[test]
    fn any_fields_round_trip(values in proptest::collection::vec((1_u32..99_999, proptest::collection::vec(2_u8.., 1..20)), 0..50)) {
        let values: Vec<_> = values.into_iter().filter(|(tag, _)| length_tag(*tag).is_none()).collect();
        let mut out = Vec::new();
        let mut w = Writer::begin(&mut out, b"FIX.4.4", b"D").unwrap();
        for (tag, value) in &values {
            w.text(*tag, value).unwrap();
        }
        w.finish().unwrap();
        let mut fields = Vec::new();
        let m = parse_checked(&out, &mut fields, Check::Framing).unwrap();
        let body: Vec<_> = m.fields().skip(3).map(|(t, v)| (t, v.to_vec())).take(values.len()).collect();
        prop_assert_eq!(body, values);
        prop_assert_eq!(frame_len(&out), Ok(Some(out.len())));
    }
}
