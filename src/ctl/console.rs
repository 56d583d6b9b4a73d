//! `brokerctl console`: signs in to the AWS console.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;

use super::commands::unexpected;
use super::failure::Failure;
use super::wanted::WantedOptions;
use super::{browser, client, paint};
use crate::core::protocol::{Reply, Request};
use crate::core::sign_in::{parse_length, parse_service};

/// `brokerctl console`.
#[derive(Debug, Args)]
pub(super) struct Console {
    #[command(flatten)]
    wanted: WantedOptions,
    /// The page to come to, like s3
    #[arg(long, value_name = "NAME", value_parser = parse_service)]
    service: Option<String>,
    /// How long to stay signed in, 15m to 12h; else as long as the credentials
    #[arg(long = "for", value_name = "TIME", value_parser = parse_length)]
    length: Option<Duration>,
    /// Print the URL, which signs in whoever has it, instead of opening a browser
    #[arg(long)]
    print: bool,
}

impl Console {
    pub(super) fn run(self) -> Result<(), Failure> {
        let seconds = self.length.map(|length| length.as_secs());
        let request = Request::SignIn { wanted: self.wanted.into(), service: self.service, seconds };
        let Reply::SignIn { url, note } = client::ask(&request)? else { return Err(unexpected()) };
        if let Some(note) = note {
            anstream::eprintln!("brokerctl: {} {note}", paint::note("note:"));
        }
        if self.print {
            let mut out = io::stdout().lock();
            let end = if out.is_terminal() { "\n" } else { "" };
            return Ok(write!(out, "{}{end}", url.reveal())?);
        }
        browser::open(url.reveal()).map_err(|failure| failure.with_hint("brokerctl console --print"))
    }
}
