//! What is refused, and what is said about it.

use super::*;

fn refused(text: &str, wanted: &Edit) -> (String, Option<String>) {
    let error = edited(text, wanted).unwrap_err();
    (error.to_string(), error.hint())
}

#[test]
fn names_that_are_there_or_are_not_are_said_with_the_command_to_type() {
    let none = ProfileSettings::default;
    let default = |name| ApplicationSettings { default_profile: Some(profile(name)), ..Default::default() };
    for (wanted, message, hint) in [
        (
            Edit::AddProfile(profile("dev"), role(1)),
            "profile dev exists already",
            "brokerctl profile edit dev",
        ),
        (
            Edit::EditProfile(profile("dve"), none(), vec![]),
            "there is no profile dve (did you mean \"dev\"?)",
            "brokerctl profile add dve --role-arn ARN",
        ),
        (
            Edit::RemoveProfile(profile("production")),
            "there is no profile production",
            "brokerctl profile add production --role-arn ARN",
        ),
        (
            Edit::AddApplication(app("shop"), default("dev")),
            "application shop exists already",
            "brokerctl app edit shop",
        ),
        (
            Edit::AddApplication(app("books"), default("dve")),
            "there is no profile dve (did you mean \"dev\"?)",
            "brokerctl profile add dve --role-arn ARN",
        ),
        (
            Edit::EditApplication(app("shpo"), default("dev"), vec![]),
            "there is no application shpo (did you mean \"shop\"?)",
            "brokerctl app add shpo --default-profile PROFILE",
        ),
        (
            Edit::RemoveApplication(app("shpo")),
            "there is no application shpo (did you mean \"shop\"?)",
            "brokerctl app add shpo --default-profile PROFILE",
        ),
        (
            Edit::AddStage(app("shop"), stage("prod"), profile("dev")),
            "stage prod of shop exists already",
            "brokerctl stage edit shop prod dev",
        ),
        (
            Edit::AddStage(app("shop"), stage("qa"), profile("bnak")),
            "there is no profile bnak (did you mean \"bank\"?)",
            "brokerctl profile add bnak --role-arn ARN",
        ),
        (
            Edit::EditStage(app("shop"), stage("prdo"), profile("dev")),
            "there is no stage prdo of shop (did you mean \"prod\"?)",
            "brokerctl stage add shop prdo PROFILE",
        ),
        (
            Edit::RemoveStage(app("shop"), stage("qa")),
            "there is no stage qa of shop",
            "brokerctl stage add shop qa PROFILE",
        ),
    ] {
        assert_eq!(refused(COMMENTED, &wanted), (message.to_owned(), Some(hint.to_owned())), "{wanted:?}");
    }
}

#[test]
fn a_profile_in_use_is_not_removed_and_every_use_is_named() {
    let text = "[profiles.dev]\n[applications.a]\ndefault_profile = \"dev\"\n\
                [applications.b.stages]\nqa = \"dev\"\nprod = \"dev\"\n";
    assert_eq!(
        refused(text, &Edit::RemoveProfile(profile("dev"))).0,
        "profile dev is in use:\n  \
         the default profile of a: brokerctl app edit a --default-profile OTHER, or --unset default_profile\n  \
         stage prod of b: brokerctl stage edit b prod OTHER, or brokerctl stage remove b prod\n  \
         stage qa of b: brokerctl stage edit b qa OTHER, or brokerctl stage remove b qa"
    );
}

#[test]
fn keys_that_are_not_there_are_not_taken_out() {
    let profile =
        |key: &str| Edit::EditProfile(profile("dev"), ProfileSettings::default(), vec![key.to_owned()]);
    let application =
        |key: &str| Edit::EditApplication(app("shop"), ApplicationSettings::default(), vec![key.to_owned()]);
    for (wanted, message) in [
        (profile("external_id"), "profile dev has no access_role.external_id"),
        (profile("external-id"), "profile dev has no access_role.external_id"),
        (profile("session_tags.team"), "profile dev has no access_role.session_tags.team"),
        (profile("durtion"), "durtion is no key of profile dev (did you mean \"duration\"?)"),
        (profile("x.y"), "x.y is no key of profile dev"),
        (profile(""), " is no key of profile dev"),
        (application("stages.qa"), "application shop has no stages.qa"),
        (application("stage"), "stage is no key of application shop (did you mean \"stages\"?)"),
    ] {
        assert_eq!(refused(COMMENTED, &wanted).0, message);
    }
}

#[test]
fn a_file_with_faults_is_not_edited() {
    let (message, hint) = refused("[profiles.dev\n", &Edit::RemoveProfile(profile("dev")));
    assert!(
        message.starts_with("the catalog has faults, so it is not edited:\ncatalog.toml:1:14: "),
        "{message}"
    );
    assert_eq!(hint.as_deref(), Some("mend these in the file first: brokerctl paths"));
}

#[test]
fn a_result_with_faults_is_shown_with_its_places_and_without_its_values() {
    let marked =
        |policy: &str| ProfileSettings { session_policy: Some(policy.to_owned()), ..Default::default() };
    let last = "[profiles.dev]\n[applications.a.stages]\nprod = \"dev\"\n";
    let long = format!("{{\"marked\":\"{}\"}}", "x".repeat(2048));
    for (text, wanted, expected) in [
        (
            COMMENTED,
            Edit::EditProfile(profile("dev"), marked("marked"), vec![]),
            "catalog.toml:11:18: `session_policy`: the policy is not JSON: see line 1, column 1 of its text",
        ),
        (
            COMMENTED,
            Edit::EditProfile(profile("dev"), marked(&long), vec![]),
            "catalog.toml:11:18: `session_policy`: the policy has 2061 characters",
        ),
        (
            COMMENTED,
            Edit::EditProfile(
                profile("dev"),
                ProfileSettings { duration: Some("13h".to_owned()), ..Default::default() },
                vec![],
            ),
            "catalog.toml:10:12: `duration`: a session lasts at least 1h and at most 12h",
        ),
        (
            COMMENTED,
            Edit::EditProfile(profile("bank"), ProfileSettings::default(), vec!["role_arn".to_owned()]),
            "missing key `role_arn`",
        ),
        (
            last,
            Edit::RemoveStage(app("a"), stage("prod")),
            "catalog.toml:2:15: application `a` has neither default_profile nor stages",
        ),
    ] {
        let (message, _) = refused(text, &wanted);
        assert!(message.starts_with("this would make a faulty catalog, so nothing is written"), "{message}");
        assert!(message.contains(expected) && !message.contains("marked"), "{message}");
    }
}
