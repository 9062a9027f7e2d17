//! Exact decimals for prices and quantities.
//!
//! A value is an `i128` count of 10⁻¹⁸. Text goes in, text comes out, and no binary fraction is ever in between.
//! Arithmetic returns `None` instead of wrapping, and every division names its rounding.

use core::cmp::Ordering;
use core::fmt;

/// How many decimals a value holds.
pub const DECIMALS: usize = 18;
/// One, as a count of 10⁻¹⁸.
const SCALE: i128 = 1_000_000_000_000_000_000;
/// The same, unsigned.
const SCALE_ABS: u128 = SCALE.unsigned_abs();
/// 5¹⁸.
const FIVE_TO_18: u64 = 3_814_697_265_625;
/// 10¹⁸ shifted until the first of 64 bits is set, and by how much.
const SCALE_SHIFT: u32 = 4;
const SCALE_NORMED: u128 = SCALE_ABS << SCALE_SHIFT;
/// Its reciprocal: ⌊(2¹²⁸ − 1) ÷ it⌋ − 2⁶⁴.
const SCALE_RECIPROCAL: u128 = u128::MAX.wrapping_div(SCALE_NORMED).wrapping_sub(1 << 64);
/// The largest magnitude read from text: 10²⁰. Sums of such values still fit the mantissa.
const RAW_MAX_FROM_TEXT: u128 = SCALE_ABS.wrapping_mul(100_000_000_000_000_000_000);
/// 10⁰ to 10¹⁸.
const POWERS: [u64; 19] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    1_000_000_000_000,
    10_000_000_000_000,
    100_000_000_000_000,
    1_000_000_000_000_000,
    10_000_000_000_000_000,
    100_000_000_000_000_000,
    1_000_000_000_000_000_000,
];

/// An exact decimal with 18 decimals.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dec(i128);

/// Why a text is not a decimal we hold.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum DecError {
    /// There was no text at all.
    Empty,
    /// Something other than `[+-]digits[.digits]`; FIX has no exponent and no spaces.
    NotANumber,
    /// More than 18 decimals, trailing zeros not counted.
    TooPrecise,
    /// Further than 10²⁰ from zero.
    OutOfRange,
}

impl DecError {
    /// A sentence part for messages: "is empty", "is not a number", …
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::NotANumber => "is not a number",
            Self::TooPrecise => "has more than 18 decimals",
            Self::OutOfRange => "is further than 10^20 from zero",
        }
    }
}

impl fmt::Display for DecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

impl core::error::Error for DecError {}

/// What to do with the part that does not fit.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// To the nearest, ties to the even neighbour.
    HalfEven,
    /// To the nearest, ties toward zero.
    HalfDown,
    /// Toward zero.
    Down,
    /// Away from zero.
    Up,
    /// Toward minus infinity.
    Floor,
    /// Toward plus infinity.
    Ceil,
}

impl Dec {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(SCALE);

    /// The value that is `raw` times 10⁻¹⁸.
    #[must_use]
    pub const fn from_raw(raw: i128) -> Self {
        Self(raw)
    }

    /// The count of 10⁻¹⁸.
    #[must_use]
    pub const fn raw(self) -> i128 {
        self.0
    }

    /// A whole number; every `i64` fits.
    #[must_use]
    pub const fn from_int(value: i64) -> Self {
        // |i64| < 10¹⁹, so the product stays below 10³⁷.
        Self((value as i128).wrapping_mul(SCALE))
    }

    /// Reads FIX float syntax: an optional sign, digits, at most one point.
    ///
    /// # Errors
    /// `DecError`, whose `why` says what is wrong with the text.
    pub fn parse(text: &[u8]) -> Result<Self, DecError> {
        let (negative, body) = match text.split_first() {
            None => return Err(DecError::Empty),
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            Some(_) => (false, text),
        };
        let point = body.iter().position(|&b| b == b'.');
        let (whole, decimals) = match point {
            None => (body, &[][..]),
            Some(at) => (body.get(..at).unwrap_or(&[]), body.get(at.saturating_add(1)..).unwrap_or(&[])),
        };
        let digits_only = whole.iter().chain(decimals).all(u8::is_ascii_digit);
        if !digits_only || (whole.is_empty() && decimals.is_empty()) {
            return Err(DecError::NotANumber);
        }
        let raw = join_parts(strip_leading(whole), strip_trailing(decimals))?;
        // raw <= 10³⁸ < i128::MAX, so neither the cast nor the sign can wrap.
        let raw = i128::try_from(raw).map_err(|_| DecError::OutOfRange)?;
        Ok(Self(if negative { raw.wrapping_neg() } else { raw }))
    }

    /// The sum, or `None` when it leaves the mantissa.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The difference, or `None` when it leaves the mantissa.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The value with the other sign.
    #[must_use]
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The magnitude.
    #[must_use]
    pub const fn abs(self) -> Option<Self> {
        match self.0.checked_abs() {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The product, rounded at 10⁻¹⁸.
    #[must_use]
    pub fn mul(self, other: Self, round: Round) -> Option<Self> {
        if other.0 == SCALE {
            return Some(self);
        }
        mul_div(self.0, other.0, SCALE, round).map(Self)
    }

    /// The quotient, rounded at 10⁻¹⁸; `None` when dividing by zero.
    #[must_use]
    pub fn div(self, other: Self, round: Round) -> Option<Self> {
        mul_div(self.0, SCALE, other.0, round).map(Self)
    }

    /// `self × num ÷ den` with one rounding, the product held in 256 bits.
    #[must_use]
    pub fn mul_div(self, num: Self, den: Self, round: Round) -> Option<Self> {
        mul_div(self.0, num.0, den.0, round).map(Self)
    }

    /// Is it nothing?
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Is it above nothing?
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Is it below nothing?
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// −1, 0 or 1.
    #[must_use]
    pub const fn signum(self) -> i32 {
        self.0.signum() as i32
    }

    /// Appends the shortest exact text: `-0.5`, `1000`.
    pub fn write(self, out: &mut Vec<u8>) {
        if self.0 < 0 {
            out.push(b'-');
        }
        let magnitude = self.0.unsigned_abs();
        let (whole, part) = by_scale(magnitude);
        match u64::try_from(whole) {
            Ok(small) => write_word(small, out),
            Err(_) => write_digits(whole, 1, out),
        }
        if part != 0 {
            out.push(b'.');
            let start = out.len();
            write_digits(part, DECIMALS, out);
            while out.len() > start && out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }

    /// The shortest exact text.
    #[must_use]
    pub fn to_text(self) -> String {
        let mut out = Vec::with_capacity(24);
        self.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// The two digits of every number below 100.
static TWO_DIGITS: [[u8; 2]; 100] = {
    let mut out = [[b'0'; 2]; 100];
    let mut n = 0_u8;
    while n < 100 {
        out[n as usize] = [b'0'.wrapping_add(n / 10), b'0'.wrapping_add(n % 10)];
        n = n.wrapping_add(1);
    }
    out
};

/// Appends `value` in decimal, two digits at a time.
pub(crate) fn write_word(mut value: u64, out: &mut Vec<u8>) {
    const MOST: usize = 20;
    // Twice the room that the digits take: what is appended, and cut again, always has the same length. That is two
    // moves, where a length that is not known is a call.
    let mut digits = [b'0'; MOST * 2];
    let mut start = MOST;
    while start > 1 {
        start = start.wrapping_sub(2);
        if let Some(pair) = digits.get_mut(start..).and_then(|d| d.first_chunk_mut()) {
            *pair = two_digits(value % 100);
        }
        value /= 100;
        if value == 0 {
            break;
        }
    }
    start = start.saturating_add(usize::from(digits.get(start) == Some(&b'0')));
    // Of zero, the zero itself is left.
    start = start.min(MOST - 1);
    let end = out.len().saturating_add(MOST).saturating_sub(start);
    out.extend_from_slice(digits.get(start..).and_then(|d| d.first_chunk::<MOST>()).unwrap_or(&[0; MOST]));
    out.truncate(end);
}

/// The two digits of a number below 100.
fn two_digits(n: u64) -> [u8; 2] {
    TWO_DIGITS.get(usize::try_from(n % 100).unwrap_or(0)).copied().unwrap_or_default()
}

/// The three digits of every number below 1,000.
static THREE_DIGITS: [[u8; 3]; 1_000] = {
    let mut out = [[b'0'; 3]; 1_000];
    let mut n = 0;
    while n < 1_000 {
        let [_, hundreds] = TWO_DIGITS[n / 100];
        let [tens, ones] = TWO_DIGITS[n % 100];
        out[n] = [hundreds, tens, ones];
        n = n.wrapping_add(1);
    }
    out
};

/// The digits of a number below 1,000.
pub(crate) fn three_digits(n: usize) -> [u8; 3] {
    THREE_DIGITS.get(n).copied().unwrap_or(*b"999")
}

/// Appends `value` in decimal, padded with zeros on the left to `width_min`.
fn write_digits(mut value: u128, width_min: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 40];
    let mut used = 0_usize;
    for slot in digits.iter_mut().rev() {
        if value == 0 && used >= width_min {
            break;
        }
        let digit;
        (value, digit) = match u64::try_from(value) {
            Ok(small) => (u128::from(small / 10), small % 10),
            Err(_) => (value / 10, u64::try_from(value % 10).unwrap_or(0)),
        };
        *slot = b'0'.wrapping_add(u8::try_from(digit).unwrap_or(0));
        used = used.saturating_add(1);
    }
    let start = digits.len().saturating_sub(used);
    out.extend_from_slice(digits.get(start..).unwrap_or(&[]));
}

fn strip_leading(mut digits: &[u8]) -> &[u8] {
    while let Some((b'0', rest)) = digits.split_first() {
        digits = rest;
    }
    digits
}

fn strip_trailing(mut digits: &[u8]) -> &[u8] {
    while let Some((b'0', rest)) = digits.split_last() {
        digits = rest;
    }
    digits
}

/// Puts the stripped digits before and after the point together.
fn join_parts(whole: &[u8], decimals: &[u8]) -> Result<u128, DecError> {
    // 10²⁰ has 21 digits: longer is out of range, and shorter cannot overflow below.
    if whole.len() > 21 {
        return Err(DecError::OutOfRange);
    }
    let missing = DECIMALS.checked_sub(decimals.len()).ok_or(DecError::TooPrecise)?;
    let scale = POWERS.get(missing).copied().ok_or(DecError::TooPrecise)?;
    let part = digits_u64(decimals).wrapping_mul(scale);
    let whole = if whole.len() <= 19 { u128::from(digits_u64(whole)) } else { digits_u128(whole) };
    // whole < 10²¹, so the product can pass u128's 3.4 x 10³⁸: checked.
    let raw = whole.checked_mul(SCALE_ABS).and_then(|w| w.checked_add(u128::from(part)));
    raw.filter(|&raw| raw <= RAW_MAX_FROM_TEXT).ok_or(DecError::OutOfRange)
}

/// At most 19 digits, which always fit.
fn digits_u64(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |sum, d| sum.wrapping_mul(10).wrapping_add(u64::from(d.wrapping_sub(b'0'))))
}

/// At most 21 digits, which always fit.
fn digits_u128(digits: &[u8]) -> u128 {
    digits.iter().fold(0, |sum, d| sum.wrapping_mul(10).wrapping_add(u128::from(d.wrapping_sub(b'0'))))
}

/// Quotient and rest of a division, both toward zero; `None` when dividing by zero.
#[must_use]
pub fn div_rem(a: i128, b: i128) -> Option<(i128, i128)> {
    if a >= 0 && b > 0 {
        // The case of every quantity: signs are not asked for again. Both results are at most `a`.
        let (quotient, rest) = div_rem_abs(a.unsigned_abs(), b.unsigned_abs())?;
        return Some((quotient.cast_signed(), rest.cast_signed()));
    }
    let (quotient, rest) = div_rem_abs(a.unsigned_abs(), b.unsigned_abs())?;
    let signed = |magnitude: u128, negative: bool| {
        let value = i128::try_from(magnitude).ok()?;
        Some(if negative { value.wrapping_neg() } else { value })
    };
    Some((signed(quotient, (a < 0) ^ (b < 0))?, signed(rest, a < 0)?))
}

/// Divisors of 10⁻¹⁸ end in many binary zeros: ⌊a ÷ (odd·2ᶻ)⌋ is ⌊⌊a ÷ 2ᶻ⌋ ÷ odd⌋, and most of these fit a machine
/// word, whose division is much cheaper.
fn div_rem_abs(a: u128, b: u128) -> Option<(u128, u128)> {
    let zeros = b.trailing_zeros().min(127);
    if let (Ok(small), Ok(odd)) = (u64::try_from(a >> zeros), u64::try_from(b >> zeros)) {
        let quotient = u128::from(small.checked_div(odd)?);
        // quotient x b <= a: neither step can wrap.
        return Some((quotient, a.wrapping_sub(quotient.wrapping_mul(b))));
    }
    let quotient = a.checked_div(b)?;
    Some((quotient, a.wrapping_sub(quotient.wrapping_mul(b))))
}

/// Whole tens to the 18th in a magnitude, and the rest.
#[must_use]
pub fn by_scale(a: u128) -> (u128, u128) {
    // 10¹⁸ is 2¹⁸ x 5¹⁸: below 4.8 million one division of words does, and a word by a constant is a multiplication.
    match u64::try_from(a >> 18) {
        Ok(small) => {
            let whole = u128::from(small / FIVE_TO_18);
            (whole, a.wrapping_sub(whole.wrapping_mul(SCALE_ABS)))
        }
        // What is left of the shift is below the divisor for every magnitude.
        Err(_) => wide_by_scale(0, a).unwrap_or((0, a)),
    }
}

/// A number of 256 bits ÷ 10¹⁸, and the rest; `None` when the quotient needs more than 128 bits.
///
/// The divisor is known, so a digit of 64 bits takes two products with its reciprocal instead of a division.
#[inline]
fn wide_by_scale(top: u128, bottom: u128) -> Option<(u128, u128)> {
    if top >= SCALE_ABS {
        return None;
    }
    // top < 10¹⁸ leaves its first four bits free, and the shifted top is a digit below the shifted divisor.
    let first = (top << SCALE_SHIFT) | (bottom >> (128 - SCALE_SHIFT));
    let (q1, rest) = scale_digit(first, high(bottom << SCALE_SHIFT));
    let (q0, rest) = scale_digit(rest, low(bottom << SCALE_SHIFT));
    Some(((q1 << 64) | q0, rest >> SCALE_SHIFT))
}

/// One quotient digit of (`rest`·2⁶⁴ + `next`) ÷ the shifted scale, where `rest` is below it, and the new rest: the guess
/// by the reciprocal is at most one too large, or one too small (Möller and Granlund, 2011, algorithm 4).
#[inline]
const fn scale_digit(rest: u128, next: u128) -> (u128, u128) {
    let guess = SCALE_RECIPROCAL.wrapping_mul(rest).wrapping_add((rest << 64) | next);
    let mut digit = high(guess).wrapping_add(1);
    let mut left = low(next.wrapping_sub(digit.wrapping_mul(SCALE_NORMED)));
    if left > low(guess) {
        digit = digit.wrapping_sub(1);
        left = low(left.wrapping_add(SCALE_NORMED));
    }
    if left >= SCALE_NORMED {
        digit = digit.wrapping_add(1);
        left = left.wrapping_sub(SCALE_NORMED);
    }
    (low(digit), left)
}

/// `a × b`; `None` when it leaves `i128`. A number of steps fits a word, which makes it half the work.
#[must_use]
#[inline]
pub fn times(a: i128, b: i128) -> Option<i128> {
    let (Ok(small), Ok(b)) = (u64::try_from(a), u128::try_from(b)) else { return a.checked_mul(b) };
    // Both products are of two words: neither can wrap.
    let top = u128::from(small).wrapping_mul(high(b));
    let bottom = u128::from(small).wrapping_mul(low(b));
    let top = if high(top) == 0 { top << 64 } else { return None };
    i128::try_from(top.checked_add(bottom)?).ok()
}

/// `a × b ÷ c` with one rounding; the product is held in 256 bits.
///
/// `None` when `c` is zero or the result leaves `i128`; nothing wraps.
#[must_use]
pub fn mul_div(a: i128, b: i128, c: i128, round: Round) -> Option<i128> {
    let negative = (a < 0) ^ (b < 0) ^ (c < 0);
    if c == SCALE {
        let (top, bottom) = wide_mul(a.unsigned_abs(), b.unsigned_abs());
        let (quotient, rest) = wide_by_scale(top, bottom)?;
        return rounded(quotient, rest, SCALE_ABS, negative, round);
    }
    // Twos that a factor and the divisor share change nothing but the size of the numbers.
    let zeros = (a | c).trailing_zeros().min(127);
    let (a, c) = (a.unsigned_abs() >> zeros, c.unsigned_abs() >> zeros);
    let divisor = c;
    let (quotient, rest) = if let Some(product) = a.checked_mul(b.unsigned_abs()) {
        div_rem_abs(product, divisor)?
    } else {
        let (top, bottom) = wide_mul(a, b.unsigned_abs());
        wide_div(top, bottom, divisor)?
    };
    rounded(quotient, rest, divisor, negative, round)
}

/// A magnitude with its rest, rounded and signed.
#[inline]
fn rounded(quotient: u128, rest: u128, divisor: u128, negative: bool, round: Round) -> Option<i128> {
    let up = rounds_up(quotient, rest, divisor, negative, round);
    let quotient = quotient.checked_add(u128::from(up))?;
    if negative { 0_i128.checked_sub_unsigned(quotient) } else { i128::try_from(quotient).ok() }
}

/// Does the magnitude grow by one?
fn rounds_up(quotient: u128, rest: u128, divisor: u128, negative: bool, round: Round) -> bool {
    if rest == 0 {
        return false;
    }
    // rest < divisor, so the subtraction stays above zero; comparing with the gap avoids doubling `rest`.
    let half = rest.cmp(&divisor.wrapping_sub(rest));
    match round {
        Round::Down => false,
        Round::Up => true,
        Round::Floor => negative,
        Round::Ceil => !negative,
        Round::HalfDown => half == Ordering::Greater,
        Round::HalfEven => half == Ordering::Greater || (half == Ordering::Equal && quotient & 1 == 1),
    }
}

const fn high(x: u128) -> u128 {
    x >> 64
}

const fn low(x: u128) -> u128 {
    x & (u64::MAX as u128)
}

/// The 256-bit product as (high, low). Schoolbook with 64-bit halves: no partial sum can wrap.
const fn wide_mul(a: u128, b: u128) -> (u128, u128) {
    let low_low = low(a).wrapping_mul(low(b));
    let low_high = low(a).wrapping_mul(high(b));
    let high_low = high(a).wrapping_mul(low(b));
    let high_high = high(a).wrapping_mul(high(b));
    let middle = high(low_low).wrapping_add(low(low_high)).wrapping_add(low(high_low));
    let top = high_high.wrapping_add(high(low_high)).wrapping_add(high(high_low)).wrapping_add(high(middle));
    (top, (middle << 64) | low(low_low))
}

/// 256 by 128 bits, Knuth's algorithm D with two digits of 64 bits (TAOCP 4.3.1).
///
/// `None` when the quotient needs more than 128 bits, division by zero included.
fn wide_div(top: u128, bottom: u128, divisor: u128) -> Option<(u128, u128)> {
    if top >= divisor {
        return None;
    }
    // Normalised, the divisor's first digit is at least 2⁶³, so a digit guess is at most two too large.
    let shift = divisor.leading_zeros();
    let d = divisor.wrapping_shl(shift);
    // A shift by 128 is masked to 0 by wrapping_shr, so the zero case is asked for.
    let carried = if shift == 0 { 0 } else { bottom.wrapping_shr(128_u32.wrapping_sub(shift)) };
    let n_top = top.wrapping_shl(shift) | carried;
    let n_bottom = bottom.wrapping_shl(shift);
    let (q1, rest) = digit(n_top, high(n_bottom), d);
    let (q0, rest) = digit(rest, low(n_bottom), d);
    Some(((q1 << 64) | q0, rest.wrapping_shr(shift)))
}

/// One quotient digit of (`rest`·2⁶⁴ + `next`) ÷ `d`, where `rest < d`, and the new rest.
fn digit(rest: u128, next: u128, d: u128) -> (u128, u128) {
    let mut guess = rest.checked_div(high(d)).unwrap_or(0);
    let mut over = rest.wrapping_sub(guess.wrapping_mul(high(d)));
    while high(guess) != 0 || guess.wrapping_mul(low(d)) > ((over << 64) | next) {
        guess = guess.wrapping_sub(1);
        over = over.wrapping_add(high(d));
        if high(over) != 0 {
            break;
        }
    }
    // The true rest is below d < 2¹²⁸, so arithmetic modulo 2¹²⁸ gives it exactly.
    let rest = (rest << 64).wrapping_add(next).wrapping_sub(guess.wrapping_mul(d));
    (guess, rest)
}

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_text())
    }
}

impl fmt::Debug for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl serde::Serialize for Dec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i128(self.0)
        }
    }
}

impl<'de> serde::Deserialize<'de> for Dec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Dec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal written as a string, such as \"0.5\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Dec, E> {
                Dec::parse(text.as_bytes()).map_err(|e| E::custom(format_args!("{text:?} {e}")))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            i128::deserialize(deserializer).map(Dec)
        }
    }
}

#[cfg(test)]
mod tests;
