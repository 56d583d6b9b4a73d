//! Names that are parsed once and trusted afterwards.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it should be. It quotes what people call things by, and no text that may be a
/// secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not {what}: {rule}")]
pub struct NameError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

impl NameError {
    fn new(what: &'static str, text: &str, rule: &'static str, quote: fn(&str) -> bool) -> Self {
        let start: String = text.chars().take(80).collect();
        let text = if quote(text) { format!("\"{start}\"") } else { "this".to_owned() };
        Self { what, text, rule }
    }
}

const ALWAYS: fn(&str) -> bool = |_| true;
const NEVER: fn(&str) -> bool = |_| false;
/// What begins like an ARN is meant to be one.
const ARN: fn(&str) -> bool = |text| text.starts_with("arn:");

/// `[A-Za-z0-9][A-Za-z0-9_-]*`, at most 128 characters. No dot, so that one can separate two names.
const WORD_RULE: &str = "letters, digits, - and _, beginning with a letter or digit, at most 128";

fn is_word(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $quote:expr, $rule:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that keeps the rule of this name; the error says the rule.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(NameError::new($what, text, $rule, $quote)) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name! {
    /// An application: the `app` of serverless.yml.
    App, "an application name", ALWAYS, WORD_RULE, is_word
}
name! {
    /// A stage of an application.
    Stage, "a stage name", ALWAYS, WORD_RULE, is_word
}
name! {
    /// A deployment profile of the catalog.
    ProfileName, "a profile name", ALWAYS, WORD_RULE, is_word
}
name! {
    /// An organisation: the `org` (formerly `tenant`) of serverless.yml.
    Org, "an organisation name", ALWAYS, WORD_RULE, is_word
}
name! {
    /// A secret of a profile, usable as the name of an environment variable.
    SecretName, "a secret name", ALWAYS, "letters, digits and _, not beginning with a digit, at most 128",
    |text| is_word(text) && !text.contains('-') && !text.starts_with(|c: char| c.is_ascii_digit())
}
name! {
    /// Long-term AWS keys in the keychain.
    KeysName, "a name for keys", ALWAYS, WORD_RULE, is_word
}
name! {
    /// An AWS region, by form: brokerd keeps no list that would age.
    Region, "an AWS region", NEVER, "like eu-central-1",
    |text| text.len() <= 32
        && text.split('-').count() >= 3
        && text.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.rsplit('-').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()))
}
name! {
    /// `RoleSessionName` of AssumeRole (AWS STS API reference, AssumeRole, request parameters).
    SessionName, "a session name", NEVER, "2 to 64 letters, digits or any of _+=,.@-",
    |text| (2..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}
name! {
    /// `ExternalId` of AssumeRole (AWS STS API reference, AssumeRole, request parameters).
    ExternalId, "an external id", NEVER, "2 to 1224 letters, digits or any of _+=,.@:/-",
    |text| (2..=1224).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c))
}
name! {
    /// `SourceIdentity` of AssumeRole (AWS STS API reference, AssumeRole, request parameters).
    SourceIdentity, "a source identity", NEVER, "2 to 64 letters, digits or any of _+=,.@-",
    |text| (2..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}
name! {
    /// `SerialNumber` of `AssumeRole` and `GetSessionToken`: the ARN of a virtual MFA device, or the serial number of a
    /// hardware one (AWS STS API reference, AssumeRole, request parameters).
    MfaSerial, "an MFA device", ARN, "like arn:aws:iam::111111111111:mfa/ann, or the serial number of a hardware device",
    |text| (9..=256).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=/:,.@-".contains(c))
}

/// The parts of an IAM ARN: partition, account, and what follows the account, if it is well formed.
fn iam_parts(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let well_formed = arn == "arn"
        && partition.starts_with("aws")
        && partition.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        && service == "iam"
        && region.is_empty();
    well_formed.then_some((partition, account, resource))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

fn is_iam_path(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 576
        && !text.ends_with('/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
}

name! {
    /// The ARN of an IAM role (AWS IAM user guide, "IAM identifiers").
    RoleArn, "the ARN of an IAM role", ARN, "like arn:aws:iam::111111111111:role/deploy",
    |text| iam_parts(text).is_some_and(|(_, account, resource)| {
        is_account(account) && resource.strip_prefix("role/").is_some_and(is_iam_path)
    })
}
name! {
    /// The ARN of a managed IAM policy, AWS's own (account `aws`) included.
    PolicyArn, "the ARN of an IAM policy", ARN, "like arn:aws:iam::aws:policy/ReadOnlyAccess",
    |text| iam_parts(text).is_some_and(|(_, account, resource)| {
        (account == "aws" || is_account(account)) && resource.strip_prefix("policy/").is_some_and(is_iam_path)
    })
}

impl Region {
    /// The partition that a region belongs to, by the form of its name (AWS SDKs: `partitions.json`).
    pub fn partition(&self) -> &'static str {
        let prefixes = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-isob-", "aws-iso-b"),
            ("us-isof-", "aws-iso-f"),
            ("us-iso-", "aws-iso"),
            ("eu-isoe-", "aws-iso-e"),
            ("eusc-", "aws-eusc"),
        ];
        let found = prefixes.iter().find(|(prefix, _)| self.as_str().starts_with(prefix));
        found.map_or("aws", |(_, partition)| partition)
    }
}

impl RoleArn {
    /// A region of its partition, for a request that nobody names a region for.
    pub fn fallback_region(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            "aws-iso" => "us-iso-east-1",
            "aws-iso-b" => "us-isob-east-1",
            "aws-iso-e" => "eu-isoe-west-1",
            "aws-iso-f" => "us-isof-south-1",
            "aws-eusc" => "eusc-de-east-1",
            _ => "us-east-1",
        }
    }

    /// The partition: `aws`, `aws-cn`, `aws-us-gov`, …
    pub fn partition(&self) -> &str {
        self.as_str().split(':').nth(1).unwrap_or_default()
    }

    /// The account's twelve digits.
    pub fn account(&self) -> &str {
        self.as_str().split(':').nth(4).unwrap_or_default()
    }

    /// The role's name without its path.
    pub fn role_name(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_rules() {
        let accepts = |kind: &str, text: &str| match kind {
            "word" => App::parse(text).is_ok(),
            "secret" => SecretName::parse(text).is_ok(),
            "region" => Region::parse(text).is_ok(),
            "role" => RoleArn::parse(text).is_ok(),
            "policy" => PolicyArn::parse(text).is_ok(),
            "session" => SessionName::parse(text).is_ok(),
            "device" => MfaSerial::parse(text).is_ok(),
            "identity" => SourceIdentity::parse(text).is_ok(),
            _ => unreachable!("no kind {kind}"),
        };
        for (kind, text, expected) in [
            ("word", "shop", true),
            ("word", "apac-banking_2", true),
            ("word", "2nd", true),
            ("word", "", false),
            ("word", "-shop", false),
            ("word", "shop.prod", false),
            ("word", "shöp", false),
            ("word", "a b", false),
            ("secret", "DATABASE_URL", true),
            ("secret", "2FA", false),
            ("secret", "A-B", false),
            ("region", "eu-central-1", true),
            ("region", "us-gov-west-1", true),
            ("region", "eusc-de-east-1", true),
            ("region", "eu-central", false),
            ("region", "EU-central-1", false),
            ("region", "eu-central-1a", false),
            ("role", "arn:aws:iam::111111111111:role/deploy", true),
            ("role", "arn:aws-us-gov:iam::111111111111:role/a/b/deploy", true),
            ("role", "arn:aws:iam::11111111111:role/deploy", false),
            ("role", "arn:aws:iam::111111111111:user/deploy", false),
            ("role", "arn:aws:sts::111111111111:role/deploy", false),
            ("role", "arn:aws:iam::111111111111:role/", false),
            ("role", "arn:aws:iam::111111111111:role/a b", false),
            ("policy", "arn:aws:iam::aws:policy/ReadOnlyAccess", true),
            ("policy", "arn:aws:iam::111111111111:policy/team/mine", true),
            ("policy", "arn:aws:iam::aws:role/x", false),
            ("session", "brokerd-ann-shop-dev", true),
            ("session", "x", false),
            ("session", "a/b", false),
            ("device", "arn:aws:iam::111111111111:mfa/ann", true),
            ("device", "GAHT12345678", true),
            ("device", "123456", false),
            ("device", "arn:aws:iam::111111111111:mfa/an n", false),
            ("identity", "ann@example.org", true),
            ("identity", "a", false),
            ("identity", "a/b", false),
        ] {
            assert_eq!(accepts(kind, text), expected, "{kind} {text:?}");
        }
    }

    #[test]
    fn a_region_and_a_role_tell_their_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-west-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Region::parse(region).unwrap().partition(), partition, "{region}");
            let role = RoleArn::parse(&format!("arn:{partition}:iam::111111111111:role/x")).unwrap();
            let fallback = Region::parse(role.fallback_region()).unwrap();
            assert_eq!(fallback.partition(), partition);
        }
    }

    #[test]
    fn a_role_tells_its_parts() {
        let role = RoleArn::parse("arn:aws-cn:iam::222222222222:role/team/deploy").unwrap();
        assert_eq!(
            (role.partition(), role.account(), role.role_name()),
            ("aws-cn", "222222222222", "deploy")
        );
    }

    #[test]
    fn what_may_be_a_secret_in_the_wrong_place_is_not_quoted() {
        let said = [
            RoleArn::parse("marked").unwrap_err().to_string(),
            ExternalId::parse("marked secret").unwrap_err().to_string(),
            Region::parse("marked").unwrap_err().to_string(),
            SessionName::parse("marked secret").unwrap_err().to_string(),
        ];
        assert!(said.iter().all(|text| !text.contains("marked")), "{said:?}");
        let arn = RoleArn::parse("arn:aws:iam::1:role/x").unwrap_err().to_string();
        assert!(arn.starts_with("\"arn:aws:iam::1:role/x\" is not the ARN"), "{arn}");
    }

    #[test]
    fn an_error_says_the_rule() {
        assert_eq!(
            Stage::parse("feature/x").unwrap_err().to_string(),
            "\"feature/x\" is not a stage name: letters, digits, - and _, beginning with a letter or digit, at most 128"
        );
    }
}
