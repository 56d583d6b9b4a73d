//! A file of secrets that lies on no disk.

use std::io::{PipeReader, Write, pipe};
use std::os::fd::AsRawFd;

use rustix::io::{FdFlags, fcntl_setfd};

use super::failure::Failure;

/// A pipe holds no more than this by itself, and on macOS no more at all.
const PLAIN: usize = 16 * 1024;

/// A pipe that holds a text whole, so that nobody has to go on writing once this process has become the command: what
/// reads it gets the text once, and then it is gone.
#[derive(Debug)]
pub(super) struct SecretPipe {
    path: String,
    /// The command inherits it.
    _reader: PipeReader,
}

impl SecretPipe {
    pub(super) fn new(text: &str) -> Result<Self, Failure> {
        let (reader, mut writer) = pipe()?;
        if text.len() > PLAIN {
            widen(&writer, text.len())?;
        }
        writer.write_all(text.as_bytes())?;
        fcntl_setfd(&reader, FdFlags::empty()).map_err(std::io::Error::from)?;
        Ok(Self { path: format!("/dev/fd/{}", reader.as_raw_fd()), _reader: reader })
    }

    /// Its path for the command.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(target_os = "linux")]
fn widen(writer: &std::io::PipeWriter, length: usize) -> Result<(), Failure> {
    // A pipe of ordinary users has a mebibyte at most (man 7 pipe).
    let has_room = rustix::pipe::fcntl_setpipe_size(writer, length).is_ok();
    if has_room { Ok(()) } else { Err(too_long(length)) }
}

#[cfg(not(target_os = "linux"))]
fn widen(_: &std::io::PipeWriter, length: usize) -> Result<(), Failure> {
    Err(too_long(length))
}

fn too_long(length: usize) -> Failure {
    Failure::refused(format!("the secrets take {length} bytes, which no pipe holds here"))
        .with_hint("name fewer: --secrets=A,B")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn it_is_read_once_whatever_its_length() {
        for length in [0, 1, PLAIN, PLAIN + 1, 300_000] {
            let text = "x".repeat(length);
            let pipe = SecretPipe::new(&text).unwrap();
            let mut found = String::new();
            std::fs::File::open(pipe.path()).unwrap().read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
        }
        assert!(SecretPipe::new(&"x".repeat(64 * 1024 * 1024)).is_err());
    }
}
