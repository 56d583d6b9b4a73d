//! Who listens where AWS tools ask: whoever had the port before brokerd could give them keys of his own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::failure::Failure;
use crate::core::protocol::EndpointSocket;
use crate::edges::peer::listener::{self, Listener};
use crate::edges::user::uid;

const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// Where brokerd listens unless it is told otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9254);

/// Something other than brokerd where its endpoint should be.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) sentence: String,
    /// Whether somebody is there who could answer in brokerd's place.
    pub(super) is_somebody: bool,
}

impl Stranger {
    fn new(address: SocketAddr, found: Option<&Listener>) -> Self {
        Self { sentence: sentence(address, found), is_somebody: found.is_some() }
    }
}

/// Each address of the endpoint, and the one that the environment names, at which somebody else listens, or nobody.
/// No tool may be sent there.
pub(super) fn strangers(sockets: &[EndpointSocket]) -> Vec<Stranger> {
    let own = sockets.iter().filter_map(|socket| {
        let found = listener::of(socket.address);
        let is_ours = found.as_ref().is_some_and(|found| found.inode == socket.inode);
        (!is_ours).then(|| Stranger::new(socket.address, found.as_ref()))
    });
    let named = address_here().filter(|address| sockets.iter().all(|socket| socket.address != *address));
    let other_users = named.and_then(|address| Some((address, another_users(address)?)));
    own.chain(other_users.map(|(address, found)| Stranger::new(address, Some(&found)))).collect()
}

/// Who listens where tools here would ask, if that is another user, while brokerd does not run.
pub(super) fn in_its_place() -> Option<String> {
    let address = address_here().unwrap_or(DEFAULT);
    another_users(address).map(|found| sentence(address, Some(&found)))
}

/// The refusal to send anybody to what strangers listen on.
pub(super) fn refusal() -> Failure {
    Failure::refused("the endpoint is not brokerd's alone").with_hint(format!("unset {ENDPOINT}"))
}

fn another_users(address: SocketAddr) -> Option<Listener> {
    listener::of(address).filter(|found| found.uid != uid())
}

fn sentence(address: SocketAddr, found: Option<&Listener>) -> String {
    match found {
        None => format!(
            "nobody listens at {address} here: brokerd does in another network namespace, as outside of a container"
        ),
        Some(found) if found.uid == uid() => {
            format!("{found} listens at {address}, and not the brokerd that answers")
        }
        Some(found) => format!(
            "another user (uid {}) listens at {address}: AWS tools that ask there get what that user gives them",
            found.uid
        ),
    }
}

/// The address that the environment sends AWS tools to, if it is one.
fn address_here() -> Option<SocketAddr> {
    address_of(&std::env::var(ENDPOINT).ok()?)
}

/// The address in the URL of an endpoint. `localhost` is taken for its first address.
fn address_of(url: &str) -> Option<SocketAddr> {
    let authority = url.trim().strip_prefix("http://")?.split('/').next()?;
    let plain = authority.replacen("localhost", "127.0.0.1", 1);
    plain.parse().ok().or_else(|| {
        let ip: IpAddr = plain.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(SocketAddr::new(ip, 80))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_endpoint_is_an_address_by_its_url() {
        for (url, expected) in [
            ("http://127.0.0.1:9254/", Some("127.0.0.1:9254")),
            ("http://localhost:1", Some("127.0.0.1:1")),
            ("http://[::1]:9254/x", Some("[::1]:9254")),
            ("http://169.254.169.254/", Some("169.254.169.254:80")),
            ("http://[fd00:ec2::254]", Some("[fd00:ec2::254]:80")),
            ("http://broker.internal:1/", None),
            ("https://127.0.0.1:1/", None),
            ("", None),
        ] {
            assert_eq!(address_of(url), expected.map(|text| text.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn a_socket_that_is_not_the_one_is_said() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let inode = listener::of(address).unwrap().inode;
        assert!(strangers(&[EndpointSocket { address, inode, remote: false }]).is_empty());
        let said = strangers(&[EndpointSocket { address, inode: inode + 1, remote: false }]);
        assert!(
            said[0].sentence.contains("and not the brokerd that answers") && said[0].is_somebody,
            "{said:?}"
        );
        assert!(sentence(address, None).starts_with("nobody listens at"));
    }
}
