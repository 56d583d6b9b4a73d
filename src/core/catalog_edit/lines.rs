//! The lines around an edit: what goes with what is removed, and how new lines look among the old.

use std::ops::Range;

use super::layout::{Entry, Section};

/// The text of a file with its way to end lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'t> {
    text: &'t str,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text }
    }

    /// What ends a line here: what ends the first one.
    pub(super) fn ending(self) -> &'static str {
        match self.text.split_once('\n') {
            Some((first, _)) if first.ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    fn start(self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Where the line of a byte ends.
    pub(super) fn end_of_line(self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// The line that ends at `at`, with what ends it.
    fn before(self, at: usize) -> Option<&'t str> {
        (at > 0).then(|| &self.text[self.start(at - 1)..at])
    }

    /// The line that begins at `at`.
    fn after(self, at: usize) -> Option<&'t str> {
        (at < self.text.len()).then(|| &self.text[at..self.end_of_line(at)])
    }

    /// Where the line of a header begins.
    pub(super) fn start_of(self, section: &Section) -> usize {
        section.header.as_ref().map_or(0, |header| self.start(header.start))
    }

    /// Where the lines of a section end: after its last entry, and the comments that follow at once unless
    /// the next header follows them at once.
    pub(super) fn end_of(self, section: &Section) -> usize {
        let end = match (section.entries.last(), &section.header) {
            (Some(last), _) => self.end_of_line(last.value.end),
            (None, Some(header)) => self.end_of_line(header.end),
            (None, None) => 0,
        };
        let mut after_comments = end;
        while let Some(line) = self.after(after_comments).filter(|line| is_comment(line)) {
            after_comments += line.len();
        }
        if self.after(after_comments).is_none_or(is_blank) { after_comments } else { end }
    }

    /// The lines to remove with an entry below a header: its own, and the comment directly above, unless the
    /// comment stands first below the header or in the file and so speaks of more than this entry.
    pub(super) fn of_entry(self, entry: &Entry) -> Range<usize> {
        let line = self.start(entry.key.start);
        let comment = self.comment_above(line);
        let speaks_of_more = self.before(comment).is_none_or(|above| above.trim_start().starts_with('['));
        (if speaks_of_more { line } else { comment })..self.end_of_line(entry.value.end)
    }

    /// The lines to remove with a section: those of its header and entries, the comment directly above unless
    /// it begins the file, and blank lines that would be left twice.
    pub(super) fn of_section(self, section: &Section) -> Range<usize> {
        let header = self.start_of(section);
        let comment = self.comment_above(header);
        let mut start = if comment == 0 { header } else { comment };
        let mut end = self.end_of(section);
        if self.before(start).is_none_or(is_blank) {
            while let Some(line) = self.after(end).filter(|line| is_blank(line)) {
                end += line.len();
            }
        }
        if end == self.text.len() {
            while let Some(line) = self.before(start).filter(|line| is_blank(line)) {
                start -= line.len();
            }
        }
        start..end
    }

    /// Where the comment that stands directly above the line at `line` begins; `line` if there is none.
    fn comment_above(self, line: usize) -> usize {
        let mut at = line;
        while let Some(above) = self.before(at).filter(|above| is_comment(above)) {
            at -= above.len();
        }
        at
    }

    /// `key = value` in the look of its neighbours: their indentation, and their column of `=` if they share one.
    pub(super) fn entry_like(self, neighbours: &[Entry], key: &str, value: &str) -> String {
        let indent = neighbours.last().map_or("", |last| {
            let line = &self.text[self.start(last.key.start)..];
            &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
        });
        let columns: Vec<usize> = neighbours
            .iter()
            .filter_map(|entry| {
                let line = self.start(entry.key.start) + indent.len();
                let equals = self.text.get(entry.key.end..entry.value.start)?.find('=')?;
                self.text.get(line..entry.key.end + equals).map(|before| before.chars().count())
            })
            .collect();
        let column = match columns.as_slice() {
            [first, others @ ..] if !others.is_empty() && others.iter().all(|column| column == first) => {
                *first
            }
            _ => 0,
        };
        let width = column.saturating_sub(1);
        format!("{indent}{key:<width$} = {value}")
    }

    /// The text with whole lines put in at `at`, the end of a line.
    pub(super) fn with_lines(self, at: usize, lines: &[String]) -> String {
        let ending = self.ending();
        let (before, after) = self.text.split_at(at);
        let mut text = before.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(ending);
        }
        for line in lines {
            text.push_str(line);
            text.push_str(ending);
        }
        text.push_str(after);
        text
    }

    /// Whether what is put in at `at` would follow a blank line or nothing.
    pub(super) fn follows_blank(self, at: usize) -> bool {
        self.before(at).is_none_or(is_blank)
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}
