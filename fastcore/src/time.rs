//! FIX times: `UTCTimestamp` text to nanoseconds since 1970 and back.
//!
//! The core reads no clock; these are conversions only.

const NS_PER_S: i64 = 1_000_000_000;
const S_PER_DAY: i64 = 86_400;
/// Powers of ten for a fraction of up to nine digits.
const NS_OF_DIGIT: [i64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// Reads `YYYYMMDD-HH:MM:SS[.fraction]` as nanoseconds since 1970-01-01 UTC.
///
/// Up to 12 fraction digits are read (FIX 5.0 SP2 picoseconds); those past the ninth are cut. A leap second
/// `:60` is the first second of the next minute. `None` for anything else, and for years outside 1970..=2261.
#[must_use]
pub fn parse_utc(text: &[u8]) -> Option<i64> {
    let (head, fraction) = text.split_at_checked(17)?;
    let &[y1, y2, y3, y4, mo1, mo2, d1, d2, b'-', h1, h2, b':', mi1, mi2, b':', s1, s2] = head else {
        return None;
    };
    let year = two(y1, y2)?.wrapping_mul(100).wrapping_add(two(y3, y4)?);
    let (month, day) = (two(mo1, mo2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(mi1, mi2)?, two(s1, s2)?);
    let date_ok = (1970..=2261).contains(&year) && (1..=12).contains(&month);
    if !date_ok || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let in_day_s = hour.wrapping_mul(3600).wrapping_add(minute.wrapping_mul(60)).wrapping_add(second);
    let total_s = days_from_civil(year, month, day).wrapping_mul(S_PER_DAY).wrapping_add(in_day_s);
    total_s.checked_mul(NS_PER_S)?.checked_add(fraction_ns(fraction)?)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens).wrapping_mul(10).wrapping_add(i64::from(ones)))
}

/// Nothing, or a point and 1 to 12 digits.
fn fraction_ns(text: &[u8]) -> Option<i64> {
    let Some((&point, digits)) = text.split_first() else { return Some(0) };
    if point != b'.' || digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let weighted = digits.iter().zip(NS_OF_DIGIT);
    Some(weighted.fold(0, |sum, (d, w)| sum.wrapping_add(i64::from(d.wrapping_sub(b'0')).wrapping_mul(w))))
}

const fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => {
            if is_leap(year) {
                29
            } else {
                28
            }
        }
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years are counted from March, so the leap day is a year's last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let from_march = if month > 2 { month.wrapping_sub(3) } else { month.wrapping_add(9) };
    let year = if month > 2 { year } else { year.wrapping_sub(1) };
    let leaps = year.div_euclid(4).wrapping_sub(year.div_euclid(100)).wrapping_add(year.div_euclid(400));
    let in_year = from_march.wrapping_mul(153).wrapping_add(2) / 5;
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    year.wrapping_mul(365).wrapping_add(leaps).wrapping_add(in_year).wrapping_add(day).wrapping_sub(719_469)
}

/// Year, month and day of a day count since 1970-01-01: the inverse of `days_from_civil`.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.wrapping_add(719_468);
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let leap_days = (in_era / 1460).wrapping_sub(in_era / 36_524).wrapping_add(in_era / 146_096);
    let year_of_era = in_era.wrapping_sub(leap_days) / 365;
    let before = year_of_era.wrapping_mul(365).wrapping_add(year_of_era / 4).wrapping_sub(year_of_era / 100);
    let in_year = in_era.wrapping_sub(before);
    let from_march = in_year.wrapping_mul(5).wrapping_add(2) / 153;
    let day = in_year.wrapping_sub(from_march.wrapping_mul(153).wrapping_add(2) / 5).wrapping_add(1);
    let month = if from_march < 10 { from_march.wrapping_add(3) } else { from_march.wrapping_sub(9) };
    let year = year_of_era.wrapping_add(era.wrapping_mul(400));
    (if month <= 2 { year.wrapping_add(1) } else { year }, month, day)
}

/// Appends `YYYYMMDD-HH:MM:SS.sss`; what is below a millisecond is cut.
pub fn write_utc(ns: i64, out: &mut Vec<u8>) {
    write_utc_digits(ns, 3, out);
}

/// Appends the timestamp with `decimals` (0 to 9) fraction digits, the rest cut.
pub fn write_utc_digits(ns: i64, decimals: usize, out: &mut Vec<u8>) {
    let total_s = ns.div_euclid(NS_PER_S);
    let (year, month, day) = civil_from_days(total_s.div_euclid(S_PER_DAY));
    let in_day_s = total_s.rem_euclid(S_PER_DAY);
    let [y1, y2] = two_digits(year / 100);
    let [y3, y4] = two_digits(year);
    let [mo1, mo2] = two_digits(month);
    let [d1, d2] = two_digits(day);
    let [h1, h2] = two_digits(in_day_s / 3600);
    let [mi1, mi2] = two_digits(in_day_s / 60 % 60);
    let [s1, s2] = two_digits(in_day_s % 60);
    // Built aside and appended once: orders are written in the hot path.
    out.extend_from_slice(&[y1, y2, y3, y4, mo1, mo2, d1, d2, b'-', h1, h2, b':', mi1, mi2, b':', s1, s2]);
    let part_ns = ns.rem_euclid(NS_PER_S);
    if decimals == 3 {
        let [ms2, ms3] = two_digits(part_ns / 1_000_000);
        let [_, ms1] = two_digits(part_ns / 100_000_000);
        out.extend_from_slice(&[b'.', ms1, ms2, ms3]);
        return;
    }
    if decimals > 0 {
        out.push(b'.');
    }
    for weight in NS_OF_DIGIT.iter().take(decimals) {
        let [_, digit] = two_digits(part_ns.checked_div(*weight).unwrap_or(0));
        out.push(digit);
    }
}

/// The last two decimal digits of a value that is not negative.
#[inline]
fn two_digits(value: i64) -> [u8; 2] {
    let rest = u8::try_from(value % 100).unwrap_or(0);
    [b'0'.wrapping_add(rest / 10), b'0'.wrapping_add(rest % 10)]
}

/// The UTC date as a number: 20260131. Negative times give their day before 1970.
#[must_use]
pub fn trade_date(ns: i64) -> u32 {
    let (year, month, day) = civil_from_days(ns.div_euclid(NS_PER_S).div_euclid(S_PER_DAY));
    let date = year.wrapping_mul(10_000).wrapping_add(month.wrapping_mul(100)).wrapping_add(day);
    u32::try_from(date).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Midnight of the epoch, an ordinary trade time and the day after a leap day.
    #[test]
    fn known_times_are_read() {
        assert_eq!(parse_utc(b"19700101-00:00:00"), Some(0));
        assert_eq!(parse_utc(b"20170117-10:02:14.720"), Some(1_484_647_334_720_000_000));
        assert_eq!(parse_utc(b"20240229-23:59:59.999999999"), Some(1_709_251_199_999_999_999));
        assert_eq!(parse_utc(b"20240229-23:59:59.999999999123"), Some(1_709_251_199_999_999_999));
    }

    /// A leap second is the next minute's first second, so time never runs backwards over it.
    #[test]
    fn a_leap_second_is_the_next_minute() {
        assert_eq!(parse_utc(b"20161231-23:59:60"), parse_utc(b"20170101-00:00:00"));
    }

    /// Impossible dates and other formats are refused, not guessed.
    #[test]
    fn other_text_is_refused() {
        let bad: [&[u8]; 10] = [
            b"",
            b"20170117",
            b"20170229-00:00:00",
            b"20171301-00:00:00",
            b"20170117-24:00:00",
            b"20170117-10:02:14.",
            b"20170117 10:02:14",
            b"20170117-10:02:14.1234567890123",
            b"20170117-10:02:14Z",
            b"blablabla-00:00:0",
        ];
        for text in bad {
            assert_eq!(parse_utc(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    /// The trade date is the UTC day.
    #[test]
    fn the_trade_date_is_the_utc_day() {
        assert_eq!(trade_date(parse_utc(b"20170117-23:59:59.999").unwrap()), 20_170_117);
        assert_eq!(trade_date(parse_utc(b"20170118-00:00:00").unwrap()), 20_170_118);
    }

    proptest! {
        /// What is written is read back, to the nanosecond.
        #[test]
        fn written_times_are_read_back(ns in 0..9_214_646_399_999_999_999_i64) {
            let mut out = Vec::new();
            write_utc_digits(ns, 9, &mut out);
            prop_assert_eq!(parse_utc(&out), Some(ns));
            out.clear();
            write_utc(ns, &mut out);
            prop_assert_eq!(parse_utc(&out), Some(ns - ns % 1_000_000));
        }

        /// Any bytes at all and any number at all: no panic.
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40), ns in any::<i64>()) {
            let _ = parse_utc(&bytes);
            let mut out = Vec::new();
            write_utc(ns, &mut out);
            let _ = trade_date(ns);
        }
    }
}
