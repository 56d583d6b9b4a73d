//! Setting and removing one key of a TOML text. Everything else stays as it was written, because only the
//! bytes of the change are replaced.

use std::ops::Range;

use toml_edit::{Key, Value};

use super::layout::{Entry, Layout, Meaning, leads_into, starts_with};
use super::lines::Lines;

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Put {
    Text(String),
    Flag(bool),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

impl Put {
    fn is(&self, meaning: &Meaning) -> bool {
        match (self, meaning) {
            (Self::Text(new), Meaning::Text(old)) => new == old,
            (Self::List(new), Meaning::List(old)) => new == old,
            _ => false,
        }
    }

    fn written(&self, ending: &str) -> String {
        let text = |text: &str| Value::from(text).to_string().replace('\n', ending);
        match self {
            Self::Text(value) => text(value),
            Self::Flag(value) => value.to_string(),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(|value| text(value)).collect();
                format!("[{}]", values.join(", "))
            }
            Self::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{} = {}", word(key), text(value))).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// The text with the key of that path set; `None` if the text is not TOML.
pub(super) fn set(text: &str, path: &[&str], put: &Put) -> Option<String> {
    let layout = Layout::of(text)?;
    let lines = Lines::of(text);
    let value = put.written(lines.ending());
    if let Some(entry) = layout.entry(path) {
        let same = put.is(&entry.meaning);
        return Some(if same { text.to_owned() } else { replaced(text, entry.value.clone(), &value) });
    }
    let (parent, key) = (&path[..path.len() - 1], word(path.last()?));
    for depth in (1..path.len()).rev() {
        let table = &path[..depth];
        if let Some(Entry { value: braces, meaning: Meaning::Inline(inside), .. }) = layout.entry(table) {
            let written = format!("{} = {value}", dotted(&path[depth..]));
            return Some(match inside.last() {
                Some(last) => replaced(text, last.value.end..last.value.end, &format!(", {written}")),
                None if text[braces.start + 1..braces.end - 1].trim().is_empty() => {
                    replaced(text, braces.clone(), &format!("{{ {written} }}"))
                }
                // There is a comment between the braces.
                None => replaced(text, braces.start + 1..braces.start + 1, &format!(" {written}")),
            });
        }
        if depth == parent.len()
            && let Some(section) = layout.sections.iter().find(|section| section.is(parent))
        {
            let at = section.entries.last().map_or_else(
                || section.header.as_ref().map_or(0, |header| lines.end_of_line(header.end)),
                |last| lines.end_of_line(last.value.end),
            );
            return Some(lines.with_lines(at, &[lines.entry_like(&section.entries, &key, &value)]));
        }
        // The table may be written as dotted keys of a section above it.
        let among = |entry: &&Entry| entry.path.len() > depth && starts_with(&entry.path, table);
        let host = layout.sections.iter().filter(|section| section.path.len() < depth);
        if let Some((section, last)) =
            host.filter_map(|section| Some((section, section.entries.iter().rev().find(among)?))).next_back()
        {
            let key = dotted(&path[section.path.len()..]);
            let line = lines.entry_like(std::slice::from_ref(last), &key, &value);
            return Some(lines.with_lines(lines.end_of_line(last.value.end), &[line]));
        }
        let header = format!("[{}]", dotted(parent));
        let entry = format!("{key} = {value}");
        if let Some(last) = layout.below(table).next_back() {
            if depth == parent.len()
                && let Some(first) = layout.below(table).next()
            {
                return Some(lines.with_lines(lines.start_of(first), &[header, entry]));
            }
            let at = lines.end_of(last);
            let of_the_same = last.path.len() >= 2 && starts_with(&last.path, &path[..2]);
            return Some(section_at(lines, at, of_the_same, header, entry));
        }
    }
    let (header, entry) = (format!("[{}]", dotted(parent)), format!("{key} = {value}"));
    Some(section_at(lines, text.len(), false, header, entry))
}

fn section_at(lines: Lines<'_>, at: usize, of_the_same: bool, header: String, entry: String) -> String {
    let mut new = vec![header, entry];
    if !of_the_same && !lines.follows_blank(at) {
        new.insert(0, String::new());
    }
    lines.with_lines(at, &new)
}

/// The text without what is at that path, however many places it is written in; the same text if nothing is
/// there, and `None` if the text is not TOML.
pub(super) fn unset(text: &str, path: &[&str]) -> Option<String> {
    let mut text = text.to_owned();
    while let Some(range) = place(&text, &Layout::of(&text)?, path) {
        text.replace_range(range, "");
    }
    Some(text)
}

/// Whether anything is written at that path or below it.
pub(super) fn is_set(text: &str, path: &[&str]) -> bool {
    Layout::of(text).is_some_and(|layout| place(text, &layout, path).is_some())
}

/// One place that something of that path is written in.
fn place(text: &str, layout: &Layout, path: &[&str]) -> Option<Range<usize>> {
    let lines = Lines::of(text);
    if let Some(section) = layout.below(path).find(|section| section.header.is_some()) {
        return Some(lines.of_section(section));
    }
    layout.sections.iter().flat_map(|section| &section.entries).find_map(|entry| match &entry.meaning {
        _ if starts_with(&entry.path, path) => Some(lines.of_entry(entry)),
        Meaning::Inline(inside) if leads_into(entry, path) => {
            between_braces(text, &entry.value, inside, path)
        }
        _ => None,
    })
}

/// The bytes of an entry between braces, with the comma that it no longer needs.
fn between_braces(
    text: &str,
    braces: &Range<usize>,
    entries: &[Entry],
    path: &[&str],
) -> Option<Range<usize>> {
    let (index, entry) = entries
        .iter()
        .enumerate()
        .find(|(_, entry)| starts_with(&entry.path, path) || leads_into(entry, path))?;
    if let Meaning::Inline(inside) = &entry.meaning
        && leads_into(entry, path)
    {
        return between_braces(text, &entry.value, inside, path);
    }
    let previous = index.checked_sub(1).map(|index| entries[index].value.end);
    let start = after(text, previous.unwrap_or(braces.start + 1), &[',']);
    let end = entry.value.end;
    let comma = after(text, end, &[]);
    if text[comma..].starts_with(',') {
        let rest = &text[comma + 1..];
        return Some(start..text.len() - rest.trim_start_matches([' ', '\t']).len());
    }
    // The last one: the comma before it goes, unless a comment stands in between.
    match previous {
        Some(previous) if !text[previous..start].contains('#') => Some(previous..end),
        _ => Some(start..end),
    }
}

/// The first byte from `at` on that is in no comment, and no white space or other `skipped` character.
fn after(text: &str, mut at: usize, skipped: &[char]) -> usize {
    loop {
        let rest = text[at..].trim_start_matches(|c: char| c.is_whitespace() || skipped.contains(&c));
        at = text.len() - rest.len();
        if !rest.starts_with('#') {
            return at;
        }
        at += rest.find('\n').unwrap_or(rest.len());
    }
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(range, with);
    text
}

/// A key, in quotes where it needs them.
fn word(key: &str) -> String {
    Key::new(key).display_repr().into_owned()
}

fn dotted(path: &[&str]) -> String {
    path.iter().map(|key| word(key)).collect::<Vec<_>>().join(".")
}
