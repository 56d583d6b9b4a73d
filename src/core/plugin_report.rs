//! What the framework made of a service, as its plugin reports it, held against what brokerd reads.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// No text of a report is longer; the framework's own names are far shorter.
const LONGEST: usize = 1024;

/// What the framework made of the service, as its plugin reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginReport {
    /// The organisation, if one is named and resolved.
    #[serde(default)]
    pub org: Option<String>,
    /// The application, if one is named and resolved.
    #[serde(default)]
    pub app: Option<String>,
    /// The service; empty where it is not resolved yet.
    #[serde(default)]
    pub service: String,
    /// The stage that the framework works on.
    pub stage: String,
    /// The region that it works in.
    pub region: String,
    /// Its command, like `deploy` or `deploy function`.
    #[serde(default)]
    pub command: String,
    /// The configuration file, as an absolute path.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Which framework it is.
    pub framework: Framework,
    /// The plugin's version.
    #[serde(default)]
    pub plugin_version: String,
}

/// A framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framework {
    /// Its npm package: `serverless` or `osls`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl PluginReport {
    /// What this and brokerd read differently, where both know it: a deployment that could be of another service than the
    /// one that was decided about gets nothing. `what` is `stage`, `app` and so on; empty texts are unknown.
    pub fn compare(&self, config: &Path, what: &str, ours: &str) -> Result<(), Refusal> {
        let theirs = match what {
            "app" => self.app.as_deref().unwrap_or_default(),
            "org" => self.org.as_deref().unwrap_or_default(),
            "service" => &self.service,
            _ => &self.stage,
        };
        if theirs.is_empty() || ours.is_empty() || theirs == ours {
            return Ok(());
        }
        let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(64).collect();
        Err(Refusal::ReadDifferently {
            config: config.to_owned(),
            what: what.to_owned(),
            ours: ours.to_owned(),
            theirs: shown(theirs),
            framework: shown(&format!("{} {}", self.framework.name, self.framework.version)),
        })
    }

    /// Whether the plugin evaluates the safeguards of this command before it changes anything. `deploy function` packages
    /// no template, so that nothing is evaluated for it.
    pub fn is_evaluated(&self) -> bool {
        let mut words = self.command.split_whitespace();
        matches!((words.next(), words.next()), (Some("deploy"), None | Some("list")) | (Some("remove"), None))
    }

    /// Its command, for people.
    pub fn shown_command(&self) -> String {
        let command: String = self.command.chars().filter(|c| !c.is_control()).take(64).collect();
        format!("{command:?}")
    }

    /// Whether every text in it is short enough to be what it says. A report is kept as long as its process runs.
    pub fn is_plausible(&self) -> bool {
        let Self { org, app, service, stage, region, command, framework, plugin_version, config } = self;
        let named = [org.as_deref(), app.as_deref()].into_iter().flatten();
        let texts = [service, stage, region, command, &framework.name, &framework.version, plugin_version]
            .into_iter();
        named.chain(texts.map(String::as_str)).all(|text| text.len() <= LONGEST)
            && config.as_ref().is_none_or(|path| path.as_os_str().len() <= 4 * LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_the_plugin_writes_it() {
        let text = r#"{"org":null,"app":null,"service":"","stage":"dev","region":"us-east-1","command":"deploy",
            "config":null,"framework":{"name":"osls","version":"4.3.1"},"plugin_version":"0.1.0"}"#;
        let report: PluginReport = serde_json::from_str(text).unwrap();
        assert!(report.is_plausible());
        assert!(!PluginReport { stage: "x".repeat(LONGEST + 1), ..report }.is_plausible());
    }

    #[test]
    fn only_commands_that_package_a_template_are_evaluated() {
        let text = r#"{"stage":"qa","region":"us-east-1","framework":{"name":"osls","version":"4.3.1"}}"#;
        let report: PluginReport = serde_json::from_str(text).unwrap();
        for (command, expected) in [
            ("deploy", true),
            ("remove", true),
            ("deploy list", true),
            ("deploy list functions", true),
            ("deploy function", false),
            ("package", false),
            ("", false),
        ] {
            let report = PluginReport { command: command.to_owned(), ..report.clone() };
            assert_eq!(report.is_evaluated(), expected, "{command}");
        }
    }

    #[test]
    fn what_both_know_must_be_the_same() {
        let report = PluginReport {
            app: Some("shop".into()),
            ..serde_json::from_str(
                r#"{"stage":"qa","region":"us-east-1","framework":{"name":"osls","version":"4.3.1"}}"#,
            )
            .unwrap()
        };
        let compared = |what, ours| {
            let compared = report.compare(Path::new("/shop/serverless.yml"), what, ours);
            compared.map_err(|refusal| refusal.to_string())
        };
        for (what, ours) in [("app", "shop"), ("stage", "qa"), ("org", "acme"), ("service", "x"), ("app", "")]
        {
            assert_eq!(compared(what, ours), Ok(()), "{what} {ours}");
        }
        assert_eq!(
            compared("stage", "dev"),
            Err("osls 4.3.1 works on stage \"qa\" of /shop/serverless.yml, and brokerd reads \"dev\"".into())
        );
        assert_eq!(
            compared("app", "blog"),
            Err("osls 4.3.1 works on app \"shop\" of /shop/serverless.yml, and brokerd reads \"blog\"".into())
        );
    }
}
