//! Carrying out an edit: show it, write it, say whom it affects.

use std::io::Write;
use std::path::Path;

use clap::Args;

use crate::core::catalog_edit::{Edit, EditError, edit};
use crate::core::line_diff::{DiffLine, diff};
use crate::core::moment::Timestamp;
use crate::core::protocol::{AffectedProcess, Reply, Request};
use crate::ctl::failure::{Failure, Kind};
use crate::ctl::keeping::still_usable;
use crate::ctl::{approvals, client, paint};
use crate::edges::catalog_file::{CatalogFile, CatalogFileError};
use crate::edges::directories::Directories;

/// How an edit is carried out.
#[derive(Debug, Clone, Copy, Args)]
pub(in crate::ctl) struct How {
    /// Show the change and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn carry_out(wanted: &Edit, how: How) -> Result<(), Failure> {
    let directories = Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
    let path = directories.catalog_file();
    let file = CatalogFile::read(&path)?;
    let text = edit(&path, file.text(), wanted)?;
    if text == file.text() {
        writeln!(anstream::stdout(), "nothing to change: {} says so already", path.display())?;
        return Ok(());
    }
    if how.dry_run {
        show(&path, file.text(), &text)?;
        writeln!(anstream::stdout(), "{} nothing is written", paint::note("dry run:"))?;
        return Ok(());
    }
    // Written before it is shown: whoever reads our output may stop reading.
    file.replace(&text)?;
    show(&path, file.text(), &text)?;
    let done = if file.exists() { "changed" } else { "made" };
    writeln!(anstream::stdout(), "{} {}", paint::good(done), path.display())?;
    tell_affected()?;
    tell_loosened()
}

/// Shows a change line by line.
pub(in crate::ctl) fn show(path: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", paint::strong(&path.display().to_string()))?;
    for line in diff(old, new) {
        match line {
            DiffLine::Place([old_line, old_size, new_line, new_size]) => {
                let place = format!("@@ -{old_line},{old_size} +{new_line},{new_size} @@");
                writeln!(out, "{}", paint::faint(&place))?;
            }
            DiffLine::Same(text) => writeln!(out, " {text}")?,
            DiffLine::Removed(text) => writeln!(out, "{}", paint::bad(&format!("-{text}")))?,
            DiffLine::Added(text) => writeln!(out, "{}", paint::good(&format!("+{text}")))?,
        }
    }
    Ok(())
}

/// Says which running processes lose what they were given. The change is made by now, so whatever keeps the
/// daemon from answering is only said.
fn tell_affected() -> Result<(), Failure> {
    match client::ask(&Request::Affected) {
        Ok(Reply::Affected { processes, handed_out_until }) => print_affected(&processes, handed_out_until),
        Ok(_) | Err(Failure { kind: Kind::NotRunning, .. }) => Ok(()),
        Err(failure) => {
            anstream::eprintln!(
                "{} the daemon does not say which processes this affects: {}",
                paint::note("note:"),
                failure.message
            );
            Ok(())
        }
    }
}

/// Says what of the change waits for an approval.
fn tell_loosened() -> Result<(), Failure> {
    // What keeps the daemon from answering was said just now.
    let request = Request::ApprovalQuestions { app: None, stage: None, catalog: true };
    let Ok(Reply::ApprovalQuestions { questions }) = client::ask(&request) else { return Ok(()) };
    let mut out = anstream::stdout().lock();
    for question in &questions {
        approvals::print_question(&mut out, question)?;
    }
    Ok(())
}

fn print_affected(processes: &[AffectedProcess], until: Option<Timestamp>) -> Result<(), Failure> {
    if processes.is_empty() {
        return Ok(());
    }
    let mut out = anstream::stdout().lock();
    let who = match processes.len() {
        1 => "1 running process was given a profile that it no longer has; it gets".to_owned(),
        count => format!("{count} running processes were given a profile that they no longer have; they get"),
    };
    writeln!(out, "{} {who} nothing until started again:", paint::note("affected:"))?;
    for process in processes {
        let AffectedProcess { pid, name, directory, app, stage, profile } = process;
        writeln!(out, "  pid {pid} ({name}) in {}: {app}.{stage}, profile {profile}", directory.display())?;
    }
    still_usable(&mut out, until)
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Self { kind: Kind::Refused, message: error.to_string(), hint: error.hint() }
    }
}

impl From<CatalogFileError> for Failure {
    fn from(error: CatalogFileError) -> Self {
        Self { kind: Kind::Refused, message: error.to_string(), hint: error.hint() }
    }
}
