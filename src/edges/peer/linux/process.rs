//! What `/proc` says of a process (`man 5 proc`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open};

use crate::core::caller::{Image, Process, ProcessId};

/// The 22nd field of `/proc/PID/stat`. The second is the name in parentheses, which may hold anything, so fields
/// are counted from the one after it.
const START: usize = 19;

/// The processes of this machine.
pub(in crate::edges::peer) fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The start time of a process, in clock ticks since boot; `None` if it is not there.
pub(in crate::edges::peer) fn start(pid: u32) -> Option<u64> {
    field(pid, START)
}

/// What a process runs, and its start time, from one look.
pub(in crate::edges::peer) fn image(pid: u32) -> Option<(u64, Image)> {
    /// Start of the code and of the stack, then both ends of arguments and environment.
    const PLACES: [usize; 6] = [23, 25, 45, 46, 47, 48];
    let mut buffer = [0; LONGEST_STAT];
    let (mut start, mut image, mut found) = (None, [0; 6], 0);
    for (position, field) in stat(pid, &mut buffer)?.enumerate() {
        if position == START {
            start = field.parse().ok();
        } else if PLACES.get(found) == Some(&position) {
            image[found] = field.parse().ok()?;
            found += 1;
        }
    }
    (found == PLACES.len()).then_some((start?, Image(image)))
}

/// The process that started a process, or that it was given to when that one ended.
pub(in crate::edges::peer) fn parent(pid: u32) -> Option<u32> {
    field(pid, 1)
}

/// A field of `/proc/PID/stat`, counted from the one after the name.
fn field<T: std::str::FromStr>(pid: u32, position: usize) -> Option<T> {
    stat(pid, &mut [0; LONGEST_STAT])?.nth(position)?.parse().ok()
}

/// Fifty-two fields of at most twenty digits, and a name.
const LONGEST_STAT: usize = 2048;

/// The fields of `/proc/PID/stat` after the name, by one read into a buffer of the caller: this runs for each request.
fn stat(pid: u32, buffer: &mut [u8; LONGEST_STAT]) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    let file = open(format!("/proc/{pid}/stat"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = rustix::io::read(&file, &mut buffer[..]).ok()?;
    let stat = std::str::from_utf8(buffer.get(..length)?).ok()?;
    Some(stat[stat.rfind(')')? + 1..].split_ascii_whitespace())
}

/// The user whose process it is, to the eyes of `/proc`: root's for one that hides itself.
pub(in crate::edges::peer) fn owner(pid: u32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|found| found.uid())
}

/// The user that a process runs as, also of one that hides itself.
pub(in crate::edges::peer) fn uid(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // Real, effective, saved, file system: the effective one makes its sockets.
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The executable. One that was replaced while it runs, as by an upgrade, is named as it was.
pub(in crate::edges::peer) fn executable(pid: u32) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => Some(text.into()),
        None => Some(path),
    }
}

/// The name of a process, which is readable even where nothing else is.
pub(in crate::edges::peer) fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}

/// Reads a process.
pub(in crate::edges::peer) fn read(id: ProcessId) -> Process {
    Process {
        id,
        executable: executable(id.pid),
        arguments: texts(id.pid, "cmdline").filter(|arguments| !arguments.is_empty()),
    }
}

/// The environment of a process as it was at its start; `None` if it cannot be read.
pub(in crate::edges::peer) fn environment(pid: u32) -> Option<BTreeMap<String, String>> {
    let entries = texts(pid, "environ")?;
    let mut environment = BTreeMap::new();
    for entry in entries {
        if let Some((name, value)) = entry.split_once('=') {
            // The first of two counts, as for getenv.
            environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    Some(environment)
}

/// The session of a process: the process id of its leader.
pub(in crate::edges::peer) fn session(pid: u32) -> Option<u32> {
    field(pid, 3)
}

/// The device number of the terminal that controls a process; `None` if there is none.
pub(in crate::edges::peer) fn terminal(pid: u32) -> Option<u32> {
    field(pid, 4).filter(|device| *device != 0)
}

/// The name of a terminal, where its number tells it (`Documentation/admin-guide/devices.txt` of Linux).
pub(in crate::edges::peer) fn terminal_name(device: u32) -> Option<String> {
    const PSEUDO: std::ops::RangeInclusive<u32> = 136..=143;
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match major {
        4 if minor < 64 => Some(format!("tty{minor}")),
        4 => Some(format!("ttyS{}", minor - 64)),
        major if PSEUDO.contains(&major) => Some(format!("pts/{}", (major - PSEUDO.start()) * 256 + minor)),
        _ => None,
    }
}

/// The texts of a file in which each ends with NUL. A process title leaves a tail of NULs behind.
fn texts(pid: u32, file: &str) -> Option<Vec<String>> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).ok()?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if end == 0 {
        return Some(Vec::new());
    }
    let mut texts: Vec<String> = bytes[..end]
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    // Empty arguments at the end are arguments all the same: all NULs but the last one's are theirs.
    if file == "cmdline" && bytes.len() - end > 1 && texts.len() > 1 {
        texts.extend(std::iter::repeat_n(String::new(), bytes.len() - end - 1));
    }
    Some(texts)
}
