//! Numbers as JavaScript reads and writes them.

/// JavaScript's `String(value)` of a finite number (ECMAScript, `Number::toString`, §6.1.6.1.20).
pub(super) fn to_text(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned(); // -0 as well
    }
    // Rust's exponent form has the same shortest digits; only where the point stands differs.
    let exponent_form = format!("{:e}", value.abs());
    let (mantissa, exponent) = exponent_form.split_once('e').unwrap_or((&exponent_form, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The value is 0.DIGITS times ten to the `point`.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let unsigned = if (count..=21).contains(&point) {
        format!("{digits}{}", zeros(point - count))
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let fraction = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        let sign = if point > 0 { '+' } else { '-' };
        format!("{first}{fraction}e{sign}{}", (point - 1).abs())
    };
    if value < 0.0 { format!("-{unsigned}") } else { unsigned }
}

/// An unsigned `0x`, `0o` or `0b` number without its prefix, if every digit fits the radix and there is one.
pub(super) fn of_digits(digits: &str, radix: u32) -> Option<f64> {
    let mut value = (!digits.is_empty()).then_some(0.0)?;
    for digit in digits.chars() {
        value = value * f64::from(radix) + f64::from(digit.to_digit(radix)?);
    }
    value.is_finite().then_some(value)
}

/// `digits`, `digits.`, `digits.digits` or `.digits`, each with an exponent or without, if it is finite.
pub(super) fn of_decimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let well_formed = all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|digits| !digits.is_empty() && all_digits(digits));
    if !well_formed {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A number literal inside a variable, as JavaScript's `Number(text)` reads letters, digits, points and signs.
pub(super) fn of_literal(text: &str) -> Option<f64> {
    if let Some(unsigned) = text.strip_prefix('-') {
        return of_decimal(unsigned).map(|value| -value);
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return of_digits(digits, radix);
        }
    }
    of_decimal(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_like_javascript() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (17.0, "17"),
            (-3.0, "-3"),
            (1.1, "1.1"),
            (120.5, "120.5"),
            (12_345_678_901.0, "12345678901"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.25e-10, "1.25e-10"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
        ] {
            assert_eq!(to_text(value), text);
        }
    }

    #[test]
    fn reads_literals_like_javascript() {
        for (text, value) in [
            ("1", Some(1.0)),
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("0x1F", Some(31.0)),
            ("0b101", Some(5.0)),
            ("017", Some(17.0)),
            (".", None),
            ("1e", None),
            ("0x", None),
            ("0b2", None),
            ("1.2.3", None),
            ("dev", None),
            ("1e999", None),
            ("-1", Some(-1.0)),
            ("1e-2", Some(0.01)),
            ("-0x1", None),
            ("--1", None),
            ("-", None),
        ] {
            assert_eq!(of_literal(text), value, "{text}");
        }
    }
}
