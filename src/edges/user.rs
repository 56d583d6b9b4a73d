//! The user that this process runs as.

use std::fs;
use std::path::PathBuf;

/// This user's number.
pub fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// This user's name: of the user database, else of the environment, else the number.
pub fn name() -> String {
    entry("/etc/passwd", 2, uid())
        .and_then(|fields| fields.into_iter().next())
        .or_else(|| std::env::var("USER").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| uid().to_string())
}

/// The number of the user with this name or number, by the user database's file; a number needs no entry there.
pub fn number(user: &str) -> Option<u32> {
    user.parse().ok().or_else(|| {
        let text = fs::read_to_string("/etc/passwd").ok()?;
        let mut entries = text.lines().map(|line| line.split(':'));
        entries.find_map(|mut fields| {
            (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    })
}

/// The users that the user database's file has, by number, and where their homes are.
pub fn homes() -> Vec<(u32, PathBuf)> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.filter_map(|fields| Some((fields.get(2)?.parse().ok()?, PathBuf::from(fields.get(5)?)))).collect()
}

/// Whether a group has this user as its only member, as where each user has a group of his own. A group that
/// the local files do not describe is not private: nobody here knows who is in it.
pub fn is_private_group(gid: u32) -> bool {
    if rustix::process::getgid().as_raw() != gid {
        return false;
    }
    let own = name();
    let Some(group) = entry("/etc/group", 2, gid) else { return false };
    let members = group.get(3).map(String::as_str).unwrap_or_default();
    let only_us = members.split(',').all(|member| member.is_empty() || member == own);
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let nobody_else = users.lines().all(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        fields.get(3).is_none_or(|primary| *primary != gid.to_string())
            || fields.get(2).is_some_and(|uid| *uid == self::uid().to_string())
    });
    only_us && nobody_else
}

/// The line of a database whose field at `position` is `number`.
fn entry(file: &str, position: usize, number: u32) -> Option<Vec<String>> {
    let number = number.to_string();
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').nth(position) == Some(number.as_str()))?;
    Some(line.split(':').map(str::to_owned).collect())
}
