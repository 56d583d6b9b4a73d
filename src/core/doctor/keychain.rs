//! The keychain: which it is, and whether it can be used now.

use super::{Area, Finding, Level, Topic};
use crate::core::keychain::Keychain;
use crate::core::protocol::{KeychainChoice, KeychainStatus};

/// The area.
pub static AREA: Area = Area { name: "keychain", topics: &[&UNUSABLE, &UNSAVED, &MEMORY, &NOTE] };

static UNUSABLE: Topic = Topic {
    id: "keychain-unusable",
    level: Level::Warning,
    finds: "the keychain is locked, or does not answer",
    why: "sessions are in memory only and end with the daemon; keys and values kept there cannot be read",
    fix: "unlock it; the sentence names it",
};
static UNSAVED: Topic = Topic {
    id: "keychain-unsaved",
    level: Level::Note,
    finds: "the keychain does not have the last changes yet",
    why: "a daemon that ended now would ask STS again",
    fix: "nothing, if it passes",
};
static MEMORY: Topic = Topic {
    id: "keychain-memory",
    level: Level::Note,
    finds: "there is no keychain, so everything is in memory",
    why: "a restart forgets sessions and logins, and secrets cannot be kept",
    fix: "a desktop keyring, or keychain = \"keyutils\" in config.toml",
};
static NOTE: Topic = Topic {
    id: "keychain-note",
    level: Level::Note,
    finds: "what the keychain held was of no use, or why none was found",
    why: "sessions were asked for anew",
    fix: "nothing, unless it comes again",
};

/// What the daemon says of its keychain.
pub fn judge(status: &KeychainStatus) -> Vec<Finding> {
    let KeychainStatus { keychain, choice, trouble, hint, note, unsaved, sessions, .. } = status;
    let mut found = Vec::new();
    match trouble {
        Some(why) => found.push(
            Finding::of(&UNUSABLE, format!("keychain {keychain}: {why}; sessions are in memory only"))
                .with_hint(hint.clone()),
        ),
        None if *keychain == Keychain::Memory => {
            let how = match choice {
                KeychainChoice::Configured => "config.toml says so",
                _ => "none was found",
            };
            found.push(
                Finding::of(
                    &MEMORY,
                    format!("there is no keychain ({how}): a restart forgets sessions and logins"),
                )
                .with_hint(hint.clone()),
            );
        }
        None if *unsaved => {
            found.push(Finding::of(
                &UNSAVED,
                format!("keychain {keychain} does not have the last changes yet"),
            ));
        }
        None => {
            found.push(Finding::fine(
                &AREA,
                format!("keychain {keychain} is unlocked and keeps {sessions} sessions"),
            ));
        }
    }
    found.extend(note.iter().map(|note| Finding::of(&NOTE, note.as_str())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::doctor::fixtures;

    #[test]
    fn a_keychain_is_usable_or_says_why_not() {
        let usable = KeychainStatus { keychain: Keychain::SecretService, ..fixtures::status().keychain };
        let memory = |choice| KeychainStatus { keychain: Keychain::Memory, choice, ..usable.clone() };
        let locked = KeychainStatus {
            trouble: Some("it is locked".into()),
            hint: Some("unlock".into()),
            ..usable.clone()
        };
        for (status, id, level) in [
            (usable.clone(), "keychain", Level::Ok),
            (locked, "keychain-unusable", Level::Warning),
            (KeychainStatus { unsaved: true, ..usable.clone() }, "keychain-unsaved", Level::Note),
            (memory(KeychainChoice::Configured), "keychain-memory", Level::Note),
            (memory(KeychainChoice::NoneFound), "keychain-memory", Level::Note),
        ] {
            let found = judge(&status);
            assert_eq!((found[0].id, found[0].level, found.len()), (id, level, 1), "{id}");
        }
        let noted = KeychainStatus { note: Some("x".into()), ..usable };
        assert_eq!(judge(&noted)[1].id, "keychain-note");
    }
}
