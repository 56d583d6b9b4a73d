//! Any edits one after another.

use proptest::prelude::*;

use super::*;

/// The same agreement in the forms that a file can have, each with a comment that no edit is about.
const FORMS: [&str; 4] = [
    COMMENTED,
    "# kept 1\n\n[profiles]\ndev.short = false # kept 2\nbank = { short = false }\n\n# kept 3\n\n\
     [applications]\nshop = { default_profile = \"dev\", stages = { prod = \"bank\" } }\n\n# kept 4\n",
    "# kept 1\n\nprofiles.dev.short = false\nprofiles.bank.short = false\n\n# kept 2\n\n\
     applications.shop.stages.prod = \"bank\"\napplications.shop.default_profile = \"dev\"\n",
    "\u{feff}# kept 1\r\n\r\n[profiles.dev]\r\n[profiles.bank]\r\n\r\n# kept 2\r\n\r\n[applications.shop.stages]\r\n\
     prod = \"bank\"\r\n[applications.shop]\r\ndefault_profile = \"dev\"\r\n",
];

fn any_profile() -> impl Strategy<Value = ProfileName> {
    prop::sample::select(vec!["dev", "bank", "new", "2nd"]).prop_map(profile)
}

fn any_app() -> impl Strategy<Value = App> {
    prop::sample::select(vec!["shop", "books", "x"]).prop_map(app)
}

fn any_stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(vec!["prod", "qa", "1"]).prop_map(stage)
}

fn any_settings() -> impl Strategy<Value = ProfileSettings> {
    let description = prop::option::of("[ -~é\n]{0,20}");
    let tags = prop::collection::vec(("[a-z .]{1,4}", "[a-z ]{0,4}"), 0..3);
    (description, 1..9_u8, prop::option::of(1..14_u8), tags).prop_map(
        |(description, account, hours, tags)| ProfileSettings {
            description,
            duration: hours.map(|hours| format!("{hours}h")),
            session_tags: tags,
            ..role(account)
        },
    )
}

fn any_application() -> impl Strategy<Value = ApplicationSettings> {
    let stages = prop::collection::vec((any_stage(), any_profile()), 0..3);
    let word = prop::option::of(prop::sample::select(vec!["default", "refuse"]));
    (prop::option::of(any_profile()), word, stages).prop_map(|(default_profile, word, stages)| {
        ApplicationSettings { default_profile, unmatched: word.map(Unmatching::Word), stages }
    })
}

fn any_keys(keys: Vec<&'static str>) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(keys).prop_map(str::to_owned), 0..2)
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let of_profile = any_keys(vec!["description", "duration", "session_tags", "access_role", "short"]);
    let of_application = any_keys(vec!["default_profile", "unmatched", "stages", "stages.prod"]);
    prop_oneof![
        (any_profile(), any_settings()).prop_map(|(name, settings)| Edit::AddProfile(name, settings)),
        (any_profile(), any_settings(), of_profile)
            .prop_map(|(name, settings, keys)| Edit::EditProfile(name, settings, keys)),
        any_profile().prop_map(Edit::RemoveProfile),
        (any_app(), any_application()).prop_map(|(app, settings)| Edit::AddApplication(app, settings)),
        (any_app(), any_application(), of_application)
            .prop_map(|(app, settings, keys)| Edit::EditApplication(app, settings, keys)),
        any_app().prop_map(Edit::RemoveApplication),
        (any_app(), any_stage(), any_profile())
            .prop_map(|(app, stage, name)| Edit::AddStage(app, stage, name)),
        (any_app(), any_stage(), any_profile())
            .prop_map(|(app, stage, name)| Edit::EditStage(app, stage, name)),
        (any_app(), any_stage()).prop_map(|(app, stage)| Edit::RemoveStage(app, stage)),
    ]
}

fn is_kept(line: &&str) -> bool {
    line.starts_with("# kept") || line.starts_with("# The catalog") || line.starts_with("# Ask in")
}

proptest! {
    /// A valid catalog stays valid, nothing but what an edit is about changes, and no edit has to give up.
    #[test]
    fn a_valid_catalog_stays_valid(
        form in prop::sample::select(FORMS.to_vec()),
        edits in prop::collection::vec(any_edit(), 1..12),
    ) {
        let mut text = form.to_owned();
        let file = Path::new("catalog.toml");
        for wanted in &edits {
            match edited(&text, wanted) {
                Ok(after) => {
                    let (before, now) = (Catalog::parse(file, &text), Catalog::parse(file, &after));
                    prop_assert!(now.is_ok());
                    prop_assert_eq!(without(before.unwrap(), wanted), without(now.unwrap(), wanted));
                    text = after;
                }
                Err(error) => prop_assert!(
                    !matches!(error, EditError::Unclear | EditError::Faulty(_)), "{:?}\n{}\n{}", wanted, error, text
                ),
            }
        }
        let kept = |text: &str| text.split_inclusive('\n').filter(is_kept).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(kept(&text), kept(form), "{}", text);
        prop_assert_eq!(text.starts_with('\u{feff}'), form.starts_with('\u{feff}'));
        if form.contains('\r') {
            prop_assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        }
    }

    /// What was added and removed again has left no byte behind.
    #[test]
    fn what_is_added_and_removed_leaves_nothing(
        form in prop::sample::select(vec![FORMS[0], FORMS[3], ""]),
        settings in any_settings(),
    ) {
        if let Ok(after) = edited(form, &Edit::AddProfile(profile("new"), settings)) {
            prop_assert_eq!(edited(&after, &Edit::RemoveProfile(profile("new"))).unwrap(), form);
        }
    }
}
