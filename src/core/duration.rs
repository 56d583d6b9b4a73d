//! Lengths of time as people write them: `1h`, `90m`, `1h30m`.

use std::fmt::Write as _;
use std::time::Duration;

/// The units from the longest to the shortest, each with its seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Why a text is not a duration. The text itself is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Something else than whole numbers, each followed by a unit.
    #[error("expected a duration such as 45s, 90m, 1h30m or 2d")]
    Form,
    /// A number at the end without its unit: seconds and minutes are too easily taken for each other.
    #[error("a duration needs a unit after each number: d, h, m or s, as in 1h30m")]
    NoUnit,
    /// A unit repeated, or after a shorter one.
    #[error("the units of a duration go from the longest to the shortest, each once: d, h, m, s")]
    Order,
    /// More seconds than 64 bits hold.
    #[error("the duration is too long to be counted in seconds")]
    TooLong,
}

/// Reads whole numbers, each followed by its unit (`d`, `h`, `m`, `s`), the longest unit first: `1h30m`.
///
/// A number may exceed what its unit usually goes up to (`90m`), and zero (`0s`) is a duration. Refused are
/// a bare number, a sign, a fraction, a space, a unit out of order, and what 64 bits of seconds cannot hold.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Form);
    }
    let mut seconds: u64 = 0;
    let mut units = UNITS.as_slice();
    let mut rest = text;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(digits_end);
        if digits.is_empty() {
            return Err(DurationError::Form);
        }
        let letter = tail.chars().next().ok_or(DurationError::NoUnit)?;
        if !UNITS.iter().any(|(unit, _)| *unit == letter) {
            return Err(DurationError::Form);
        }
        let position = units.iter().position(|(unit, _)| *unit == letter).ok_or(DurationError::Order)?;
        // Only digits reach this point, so a number that does not parse is one that is too large.
        let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        seconds = number
            .checked_mul(units[position].1)
            .and_then(|part| seconds.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        units = &units[position + 1..];
        rest = &tail[letter.len_utf8()..];
    }
    Ok(Duration::from_secs(seconds))
}

/// The short form of a duration in whole seconds, which [`parse_duration`] reads back: `1h30m`, `2d`, `0s`.
///
/// A fraction of a second is left out.
pub fn format_duration(duration: Duration) -> String {
    let mut left = duration.as_secs();
    let mut text = String::new();
    for (unit, seconds) in UNITS {
        if left >= seconds {
            // Writing into a String cannot fail.
            let _ = write!(text, "{}{unit}", left / seconds);
            left %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_numbers_with_units_in_descending_order() {
        use DurationError::{Form, NoUnit, Order, TooLong};
        for (text, expected) in [
            ("1h", Ok(3_600)),
            ("90m", Ok(5_400)),
            ("45s", Ok(45)),
            ("2d", Ok(172_800)),
            ("1h30m", Ok(5_400)),
            ("1d2h3m4s", Ok(93_784)),
            ("1h90m", Ok(9_000)),
            ("0s", Ok(0)),
            ("007m", Ok(420)),
            ("18446744073709551615s", Ok(u64::MAX)),
            ("", Err(Form)),
            ("h", Err(Form)),
            ("-1h", Err(Form)),
            ("+1h", Err(Form)),
            ("1.5h", Err(Form)),
            ("1 h", Err(Form)),
            (" 1h", Err(Form)),
            ("1H", Err(Form)),
            ("1w", Err(Form)),
            ("1hour", Err(Form)),
            ("٣h", Err(Form)),
            ("3600", Err(NoUnit)),
            ("1h30", Err(NoUnit)),
            ("30m1h", Err(Order)),
            ("1h1h", Err(Order)),
            ("18446744073709551616s", Err(TooLong)),
            ("18446744073709551615m", Err(TooLong)),
            ("213503982334601d86400s", Err(TooLong)),
        ] {
            assert_eq!(parse_duration(text), expected.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn writes_the_short_form() {
        for (seconds, text) in
            [(0, "0s"), (45, "45s"), (3_600, "1h"), (5_400, "1h30m"), (43_200, "12h"), (172_805, "2d5s")]
        {
            assert_eq!(format_duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(format_duration(Duration::from_millis(1_999)), "1s");
    }

    proptest! {
        #[test]
        fn any_whole_seconds_come_back(seconds: u64) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_answered(text in ".*|[0-9dhms]{0,40}") {
            let _ = parse_duration(&text);
        }
    }
}
