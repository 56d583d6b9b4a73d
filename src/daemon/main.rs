//! The program `brokerd`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Broker, BrokerError, Listeners, Parts, catalogs, run, settings};
use crate::core::fault::Faults;
use crate::edges::aws_clock::AwsClock;
use crate::edges::control_socket::{ControlSocket, ControlSocketError};
use crate::edges::directories::{Directories, DirectoryError};
use crate::edges::handed_over::{self, HandedOver, HandedOverError};
use crate::edges::keychain::ChoiceError;
use crate::edges::self_test::{self, SelfTestError};
use crate::edges::single::{LockError, Single};
use crate::edges::sts::{SigningSettings, Sts};
use crate::edges::{clock, harden, https, keychain, listen, supervisor, trace_log};

/// Gives each Serverless project and stage its own AWS role.
///
/// Runs in the foreground and logs to standard error; `RUST_LOG` sets how much.
#[derive(Debug, Parser)]
#[command(name = "brokerd", version, disable_help_subcommand = true)]
struct Arguments {
    /// Read config.toml and catalog.toml, say what is wrong with them, and end
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show brokerd at work in a temporary directory, with a stand-in for AWS; leaves no trace
    Demo(crate::demo::Arguments),
    /// A client of the demo
    #[command(hide = true)]
    DemoClient,
    /// The child by which brokerd tries whether it can tell who asks
    #[command(hide = true)]
    SelfTestClient,
}

type MainError = Box<dyn std::error::Error>;

/// What the program takes, for its manual page.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Command::Demo(demo)) => crate::demo::show(&demo),
        Some(Command::DemoClient) => crate::demo::be_client(),
        Some(Command::SelfTestClient) => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(|_| ()).map_err(MainError::from)
        }
        None => harden::refuse_root()
            .map_err(MainError::from)
            .and_then(|()| if arguments.check { check() } else { serve() }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("brokerd: {error}");
            if let Some(hint) = hint(&*error) {
                anstream::eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

/// What to type next, where the error knows it.
fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let directory = error.downcast_ref::<DirectoryError>().and_then(DirectoryError::hint);
    directory
        .or_else(|| error.downcast_ref::<BrokerError>().and_then(BrokerError::hint))
        .or_else(|| error.downcast_ref::<ChoiceError>().and_then(ChoiceError::hint))
        .or_else(|| error.downcast_ref::<SelfTestError>().and_then(SelfTestError::hint))
        .or_else(|| error.downcast_ref::<HandedOverError>().and_then(HandedOverError::hint))
        .or_else(|| error.downcast_ref::<ControlSocketError>().and_then(ControlSocketError::hint))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // One thread serves faster than two where most connections are short. Looks at /proc have others, which they
    // share with name resolution: enough of them that a few slow lookups hold up nobody.
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(64).build()
}

fn check() -> Result<(), MainError> {
    let directories = Directories::from_environment()?;
    let config = settings::read(&directories.config_file());
    let catalog = runtime()?.block_on(catalogs::read(&directories.catalog_file()));
    let mut faults = Vec::new();
    faults.extend(config.err().into_iter().flat_map(|Faults(faults)| faults));
    faults.extend(catalog.err().into_iter().flat_map(|Faults(faults)| faults));
    if faults.is_empty() {
        anstream::println!("config.toml and catalog.toml are in order");
        Ok(())
    } else {
        Err(Faults(faults).into())
    }
}

fn serve() -> Result<(), MainError> {
    harden::shut_doors();
    trace_log::begin();
    let handed = handed_over::take()?;
    // First: in a sandbox whatever else is looked at is wrong too, with a reason that leads nowhere.
    let mut child = std::process::Command::new(std::env::current_exe()?);
    child.arg("self-test-client").current_dir("/");
    self_test::identify(child)?;
    let directories = Directories::from_environment()?;
    directories.make()?;
    let config = settings::read(&directories.config_file())?;
    // Two daemons of one user may have different runtime directories, and must not share the rest.
    let _locks = (Single::acquire(&directories.lock_file())?, state_lock(&directories)?);
    let bundle = std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from);
    let https = https::client(bundle.as_deref())?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async move {
        let HandedOver { endpoints, control } = handed_over::check(handed, &directories.control_socket())?;
        let endpoints = if endpoints.is_empty() {
            let addresses = config.listen.iter();
            addresses.map(|address| listen::listen(*address)).collect::<Result<Vec<TcpListener>, _>>()?
        } else {
            endpoints
        };
        let remote = config
            .remote
            .iter()
            .map(|address| listen::listen(*address))
            .collect::<Result<Vec<TcpListener>, _>>()?;
        let control = match control {
            Some(socket) => ControlSocket::handed_over(socket),
            None => ControlSocket::bind(&directories.control_socket())?,
        };
        let listeners = Listeners { endpoints, remote, control };
        let keychain = keychain::choose(config.keychain, &directories, clock::now()).await?;
        let settings = SigningSettings {
            home: directories.home.clone(),
            sso_cache_is_shared: config.sso_cache_is_shared,
            mfa_process: config.mfa_process.clone(),
            mfa_session: config.mfa_session,
        };
        let clock = AwsClock::default();
        let issuer = Arc::new(Sts::new(https.clone(), keychain.durable(), settings, clock.clone()));
        let broker = Arc::new(Broker::new(Parts { directories, config, issuer, clock, keychain, https })?);
        let (reload, stop) = signals()?;
        let shown: Vec<String> = listeners
            .endpoints
            .iter()
            .chain(&listeners.remote)
            .filter_map(|listener| listener.local_addr().ok())
            .map(|address| format!("http://{address}/"))
            .collect();
        let shown = format!("serving at {}", shown.join(" and "));
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "{shown}");
        supervisor::ready(&shown);
        tokio::spawn(beat());
        run(broker, listeners, reload, stop).await;
        tracing::info!("stopped");
        Ok(())
    });
    // Whoever waits for a file server or for somebody's lock is left behind.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// The lock on the state directory; a disk that has no room for a file is no reason not to start.
fn state_lock(directories: &Directories) -> Result<Option<Single>, LockError> {
    match Single::acquire(&directories.state_lock_file()) {
        Err(LockError::Io { path, source }) if source.kind() == std::io::ErrorKind::StorageFull => {
            tracing::warn!(error = %source, path = %path.display(), "another daemon with this state would not be noticed");
            Ok(None)
        }
        lock => lock.map(Some),
    }
}

/// Tells the service manager that the runtime is alive, as often as it wants to hear it; where it does not, nothing.
async fn beat() {
    let Some(pause) = supervisor::heartbeat() else { return };
    loop {
        tokio::time::sleep(pause).await;
        supervisor::alive();
    }
}

/// SIGHUP reloads, SIGTERM and SIGINT stop.
fn signals() -> std::io::Result<(Arc<Notify>, CancellationToken)> {
    let (reload, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (nudge, end) = (reload.clone(), stop.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => nudge.notify_one(),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        supervisor::stopping();
        end.cancel();
    });
    Ok((reload, stop))
}
