//! Where everything stands in the text of a catalog.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table, Value};

/// The tables with a header in the order of the file; the first is what stands before any header.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) sections: Vec<Section>,
}

/// A header and the entries below it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) path: Vec<String>,
    /// `[a.b]` or `[[a.b]]`, in bytes of the text; `None` for the beginning of the file.
    pub(super) header: Option<Range<usize>>,
    /// Whether the header is one of an array's: it does not stand for the table of its path.
    pub(super) is_element: bool,
    pub(super) entries: Vec<Entry>,
}

/// One `key = value`, below a header or between the braces of an inline table.
#[derive(Debug)]
pub(super) struct Entry {
    /// The keys from the root of the file.
    pub(super) path: Vec<String>,
    /// The last key. Of a dotted key, the others stand before it.
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) meaning: Meaning,
}

/// What a value says, as far as an edit has to know.
#[derive(Debug)]
pub(super) enum Meaning {
    Text(String),
    List(Vec<String>),
    /// The entries between the braces.
    Inline(Vec<Entry>),
    /// Something that no edit writes.
    Other,
}

impl Layout {
    /// The layout of a text; `None` if it is not TOML.
    pub(super) fn of(text: &str) -> Option<Self> {
        let document = Document::parse(text).ok()?;
        let mut layout = Self { sections: Vec::new() };
        layout.add(document.as_table(), &mut Vec::new(), false);
        layout.sections.sort_by_key(|section| section.header.as_ref().map(|header| header.start));
        Some(layout)
    }

    fn add(&mut self, table: &Table, path: &mut Vec<String>, is_element: bool) {
        let has_header = !table.is_dotted() && !table.is_implicit();
        if has_header || path.is_empty() {
            self.sections.push(Section {
                path: path.clone(),
                header: table.span().filter(|_| !path.is_empty()),
                is_element,
                entries: entries(table.get_values(), path),
            });
        }
        for (key, item) in table {
            path.push(key.to_owned());
            match item {
                Item::Table(inner) => self.add(inner, path, false),
                Item::ArrayOfTables(elements) => {
                    elements.iter().for_each(|element| self.add(element, path, true));
                }
                Item::Value(_) | Item::None => {}
            }
            path.pop();
        }
    }

    /// The sections of a table and of all that is in it.
    pub(super) fn below(&self, path: &[&str]) -> impl DoubleEndedIterator<Item = &Section> {
        self.sections.iter().filter(move |section| starts_with(&section.path, path))
    }

    /// The entry of a path, wherever it stands.
    pub(super) fn entry(&self, path: &[&str]) -> Option<&Entry> {
        self.sections.iter().find_map(|section| find(&section.entries, path))
    }
}

impl Section {
    /// Whether this is the header of the table with that path.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.header.is_some() && !self.is_element && self.path == path
    }
}

/// Whether a path is `prefix` or goes on from it.
pub(super) fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(key, expected)| key == expected)
}

/// Whether `path` leads on from an entry, to something between its braces.
pub(super) fn leads_into(entry: &Entry, path: &[&str]) -> bool {
    path.len() > entry.path.len() && entry.path.iter().zip(path).all(|(key, expected)| key == expected)
}

fn find<'e>(entries: &'e [Entry], path: &[&str]) -> Option<&'e Entry> {
    entries.iter().find_map(|entry| match &entry.meaning {
        _ if entry.path == path => Some(entry),
        Meaning::Inline(inner) if leads_into(entry, path) => find(inner, path),
        _ => None,
    })
}

fn entries(values: Vec<(Vec<&Key>, &Value)>, above: &[String]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = values
        .into_iter()
        .filter_map(|(keys, value)| {
            let key = keys.last()?.span()?;
            let path: Vec<String> =
                above.iter().cloned().chain(keys.iter().map(|key| key.get().to_owned())).collect();
            let meaning = meaning(value, &path);
            Some(Entry { path, key, value: value.span()?, meaning })
        })
        .collect();
    // Dotted keys of one table need not stand together.
    entries.sort_by_key(|entry| entry.key.start);
    entries
}

fn meaning(value: &Value, path: &[String]) -> Meaning {
    match value {
        Value::String(text) => Meaning::Text(text.value().clone()),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map_or(Meaning::Other, Meaning::List),
        Value::InlineTable(table) => Meaning::Inline(entries(table.get_values(), path)),
        _ => Meaning::Other,
    }
}
