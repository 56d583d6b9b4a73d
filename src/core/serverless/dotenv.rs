//! `.env` files, as the package `dotenv` of Node reads them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;

/// The pattern of `dotenv` itself (its `LINE`), so that odd lines mean the same here.
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?m)^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)",
        r#"(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$"#
    ))
    .ok()
});

/// The variables of a file's text. Of a repeated name the last counts.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some(line) = LINE.as_ref() else { return BTreeMap::new() };
    let entries = line.captures_iter(&text).filter_map(|found| {
        let name = found.get(1)?.as_str().to_owned();
        let written = found.get(2).map_or("", |value| value.as_str()).trim();
        Some((name, unquoted(written)))
    });
    entries.collect()
}

fn unquoted(written: &str) -> String {
    let quote = written.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'));
    let inner = quote.and_then(|quote| written.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(written);
    if quote == Some('"') { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_like_dotenv_reads_them() {
        let text = "A=1\nexport B = two words \nC='it''s'\nD=\"x\\ny\" # note\nE=`a`\nF=\nG: yaml\n# H=1\nI=a#b\n\
                    J='a\nb'\nnot a line\nA=2\r\nK=\"a";
        let read = parse(text);
        let expected = [
            ("A", "2"),
            ("B", "two words"),
            ("D", "x\ny"),
            ("E", "a"),
            ("F", ""),
            ("G", "yaml"),
            ("I", "a"),
            ("J", "a\nb"),
            ("K", "\"a"),
        ];
        for (name, value) in expected {
            assert_eq!(read.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!read.contains_key("H"));
    }
}
