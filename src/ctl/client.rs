//! The client's side of the control socket.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use serde::Serialize;
use zeroize::Zeroizing;

use super::failure::{Failure, Kind};
use crate::core::protocol::{Line, MAX_REPLY, PROTOCOL, Reply, Request};
use crate::edges::directories::Directories;

/// A daemon that is silent for so long is broken.
const ANSWER: Duration = Duration::from_mins(1);

/// Asks the daemon, and gives its reply unless that is a failure.
pub(super) fn ask(request: &Request) -> Result<Reply, Failure> {
    let directories = Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
    let stream = UnixStream::connect(directories.control_socket()).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => not_running(),
        _ => Failure::from(error),
    })?;
    exchange(&stream, request, ANSWER)
}

/// Asks the daemon, trying for at most `patience` until one answers.
pub(super) fn ask_patiently(request: &Request, patience: Duration) -> Result<Reply, Failure> {
    const PAUSE: Duration = Duration::from_millis(20);
    let end = Instant::now() + patience;
    loop {
        match ask(request) {
            Err(Failure { kind: Kind::NotRunning, .. }) if Instant::now() + PAUSE < end => {
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Asks the daemon for what nobody waits for: one that does not answer in time, and one whose queue is full, is as good
/// as none.
pub(super) fn ask_briefly(request: &Request, patience: Duration) -> Result<Reply, Failure> {
    let directories = Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
    let address = SocketAddrUnix::new(directories.control_socket()).map_err(io::Error::from)?;
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).map_err(io::Error::from)?;
    // By itself, since not every system takes it with the kind of socket.
    fcntl_setfd(&socket, FdFlags::CLOEXEC).map_err(io::Error::from)?;
    // This limits the connecting too, which std's stream has no other way to do.
    set_socket_timeout(&socket, Timeout::Send, Some(patience)).map_err(io::Error::from)?;
    connect(&socket, &address).map_err(io::Error::from)?;
    exchange(&UnixStream::from(socket), request, patience)
}

fn exchange(mut stream: &UnixStream, request: &Request, patience: Duration) -> Result<Reply, Failure> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(&line(request)?)?;
    let mut answer = Zeroizing::new(Vec::with_capacity(64 * 1024));
    BufReader::new(stream.take(MAX_REPLY as u64)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(not_running());
    }
    let line: Line<Reply> = serde_json::from_slice(&answer)
        .map_err(|_| Failure::refused("the daemon's reply cannot be read").with_hint(RESTART))?;
    match line.body {
        Reply::Failed { message, hint, needs_person, .. } => {
            let kind = if needs_person { Kind::NeedsPerson } else { Kind::Refused };
            Err(Failure { kind, message, hint })
        }
        Reply::Unknown => Err(Failure::refused(different(line.protocol, &line.version)).with_hint(RESTART)),
        reply if line.protocol == PROTOCOL => Ok(reply),
        _ => Err(Failure::refused(different(line.protocol, &line.version)).with_hint(RESTART)),
    }
}

const RESTART: &str = "brokerctl stop, and start brokerd again: it may be older than brokerctl";

fn different(protocol: u32, version: &str) -> String {
    format!("the daemon ({version}) speaks protocol {protocol}, and this brokerctl protocol {PROTOCOL}")
}

/// A request may hold keys: a buffer that grows would leave copies of them behind.
fn line(request: impl Serialize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(4 * 1024));
    serde_json::to_writer(&mut *text, &Line::new(request))
        .map_err(|error| Failure::refused(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

fn not_running() -> Failure {
    Failure {
        kind: Kind::NotRunning,
        message: "brokerd is not running".to_owned(),
        hint: Some("brokerd &".to_owned()),
    }
}
