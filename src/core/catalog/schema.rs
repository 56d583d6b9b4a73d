//! The JSON Schema of `catalog.toml`, for editors. It says the form of the file; what refers from one place
//! to another, such as an application to its profiles, only the reader checks.

use serde_json::{Map, Value as Json, json};

use super::{Approve, Deploy, access_role, application, profile, protection, safeguard, secret};
use crate::core::safeguard::POLICIES;

/// A name: see `core::name`.
const WORD: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$";
const SECRET_NAME: &str = "^[A-Za-z][A-Za-z0-9_]{0,127}$";
const STAGE_PATTERN: &str = "^[A-Za-z0-9*][A-Za-z0-9_*-]{0,127}$";
const REGION: &str = "^[a-z][a-z0-9]*(-[a-z0-9]+)+-[0-9]+$";
const ROLE_ARN: &str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9_+=,.@/-]*[A-Za-z0-9_+=,.@-])$";
const POLICY_ARN: &str =
    "^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/([A-Za-z0-9_+=,.@/-]*[A-Za-z0-9_+=,.@-])$";
const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";

/// The schema, of draft 2020-12.
pub fn schema() -> Json {
    let mut root = table(
        &super::KEYS,
        &[],
        vec![
            ("profiles", named(WORD, &reference("profile"), "The deployment profiles, by name.")),
            (
                "applications",
                named(WORD, &reference("application"), "The applications: `app` of serverless.yml."),
            ),
        ],
    );
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("catalog.toml of brokerd");
    root["description"] = json!("Deployment profiles and applications. It holds no secret.");
    root["$defs"] = json!({
        "profile": profile(),
        "access_role": access_role(),
        "secret": secret(),
        "safeguard": safeguard(),
        "application": application(),
    });
    root
}

fn profile() -> Json {
    let protected = table(
        &protection::KEYS,
        &[],
        vec![
            ("approve", said("How it is approved.", json!({ "enum": Approve::WORDS.map(|(word, _)| word) }))),
            ("for", duration("How long an approval holds at most: 1s to 24h.")),
        ],
    );
    table(
        &profile::KEYS,
        &[],
        vec![
            ("description", text("What people are told about the profile.")),
            ("access_role", reference("access_role")),
            (
                "secrets",
                named(SECRET_NAME, &reference("secret"), "Where the value of each secret comes from."),
            ),
            (
                "passthrough",
                said(
                    "Whether parameters and secrets that are not listed may be asked for by their own names.",
                    json!({ "type": "boolean" }),
                ),
            ),
            ("safeguards", json!({ "type": "array", "items": reference("safeguard") })),
            (
                "protected",
                said(
                    "Whether a person has to approve its use.",
                    json!({ "anyOf": [{ "type": "boolean" }, protected] }),
                ),
            ),
            (
                "short",
                said(
                    "Whether sessions last less than 1h; they are then not served over IMDS.",
                    json!({ "type": "boolean" }),
                ),
            ),
            (
                "deploy",
                said(
                    "Whether a Serverless CLI may deploy without the plugin that evaluates the safeguards.",
                    json!({ "enum": Deploy::WORDS.map(|(word, _)| word) }),
                ),
            ),
        ],
    )
}

fn access_role() -> Json {
    let tags = json!({
        "type": "object",
        "maxProperties": 50,
        "propertyNames": { "minLength": 1, "maxLength": 128 },
        "additionalProperties": { "type": "string", "maxLength": 256 },
    });
    table(
        &access_role::KEYS,
        &["role_arn"],
        vec![
            ("role_arn", pattern(ROLE_ARN, "The role that the profile assumes.")),
            (
                "source",
                filled(
                    "The profile of ~/.aws/config that may assume the role, or \"env\", \"keychain\", \"keychain:NAME\".",
                ),
            ),
            (
                "duration",
                duration(
                    "How long a session lasts: 1h to 12h, or 15m to 59m in a profile with short = true.",
                ),
            ),
            (
                "external_id",
                sized(pattern("^[A-Za-z0-9_+=,.@:/-]+$", "What the trust policy asks for."), 2, 1224),
            ),
            (
                "session_name",
                sized(pattern("^[A-Za-z0-9_+=,.@-]+$", "The session's name in CloudTrail."), 2, 64),
            ),
            ("session_tags", said("The session's tags.", tags)),
            (
                "transitive_tags",
                said(
                    "The session tags that stay with it where it assumes another role.",
                    json!({ "type": "array", "maxItems": 50, "items": filled("The key of a session tag.") }),
                ),
            ),
            (
                "source_identity",
                sized(pattern("^[A-Za-z0-9_+=,.@-]+$", "Who is behind the session, for CloudTrail."), 2, 64),
            ),
            (
                "session_policy",
                sized(text("A policy that narrows the session: the text of a JSON object."), 2, 2048),
            ),
            (
                "policy_arns",
                said(
                    "Managed policies that narrow the session.",
                    json!({ "type": "array", "maxItems": 10, "items": pattern(POLICY_ARN, "A policy.") }),
                ),
            ),
            ("region", sized(pattern(REGION, "The region whose STS is asked."), 5, 32)),
            (
                "mfa_serial",
                sized(pattern("^[A-Za-z0-9_+=/:,.@-]+$", "The MFA device whose code AWS is given."), 9, 256),
            ),
            (
                "via",
                said(
                    "Profiles whose roles are assumed before this one, in this order.",
                    json!({ "type": "array", "minItems": 1, "items": pattern(WORD, "A profile.") }),
                ),
            ),
            (
                "web_identity_token_file",
                pattern(
                    "^(/|~/)",
                    "A file with an identity provider's token, which assumes the role without a source.",
                ),
            ),
        ],
    )
}

fn secret() -> Json {
    let ttl =
        || duration("How long a value is used before it is read again: 5m if it is left out, 24h at most.");
    let detailed = |source: &str, value: Json| {
        table(&[source, secret::TTL], &[source], vec![(source, value), (secret::TTL, ttl())])
    };
    let command = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    let keys = [&["secretsmanager"], secret::DETAILS.as_slice(), &[secret::TTL]].concat();
    let sources = secret::SOURCES.map(|source| match source {
        "secretsmanager" => table(
            &keys,
            &[source],
            vec![
                (source, filled("The secret's name or ARN.")),
                ("key", filled("The key in it, if it is a JSON object.")),
                ("version_stage", filled("The version's staging label.")),
                (secret::TTL, ttl()),
            ],
        ),
        "command" => detailed(source, said("The program and its arguments.", command.clone())),
        _ => detailed(source, filled("Where the value is.")),
    });
    let mut forms = vec![json!({ "const": "keychain" })];
    forms.extend(sources);
    said("Where the value comes from; never the value itself.", json!({ "anyOf": forms }))
}

fn safeguard() -> Json {
    table(
        &safeguard::KEYS,
        &["policy"],
        vec![
            ("policy", said("Its id.", json!({ "enum": POLICIES.map(|policy| policy.id) }))),
            ("level", said("What follows if it is not satisfied.", json!({ "enum": ["error", "warning"] }))),
            ("title", text("What people read instead of the id.")),
            ("description", text("Why the team wants it.")),
            ("config", said("The policy's settings.", json!({}))),
            (
                "enforce",
                said("Where it holds beyond the deployment.", json!({ "enum": ["session", "issue"] })),
            ),
        ],
    )
}

fn application() -> Json {
    let patterns = json!({
        "type": "array",
        "minItems": 1,
        "items": pattern(STAGE_PATTERN, "A stage name in which * stands for any run of characters."),
    });
    let mut application = table(
        &application::KEYS,
        &[],
        vec![
            ("default_profile", pattern(WORD, "The profile of the stages that are not listed.")),
            (
                "stages",
                named(
                    WORD,
                    &pattern(WORD, "The stage's profile."),
                    "The stages with a profile of their own.",
                ),
            ),
            (
                "unmatched",
                said(
                    "What becomes of a stage that is not listed.",
                    json!({ "anyOf": [{ "enum": ["default", "refuse"] }, patterns] }),
                ),
            ),
        ],
    );
    application["anyOf"] = json!([{ "required": ["default_profile"] }, { "required": ["stages"] }]);
    application
}

/// A table with exactly these keys; `keys` are the reader's, so that one without a form shows in the tests.
fn table(keys: &[&str], required: &[&str], forms: Vec<(&str, Json)>) -> Json {
    let known = forms.into_iter().filter(|(key, _)| keys.contains(key));
    let properties: Map<String, Json> = known.map(|(key, form)| (key.to_owned(), form)).collect();
    let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

/// A table whose keys are names.
fn named(name: &str, form: &Json, description: &str) -> Json {
    let names =
        json!({ "type": "object", "propertyNames": { "pattern": name }, "additionalProperties": form });
    said(description, names)
}

fn reference(definition: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

fn said(description: &str, mut form: Json) -> Json {
    form["description"] = json!(description);
    form
}

fn text(description: &str) -> Json {
    said(description, json!({ "type": "string" }))
}

/// A text that is not blank.
fn filled(description: &str) -> Json {
    pattern("\\S", description)
}

fn pattern(pattern: &str, description: &str) -> Json {
    said(description, json!({ "type": "string", "pattern": pattern }))
}

fn duration(description: &str) -> Json {
    sized(pattern(DURATION, description), 2, 64)
}

fn sized(mut form: Json, least: usize, most: usize) -> Json {
    form["minLength"] = json!(least);
    form["maxLength"] = json!(most);
    form
}

#[cfg(test)]
mod tests;
