//! Changes to bytes and to FIX fields: what brokers, networks and attackers have been seen to send, and worse.

use crate::rng::Rng;

/// A field before it is written.
pub type Fields = Vec<(u32, Vec<u8>)>;

/// Values that have broken readers of numbers, times, names and enumerations.
const VALUES: &[&[u8]] = &[
    b"",
    b"0",
    b"1",
    b"2",
    b"-1",
    b"-0",
    b"+1",
    b" 1",
    b"1 ",
    b".",
    b"-",
    b"1.",
    b".5",
    b"1e5",
    b"0x10",
    b"NaN",
    b"inf",
    b"1,5",
    b"00000000000000000000000000000000001",
    b"0.0000000000000000000000001",
    b"0.000000000001",
    b"99999999999999999999",
    b"100000000000000000000",
    b"170141183460469231731687303715884105727",
    b"170141183460469231731687303715.884105728",
    b"-170141183460469231731687303715884105728",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"4294967296",
    b"2147483648",
    b"999999999",
    b"9999999999",
    b"A",
    b"F",
    b"H",
    b"G",
    b"I",
    b"D",
    b"8",
    b"4",
    b"5",
    b"NONE",
    b"UNKNOWN",
    b"Y",
    b"N",
    b"20231114-22:13:20.000",
    b"20231114-22:13:20.123456789",
    b"00000000-00:00:00",
    b"99991231-23:59:60",
    b"20230229-24:00:00",
    b"20231114",
    b"19691231-23:59:59.999",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\0",
    b"=",
    b"a=b",
    b"X",
    b"Y",
    b"\xd9\xa1\xd9\xa2",
];

/// Tags that some reader here asks for.
const TAGS: &[u32] = &[
    1,
    6,
    8,
    9,
    10,
    11,
    14,
    15,
    17,
    19,
    20,
    31,
    32,
    34,
    35,
    37,
    38,
    39,
    41,
    43,
    44,
    45,
    52,
    54,
    55,
    56,
    58,
    60,
    89,
    93,
    95,
    96,
    97,
    102,
    103,
    148,
    150,
    151,
    268,
    269,
    270,
    326,
    336,
    340,
    354,
    355,
    371,
    372,
    373,
    378,
    379,
    380,
    434,
    442,
    448,
    452,
    453,
    584,
    702,
    703,
    704,
    705,
    710,
    721,
    724,
    727,
    728,
    790,
    797,
    899,
    900,
    901,
    911,
    912,
    999_999_999,
];

/// Takes `35=8|…|` apart; a data field of the corpus may hold the separator's stand-in, which makes another message.
pub fn fields_of(text: &str) -> Fields {
    let pairs = text.split('|').filter_map(|f| f.split_once('='));
    pairs.filter_map(|(tag, value)| Some((tag.parse().ok()?, value.as_bytes().to_vec()))).collect()
}

/// One to four changes of fields.
pub fn fields(rng: &mut Rng, list: &mut Fields) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(list.len());
        if list.is_empty() {
            return;
        }
        match rng.below(10) {
            0 => list[at].0 = *rng.pick(TAGS),
            1 | 2 => list[at].1 = rng.pick(VALUES).to_vec(),
            3 => drop(list.remove(at)),
            4 => {
                let other = rng.below(list.len());
                list.swap(at, other);
            }
            5 => {
                let other = rng.below(list.len());
                let value = list[other].1.clone();
                list[at].1 = value;
            }
            6 => list.insert(at, (*rng.pick(TAGS), rng.pick(VALUES).to_vec())),
            // A group again and again.
            7 => {
                let end = (at + 1 + rng.below(4)).min(list.len());
                let group = list[at..end].to_vec();
                let most = if rng.one_in(50) { 400 } else { 3 };
                for _ in 0..=rng.below(most) {
                    list.splice(at..at, group.iter().cloned());
                }
            }
            // Data with separators in it, its length right or not.
            8 => {
                let data = b"a\x01b=c\x0110=000\x01".to_vec();
                let said = if rng.one_in(3) {
                    rng.pick(VALUES).to_vec()
                } else {
                    data.len().to_string().into_bytes()
                };
                let (length, tag) = *rng.pick(&[(95, 96), (354, 355), (93, 89), (90, 91)]);
                list.splice(at..at, [(length, said), (tag, data)]);
            }
            _ => bytes(rng, &mut list[at].1),
        }
    }
}

/// One to four changes of bytes.
pub fn bytes(rng: &mut Rng, raw: &mut Vec<u8>) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(raw.len() + 1);
        let end = (at + rng.below(12)).min(raw.len());
        match rng.below(8) {
            0 if at < raw.len() => raw[at] ^= 1 << rng.below(8),
            1 if at < raw.len() => raw[at] = rng.byte(),
            2 if at < raw.len() => raw[at] = *rng.pick(b"\x01=|0919-.8\xff\0\x80\x7f"),
            3 => drop(raw.drain(at..end)),
            4 => {
                let part = raw[at..end].to_vec();
                raw.splice(at..at, part);
            }
            5 => raw.insert(at, rng.byte()),
            6 if rng.one_in(4) => raw.truncate(at),
            _ => drop(raw.splice(at..end, rng.pick(VALUES).iter().copied())),
        }
    }
}

/// The message as bytes; once in twelve with a head or an end that is wrong.
pub fn framed(rng: &mut Rng, list: &Fields) -> Vec<u8> {
    let mut body = Vec::new();
    for (tag, value) in list.iter().filter(|(tag, _)| !matches!(tag, 8..=10)) {
        body.extend_from_slice(tag.to_string().as_bytes());
        body.push(b'=');
        body.extend_from_slice(value);
        body.push(1);
    }
    let begin = *rng.pick(&["FIX.4.4", "FIX.4.2", "FIXT.1.1", "FIX.4.4", "FIX.4.4"]);
    let wrong = if rng.one_in(12) { 1 + rng.below(4) } else { 0 };
    let length = if wrong == 1 { rng.below(70_000) } else { body.len() };
    let mut raw = format!("8={begin}\u{1}9={length}\u{1}").into_bytes();
    raw.extend_from_slice(&body);
    let sum = raw.iter().fold(u8::from(wrong == 2), |sum, b| sum.wrapping_add(*b));
    match wrong {
        3 => {}
        4 => raw.extend_from_slice(format!("10={sum}").as_bytes()),
        _ => raw.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes()),
    }
    raw
}
