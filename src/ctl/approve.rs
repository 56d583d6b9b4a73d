//! `brokerctl approve`: shows who waits for what, and takes a person's yes at the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use clap::Args;

use super::commands::unexpected;
use super::failure::{Failure, Kind};
use super::status::brief;
use super::{client, mfa, paint};
use crate::core::audit::AuditedCaller;
use crate::core::catalog::{Approve as Method, parse_length};
use crate::core::name::{App, Stage};
use crate::core::protocol::{ApprovalQuestion, ApprovalStatus, ApprovalSubject, Approved, Reply, Request};

/// Who waits is shown one by one up to this number.
const SHOWN: usize = 5;

/// `brokerctl approve`.
#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The application; left out, what waits is listed to pick from
    #[arg(value_parser = App::parse, requires = "stage", conflicts_with = "catalog")]
    app: Option<App>,
    /// The stage
    #[arg(value_parser = Stage::parse)]
    stage: Option<Stage>,
    /// For how long, at most as long as the profile says; else so long
    #[arg(long = "for", value_name = "TIME", value_parser = parse_length, conflicts_with = "catalog")]
    length: Option<Duration>,
    /// An edit of the catalog that loosens what protects a profile
    #[arg(long)]
    catalog: bool,
}

impl Approve {
    /// Asks on the terminal itself, so that neither a pipe nor a redirection answers for the person or hides the
    /// question.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { app, stage, length, catalog } = self;
        let request = Request::ApprovalQuestions { app, stage, catalog };
        let Reply::ApprovalQuestions { questions } = client::ask(&request)? else { return Err(unexpected()) };
        if questions.is_empty() {
            let what = if catalog { "no edit of the catalog waits" } else { "nothing waits" };
            let hint = if catalog { "brokerctl approvals" } else { "brokerctl approve APP STAGE" };
            return Err(Failure::refused(format!("{what} for an approval")).with_hint(hint));
        }
        let mut terminal = Terminal::open()?;
        let question = match questions.as_slice() {
            [only] => only,
            several => terminal.pick(several)?,
        };
        terminal.show(question, length)?;
        let (mut digits, mut code) = (String::new(), None);
        match question.approve {
            Method::Terminal => {
                let prompt = format!("Type the last four digits of account {} to approve", question.account);
                digits = terminal.line(&prompt)?;
            }
            Method::Mfa => code = Some(mfa::asked("your MFA device")?),
            Method::Desktop => {}
        }
        let seconds = length.map(|length| length.as_secs());
        let Reply::Approved(approved) =
            client::ask(&Request::Approve { id: question.id.clone(), digits, code, seconds })?
        else {
            return Err(unexpected());
        };
        tell(&approved)
    }
}

fn tell(approved: &Approved) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if let Some(given) = &approved.given {
        let left = brief(given.until.remaining(approved.now));
        writeln!(out, "{} {} for {left}, until {}", paint::good("approved"), given.of, given.until)?;
        writeln!(out, "{}", afterlife(given))?;
        return Ok(());
    }
    writeln!(out, "{} what the catalog says now:", paint::good("approved"))?;
    for what in &approved.what {
        writeln!(out, "  {what}")?;
    }
    Ok(())
}

/// Until when credentials can be used that are handed out before an approval ends.
pub(super) fn afterlife(given: &ApprovalStatus) -> String {
    format!("what is handed out until then can be used until {} at the latest", given.usable_until)
}

/// The terminal that controls this process.
struct Terminal {
    screen: File,
    keyboard: BufReader<File>,
}

impl Terminal {
    fn open() -> Result<Self, Failure> {
        let open = || {
            let screen = File::options().read(true).write(true).open("/dev/tty")?;
            let keyboard = BufReader::new(screen.try_clone()?);
            std::io::Result::Ok(Self { screen, keyboard })
        };
        open().map_err(|error| Failure {
            kind: Kind::NeedsPerson,
            message: format!("an approval is typed in a terminal, and this process is in none: {error}"),
            hint: Some("type brokerctl approve in a terminal yourself".to_owned()),
        })
    }

    fn line(&mut self, prompt: &str) -> Result<String, Failure> {
        write!(self.screen, "{prompt}: ")?;
        let mut line = String::new();
        match self.keyboard.read_line(&mut line)? {
            0 => Err(nothing_approved()),
            _ => Ok(line.trim().to_owned()),
        }
    }

    fn pick<'a>(&mut self, questions: &'a [ApprovalQuestion]) -> Result<&'a ApprovalQuestion, Failure> {
        for (number, question) in (1..).zip(questions) {
            let line = match &question.subject {
                ApprovalSubject::Use { of, .. } => of.to_string(),
                ApprovalSubject::Catalog { profile, what } => {
                    format!("profile {profile}: {}", what.join("; "))
                }
            };
            let waits = question.waiting.first().map(|waits| format!(", asked for by {waits}"));
            writeln!(self.screen, "{number}  {line}{}", waits.unwrap_or_default())?;
        }
        let typed = self.line("Which one")?;
        let position = typed.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        position.and_then(|position| questions.get(position)).ok_or_else(nothing_approved)
    }

    fn show(&mut self, question: &ApprovalQuestion, asked: Option<Duration>) -> Result<(), Failure> {
        let out = &mut self.screen;
        match &question.subject {
            ApprovalSubject::Use { of, fallback, seconds, session_seconds } => {
                writeln!(out, "{}.{} would use profile {}", of.app, of.stage, of.profile)?;
                if let Some(fallback) = fallback {
                    writeln!(out, "  note     {fallback}")?;
                }
                writeln!(out, "  project  {}", of.config.display())?;
                writeln!(out, "  role     {}", of.role)?;
                writeln!(out, "  account  {}", of.role.account())?;
                let most = Duration::from_secs(*seconds);
                let (length, session) = (asked.unwrap_or(most), Duration::from_secs(*session_seconds));
                writeln!(
                    out,
                    "  for      {}; what is handed out meanwhile can be used for up to {} after that",
                    brief(length),
                    brief(session)
                )?;
            }
            ApprovalSubject::Catalog { profile, what } => {
                writeln!(out, "the catalog loosens what protects profile {profile}:")?;
                for what in what {
                    writeln!(out, "  {what}")?;
                }
            }
        }
        for waits in question.waiting.iter().take(SHOWN) {
            writeln!(out, "  asked by {waits}{}", started_by(waits))?;
        }
        if question.waiting.is_empty() {
            writeln!(out, "  asked by nobody yet")?;
        }
        if let Some(more) = question.waiting.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            writeln!(out, "  and {more} more")?;
        }
        Ok(())
    }
}

fn started_by(caller: &AuditedCaller) -> String {
    let parents: Vec<String> = caller.parents.iter().map(ToString::to_string).collect();
    if parents.is_empty() { String::new() } else { format!(", started by {}", parents.join(", ")) }
}

fn nothing_approved() -> Failure {
    Failure::refused("nothing was approved")
}
