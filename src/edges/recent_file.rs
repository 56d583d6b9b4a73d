//! The file that holds the stages used lately.

use super::state_file::{State, StateFile};
use crate::core::recent::Recent;

/// The file of the stages used lately.
pub type RecentFile = StateFile<Recent>;

impl State for Recent {
    const WHAT: &'static str = "a list of the stages used lately";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }

    fn to_text(&self) -> String {
        self.to_text()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::state_file::tests::survives;
    use super::*;
    use crate::core::moment::Timestamp;
    use crate::core::name::Stage;

    #[test]
    fn a_crash_or_an_error_leaves_the_old_list_or_the_new() {
        let mut recent = Recent::default();
        recent.note(Path::new("/shop/serverless.yml"), &Stage::parse("dev").unwrap(), Timestamp(1));
        survives("recent.json", [&recent, &Recent::default()]);
    }
}
