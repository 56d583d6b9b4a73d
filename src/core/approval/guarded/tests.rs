use std::path::Path;

use super::*;

/// Two profiles in one account each; `prod` is protected. What is in braces is replaced by each test.
const BEFORE: &str = r#"
[profiles.dev]
access_role = { role_arn = "arn:aws:iam::111111111111:role/dev" }
[profiles.prod]
protected = true
access_role = { role_arn = "arn:aws:iam::222222222222:role/prod" }
safeguards = [{ policy = "allowed-regions", config = ["eu-west-1"] }]
[applications.shop]
default_profile = "dev"
stages = { prod = "prod" }
[applications.bank]
default_profile = "prod"
stages = { dev = "dev" }
"#;

#[test]
fn a_deployment_without_the_plugin_is_looser() {
    let with = edited(&[("protected = true", "protected = true\ndeploy = \"plugin\"")]);
    let guarded = kept(&[&with, &catalog(BEFORE)]);
    let said: Vec<String> =
        guarded.loosenings(&catalog(BEFORE)).into_iter().flat_map(|loosening| loosening.what).collect();
    assert_eq!(said, ["profile prod: it may be deployed without the plugin"]);
    assert!(kept(&[&catalog(BEFORE), &with]).loosenings(&with).is_empty());
}

fn catalog(text: &str) -> Catalog {
    Catalog::parse(Path::new("c.toml"), text).unwrap()
}

fn edited(changes: &[(&str, &str)]) -> Catalog {
    let mut text = BEFORE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    catalog(&text)
}

fn nobody(_: &ProfileName) -> bool {
    false
}

fn name(text: &str) -> ProfileName {
    ProfileName::parse(text).unwrap()
}

/// What is kept of these catalogs, one after the other, with nobody's approval.
fn kept(catalogs: &[&Catalog]) -> Guarded {
    let mut guarded = Guarded::default();
    for catalog in catalogs {
        guarded.settle(catalog, &nobody);
    }
    guarded
}

/// The sentences about an edit of [`BEFORE`].
fn sentences(after: &Catalog) -> Vec<String> {
    let guarded = kept(&[&catalog(BEFORE), after]);
    guarded.loosenings(after).into_iter().flat_map(|loosening| loosening.what).collect()
}

/// Whether a stage may have what a catalog gives it.
fn may_have(guarded: &Guarded, catalog: &Catalog, app: &str, stage: &str) -> bool {
    let (app, stage) = (App::parse(app).unwrap(), Stage::parse(stage).unwrap());
    let (profile, _) = decision::profile(catalog, &app, &stage).unwrap();
    guarded.loosened(&app, &stage, &profile).is_none()
}

#[test]
fn each_way_to_loosen_is_said() {
    const PROTECTED: &str = "protected = true\n";
    for (changes, expected) in [
        (vec![(PROTECTED, "")], vec!["profile prod: it is not protected any more"]),
        (vec![(PROTECTED, "protected = false\n")], vec!["profile prod: it is not protected any more"]),
        (
            vec![(PROTECTED, "protected = { approve = \"desktop\" }\n")],
            vec!["profile prod: it is approved on the desktop, no longer at a terminal"],
        ),
        (
            vec![(PROTECTED, "protected = { for = \"8h\" }\n")],
            vec!["profile prod: an approval holds for 8h, no longer 1h"],
        ),
        (
            vec![(", config = [\"eu-west-1\"]", ", config = [\"eu-west-1\"], level = \"warning\"")],
            vec!["profile prod: safeguard allowed-regions is a warning, no error any more"],
        ),
        (
            vec![("[\"eu-west-1\"]", "[\"eu-west-1\", \"us-east-1\"]")],
            vec!["profile prod: safeguard allowed-regions has another config"],
        ),
        (
            vec![("safeguards = [{ policy = \"allowed-regions\", config = [\"eu-west-1\"] }]\n", "")],
            vec!["profile prod: safeguard allowed-regions is gone"],
        ),
        (
            vec![("prod = \"prod\"", "prod = \"dev\"")],
            vec![
                "stage prod of shop has profile dev, not prod: it is not protected any more",
                "stage prod of shop has profile dev, not prod: safeguard allowed-regions is gone",
            ],
        ),
        // The stage is not listed any more: it falls back to the default.
        (
            vec![("stages = { prod = \"prod\" }\n", "")],
            vec![
                "stage prod of shop has profile dev, not prod: it is not protected any more",
                "stage prod of shop has profile dev, not prod: safeguard allowed-regions is gone",
            ],
        ),
        (
            vec![("default_profile = \"prod\"", "default_profile = \"dev\"")],
            vec![
                "the default of bank has profile dev, not prod: it is not protected any more",
                "the default of bank has profile dev, not prod: safeguard allowed-regions is gone",
            ],
        ),
        // A stage of its own takes it from a protected default.
        (
            vec![("stages = { dev = \"dev\" }", "stages = { dev = \"dev\", live = \"dev\" }")],
            vec![
                "stage live of bank has profile dev, not prod: it is not protected any more",
                "stage live of bank has profile dev, not prod: safeguard allowed-regions is gone",
            ],
        ),
        (
            vec![("111111111111:role/dev", "222222222222:role/prod")],
            vec!["profile dev assumes the role of prod, and it is not protected any more"],
        ),
    ] {
        assert_eq!(sentences(&edited(&changes)), expected, "{changes:?}");
    }
}

#[test]
fn what_makes_it_stricter_or_other_counts_at_once() {
    for changes in [
        vec![("protected = true", "protected = { approve = \"mfa\" }")],
        vec![("protected = true", "protected = { for = \"5m\" }")],
        vec![("config = [\"eu-west-1\"] }", "config = [\"eu-west-1\"] }, { policy = \"require-dlq\" }")],
        vec![("default_profile = \"dev\"", "default_profile = \"prod\"")],
        vec![("stages = { dev = \"dev\" }\n", "")],
        vec![("role/prod", "role/other")],
        vec![("role/dev", "role/other")],
        // Another name with the same protection.
        vec![("[profiles.prod]", "[profiles.live]"), ("\"prod\"", "\"live\"")],
        // One that never was protected.
        vec![("stages = { prod", "stages = { qa = \"dev\", prod")],
    ] {
        assert_eq!(sentences(&edited(&changes)), Vec::<String>::new(), "{changes:?}");
    }
}

#[test]
fn only_what_the_edit_is_about_is_refused() {
    let after = edited(&[("prod = \"prod\"", "prod = \"dev\"")]);
    let guarded = kept(&[&catalog(BEFORE), &after]);
    assert!(!may_have(&guarded, &after, "shop", "prod"));
    for (app, stage) in [("shop", "dev"), ("shop", "qa"), ("bank", "dev"), ("bank", "live")] {
        assert!(may_have(&guarded, &after, app, stage), "{app}.{stage}");
    }
    let after = edited(&[("protected = true\n", "")]);
    let guarded = kept(&[&catalog(BEFORE), &after]);
    for (app, stage, expected) in
        [("shop", "prod", false), ("bank", "live", false), ("shop", "dev", true), ("bank", "dev", true)]
    {
        assert_eq!(may_have(&guarded, &after, app, stage), expected, "{app}.{stage}");
    }
}

#[test]
fn an_approved_edit_is_the_new_form() {
    let before = catalog(BEFORE);
    let after = edited(&[("protected = true\n", ""), ("prod = \"prod\"", "prod = \"dev\"")]);
    let mut guarded = kept(&[&before, &after]);
    let loosening = guarded.loosenings(&after).remove(0);
    assert_eq!(
        (loosening.profile.as_str(), loosening.method(), loosening.account.as_str()),
        ("prod", Approve::Terminal, "222222222222")
    );
    guarded.settle(&after, &|profile| profile.as_str() == "dev");
    assert_eq!(guarded.loosenings(&after), [loosening], "another profile's approval does nothing");
    guarded.settle(&after, &|profile| *profile == name("prod"));
    assert_eq!(guarded.loosenings(&after), []);
    assert!(may_have(&guarded, &after, "shop", "prod"));
    // What is protected anew is kept anew.
    guarded.settle(&before, &nobody);
    guarded.settle(&after, &nobody);
    assert_eq!(guarded.loosenings(&after).len(), 1);
}

#[test]
fn the_role_of_what_was_protected_stays_known_until_the_edit_is_approved() {
    let loose = edited(&[("protected = true", "protected = false")]);
    let role = |text: &str| RoleArn::parse(text).unwrap();
    let (prod, dev) =
        (role("arn:aws:iam::222222222222:role/prod"), role("arn:aws:iam::111111111111:role/dev"));
    let mut guarded = kept(&[&catalog(BEFORE), &loose]);
    assert!(guarded.has_role(&prod) && !guarded.has_role(&dev));
    guarded.settle(&loose, &|_| true);
    assert!(!guarded.has_role(&prod));
}

#[test]
fn an_edit_that_is_undone_leaves_nothing() {
    let (before, after) = (catalog(BEFORE), edited(&[("protected = true\n", "")]));
    let guarded = kept(&[&before, &after, &before]);
    assert_eq!((guarded.loosenings(&before), &guarded), (vec![], &kept(&[&before])));
}

#[test]
fn no_detour_loosens() {
    let before = catalog(BEFORE);
    let without = |from: &str, to: &str| edited(&[(from, to)]);
    let gone = catalog(&BEFORE.replace(
        &BEFORE[BEFORE.find("[profiles.prod]").unwrap()..],
        "[applications.shop]\ndefault_profile = \"dev\"\nunmatched = \"refuse\"\n",
    ));
    let open = without("protected = true\n", "");
    let moved = without("prod = \"prod\"", "prod = \"dev\"");
    let no_role = without("access_role = { role_arn = \"arn:aws:iam::222222222222:role/prod\" }\n", "");
    let another = without("role/prod", "role/other");
    let borrowed = without("111111111111:role/dev", "222222222222:role/prod");
    for (what, detour, last, stage) in [
        ("the profile leaves and comes back", &gone, &open, "prod"),
        ("the stage leaves and comes back", &gone, &moved, "prod"),
        ("the file is empty for a while", &Catalog::default(), &open, "prod"),
        ("its role leaves and comes back", &no_role, &open, "prod"),
        ("its role is another for a while", &another, &borrowed, "dev"),
    ] {
        let guarded = kept(&[&before, detour, last]);
        assert!(!may_have(&guarded, last, "shop", stage), "{what}");
        assert!(!guarded.loosenings(last).is_empty(), "{what}");
    }
}

#[test]
fn two_profiles_of_one_role_that_were_there_together_are_as_they_are() {
    let both = edited(&[("111111111111:role/dev", "222222222222:role/prod")]);
    let guarded = kept(&[&both, &both]);
    assert_eq!(guarded.loosenings(&both), []);
}

#[test]
fn where_nothing_is_protected_nothing_is_kept() {
    let open = edited(&[("protected = true\n", "")]);
    assert_eq!(kept(&[&open]), Guarded::default());
}

#[test]
fn it_survives_its_text_and_holds_no_config() {
    let guarded = kept(&[&catalog(BEFORE)]);
    let text = guarded.to_text();
    assert_eq!(Guarded::parse(&text), Ok(guarded));
    assert!(!text.contains("eu-west-1"), "{text}");
    for text in ["", "{}", "{\"form\":1,\"profiles\":{\"a\":{\"x\":1}},\"applications\":{}}"] {
        assert!(Guarded::parse(text).is_err(), "{text}");
    }
}

#[test]
fn what_aws_asks_for_by_itself_is_loosened_at_a_terminal() {
    let by_mfa = edited(&[("protected = true", "protected = { approve = \"mfa\" }")]);
    let after = catalog(BEFORE);
    let guarded = kept(&[&by_mfa, &after]);
    let loosening = &guarded.loosenings(&after)[0];
    assert_eq!((loosening.approve, loosening.method()), (Approve::Mfa, Approve::Terminal));
}
