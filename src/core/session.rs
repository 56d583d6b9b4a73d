//! What a session is asked for with, and what it is known by.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::catalog::AccessRole;
use super::name::{App, SessionName, Stage};

/// Everything that a session depends on: two callers share one only if all of it is equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionRequest {
    /// The role and how it is assumed.
    pub access_role: AccessRole,
    /// The name that CloudTrail shows.
    pub session_name: SessionName,
}

impl SessionRequest {
    /// The request for an application's stage by a user of this machine.
    pub fn new(access_role: &AccessRole, user: &str, app: &App, stage: &Stage) -> Self {
        let session_name = access_role.session_name.clone().unwrap_or_else(|| session_name(user, app, stage));
        Self { access_role: access_role.clone(), session_name }
    }
}

/// The request of a decision, made when it is first asked for: a warm request makes none of its own. It follows from
/// the rest of the decision, so any two are equal.
#[derive(Debug, Clone, Default)]
pub struct RequestOnce(OnceLock<Arc<SessionRequest>>);

impl RequestOnce {
    /// The request, made by `make` the first time.
    pub fn get_or_make(&self, make: impl FnOnce() -> SessionRequest) -> &Arc<SessionRequest> {
        self.0.get_or_init(|| Arc::new(make()))
    }
}

impl PartialEq for RequestOnce {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// `brokerd-<user>-<app>-<stage>`, within the 64 characters of STS. What is too long is cut, the user first:
/// the stage matters most to whoever reads a trail.
fn session_name(user: &str, app: &App, stage: &Stage) -> SessionName {
    const LONGEST: usize = 64;
    const FIXED: usize = "brokerd---".len();
    /// Of a stage at most so much, and of a user at least.
    const STAGE: usize = 24;
    const USER: usize = 8;
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)).collect();
    let cut = |text: &str, longest: usize| text[..text.len().min(longest)].to_owned();
    let stage = cut(stage.as_str(), STAGE);
    let app = cut(app.as_str(), LONGEST - FIXED - STAGE - USER);
    let user = cut(&user, LONGEST - FIXED - app.len() - stage.len());
    let text = format!("brokerd-{user}-{app}-{stage}");
    #[allow(clippy::expect_used, reason = "every part has been cut and filtered to the rule")]
    SessionName::parse(&text).expect("the parts keep the rule of session names")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::catalog::Catalog;

    /// Every part of a role, and of what else is asked, makes another session of it: two applications share one only
    /// if all is equal.
    #[test]
    fn each_thing_that_a_session_depends_on_is_part_of_what_it_is_known_by() {
        const BASE: &str = r#"
role_arn = "arn:aws:iam::111111111111:role/deploy"
source = "work"
duration = "2h"
external_id = "an-id"
session_name = "a-name"
session_tags = { team = "web" }
session_policy = '{"Statement":[]}'
policy_arns = ["arn:aws:iam::aws:policy/A"]
region = "eu-west-1"
"#;
        let read = |text: &str| {
            let way = "[profiles.q.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/way\"\n";
            let text = format!("[profiles.p.access_role]{text}{way}");
            let catalog = Catalog::parse(Path::new("c.toml"), &text).unwrap();
            let profile = catalog.profiles.values().next().unwrap().clone();
            profile.access_role.clone().unwrap()
        };
        let request = |role: &AccessRole| {
            SessionRequest::new(role, "ann", &App::parse("shop").unwrap(), &Stage::parse("dev").unwrap())
        };
        let base = read(BASE);
        let mut all = vec![request(&base)];
        for (from, to) in [
            ("role/deploy", "role/other"),
            ("111111111111", "222222222222"),
            ("\"work\"", "\"home\""),
            ("\"work\"", "\"env\""),
            ("\"work\"", "\"keychain\""),
            ("\"work\"", "\"keychain:x\""),
            ("\"2h\"", "\"3h\""),
            ("an-id", "another-id"),
            ("a-name", "another-name"),
            ("session_name = \"a-name\"\n", ""),
            ("team = \"web\"", "team = \"ops\""),
            ("team = \"web\"", "unit = \"web\""),
            ("{\"Statement\":[]}", "{\"Statement\":[ ]}"),
            ("session_policy = '{\"Statement\":[]}'\n", ""),
            ("policy/A", "policy/B"),
            ("policy/A\"", "policy/A\", \"arn:aws:iam::aws:policy/B\""),
            ("eu-west-1", "eu-west-2"),
            ("policy_arns", "transitive_tags = [\"team\"]\npolicy_arns"),
            ("policy_arns", "source_identity = \"ann\"\npolicy_arns"),
            ("policy_arns", "mfa_serial = \"arn:aws:iam::111111111111:mfa/ann\"\npolicy_arns"),
            ("source = \"work\"", "via = [\"q\"]"),
        ] {
            assert!(BASE.contains(from), "{from}");
            all.push(request(&read(&BASE.replacen(from, to, 1))));
        }
        for token in ["/a", "/b"] {
            let role = AccessRole { web_identity_token_file: Some(token.into()), ..base.clone() };
            all.push(request(&role));
        }
        // Without a name of its own it is the user's, the application's and the stage's.
        let unnamed = AccessRole { session_name: None, ..base };
        let (shop, blog) = (App::parse("shop").unwrap(), App::parse("blog").unwrap());
        let prod = Stage::parse("prod").unwrap();
        all.extend(
            [("bob", &shop), ("ann", &shop), ("ann", &blog)]
                .map(|(user, app)| SessionRequest::new(&unnamed, user, app, &prod)),
        );
        for (number, one) in all.iter().enumerate() {
            assert!(all[..number].iter().all(|other| other != one), "{number} is another's session");
            assert_eq!(*one, one.clone());
            let kept: SessionRequest = serde_json::from_str(&serde_json::to_string(one).unwrap()).unwrap();
            assert_eq!(kept, *one, "over a restart too");
        }
        // Whoever adds a part decides here whether sessions may be shared by those that differ in it.
        let AccessRole {
            role_arn: _,
            source: _,
            duration: _,
            external_id: _,
            session_name: _,
            session_tags: _,
            session_policy: _,
            policy_arns: _,
            region: _,
            transitive_tags: _,
            source_identity: _,
            mfa_serial: _,
            via: _,
            web_identity_token_file: _,
        } = unnamed;
    }

    #[test]
    fn a_session_name_tells_user_app_and_stage_and_fits() {
        for (user, app, stage, expected) in [
            ("ann", "shop", "dev", "brokerd-ann-shop-dev".to_owned()),
            ("Ann Müller", "shop", "dev", "brokerd-AnnMller-shop-dev".to_owned()),
            ("", "shop", "dev", "brokerd--shop-dev".to_owned()),
            (&"u".repeat(99), "shop", "dev", format!("brokerd-{}-shop-dev", "u".repeat(47))),
            (
                "ann",
                &"a".repeat(128),
                &"s".repeat(128),
                format!("brokerd-ann-{}-{}", "a".repeat(22), "s".repeat(24)),
            ),
        ] {
            let name = session_name(user, &App::parse(app).unwrap(), &Stage::parse(stage).unwrap());
            assert_eq!(name.as_str(), expected);
        }
    }
}
