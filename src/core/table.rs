//! A table of a TOML file, read so that everything wrong in it is found at once.
//!
//! A reader asks a `Table` for its keys and notes in `Findings` what is wrong with them. It goes on after
//! a fault and gives the best value it can; `read` hands that value out only if there was no fault at all.

mod findings;
mod value;

use std::path::Path;

use toml::de::DeTable;

use crate::core::fault::Faults;
use crate::core::nearest::did_you_mean;

pub(crate) use findings::Findings;
pub(crate) use value::Value;

/// Reads a TOML text with `reader`, which gets the table of the whole file.
///
/// `file` is how the user knows the file; it is only named, never opened. The error has every fault of syntax
/// and every one that the reader noted, in the order of their places.
pub(crate) fn read<T>(
    file: &Path,
    text: &str,
    reader: impl FnOnce(Table<'_>, &mut Findings<'_>) -> T,
) -> Result<T, Faults> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut findings = Findings::of_syntax(file, text, &errors);
    let value = reader(Table { entries: root.get_ref(), at: 0 }, &mut findings);
    Faults::unless_empty(findings.into_faults(), value)
}

/// One table: keys with values, and where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Table<'t> {
    entries: &'t DeTable<'t>,
    at: usize,
}

impl<'t> Table<'t> {
    /// The byte offset at which the table begins: its `[header]`, its brace, or the key that implies it.
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// Whether the table has no key at all.
    pub(crate) fn is_empty(self) -> bool {
        self.entries.is_empty()
    }

    /// Every key with its value, in alphabetical order.
    pub(crate) fn entries(self) -> impl Iterator<Item = Value<'t>> {
        self.entries.iter().map(|(key, node)| Value::new(key, node)).filter(|value| !value.is_gap())
    }

    /// The value of a key, if the key is there.
    pub(crate) fn get(self, key: &str) -> Option<Value<'t>> {
        self.entries
            .get_key_value(key)
            .map(|(key, node)| Value::new(key, node))
            .filter(|value| !value.is_gap())
    }

    /// The value of a key that has to be there; `example` is a line that would satisfy the reader.
    pub(crate) fn required(self, key: &str, example: &str, findings: &mut Findings<'_>) -> Option<Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            findings.add_missing(self.at, format!("missing key `{key}`"), Some(format!("add {example}")));
        }
        value
    }

    /// The value of an optional key that is `true` or `false`.
    pub(crate) fn boolean(self, key: &str, findings: &mut Findings<'_>) -> Option<bool> {
        self.get(key)?.boolean(findings)
    }

    /// The value of an optional key that is a table.
    pub(crate) fn table(self, key: &str, findings: &mut Findings<'_>) -> Option<Table<'t>> {
        self.get(key)?.table(findings)
    }

    /// The elements of an optional key that is an array; none if the key is absent.
    pub(crate) fn array(self, key: &str, findings: &mut Findings<'_>) -> Vec<Value<'t>> {
        self.get(key).and_then(|value| value.array(findings)).unwrap_or_default()
    }

    /// The value of an optional key that is a text with a rule, such as a name.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        self.get(key)?.parsed(parse, findings)
    }

    /// Notes every key that is not one of `known`, with the known one that was probably meant.
    pub(crate) fn only(self, known: &[&str], findings: &mut Findings<'_>) {
        for value in self.entries().filter(|value| !known.contains(&value.key())) {
            let hint = did_you_mean(value.key(), known.iter().copied())
                .unwrap_or_else(|| format!("the keys here are: {}", known.join(", ")));
            findings.add(value.key_at(), format!("unknown key {}", value.name()), Some(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader of `{ name, size = { deep } }` finds wrong, one fault a line.
    fn faults(text: &str) -> String {
        let read = read(Path::new("f.toml"), text, |root, findings| {
            root.only(&["name", "size"], findings);
            root.required("name", "name = \"x\"", findings).and_then(|value| value.string(findings));
            if let Some(size) = root.table("size", findings) {
                size.only(&["deep"], findings);
                size.boolean("deep", findings);
            }
        });
        read.map_or_else(|faults| faults.to_string(), |()| String::new())
    }

    #[test]
    fn finds_everything_at_once_with_its_place() {
        for (text, expected) in [
            ("name = \"a\"\n[size]\ndeep = true\n", ""),
            ("", "f.toml:1:1: missing key `name` (add name = \"x\")"),
            (
                "nam = 1\nname = 2.5\n  other = 1\n[size]\ndeep = [1]\n",
                "f.toml:1:1: unknown key `nam` (did you mean \"name\"?)\n\
                 f.toml:2:8: `name`: expected a string, found a float\n\
                 f.toml:3:3: unknown key `other` (the keys here are: name, size)\n\
                 f.toml:5:8: `deep`: expected true or false, found an array",
            ),
            (
                "name = \"ü\"\nsize = 1979-05-27",
                "f.toml:2:8: `size`: expected a table, found a date or \
             time",
            ),
            ("name = \"ü\"\nsize = \"\"", "f.toml:2:8: `size`: expected a table, found a string"),
            ("name = \"ü\"\nsize = false", "f.toml:2:8: `size`: expected a table, found a boolean"),
            (
                "name = \"\"\n\"a\\u001bb\" = 1",
                "f.toml:2:1: unknown key `a\u{fffd}b` (the keys here are: name, size)",
            ),
        ] {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn reports_each_syntax_error_once_and_judges_only_the_sound_tables() {
        for (text, expected) in [
            (
                // The name that is missing and the key that is unknown may be results of the broken lines.
                "nam = marked\nsize = marked\n",
                "f.toml:1:7: not valid TOML: string values must be quoted, expected literal string \
                 (write the text in quotes, as in key = \"text\")\n\
                 f.toml:2:8: not valid TOML: string values must be quoted, expected literal string \
                 (write the text in quotes, as in key = \"text\")",
            ),
            (
                "name = marked\n[size]\ndepp = true\n",
                "f.toml:1:8: not valid TOML: string values must be quoted, expected literal string \
                 (write the text in quotes, as in key = \"text\")\n\
                 f.toml:3:1: unknown key `depp` (did you mean \"deep\"?)",
            ),
            (
                "name = \"marked\nsize = 3\n",
                "f.toml:1:15: not valid TOML: invalid basic string, expected `\"` \
                 (a text ends, on the same line, with the quote it began with)",
            ),
            (
                "name = \"a\"\nname = \"b\"\n[size]\n[size]\ndeep = 1\n",
                "f.toml:2:1: the key `name` is written twice in one table (keep one of the two)\n\
                 f.toml:4:2: the key `size` is written twice in one table (keep one of the two)\n\
                 f.toml:5:8: `deep`: expected true or false, found an integer",
            ),
            (
                "name = 1\n[name.x]\ny = 1\n",
                "f.toml:1:8: `name`: expected a string, found an integer\n\
                 f.toml:2:2: not valid TOML: cannot extend value of type integer with a dotted key",
            ),
        ] {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn an_error_without_a_place_is_one_of_the_whole_file() {
        let text = format!("other = 1\nname{} = 1\n", ".x".repeat(200));
        assert_eq!(faults(&text), "f.toml: not valid TOML: recursion limit");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(?s).{0,200}|([a-z\\[\\]{}=.,\"'#\n0-9 -]|name|size|true){0,80}") {
            let _ = faults(&text);
        }
    }
}
