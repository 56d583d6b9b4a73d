//! A regular expression of a config or of a policy.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

/// The most steps back of one match. The daemon matches, and a pattern that explodes must not hold it up.
const STEPS: usize = 100_000;

/// A regular expression, written as JavaScript has them. It may look around; what takes too long does not match.
#[derive(Clone)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles `text`; the error says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).backtrack_limit(STEPS).build();
        let regex = regex.map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Whether some part of `text` matches, as `String.prototype.match` has it. A match that is given up is none.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_around_and_gives_up_what_explodes() {
        assert!(Pattern::new("^(?!prod)").unwrap().is_match("dev"));
        assert!(!Pattern::new("^(?!prod)").unwrap().is_match("prod-eu"));
        assert!(Pattern::new("python3").unwrap().is_match("python3.13"));
        let slow = Pattern::new("^(?=(a+)+$)(a|a)*\\1b").unwrap();
        assert!(!slow.is_match(&format!("{}c", "a".repeat(64))));
        assert!(Pattern::new("(").unwrap_err().len() > 3);
    }
}
