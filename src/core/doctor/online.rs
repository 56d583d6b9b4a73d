//! What AWS itself says: looked at with `--online` only.

use super::projects::Here;
use super::{Area, Finding, Level, Topic};

/// The area.
pub static AREA: Area = Area { name: "online", topics: &[&REFUSED, &NOTHING] };

static REFUSED: Topic = Topic {
    id: "online-refused",
    level: Level::Problem,
    finds: "AWS, or brokerd before it, refused a session of the role here",
    why: "tools here fail when their session ends, or at once",
    fix: "what the sentence says: a login, a code, the role's trust policy",
};
static NOTHING: Topic = Topic {
    id: "online-nothing",
    level: Level::Note,
    finds: "there is no profile here to ask AWS for",
    why: "--online asks for the role of the project here",
    fix: "brokerctl doctor --online PATH",
};

/// What came of asking for a new session: when it ends, or why there is none and what to type.
pub fn judge(here: Option<&Here>, outcome: Option<Result<String, (String, Option<String>)>>) -> Finding {
    let (Some(here), Some(outcome)) = (here, outcome) else {
        return Finding::of(&NOTHING, "AWS was not asked: no profile is given here")
            .with_fix("brokerctl doctor --online PATH");
    };
    let Here { app, stage, role } = here;
    match outcome {
        Ok(until) => {
            Finding::fine(&AREA, format!("AWS gave {app}.{stage} a session of {role} until {until}"))
        }
        Err((why, hint)) => Finding::of(&REFUSED, format!("{app}.{stage} ({role}): {why}")).with_hint(hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::name::{App, RoleArn, Stage};

    #[test]
    fn aws_gives_a_session_or_says_why_not() {
        let here = Here {
            app: App::parse("shop").unwrap(),
            stage: Stage::parse("dev").unwrap(),
            role: RoleArn::parse("arn:aws:iam::111111111111:role/dev").unwrap(),
        };
        assert_eq!(judge(None, None).id, "online-nothing");
        assert_eq!(judge(Some(&here), Some(Ok("noon".into()))).level, Level::Ok);
        let refused = judge(Some(&here), Some(Err(("denied".into(), Some("brokerctl login".into())))));
        assert_eq!((refused.id, refused.fix.as_deref()), ("online-refused", Some("brokerctl login")));
    }
}
