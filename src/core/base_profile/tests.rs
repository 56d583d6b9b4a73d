use std::collections::BTreeMap;

use super::*;

/// Sections as lines of `[name]` and `key = value`.
#[derive(Default)]
struct File(BTreeMap<String, BTreeMap<String, String>>);

impl File {
    fn new(text: &str) -> Self {
        let mut file = Self::default();
        let mut section = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once('=') {
                None => section = line.trim_matches(['[', ']']).to_owned(),
                Some((key, value)) => {
                    let keys = file.0.entry(section.clone()).or_default();
                    keys.insert(key.trim().to_owned(), value.trim().to_owned());
                }
            }
        }
        file
    }
}

impl Sections for File {
    fn has_profile(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    fn profile(&self, name: &str, key: &str) -> Option<&str> {
        self.0.get(name)?.get(key).map(String::as_str)
    }
    fn has_sso_session(&self, name: &str) -> bool {
        self.0.contains_key(&format!("sso-session {name}"))
    }
    fn sso_session(&self, name: &str, key: &str) -> Option<&str> {
        self.0.get(&format!("sso-session {name}"))?.get(key).map(String::as_str)
    }
}

const KEYS: &str = "aws_access_key_id = AKIA\naws_secret_access_key = marked\n";

fn of(text: &str) -> String {
    match read(&File::new(text), "p") {
        Err(error) => error.to_string(),
        Ok(base) => {
            let steps: Vec<_> = base.steps.iter().map(|step| step.role_arn.clone()).collect();
            format!("{:?} {}", base.root, steps.join(" then ")).trim().to_owned()
        }
    }
}

#[test]
fn every_kind_of_profile_is_read_and_each_fault_named() {
    let arn = "arn:aws:iam::111111111111:role";
    for (text, expected) in [
        (format!("[p]\n{KEYS}"), "Keys(redacted)".to_owned()),
        ("[p]\ncredential_process = x --secret marked".into(), "Process(redacted)".into()),
        ("[p]\nlogin_session = arn:aws:iam::1:user/a".into(), "Login".into()),
        (format!("[p]\nrole_arn = {arn}/a\nweb_identity_token_file = /t"), "WebIdentity".into()),
        (
            "[p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_start_url = u\nsso_region = eu-west-1".into(),
            "Sso".into(),
        ),
        (
            "[p]\nsso_start_url = u\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r".into(),
            "Sso".into(),
        ),
        (
            format!("[p]\nrole_arn = {arn}/b\nsource_profile = q\n[q]\nrole_arn = {arn}/a\nsource_profile = r\n[r]\n{KEYS}"),
            format!("Keys(redacted) {arn}/a then {arn}/b"),
        ),
        // Its own keys sign; and keys win over the role of a profile that another one names.
        (format!("[p]\nrole_arn = {arn}/a\nsource_profile = p\n{KEYS}"), format!("Keys(redacted) {arn}/a")),
        (
            format!("[p]\nrole_arn = {arn}/b\nsource_profile = q\n[q]\nrole_arn = {arn}/a\nsource_profile = q\n{KEYS}"),
            format!("Keys(redacted) {arn}/b"),
        ),
        (format!("[p]\nrole_arn = {arn}/a\ncredential_source = Environment"), format!("Environment {arn}/a")),
        (
            format!("[p]\nrole_arn = {arn}/a\ncredential_source = Ec2InstanceMetadata"),
            "credential_source = Ec2InstanceMetadata of profile p is left out: it is a metadata or container \
             endpoint, and brokerd would ask itself"
                .into(),
        ),
        (
            format!("[p]\nrole_arn = {arn}/b\nsource_profile = q\n[q]\nrole_arn = {arn}/a\ncredential_source = EcsContainer"),
            "credential_source = EcsContainer of profile q is left out: it is a metadata or container endpoint, and \
             brokerd would ask itself"
                .into(),
        ),
        (
            format!("[p]\nrole_arn = {arn}/a\ncredential_source = Other"),
            "credential_source of profile p is none of Environment, Ec2InstanceMetadata and EcsContainer".into(),
        ),
        (format!("[p]\nrole_arn = {arn}/a"), "profile p has a role_arn and neither source_profile nor credential_source".into()),
        (
            format!("[p]\nrole_arn = {arn}/a\ncredential_source = Environment\nsource_profile = q"),
            "profile p has both source_profile and credential_source".into(),
        ),
        (
            format!("[p]\nrole_arn = {arn}/a\nsource_profile = q\n[q]\nrole_arn = {arn}/b\nsource_profile = p"),
            "the source_profile of p leads in a circle".into(),
        ),
        (
            format!("[p]\nrole_arn = {arn}/a\nsource_profile = q"),
            "there is no profile q, which source_profile of p names".into(),
        ),
        ("[p]\nmfa_serial = x\naws_access_key_id = A\naws_secret_access_key = marked".into(), "mfa_serial of profile p is no MFA device".into()),
        ("[q]\na = b".into(), "there is no profile p".into()),
        ("[p]\nregion = eu-west-1".into(), "profile p has nothing that gives credentials".into()),
        ("[p]\naws_access_key_id = AKIA".into(), "profile p has no aws_secret_access_key".into()),
        (
            "[p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r".into(),
            "there is no [sso-session s], which profile p names".into(),
        ),
        (
            "[p]\nsso_session = s\nsso_account_id = 1\n[sso-session s]\nsso_start_url = u\nsso_region = eu-west-1".into(),
            "profile p has no sso_role_name".into(),
        ),
        (
            "[p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_start_url = u\nsso_region = x".into(),
            "sso_region of profile [sso-session s] is no AWS region".into(),
        ),
    ] {
        let found = of(&text);
        assert_eq!(found, expected, "{text}");
        assert!(!found.contains("marked"));
    }
}

#[test]
fn a_step_has_what_its_profile_says_of_it() {
    let text = format!(
        "[p]\nrole_arn = a\nsource_profile = q\nexternal_id = id\nrole_session_name = n\n\
         mfa_serial = arn:aws:iam::111111111111:mfa/ann\n[q]\nmfa_serial = GAHT12345678\n{KEYS}"
    );
    let base = read(&File::new(&text), "p").unwrap();
    assert_eq!(base.mfa_serial.unwrap().as_str(), "GAHT12345678");
    let [step] = base.steps.as_slice() else { panic!("one step") };
    assert_eq!((step.external_id.as_deref(), step.session_name.as_deref()), (Some("id"), Some("n")));
    assert_eq!(step.mfa_serial.as_ref().unwrap().as_str(), "arn:aws:iam::111111111111:mfa/ann");
}

#[test]
fn a_session_has_its_scopes() {
    let file = File::new(
        "[sso-session s]\nsso_start_url = u\nsso_region = eu-west-1\nsso_registration_scopes = a, b,",
    );
    assert_eq!(sso_session(&file, "s").unwrap().scopes, ["a", "b"]);
    assert_eq!(sso_session(&file, "t").unwrap_err().to_string(), "there is no profile [sso-session t]");
}
