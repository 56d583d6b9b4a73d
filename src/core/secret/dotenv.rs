//! Files of variables as `.env` files have them: read for importing, written for tools that want one.

use zeroize::Zeroizing;

use super::{ContentError, LONGEST};
use crate::core::name::SecretName;

/// Why a line is none of a `.env` file. The texts quote no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// It has no name and equals sign.
    #[error("line {line}: expected NAME=value")]
    Form {
        /// Which line, from 1.
        line: usize,
    },
    /// What stands before the equals sign is no name.
    #[error(
        "line {line}: a name has letters, digits and _, does not begin with a digit, and is 128 long at most"
    )]
    Name {
        /// Which line.
        line: usize,
    },
    /// A name is there before.
    #[error("line {line}: {name} stands on line {first} too")]
    Twice {
        /// Which line.
        line: usize,
        /// The name.
        name: SecretName,
        /// Where it was first.
        first: usize,
    },
    /// There is no value.
    #[error("line {line}: {name}: {why}")]
    Value {
        /// Which line.
        line: usize,
        /// The name.
        name: SecretName,
        /// Why not.
        why: ContentError,
    },
    /// A quotation that does not end, or something behind it.
    #[error("line {line}: {name}: the quotation does not end with the value")]
    Quotation {
        /// Which line it begins on.
        line: usize,
        /// The name.
        name: SecretName,
    },
    /// `$` in a value would be replaced by some readers of such files and left by others.
    #[error("line {line}: {name}: $ begins a variable, which is not replaced here; quote the value with '…'")]
    Variable {
        /// Which line.
        line: usize,
        /// The name.
        name: SecretName,
    },
}

/// A name and its value.
pub type Entry = (SecretName, Zeroizing<String>);

/// Reads a `.env` file, as the readers of node, Python and Docker agree on it: `NAME=value`, an `export` before it,
/// `#` at the start of a line or behind a space, values in '…' as they are, and in "…" with \n, \r, \t, \" and \\. Either
/// may go over several lines. The error has every line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Entry>, Vec<DotenvError>> {
    let (mut entries, mut errors): (Vec<Entry>, Vec<DotenvError>) = Default::default();
    let mut lines_of: Vec<usize> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let begun = line;
        let (current, _) = rest.split_once('\n').unwrap_or((rest, ""));
        let trimmed = current.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = after(rest, current.len());
            line += 1;
            continue;
        }
        let Some((name, _)) = current.split_once('=') else {
            errors.push(DotenvError::Form { line });
            rest = after(rest, current.len());
            line += 1;
            continue;
        };
        let start = name.len() + 1;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let name = SecretName::parse(name);
        let (value, length) = value(&rest[start..]);
        let taken = start + length;
        line += rest[..taken].matches('\n').count() + 1;
        rest = after(rest, taken);
        let Ok(name) = name else {
            errors.push(DotenvError::Name { line: begun });
            continue;
        };
        if let Some(position) = entries.iter().position(|(known, _)| *known == name) {
            errors.push(DotenvError::Twice { line: begun, name, first: lines_of[position] });
            continue;
        }
        match value {
            Err(Wrong::Quotation) => errors.push(DotenvError::Quotation { line: begun, name }),
            Err(Wrong::Variable) => errors.push(DotenvError::Variable { line: begun, name }),
            Ok(value) => {
                if let Err(why) = check(&value) {
                    errors.push(DotenvError::Value { line: begun, name, why });
                } else {
                    entries.push((name, value));
                    lines_of.push(begun);
                }
            }
        }
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

fn check(value: &str) -> Result<(), ContentError> {
    match value.len() {
        0 => Err(ContentError::Empty),
        length if length > LONGEST => Err(ContentError::TooLong),
        _ if value.contains('\0') => Err(ContentError::Nul),
        _ => Ok(()),
    }
}

/// What is behind `length` bytes and the line's end.
fn after(text: &str, length: usize) -> &str {
    let rest = &text[length..];
    rest.strip_prefix('\n').unwrap_or(rest)
}

enum Wrong {
    Quotation,
    Variable,
}

/// The value at the start of a text, and how many bytes of the text it takes up to its line's end.
fn value(text: &str) -> (Result<Zeroizing<String>, Wrong>, usize) {
    let to_end = |from: usize| from + text[from..].find('\n').unwrap_or(text.len() - from);
    let blank = text.len() - text.trim_start_matches([' ', '\t']).len();
    let Some(quote) = text[blank..].chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let end = to_end(0);
        let bare = text[..end].trim();
        // A comment begins behind a space: a # within a value is the value's.
        let bare = bare.find(" #").or_else(|| bare.find("\t#")).map_or(bare, |at| bare[..at].trim_end());
        let bare = if bare.starts_with('#') && text.starts_with([' ', '\t']) { "" } else { bare };
        let found =
            if bare.contains('$') { Err(Wrong::Variable) } else { Ok(Zeroizing::new(bare.to_owned())) };
        return (found, end);
    };
    let mut found = Zeroizing::new(String::with_capacity(text.len().min(LONGEST + 1)));
    let mut wrong = None;
    let mut characters = text[blank + 1..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            end if end == quote => {
                let behind = blank + 1 + at + 1;
                let line_end = to_end(behind);
                let comment = text[behind..line_end].trim();
                if !comment.is_empty() && !comment.starts_with('#') {
                    wrong = Some(Wrong::Quotation);
                }
                return (wrong.map_or(Ok(found), Err), line_end);
            }
            '\\' if quote == '"' => match characters.next() {
                Some((_, 'n')) => found.push('\n'),
                Some((_, 'r')) => found.push('\r'),
                Some((_, 't')) => found.push('\t'),
                Some((_, plain @ ('"' | '\\' | '$'))) => found.push(plain),
                Some((_, other)) => {
                    found.push('\\');
                    found.push(other);
                }
                None => break,
            },
            '$' if quote == '"' => {
                wrong.get_or_insert(Wrong::Variable);
            }
            plain => found.push(plain),
        }
    }
    // It never ends: the fault is its first line's, and what follows is read on.
    (Err(Wrong::Quotation), to_end(0))
}

/// Writes values for tools that want a file. Docker takes everything behind the equals sign as it is, other readers
/// know quotations: a plain value is written so that all agree, and others in the form of node and Python.
pub fn write(entries: &[(&SecretName, &str)]) -> Zeroizing<String> {
    let size = entries.iter().map(|(name, value)| name.as_str().len() + 2 * value.len() + 4).sum();
    let mut text = Zeroizing::new(String::with_capacity(size));
    for (name, value) in entries {
        text.push_str(name.as_str());
        text.push('=');
        let is_plain = |c: char| c.is_alphanumeric() || "_-.,:;/@%+=~^?&*()[]{}<>|!".contains(c);
        if value.chars().all(is_plain) {
            text.push_str(value);
        } else if value.contains(['\'', '\n', '\r']) {
            text.push('"');
            for character in value.chars() {
                match character {
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    '"' | '\\' | '$' => {
                        text.push('\\');
                        text.push(character);
                    }
                    plain => text.push(plain),
                }
            }
            text.push('"');
        } else {
            text.push('\'');
            text.push_str(value);
            text.push('\'');
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, Vec<String>> {
        let owned = |entries: Vec<Entry>| {
            entries.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        parse(text).map(owned).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_what_other_readers_agree_on() {
        let text = "\u{feff}# a comment\n\nA=1\nexport B = two words # said\nC='a $b \"c\" #d' # e\n\
                    D=\"x\\ny\\\"z\\\\\"\r\nE=\"over\nlines\"\nF=a#b=c\n  G=last";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a $b \"c\" #d"),
            ("D", "x\ny\"z\\"),
            ("E", "over\nlines"),
            ("F", "a#b=c"),
            ("G", "last"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn every_wrong_line_is_named_and_no_value_is_said() {
        let text = "A=1\nmarked\n9B=marked\nA=marked\nC=\nD='marked\nE=\"marked\" marked\nF=$marked\nG=\"a\0b\"\nH= # x\n";
        let errors = read(text).unwrap_err();
        assert_eq!(
            errors,
            [
                "line 2: expected NAME=value",
                "line 3: a name has letters, digits and _, does not begin with a digit, and is 128 long at most",
                "line 4: A stands on line 1 too",
                "line 5: C: the value is empty",
                "line 6: D: the quotation does not end with the value",
                "line 7: E: the quotation does not end with the value",
                "line 8: F: $ begins a variable, which is not replaced here; quote the value with '…'",
                "line 9: G: the value has a NUL character in it",
                "line 10: H: the value is empty",
            ]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec("[ -~\\n\\r\\té€']{1,20}", 1..5)) {
            let names: Vec<SecretName> =
                (0..values.len()).map(|number| SecretName::parse(&format!("N{number}")).unwrap()).collect();
            let entries: Vec<_> = names.iter().zip(values.iter().map(String::as_str)).collect();
            let text = write(&entries);
            prop_assert!(text.capacity() >= text.len());
            let back = read(&text).unwrap();
            prop_assert_eq!(back.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), values);
        }

        #[test]
        fn any_text_is_answered(text in "(?s).{0,200}") {
            let _ = read(&text);
        }
    }
}
