//! The catalog: the team's agreement on profiles and applications, written in `catalog.toml`.
//!
//! It holds no secret, only where each one comes from, so that the file can be shared.

mod access_role;
mod application;
mod deploy;
mod profile;
mod protection;
mod safeguard;
mod schema;
mod secret;
mod session_tags;
mod stage_pattern;
mod via;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::core::fault::Faults;
use crate::core::name::{App, ProfileName};
use crate::core::table::{self, Table};

pub use access_role::{AccessRole, DEFAULT_KEYS, Source};
pub use application::{Application, Unmatched};
pub use deploy::Deploy;
pub use profile::Profile;
pub use protection::{Approve, LengthError, Protection, parse_length};
pub use safeguard::{Enforce, Level, Safeguard};
pub use schema::schema;
pub use secret::{DEFAULT_TTL, Secret, SecretSource};
pub use stage_pattern::{StagePattern, StagePatternError};

/// The keys of the file.
const KEYS: [&str; 2] = ["profiles", "applications"];

/// The keys of a profile that a command can take out, its access role's as `access_role.KEY`.
pub fn profile_keys() -> Vec<String> {
    let of_role = access_role::KEYS.iter().map(|key| format!("access_role.{key}"));
    profile::KEYS.iter().map(|key| (*key).to_owned()).chain(of_role).collect()
}

/// The keys of an application.
pub fn application_keys() -> Vec<String> {
    application::KEYS.iter().map(|key| (*key).to_owned()).collect()
}

/// Profiles and applications by name. The default is the empty catalog, which answers no request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The deployment profiles.
    pub profiles: BTreeMap<ProfileName, Arc<Profile>>,
    /// The applications. Every profile that one of them names is in `profiles`.
    pub applications: BTreeMap<App, Arc<Application>>,
}

impl Catalog {
    /// Whether a profile has exactly this access role.
    pub fn has_role(&self, role: &AccessRole) -> bool {
        self.profiles.values().any(|profile| profile.access_role.as_ref() == Some(role))
    }

    /// The protection of a profile that has exactly this access role, if one of those is protected.
    pub fn protection_of(&self, role: &AccessRole) -> Option<Protection> {
        let with_it = self.profiles.values().filter(|profile| profile.access_role.as_ref() == Some(role));
        with_it.filter_map(|profile| profile.protection).max_by_key(|protection| protection.approve)
    }

    /// Reads the text of a `catalog.toml`; `file` is only named in faults.
    ///
    /// The error has everything that is wrong, each fault with its place. What would make a profile weaker
    /// than its author meant, such as a key that nobody reads, is always a fault, never skipped.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Faults> {
        table::read(file, text, |root, findings| {
            root.only(&KEYS, findings);
            let profiles = root.table("profiles", findings);
            let profiles: Vec<_> = profiles.into_iter().flat_map(Table::entries).collect();
            // A profile that is there but faulty is still one that an application may name.
            let names: BTreeSet<ProfileName> =
                profiles.iter().filter_map(|value| ProfileName::parse(value.key()).ok()).collect();
            let mut catalog = Self::default();
            for value in &profiles {
                if let Some(profile) = Profile::read(*value, findings) {
                    catalog.profiles.insert(profile.name.clone(), Arc::new(profile));
                }
            }
            via::resolve(&profiles, &mut catalog.profiles, findings);
            let applications = root.table("applications", findings);
            for value in applications.into_iter().flat_map(Table::entries) {
                if let Some(application) = Application::read(value, &names, findings) {
                    catalog.applications.insert(application.name.clone(), Arc::new(application));
                }
            }
            catalog
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::name::{RoleArn, SecretName, Stage};
    use proptest::prelude::*;

    /// The faults of a catalog, one a line; nothing if it has none.
    pub(super) fn errors(text: &str) -> String {
        Catalog::parse(Path::new("c.toml"), text).map_or_else(|faults| faults.to_string(), |_| String::new())
    }

    /// The example of the design, with the profile that its stage names.
    pub(super) const EXAMPLE: &str = r#"
[profiles.dev]
description = "Shared development account"
[profiles.dev.access_role]
role_arn = "arn:aws:iam::111111111111:role/deploy"
source   = "work"            # a profile of ~/.aws/config
duration = "1h"
[profiles.dev.secrets]
DATABASE_URL = { ssm = "/dev/database-url" }
STRIPE_KEY   = "keychain" 
[[profiles.dev.safeguards]]
policy = "allowed-regions"
level  = "error"
config = ["us-east-1", "eu-west-1"]

[profiles.apac-banking-prod]

[applications.shop]
default_profile = "dev"
[applications.shop.stages]
prod = "apac-banking-prod"
"#;

    fn secret(source: SecretSource) -> Secret {
        Secret { source, ttl: DEFAULT_TTL }
    }

    fn profile_name(text: &str) -> ProfileName {
        ProfileName::parse(text).unwrap()
    }

    #[test]
    fn reads_the_example_of_the_design() {
        let catalog = Catalog::parse(Path::new("catalog.toml"), EXAMPLE).unwrap();
        let dev = Profile {
            name: profile_name("dev"),
            description: Some("Shared development account".into()),
            access_role: Some(AccessRole {
                source: Source::Named("work".into()),
                ..AccessRole::of(RoleArn::parse("arn:aws:iam::111111111111:role/deploy").unwrap())
            }),
            secrets: BTreeMap::from([
                (
                    SecretName::parse("DATABASE_URL").unwrap(),
                    secret(SecretSource::Ssm { name: "/dev/database-url".into() }),
                ),
                (SecretName::parse("STRIPE_KEY").unwrap(), secret(SecretSource::Keychain)),
            ]),
            passthrough: false,
            short: false,
            protection: None,
            safeguards: vec![Safeguard {
                rule: crate::core::safeguard::Rule::read(
                    crate::core::safeguard::policy("allowed-regions").unwrap(),
                    Some(serde_json::json!(["us-east-1", "eu-west-1"])),
                )
                .unwrap(),
                level: Level::Error,
                title: None,
                description: None,
                enforce: None,
            }],
            deploy: Deploy::Warn,
        };
        let prod = Profile {
            name: profile_name("apac-banking-prod"),
            description: None,
            access_role: None,
            secrets: BTreeMap::new(),
            passthrough: false,
            short: false,
            protection: None,
            safeguards: vec![],
            deploy: Deploy::Warn,
        };
        let shop = Application {
            name: App::parse("shop").unwrap(),
            default_profile: Some(dev.name.clone()),
            stages: BTreeMap::from([(Stage::parse("prod").unwrap(), prod.name.clone())]),
            unmatched: Unmatched::Default,
        };
        let expected = Catalog {
            profiles: [dev, prod].map(|profile| (profile.name.clone(), Arc::new(profile))).into(),
            applications: [(shop.name.clone(), Arc::new(shop))].into(),
        };
        assert_eq!(catalog, expected);
    }

    #[test]
    fn an_empty_file_is_the_empty_catalog() {
        for text in ["", "# nothing yet\n", "[profiles]\n[applications]\n", "\u{feff}"] {
            assert_eq!(Catalog::parse(Path::new("c.toml"), text), Ok(Catalog::default()), "{text:?}");
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_in_order() {
        let text = r#"profile.x = 1
[profiles.dev.access_role]
rol_arn = "arn:aws:iam::111111111111:role/deploy"
duration = "13h"
duration = "2h"
region = "Frankfurt"
[profiles.dev.secrets]
STRIPE_KEY = "sk_live_marked"
[[profiles.dev.safeguards]]
policy = "allowed-region"
[applications.shop]
default_profile = "dve"
unmatched = "refus"
"#;
        let expected = "\
c.toml:1:1: unknown key `profile` (did you mean \"profiles\"?)
c.toml:2:1: missing key `role_arn` (add role_arn = \"arn:aws:iam::111111111111:role/deploy\")
c.toml:3:1: unknown key `rol_arn` (did you mean \"role_arn\"?)
c.toml:4:12: `duration`: a session lasts at least 1h and at most 12h
c.toml:5:1: the key `duration` is written twice in one table (keep one of the two)
c.toml:6:10: `region`: this is not an AWS region: like eu-central-1
c.toml:8:14: `STRIPE_KEY`: expected \"keychain\" or a table such as { ssm = \"/name\" }; the secret itself \
does not belong in this file
c.toml:10:10: `policy`: there is no such safeguard (did you mean \"allowed-regions\"?)
c.toml:12:19: `default_profile`: there is no profile \"dve\" (did you mean \"dev\"?)
c.toml:13:13: `unmatched`: expected \"default\", \"refuse\" or an array of patterns such as [\"pr-*\"] \
(did you mean \"refuse\"?)";
        assert_eq!(errors(text), expected);
        assert_eq!(expected.lines().count(), 10);
    }

    #[test]
    fn a_profile_or_application_twice_is_a_fault() {
        assert_eq!(
            errors("[profiles.a]\n[profiles.b]\n[profiles.a]\n"),
            "c.toml:3:11: the key `a` is written twice in one table (keep one of the two)"
        );
        assert_eq!(errors("[[profiles]]\n"), "c.toml:1:1: `profiles`: expected a table, found an array");
    }

    #[test]
    fn a_faulty_profile_can_still_be_named() {
        assert_eq!(
            errors("profiles.dev = 1\napplications.shop.default_profile = \"dev\"\n"),
            "c.toml:1:16: `dev`: expected a table, found an integer"
        );
    }

    #[test]
    fn no_fault_has_what_stands_in_the_place_of_a_value() {
        for line in [
            "S = marked",
            "S = 'marked",
            "S = \"marked",
            "S = \"\"\"marked\nmarked = 1\nmarked marked",
            "S = \"marked\\q\"",
            "S = \"mar\u{1}marked\"",
            "S = [\"marked\"",
            "S = [\"marked\", marked]",
            "S = { ssm = \"marked\"",
            "S = { ssm = marked, marked }",
            "S = \"\"\nmarked==\n",
            "S \"marked\"",
            "S = \"a\" \"marked\"",
            "S : marked",
            "S = \"marked\"",
            "S = { env = [\"marked\"] }",
            "S = { ssm = { env = \"marked\" } }",
            "S = { command = \"marked\" }",
            "S = { command = [[\"marked\"]] }",
            "S = \"a\"\nS = \"marked\"",
        ] {
            let text = format!("[profiles.p.secrets]\n{line}\n[profiles.q]\nshort = 1\n");
            let errors = errors(&text);
            assert!(!errors.is_empty() && !errors.contains("marked"), "{text}\n{errors}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(?s).{0,300}") {
            let _ = errors(&text);
        }

        /// Faults come in order, and the example with one piece replaced is either read or explained.
        #[test]
        fn any_damage_to_the_example_is_answered(
            start in 0..EXAMPLE.len(),
            length in 0_usize..40,
            put in "[\\[\\]{}=\"'.,#\n a-z0-9-]{0,12}",
        ) {
            let end = (start + length).min(EXAMPLE.len());
            let text = format!("{}{put}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
            if let Err(Faults(faults)) = Catalog::parse(Path::new("c.toml"), &text) {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.is_sorted_by_key(|fault| fault.place));
            }
        }
    }
}
