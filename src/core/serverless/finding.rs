//! What a configuration says about one thing: nothing, a value, or something that cannot be known here.

use std::fmt;
use std::path::PathBuf;

use crate::core::fault::Place;

/// The answer for one field of a configuration. Unknown is not absent: a value is there, and whoever goes on
/// with a default instead may act on the wrong account.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The configuration does not have it.
    Absent,
    /// The configuration has it, and this is what a CLI makes of it.
    Known(Known),
    /// The configuration has it, and what a CLI makes of it cannot be told.
    Unknown(Unknown),
}

/// A value that a CLI would compute as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The value, never empty.
    pub value: String,
    /// Where it is from.
    pub origin: Origin,
}

/// A value that is there but cannot be computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// One sentence that names the variable and says why it cannot be known.
    pub reason: String,
    /// Where it stands.
    pub origin: Origin,
}

/// Where a finding is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The file: the configuration's, as it was given to [`Document::parse`](super::Document::parse), or an included one.
    pub file: PathBuf,
    /// The place of the value in it, where one is known.
    pub place: Option<Place>,
    /// The sources that its variables took it from, in the order of their use, as they are written:
    /// `self:custom.stage`, `env:STAGE`, `literal`. Empty for a value without variables. Never a value.
    pub via: Vec<String>,
}

impl Finding {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(known) => Some(&known.value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Whether the configuration does not have it.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// This finding, or the other one if this one is absent.
    #[must_use]
    pub fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self.is_absent() { other() } else { self }
    }
}

impl fmt::Display for Origin {
    /// `at /shop/serverless.yml:4:10, by opt:stage, literal`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.map(|place| format!(":{place}")).unwrap_or_default();
        write!(f, "at {}{place}", self.file.display())?;
        if self.via.is_empty() { Ok(()) } else { write!(f, ", by {}", self.via.join(", ")) }
    }
}

/// A name of the configuration for a message: short, and without characters that move a terminal's cursor.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 120;
    let harmless = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = name.chars().take(LONGEST).map(harmless).collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
