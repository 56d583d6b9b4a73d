//! The JSON documents, in the layout that EC2 uses.
//!
//! Each field stands on a line of its own: some clients do not parse JSON but look for `"Name" : "value"`.

use zeroize::Zeroizing;

use crate::core::credentials::SessionCredentials;
use crate::core::moment::Timestamp;
use crate::core::name::{Region, RoleArn};

/// A JSON object of text fields, in order.
pub(in crate::core) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<Zeroizing<String>> = fields
        .into_iter()
        .map(|(name, value)| Zeroizing::new(format!("  \"{name}\" : {}", quoted(value).as_str())))
        .collect();
    let length = lines.iter().map(|line| line.len() + 2).sum::<usize>() + 8;
    // Room for all of it at once: a string that grows would leave copies of secrets behind.
    let mut text = String::with_capacity(length);
    text.push_str("{\n");
    for (position, line) in lines.iter().enumerate() {
        text.push_str(if position == 0 { "" } else { ",\n" });
        text.push_str(line);
    }
    text.push_str("\n}");
    text
}

/// A text as JSON, with room from the start for the longest escape of each byte.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut json = Zeroizing::new(Vec::with_capacity(text.len() * 6 + 2));
    // Writing a text into memory does not fail.
    let _ = serde_json::to_writer(&mut *json, text);
    Zeroizing::new(String::from_utf8_lossy(&json).into_owned())
}

/// The document of `security-credentials/<role>`, or of its extended twin when `account` is given.
///
/// No `RoleArn`: s3fs-fuse takes a document with that for one of the container endpoint.
pub fn credentials(credentials: &SessionCredentials, account: Option<&str>) -> Zeroizing<String> {
    let secret = credentials.reveal();
    let (issued, expires) = (credentials.issued().to_string(), credentials.expires().to_string());
    let mut fields = vec![
        ("Code", "Success"),
        ("LastUpdated", issued.as_str()),
        ("Type", "AWS-HMAC"),
        ("AccessKeyId", credentials.access_key_id()),
        ("SecretAccessKey", secret.secret_access_key),
        ("Token", secret.session_token),
        ("Expiration", expires.as_str()),
    ];
    fields.extend(account.map(|account| ("AccountId", account)));
    Zeroizing::new(object(fields))
}

/// What the made-up instance of a caller is.
#[derive(Debug, Clone, Copy)]
pub struct InstanceFacts<'a> {
    /// The name of the role, `<app>.<stage>`.
    pub role_name: &'a str,
    /// The access role, whose account is the instance's.
    pub role: &'a RoleArn,
}

impl InstanceFacts<'_> {
    /// An id that no real instance can have: those are `i-` and hexadecimal digits.
    fn instance_id(&self) -> String {
        format!("i-brokerd-{}", self.role_name.replace('.', "-"))
    }
}

/// The document of `iam/info`: Terraform takes its account id from the ARN in it.
pub fn info(facts: InstanceFacts<'_>, now: Timestamp) -> String {
    let arn = format!(
        "arn:{}:iam::{}:instance-profile/{}",
        facts.role.partition(),
        facts.role.account(),
        facts.role_name
    );
    object([
        ("Code", "Success"),
        ("LastUpdated", now.to_string().as_str()),
        ("InstanceProfileArn", &arn),
        ("InstanceProfileId", &format!("brokerd-{}", facts.role_name.replace('.', "-"))),
    ])
}

/// The instance identity document, from which Go and Java SDKs take the region. It is not signed.
pub fn identity_document(facts: InstanceFacts<'_>, region: &Region) -> String {
    object([
        ("accountId", facts.role.account()),
        ("availabilityZone", &format!("{region}a")),
        ("instanceId", &facts.instance_id()),
        ("region", region.as_str()),
        ("version", "2017-09-30"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_document_is_what_every_client_reads() {
        let session = SessionCredentials::new(
            "ASIA1".into(),
            "s/\"1".into(),
            "t=1".into(),
            Timestamp(0),
            Timestamp(3600),
        );
        assert_eq!(
            credentials(&session, None).as_str(),
            "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"1970-01-01T00:00:00Z\",\n  \"Type\" : \"AWS-HMAC\",\n  \
             \"AccessKeyId\" : \"ASIA1\",\n  \"SecretAccessKey\" : \"s/\\\"1\",\n  \"Token\" : \"t=1\",\n  \
             \"Expiration\" : \"1970-01-01T01:00:00Z\"\n}"
        );
        let extended: serde_json::Value =
            serde_json::from_str(&credentials(&session, Some("111111111111"))).unwrap();
        assert_eq!(extended["AccountId"], "111111111111");
        assert_eq!(extended["SecretAccessKey"], "s/\"1");
    }

    #[test]
    fn the_other_documents_name_account_region_and_no_real_instance() {
        let role = RoleArn::parse("arn:aws-cn:iam::222222222222:role/deploy").unwrap();
        let facts = InstanceFacts { role_name: "shop.dev", role: &role };
        let info: serde_json::Value = serde_json::from_str(&info(facts, Timestamp(0))).unwrap();
        assert_eq!(info["InstanceProfileArn"], "arn:aws-cn:iam::222222222222:instance-profile/shop.dev");
        let region = Region::parse("cn-north-1").unwrap();
        let identity: serde_json::Value = serde_json::from_str(&identity_document(facts, &region)).unwrap();
        assert_eq!(identity["region"], "cn-north-1");
        assert_eq!(identity["availabilityZone"], "cn-north-1a");
        assert_eq!(identity["instanceId"], "i-brokerd-shop-dev");
    }
}
