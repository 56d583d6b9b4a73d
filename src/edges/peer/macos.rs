//! macOS: `libproc` says what a process of our own user holds, and where it is. The kernel cannot be asked for one
//! connection's owner, so a socket is told by its two ends, which no other can have while the daemon holds its own.

pub(super) mod descriptors;
pub(super) mod directory;
pub(super) mod process;
pub(super) mod sockets;
