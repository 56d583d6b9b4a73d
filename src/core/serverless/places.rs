//! Finding the place of a byte in a text, many times.

use crate::core::fault::Place;

/// Where the lines of a text begin: a place is then found without reading the text again.
pub(super) struct Places<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    /// The lines of a text.
    pub(super) fn of(text: &'t str) -> Self {
        let newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, lines: std::iter::once(0).chain(newlines).collect() }
    }

    /// The place of a byte of the text.
    pub(super) fn at(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        let one_based = |count: usize| u32::try_from(count).unwrap_or(u32::MAX - 1).saturating_add(1);
        Place { line: one_based(line), column: one_based(before.chars().count()) }
    }
}
