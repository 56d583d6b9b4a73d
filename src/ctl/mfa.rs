//! `brokerctl mfa`: gives AWS a code of an MFA device.

use std::io::{IsTerminal, Read, Write};

use clap::Args;
use zeroize::Zeroizing;

use super::commands::unexpected;
use super::failure::Failure;
use super::{client, paint, terminal};
use crate::core::mfa::MfaCode;
use crate::core::protocol::{Reply, Request};

/// Nobody's code is longer.
const LONGEST: u64 = 256;

/// `brokerctl mfa`.
#[derive(Debug, Args)]
pub(super) struct Mfa {
    /// The six digits that the device shows; left out, they are asked for without being shown, or read from standard input
    #[arg(value_parser = MfaCode::parse)]
    code: Option<MfaCode>,
    /// The profile of the catalog that needs it; left out, whatever waits for one
    #[arg(long)]
    profile: Option<String>,
}

impl Mfa {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(code) = self.code {
            return take(self.profile, code);
        }
        let Reply::MfaWanted { serial } =
            client::ask(&Request::WantedCode { profile: self.profile.clone() })?
        else {
            return Err(unexpected());
        };
        take(self.profile, asked(&serial)?)
    }
}

/// Asks for the code of a device.
pub(super) fn asked(serial: &str) -> Result<MfaCode, Failure> {
    let text = if std::io::stdin().is_terminal() {
        let typed = terminal::secret(&format!("code of {serial}"));
        typed.map_err(|error| Failure::refused(format!("no code was given: {error}")))?
    } else {
        let mut text = Zeroizing::new(String::with_capacity(256));
        std::io::stdin().lock().take(LONGEST).read_to_string(&mut text)?;
        text
    };
    MfaCode::parse(&text).map_err(|error| Failure::refused(error.to_string()))
}

/// Gives a code to the daemon, and says what it opened.
pub(super) fn take(profile: Option<String>, code: MfaCode) -> Result<(), Failure> {
    let Reply::MfaTaken(taken) = client::ask(&Request::TakeCode { profile, code })? else {
        return Err(unexpected());
    };
    let mut out = anstream::stdout().lock();
    let what = if taken.is_for_one {
        "one session"
    } else {
        "an MFA session, for every role that needs this device,"
    };
    writeln!(out, "{} the code of {}: {what} until {}", paint::good("took"), taken.serial, taken.expires)?;
    Ok(())
}
