//! Decimals against an exact reference.

use super::*;
use num_bigint::BigInt;
use proptest::prelude::*;

fn dec(text: &str) -> Dec {
    Dec::parse(text.as_bytes()).unwrap()
}

/// Text in, the same value out, in its shortest form.
#[test]
fn text_is_kept_exactly() {
    let pairs = [
        ("0", "0"),
        ("-0", "0"),
        ("+1.50", "1.5"),
        ("00023.23", "23.23"),
        ("-0.5", "-0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("3602879701896396.8", "3602879701896396.8"),
        ("21.666666666666666667", "21.666666666666666667"),
        ("100000000000000000000", "100000000000000000000"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("1.0000000000000000000000000", "1"),
        ("12345678901234567890.5", "12345678901234567890.5"),
    ];
    for (text, want) in pairs {
        assert_eq!(dec(text).to_text(), want);
    }
}

/// Every kind of bad text has its own answer.
#[test]
fn bad_text_is_refused_with_its_reason() {
    let pairs: [(&str, DecError); 16] = [
        ("", DecError::Empty),
        ("-", DecError::NotANumber),
        (".", DecError::NotANumber),
        ("1e30", DecError::NotANumber),
        ("NaN", DecError::NotANumber),
        (" 1", DecError::NotANumber),
        ("1 ", DecError::NotANumber),
        ("--1", DecError::NotANumber),
        ("1.2.3", DecError::NotANumber),
        ("1,5", DecError::NotANumber),
        ("blablabla", DecError::NotANumber),
        ("0.12345678901234567891", DecError::TooPrecise),
        ("0.0000000000000000001", DecError::TooPrecise),
        ("100000000000000000000.1", DecError::OutOfRange),
        ("999999999999999999999999999999", DecError::OutOfRange),
        ("-100000000000000000001", DecError::OutOfRange),
    ];
    for (text, want) in pairs {
        assert_eq!(Dec::parse(text.as_bytes()), Err(want), "{text}");
    }
}

/// Rounding modes differ exactly where they should: 5/2, −5/2, 7/2, 1/3.
#[test]
fn every_rounding_mode_is_as_named() {
    use Round::{Ceil, Down, Floor, HalfDown, HalfEven, Up};
    let rows = [
        (5, 2, [2, 2, 2, 3, 2, 3]),
        (-5, 2, [-2, -2, -2, -3, -3, -2]),
        (7, 2, [4, 3, 3, 4, 3, 4]),
        (1, 3, [0, 0, 0, 1, 0, 1]),
        (-2, 3, [-1, -1, 0, -1, -1, 0]),
        (6, 2, [3, 3, 3, 3, 3, 3]),
    ];
    for (num, den, want) in rows {
        for (mode, want) in [HalfEven, HalfDown, Down, Up, Floor, Ceil].into_iter().zip(want) {
            assert_eq!(mul_div(num, 1, den, mode), Some(want), "{num}/{den} {mode:?}");
        }
    }
}

/// The ends of the range: the smallest value is reachable, one further is not.
#[test]
fn overflow_is_none() {
    assert_eq!(mul_div(i128::MIN, 1, 1, Round::Down), Some(i128::MIN));
    assert_eq!(mul_div(i128::MIN, -1, 1, Round::Down), None);
    assert_eq!(mul_div(i128::MAX, i128::MAX, i128::MAX, Round::Down), Some(i128::MAX));
    assert_eq!(mul_div(i128::MAX, i128::MAX, 1, Round::Down), None);
    assert_eq!(mul_div(1, 1, 0, Round::Down), None);
    assert_eq!(Dec::from_raw(i128::MIN).abs(), None);
    assert_eq!(Dec::ONE.div(Dec::ZERO, Round::Down), None);
}

/// A decimal in JSON is a string; a JSON number has been through somebody's double.
#[test]
fn json_numbers_are_refused() {
    assert_eq!(serde_json::from_str::<Dec>("\"1.50\"").unwrap(), dec("1.5"));
    assert!(serde_json::from_str::<Dec>("1.5").is_err());
    assert!(serde_json::from_str::<Dec>("2").is_err());
    assert_eq!(serde_json::to_string(&dec("1.50")).unwrap(), "\"1.5\"");
}

fn reference(a: i128, b: i128, c: i128, round: Round) -> Option<i128> {
    if c == 0 {
        return None;
    }
    let (n, d) = if c < 0 {
        (-(BigInt::from(a) * b), -BigInt::from(c))
    } else {
        (BigInt::from(a) * b, BigInt::from(c))
    };
    let zero = BigInt::from(0);
    let mut rest = &n % &d;
    if rest < zero {
        rest += &d;
    }
    let floor: BigInt = (&n - &rest) / &d;
    let exact = rest == zero;
    let negative = n < zero;
    let twice = BigInt::from(2).checked_mul(&rest).unwrap().cmp(&d);
    let up: bool = !exact
        && match round {
            Round::Floor => false,
            Round::Ceil => true,
            Round::Down => negative,
            Round::Up => !negative,
            Round::HalfEven => twice.is_gt() || (twice.is_eq() && floor.bit(0)),
            Round::HalfDown => twice.is_gt() || (twice.is_eq() && negative),
        };
    i128::try_from(floor + i32::from(up)).ok()
}

/// Numbers of every size, the awkward ones more often than chance would have it.
fn number() -> impl Strategy<Value = i128> {
    prop_oneof![
        any::<i128>(),
        any::<i64>().prop_map(i128::from),
        (-20_i128..20),
        (any::<i128>(), 0_u32..127).prop_map(|(v, s)| v >> s),
        (any::<i32>(), 15_u32..25).prop_map(|(v, s)| i128::from(v) * 10_i128.pow(s)),
        Just(i128::MIN),
        Just(i128::MAX),
        Just(SCALE),
        (0_u32..127, -2_i128..3).prop_map(|(s, d)| (1_i128 << s).wrapping_add(d)),
    ]
}

fn mode() -> impl Strategy<Value = Round> {
    prop::sample::select(vec![
        Round::HalfEven,
        Round::HalfDown,
        Round::Down,
        Round::Up,
        Round::Floor,
        Round::Ceil,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// The short way of a product gives what the long way gives, and leaves the range where that does.
    #[test]
    fn a_product_is_the_wide_product(a in any::<i128>(), b in any::<i128>(), by in (0..127_u32, 0..127_u32)) {
        let (a, b) = (a >> by.0, b >> by.1);
        prop_assert_eq!(times(a, b), a.checked_mul(b));
    }

    /// One rounding, exactly as big integers do it, at every size.
    #[test]
    fn mul_div_agrees_with_big_integers(a in number(), b in number(), c in number(), round in mode()) {
        prop_assert_eq!(mul_div(a, b, c, round), reference(a, b, c, round));
    }

    /// The long division alone, where the quotient is known to fit.
    #[test]
    fn wide_division_agrees_with_big_integers(q in any::<u128>(), d in 1..=u128::MAX, r in any::<u128>(), s in 0_u32..128) {
        let d = (d >> s).max(1);
        let r = r % d;
        let n = num_bigint::BigUint::from(q) * d + r;
        let digits = n.to_u64_digits();
        let at = |i: usize| u128::from(digits.get(i).copied().unwrap_or(0));
        prop_assert_eq!(wide_div((at(3) << 64) | at(2), (at(1) << 64) | at(0), d), Some((q, r)));
    }

    /// The division by the scale that is known: every digit of a quotient, at the ends of its range too.
    #[test]
    fn dividing_by_the_scale_is_the_long_division(top in any::<u128>(), bottom in number(), ends in 0_u128..3) {
        let bottom = bottom.cast_unsigned();
        for top in [top % SCALE_ABS, ends, SCALE_ABS - 1 - ends] {
            prop_assert_eq!(wide_by_scale(top, bottom), wide_div(top, bottom, SCALE_ABS));
        }
        prop_assert_eq!(wide_by_scale(SCALE_ABS + ends, bottom), None);
    }

    /// The short ways of dividing give what the plain one does. (The smallest i128 has no magnitude of its kind.)
    #[test]
    fn quotients_and_rests_are_those_of_the_plain_division(a in number(), b in number()) {
        let want = a.checked_div(b).zip(a.checked_rem(b)).filter(|(whole, _)| *whole != i128::MIN);
        prop_assert_eq!(div_rem(a, b), want);
        let magnitude = a.unsigned_abs();
        prop_assert_eq!(by_scale(magnitude), (magnitude / SCALE_ABS, magnitude % SCALE_ABS));
    }

    /// What is written is read back unchanged.
    #[test]
    fn text_round_trips(raw in number()) {
        let value = Dec::from_raw(raw);
        let text = value.to_text();
        match Dec::parse(text.as_bytes()) {
            Ok(read) => prop_assert_eq!(read, value),
            Err(e) => prop_assert!(e == DecError::OutOfRange && raw.unsigned_abs() > RAW_MAX_FROM_TEXT, "{text}: {e:?}"),
        }
    }

    /// Any bytes give a value or a reason.
    #[test]
    fn parse_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), digits in "[-+]?[0-9]{0,40}[.]?[0-9]{0,40}") {
        let _ = Dec::parse(&bytes);
        let _ = Dec::parse(digits.as_bytes());
    }
}
