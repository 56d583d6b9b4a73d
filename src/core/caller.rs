//! The process on the other end of a connection.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One process, for good: a pid alone is used again, together with its start time it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

/// A directory as the kernel knows it, whatever its path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DirectoryId {
    /// The number of the device it is on.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

/// The program that a process runs, told by where the kernel laid out its code, stack, arguments and
/// environment. `exec` keeps pid and start time, and changes this: whoever runs another program is, for the
/// stage rule, another caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Image(pub [u64; 6]);

/// What can be seen of a process.
#[derive(Clone, PartialEq, Eq)]
pub struct Process {
    /// Which one.
    pub id: ProcessId,
    /// Its executable; `None` if that cannot be read.
    pub executable: Option<PathBuf>,
    /// Its command line as separate arguments, the program's name first; `None` if that cannot be read.
    pub arguments: Option<Vec<String>>,
}

impl Process {
    /// The file name of the executable, or of what it was started as where the executable cannot be read.
    pub fn name(&self) -> String {
        let started_as = self.arguments.as_ref().and_then(|arguments| arguments.first()).map(Path::new);
        let name = self.executable.as_deref().or(started_as).and_then(Path::file_name);
        name.map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

impl fmt::Debug for Process {
    /// Arguments may hold secrets, so only the rest is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id)
            .field("executable", &self.executable)
            .finish_non_exhaustive()
    }
}

/// An identified caller: the process that asks, and those that started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The process that asks.
    pub process: Process,
    /// The user whose it is.
    pub uid: u32,
    /// Its directory, checked to be the one that has this path here.
    pub directory: PathBuf,
    /// Its directory by number, to notice when it moves.
    pub directory_id: DirectoryId,
    /// What it runs, to notice when it becomes another program.
    pub image: Image,
    /// Its parent, its parent's parent and so on, as far as they are the same user's.
    pub ancestors: Vec<Ancestor>,
    /// The leaders of the sessions that it and its ancestors are in, the nearest first, each once. A session whose
    /// leader has ended is left out.
    pub sessions: Vec<ProcessId>,
}

/// A process that started a caller, or one that did that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// The process.
    pub process: Process,
    /// Its directory; `None` if that cannot be read or is not what its path says.
    pub directory: Option<PathBuf>,
}

/// Why it cannot be said which process asks, or from which directory. Such a caller gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Unidentified {
    /// The socket belongs to another user.
    #[error("the caller belongs to another user (uid {uid})")]
    OtherUser {
        /// That user.
        uid: u32,
    },
    /// The socket was closed before its process could be found.
    #[error("the connection was closed before its process could be found")]
    Gone,
    /// No process that can be looked at holds the socket, and some hide their descriptors.
    #[error("the process that asks hides itself; one of: {}", .candidates.join(", "))]
    Hidden {
        /// Processes of this user whose descriptors cannot be read, as `name (pid)`.
        candidates: Vec<String>,
    },
    /// Processes that did not start each other hold the socket, as when a daemon kept a copy of it.
    #[error(
        "the connection is held by pid {first} and by pid {second}, of which neither started the other: nobody knows which one asks"
    )]
    Shared {
        /// One of them.
        first: u32,
        /// Another.
        second: u32,
    },
    /// No process of this user holds the socket.
    #[error(
        "no process of this user holds the connection: it may have been made in a container or by another user's program"
    )]
    NotFound,
    /// The process forwards for others.
    #[error("{name} (pid {pid}) forwards for others: who is behind it cannot be known")]
    Relay {
        /// The relay.
        name: String,
        /// Its process.
        pid: u32,
    },
    /// The directory that the process shows is not the one of that path here.
    #[error(
        "pid {pid} shows the directory {path}, which is not that directory here: it runs in a mount namespace of its own, such as a container's"
    )]
    ForeignDirectory {
        /// The process.
        pid: u32,
        /// What it shows.
        path: String,
    },
    /// The directory is gone or cannot be read.
    #[error("the directory of pid {pid} cannot be read: {why}")]
    NoDirectory {
        /// The process.
        pid: u32,
        /// The system's words.
        why: String,
    },
    /// The process ended or handed on its socket while it was looked at.
    #[error("the process changed while it was looked at")]
    Changed,
    /// The system refuses to say.
    #[error("the system does not say who asks: {0}")]
    System(String),
}

/// For what runs where it cannot be told from which project: nothing but a token says so.
const CONTAINER: &str = "for your own container, or behind a relay: brokerctl tokens add --app APP --stage STAGE; else run the AWS tool on this side, in the project's directory, as yourself";

impl Unidentified {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Hidden { .. } => Some("start the AWS tool with a token: brokerctl exec -- COMMAND"),
            Self::Relay { .. } | Self::ForeignDirectory { .. } | Self::NotFound | Self::OtherUser { .. } => {
                Some(CONTAINER)
            }
            Self::NoDirectory { .. } => Some("start the tool in a directory that exists"),
            Self::Gone | Self::Changed | Self::Shared { .. } | Self::System(_) => None,
        }
    }
}
