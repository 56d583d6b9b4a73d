//! An application: which of its stages deploys with which profile.

use std::collections::{BTreeMap, BTreeSet};

use super::StagePattern;
use crate::core::name::{App, ProfileName, Stage};
use crate::core::nearest::did_you_mean;
use crate::core::table::{Findings, Table, Value};

/// The keys of an application.
pub(super) const KEYS: [&str; 3] = ["default_profile", "stages", "unmatched"];

/// An application of the catalog. It has a default profile or a stage, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its name, the `app` of serverless.yml.
    pub name: App,
    /// The profile of the stages that have none of their own.
    pub default_profile: Option<ProfileName>,
    /// The stages with a profile of their own.
    pub stages: BTreeMap<Stage, ProfileName>,
    /// What becomes of a stage that is not among `stages`.
    pub unmatched: Unmatched,
}

/// What becomes of a stage that an application does not list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// It gets the default profile, if there is one.
    #[default]
    Default,
    /// It is refused.
    Refuse,
    /// It gets the default profile if one of the patterns matches it, else it is refused.
    Patterns(Vec<StagePattern>),
}

impl Application {
    /// Reads one entry of the table `applications`; `profiles` are the names that it may refer to.
    pub(super) fn read(
        value: Value<'_>,
        profiles: &BTreeSet<ProfileName>,
        findings: &mut Findings<'_>,
    ) -> Option<Self> {
        let name = value.parsed_key(App::parse, findings);
        let table = value.table(findings)?;
        table.only(&KEYS, findings);
        let default = table.get("default_profile");
        let default_profile = default.and_then(|value| read_reference(value, profiles, findings));
        let stages = read_stages(table, profiles, findings);
        let has_stages =
            table.get("stages").is_some_and(|value| value.as_table().is_none_or(|table| !table.is_empty()));
        if default.is_none() && !has_stages {
            findings.add_missing(
                table.at(),
                format!("application {} has neither default_profile nor stages", value.name()),
                Some("add default_profile = \"NAME\" with the name of a profile".to_owned()),
            );
        }
        let unmatched =
            table.get("unmatched").and_then(|value| read_unmatched(value, default.is_some(), findings));
        Some(Self { name: name?, default_profile, stages, unmatched: unmatched.unwrap_or_default() })
    }
}

fn read_stages(
    table: Table<'_>,
    profiles: &BTreeSet<ProfileName>,
    findings: &mut Findings<'_>,
) -> BTreeMap<Stage, ProfileName> {
    let mut stages = BTreeMap::new();
    for value in table.table("stages", findings).into_iter().flat_map(Table::entries) {
        let stage = value.parsed_key(Stage::parse, findings);
        let profile = read_reference(value, profiles, findings);
        if let (Some(stage), Some(profile)) = (stage, profile) {
            stages.insert(stage, profile);
        }
    }
    stages
}

/// The name of a profile that the catalog has.
fn read_reference(
    value: Value<'_>,
    profiles: &BTreeSet<ProfileName>,
    findings: &mut Findings<'_>,
) -> Option<ProfileName> {
    let name = value.parsed(ProfileName::parse, findings)?;
    if profiles.contains(&name) {
        return Some(name);
    }
    let hint = did_you_mean(name.as_str(), profiles.iter().map(ProfileName::as_str))
        .unwrap_or_else(|| format!("add the profile as a table [profiles.{name}]"));
    let message = format!("{}: there is no profile \"{name}\"", value.name());
    findings.add_missing(value.at(), message, Some(hint));
    None
}

/// `"default"`, `"refuse"` or patterns. What speaks of the default profile needs one (`has_default`).
fn read_unmatched(value: Value<'_>, has_default: bool, findings: &mut Findings<'_>) -> Option<Unmatched> {
    const EXPECTED: &str = "\"default\", \"refuse\" or an array of patterns such as [\"pr-*\"]";
    let unmatched = if let Some(word) = value.as_str() {
        match word {
            "default" => Unmatched::Default,
            "refuse" => return Some(Unmatched::Refuse),
            _ => {
                let hint = did_you_mean(word, ["default", "refuse"]);
                value.wrong(format_args!("expected {EXPECTED}"), hint, findings);
                return None;
            }
        }
    } else if let Some(items) = value.as_array() {
        if items.is_empty() {
            let hint = Some("to refuse every unmatched stage, write unmatched = \"refuse\"".to_owned());
            value.wrong("there is no pattern", hint, findings);
            return None;
        }
        let patterns = items.into_iter().filter_map(|item| item.parsed(StagePattern::parse, findings));
        Unmatched::Patterns(patterns.collect())
    } else {
        value.mistyped(EXPECTED, None, findings);
        return None;
    };
    if !has_default {
        let message =
            format!("{}: there is no default_profile that an unmatched stage could get", value.name());
        let hint = "add default_profile, or write unmatched = \"refuse\"".to_owned();
        findings.add_missing(value.at(), message, Some(hint));
    }
    Some(unmatched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use std::path::Path;

    #[test]
    fn reads_what_becomes_of_other_stages() {
        let patterns = ["pr-*", "x"].map(|text| StagePattern::parse(text).unwrap()).to_vec();
        for (lines, expected) in [
            ("default_profile = \"dev\"", Unmatched::Default),
            ("stages.a = \"dev\"", Unmatched::Default),
            ("default_profile = \"dev\"\nunmatched = \"default\"", Unmatched::Default),
            ("default_profile = \"dev\"\nunmatched = \"refuse\"", Unmatched::Refuse),
            ("stages.a = \"dev\"\nunmatched = \"refuse\"", Unmatched::Refuse),
            ("default_profile = \"dev\"\nunmatched = [\"pr-*\", \"x\"]", Unmatched::Patterns(patterns)),
        ] {
            let text = format!("[profiles.dev]\n[applications.shop]\n{lines}\n");
            let catalog = Catalog::parse(Path::new("c.toml"), &text).unwrap();
            assert_eq!(catalog.applications[&App::parse("shop").unwrap()].unmatched, expected, "{lines}");
        }
    }

    #[test]
    fn names_each_fault() {
        const RULE: &str = "letters, digits, - and _, beginning with a letter or digit, at most 128";
        for (lines, expected) in [
            (
                "",
                "2:1: application `shop` has neither default_profile nor stages (add default_profile = \
                 \"NAME\" with the \
                 name of a profile)"
                    .to_owned(),
            ),
            (
                "stages = {}",
                "2:1: application `shop` has neither default_profile nor stages (add default_profile = \
                 \"NAME\" with the \
                 name of a profile)"
                    .to_owned(),
            ),
            ("stages = 1", "3:10: `stages`: expected a table, found an integer".to_owned()),
            (
                "default_profile = \"dve\"\nstages.prod = \"qa\"",
                "3:19: `default_profile`: there is no profile \"dve\" (did you mean \"dev\"?)\n\
                 c.toml:4:15: `prod`: there is no profile \"qa\" (add the profile as a table [profiles.qa])"
                    .to_owned(),
            ),
            (
                "stages.\"a b\" = \"d.v\"",
                format!(
                    "3:8: \"a b\" is not a stage name: {RULE}\nc.toml:3:16: `a b`: \"d.v\" is not a \
                     profile name: {RULE}"
                ),
            ),
            (
                "stages.a = \"dev\"\nunmatched = \"default\"",
                "4:13: `unmatched`: there is no default_profile that an unmatched stage could get (add \
                 default_profile, or \
                 write unmatched = \"refuse\")"
                    .to_owned(),
            ),
            (
                "stages.a = \"dev\"\nunmatched = [\"pr-*\"]",
                "4:13: `unmatched`: there is no default_profile that an unmatched stage could get (add \
                 default_profile, or \
                 write unmatched = \"refuse\")"
                    .to_owned(),
            ),
            (
                "default_profile = \"dev\"\nunmatched = \"refused\"",
                "4:13: `unmatched`: expected \"default\", \"refuse\" or an array of patterns such as \
                 [\"pr-*\"] (did you mean \
                 \"refuse\"?)"
                    .to_owned(),
            ),
            (
                "default_profile = \"dev\"\nunmatched = true",
                "4:13: `unmatched`: expected \"default\", \"refuse\" or an array of patterns such as \
                 [\"pr-*\"], found a boolean"
                    .to_owned(),
            ),
            (
                "default_profile = \"dev\"\nunmatched = []",
                "4:13: `unmatched`: there is no pattern (to refuse every unmatched stage, write \
                 unmatched = \"refuse\")"
                    .to_owned(),
            ),
            (
                "default_profile = \"dev\"\nunmatched = [\"pr/*\", 1]",
                "4:14: `unmatched`: a stage pattern is a stage name in which * stands for any run of \
                 characters, as in pr-*\n\
                 c.toml:4:22: `unmatched`: expected a string, found an integer"
                    .to_owned(),
            ),
            (
                "default_profil = 1\nstages.a = \"dev\"",
                "3:1: unknown key `default_profil` (did you mean \
             \"default_profile\"?)"
                    .to_owned(),
            ),
        ] {
            let text = format!("[profiles.dev]\n[applications.shop]\n{lines}\n");
            assert_eq!(errors(&text), format!("c.toml:{expected}"), "{lines}");
        }
        assert_eq!(
            errors("[profiles.dev]\n[applications.\"a b\"]\ndefault_profile = \"dev\"\n"),
            format!("c.toml:2:15: \"a b\" is not an application name: {RULE}")
        );
    }
}
