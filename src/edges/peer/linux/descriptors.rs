//! The descriptors of a process (`man 5 proc_pid_fd`).

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// What tells sockets apart: the inode.
pub(in crate::edges::peer) type SocketName = u32;

/// The descriptor at which a process holds a socket, if it does.
pub(in crate::edges::peer) fn of(pid: u32, socket: SocketName) -> io::Result<Option<u32>> {
    let wanted = link(socket);
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // A descriptor that was closed meanwhile is none of ours.
        if fs::read_link(entry.path())
            .is_ok_and(|target| target.as_os_str() == OsStr::from_bytes(wanted.as_bytes()))
        {
            return Ok(entry.file_name().to_str().and_then(|name| name.parse().ok()));
        }
    }
    Ok(None)
}

/// Whether a process holds a socket at one descriptor: a single look.
pub(in crate::edges::peer) fn holds_at(pid: u32, socket: SocketName, descriptor: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/fd/{descriptor}"))
        .is_ok_and(|target| target.as_os_str() == OsStr::from_bytes(link(socket).as_bytes()))
}

fn link(socket: SocketName) -> String {
    format!("socket:[{socket}]")
}
