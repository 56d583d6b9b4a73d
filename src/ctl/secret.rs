//! `brokerctl secret`: the secrets of a profile, by name.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::commands::{print_json, unexpected};
use super::failure::Failure;
use super::status::{brief, counted};
use super::wanted::WantedOptions;
use super::{client, paint, terminal};
use crate::core::duration::format_duration;
use crate::core::name::SecretName;
use crate::core::protocol::{
    GivenValue, Reply, Request, SecretFreshness, SecretGrant, SecretList, SecretStatus, SecretText,
};
use crate::core::secret::{Content, parse_dotenv};
use crate::core::wanted::Wanted;

/// A longer value does not fit into one request.
const LONGEST: usize = 32 * 1024;
/// No file of variables is longer.
const LONGEST_FILE: u64 = 1024 * 1024;

/// `brokerctl secret`.
#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Print the value of a secret of the profile here, as it is and without a newline
    Get {
        /// Which
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
        #[command(flatten)]
        wanted: WantedOptions,
        /// Print it even to a terminal
        #[arg(long)]
        show: bool,
    },
    /// List the secrets of the profile here: sources and freshness, never values
    List {
        #[command(flatten)]
        wanted: WantedOptions,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep a value in the keychain, for a secret whose source is "keychain": asked for without echo, or read from
    /// standard input
    Set {
        /// Which
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
        #[command(flatten)]
        wanted: WantedOptions,
    },
    /// Take a value out of the keychain
    #[command(visible_alias = "rm")]
    Remove {
        /// Which
        #[arg(value_parser = SecretName::parse)]
        name: SecretName,
        #[command(flatten)]
        wanted: WantedOptions,
    },
    /// Keep the values of a .env file in the keychain: all of them, or none if a line is wrong
    Import {
        /// The file; - is standard input
        file: PathBuf,
        #[command(flatten)]
        wanted: WantedOptions,
    },
    /// Read secrets again now, whatever is known of them
    Refresh {
        /// Which; else all of the profile's
        #[arg(value_parser = SecretName::parse)]
        names: Vec<SecretName>,
        #[command(flatten)]
        wanted: WantedOptions,
    },
}

impl Secret {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Get { name, wanted, show } => get(&name, wanted.into(), show),
            Self::List { wanted, json } => list(wanted.into(), json),
            Self::Set { name, wanted } => set(&name, wanted.into()),
            Self::Remove { name, wanted } => remove(&name, wanted.into()),
            Self::Import { file, wanted } => import(&file, &wanted.into()),
            Self::Refresh { names, wanted } => refresh(names, wanted.into()),
        }
    }
}

/// Asks for values, and says what must be said about them.
pub(super) fn ask_for(wanted: Wanted, names: Option<Vec<SecretName>>) -> Result<SecretGrant, Failure> {
    let Reply::Secrets(grant) = client::ask(&Request::Secrets { wanted, names })? else {
        return Err(unexpected());
    };
    let notes = grant.note.iter().chain(grant.secrets.iter().filter_map(|secret| secret.note.as_ref()));
    for note in notes {
        anstream::eprintln!("brokerctl: {} {note}", paint::note("note:"));
    }
    Ok(*grant)
}

fn get(name: &SecretName, wanted: Wanted, show: bool) -> Result<(), Failure> {
    let is_terminal = std::io::stdout().is_terminal();
    if is_terminal && !show {
        return Err(Failure::refused("a secret would stand in the terminal's history")
            .with_hint(format!("brokerctl secret get --show {name}, or redirect it")));
    }
    let grant = ask_for(wanted, Some(vec![name.clone()]))?;
    let given = grant.secrets.into_iter().find(|given| given.name == *name).ok_or_else(unexpected)?;
    let mut out = std::io::stdout().lock();
    match given.value {
        GivenValue::Text(text) => {
            out.write_all(text.reveal().as_bytes())?;
            if is_terminal {
                out.write_all(b"\n")?;
            }
        }
        GivenValue::Base64(_) if is_terminal => {
            return Err(Failure::refused(format!("secret {name} is binary, which no terminal can show"))
                .with_hint(format!("brokerctl secret get {name} > FILE")));
        }
        GivenValue::Base64(text) => {
            let bytes = STANDARD.decode(text.reveal()).map_err(|_| unexpected())?;
            out.write_all(&Zeroizing::new(bytes))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn list(wanted: Wanted, json: bool) -> Result<(), Failure> {
    let Reply::SecretList(list) = client::ask(&Request::SecretList { wanted })? else {
        return Err(unexpected());
    };
    if json { print_json(&list) } else { print(&list) }
}

fn print(list: &SecretList) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if let Some(note) = &list.note {
        writeln!(out, "{} {note}", paint::note("note:"))?;
    }
    writeln!(out, "{}.{} has profile {}", list.app, list.stage, list.profile)?;
    if list.secrets.is_empty() {
        writeln!(out, "it lists no secrets")?;
    }
    let width = list.secrets.iter().map(|secret| secret.name.as_str().len()).max().unwrap_or_default();
    let places = list.secrets.iter().map(|secret| secret.place.chars().count()).max().unwrap_or_default();
    for secret in &list.secrets {
        let name = paint::strong(&format!("{:<width$}", secret.name));
        writeln!(out, "{name}  {:<places$}  {}", secret.place, state(secret, list))?;
        if let Some(failure) = &secret.failure {
            writeln!(out, "  {} {failure}", paint::bad("failed:"))?;
        }
        if let Some(hint) = secret.hint.as_ref().filter(|_| secret.failure.is_some()) {
            writeln!(out, "  {} {hint}", paint::note("hint:"))?;
        }
    }
    Ok(())
}

fn state(secret: &SecretStatus, list: &SecretList) -> String {
    let age = secret.read.map(|read| brief(list.now.remaining(read))).unwrap_or_default();
    let ttl = format_duration(std::time::Duration::from_secs(secret.ttl));
    match secret.freshness {
        SecretFreshness::None => paint::faint("not read"),
        SecretFreshness::Fresh => format!("{} read {age} ago, good for {ttl}", paint::good("fresh")),
        SecretFreshness::Stale => format!("{} read {age} ago, good for {ttl}", paint::note("stale")),
    }
}

fn set(name: &SecretName, wanted: Wanted) -> Result<(), Failure> {
    // Nobody should type a value that cannot be kept.
    check(&wanted, vec![name.clone()])?;
    let value = if std::io::stdin().is_terminal() { asked(name)? } else { given()? };
    let content = Content::of_text(value)
        .map_err(|why| Failure::refused(format!("secret {name}: {why}; nothing was kept")))?;
    let value = on_its_way(name, content.reveal())?;
    let request = Request::KeepSecret { wanted, name: name.clone(), value };
    let Reply::SecretsKept { keychain, profile } = client::ask(&request)? else { return Err(unexpected()) };
    writeln!(
        anstream::stdout(),
        "{} {name} of profile {profile} in the keychain ({keychain})",
        paint::good("kept")
    )?;
    Ok(())
}

fn check(wanted: &Wanted, names: Vec<SecretName>) -> Result<(), Failure> {
    let request = Request::CheckSecrets { wanted: wanted.clone(), names };
    let Reply::SecretsKept { .. } = client::ask(&request)? else { return Err(unexpected()) };
    Ok(())
}

/// Asks on the terminal; what is typed is not shown.
fn asked(name: &SecretName) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let typed = terminal::secret(&format!("Value of {name}"));
    let typed = typed.map_err(|error| Failure::refused(format!("nothing was kept: {error}")))?;
    Ok(Zeroizing::new(typed.as_bytes().to_vec()))
}

fn given() -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Room for the longest and a line end: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    std::io::stdin().lock().take(LONGEST as u64 + 3).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn on_its_way(name: &SecretName, bytes: &[u8]) -> Result<GivenValue, Failure> {
    // A text that is escaped may take six times its length, base64 never more than a third on top.
    const PLAIN: usize = 8 * 1024;
    if bytes.len() > LONGEST {
        return Err(Failure::refused(format!("secret {name}: the value is longer than {LONGEST} bytes")));
    }
    let secret = |text: String| SecretText::new(Zeroizing::new(text));
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= PLAIN => GivenValue::Text(secret(text.to_owned())),
        _ => GivenValue::Base64(secret(STANDARD.encode(bytes))),
    })
}

fn remove(name: &SecretName, wanted: Wanted) -> Result<(), Failure> {
    let request = Request::ForgetSecret { wanted, name: name.clone() };
    let Reply::SecretForgotten { profile, were_there } = client::ask(&request)? else {
        return Err(unexpected());
    };
    if !were_there {
        return Err(Failure::refused(format!("the keychain has no value for {name} of profile {profile}")));
    }
    writeln!(anstream::stdout(), "{} {name} of profile {profile} from the keychain", paint::bad("removed"))?;
    Ok(())
}

fn import(file: &std::path::Path, wanted: &Wanted) -> Result<(), Failure> {
    let is_stdin = file == std::path::Path::new("-");
    let shown = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let failed = |why: &dyn std::fmt::Display| Failure::refused(format!("{shown}: {why}; nothing was kept"));
    let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
    if is_stdin {
        std::io::stdin().lock().take(LONGEST_FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
    }
    .map_err(|error| failed(&error))?;
    let entries = parse_dotenv(&text).map_err(|errors| {
        let said: Vec<String> = errors.iter().map(|error| format!("{shown}: {error}")).collect();
        Failure::refused(format!("{}\nnothing was kept", said.join("\n")))
    })?;
    if entries.is_empty() {
        return Err(failed(&"there is no NAME=value in it"));
    }
    let mut values = Vec::with_capacity(entries.len());
    for (name, value) in &entries {
        values.push((name, on_its_way(name, value.as_bytes())?));
    }
    check(wanted, entries.iter().map(|(name, _)| name.clone()).collect())?;
    let mut kept: Vec<&str> = Vec::new();
    for (name, value) in values {
        let request = Request::KeepSecret { wanted: wanted.clone(), name: name.clone(), value };
        let answered = client::ask(&request).and_then(|reply| match reply {
            Reply::SecretsKept { .. } => Ok(()),
            _ => Err(unexpected()),
        });
        answered.map_err(|failure| {
            let so_far = if kept.is_empty() { "nothing".to_owned() } else { kept.join(", ") };
            Failure { message: format!("{name}: {}; kept by then: {so_far}", failure.message), ..failure }
        })?;
        kept.push(name.as_str());
    }
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "{} {} in the keychain: {}",
        paint::good("kept"),
        counted(kept.len(), "secret"),
        kept.join(", ")
    )?;
    if !is_stdin {
        writeln!(out, "{shown} still has them in clear: remove it")?;
    }
    Ok(())
}

fn refresh(names: Vec<SecretName>, wanted: Wanted) -> Result<(), Failure> {
    let Reply::SecretList(list) = client::ask(&Request::RefreshSecrets { wanted, names })? else {
        return Err(unexpected());
    };
    print(&list)?;
    let failed: Vec<&str> = list
        .secrets
        .iter()
        .filter(|secret| secret.failure.is_some())
        .map(|secret| secret.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!("not read: {}", failed.join(", "))))
}
