//! 169.254.169.254 for the processes of one user: what leads it to that user's brokerd, and what takes that back.
//!
//! AWS tools ask there when nothing tells them otherwise, and some can be told nothing at all. Here is only what is to be
//! run; `brokerctl link-local` runs it, as root.

pub mod cloud;
pub mod linux;
pub mod macos;

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Where AWS tools look for the instance metadata service.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The port of it.
pub const PORT: u16 = 80;

/// The endpoint that tools ask which are told nothing.
pub const ENDPOINT: &str = "http://169.254.169.254/";

/// One user's redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect {
    /// Whose connections are led.
    uid: u32,
    /// The port of that user's brokerd, on 127.0.0.1.
    port: u16,
}

/// Why there is no such redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// Root's own processes would be led to a user's program.
    #[error("root's connections are not led to a user's brokerd")]
    Root,
    /// No user is this one.
    #[error("{0} is the number of no user")]
    Nobody(u32),
    /// A port that only root can listen on is not brokerd's.
    #[error("port {0} is not one that a user can listen on: 1024 to 65535")]
    Port(u16),
}

impl Redirect {
    /// The redirect of a user's connections to a port. This is what root acts on, so what cannot be right is refused.
    pub fn new(uid: u32, port: u16) -> Result<Self, RedirectError> {
        match (uid, port) {
            (0, _) => Err(RedirectError::Root),
            // (uid_t) -1 means "no user" to the kernel.
            (u32::MAX, _) => Err(RedirectError::Nobody(uid)),
            (_, ..1024) => Err(RedirectError::Port(port)),
            _ => Ok(Self { uid, port }),
        }
    }

    /// Whose it is.
    pub fn uid(self) -> u32 {
        self.uid
    }

    /// Where it leads.
    pub fn port(self) -> u16 {
        self.port
    }
}

/// A program to run as root, or a file to put in place for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Runs a program.
    Run {
        /// Its name and arguments.
        words: Vec<String>,
        /// What it reads.
        input: Option<String>,
    },
    /// Writes a file of root's, mode 0644, whole or not at all.
    Write {
        /// Where.
        path: String,
        /// Its text.
        text: String,
    },
    /// Removes a file, if it is there.
    Remove {
        /// Where.
        path: String,
    },
}

impl Step {
    fn run(words: &str) -> Self {
        Self::Run { words: words.split(' ').map(str::to_owned).collect(), input: None }
    }

    fn run_with(words: &str, input: String) -> Self {
        Self::Run { words: words.split(' ').map(str::to_owned).collect(), input: Some(input) }
    }
}

impl fmt::Display for Step {
    /// As a person would type it into a shell. No word of a step needs quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { words, input: None } => f.write_str(&words.join(" ")),
            Self::Run { words, input: Some(input) } => {
                write!(f, "{} <<'END'\n{input}END", words.join(" "))
            }
            Self::Write { path, text } => write!(f, "cat > {path} <<'END'\n{text}END"),
            Self::Remove { path } => write!(f, "rm -f {path}"),
        }
    }
}

/// What there is to be known of the address before it is touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Whose address it is on this machine.
    pub address: Holder,
    /// The users with a redirect; `None` where only root can tell.
    pub users: Option<Vec<u32>>,
    /// What says that this machine has a metadata service of its own.
    pub real: Option<String>,
    /// Whether a route leads to the address away from this machine.
    pub is_routed: bool,
}

impl Surroundings {
    /// Whether others reach a metadata service by a route. Then the address must not be put on the loopback interface,
    /// which would win over the route for everybody; the rules lead a user's connections without it.
    pub fn has_reached_service(&self) -> bool {
        self.real.is_some() && self.is_routed
    }
}

/// What has 169.254.169.254 on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// Nothing.
    #[default]
    Nothing,
    /// The loopback interface, put there by `brokerctl link-local`.
    Brokerd,
    /// The loopback interface, put there by somebody else: it is used, and left.
    Loopback,
    /// Another interface: something else serves there.
    Interface(String),
}

/// How the redirect of one user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// This user's connections come to this user's brokerd.
    On,
    /// They go where they went without brokerd.
    Off,
    /// The address is there or led somewhere, and nobody answers this user.
    Unanswered,
    /// Somebody answers who is not this user's brokerd.
    Foreign,
}

impl State {
    /// What that means, in a sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::On => format!("this user's connections to {ADDRESS}:{PORT} come to this user's brokerd"),
            Self::Off => format!("{ADDRESS} does not lead to brokerd"),
            Self::Unanswered => {
                format!("{ADDRESS}:{PORT} is on this machine, and nobody answers this user there")
            }
            Self::Foreign => format!("somebody else than this user's brokerd answers at {ADDRESS}:{PORT}"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Unanswered => "unanswered",
            Self::Foreign => "foreign",
        })
    }
}

/// What `brokerctl link-local status --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// How it stands.
    pub state: State,
    /// What has the address.
    pub address: Holder,
    /// Whether it comes back at the machine's next start.
    pub at_boot: bool,
    /// The metadata service that this machine has of its own, if it has one.
    pub real_service: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_users_brokerd_is_no_redirect() {
        for (uid, port, expected) in [
            (1000, 9254, None),
            (1, 1024, None),
            (0, 9254, Some(RedirectError::Root)),
            (u32::MAX, 9254, Some(RedirectError::Nobody(u32::MAX))),
            (1000, 0, Some(RedirectError::Port(0))),
            (1000, 80, Some(RedirectError::Port(80))),
            (1000, 1023, Some(RedirectError::Port(1023))),
        ] {
            assert_eq!(Redirect::new(uid, port).err(), expected, "{uid} {port}");
        }
    }

    #[test]
    fn a_step_is_shown_as_it_would_be_typed() {
        assert_eq!(Step::run("ip address show").to_string(), "ip address show");
        assert_eq!(Step::run_with("nft -f -", "a\n".to_owned()).to_string(), "nft -f - <<'END'\na\nEND");
        let write = Step::Write { path: "/etc/x".to_owned(), text: "t\n".to_owned() };
        assert_eq!(write.to_string(), "cat > /etc/x <<'END'\nt\nEND");
    }
}
