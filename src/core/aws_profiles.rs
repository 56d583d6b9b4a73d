//! The profiles that `brokerctl aws-config` puts into `~/.aws/config` (AWS SDKs and tools reference guide, "Shared config
//! and credentials files").

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use super::protocol::AwsProfile;

/// Where the part of brokerd begins and ends in a file.
const BEGIN: &str = "# >>> brokerd >>>";
const END: &str = "# <<< brokerd <<<";

/// Why a file cannot be merged into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// The lines that mark our part are not there once each, in order.
    #[error("the lines `{BEGIN}` and `{END}` must be there once each, in this order, or not at all")]
    Marks,
    /// A profile of ours is in somebody else's part, which AWS tools would stop at.
    #[error("it has a profile {0} of its own, and tools stop at two of one name")]
    Taken(String),
}

/// `brokerd-<app>-<stage>` for each; where that is one text for two of them, a dot stands between app and stage.
fn names(profiles: &[AwsProfile]) -> Vec<String> {
    let name = |profile: &AwsProfile, between| format!("brokerd-{}{between}{}", profile.app, profile.stage);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for profile in profiles {
        *counts.entry(name(profile, '-')).or_default() += 1;
    }
    let of = |profile| {
        let plain = name(profile, '-');
        if counts.get(&plain) == Some(&1) { plain } else { name(profile, '.') }
    };
    profiles.iter().map(of).collect()
}

/// The sections, each of which asks `brokerctl` at this path. None is `[default]`: that would shadow the endpoint.
pub fn sections(profiles: &[AwsProfile], brokerctl: &Path) -> String {
    let mut text = String::new();
    for (profile, name) in profiles.iter().zip(names(profiles)) {
        let AwsProfile { app, stage, region } = profile;
        let program = program(brokerctl);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "[profile {name}]");
        let _ =
            writeln!(text, "credential_process = {program} credential-process --app {app} --stage {stage}");
        if let Some(region) = region {
            let _ = writeln!(text, "region = {region}");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A path as SDKs split a command: between double quotes where it has a space.
fn program(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text }
}

/// `text` with these sections in the part of brokerd, which is put at the end where there is none. Everything else
/// stays byte for byte.
pub fn merged(text: &str, sections: &str) -> Result<String, MergeError> {
    let (before, after) = parts(text)?;
    let others: Vec<&str> = before.lines().chain(after.lines()).filter_map(heading).collect();
    if let Some(taken) = sections.lines().filter_map(heading).find(|name| others.contains(name)) {
        return Err(MergeError::Taken(taken.to_owned()));
    }
    // Only where our part is new: an empty line before it.
    let gap = match before {
        _ if before.len() < text.len() => "",
        "" => "",
        _ if before.ends_with("\n\n") => "",
        _ if before.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    Ok(format!("{before}{gap}{BEGIN}\n{sections}{END}\n{after}"))
}

/// What is before our part and after it.
fn parts(text: &str) -> Result<(&str, &str), MergeError> {
    let mut at = 0;
    let (mut begins, mut ends) = (Vec::new(), Vec::new());
    for line in text.split_inclusive('\n') {
        match line.trim_end() {
            BEGIN => begins.push(at),
            END => ends.push(at + line.len()),
            _ => {}
        }
        at += line.len();
    }
    match (begins.as_slice(), ends.as_slice()) {
        ([], []) => Ok((text, "")),
        ([begin], [end]) if begin < end => Ok((&text[..*begin], &text[*end..])),
        _ => Err(MergeError::Marks),
    }
}

/// The name of a profile's section.
fn heading(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('[')?.split(']').next()?.trim().strip_prefix("profile ").map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::name::{App, Region, Stage};

    fn profile(app: &str, stage: &str, region: Option<&str>) -> AwsProfile {
        let region = region.map(|region| Region::parse(region).unwrap());
        AwsProfile { app: App::parse(app).unwrap(), stage: Stage::parse(stage).unwrap(), region }
    }

    #[test]
    fn each_stage_has_a_section_of_its_own() {
        let profiles = [profile("shop", "dev", Some("eu-west-1")), profile("shop", "prod", None)];
        assert_eq!(
            sections(&profiles, Path::new("/usr/bin/brokerctl")),
            "[profile brokerd-shop-dev]\n\
             credential_process = /usr/bin/brokerctl credential-process --app shop --stage dev\n\
             region = eu-west-1\n\n\
             [profile brokerd-shop-prod]\n\
             credential_process = /usr/bin/brokerctl credential-process --app shop --stage prod\n"
        );
        let alike = [profile("a-b", "c", None), profile("a", "b-c", None), profile("a", "b", None)];
        assert_eq!(names(&alike), ["brokerd-a-b.c", "brokerd-a.b-c", "brokerd-a-b"]);
        assert!(
            sections(&alike, Path::new("/my programs/x")).contains("= \"/my programs/x\" credential-process")
        );
        assert_eq!(sections(&[], Path::new("/x")), "");
    }

    #[test]
    fn only_our_part_is_replaced() {
        let ours = |sections: &str| format!("{BEGIN}\n{sections}{END}\n");
        for (before, after) in [
            (String::new(), ours("S\n")),
            ("[default]\nregion=x\n".to_owned(), format!("[default]\nregion=x\n\n{}", ours("S\n"))),
            ("[a]".to_owned(), format!("[a]\n\n{}", ours("S\n"))),
            (format!("[a]\n{}[b]\r\n", ours("old\n")), format!("[a]\n{}[b]\r\n", ours("S\n"))),
            (format!("{BEGIN}\r\nx\r\n{END}"), ours("S\n")),
        ] {
            assert_eq!(merged(&before, "S\n"), Ok(after.clone()));
            assert_eq!(merged(&after, "S\n"), Ok(after));
        }
    }

    #[test]
    fn what_would_break_the_file_is_refused() {
        for text in [
            format!("{BEGIN}\n"),
            format!("{END}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{END}\n{BEGIN}\n{END}\n"),
        ] {
            assert_eq!(merged(&text, ""), Err(MergeError::Marks), "{text}");
        }
        let section = "[profile brokerd-shop-dev]\nregion = x\n";
        assert_eq!(
            merged("[ profile  brokerd-shop-dev ]\n", section),
            Err(MergeError::Taken("brokerd-shop-dev".into()))
        );
        assert!(merged(&format!("{BEGIN}\n{section}{END}\n"), section).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_else_is_there_stays(before in "([a-z=# \r]{0,9}\n){0,4}", after in "([a-z=# \r]{0,9}\n){0,4}") {
            let text = format!("{before}{BEGIN}\nold\n{END}\n{after}");
            prop_assert_eq!(merged(&text, "new\n"), Ok(format!("{before}{BEGIN}\nnew\n{END}\n{after}")));
            let appended = merged(&before, "new\n").unwrap();
            prop_assert!(appended.starts_with(&before));
        }
    }
}
