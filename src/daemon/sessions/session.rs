//! One session, ready to be served.

use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::core::credentials::SessionCredentials;
use crate::core::imds;

/// A session that can be served.
pub(in crate::daemon) struct Session {
    pub(in crate::daemon) credentials: Arc<SessionCredentials>,
    /// The IMDS document, ready to send.
    pub(in crate::daemon) document: Bytes,
    /// The extended twin, ready to send.
    pub(in crate::daemon) extended: Bytes,
}

impl std::fmt::Debug for Session {
    /// Without the documents: they hold the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(credentials: Arc<SessionCredentials>, account: &str) -> Self {
        let document = wiped(imds::credentials(&credentials, None));
        let extended = wiped(imds::credentials(&credentials, Some(account)));
        Self { credentials, document, extended }
    }
}

/// Bytes that are wiped when the last of their owners lets go.
fn wiped(text: Zeroizing<String>) -> Bytes {
    struct Owner(Zeroizing<String>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    Bytes::from_owner(Owner(text))
}
