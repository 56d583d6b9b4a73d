//! What a session is asked for with, and what it is known by.

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
    use super::*;

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
