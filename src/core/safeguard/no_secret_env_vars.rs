//! `no-secret-env-vars`: no secret stands in the configuration of a function.

use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::pattern::Pattern;
use super::policy::{Example, Judge, Policy};
use super::violation::Judgement;
use super::{Need, Service, expression};

pub(super) static POLICY: Policy = Policy {
    id: "no-secret-env-vars",
    summary: "No environment variable of a function looks like a secret.",
    inspects: "Environment.Variables of each AWS::Lambda::Function of the compiled template, by the 21 patterns of truffleHog (github.com/dxa4481/truffleHogRegexes). The value is not repeated in the report.",
    config: "None.",
    need: Need::Package,
    passing: Example {
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Environment":{"Variables":{"KEY":"{{resolve:secretsmanager:shop/key}}","TABLE":{"Ref":"Table"}}}}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Environment":{"Variables":{"KEY":"AKIAEXAMPLEEXAMPLE01"}}}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "What Fn::Join and Fn::Sub put together is looked at; the original passes over every value that is not a text.",
    ],
    session: None,
    issue: None,
    read,
};

/// `regexes.json` of truffleHogRegexes. `[s|S]` and the like are as they stand there, so that both find the same.
const SECRETS: [&str; 21] = [
    "xox[pboars](-[0-9a-zA-Z]{10,48}){3,4}",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN DSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "-----BEGIN ANY PRIVATE KEY-----",
    r#"[f|F][a|A][c|C][e|E][b|B][o|O][o|O][k|K].*['|"][0-9a-f]{32}['|"]"#,
    r#"[t|T][w|W][i|I][t|T][t|T][e|E][r|R].*['|"][0-9a-zA-Z]{35,44}['|"]"#,
    r#"[g|G][i|I][t|T][h|H][u|U][b|B].*['|"][0-9a-zA-Z]{35,40}['|"]"#,
    r#"("client_secret":"[a-zA-Z0-9\-_]{24}")"#,
    "AKIA[0-9A-Z]{16}",
    "[h|H][e|E][r|R][o|O][k|K][u|U].*[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}",
    r#"[s|S][e|E][c|C][r|R][e|E][t|T].*['|"][0-9a-zA-Z]{32,45}['|"]"#,
    r#"[a|A][p|P][i|I][_]?[k|K][e|E][y|Y].*['|"][0-9a-zA-Z]{32,45}['|"]"#,
    "https://hooks.slack.com/services/T[a-zA-Z0-9_]{8}/B[a-zA-Z0-9_]{8}/[a-zA-Z0-9_]{24}",
    r#""type": "service_account""#,
    "SK[a-z0-9]{32}",
    r#"[a-zA-Z]{3,10}://[^/\s:@]{3,20}:[^/\s:@]{3,20}@.{1,100}["'\s]"#,
];

static PATTERNS: LazyLock<Vec<Pattern>> =
    LazyLock::new(|| SECRETS.iter().filter_map(|text| Pattern::new(text).ok()).collect());

#[derive(Debug)]
struct NoSecrets;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    config.none()?;
    Ok(Arc::new(NoSecrets))
}

impl Judge for NoSecrets {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for function in service.functions()? {
            let variables = function.properties.pointer("/Environment/Variables").and_then(Json::as_object);
            for (name, value) in variables.into_iter().flatten() {
                let Some(text) = expression::text(value) else { continue };
                if PATTERNS.iter().any(|pattern| pattern.is_match(&text)) {
                    let why = format!(
                        "Environment variable {name} on function '{}' looks like it contains a secret value",
                        function.shown()
                    );
                    let mut violation = function.violation(why, "environment");
                    if function.name.is_some() {
                        violation.keys.push(name.clone());
                    }
                    violations.push(violation);
                }
            }
        }
        Ok(violations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_can_be_read() {
        assert_eq!(PATTERNS.len(), SECRETS.len());
    }
}
