//! The document that a `credential_process` prints (AWS SDKs and tools reference guide, "Process credential
//! provider").

use serde::Serialize;
use zeroize::Zeroizing;

use super::credentials::SessionCredentials;
use super::moment::Timestamp;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: Timestamp,
    account_id: &'a str,
}

/// The document for credentials of an account.
pub fn document(credentials: &SessionCredentials, account: &str) -> Zeroizing<String> {
    let secret = credentials.reveal();
    let document = Document {
        version: 1,
        access_key_id: credentials.access_key_id(),
        secret_access_key: secret.secret_access_key,
        session_token: secret.session_token,
        expiration: credentials.expires(),
        account_id: account,
    };
    // Room from the start: a buffer that grows would leave copies of the secrets behind.
    let mut json = Zeroizing::new(Vec::with_capacity(16 * 1024));
    // Writing texts into memory does not fail.
    let _ = serde_json::to_writer(&mut *json, &document);
    Zeroizing::new(String::from_utf8_lossy(&json).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_what_every_sdk_reads() {
        let session =
            SessionCredentials::new("ASIA1".into(), "s".into(), "t".into(), Timestamp(0), Timestamp(3600));
        assert_eq!(
            document(&session, "111111111111").as_str(),
            r#"{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s","SessionToken":"t","Expiration":"1970-01-01T01:00:00Z","AccountId":"111111111111"}"#
        );
    }
}
