//! Long-term keys, given once.

use std::io::{IsTerminal, Read, Write};

use zeroize::Zeroizing;

use crate::core::catalog::DEFAULT_KEYS;
use crate::core::long_term_keys::LongTermKeys;
use crate::core::name::KeysName;
use crate::core::protocol::{Reply, Request};
use crate::ctl::commands::unexpected;
use crate::ctl::failure::Failure;
use crate::ctl::keeping::still_usable;
use crate::ctl::{client, paint, terminal};

/// Nobody's keys are longer, in whatever form.
const LONGEST: u64 = 64 * 1024;

pub(super) fn keep(name: &KeysName) -> Result<(), Failure> {
    let keys = if std::io::stdin().is_terminal() { asked(name)? } else { given()? };
    let id = keys.access_key_id().to_owned();
    let Reply::KeysKept { keychain } = client::ask(&Request::KeepKeys { name: name.clone(), keys })? else {
        return Err(unexpected());
    };
    let mut out = anstream::stdout().lock();
    let source =
        if name.as_str() == DEFAULT_KEYS { "keychain".to_owned() } else { format!("keychain:{name}") };
    writeln!(out, "{} {id} in the keychain ({keychain})", paint::good("kept"))?;
    writeln!(out, "a profile uses them by source = \"{source}\" in its access_role")?;
    Ok(())
}

/// Asks on the terminal; the secret half is not shown.
fn asked(name: &KeysName) -> Result<LongTermKeys, Failure> {
    let stopped = |error| Failure::refused(format!("nothing was kept: {error}"));
    let id = terminal::line(&format!("Access key id of {name}")).map_err(stopped)?;
    let secret = terminal::secret("Secret access key").map_err(stopped)?;
    LongTermKeys::new(&id, &secret).map_err(|error| Failure::refused(error.to_string()))
}

fn given() -> Result<LongTermKeys, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
    std::io::stdin().lock().take(LONGEST).read_to_string(&mut text)?;
    LongTermKeys::parse(&text).map_err(|error| Failure::refused(format!("standard input: {error}")))
}

pub(super) fn forget(name: &KeysName) -> Result<(), Failure> {
    let reply = client::ask(&Request::ForgetKeys { name: name.clone() })?;
    let Reply::KeysForgotten { were_there, handed_out_until } = reply else { return Err(unexpected()) };
    if !were_there {
        return Err(Failure::refused(format!("the keychain has no keys called {name}")));
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{} the keys called {name}", paint::bad("removed"))?;
    still_usable(&mut out, handed_out_until)
}
