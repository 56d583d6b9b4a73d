//! Logins and MFA codes.

use serde::{Deserialize, Serialize};

use crate::core::keychain::Keychain;
use crate::core::moment::Timestamp;

/// What to log in to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTarget {
    /// A profile of the catalog, else of `~/.aws/config`.
    pub profile: Option<String>,
    /// An `[sso-session NAME]`.
    pub sso_session: Option<String>,
}

/// A page on which a person logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginPage {
    /// What the login is known by until it ends.
    pub id: String,
    /// What it is for, in words.
    pub what: String,
    /// The page.
    pub url: String,
    /// What it shows, or wants typed.
    pub code: Option<String>,
    /// Until when it waits.
    pub expires: Timestamp,
    /// Whether somebody else began this login: the page is open already.
    pub is_joined: bool,
}

/// A login that ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// What for, in words.
    pub what: String,
    /// When its token ends.
    pub expires: Timestamp,
    /// Whether brokerd renews it by itself until the Identity Center ends the session.
    pub is_renewed: bool,
    /// Where it is kept.
    pub keychain: Keychain,
}

/// A login, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginStatus {
    /// What for, in words.
    pub what: String,
    /// When it ends, unless it is renewed.
    pub expires: Timestamp,
    /// Whether brokerd renews it by itself.
    pub is_renewed: bool,
    /// What to type for another one.
    pub login: String,
}

/// What a code of an MFA device opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaTaken {
    /// The device.
    pub serial: String,
    /// When what it opened ends.
    pub expires: Timestamp,
    /// Whether that is one session only, so that the next one needs a code too.
    pub is_for_one: bool,
}
