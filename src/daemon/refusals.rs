//! The last refusals, for `brokerctl why --last`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::core::audit::Record;

/// How many are kept.
const MOST: usize = 64;

/// A short memory of refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<VecDeque<Record>>);

impl Refusals {
    /// Takes a refusal. SDKs try several times: one that repeats the last of its process takes its place.
    pub(super) fn push(&self, record: Record) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = |record: &Record| record.caller.as_ref().map(|caller| caller.process);
        records.retain(|known| process(known) != process(&record) || known.refusal != record.refusal);
        if records.len() == MOST {
            records.pop_front();
        }
        records.push_back(record);
    }

    /// The refusals, oldest first.
    pub(super) fn list(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
