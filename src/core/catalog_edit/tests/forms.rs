//! Every edit in every form that a file can have.

use super::*;
use crate::core::catalog::StagePattern;
use crate::core::name::{ExternalId, PolicyArn, Region};

const NONE: &[String] = &[];

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn of_profile(name: &str, settings: ProfileSettings) -> Edit {
    Edit::EditProfile(profile(name), settings, NONE.to_vec())
}

fn unset(name: &str, key: &str) -> Edit {
    Edit::EditProfile(profile(name), ProfileSettings::default(), keys(&[key]))
}

#[test]
fn a_profile_is_added_after_the_others() {
    let settings = ProfileSettings {
        description: Some("A \"new\" one".to_owned()),
        source: Some("work".to_owned()),
        duration: Some("2h".to_owned()),
        policy_arns: vec![PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap()],
        session_tags: vec![
            ("cost centre".to_owned(), "7".to_owned()),
            ("team".to_owned(), "shop".to_owned()),
        ],
        session_policy: Some("{\n  \"Version\": \"2012-10-17\"\n}".to_owned()),
        ..role(3)
    };
    expect(
        COMMENTED,
        &Edit::AddProfile(profile("new"), settings),
        "+[profiles.new]\n+description = 'A \"new\" one'\n+[profiles.new.access_role]\n\
         +role_arn = \"arn:aws:iam::333333333333:role/deploy\"\n+source = \"work\"\n+duration = \"2h\"\n\
         +policy_arns = [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]\n\
         +session_tags = { \"cost centre\" = \"7\", team = \"shop\" }\n\
         +session_policy = \"\"\"\n+{\n+  \"Version\": \"2012-10-17\"\n+}\"\"\"\n+\n",
    );
    let after = edited(COMMENTED, &Edit::AddProfile(profile("new"), role(3))).unwrap();
    assert!(after.contains("\"keychain\"\n\n[profiles.new.access_role]\n"), "{after}");
    assert!(after.contains("role/deploy\"\n\n# ---- applications ----\n"), "{after}");
}

#[test]
fn the_first_profile_makes_the_file() {
    let added = Edit::AddProfile(profile("dev"), role(1));
    let section = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/deploy\"\n";
    for (before, between) in
        [("", ""), ("# ours\n", "\n"), ("# ours\n\n", ""), ("# no line end", "\n\n"), ("[profiles]\n", "\n")]
    {
        assert_eq!(edited(before, &added).unwrap(), format!("{before}{between}{section}"));
    }
}

#[test]
fn a_setting_is_replaced_where_it_stands() {
    let duration = ProfileSettings { duration: Some("2h".to_owned()), ..ProfileSettings::default() };
    expect(COMMENTED, &of_profile("dev", duration), "-duration = '1h'\n+duration = \"2h\"\n");
    let region =
        ProfileSettings { region: Some(Region::parse("eu-west-1").unwrap()), ..ProfileSettings::default() };
    expect(
        COMMENTED,
        &of_profile("bank", region),
        "-\taccess_role = { role_arn = \"arn:aws:iam::222222222222:role/deploy\", region=\"eu-central-1\" }\n\
         +\taccess_role = { role_arn = \"arn:aws:iam::222222222222:role/deploy\", region=\"eu-west-1\" }\n",
    );
    expect(
        COMMENTED,
        &Edit::EditStage(app("shop"), stage("prod"), profile("dev")),
        "-stages.prod = \"bank\"   # careful\n+stages.prod = \"dev\"   # careful\n",
    );
}

#[test]
fn what_is_said_already_is_left_alone() {
    let same =
        ProfileSettings { duration: Some("1h".to_owned()), source: Some("work".to_owned()), ..role(1) };
    expect(COMMENTED, &of_profile("dev", same), "");
    expect(COMMENTED, &of_profile("dev", ProfileSettings::default()), "");
}

#[test]
fn a_new_setting_looks_like_its_neighbours() {
    let external_id = |id| ProfileSettings {
        external_id: Some(ExternalId::parse(id).unwrap()),
        ..ProfileSettings::default()
    };
    let region = || ProfileSettings {
        region: Some(Region::parse("eu-west-1").unwrap()),
        ..ProfileSettings::default()
    };
    let arn = "role_arn = \"arn:aws:iam::111111111111:role/x\"";
    for (text, settings, expected) in [
        (COMMENTED.to_owned(), region(), "+region   = \"eu-west-1\"\n".to_owned()),
        (COMMENTED.to_owned(), external_id("ab"), "+external_id = \"ab\"\n".to_owned()),
        (
            format!("[profiles.dev.access_role]\n  {arn}\n  source = \"a\"\n"),
            region(),
            "+  region = \"eu-west-1\"\n".to_owned(),
        ),
        (
            format!("[profiles.dev]\naccess_role.{arn} # x\nsecrets.A = \"keychain\"\n"),
            region(),
            "+access_role.region = \"eu-west-1\"\n".to_owned(),
        ),
        (
            format!("profiles.dev.access_role.{arn}\n"),
            region(),
            "+profiles.dev.access_role.region = \"eu-west-1\"\n".to_owned(),
        ),
        (
            format!("[profiles]\ndev = {{ access_role = {{ {arn} }} }}\n"),
            region(),
            format!(
                "-dev = {{ access_role = {{ {arn} }} }}\n\
                 +dev = {{ access_role = {{ {arn}, region = \"eu-west-1\" }} }}\n"
            ),
        ),
        (
            format!("[profiles.dev]\naccess_role = {{\n  {arn}, # x\n}}\n"),
            region(),
            format!("-  {arn}, # x\n+  {arn}, region = \"eu-west-1\", # x\n"),
        ),
        (
            format!("# dev\n[profiles.dev.access_role]\n{arn}\n"),
            ProfileSettings { description: Some("d".to_owned()), ..ProfileSettings::default() },
            "+[profiles.dev]\n+description = \"d\"\n".to_owned(),
        ),
        (
            "[profiles.dev]\n[[profiles.dev.safeguards]]\npolicy = \"require-dlq\"\n".to_owned(),
            role(1),
            "+[profiles.dev.access_role]\n+role_arn = \"arn:aws:iam::111111111111:role/deploy\"\n".to_owned(),
        ),
        (
            "[profiles]\ndev = { # kept\n}\n".to_owned(),
            role(1),
            "-dev = { # kept\n\
             +dev = { access_role.role_arn = \"arn:aws:iam::111111111111:role/deploy\" # kept\n"
                .to_owned(),
        ),
        (
            "profiles = { dev = { } }\n".to_owned(),
            role(1),
            "-profiles = { dev = { } }\n\
             +profiles = { dev = { access_role.role_arn = \"arn:aws:iam::111111111111:role/deploy\" } }\n"
                .to_owned(),
        ),
    ] {
        expect(&text, &of_profile("dev", settings), &expected);
    }
}

#[test]
fn session_tags_join_those_that_are_there() {
    let arn = "role_arn = \"arn:aws:iam::111111111111:role/x\"";
    let tags = ProfileSettings {
        session_tags: vec![("team".to_owned(), "b".to_owned()), ("a.b".to_owned(), "c".to_owned())],
        ..ProfileSettings::default()
    };
    for (tail, expected) in [
        ("", "+session_tags = { team = \"b\", \"a.b\" = \"c\" }\n"),
        (
            "session_tags = { team = \"a\" }\n",
            "-session_tags = { team = \"a\" }\n+session_tags = { team = \"b\", \"a.b\" = \"c\" }\n",
        ),
        (
            "[profiles.dev.access_role.session_tags]\nteam = 'a' # x\n",
            "-team = 'a' # x\n+team = \"b\" # x\n+\"a.b\" = \"c\"\n",
        ),
    ] {
        expect(
            &format!("[profiles.dev.access_role]\n{arn}\n{tail}"),
            &of_profile("dev", tags.clone()),
            expected,
        );
    }
}

#[test]
fn a_key_is_taken_out_with_its_own_comment() {
    for (key, expected) in [
        ("duration", "-# an hour is enough\n-duration = '1h'\n"),
        ("source", "-source   = \"work\"    # of ~/.aws/config\n"),
        ("description", "-description = \"Shared development account\"\n"),
        (
            "safeguards",
            "-[[profiles.dev.safeguards]]\n-policy = \"allowed-regions\"\n-config = [ \"us-east-1\",\n\
             -           \"eu-west-1\" ]   # and no others\n-\n-[[profiles.dev.safeguards]]\n\
             -policy = \"require-dlq\"\n",
        ),
    ] {
        let lines = changed(COMMENTED, &unset("dev", key));
        let without_blank = |text: &str| text.replace("-\n", "");
        assert_eq!(without_blank(&lines), without_blank(expected), "{key}");
    }
    let arn = "role_arn = \"arn:aws:iam::111111111111:role/x\"";
    for (before, key, after) in [
        (format!("{{ {arn}, region = \"eu-west-1\" }}"), "region", format!("{{ {arn} }}")),
        (format!("{{region = \"eu-west-1\", {arn}}}"), "region", format!("{{{arn}}}")),
        (
            format!("{{ {arn}, region = \"eu-west-1\", source = \"a\" }}"),
            "access-role.region",
            format!("{{ {arn}, source = \"a\" }}"),
        ),
        (
            format!("{{\n  {arn}, # the role\n  external_id = \"ab\", # the id\n}}"),
            "external-id",
            format!("{{\n  {arn}, # the role\n  # the id\n}}"),
        ),
        (
            format!("{{ {arn}, session_tags = {{ a = \"1\", \"b.c\" = \"2\" }} }}"),
            "session_tags.b.c",
            format!("{{ {arn}, session_tags = {{ a = \"1\" }} }}"),
        ),
    ] {
        let text = |value: &str| format!("[profiles.dev]\naccess_role = {value}\n");
        let wanted = if key.contains("access-role") { "access_role.region" } else { key };
        assert_eq!(edited(&text(&before), &unset("dev", wanted)).unwrap(), text(&after), "{key}");
    }
}

#[test]
fn what_is_removed_goes_wherever_it_is_written() {
    let one = "[applications]\nshop.default_profile = \"dev\"\nbank.default_profile = \"dev\"\n\
               shop.stages.prod = \"dev\"\n[applications.shop.stages.x]\n";
    // A stage is no table: such a file has a fault.
    assert!(matches!(edited(one, &Edit::RemoveApplication(app("shop"))), Err(EditError::Faulty(_))));
    let text = "[profiles.dev]\n[applications]\n# both\nshop.default_profile = \"dev\"\n\
                bank.default_profile = \"dev\"\n# prod\nshop.stages.prod = \"dev\"\n";
    expect(
        text,
        &Edit::RemoveApplication(app("shop")),
        "-shop.default_profile = \"dev\"\n-# prod\n-shop.stages.prod = \"dev\"\n",
    );
    let inline = "profiles = { dev = {}, bank.description = \"b\", bank.short = false }\n";
    expect(
        inline,
        &Edit::RemoveProfile(profile("bank")),
        "-profiles = { dev = {}, bank.description = \"b\", bank.short = false }\n+profiles = { dev = {} }\n",
    );
    expect(
        inline,
        &Edit::RemoveProfile(profile("dev")),
        &format!("-{inline}+profiles = {{ bank.description = \"b\", bank.short = false }}\n"),
    );
    expect(
        COMMENTED,
        &Edit::RemoveStage(app("shop"), stage("prod")),
        "-stages.prod = \"bank\"   # careful\n",
    );
}

#[test]
fn a_removed_profile_leaves_no_gap_and_no_comment_of_its_own() {
    let text = "# ours\n[profiles.a]\n\n# about b\n[profiles.b]\nshort = false\n# protected = true\n\n\
                # about c\n[profiles.c]\n# about d\n[profiles.d]\n";
    for (name, expected) in [
        (
            "a",
            "# ours\n\n# about b\n[profiles.b]\nshort = false\n# protected = true\n\n# about c\n[profiles.c]\n# about d\n[profiles.d]\n",
        ),
        ("b", "# ours\n[profiles.a]\n\n# about c\n[profiles.c]\n# about d\n[profiles.d]\n"),
        (
            "c",
            "# ours\n[profiles.a]\n\n# about b\n[profiles.b]\nshort = false\n# protected = true\n\n# about d\n[profiles.d]\n",
        ),
        (
            "d",
            "# ours\n[profiles.a]\n\n# about b\n[profiles.b]\nshort = false\n# protected = true\n\n# about c\n[profiles.c]\n",
        ),
    ] {
        assert_eq!(edited(text, &Edit::RemoveProfile(profile(name))).unwrap(), expected, "{name}");
    }
}

#[test]
fn applications_and_stages_are_edited_in_their_own_form() {
    let settings = ApplicationSettings {
        default_profile: Some(profile("dev")),
        unmatched: Some(Unmatching::Patterns(
            ["pr-*", "x"].map(|text| StagePattern::parse(text).unwrap()).to_vec(),
        )),
        stages: vec![(stage("prod"), profile("bank")), (stage("qa"), profile("dev"))],
    };
    expect(
        COMMENTED,
        &Edit::AddApplication(app("books"), settings.clone()),
        "+\n+[applications.books]\n+default_profile = \"dev\"\n+unmatched = [\"pr-*\", \"x\"]\n\
         +[applications.books.stages]\n+prod = \"bank\"\n+qa = \"dev\"\n",
    );
    expect(
        COMMENTED,
        &Edit::EditApplication(app("shop"), settings, keys(&[])),
        "-unmatched = [\"pr-*\"]\n+stages.qa = \"dev\"\n+unmatched = [\"pr-*\", \"x\"]\n",
    );
    let refuse = ApplicationSettings { unmatched: Some(Unmatching::Word("refuse")), ..Default::default() };
    expect(
        COMMENTED,
        &Edit::EditApplication(app("shop"), refuse, keys(&["default-profile"])),
        "-default_profile=\"dev\"\n-unmatched = [\"pr-*\"]\n+unmatched = \"refuse\"\n",
    );
    for (text, expected) in [
        ("[applications.a.stages]\nx = \"dev\"\n", "+y = \"dev\"\n"),
        (
            "[applications.a]\ndefault_profile = \"dev\"\n\n# end\n",
            "+[applications.a.stages]\n+y = \"dev\"\n",
        ),
        (
            "[applications]\na = { default_profile = \"dev\" }\n",
            "-a = { default_profile = \"dev\" }\n+a = { default_profile = \"dev\", stages.y = \"dev\" }\n",
        ),
        (
            "[applications]\na.stages = { x = \"dev\" }\n",
            "-a.stages = { x = \"dev\" }\n+a.stages = { x = \"dev\", y = \"dev\" }\n",
        ),
        ("[applications]\na.default_profile = \"dev\"\n", "+a.stages.y = \"dev\"\n"),
    ] {
        let text = format!("[profiles.dev]\n{text}");
        expect(&text, &Edit::AddStage(app("a"), stage("y"), profile("dev")), expected);
    }
    expect(
        COMMENTED,
        &Edit::RemoveApplication(app("shop")),
        "-\n-[applications.shop]\n-default_profile=\"dev\"\n-stages.prod = \"bank\"   # careful\n-unmatched = [\"pr-*\"]\n",
    );
}
