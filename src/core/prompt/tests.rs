use super::*;
use crate::core::moment::Timestamp;
use proptest::prelude::*;

const PLAIN: Palette = Palette { marks: Marks::None, coloured: false };

fn state(flags: &[PromptFlag]) -> PromptState {
    PromptState {
        app: Some(App::parse("shop").unwrap()),
        stage: Some(Stage::parse("prod").unwrap()),
        profile: Some(ProfileName::parse("live").unwrap()),
        account: Some("222222222222".to_owned()),
        expires: Some(Timestamp(10_000 + 2_530)),
        now: Timestamp(10_000),
        flags: flags.to_vec(),
    }
}

fn shown(format: &str, state: &PromptState) -> String {
    Format::parse(format).unwrap().show(state, PLAIN)
}

#[test]
fn a_format_is_filled_in_and_what_stands_beside_a_missing_value_is_left_out() {
    let whole = state(&[PromptFlag::Protected, PromptFlag::Approval, PromptFlag::Pinned]);
    let bare = PromptState {
        stage: None,
        profile: None,
        account: None,
        expires: None,
        flags: vec![PromptFlag::NotAllowed],
        ..state(&[])
    };
    for (format, of_whole, of_bare) in [
        (DEFAULT, "shop.prod! live 42m [approval needed, pinned]", "shop [not allowed]"),
        ("{app}", "shop", "shop"),
        ("({app}/{stage})", "(shop/prod)", "(shop/)"),
        ("{app}{ (stage)}", "shop (prod)", "shop"),
        ("{{{app}}}", "{shop}", "{shop}"),
        ("{« profile »}100 %", "« live »100 %", "100 %"),
        ("{account}{ - remaining}", "222222222222 - 42m", ""),
        ("", "", ""),
        ("{ profile}{ [flags]}", "live [approval needed, pinned]", "[not allowed]"),
    ] {
        assert_eq!(
            (shown(format, &whole).as_str(), shown(format, &bare).as_str()),
            (of_whole, of_bare),
            "{format}"
        );
    }
}

#[test]
fn remaining_time_is_as_short_as_it_may_be() {
    for (seconds, expected) in
        [(43_200, "12h"), (5_459, "1h30m"), (61, "1m"), (59, "59s"), (1, "1s"), (0, "0s"), (-5, "0s")]
    {
        let state = PromptState { expires: Some(Timestamp(10_000 + seconds)), ..state(&[]) };
        assert_eq!(shown("{remaining}", &state), expected);
    }
}

#[test]
fn what_is_no_format_is_refused_with_its_column() {
    for (format, expected) in [
        ("{app", "column 1: a { without its other one; {{ and }} stand for braces themselves"),
        ("{app{stage}", "column 1: a { without its other one; {{ and }} stand for braces themselves"),
        ("app} x", "column 4: a } without its other one; {{ and }} stand for braces themselves"),
        ("a {stagee}", "column 3: there is no {stagee}; did you mean \"stage\"?"),
        (
            "{}",
            "column 1: there is no {}; there are {app} {stage} {protected} {profile} {account} {remaining} {flags}",
        ),
        ("{a\u{1b}pp}", "column 3: a control character; colours are brokerctl's, by --shell"),
        ("a\nb", "column 2: a control character; colours are brokerctl's, by --shell"),
    ] {
        assert_eq!(Format::parse(format).unwrap_err().to_string(), expected, "{format:?}");
    }
}

#[test]
fn each_shell_has_its_marks_around_colours_and_only_there() {
    let coloured = |marks| Palette { marks, coloured: true };
    let format = Format::parse("5% {app}.{stage}{protected}").unwrap();
    let state = state(&[PromptFlag::Protected]);
    assert_eq!(
        format.show(&state, coloured(Marks::None)),
        "5% shop.\u{1b}[1;97;41mprod\u{1b}[0m\u{1b}[1;97;41m!\u{1b}[0m"
    );
    assert_eq!(
        Format::parse("{stage}").unwrap().show(&state, coloured(Marks::Readline)),
        "\u{1}\u{1b}[1;97;41m\u{2}prod\u{1}\u{1b}[0m\u{2}"
    );
    assert_eq!(
        format.show(&state, coloured(Marks::Zsh)),
        "5%% shop.%{\u{1b}[1;97;41m%}prod%{\u{1b}[0m%}%{\u{1b}[1;97;41m%}!%{\u{1b}[0m%}"
    );
    assert_eq!(format.show(&state, Palette { marks: Marks::Zsh, coloured: false }), "5%% shop.prod!");
}

#[test]
fn the_stage_shows_what_it_is() {
    let colour = |flags: &[PromptFlag]| Field::Stage.colour(&state(flags));
    assert_eq!(colour(&[]), Colour::Green);
    assert_eq!(colour(&[PromptFlag::Default, PromptFlag::Pinned]), Colour::Yellow);
    assert_eq!(colour(&[PromptFlag::Default, PromptFlag::Protected]), Colour::Alarm);
    assert_eq!(colour(&[PromptFlag::Locked, PromptFlag::Default]), Colour::Red);
    assert_eq!(
        Field::Remaining.colour(&PromptState { expires: Some(Timestamp(10_299)), ..state(&[]) }),
        Colour::Yellow
    );
}

proptest! {
    /// Whatever is typed: no panic, and nothing but text reaches the shell.
    #[test]
    fn no_format_breaks_out(text in ".{0,40}", zsh: bool) {
        if let Ok(format) = Format::parse(&text) {
            let marks = if zsh { Marks::Zsh } else { Marks::Readline };
            let shown = format.show(&state(&[PromptFlag::Locked]), Palette { marks, coloured: false });
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(!zsh || shown.replace("%%", "").find('%').is_none());
        }
    }
}
