//! The file that holds the list of allowed projects.

use super::state_file::{State, StateFile};
use crate::core::allowed::AllowList;

/// The file of the list.
pub type AllowFile = StateFile<AllowList>;

impl State for AllowList {
    const WHAT: &'static str = "a list of allowed projects";

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
    fn a_crash_or_an_error_leaves_the_old_list_or_the_new() {
        let list = |apps: &[&str]| {
            let project = |app| {
                format!(
                    r#"{{"config":"/{app}/serverless.yml","app":"{app}","since":"2026-01-01T00:00:00Z"}}"#
                )
            };
            let projects: Vec<String> = apps.iter().map(project).collect();
            AllowList::parse(&format!(r#"{{"form":1,"projects":[{}]}}"#, projects.join(","))).unwrap()
        };
        survives("allowed.json", [&list(&["shop", "billing"]), &list(&["shop"])]);
    }
}
