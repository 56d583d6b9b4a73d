use super::*;
use crate::core::catalog::Catalog;
use crate::core::catalog::tests::errors;
use crate::core::name::ProfileName;
use std::path::Path;

const HEAD: &str = "[profiles.p.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/deploy\"\n";

fn role(lines: &str) -> AccessRole {
    let catalog = Catalog::parse(Path::new("c.toml"), &format!("{HEAD}{lines}")).unwrap();
    catalog.profiles[&ProfileName::parse("p").unwrap()].access_role.clone().unwrap()
}

#[test]
fn only_the_role_has_to_be_written() {
    assert_eq!(role(""), AccessRole::of(RoleArn::parse("arn:aws:iam::111111111111:role/deploy").unwrap()));
}

#[test]
fn every_parameter_is_read() {
    let policy = r#"{"Statement":[]}"#;
    let role = role(&format!(
        "source = \"env\"\nduration = \"12h\"\nexternal_id = \"id:1\"\nsession_name = \
         \"ann\"\nregion = \"eu-central-1\"\n\
         session_tags = {{ team = \"web\" }}\ntransitive_tags = [\"team\"]\nsource_identity = \"ann\"\n\
         mfa_serial = \"arn:aws:iam::111111111111:mfa/ann\"\nsession_policy = '{policy}'\npolicy_arns = \
         [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]\n",
    ));
    assert_eq!((role.source, role.duration), (Source::Environment, 12 * HOUR));
    assert_eq!(role.external_id, Some(ExternalId::parse("id:1").unwrap()));
    assert_eq!(role.session_name, Some(SessionName::parse("ann").unwrap()));
    assert_eq!(role.region, Some(Region::parse("eu-central-1").unwrap()));
    assert_eq!(role.session_tags, BTreeMap::from([("team".to_owned(), "web".to_owned())]));
    assert_eq!(role.transitive_tags, ["team"]);
    assert_eq!(role.source_identity, Some(SourceIdentity::parse("ann").unwrap()));
    assert_eq!(role.mfa_serial.unwrap().as_str(), "arn:aws:iam::111111111111:mfa/ann");
    assert_eq!(role.session_policy.as_deref(), Some(policy));
    assert_eq!(role.policy_arns, [PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap()]);
}

#[test]
fn a_digest_is_the_same_for_every_version() {
    assert_eq!(role("").digest(), "jnuMJgrkV1Q10axGYp4z3LJ6d+8LmHR0EmxMKxnEYXw=");
    assert_ne!(role("").digest(), role("external_id = \"an-id\"").digest());
}

#[test]
fn a_short_profile_has_sessions_of_15_to_59_minutes() {
    let read = |duration: &str| {
        let text = format!("[profiles.p]\nshort = true\n{HEAD}{duration}");
        Catalog::parse(Path::new("c.toml"), &text).map_err(|faults| faults.to_string()).map(|catalog| {
            let profile = &catalog.profiles[&ProfileName::parse("p").unwrap()];
            assert!(profile.short);
            profile.access_role.as_ref().unwrap().duration.as_secs() / 60
        })
    };
    for (line, minutes) in [("", 15), ("duration = \"15m\"", 15), ("duration = \"59m\"", 59)] {
        assert_eq!(read(line), Ok(minutes), "{line}");
    }
    for line in ["duration = \"14m59s\"", "duration = \"1h\"", "duration = \"12h\""] {
        let fault = "c.toml:5:12: `duration`: with short = true a session lasts 15m to 59m (leave short out \
                     for a longer one)";
        assert_eq!(read(line), Err(fault.to_owned()), "{line}");
    }
}

#[test]
fn names_each_fault() {
    let long = format!("session_policy = '{{\"a\":\"{}\"}}'", "ü".repeat(2041));
    let many = format!("policy_arns = [{}]", "\"arn:aws:iam::aws:policy/A\",".repeat(11));
    for (line, expected) in [
        ("source = \"\"", "3:10: `source`: the text is empty"),
        (
            "source = \"keychain:\"",
            "3:10: `source`: \"\" is not a name for keys: letters, digits, - and _, beginning with a \
             letter or digit, at most 128",
        ),
        (
            "duration = \"59m\"",
            "3:12: `duration`: a session lasts at least 1h and at most 12h (short = true in the profile \
             allows 15m to 59m, for brokerctl credential-process only)",
        ),
        ("duration = \"14m\"", "3:12: `duration`: a session lasts at least 1h and at most 12h"),
        ("duration = \"12h1s\"", "3:12: `duration`: a session lasts at least 1h and at most 12h"),
        (
            "duration = 3600",
            "3:12: `duration`: expected a string, found an integer (write it with its unit, as in \
             \"1h\")",
        ),
        (
            "duration = \"3600\"",
            "3:12: `duration`: a duration needs a unit after each number: d, h, m or s, as in 1h30m",
        ),
        ("region = \"Frankfurt\"", "3:10: `region`: this is not an AWS region: like eu-central-1"),
        (
            "session_name = \"x\"",
            "3:16: `session_name`: this is not a session name: 2 to 64 letters, digits or any of \
             _+=,.@-",
        ),
        (
            "external_id = \"x\"",
            "3:15: `external_id`: this is not an external id: 2 to 1224 letters, digits or any of \
             _+=,.@:/-",
        ),
        (
            "policy_arns = [\"ReadOnlyAccess\", 1]",
            "3:16: `policy_arns`: this is not the ARN of an IAM policy: like \
             arn:aws:iam::aws:policy/ReadOnlyAccess\nc.toml:3:34: `policy_arns`: expected a string, \
             found an integer",
        ),
        (&many, "3:296: `policy_arns`: STS accepts at most 10 policies for a session"),
        ("mfa_serial = 1", "3:14: `mfa_serial`: expected a string, found an integer"),
        (
            "mfa_serial = \"12345\"",
            "3:14: `mfa_serial`: this is not an MFA device: like arn:aws:iam::111111111111:mfa/ann, or the \
             serial number of a hardware device",
        ),
        (
            "source_identity = \"a b\"",
            "3:19: `source_identity`: this is not a source identity: 2 to 64 letters, digits or any of \
             _+=,.@-",
        ),
        (
            "session_tags = { team = \"web\" }\ntransitive_tags = [\"taem\", \"team\", \"team\"]",
            "4:20: `transitive_tags`: session_tags has no tag of that key (did you mean \"team\"?)\n\
             c.toml:4:36: `transitive_tags`: the tag is listed twice (keep one of the two)",
        ),
        (
            "web_identity_token_file = \"token\"\nsource = \"work\"",
            "3:27: `web_identity_token_file`: expected a path from the root, or from home with ~/ (the daemon \
             has no directory that it could be below)\n\
             c.toml:4:10: `source`: a role that is assumed with web_identity_token_file takes none (keep one of \
             the two)",
        ),
        (
            "session_policy = 'marked'",
            "3:18: `session_policy`: the policy is not JSON: see line 1, column 1 of its text",
        ),
        (
            "session_policy = '[]'",
            "3:18: `session_policy`: the policy is not a JSON object: it begins with { and ends with }",
        ),
        (
            &long,
            "3:18: `session_policy`: the policy has 2049 characters and STS accepts at most 2048 \
             (shorten it, or move \
             it to a managed policy and name that in policy_arns)",
        ),
        ("rol_arn = 1", "3:1: unknown key `rol_arn` (did you mean \"role_arn\"?)"),
    ] {
        assert_eq!(errors(&format!("{HEAD}{line}\n")), format!("c.toml:{expected}"), "{line}");
    }
    assert_eq!(
        errors("[profiles.p]\n[profiles.p.access_role]\n"),
        "c.toml:2:1: missing key `role_arn` (add role_arn = \"arn:aws:iam::111111111111:role/deploy\")"
    );
    assert_eq!(
        errors("[profiles.p.access_role]\nrole_arn = \"deploy\"\n"),
        "c.toml:2:12: `role_arn`: this is not the ARN of an IAM role: like \
         arn:aws:iam::111111111111:role/deploy"
    );
}
