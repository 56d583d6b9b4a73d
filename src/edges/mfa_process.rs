//! A program that prints MFA codes, as `ykman` and `op` do.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::core::mfa::{MfaCode, MfaCodeError};
use crate::core::name::MfaSerial;

/// Somebody may have to touch a key or unlock a vault; who has not by then is not there.
const PATIENCE: Duration = Duration::from_mins(1);
/// Nobody's answer is longer.
const LONGEST: u64 = 4096;
/// Stands for the device in the arguments.
const SERIAL: &str = "{mfa_serial}";

/// Why a program gave no code. What it printed is in none of the texts.
#[derive(Debug, thiserror::Error)]
pub enum MfaProcessError {
    /// It cannot be run.
    #[error("mfa_process: {program} cannot be run: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// It did not end in time.
    #[error("mfa_process: {program} gave no code within {} s", PATIENCE.as_secs())]
    Silent {
        /// The program.
        program: String,
    },
    /// It failed.
    #[error("mfa_process: {program} ended with {status}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: String,
    },
    /// What it printed is no code.
    #[error("mfa_process: what {program} printed is no code: {source}")]
    NoCode {
        /// The program.
        program: String,
        /// Why not.
        source: MfaCodeError,
    },
}

/// Runs the program for a device; without a shell, and ended when nobody waits for it any more. The code is the last word
/// of what it prints: `ykman` prints the account's name before it.
pub async fn code(command: &[String], serial: &MfaSerial) -> Result<MfaCode, MfaProcessError> {
    let (program, arguments) =
        command.split_first().map_or((String::new(), &[][..]), |(first, rest)| (first.clone(), rest));
    let mut child = Command::new(&program)
        .args(arguments.iter().map(|word| word.replace(SERIAL, serial.as_str())))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| MfaProcessError::Start { program: program.clone(), source })?;
    let mut printed = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default()));
    let ended = async {
        if let Some(output) = child.stdout.take() {
            let _ = output.take(LONGEST).read_to_end(&mut printed).await;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(PATIENCE, ended)
        .await
        .map_err(|_| MfaProcessError::Silent { program: program.clone() })?
        .map_err(|source| MfaProcessError::Start { program: program.clone(), source })?;
    if !status.success() {
        return Err(MfaProcessError::Failed { program, status: status.to_string() });
    }
    let text = std::str::from_utf8(&printed).unwrap_or_default();
    let whole = MfaCode::parse(text);
    whole
        .or_else(|_| MfaCode::parse(text.split_whitespace().next_back().unwrap_or_default()))
        .map_err(|source| MfaProcessError::NoCode { program, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(words: &[&str]) -> Result<String, String> {
        let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let serial = MfaSerial::parse("GAHT00123456").unwrap();
        let code = code(&command, &serial).await.map_err(|error| error.to_string())?;
        Ok(code.reveal().to_owned())
    }

    #[tokio::test]
    async fn a_program_gives_the_code_and_is_never_quoted() {
        assert_eq!(said(&["echo", "123456"]).await, Ok("123456".into()));
        assert_eq!(said(&["echo", "AWS:ann  654321"]).await, Ok("654321".into()));
        assert_eq!(
            said(&["echo", "$HOME; 111 222"]).await,
            Err("mfa_process: what echo printed is no code: this is no code of an MFA device: six digits"
                .into())
        );
        // The device's name stands where it is asked for.
        assert_eq!(said(&["printf", "%.0s123456", "{mfa_serial}"]).await, Ok("123456".into()));
        assert_eq!(said(&["expr", "substr", "{mfa_serial}", "7", "6"]).await, Ok("123456".into()));
        assert_eq!(said(&["false"]).await, Err("mfa_process: false ended with exit status: 1".into()));
        let missing = said(&["/no/such/program"]).await.unwrap_err();
        assert!(missing.starts_with("mfa_process: /no/such/program cannot be run:"), "{missing}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_hangs_is_given_up() {
        assert_eq!(said(&["sleep", "600"]).await, Err("mfa_process: sleep gave no code within 60 s".into()));
    }
}
