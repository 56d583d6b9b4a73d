//! Which role each stage gets: what the options say, and what a person says, who is offered what is likely.

use std::io::Write;

use super::Init;
use super::asking::Asking;
use super::found::Found;
use crate::core::catalog::Catalog;
use crate::core::first_run::{Choice, likely, open};
use crate::core::name::{App, ProfileName, RoleArn, Stage};
use crate::ctl::failure::{Failure, Kind};
use crate::ctl::paint;

/// So many further stages of one application are asked for.
const FURTHER: usize = 20;

pub(super) fn choose(
    init: &Init,
    asking: Asking,
    found: &Found,
    catalog: &Catalog,
) -> Result<Vec<(App, Stage, Choice)>, Failure> {
    let mut choices = named(init, found, catalog)?;
    let stages: Vec<(App, Stage)> =
        found.projects.iter().map(|project| (project.app.clone(), project.stage.clone())).collect();
    for (app, stage) in open(catalog, &stages) {
        if choices.iter().any(|(known, named, _)| *known == app && *named == stage) {
            continue;
        }
        let Some(choice) = of_stage(asking, found, catalog, &app, &stage)? else {
            writeln!(
                anstream::stdout(),
                "{} {app}.{stage} gets no role; later: brokerctl init --role {app}.{stage}=ARN",
                paint::note("left out:")
            )?;
            continue;
        };
        choices.push((app.clone(), stage, choice));
        for _ in 0..FURTHER {
            let question = format!("Another stage of {app}, or nothing");
            let Some(stage) = asking.line(&question, Stage::parse)? else { break };
            if choices.iter().any(|(known, named, _)| *known == app && *named == stage) {
                anstream::eprintln!("{app}.{stage} has a role already");
            } else if let Some(choice) = of_stage(asking, found, catalog, &app, &stage)? {
                choices.push((app.clone(), stage, choice));
            }
        }
    }
    Ok(choices)
}

/// What the options say, without what the catalog says already.
fn named(init: &Init, found: &Found, catalog: &Catalog) -> Result<Vec<(App, Stage, Choice)>, Failure> {
    let roles = init.roles.iter().map(|(app, stage, role)| {
        Ok((app.clone(), stage.clone(), Choice::Role(role.clone(), init.source.clone())))
    });
    let profiles = init.profiles.iter().map(|(app, stage, name)| {
        let known = ProfileName::parse(name).ok().filter(|name| catalog.profiles.contains_key(name));
        let offered = found.offer.candidates.iter().find(|candidate| candidate.name.as_str() == name);
        let choice = known.map(Choice::Known).or_else(|| offered.cloned().map(Box::new).map(Choice::Offered));
        let choice = choice.ok_or_else(|| Failure {
            kind: Kind::Usage,
            message: format!("there is no role named {name} in the catalog or ~/.aws/config"),
            hint: Some(format!("--role {app}.{stage}=ARN")),
        })?;
        Ok((app.clone(), stage.clone(), choice))
    });
    let all: Vec<(App, Stage, Choice)> = roles.chain(profiles).collect::<Result<_, Failure>>()?;
    for (position, (app, stage, _)) in all.iter().enumerate() {
        if all[..position].iter().any(|(known, named, _)| known == app && named == stage) {
            return Err(Failure {
                kind: Kind::Usage,
                message: format!("{app}.{stage} is named twice"),
                hint: Some("name each stage once".to_owned()),
            });
        }
    }
    // A second run with the same options has nothing to add.
    let is_new = |(app, stage, _): &(App, Stage, Choice)| {
        catalog.applications.get(app).is_none_or(|application| !application.stages.contains_key(stage))
    };
    Ok(all.into_iter().filter(is_new).collect())
}

fn of_stage(
    asking: Asking,
    found: &Found,
    catalog: &Catalog,
    app: &App,
    stage: &Stage,
) -> Result<Option<Choice>, Failure> {
    let known = catalog.profiles.keys().map(|name| Choice::Known(name.clone()));
    let offered =
        found.offer.candidates.iter().filter(|candidate| !catalog.profiles.contains_key(&candidate.name));
    let options: Vec<Choice> = known.chain(offered.cloned().map(Box::new).map(Choice::Offered)).collect();
    let names: Vec<&ProfileName> = options.iter().filter_map(name_of).collect();
    let likely = likely(app, stage, &names);
    let default = likely.and_then(|likely| names.iter().position(|name| *name == likely));
    let mut lines: Vec<String> = options.iter().map(line_of).collect();
    lines.push("another role: its ARN".to_owned());
    lines.push("none now".to_owned());
    let (another, none) = (options.len(), options.len() + 1);
    let question = format!("Which role does {} get?", paint::strong(&format!("{app}.{stage}")));
    match asking.choose(
        &question,
        &lines,
        default.unwrap_or(if options.is_empty() { another } else { none }),
    )? {
        // Nobody is there to say, and a cloned repository names its stages as it likes.
        None => Ok(None),
        Some(picked) if picked == another => role(asking, found),
        Some(picked) => Ok(options.get(picked).cloned()),
    }
}

/// A role by its ARN, and what may assume it.
fn role(asking: Asking, found: &Found) -> Result<Option<Choice>, Failure> {
    let question = "ARN of the role, like arn:aws:iam::111111111111:role/deploy";
    let Some(arn) = asking.line(question, RoleArn::parse)? else { return Ok(None) };
    let sources = &found.offer.sources;
    let mut lines: Vec<String> = sources.iter().map(|name| format!("profile {name} of ~/.aws")).collect();
    lines.push("what the AWS SDK finds by itself".to_owned());
    let picked = asking.choose("What may assume it?", &lines, 0)?;
    let source = picked.and_then(|picked| sources.get(picked)).cloned();
    Ok(Some(Choice::Role(arn, source)))
}

fn name_of(choice: &Choice) -> Option<&ProfileName> {
    match choice {
        Choice::Known(name) => Some(name),
        Choice::Offered(candidate) => Some(&candidate.name),
        Choice::Role(..) => None,
    }
}

fn line_of(choice: &Choice) -> String {
    match choice {
        Choice::Known(name) => format!("{name} of the catalog"),
        Choice::Offered(candidate) => {
            let arn = candidate.settings.role_arn.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} of ~/.aws/config: {arn}", candidate.name)
        }
        Choice::Role(arn, _) => arn.to_string(),
    }
}
