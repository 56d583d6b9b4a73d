//! What `brokerctl env` prints: the lines that lead every AWS tool to brokerd.

use super::name::Region;
use super::pointers::{MISLEADING, pointers};
use super::shadow::{Shadow, Surroundings, shadows};
use super::shell::Shell;

/// The lines, for a shell to evaluate: first what must go, then what is set, and as remarks what no line can help
/// against. They hold no secret: of what is unset only the name.
pub fn lines(shell: Shell, surroundings: &Surroundings<'_>, region: Option<&Region>) -> Vec<String> {
    let variable = surroundings.variable;
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let mut lines: Vec<String> =
        MISLEADING.into_iter().filter(|name| is_set(name)).map(|name| shell.unset(name)).collect();
    let endpoint = surroundings.endpoints.first().map(String::as_str);
    let set = pointers(endpoint, region, variable);
    lines.extend(set.iter().map(|(name, value)| shell.set(name, value)));
    // What is left once these lines have been evaluated.
    let after = |name: &str| {
        let now = set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        now.or_else(|| variable(name).filter(|_| !MISLEADING.contains(&name)))
    };
    for Shadow { what, effect, fix, .. } in shadows(&Surroundings { variable: &after, ..*surroundings }) {
        lines.push(shell.comment(&format!("{what}: {effect}\n  {fix}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], credentials: Option<&str>, region: Option<&str>) -> Vec<String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let endpoints = ["http://127.0.0.1:9254/".to_owned()];
        let surroundings =
            Surroundings { variable: &variable, config: None, credentials, endpoints: &endpoints };
        lines(Shell::Posix, &surroundings, region.map(|region| Region::parse(region).unwrap()).as_ref())
    }

    #[test]
    fn what_shadows_is_unset_or_named_and_no_value_of_it_is_said() {
        let plain = [
            "export AWS_EC2_METADATA_SERVICE_ENDPOINT='http://127.0.0.1:9254/'",
            "export AWS_METADATA_ENDPOINT='http://127.0.0.1:9254/'",
            "export CPL_AWS_EC2_API_ROOT_URL='http://127.0.0.1:9254/'",
            "export PARAMETERS_SECRETS_EXTENSION_HTTP_PORT='9254'",
            "export NO_PROXY='127.0.0.1,localhost'",
        ];
        assert_eq!(found(&[], None, None), plain);
        assert_eq!(found(&[("AWS_PROFILE", "")], None, None), plain);
        let with_region = found(&[], None, Some("eu-west-1"));
        assert_eq!(
            with_region[5..],
            ["export AWS_REGION='eu-west-1'", "export AWS_DEFAULT_REGION='eu-west-1'"]
        );
        let set = [
            ("AWS_ACCESS_KEY_ID", "marked"),
            ("AWS_SECRET_ACCESS_KEY", "marked"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://other/"),
            ("http_proxy", "http://user:marked@proxy/"),
        ];
        let lines = found(&set, Some("[default]\naws_access_key_id = marked\n"), None);
        assert_eq!(
            lines[..3],
            ["unset AWS_ACCESS_KEY_ID", "unset AWS_SECRET_ACCESS_KEY", "unset AWS_EC2_METADATA_DISABLED"]
        );
        assert_eq!(lines[3..8], plain, "{lines:?}");
        assert_eq!(lines.len(), 9, "the proxy and the endpoint are mended by then: {lines:?}");
        assert!(
            lines[8].starts_with("# ~/.aws/credentials has a [default] section: every AWS tool"),
            "{lines:?}"
        );
        assert!(lines[8].lines().all(|line| line.starts_with("# ")));
        assert!(!lines.concat().contains("marked"));
    }
}
