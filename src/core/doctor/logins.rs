//! Logins to IAM Identity Center.

use std::time::Duration;

use super::{Area, Finding, Level, Topic};
use crate::core::duration::format_duration;
use crate::core::moment::Timestamp;
use crate::core::protocol::LoginStatus;

/// The area.
pub static AREA: Area = Area { name: "login", topics: &[&EXPIRED, &ENDING] };

/// A login that ends so soon is said.
const SOON: Duration = Duration::from_mins(15);

static EXPIRED: Topic = Topic {
    id: "login-expired",
    level: Level::Problem,
    finds: "a login to IAM Identity Center has ended",
    why: "no new session can be had with it; those that there are end within the hour",
    fix: "brokerctl login",
};
static ENDING: Topic = Topic {
    id: "login-ending",
    level: Level::Note,
    finds: "a login ends within 15 minutes and is not renewed by itself",
    why: "a long deployment may outlive it",
    fix: "brokerctl login",
};

/// The logins, at the daemon's `now`.
pub fn judge(logins: &[LoginStatus], now: Timestamp) -> Vec<Finding> {
    let of_login = |login: &LoginStatus| {
        let left = login.expires.remaining(now);
        if login.is_renewed {
            return Finding::fine(&AREA, format!("login {} is renewed by itself", login.what));
        }
        if left.is_zero() {
            return Finding::of(&EXPIRED, format!("login {} ended at {}", login.what, login.expires))
                .with_fix(login.login.as_str());
        }
        let sentence = format!("login {} lasts for {}", login.what, format_duration(left));
        if left < SOON {
            Finding::of(&ENDING, sentence).with_fix(login.login.as_str())
        } else {
            Finding::fine(&AREA, sentence)
        }
    };
    logins.iter().map(of_login).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_lasts_ends_soon_or_has_ended() {
        for (expires, is_renewed, id) in [
            (1000 + 3600, false, "login"),
            (1000 + 600, false, "login-ending"),
            (1000, false, "login-expired"),
            (900, true, "login"),
        ] {
            let login = LoginStatus {
                what: "acme".into(),
                expires: Timestamp(expires),
                is_renewed,
                login: "brokerctl login --sso-session acme".into(),
            };
            assert_eq!(judge(&[login], Timestamp(1000))[0].id, id, "{expires}");
        }
    }
}
