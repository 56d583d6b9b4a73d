//! What is kept of a project that was found, whether it is allowed or not.

use super::fault::Fault;
use super::serverless::{Document, Finding, Inputs};

/// What a configuration says of one of its values. There may be ten thousand of these, so it is kept small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Told {
    /// Nothing.
    #[default]
    Absent,
    /// This.
    Known(Box<str>),
    /// It depends on what only a caller has, or on what is not read.
    Unknown,
}

impl Told {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}

impl From<Finding> for Told {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Absent => Self::Absent,
            Finding::Known(known) => Self::Known(known.value.into_boxed_str()),
            Finding::Unknown(_) => Self::Unknown,
        }
    }
}

/// A configuration in short, for a caller without options and environment: what `status` shows of a project that
/// nobody allowed. The document itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The application.
    pub app: Told,
    /// The organisation.
    pub org: Told,
    /// The stage that the file says.
    pub stage: Told,
    /// Why the file cannot be read, if so.
    pub fault: Option<Box<str>>,
}

impl Summary {
    /// The summary of a reading.
    pub fn of(reading: Result<&Document, &Fault>) -> Self {
        let inputs = Inputs::default();
        match reading {
            Ok(document) => Self {
                app: document.app(&inputs).into(),
                org: document.org(&inputs).into(),
                stage: document.stage(&inputs).into(),
                fault: None,
            },
            Err(fault) => Self { fault: Some(fault.to_string().into_boxed_str()), ..Self::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_summary_says_what_the_file_says_by_itself() {
        let file = Path::new("serverless.yml");
        let text = "app: shop\nprovider: {stage: \"${env:STAGE}\"}\n";
        let summary = Summary::of(Document::parse(file, text.as_bytes()).as_ref());
        assert_eq!(summary.app.known(), Some("shop"));
        assert_eq!((summary.org, summary.stage), (Told::Absent, Told::Unknown));
        let summary = Summary::of(Document::parse(file, b"app: [").as_ref());
        assert!(summary.fault.is_some_and(|fault| fault.contains("serverless.yml:")));
        assert_eq!(summary.app, Told::Absent);
    }
}
