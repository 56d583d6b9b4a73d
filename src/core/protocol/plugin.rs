//! What the Serverless plugin says and is told. The asker is the process of the Serverless CLI itself, by the socket's
//! peer: its pid and start time.
//!
//! The plugin says hello once, then asks for what it needs. Each request and each reply is one line:
//!
//! ```json
//! {"protocol":1,"version":"0.1.0","body":{"request":"plugin-hello","org":null,"app":"shop","service":"storefront",
//!   "stage":"prod","region":"eu-west-1","command":"deploy","config":"/home/a/shop/serverless.yml",
//!   "framework":{"name":"serverless","version":"3.40.0"},"plugin_version":"0.1.0"}}
//! {"protocol":1,"version":"0.1.0","body":{"reply":"plugin-welcome","app":"shop","stage":"prod","profile":"live",
//!   "matched":"exact","account":"222222222222","region":"eu-west-1","deploy":"plugin","safeguards":2,
//!   "secrets":[{"name":"STRIPE_KEY","source":"keychain"}],"brokerctl":"/usr/bin/brokerctl"}}
//!
//! {"request":"plugin-credentials"} -> {"reply":"credentials","document":"{\"Version\":1,\"AccessKeyId\":…,
//!   \"SecretAccessKey\":…,\"SessionToken\":…,\"Expiration\":\"2026-…Z\",\"AccountId\":…}","note":null}
//! {"request":"plugin-secrets","names":["STRIPE_KEY"]} -> {"reply":"secrets","app":…,"stage":…,"profile":…,"note":null,
//!   "secrets":[{"name":"STRIPE_KEY","source":{"kind":"keychain"},"value":{"text":"…"},"note":null}]}
//! {"request":"plugin-blocked","failed":["no wildcards"]} -> {"reply":"plugin-noted"}
//! ```
//!
//! `document` is a text that holds JSON. A request before the hello, or after the daemon was started anew, is answered by
//! `failed` with `"needs_hello":true`: the plugin says hello again and asks once more. Every other refusal is `failed` with
//! `message`, `hint` and `needs_person`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::catalog::{Deploy, SecretSource};
use crate::core::decision::{Decision, Matched};
use crate::core::moment::Timestamp;
use crate::core::name::{App, ProfileName, Region, SecretName, Stage};

/// What brokerd decided for the process that said hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginWelcome {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// How the profile was found.
    pub matched: Matched,
    /// The sentence that must be said when the stage did not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The account of the profile's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// When the session that there is ends; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// What the profile says of deployments without the plugin.
    pub deploy: Deploy,
    /// How many safeguards the profile has.
    pub safeguards: usize,
    /// Its secrets, without their values.
    pub secrets: Vec<PluginSecret>,
    /// The `brokerctl` beside this daemon's program, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brokerctl: Option<PathBuf>,
}

/// A secret of a profile, as the plugin is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSecret {
    /// Its name.
    pub name: SecretName,
    /// `keychain`, `ssm`, `secretsmanager`, `env`, `command` or `file`.
    pub source: String,
    /// A dynamic reference that CloudFormation resolves to its value, where its source is Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl PluginSecret {
    /// The secrets of what was decided, by name.
    pub fn of(decision: &Decision) -> Vec<Self> {
        let each = decision.profile.secrets.iter().map(|(name, secret)| Self {
            name: name.clone(),
            source: super::SecretOrigin::from(&secret.source).kind,
            reference: dynamic_reference(&secret.source),
        });
        each.collect()
    }
}

/// A reference that CloudFormation resolves when it deploys, so that the value is in no template:
/// `{{resolve:secretsmanager:ID:SecretString:KEY:VERSION-STAGE}}` (AWS CloudFormation user guide, "Get a secret or secret
/// value from Secrets Manager"). `None` where the parts could not be told apart again: only an ARN may hold colons.
pub fn dynamic_reference(source: &SecretSource) -> Option<String> {
    let SecretSource::SecretsManager { id, key, version_stage } = source else { return None };
    let plain = |text: &str| !text.contains(['{', '}', '$']) && !text.contains(char::is_whitespace);
    let part = |text: &str| plain(text) && !text.contains(':');
    let details = [key.as_deref().unwrap_or_default(), version_stage.as_deref().unwrap_or_default()];
    if !plain(id) || (id.contains(':') && !id.starts_with("arn:")) || !details.iter().all(|text| part(text)) {
        return None;
    }
    let whole = format!("{{{{resolve:secretsmanager:{id}:SecretString:{}:{}", details[0], details[1]);
    Some(format!("{}}}}}", whole.trim_end_matches(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_secrets_manager_is_a_dynamic_reference() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-Ab12Cd";
        for (id, key, version_stage, expected) in [
            ("db", None, None, Some("{{resolve:secretsmanager:db:SecretString}}")),
            ("db", Some("password"), None, Some("{{resolve:secretsmanager:db:SecretString:password}}")),
            (
                "prod/db",
                None,
                Some("AWSPREVIOUS"),
                Some("{{resolve:secretsmanager:prod/db:SecretString::AWSPREVIOUS}}"),
            ),
            ("a:b", None, None, None),
            ("db", Some("a:b"), None, None),
            ("db}}", None, None, None),
            ("db", Some("${AWS::StackName}"), None, None),
        ] {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let source = SecretSource::SecretsManager {
                id: id.to_owned(),
                key: owned(key),
                version_stage: owned(version_stage),
            };
            assert_eq!(dynamic_reference(&source).as_deref(), expected, "{id} {key:?}");
        }
        let of_arn =
            SecretSource::SecretsManager { id: arn.to_owned(), key: Some("k".into()), version_stage: None };
        let expected = format!("{{{{resolve:secretsmanager:{arn}:SecretString:k}}}}");
        assert_eq!(dynamic_reference(&of_arn), Some(expected));
        assert_eq!(dynamic_reference(&SecretSource::Keychain), None);
    }
}
