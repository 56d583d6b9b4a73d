//! A deployment profile: what a stage of an application deploys with.

use std::collections::BTreeMap;

use super::{
    AccessRole, Deploy, Enforce, Protection, Safeguard, Secret, access_role, deploy, protection, safeguard,
};
use crate::core::name::{ProfileName, SecretName};
use crate::core::session_policy::{Partition, with_denials};
use crate::core::table::{Findings, Table, Value};

/// The keys of a profile.
pub(super) const KEYS: [&str; 8] =
    ["description", "access_role", "secrets", "passthrough", "safeguards", "protected", "short", "deploy"];

/// A deployment profile of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name, the key of its table.
    pub name: ProfileName,
    /// What people are told about it.
    pub description: Option<String>,
    /// The role that it assumes; without one it gives no credentials.
    pub access_role: Option<AccessRole>,
    /// Its secrets, each with where the value comes from.
    pub secrets: BTreeMap<SecretName, Secret>,
    /// Whether parameters and secrets of AWS that are not among `secrets` may be asked for by their own names too.
    pub passthrough: bool,
    /// Whether its sessions last less than an hour, 15 minutes at least. They are not served over IMDS, whose
    /// clients take what they get to be valid for longer than it is.
    pub short: bool,
    /// Whether a person has to approve its use, and how.
    pub protection: Option<Protection>,
    /// Its safeguards in the order of the file.
    pub safeguards: Vec<Safeguard>,
    /// Whether a Serverless CLI may deploy with it without the plugin that evaluates them.
    pub deploy: Deploy,
}

impl Profile {
    /// Reads one entry of the table `profiles`. `None` only if its name or type is wrong, which is noted.
    pub(super) fn read(value: Value<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        let name = value.parsed_key(ProfileName::parse, findings);
        let table = value.table(findings)?;
        table.only(&KEYS, findings);
        let protection = table.get("protected").and_then(|value| protection::read(value, findings));
        let short = table.boolean("short", findings) == Some(true);
        let deploy = table.get("deploy").map(|value| deploy::read(value, findings)).unwrap_or_default();
        let mut access_role =
            table.table("access_role", findings).and_then(|table| access_role::read(table, short, findings));
        let secrets = read_secrets(table, findings);
        let passthrough = table.boolean("passthrough", findings) == Some(true);
        let safeguards = read_safeguards(table, access_role.as_mut(), findings);
        let description = table.get("description").and_then(|value| value.prose(findings));
        Some(Self {
            name: name?,
            description,
            access_role,
            secrets,
            passthrough,
            short,
            protection,
            safeguards,
            deploy,
        })
    }
}

/// The safeguards; the session policy of the access role becomes the one with what they add.
fn read_safeguards(
    table: Table<'_>,
    role: Option<&mut AccessRole>,
    findings: &mut Findings<'_>,
) -> Vec<Safeguard> {
    let read = table.array("safeguards", findings).into_iter().filter_map(|item| {
        let enforce = item.as_table().and_then(|table| table.get("enforce"));
        safeguard::read(item, findings).map(|safeguard| (safeguard, enforce))
    });
    let read: Vec<_> = read.collect();
    if let Some(role) = role {
        let partition = Partition::of(role.role_arn.partition());
        let mut in_session = read.iter().filter(|(safeguard, _)| safeguard.enforce == Some(Enforce::Session));
        let denials =
            in_session.clone().flat_map(|(safeguard, _)| safeguard.rule.statements(partition)).collect();
        match with_denials(role.session_policy.as_deref(), !role.policy_arns.is_empty(), denials) {
            Ok(policy) => role.session_policy = policy,
            Err(error) => {
                if let Some(value) = in_session.next_back().and_then(|(_, enforce)| *enforce) {
                    value.wrong(&error, Some(error.hint()), findings);
                }
            }
        }
    }
    read.into_iter().map(|(safeguard, _)| safeguard).collect()
}

fn read_secrets(table: Table<'_>, findings: &mut Findings<'_>) -> BTreeMap<SecretName, Secret> {
    let mut secrets = BTreeMap::new();
    for value in table.table("secrets", findings).into_iter().flat_map(Table::entries) {
        let name = value.parsed_key(SecretName::parse, findings);
        let secret = Secret::read(value, findings);
        if let (Some(name), Some(secret)) = (name, secret) {
            secrets.insert(name, secret);
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use std::path::Path;

    #[test]
    fn a_profile_may_want_the_plugin_for_deployments() {
        for (lines, expected) in
            [("", Deploy::Warn), ("deploy = \"warn\"", Deploy::Warn), ("deploy = \"plugin\"", Deploy::Plugin)]
        {
            let catalog = Catalog::parse(Path::new("c"), &format!("[profiles.p]\n{lines}\n")).unwrap();
            assert_eq!(catalog.profiles[&ProfileName::parse("p").unwrap()].deploy, expected, "{lines}");
        }
    }

    #[test]
    fn names_each_fault() {
        for (text, expected) in [
            (
                "[profiles.\"a.b\"]\nshort = 1\n",
                "c.toml:1:11: \"a.b\" is not a profile name: letters, digits, - and _, beginning with a \
                 letter or digit, \
                 at most 128\n\
                 c.toml:2:9: `short`: expected true or false, found an integer",
            ),
            (
                "[profiles.p]\nprotected = \"yes\"\n",
                "c.toml:2:13: `protected`: expected true, false or a table with approve and for, found \
                 a string",
            ),
            (
                "[profiles.p]\nprotected = { aprove = \"mfa\", for = \"1x\" }\n",
                "c.toml:2:15: unknown key `aprove` (did you mean \"approve\"?)\n\
                 c.toml:2:37: `for`: expected a duration such as 45s, 90m, 1h30m or 2d",
            ),
            (
                "[profiles.p]\ndescription = \"\\u001b[2J\"\n",
                "c.toml:2:15: `description`: the text has a control character in it",
            ),
            (
                "[profiles.p]\ndescription = \"a\\nb\\tc\"\ndeploy = 1\n",
                "c.toml:3:10: `deploy`: expected a string, found an integer",
            ),
            (
                "[profiles.p]\ndeploy = \"plugn\"\n",
                "c.toml:2:10: `deploy`: expected \"warn\" or \"plugin\" (did you mean \"plugin\"?)",
            ),
            (
                "[profiles.p.secrets]\n\"$(x)\" = \"marked\"\n",
                "c.toml:2:1: \"$(x)\" is not a secret name: letters, digits and _, not beginning with a digit, \
                 at most 128\n\
                 c.toml:2:10: `$(x)`: expected \"keychain\" or a table such as { ssm = \"/name\" }; the secret \
                 itself does not belong in this file",
            ),
            (
                "[profiles.p.secrets]\nA-B = \"keychain\"\n",
                "c.toml:2:1: \"A-B\" is not a secret name: letters, digits and _, not beginning with a \
                 digit, at most 128",
            ),
        ] {
            assert_eq!(errors(text), expected, "{text}");
        }
    }

    #[test]
    fn what_aws_can_enforce_goes_into_the_session_policy() {
        let guard = "safeguards = [{ policy = \"require-global-vpc\", enforce = \"session\" }]";
        let role = "access_role = { role_arn = \"arn:aws:iam::111111111111:role/deploy\"";
        let read = |lines: &str| Catalog::parse(Path::new("c"), &format!("[profiles.p]\n{lines}\n"));
        let policy = |lines: &str| {
            let catalog = read(lines).unwrap();
            let role = catalog.profiles[&ProfileName::parse("p").unwrap()].access_role.clone().unwrap();
            role.session_policy.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap())
        };
        let effects = |policy: &serde_json::Value| -> Vec<String> {
            let statements = policy["Statement"].as_array().unwrap().iter();
            statements.map(|statement| statement["Effect"].as_str().unwrap().to_owned()).collect()
        };
        let generated = policy(&format!("{guard}\n{role} }}")).unwrap();
        assert_eq!(effects(&generated), ["Allow", "Deny"]);
        assert_eq!(policy(&format!("{role} }}")), None);
        let own = r#"session_policy = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'"#;
        let with_own = policy(&format!("{guard}\n{role}, {own} }}")).unwrap();
        assert_eq!(effects(&with_own), ["Allow", "Deny"]);
        assert_eq!(with_own["Statement"][0]["Action"], "s3:*", "no Allow of everything beside one's own");
        let managed = "policy_arns = [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]";
        assert!(policy(&format!("{guard}\n{role}, {own}, {managed} }}")).is_some());
        assert_eq!(
            read(&format!("{guard}\n{role}, {managed} }}")).unwrap_err().to_string(),
            "c:2:58: `enforce`: policy_arns without session_policy would leave it to those policies what a session may \
             do beside the denials (write session_policy too, with an Allow for what policy_arns is to permit)"
        );
        let long = format!(
            r#"session_policy = '{{"Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":"{}"}}]}}'"#,
            "x".repeat(1900)
        );
        let fault = read(&format!("{guard}\n{role}, {long} }}")).unwrap_err().to_string();
        assert!(
            fault.starts_with("c:2:58: `enforce`: with what the safeguards add, the session policy has 21"),
            "{fault}"
        );
    }
}
