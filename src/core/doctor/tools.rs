//! Programs on the path that cannot use a metadata endpoint, or only with more (docs/clients.md).

use std::path::PathBuf;

use super::{Area, Finding, Level, Topic};

/// The area.
pub static AREA: Area = Area { name: "tools", topics: &[&NO_ENDPOINT] };

static NO_ENDPOINT: Topic = Topic {
    id: "tool-without-endpoint",
    level: Level::Note,
    finds: "a program is installed that has no setting for a metadata endpoint",
    why: "it asks 169.254.169.254 or nobody, and never brokerd's port",
    fix: "start it by brokerctl exec",
};

/// Programs, each with the way that it can be given credentials.
const PROGRAMS: [(&str, &str); 4] = [
    ("restic", "brokerctl exec -- restic …"),
    ("mc", "brokerctl exec --static -- mc …"),
    ("s3cmd", "brokerctl exec --static -- s3cmd …"),
    ("s3fs", "brokerctl exec --static -- s3fs …"),
];

/// What to look for on the path.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(name, _)| *name)
}

/// Those that were found, by the names of [`names`].
pub fn judge(found: &[PathBuf]) -> Vec<Finding> {
    let of_path = |path: &PathBuf| {
        let name = path.file_name()?;
        let (name, way) = PROGRAMS.iter().find(|(known, _)| name == *known)?;
        let sentence = format!("{name} has no setting for a metadata endpoint");
        Some(
            Finding::of(&NO_ENDPOINT, sentence)
                .at(path, None)
                .affecting(std::slice::from_ref(name))
                .with_fix(*way),
        )
    };
    found.iter().filter_map(of_path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_setting_is_named_with_its_way() {
        let found = judge(&["/usr/bin/restic".into(), "/usr/bin/aws".into()]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fix.as_deref(), Some("brokerctl exec -- restic …"));
        assert_eq!(names().count(), PROGRAMS.len());
    }
}
