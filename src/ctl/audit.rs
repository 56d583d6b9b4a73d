//! `brokerctl audit`: reads the audit log, also while brokerd is not running.

use std::io::Write;
use std::time::Duration;

use clap::Args;

use super::failure::Failure;
use super::paint;
use crate::core::audit::{AuditedParent, Event, Gap, Record};
use crate::core::duration::parse_duration;
use crate::core::moment::Timestamp;
use crate::core::name::App;
use crate::edges::audit_files::AuditFiles;
use crate::edges::clock;
use crate::edges::directories::Directories;

/// `brokerctl audit`.
#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Go on with what is written from now on
    #[arg(long, short)]
    follow: bool,
    /// Print the lines as they are: JSON
    #[arg(long)]
    json: bool,
    /// Only of so long ago or less (like 2h)
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Only of this application
    #[arg(long, value_name = "NAME", value_parser = App::parse)]
    app: Option<App>,
    /// Only refusals
    #[arg(long)]
    refused: bool,
}

/// A line of the log. What a later version wrote may be neither.
enum Line {
    Record(Box<Record>),
    Gap(Gap),
    Other,
}

impl Line {
    fn parse(text: &str) -> Self {
        if let Ok(gap) = serde_json::from_str::<Gap>(text)
            && gap.event == Event::Lost
        {
            return Self::Gap(gap);
        }
        serde_json::from_str(text).map_or(Self::Other, |record| Self::Record(Box::new(record)))
    }
}

impl Audit {
    pub(super) fn run(self) -> Result<(), Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        let path = directories.audit_file();
        let mut files = AuditFiles::at(&path).map_err(|error| unreadable(&path, &error))?;
        let from = self.since.map(|length| clock::now().before(length));
        // Watched before it is read, so that no change falls between the two.
        let following = if self.follow { Some(files.follow()?) } else { None };
        let mut out = anstream::stdout().lock();
        let mut is_first = true;
        loop {
            while let Some(text) = files.next_line().map_err(|error| unreadable(&path, &error))? {
                let line = Line::parse(&text);
                if !self.wants(&line, from) {
                    continue;
                }
                if self.json {
                    writeln!(out, "{text}")?;
                    continue;
                }
                if std::mem::take(&mut is_first) {
                    let heading =
                        row("TIME", "EVENT", "APP.STAGE", "PROFILE", "CREDENTIALS, OR WHY NOT; TO WHOM");
                    writeln!(out, "{}", paint::faint(&heading))?;
                }
                print(&mut out, &line, &text)?;
            }
            out.flush()?;
            match &following {
                Some(following) if following.wait() => {}
                _ => return Ok(()),
            }
        }
    }

    fn wants(&self, line: &Line, from: Option<Timestamp>) -> bool {
        let is_recent = |time: Timestamp| from.is_none_or(|from| time >= from);
        match line {
            Line::Record(record) => {
                is_recent(record.time)
                    && self.app.as_ref().is_none_or(|app| record.app.as_ref() == Some(app))
                    && (!self.refused || record.event == Event::Refusal)
            }
            // Nobody knows what the lost lines were about.
            Line::Gap(gap) => is_recent(gap.time),
            Line::Other => self.app.is_none() && !self.refused && from.is_none(),
        }
    }
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::refused(format!("cannot read {}: {error}", path.display()))
}

/// Lines come one after the other, so that columns have the width that nearly all of them need.
fn row(time: &str, event: &str, stage: &str, profile: &str, rest: &str) -> String {
    format!("{time:<20}  {event:<7}  {stage:<20}  {profile:<20}  {rest}")
}

fn print(out: &mut impl Write, line: &Line, text: &str) -> Result<(), Failure> {
    match line {
        Line::Record(record) => print_record(out, record),
        Line::Gap(gap) => {
            let what = format!("{} lines from {} to {}: {}", gap.lost, gap.since, gap.until, gap.why);
            writeln!(out, "{}", paint::bad(&row(&gap.time.to_string(), "lost", "-", "-", &what)))?;
            Ok(())
        }
        Line::Other => {
            writeln!(out, "{} {text}", paint::note("of another version:"))?;
            Ok(())
        }
    }
}

fn print_record(out: &mut impl Write, record: &Record) -> Result<(), Failure> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let stage = or_dash(
        record
            .app
            .as_ref()
            .map(|app| format!("{app}.{}", or_dash(record.stage.as_ref().map(ToString::to_string)))),
    );
    let profile = or_dash(record.profile.as_ref().map(ToString::to_string));
    let time = record.time.to_string();
    let reason = record.reason.clone().or_else(|| record.refusal.as_ref().map(ToString::to_string));
    if record.event == Event::Refusal {
        let why = or_dash(reason);
        writeln!(out, "{}", paint::bad(&row(&time, "refused", &stage, &profile, &why)))?;
    } else {
        let until = record.expires.map(|end| format!(" until {end}")).unwrap_or_default();
        let what = format!("{}{until}", or_dash(record.access_key_id.clone()));
        writeln!(out, "{}", row(&time, "issued", &stage, &profile, &what))?;
    }
    if let Some(caller) = &record.caller {
        let parents: Vec<String> = caller.parents.iter().map(AuditedParent::name).collect();
        let under =
            if parents.is_empty() { String::new() } else { format!(", under {}", parents.join(" < ")) };
        let mut command = caller.command.join(" ");
        if !command.is_empty() {
            command = format!(": {}", command.escape_debug());
        }
        writeln!(out, "  {}", paint::faint(&format!("{caller}{under}{command}")))?;
    }
    if let Some(token) = &record.token {
        let label = token.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        writeln!(out, "  {}", paint::faint(&format!("by token {}{label}", token.id)))?;
    }
    Ok(())
}
