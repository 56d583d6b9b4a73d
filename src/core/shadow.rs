//! What keeps an AWS tool from asking brokerd at all.
//!
//! The metadata service comes last in the credential chain of every SDK, so anything before it wins, silently.

use super::aws_sections::{AwsFile, Section, sections};
use super::link_local;
use super::pointers::ENDPOINT;

/// Where a shadow is, so that it can be said whom it affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A variable that wins over a metadata endpoint.
    Variable(&'static str),
    /// `AWS_EC2_METADATA_DISABLED`.
    Disabled,
    /// A section of this heading; whether it gives credentials.
    Default {
        /// The file.
        file: AwsFile,
        /// Its heading.
        heading: &'static str,
        /// Whether it gives credentials.
        gives_credentials: bool,
    },
    /// The endpoint's variable names another one, or none.
    Endpoint,
    /// A proxy from which loopback is not exempt.
    Proxy,
}

/// Something that wins over brokerd, or keeps a tool from finding it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Where it is.
    pub cause: Cause,
    /// What it is.
    pub what: String,
    /// What it does.
    pub effect: String,
    /// What to type against it.
    pub fix: String,
}

impl Shadow {
    fn new(cause: Cause, what: impl Into<String>, effect: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause, what: what.into(), effect: effect.into(), fix: fix.into() }
    }
}

/// Where a tool that is started here would look.
pub struct Surroundings<'a> {
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of `~/.aws/config`, if there is one.
    pub config: Option<&'a str>,
    /// The text of `~/.aws/credentials`, if there is one.
    pub credentials: Option<&'a str>,
    /// Where brokerd answers, as `http://address:port/`: first what tools are to be told, and [`link_local::ENDPOINT`] where
    /// that leads to it.
    pub endpoints: &'a [String],
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// Variables whose mere presence wins, and what each does.
const VARIABLES: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "every AWS tool uses these keys instead of the project's role"),
    ("AWS_PROFILE", "tools use that profile, where it has credentials, instead of the project's role"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "tools assume a role by web identity instead of asking brokerd"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "tools ask that container endpoint instead of brokerd"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "tools ask the ECS container endpoint instead of brokerd"),
];

/// Which of the AWS files have a `[default]` section with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DefaultSections {
    /// `~/.aws/config`.
    pub in_config: bool,
    /// `~/.aws/credentials`.
    pub in_credentials: bool,
    /// Whether there is a `~/.aws/config` at all.
    pub has_config: bool,
}

impl DefaultSections {
    /// Looks at the texts of the two files.
    pub fn of(config: Option<&str>, credentials: Option<&str>) -> Self {
        let gives = |text: Option<&str>, heading: &str| {
            section(text.unwrap_or_default(), heading).is_some_and(|gives| gives)
        };
        Self {
            in_config: gives(config, "default") || gives(config, "profile default"),
            in_credentials: gives(credentials, "default"),
            has_config: config.is_some(),
        }
    }

    /// Whether any has one.
    pub fn any(self) -> bool {
        self.in_config || self.in_credentials
    }
}

/// Everything that shadows brokerd, the strongest first.
pub fn shadows(surroundings: &Surroundings<'_>) -> Vec<Shadow> {
    let variable = |name: &str| (surroundings.variable)(name).filter(|value| !value.is_empty());
    let mut found: Vec<Shadow> = VARIABLES
        .into_iter()
        .filter(|(name, _)| variable(name).is_some())
        .map(|(name, effect)| {
            Shadow::new(Cause::Variable(name), format!("{name} is set"), effect, format!("unset {name}"))
        })
        .collect();
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| !value.eq_ignore_ascii_case("false")) {
        found.push(Shadow::new(
            Cause::Disabled,
            "AWS_EC2_METADATA_DISABLED is set",
            "no AWS tool asks a metadata service",
            "unset AWS_EC2_METADATA_DISABLED",
        ));
    }
    for (file, text, heading) in [
        (AwsFile::Credentials, surroundings.credentials, "default"),
        (AwsFile::Config, surroundings.config, "default"),
        (AwsFile::Config, surroundings.config, "profile default"),
    ] {
        found.extend(default_section(file, text.unwrap_or_default(), heading));
    }
    found.extend(endpoint(surroundings, variable(ENDPOINT)));
    found.extend(proxy(&variable));
    found
}

/// A `[default]` section with credentials wins in every tool; one without still stops osls 4.
fn default_section(file: AwsFile, text: &str, heading: &'static str) -> Option<Shadow> {
    let gives_credentials = section(text, heading)?;
    let cause = Cause::Default { file, heading, gives_credentials };
    let what = format!("{} has a [{heading}] section", file.shown());
    Some(if gives_credentials {
        Shadow::new(
            cause,
            what,
            "every AWS tool uses its credentials instead of the project's role",
            "rename that section, and name it with --profile where it is wanted",
        )
    } else {
        Shadow::new(
            cause,
            format!("{what}, without credentials"),
            "osls 4 stops at it; other tools go on to brokerd",
            "AWS_DEFAULT_PROFILE=none for osls 4, or move its settings to variables such as AWS_REGION",
        )
    })
}

/// Whether the sections of this heading, which may be several, give credentials; `None` if there is none.
fn section(text: &str, heading: &str) -> Option<bool> {
    let sections = sections(text);
    let mut found = sections.iter().filter(|section| section.heading == heading).peekable();
    found.peek()?;
    Some(found.any(Section::gives_credentials))
}

fn endpoint(surroundings: &Surroundings<'_>, set: Option<String>) -> Option<Shadow> {
    let ours = surroundings.endpoints.first()?;
    let same = |url: &str| {
        surroundings.endpoints.iter().any(|own| own.trim_end_matches('/') == url.trim_end_matches('/'))
    };
    match set {
        Some(url) if same(&url) => None,
        None if same(link_local::ENDPOINT) => None,
        Some(_) => Some(Shadow::new(
            Cause::Endpoint,
            format!("{ENDPOINT} names another endpoint"),
            "AWS tools ask that one instead of brokerd",
            format!("export {ENDPOINT}={ours}"),
        )),
        None => Some(Shadow::new(
            Cause::Endpoint,
            format!("{ENDPOINT} is not set"),
            "AWS tools do not know where brokerd listens",
            format!("export {ENDPOINT}={ours}"),
        )),
    }
}

/// Some SDKs send even requests for loopback to a proxy (botocore, Rust): keys would go through it.
fn proxy(variable: &dyn Fn(&str) -> Option<String>) -> Option<Shadow> {
    let name = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .into_iter()
        .find(|name| variable(name).is_some())?;
    let exempt = ["no_proxy", "NO_PROXY"]
        .into_iter()
        .filter_map(variable)
        .any(|list| list.split(',').any(|entry| matches!(entry.trim(), "*" | "127.0.0.1" | "127.0.0.0/8")));
    (!exempt).then(|| {
        Shadow::new(
            Cause::Proxy,
            format!("{name} is set, and NO_PROXY does not exempt 127.0.0.1"),
            "some SDKs ask the proxy for brokerd's endpoint, which brokerd refuses",
            "export NO_PROXY=127.0.0.1,localhost",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINTS: [&str; 1] = ["http://127.0.0.1:9254/"];

    fn found(variables: &[(&str, &str)], config: Option<&str>, credentials: Option<&str>) -> Vec<String> {
        let variable = |name: &str| {
            let ours = (name == ENDPOINT).then(|| ENDPOINTS[0].to_owned());
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned()).or(ours)
        };
        let endpoints = ENDPOINTS.map(str::to_owned);
        let surroundings = Surroundings { variable: &variable, config, credentials, endpoints: &endpoints };
        shadows(&surroundings).into_iter().map(|shadow| shadow.what).collect()
    }

    #[test]
    fn nothing_shadows_in_a_clean_environment() {
        assert_eq!(found(&[], None, None), Vec::<String>::new());
        assert_eq!(
            found(&[("AWS_PROFILE", "")], Some("[profile work]\nregion=x\n"), None),
            Vec::<String>::new()
        );
        assert_eq!(found(&[(ENDPOINT, "http://127.0.0.1:9254")], None, None), Vec::<String>::new());
        assert_eq!(found(&[("AWS_EC2_METADATA_DISABLED", "false")], None, None), Vec::<String>::new());
    }

    #[test]
    fn no_variable_is_needed_where_the_link_local_address_leads_to_brokerd() {
        let of = |endpoints: &[&str]| {
            let endpoints: Vec<String> = endpoints.iter().map(|&url| url.to_owned()).collect();
            let variable = |_: &str| None;
            shadows(&Surroundings {
                variable: &variable,
                config: None,
                credentials: None,
                endpoints: &endpoints,
            })
            .len()
        };
        assert_eq!((of(&ENDPOINTS), of(&[ENDPOINTS[0], link_local::ENDPOINT])), (1, 0));
    }

    #[test]
    fn a_default_section_counts_where_it_gives_credentials() {
        let (keys, plain) =
            ("[default]\naws_access_key_id = x\n", "[default]\nregion = x\n[a]\nrole_arn = y\n");
        let of = |config, credentials| {
            let found = DefaultSections::of(config, credentials);
            (found.in_config, found.in_credentials, found.has_config)
        };
        assert_eq!(of(None, None), (false, false, false));
        assert_eq!(of(Some(plain), Some(keys)), (false, true, true));
        assert_eq!(of(Some("[profile default]\nrole_arn = x\n"), Some(plain)), (true, false, true));
    }

    #[test]
    fn each_thing_that_wins_is_named() {
        for (variables, config, credentials, expected) in [
            (vec![("AWS_ACCESS_KEY_ID", "AKIA")], None, None, "AWS_ACCESS_KEY_ID is set"),
            (vec![("AWS_PROFILE", "work")], None, None, "AWS_PROFILE is set"),
            (vec![("AWS_EC2_METADATA_DISABLED", "true")], None, None, "AWS_EC2_METADATA_DISABLED is set"),
            (
                vec![],
                None,
                Some("[default]\naws_access_key_id = x\n"),
                "~/.aws/credentials has a [default] section",
            ),
            (vec![], Some("[ default ]\nsso_session=x\n"), None, "~/.aws/config has a [default] section"),
            (
                vec![],
                Some("[profile default]\nrole_arn=x\n"),
                None,
                "~/.aws/config has a [profile default] section",
            ),
            (
                vec![],
                Some("[default]\nregion = x\ns3 =\n  role_arn = nested\n[profile a]\nrole_arn = y\n"),
                None,
                "~/.aws/config has a [default] section, without credentials",
            ),
            (
                vec![(ENDPOINT, "http://127.0.0.1:1/")],
                None,
                None,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT names another endpoint",
            ),
            (vec![(ENDPOINT, "")], None, None, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not set"),
            (
                vec![("http_proxy", "http://proxy:1")],
                None,
                None,
                "http_proxy is set, and NO_PROXY does not exempt 127.0.0.1",
            ),
        ] {
            assert_eq!(found(&variables, config, credentials), [expected]);
        }
        let exempt = [("http_proxy", "http://proxy:1"), ("NO_PROXY", "localhost, 127.0.0.1")];
        assert_eq!(found(&exempt, None, None), Vec::<String>::new());
    }
}
