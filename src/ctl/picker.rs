//! A list to pick a stage from, by typing some letters of what is in its line.

use std::io::{ErrorKind, IsTerminal};

use dialoguer::FuzzySelect;
use dialoguer::theme::ColorfulTheme;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, Kind};
use super::terminal::Keys;
use crate::core::name::Stage;
use crate::core::protocol::{StageChoice, StageChoices};

/// Lets the person pick; where there is no terminal to ask at, the failure names the stages.
pub(super) fn pick(choices: &StageChoices) -> Result<Stage, Failure> {
    let (app, stages) = (&choices.app, &choices.stages);
    if stages.is_empty() {
        return Err(Failure::refused(format!("{app} has no stages to pick from"))
            .with_hint(format!("brokerctl stage add {app} STAGE PROFILE")));
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let names: Vec<&str> = stages.iter().map(|choice| choice.stage.as_str()).collect();
        return Err(Failure {
            kind: Kind::Usage,
            message: format!("which stage? {app} has {}", names.join(", ")),
            hint: Some("brokerctl use STAGE".to_owned()),
        });
    }
    // The list asks for single keys; what is typed between two of them must neither be shown nor be a signal.
    let _restored = Keys::take()?;
    // The list answers Ctrl-C with the signal, which would end this program with the cursor hidden. Where somebody
    // listens for that, the list only fails.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let _interrupts = signal(SignalKind::interrupt())?;
    let picked = FuzzySelect::with_theme(&ColorfulTheme::default())
        .with_prompt(format!("Stage of {app} (type to search, Esc to leave it as it is)"))
        .items(lines(stages))
        .default(0)
        .report(false)
        .interact_opt();
    match picked {
        Ok(Some(position)) => {
            stages.get(position).map(|choice| choice.stage.clone()).ok_or_else(nothing_picked)
        }
        Ok(None) => Err(nothing_picked()),
        Err(dialoguer::Error::IO(error)) if error.kind() == ErrorKind::Interrupted => Err(nothing_picked()),
        Err(dialoguer::Error::IO(error)) => Err(error.into()),
    }
}

fn nothing_picked() -> Failure {
    Failure::refused("no stage picked, nothing changed")
}

/// A line for each stage, its columns aligned.
fn lines(stages: &[StageChoice]) -> Vec<String> {
    let dash = || "-".to_owned();
    let rows = stages.iter().map(|choice| {
        let profile = choice.profile.as_ref().map_or_else(dash, ToString::to_string);
        [choice.stage.to_string(), profile, choice.account.clone().unwrap_or_else(dash)]
    });
    let rows: Vec<[String; 3]> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 3] = std::array::from_fn(width);
    let line = |(row, choice): (&[String; 3], &StageChoice)| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let current = choice.current.then(|| "(current)".to_owned());
        let refused = choice.refusal.as_ref().map(|why| format!("refused: {why}"));
        cells.chain(current).chain(refused).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().zip(stages).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decision::Matched;
    use crate::core::name::{App, ProfileName};

    fn choice(stage: &str, profile: &str, account: Option<&str>) -> StageChoice {
        StageChoice {
            stage: Stage::parse(stage).unwrap(),
            current: false,
            matched: Some(Matched::Exact),
            profile: Some(ProfileName::parse(profile).unwrap()),
            account: account.map(str::to_owned),
            refusal: account.is_none().then(|| "profile paper has no access role".to_owned()),
        }
    }

    #[test]
    fn a_line_names_the_stage_its_profile_and_its_account() {
        let current = StageChoice { current: true, ..choice("dev", "dev", Some("111111111111")) };
        let stages =
            [current, choice("prod", "apac-banking-prod", Some("222222222222")), choice("qa", "paper", None)];
        assert_eq!(
            lines(&stages),
            [
                "dev   dev                111111111111  (current)",
                "prod  apac-banking-prod  222222222222",
                "qa    paper              -             refused: profile paper has no access role",
            ]
        );
    }

    #[test]
    fn an_application_without_stages_has_nothing_to_pick() {
        let choices = StageChoices { app: App::parse("shop").unwrap(), stages: Vec::new() };
        let failure = pick(&choices).unwrap_err();
        assert_eq!(failure.message, "shop has no stages to pick from");
        assert_eq!(failure.hint.as_deref(), Some("brokerctl stage add shop STAGE PROFILE"));
    }
}
