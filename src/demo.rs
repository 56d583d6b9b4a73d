//! The demo: brokerd at work in a temporary directory, with real parts but for AWS itself.
//!
//! A stand-in speaks STS's protocol to the real SDK inside the real daemon; clients are processes of their own,
//! in directories of their own. Nothing outside the temporary directory is read or written.

mod client;
mod stand_in;
mod workshop;

use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

pub use client::be_client;
use stand_in::StandIn;
use workshop::Workshop;

/// What can go wrong in a demo; it ends with the words.
pub type DemoError = Box<dyn std::error::Error>;

/// The options of the demo.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Leave it running, with lines to paste in another terminal
    #[arg(long)]
    keep: bool,
}

/// Shows the demo, step by step, and cleans up.
pub fn show(arguments: &Arguments) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let stand_in = StandIn::start().await?;
        let mut workshop = Workshop::furnish(stand_in.url())?;
        let mut daemon = workshop.daemon()?;
        let shown = tokio::select! {
            shown = steps(&mut workshop, &stand_in) => shown,
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("ended".into()),
            _ = hangup.recv() => Err("its terminal is gone".into()),
        };
        if shown.is_ok() && arguments.keep {
            invite(&workshop)?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                _ = daemon.wait() => {}
            }
        }
        end(&mut daemon).await?;
        shown
    })
}

async fn steps(workshop: &mut Workshop, stand_in: &StandIn) -> Result<(), DemoError> {
    workshop.brokerctl("", &["status", "--wait", "10s", "--json"]).await?.expect_success()?;

    say(
        "Two projects, shop and billing. Their serverless.yml name applications; the catalog gives each stage a profile.",
    )?;
    show_file("~/.config/brokerd/catalog.toml", workshop::CATALOG)?;
    say("Yes, once for each project:")?;
    for project in ["shop", "billing"] {
        workshop.show_brokerctl(project, &["allow"]).await?;
    }

    say("From now on a directory is all that decides. The AWS SDK finds brokerd as it would find EC2:")?;
    for project in ["shop", "billing"] {
        workshop.show_client(project, &[]).await?;
    }
    if workshop.has_aws().await {
        say("The AWS CLI does the same:")?;
        workshop.show_aws("shop", stand_in.url()).await?;
    }
    say("Another stage, another role; a stage that nobody configured is said out loud:")?;
    workshop.show_client("shop", &[("BROKERD_STAGE", "prod")]).await?;
    workshop.show_brokerctl("shop", &["why", "--stage", "prdo"]).await?;
    say("Outside of the projects there is nothing to have, and the reason is at hand:")?;
    workshop.show_client("", &[]).await?;
    workshop.show_brokerctl("", &["why", "--last"]).await?;
    say("What is active:")?;
    workshop.show_brokerctl("shop", &["status"]).await?;
    say(&format!("STS was asked {} times, once for each role.", stand_in.calls()))
}

fn invite(workshop: &Workshop) -> Result<(), DemoError> {
    say("It is left running; Ctrl-C ends it and cleans up. In another terminal:")?;
    let mut out = anstream::stdout().lock();
    for line in workshop.lines_to_paste() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Ends the daemon as a service manager would, and waits until it has drained.
async fn end(daemon: &mut Child) -> Result<(), DemoError> {
    if let Some(pid) =
        daemon.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw)
    {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    if timeout(Duration::from_secs(10), daemon.wait()).await.is_err() {
        daemon.kill().await?;
    }
    Ok(())
}

fn say(text: &str) -> Result<(), DemoError> {
    let bold = Style::new().bold();
    writeln!(anstream::stdout(), "\n{bold}{text}{bold:#}")?;
    Ok(())
}

fn show_file(name: &str, text: &str) -> Result<(), DemoError> {
    show_command(&format!("$ cat {name}"))?;
    write!(anstream::stdout(), "{text}")?;
    Ok(())
}

/// Prints a command as it would stand behind a prompt.
fn show_command(line: &str) -> Result<(), DemoError> {
    let cyan = AnsiColor::Cyan.on_default();
    writeln!(anstream::stdout(), "{cyan}{line}{cyan:#}")?;
    Ok(())
}
