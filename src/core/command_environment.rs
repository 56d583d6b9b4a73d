//! What `brokerctl exec` changes in the environment of the command that it becomes.

use zeroize::Zeroizing;

use super::name::Region;
use super::pointers::{ENDPOINT_NAMES, MISLEADING, SECRETS_PORT, SECRETS_TOKEN, pointers, secrets_port};
use super::protocol::{ExecAccess, ExecGrant};
use super::shadow::DefaultSections;
use super::stage::STAGE_VARIABLE;

/// One change: a variable and its new value, or that it is taken away. It may hold a token or a key.
pub struct Change {
    /// The variable.
    pub name: &'static str,
    /// Its value; `None` takes it away.
    pub value: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The file that hides another one.
const NOTHING: &str = "/dev/null";

/// The changes, in order: a later one of the same variable counts.
///
/// A `[default]` section with credentials wins over a container endpoint in nearly every SDK, so the file that has
/// one is hidden, and only that one: the other may have settings that the command needs. JS SDK 2 looks for a hidden
/// credentials file in its old place unless it is told to load the configuration too, which must then be there.
///
/// Clients of the Parameters and Secrets Lambda Extension send `AWS_SESSION_TOKEN`, which every function in AWS Lambda has
/// (`lambda`). It is set only where that is asked for: some tools take it for half of a set of keys, and fail.
pub fn changes(
    grant: &ExecGrant,
    region: Option<&Region>,
    defaults: DefaultSections,
    lambda: bool,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<Change> {
    let mut changes: Vec<Change> = MISLEADING.into_iter().map(|name| Change { name, value: None }).collect();
    let mut set = |name, value: &str| changes.push(Change { name, value: Some(value.to_owned().into()) });
    match &grant.access {
        ExecAccess::Token { token, file, url } => {
            set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
            set("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.reveal());
            set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file.to_string_lossy());
            // The same token opens the secrets interface.
            set(SECRETS_TOKEN, &format!("file://{}", file.display()));
            if lambda {
                set("AWS_SESSION_TOKEN", token.reveal());
            }
            if defaults.any() {
                set("AWS_SDK_LOAD_CONFIG", "1");
            }
            if defaults.in_credentials {
                set("AWS_SHARED_CREDENTIALS_FILE", NOTHING);
            }
            if defaults.in_config || (defaults.any() && !defaults.has_config) {
                set("AWS_CONFIG_FILE", NOTHING);
            }
        }
        ExecAccess::Keys { access_key_id, secret_access_key, session_token, expires, .. } => {
            set("AWS_ACCESS_KEY_ID", access_key_id);
            set("AWS_SECRET_ACCESS_KEY", secret_access_key.reveal());
            set("AWS_SESSION_TOKEN", session_token.reveal());
            set("AWS_CREDENTIAL_EXPIRATION", &expires.to_string());
        }
    }
    let region = region.or(grant.region.as_ref());
    let own = grant.endpoints.first().filter(|_| grant.is_own);
    for (name, value) in pointers(own.map(String::as_str), region, variable) {
        set(name, &value);
    }
    if own.is_some() {
        // A tool that knows no container endpoint asks the metadata endpoint, and gets the same.
        set(STAGE_VARIABLE, grant.stage.as_str());
    } else {
        // There it would get what its directory has, which is something else.
        set("AWS_EC2_METADATA_DISABLED", "true");
        if let Some(port) = grant.endpoints.first().and_then(|endpoint| secrets_port(endpoint)) {
            set(SECRETS_PORT, port);
        }
        changes.extend(ENDPOINT_NAMES.into_iter().map(|name| Change { name, value: None }));
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::moment::Timestamp;
    use crate::core::name::{App, Stage};
    use crate::core::protocol::SecretText;

    const NONE: DefaultSections =
        DefaultSections { in_config: false, in_credentials: false, has_config: true };

    fn secret(text: &str) -> SecretText {
        SecretText::new(Zeroizing::new(text.to_owned()))
    }

    fn grant(is_own: bool, keys: bool) -> ExecGrant {
        let token = ExecAccess::Token {
            token: secret("marked"),
            file: "/run/token".into(),
            url: "http://127.0.0.1:1/container/shop/prod".into(),
        };
        let keys = keys.then(|| ExecAccess::Keys {
            access_key_id: "ASIA".into(),
            secret_access_key: secret("marked-key"),
            session_token: secret("marked-session"),
            expires: Timestamp(0),
            now: Timestamp(0),
        });
        ExecGrant {
            app: App::parse("shop").unwrap(),
            stage: Stage::parse("prod").unwrap(),
            region: Some(Region::parse("eu-west-1").unwrap()),
            endpoints: vec!["http://127.0.0.1:1/".into()],
            is_own,
            note: None,
            access: keys.unwrap_or(token),
        }
    }

    fn after(
        grant: &ExecGrant,
        region: Option<&str>,
        defaults: DefaultSections,
    ) -> BTreeMap<&'static str, String> {
        let mut environment: BTreeMap<&'static str, String> =
            MISLEADING.into_iter().map(|name| (name, "before".to_owned())).collect();
        environment.insert("NO_PROXY", "corp".into());
        let region = region.map(|region| Region::parse(region).unwrap());
        for Change { name, value } in changes(grant, region.as_ref(), defaults, false, &|_| None) {
            match value {
                Some(value) => environment.insert(name, value.to_string()),
                None => environment.remove(name),
            };
        }
        environment
    }

    #[test]
    fn a_command_finds_its_token_and_nothing_that_wins_over_it() {
        let after = after(&grant(true, false), None, NONE);
        let expected = [
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "marked"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/run/token"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/container/shop/prod"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/"),
            ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1/"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_TOKEN", "file:///run/token"),
            ("BROKERD_STAGE", "prod"),
            ("CPL_AWS_EC2_API_ROOT_URL", "http://127.0.0.1:1/"),
            ("NO_PROXY", "127.0.0.1,localhost"),
            ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "1"),
        ];
        assert_eq!(after, expected.map(|(name, value)| (name, value.to_owned())).into());
    }

    #[test]
    fn another_projects_application_has_no_metadata_endpoint() {
        let after = after(&grant(false, false), Some("us-east-2"), NONE);
        assert_eq!(after["AWS_EC2_METADATA_DISABLED"], "true");
        assert_eq!(after["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"], "1", "the token is for that one too");
        assert_eq!([&after["AWS_REGION"], &after["AWS_DEFAULT_REGION"]], ["us-east-2", "us-east-2"]);
        for name in ENDPOINT_NAMES.into_iter().chain([STAGE_VARIABLE]) {
            assert_eq!(after.get(name), None, "{name}");
        }
    }

    #[test]
    fn a_session_token_is_set_only_where_clients_of_the_extension_are_meant() {
        for (lambda, expected) in [(false, None), (true, Some("marked"))] {
            let changes = changes(&grant(true, false), None, NONE, lambda, &|_| None);
            let last = changes.iter().rfind(|change| change.name == "AWS_SESSION_TOKEN").unwrap();
            assert_eq!(last.value.as_ref().map(|value| value.as_str()), expected);
        }
    }

    #[test]
    fn only_the_file_with_a_default_section_is_hidden() {
        let with = |in_config, in_credentials, has_config| {
            let defaults = DefaultSections { in_config, in_credentials, has_config };
            let after = after(&grant(true, false), None, defaults);
            ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_SDK_LOAD_CONFIG"]
                .map(|name| after.get(name).cloned().unwrap_or_default())
        };
        assert_eq!(with(false, false, false), ["", "", ""]);
        assert_eq!(with(false, true, true), [NOTHING, "", "1"]);
        assert_eq!(with(false, true, false), [NOTHING, NOTHING, "1"]);
        assert_eq!(with(true, false, true), ["", NOTHING, "1"]);
    }

    #[test]
    fn keys_come_alone_and_are_not_shown() {
        let grant = grant(true, true);
        let after = after(&grant, None, DefaultSections { in_credentials: true, ..NONE });
        assert_eq!(after["AWS_SECRET_ACCESS_KEY"], "marked-key");
        assert_eq!(after["AWS_CREDENTIAL_EXPIRATION"], "1970-01-01T00:00:00Z");
        assert!(!after.contains_key("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
        assert!(!after.contains_key("AWS_SHARED_CREDENTIALS_FILE"), "keys win over files anyway");
        let shown = format!("{:?} {grant:?}", changes(&grant, None, NONE, true, &|_| None));
        assert!(!shown.contains("marked"), "{shown}");
    }
}
