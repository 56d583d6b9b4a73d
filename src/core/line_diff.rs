//! What changed between two texts, line by line, with a few lines around it.

use std::ops::Range;

/// Lines around a change.
const AROUND: usize = 2;
/// Above this many comparisons the changed part is shown as a whole: removed, then added.
const MOST: usize = 4_000_000;

/// One line of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffLine<'t> {
    /// The place of what follows: the first line and how many, in the old text and in the new.
    Place([usize; 4]),
    /// A line that stays.
    Same(&'t str),
    /// A line of the old text only.
    Removed(&'t str),
    /// A line of the new text only.
    Added(&'t str),
}

/// The lines to show for a change from `old` to `new`, without what ends them; none if the texts are the same.
pub fn diff<'t>(old: &'t str, new: &'t str) -> Vec<DiffLine<'t>> {
    let (before, after): (Vec<_>, Vec<_>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let lines = compare(&before, &after);
    let mut shown = Vec::new();
    for hunk in hunks(&lines) {
        let count = |lines: &[DiffLine<'_>], skip: fn(&DiffLine<'_>) -> bool| {
            lines.iter().filter(|line| !skip(line)).count()
        };
        let added = |line: &DiffLine<'_>| matches!(line, DiffLine::Added(_));
        let removed = |line: &DiffLine<'_>| matches!(line, DiffLine::Removed(_));
        let (above, here) = (&lines[..hunk.start], &lines[hunk]);
        // An empty range is said, as elsewhere, by the line before it.
        let range = |skip| {
            let size = count(here, skip);
            (count(above, skip) + usize::from(size > 0), size)
        };
        let ((old_start, old_size), (new_start, new_size)) = (range(added), range(removed));
        shown.push(DiffLine::Place([old_start, old_size, new_start, new_size]));
        shown.extend(here.iter().map(|line| match *line {
            DiffLine::Same(text) => DiffLine::Same(bare(text)),
            DiffLine::Removed(text) => DiffLine::Removed(bare(text)),
            DiffLine::Added(text) => DiffLine::Added(bare(text)),
            DiffLine::Place(place) => DiffLine::Place(place),
        }));
    }
    shown
}

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}

/// The parts of a comparison to show.
fn hunks(lines: &[DiffLine<'_>]) -> Vec<Range<usize>> {
    let mut hunks: Vec<Range<usize>> = Vec::new();
    for (index, _) in lines.iter().enumerate().filter(|(_, line)| !matches!(line, DiffLine::Same(_))) {
        let (start, end) = (index.saturating_sub(AROUND), (index + AROUND + 1).min(lines.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

fn compare<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<DiffLine<'t>> {
    let same_start = before.iter().zip(after).take_while(|(old, new)| old == new).count();
    let (old, new) = (&before[same_start..], &after[same_start..]);
    let same_end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - same_end], &new[..new.len() - same_end]);
    let same = |lines: &[&'t str]| lines.iter().map(|line| DiffLine::Same(line)).collect::<Vec<_>>();
    let mut lines = same(&before[..same_start]);
    lines.extend(compare_differing(old, new));
    lines.extend(same(&before[before.len() - same_end..]));
    lines
}

/// The longest common subsequence keeps its lines; the others are removed or added.
fn compare_differing<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<DiffLine<'t>> {
    let width = new.len() + 1;
    if old.len().saturating_mul(width) > MOST {
        let removed = old.iter().map(|line| DiffLine::Removed(line));
        return removed.chain(new.iter().map(|line| DiffLine::Added(line))).collect();
    }
    // common[i * width + j]: how many lines old[i..] and new[j..] have in common.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(DiffLine::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            lines.push(DiffLine::Removed(old[i]));
            i += 1;
        } else {
            lines.push(DiffLine::Added(new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(old: &str, new: &str) -> String {
        let line = |line: &DiffLine<'_>| match line {
            DiffLine::Place([a, b, c, d]) => format!("@@ -{a},{b} +{c},{d} @@\n"),
            DiffLine::Same(text) => format!(" {text}\n"),
            DiffLine::Removed(text) => format!("-{text}\n"),
            DiffLine::Added(text) => format!("+{text}\n"),
        };
        diff(old, new).iter().map(line).collect()
    }

    #[test]
    fn a_change_is_shown_with_two_lines_around_it() {
        for (old, new, expected) in [
            ("", "", ""),
            ("a\n", "a\n", ""),
            ("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"),
            ("a\r\n", "", "@@ -1,1 +0,0 @@\n-a\n"),
            ("1\n2\n3\n4\n5\n", "1\n2\n3\n4\nx\n", "@@ -3,3 +3,3 @@\n 3\n 4\n-5\n+x\n"),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n",
                "x\n2\n3\n4\n5\n6\n7\n",
                "@@ -1,3 +1,3 @@\n-1\n+x\n 2\n 3\n@@ -6,3 +6,2 @@\n 6\n 7\n-8\n",
            ),
            ("1\n2\n3\n", "1\nx\n2\ny\n3\n", "@@ -1,3 +1,5 @@\n 1\n+x\n 2\n+y\n 3\n"),
        ] {
            assert_eq!(shown(old, new), expected, "{old:?} {new:?}");
        }
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_out_of_a_comparison(old in "([ab]\n){0,12}", new in "([abc]\n){0,12}") {
            let (before, after): (Vec<_>, Vec<_>) =
                (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
            let lines = compare(&before, &after);
            let read = |with: fn(&DiffLine<'_>) -> bool| -> String {
                let text = |line: &DiffLine<'_>| match line {
                    DiffLine::Same(text) | DiffLine::Removed(text) | DiffLine::Added(text) => (*text).to_owned(),
                    DiffLine::Place(_) => String::new(),
                };
                lines.iter().filter(|line| with(line)).map(text).collect()
            };
            prop_assert_eq!(read(|line| !matches!(line, DiffLine::Added(_))), old.as_str());
            prop_assert_eq!(read(|line| !matches!(line, DiffLine::Removed(_))), new.as_str());
        }
    }
}
