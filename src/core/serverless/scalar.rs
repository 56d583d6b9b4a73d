//! What an unquoted YAML scalar is: the rules of js-yaml 4, which every CLI parses with.

use super::node::Content;
use super::number;

/// The value of a plain scalar (YAML 1.2 core schema, §10.3.2, with js-yaml's own additions: binary numbers,
/// a leading zero that means nothing, dates).
pub(super) fn plain(text: &str) -> Content {
    match text {
        // JSON has neither infinity nor NaN, and the CLIs pass the parsed configuration through JSON.
        "" | "~" | "null" | "Null" | "NULL" | ".nan" | ".NaN" | ".NAN" => Content::Null,
        "true" | "True" | "TRUE" => Content::Bool(true),
        "false" | "False" | "FALSE" => Content::Bool(false),
        _ if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") && signs(text) <= 1 => {
            Content::Null
        }
        _ => match number(text) {
            Some(value) => Content::Number(value),
            None if is_date(text) => Content::Date(text.into()),
            None => Content::text(text),
        },
    }
}

/// How many signs a text begins with.
fn signs(text: &str) -> usize {
    text.len() - text.trim_start_matches(['+', '-']).len()
}

/// The number that a plain scalar is, if it is one.
fn number(text: &str) -> Option<f64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        number::of_digits(hex, 16)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        number::of_digits(octal, 8)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        number::of_digits(binary, 2)
    } else if digits.starts_with('.') && digits.len() < text.len() {
        None // js-yaml's pattern has no sign before a leading point
    } else {
        number::of_decimal(digits)
    }?;
    Some(if negative { -value } else { value })
}

/// Whether js-yaml's default schema takes this for a date or a moment (YAML 1.1 timestamp).
fn is_date(text: &str) -> bool {
    let mut fields = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    if !is_number(year, 4..=4) {
        return false;
    }
    let day = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, time) = rest.split_at(day);
    if time.is_empty() {
        return is_number(month, 2..=2) && is_number(day, 2..=2);
    }
    is_number(month, 1..=2) && is_number(day, 1..=2) && is_time(time)
}

/// Whether a text is what may follow a date: `T` or blanks, a time, an optional fraction and time zone.
fn is_time(text: &str) -> bool {
    let Some(clock) =
        text.strip_prefix(['T', 't']).or_else(|| text.strip_prefix([' ', '\t']).map(str::trim_start))
    else {
        return false;
    };
    let end = clock.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts[..] else { return false };
    let zone = zone.trim_start();
    let well_zoned = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
            is_number(hours, 1..=2) && is_number(minutes, 2..=2)
        }
        None => zone.is_empty() || zone == "Z",
    };
    is_number(hour, 1..=2)
        && is_number(minute, 2..=2)
        && is_number(second, 2..=2)
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && well_zoned
}

/// Whether a text is nothing but digits, this many.
fn is_number(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter for the kind, then the value.
    fn shown(text: &str) -> String {
        let content = plain(text);
        let kind = match content {
            Content::Null => return "null".into(),
            Content::Date(_) => return "date".into(),
            Content::Bool(_) => "bool",
            Content::Number(_) => "number",
            _ => "text",
        };
        format!("{kind} {}", content.scalar_text().unwrap())
    }

    #[test]
    fn plain_scalars_are_read_like_js_yaml_reads_them() {
        for (text, expected) in [
            ("", "null"),
            ("~", "null"),
            ("null", "null"),
            ("NULL", "null"),
            ("nUll", "text nUll"),
            ("true", "bool true"),
            ("TRUE", "bool true"),
            ("False", "bool false"),
            ("yes", "text yes"),
            ("on", "text on"),
            ("n", "text n"),
            ("0", "number 0"),
            ("-0", "number 0"),
            ("17", "number 17"),
            ("017", "number 17"),
            ("08", "number 8"),
            ("0o17", "number 15"),
            ("0o18", "text 0o18"),
            ("0x1F", "number 31"),
            ("-0x1f", "number -31"),
            ("0x", "text 0x"),
            ("0b101", "number 5"),
            ("1_000", "text 1_000"),
            ("012345678901", "number 12345678901"),
            ("1.10", "number 1.1"),
            ("1.", "number 1"),
            (".5", "number 0.5"),
            ("+.5", "text +.5"),
            ("+1.5", "number 1.5"),
            ("12e03", "number 12000"),
            ("1e999", "text 1e999"),
            ("1.2.3", "text 1.2.3"),
            ("--1", "text --1"),
            ("-", "text -"),
            (".inf", "null"),
            ("-.INF", "null"),
            ("+-.inf", "text +-.inf"),
            (".NaN", "null"),
            ("1:30", "text 1:30"),
            ("2019-01-01", "date"),
            ("2019-1-1", "text 2019-1-1"),
            ("2019-01-01T10:00:00Z", "date"),
            ("2019-1-1 10:00:00.5 +02:00", "date"),
            ("2019-01-01T10:00", "text 2019-01-01T10:00"),
            ("2019-01-01x", "text 2019-01-01x"),
            ("eu-central-1", "text eu-central-1"),
            ("inf", "text inf"),
            ("nan", "text nan"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }
}
