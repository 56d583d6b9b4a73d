//! The file that holds the pins.

use super::state_file::{State, StateFile};
use crate::core::pins::PinList;

/// The file of the pins.
pub type PinFile = StateFile<PinList>;

impl State for PinList {
    const WHAT: &'static str = "a list of pins";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }

    fn to_text(&self) -> String {
        self.to_text()
    }
}

#[cfg(test)]
mod tests {
    use super::super::state_file::tests::survives;
    use super::*;

    #[test]
    fn a_crash_or_an_error_leaves_the_old_pins_or_the_new() {
        let pin = r#"{"place":{"project":"/shop/serverless.yml"},"app":"shop","stage":"prod","since":"2026-01-01T00:00:00Z","until":"2026-01-01T01:00:00Z","boot":"b","from":1}"#;
        let list = |pins: &str| PinList::parse(&format!(r#"{{"form":1,"pins":[{pins}]}}"#)).unwrap();
        survives("pins.json", [&list(pin), &list("")]);
    }
}
