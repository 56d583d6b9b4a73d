//! Requests without a token, IMDSv1: how many, and of which programs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::protocol::TokenlessClient;

/// Programs that are told apart; what others ask counts as [`OTHERS`].
const PROGRAMS: usize = 64;
const OTHERS: &str = "others";
/// One that could not be looked at.
const UNKNOWN: &str = "unknown";

/// Counts since the start.
#[derive(Debug, Default)]
pub(super) struct Tokenless(Mutex<BTreeMap<String, u64>>);

impl Tokenless {
    /// Counts a request of a program, if that is known.
    pub(super) fn count(&self, program: Option<String>) {
        let mut counts = self.lock();
        let name = program.unwrap_or_else(|| UNKNOWN.to_owned());
        let is_one_too_many = counts.len() >= PROGRAMS && !counts.contains_key(&name);
        *counts.entry(if is_one_too_many { OTHERS.to_owned() } else { name }).or_default() += 1;
    }

    /// All of them.
    pub(super) fn requests(&self) -> u64 {
        self.lock().values().sum()
    }

    /// The programs, those that asked most first.
    pub(super) fn clients(&self) -> Vec<TokenlessClient> {
        let counts = self.lock();
        let mut clients: Vec<_> = counts
            .iter()
            .map(|(program, requests)| TokenlessClient { program: program.clone(), requests: *requests })
            .collect();
        clients.sort_by_key(|client| std::cmp::Reverse(client.requests));
        clients
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_apart_up_to_a_number_and_the_busiest_is_first() {
        let tokenless = Tokenless::default();
        for _ in 0..3 {
            tokenless.count(Some("curl".to_owned()));
        }
        tokenless.count(None);
        assert_eq!(tokenless.clients()[0], TokenlessClient { program: "curl".to_owned(), requests: 3 });
        for number in 0..1000 {
            tokenless.count(Some(format!("program-{number}")));
        }
        let clients = tokenless.clients();
        assert_eq!((tokenless.requests(), clients.len()), (1004, PROGRAMS + 1));
        assert_eq!(clients[0].program, OTHERS);
    }
}
