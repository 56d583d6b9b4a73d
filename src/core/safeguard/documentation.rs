//! What a policy says of itself, for a terminal and for docs/safeguards.md.

use std::fmt::Write;

use super::POLICIES;
use super::policy::{Example, Need, Policy};
use crate::core::session_policy::{GLOBAL_ACTIONS_SOURCE, NOT_STOPPED};

/// How long a line of the terminal is at most.
const WIDTH: usize = 96;

impl Need {
    /// What has to be there to judge, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Context => "nothing of the service",
            Self::FrameworkVersion => "the project's CLI",
            Self::Declaration => "serverless.yml, resolved",
            Self::Package => "the packaged service",
        }
    }
}

/// Where a policy can be enforced beyond the check.
pub fn enforceable(policy: &Policy) -> Vec<&'static str> {
    let places = [("session", policy.session.is_some()), ("issue", policy.issue.is_some())];
    places.into_iter().filter(|(_, can)| *can).map(|(place, _)| place).collect()
}

/// The pages of one policy as `safeguard explain` prints it: topics with their paragraphs.
pub fn topics(policy: &Policy) -> Vec<(&'static str, Vec<String>)> {
    let mut topics = vec![
        ("inspects", vec![policy.inspects.to_owned()]),
        ("needs", vec![policy.need.words().to_owned()]),
        ("config", vec![policy.config.to_owned()]),
    ];
    let session = policy
        .session
        .map(|session| format!("session: {}. It does not stop {}.", session.effect, session.not_stopped));
    let issue = policy.issue.map(|issue| format!("issue: {issue}."));
    let enforce: Vec<String> = session.into_iter().chain(issue).collect();
    if !enforce.is_empty() {
        topics.push(("enforce", enforce));
    }
    topics.push(("passes", vec![example(policy, &policy.passing)]));
    topics.push(("fails", vec![example(policy, &policy.failing)]));
    if !policy.differences.is_empty() {
        topics.push(("differs", policy.differences.iter().map(|text| (*text).to_owned()).collect()));
    }
    topics
}

/// An example: the lines of the catalog, then of the service.
pub fn example(policy: &Policy, example: &Example) -> String {
    let mut text = format!("# catalog.toml\n[[profiles.dev.safeguards]]\npolicy = \"{}\"\n", policy.id);
    if !example.config.is_empty() {
        let _ = writeln!(text, "config = {}", example.config);
    }
    let standard = Example::DEFAULT;
    for (what, said, otherwise) in [
        ("stage", example.stage, standard.stage),
        ("region", example.region, standard.region),
        ("framework version", example.framework_version, standard.framework_version),
        ("now", example.now, standard.now),
    ] {
        if said != otherwise || (what == "framework version" && policy.need == Need::FrameworkVersion) {
            let _ = writeln!(text, "# {what}\n{said}");
        }
    }
    if !example.serverless.is_empty() {
        let _ = write!(text, "# serverless.yml\n{}", example.serverless);
    }
    if !matches!(example.template, "" | "{}") {
        let value: serde_json::Value = serde_json::from_str(example.template).unwrap_or_default();
        let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
        let _ = writeln!(text, "# Resources of the compiled template\n{pretty}");
    }
    text.trim_end().to_owned()
}

/// A paragraph in lines that fit a terminal.
pub fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

/// The head of docs/safeguards.md; what follows is made of the policies themselves.
const HEAD: &str = r#"# Safeguards

A safeguard is a policy of a profile that a deployment has to satisfy. `brokerctl check` evaluates them:

```toml
[[profiles.prod.safeguards]]
policy      = "allowed-regions"            # one of the sixteen below
level       = "error"                      # or "warning"; error if it is left out
title       = "EU only"                    # what the report calls it
description = "Customer data stays here."  # why, for whoever is stopped by it
config      = ["eu-west-1", "eu-central-1"]
enforce     = "session"                    # or "issue"; see below
```

```sh
brokerctl check                       # the project here; packages it first if a safeguard needs that
brokerctl check --stage prod --package .serverless
brokerctl check --no-package          # only what serverless.yml tells; the others are skipped, and that is said
brokerctl check --catalog catalog.toml --github   # in CI, without a daemon
```

Packaging is done by the project's own CLI (serverless, osls or sls in `node_modules/.bin`, else in `PATH`), with no credentials in its
environment and none that it could ask for. Without a running daemon `check` reads the catalog itself. A failed safeguard of level `error`, or one
that could not be judged, is exit code 1; `--json` prints the report, `--sarif` the same for code scanning, `--github` as annotations.

## What is enforced beyond the check

`brokerctl check` binds who runs it. With `enforce` a safeguard binds every tool that uses the profile:

- **`enforce = "session"`**: what AWS itself can enforce goes into the session policy of `AssumeRole`, as Deny statements. Where the profile has
  neither `session_policy` nor `policy_arns`, one `Allow * *` goes with them, since a session policy without any Allow permits nothing; the role's own
  policies still bound the session. `policy_arns` without `session_policy` is refused: then write one that allows what they are to permit. What does not
  fit into the 2,048 characters that STS accepts is a fault of the catalog, and what STS calls packed too large is an error of the profile: no rule is dropped.
  `brokerctl why` prints the policy in force.
- **`enforce = "issue"`**: brokerd hands out nothing while the rule is broken. Sessions that were handed out before last until they expire.

No session policy stops:

"#;

/// The whole of docs/safeguards.md.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for what in NOT_STOPPED {
        let _ = writeln!(text, "- {what}");
    }
    let _ = write!(
        text,
        "\nThat statements deny what they should is tested with an evaluator of IAM's documented logic that was written for the tests: no AWS stand-in \
         enforces policies. What is exempt from a rule on regions is from: {GLOBAL_ACTIONS_SOURCE}\n\n## The policies\n\n\
         | policy | what it wants | needs | enforce |\n|---|---|---|---|\n"
    );
    for policy in POLICIES {
        let _ = writeln!(
            text,
            "| [`{id}`](#{id}) | {} | {} | {} |",
            policy.summary,
            policy.need.words(),
            enforceable(policy).join(", "),
            id = policy.id
        );
    }
    text.push_str(
        "\nThe ids, configs and messages are those of `@serverless/safeguards-plugin` 1.2.1. Where that plugin does not do what its documentation \
         says, the documentation counts; each difference is listed with its policy. `tests/safeguards` runs both on the same services.\n",
    );
    for policy in POLICIES {
        let _ = write!(text, "\n### {}\n\n{}\n", policy.id, policy.summary);
        for (topic, paragraphs) in topics(policy) {
            match topic {
                "passes" | "fails" => {
                    for paragraph in paragraphs {
                        let _ = write!(text, "\nIt {topic}:\n\n```\n{paragraph}\n```\n");
                    }
                }
                "differs" => {
                    text.push_str("\nOtherwise than the original:\n\n");
                    for paragraph in paragraphs {
                        let _ = writeln!(text, "- {}", code(&paragraph));
                    }
                }
                _ => {
                    for paragraph in paragraphs {
                        let _ = write!(text, "\n**{topic}**: {}\n", code(&paragraph));
                    }
                }
            }
        }
    }
    text
}

/// A paragraph in which no star or bracket becomes a form of Markdown.
fn code(text: &str) -> String {
    text.replace('*', "\\*").replace('[', "\\[").replace('_', "\\_")
}
