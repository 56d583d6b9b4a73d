//! The credentials of a session, kept so that they cannot be shown by accident.

use std::fmt;

use zeroize::Zeroizing;

use super::moment::Timestamp;

/// What STS gave for an access role: temporary, and wiped from memory when the last owner drops it.
///
/// It can be neither displayed nor serialised. [`SessionCredentials::reveal`] is the only way to the
/// secret parts, so that a search for its name finds each place that sees them.
pub struct SessionCredentials {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Zeroizing<String>,
    issued: Timestamp,
    expires: Timestamp,
}

/// The secret parts of [`SessionCredentials`], borrowed.
pub struct Revealed<'a> {
    /// The secret access key.
    pub secret_access_key: &'a str,
    /// The session token.
    pub session_token: &'a str,
}

impl SessionCredentials {
    /// Takes the parts of an answer of STS and the moment it came.
    pub fn new(
        access_key_id: String,
        secret_access_key: String,
        session_token: String,
        issued: Timestamp,
        expires: Timestamp,
    ) -> Self {
        Self {
            access_key_id,
            secret_access_key: Zeroizing::new(secret_access_key),
            session_token: Zeroizing::new(session_token),
            issued,
            expires,
        }
    }

    /// The access key id, which is no secret: CloudTrail and the audit log name it.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// When STS issued them.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// When they end; AWS refuses them from then on.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The secret parts, for writing an answer to an identified caller.
    pub fn reveal(&self) -> Revealed<'_> {
        Revealed { secret_access_key: &self.secret_access_key, session_token: &self.session_token }
    }
}

impl fmt::Debug for SessionCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires.to_string())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Revealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revealed(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credentials = SessionCredentials::new(
            "ASIAEXAMPLE".into(),
            "marked-secret".into(),
            "marked-token".into(),
            Timestamp(0),
            Timestamp(3600),
        );
        let shown = format!("{credentials:?} {:?}", credentials.reveal());
        assert!(shown.contains("ASIAEXAMPLE") && !shown.contains("marked"), "{shown}");
    }
}
