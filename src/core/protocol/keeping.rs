//! Refreshing, locking and forgetting, as `brokerctl` asks for them.

use serde::{Deserialize, Serialize};

use crate::core::keychain::Keychain;
use crate::core::locked::Lock;
use crate::core::moment::Timestamp;
use crate::core::name::{App, Stage};

/// A session in place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The new session's access key id.
    pub access_key_id: String,
    /// When it ends, by AWS's clock.
    pub expires: Timestamp,
    /// The access key id and the end of the session that was in its place, if there was one.
    pub before: Option<(String, Timestamp)>,
    /// The sentence that must be said when the stage did not match.
    pub note: Option<String>,
}

/// What came of locking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockReply {
    /// The lock that is on now.
    pub lock: Lock,
    /// Why the keychain still holds sessions, if it does.
    pub trouble: Option<String>,
    /// Until when what was handed out can be used.
    pub handed_out_until: Option<Timestamp>,
}

/// What came of forgetting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Forgotten {
    /// What was removed from which keychain.
    pub removed: Vec<KeychainItem>,
    /// Keychains that could not be looked into, and why.
    pub troubles: Vec<String>,
    /// Until when what was handed out can be used.
    pub handed_out_until: Option<Timestamp>,
}

/// An item of a keychain, as its programs list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeychainItem {
    /// Its label, or the name of a file.
    pub label: String,
    /// Which keychain.
    pub keychain: Keychain,
}
