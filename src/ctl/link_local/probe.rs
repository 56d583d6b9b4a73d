//! Whether 169.254.169.254 leads to this user's brokerd, tried as a tool does.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::core::link_local::{ADDRESS, Holder, PORT, State, Surroundings};
use crate::edges::peer::{Connection, has_socket};

/// On one machine an answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer that is waited for is longer.
const LONGEST: u64 = 16 * 1024;

/// How it stands, with the port of the daemon, if that runs. Where the address is not on the loopback interface a real
/// metadata service may answer: there a connection is opened, and nothing is asked unless it came to the daemon's port.
pub(super) fn state(found: &Surroundings, port: Option<u16>) -> State {
    let at = SocketAddr::new(IpAddr::V4(ADDRESS), PORT);
    match &found.address {
        Holder::Brokerd | Holder::Loopback => {}
        Holder::Nothing if !found.has_reached_service() => return State::Off,
        Holder::Nothing | Holder::Interface(_) => {
            // The service would take the connection, and rules that lead to nobody do not.
            let Ok(stream) = TcpStream::connect_timeout(&at, PATIENCE) else { return State::Unanswered };
            if !port.is_some_and(|port| came_to(port, &stream)) {
                return State::Off;
            }
        }
    }
    let Ok(answer) = ask(at, "PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60") else {
        return State::Unanswered;
    };
    let Some(port) = port else { return State::Foreign };
    // A token is good for the process that asked, at the daemon that gave it: nobody else can seal one.
    let direct = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let token = format!("X-aws-ec2-metadata-token: {}", answer.body.trim());
    match ask(direct, "GET /latest/meta-data/", &token) {
        Ok(known) if answer.status == 200 && known.status == 200 => State::On,
        _ => State::Foreign,
    }
}

/// Whether a connection came to a port of this machine: the kernel knows its far end then.
fn came_to(port: u16, stream: &TcpStream) -> bool {
    let far = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    stream.local_addr().is_ok_and(|near| has_socket(Connection::new(far, near)))
}

struct Answer {
    status: u16,
    body: String,
}

fn ask(at: SocketAddr, request: &str, header: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "{request} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{header}\r\n\r\n")?;
    let mut text = String::new();
    stream.take(LONGEST).read_to_string(&mut text)?;
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    Ok(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_where_nothing_can_lead_to_the_daemon() {
        for (real, is_routed) in [(None, true), (Some("this is a machine of X".to_owned()), false)] {
            let found = Surroundings { real, is_routed, ..Surroundings::default() };
            assert_eq!(state(&found, Some(9254)), State::Off);
        }
    }
}
