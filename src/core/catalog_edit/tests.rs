mod forms;
mod refusals;
mod sequences;

use std::path::Path;

use super::*;
use crate::core::name::RoleArn;

/// A catalog as people write them.
const COMMENTED: &str = r#"# The catalog of the shop team.
# Ask in #cloud before you change it.

[profiles.dev]                  # everybody's
description = "Shared development account"
[profiles.dev.access_role]
role_arn = "arn:aws:iam::111111111111:role/deploy"
source   = "work"    # of ~/.aws/config
# an hour is enough
duration = '1h'
[[profiles.dev.safeguards]]
policy = "allowed-regions"
config = [ "us-east-1",
           "eu-west-1" ]   # and no others

[[profiles.dev.safeguards]]
policy = "require-dlq"

# The bank's own account.
[profiles.bank]
	access_role = { role_arn = "arn:aws:iam::222222222222:role/deploy", region="eu-central-1" }
secrets.STRIPE = "keychain"

# ---- applications ----

[applications.shop]
default_profile="dev"
stages.prod = "bank"   # careful
unmatched = ["pr-*"]
"#;

fn profile(text: &str) -> ProfileName {
    ProfileName::parse(text).unwrap()
}

fn app(text: &str) -> App {
    App::parse(text).unwrap()
}

fn stage(text: &str) -> Stage {
    Stage::parse(text).unwrap()
}

fn role(account: u8) -> ProfileSettings {
    let digit = account.to_string().repeat(12);
    ProfileSettings {
        role_arn: Some(RoleArn::parse(&format!("arn:aws:iam::{digit}:role/deploy")).unwrap()),
        ..ProfileSettings::default()
    }
}

fn edited(text: &str, wanted: &Edit) -> Result<String, EditError> {
    edit(Path::new("catalog.toml"), text, wanted)
}

/// The lines that an edit takes out and puts in, as `-old` and `+new`.
fn changed(text: &str, wanted: &Edit) -> String {
    use crate::core::line_diff::{DiffLine, diff};
    let after = edited(text, wanted).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let line = |line: &DiffLine<'_>| match line {
        DiffLine::Removed(line) => Some(format!("-{line}\n")),
        DiffLine::Added(line) => Some(format!("+{line}\n")),
        DiffLine::Same(_) | DiffLine::Place(_) => None,
    };
    diff(text, &after).iter().filter_map(line).collect()
}

/// That an edit takes out and puts in these lines, in a file of either kind of line ends and with a byte
/// order mark, and leaves every other byte alone.
fn expect(text: &str, wanted: &Edit, lines: &str) {
    assert_eq!(changed(text, wanted), lines, "{wanted:?}");
    let dos = text.replace('\n', "\r\n");
    let plain = edited(text, wanted).unwrap();
    assert_eq!(edited(&dos, wanted).unwrap(), plain.replace('\n', "\r\n"), "{wanted:?}");
    let marked = format!("\u{feff}{text}");
    assert_eq!(edited(&marked, wanted).unwrap(), format!("\u{feff}{plain}"), "{wanted:?}");
}
