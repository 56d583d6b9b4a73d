//! The tags of a session, by the rules of STS (AWS STS API reference, data type Tag; AWS IAM user guide,
//! "Pass session tags in AWS STS").

use std::collections::{BTreeMap, BTreeSet};

use crate::core::table::{Findings, Value};

const TAGS: usize = 50;
const KEY_CHARACTERS: usize = 128;
const VALUE_CHARACTERS: usize = 256;

/// Reads the table `session_tags`. A tag that breaks a rule is noted and left out.
pub(super) fn read(value: Value<'_>, findings: &mut Findings<'_>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let Some(table) = value.table(findings) else {
        return tags;
    };
    let count = table.entries().count();
    if count > TAGS {
        value.wrong(
            format_args!("there are {count} tags and STS accepts at most {TAGS} for a session"),
            None,
            findings,
        );
    }
    let mut seen = BTreeSet::new();
    for tag in table.entries() {
        if let Some(rule) = key_fault(tag.key()) {
            findings.add(tag.key_at(), format!("session tag {}: {rule}", tag.name()), None);
        } else if !seen.insert(tag.key().to_lowercase()) {
            findings.add(
                tag.key_at(),
                format!(
                    "session tag {}: another tag differs from it only in case, and STS takes both for one",
                    tag.name()
                ),
                Some("keep one of them".to_owned()),
            );
        }
        let Some(text) = tag.string(findings) else {
            continue;
        };
        if text.chars().count() > VALUE_CHARACTERS {
            tag.wrong(
                format_args!("a tag's value has at most {VALUE_CHARACTERS} characters"),
                None,
                findings,
            );
        } else if !text.chars().all(is_tag_character) {
            tag.wrong("a tag's value has letters, digits, spaces and any of _.:/=+-@ only", None, findings);
        } else {
            tags.insert(tag.key().to_owned(), text.to_owned());
        }
    }
    tags
}

/// The rule that the key of a tag breaks, if it breaks one.
fn key_fault(key: &str) -> Option<&'static str> {
    if key.is_empty() || key.chars().count() > KEY_CHARACTERS {
        Some("a tag's key has 1 to 128 characters")
    } else if !key.chars().all(is_tag_character) {
        Some("a tag's key has letters, digits, spaces and any of _.:/=+-@ only")
    } else if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        Some("keys that begin with aws: belong to AWS")
    } else {
        None
    }
}

/// Letters, numbers and separators of every script, and some signs.
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use crate::core::catalog::tests::errors;

    #[test]
    fn keeps_the_rules_of_sts() {
        let tags = |count| (0..count).map(|n| format!("t{n} = \"\"")).collect::<Vec<_>>().join("\n");
        let (fifty, many) = (tags(50), tags(51));
        for (tags, expected) in [
            ("team = \"web shop\"\n\"cost centre\" = \"\"\n\"größe\" = \"a_.:/=+-@9\"", String::new()),
            (&format!("{} = \"{}\"", "k".repeat(128), "ü".repeat(256)), String::new()),
            (&fifty, String::new()),
            (
                &many,
                "3:1: `session_tags`: there are 51 tags and STS accepts at most 50 for a \
             session"
                    .into(),
            ),
            ("\"\" = \"x\"", "4:1: session tag ``: a tag's key has 1 to 128 characters".into()),
            (
                &format!("{} = \"x\"", "k".repeat(129)),
                format!("4:1: session tag `{}`: a tag's key has 1 to 128 characters", "k".repeat(80)),
            ),
            (
                "\"a*\" = \"x\"",
                "4:1: session tag `a*`: a tag's key has letters, digits, spaces and any of _.:/=+-@ \
                 only"
                    .into(),
            ),
            (
                "\"AWS:x\" = \"x\"",
                "4:1: session tag `AWS:x`: keys that begin with aws: belong to \
             AWS"
                .into(),
            ),
            (
                "Team = \"x\"\nteam = \"y\"",
                "5:1: session tag `team`: another tag differs from it only in case, and STS takes both \
                 for one \
                 (keep one of them)"
                    .into(),
            ),
            ("team = 1", "4:8: `team`: expected a string, found an integer".into()),
            (
                "team = \"marked*\"",
                "4:8: `team`: a tag's value has letters, digits, spaces and any of _.:/=+-@ only".into(),
            ),
            (
                &format!("team = \"{}\"", "x".repeat(257)),
                "4:8: `team`: a tag's value has at most 256 characters".into(),
            ),
        ] {
            let text = format!(
                "[profiles.p.access_role]\nrole_arn = \
                 \"arn:aws:iam::111111111111:role/deploy\"\n[profiles.p.access_role.session_tags]\n{tags}\n"
            );
            let expected = if expected.is_empty() { expected } else { format!("c.toml:{expected}") };
            assert_eq!(errors(&text), expected, "{tags}");
        }
    }
}
