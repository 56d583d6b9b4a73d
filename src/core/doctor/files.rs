//! brokerd's files and directories, and those of `~/.aws`: who can read and write them.

use std::path::PathBuf;

use super::{Area, Finding, Level, Repair, Topic};

/// The area.
pub static AREA: Area = Area { name: "files", topics: &[&OPEN, &FOREIGN, &MISSING, &AWS_OPEN] };

static OPEN: Topic = Topic {
    id: "file-open",
    level: Level::Problem,
    finds: "a file or directory of brokerd's is open to other users",
    why: "they could read what is kept there, or write what you allowed",
    fix: "brokerctl doctor --fix closes it",
};
static FOREIGN: Topic = Topic {
    id: "file-foreign",
    level: Level::Problem,
    finds: "a file or directory of brokerd's belongs to another user",
    why: "somebody else decides what it says, so brokerd refuses it",
    fix: "sudo chown, once you know who made it",
};
static MISSING: Topic = Topic {
    id: "directory-missing",
    level: Level::Note,
    finds: "a directory of brokerd's is not there yet",
    why: "nothing is kept there yet; brokerd makes it when it starts",
    fix: "brokerctl doctor --fix makes it",
};
static AWS_OPEN: Topic = Topic {
    id: "aws-file-open",
    level: Level::Warning,
    finds: "~/.aws/credentials or ~/.aws/config is open to other users",
    why: "who reads the first has your keys; who writes the second has a program run as you",
    fix: "brokerctl doctor --fix closes it",
};

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Where.
    pub path: PathBuf,
    /// What is there, if anything.
    pub found: Option<Mode>,
    /// What it is to brokerd.
    pub role: FileRole,
}

/// What a file is to brokerd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// One of its directories.
    Directory,
    /// A file in one of them.
    File,
    /// What people may show to others, and only nobody else may write: the configuration and the catalog.
    Written,
    /// `~/.aws/credentials`: its keys are for nobody else.
    AwsCredentials,
    /// `~/.aws/config`.
    AwsConfig,
}

/// Whose something is, and who may do what with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The user.
    pub uid: u32,
    /// The permission bits.
    pub bits: u32,
}

/// Everything that was looked at; `uid` is this user.
pub fn judge(looked: &[Looked], uid: u32) -> Vec<Finding> {
    let mut found: Vec<Finding> = looked.iter().filter_map(|looked| of_file(looked, uid)).collect();
    if found.iter().all(|finding| finding.level <= Level::Note) {
        found.insert(0, Finding::fine(&AREA, "brokerd's files are yours, and open to nobody else"));
    }
    found
}

fn of_file(Looked { path, found, role }: &Looked, uid: u32) -> Option<Finding> {
    let shown = path.display();
    let Some(Mode { uid: owner, bits }) = *found else {
        return (*role == FileRole::Directory).then(|| {
            Finding::of(&MISSING, format!("{shown} is not there yet")).repaired_by(Repair::Make(path.clone()))
        });
    };
    let of_aws = matches!(role, FileRole::AwsCredentials | FileRole::AwsConfig);
    if owner != uid {
        let sentence = format!("{shown} belongs to uid {owner}, and you are uid {uid}");
        let fix = format!("sudo chown {uid} {}", crate::core::refusal::shell_word(path));
        return (!of_aws && owner != 0).then(|| Finding::of(&FOREIGN, sentence).at(path, None).with_fix(fix));
    }
    let (refused, topic) = match role {
        FileRole::Directory | FileRole::File => (0o077, &OPEN),
        FileRole::Written => (0o002, &OPEN),
        FileRole::AwsCredentials => (0o077, &AWS_OPEN),
        FileRole::AwsConfig => (0o022, &AWS_OPEN),
    };
    (bits & refused != 0).then(|| {
        Finding::of(topic, format!("{shown} is open to other users (mode {:03o})", bits & 0o777))
            .at(path, None)
            .repaired_by(Repair::Close(path.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_read_or_write_is_found_and_can_be_closed() {
        use FileRole::{AwsConfig, AwsCredentials, Directory, File, Written};
        for (role, mode, expected) in [
            (Directory, Some((7, 0o700)), ("files", false)),
            (Directory, Some((7, 0o750)), ("file-open", true)),
            (Directory, None, ("directory-missing", true)),
            (File, Some((7, 0o600)), ("files", false)),
            (File, Some((7, 0o640)), ("file-open", true)),
            (File, Some((8, 0o600)), ("file-foreign", false)),
            (File, None, ("files", false)),
            (Written, Some((7, 0o644)), ("files", false)),
            (Written, Some((7, 0o646)), ("file-open", true)),
            (Written, Some((0, 0o644)), ("files", false)),
            (AwsCredentials, Some((7, 0o644)), ("aws-file-open", true)),
            (AwsConfig, Some((7, 0o644)), ("files", false)),
            (AwsConfig, Some((7, 0o664)), ("aws-file-open", true)),
        ] {
            let found = mode.map(|(uid, bits)| Mode { uid, bits });
            let findings = judge(&[Looked { path: "/f".into(), found, role }], 7);
            let finding = findings.last().unwrap();
            assert_eq!((finding.id, finding.fixable), expected, "{role:?} {mode:?}");
        }
    }
}
