//! Giving brokerd what signs its calls.

mod keys;
mod sso;

use clap::Args;

use super::failure::{Failure, Kind};
use crate::core::catalog::DEFAULT_KEYS;
use crate::core::name::KeysName;
use crate::core::protocol::LoginTarget;

/// `brokerctl login`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct Login {
    /// A profile of the catalog, or of ~/.aws/config, that signs with IAM Identity Center; left out, the login that the
    /// catalog's profiles need. With --keys what to call them
    #[arg(value_name = "PROFILE")]
    name: Option<String>,
    /// Log in to an [sso-session NAME] of ~/.aws/config
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "keys"])]
    sso_session: Option<String>,
    /// Log in by a code that is typed on a page, in a browser on any machine
    #[arg(long, conflicts_with_all = ["keys", "remove"])]
    use_device_code: bool,
    /// Open no browser: only print where to go
    #[arg(long, conflicts_with_all = ["keys", "remove"])]
    no_browser: bool,
    /// Keep long-term AWS keys in the keychain, for profiles with `source = "keychain"` (or "keychain:NAME"). They are
    /// asked for, or read from standard input: two lines, or the JSON of `aws iam create-access-key`
    #[arg(long)]
    keys: bool,
    /// Forget the login; with --keys take them out of the keychain again
    #[arg(long)]
    remove: bool,
}

impl Login {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.keys {
            let name = KeysName::parse(self.name.as_deref().unwrap_or(DEFAULT_KEYS));
            let name =
                name.map_err(|error| Failure { kind: Kind::Usage, ..Failure::refused(error.to_string()) })?;
            return if self.remove { keys::forget(&name) } else { keys::keep(&name) };
        }
        let target = LoginTarget { profile: self.name, sso_session: self.sso_session };
        if self.remove {
            return sso::forget(target);
        }
        // Where the terminal is on another machine, so is the browser, and a page could not come back here.
        let is_remote = std::env::var_os("SSH_CONNECTION").is_some();
        sso::log_in(target, self.use_device_code || is_remote, !self.no_browser && !is_remote)
    }
}
