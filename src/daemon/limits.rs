//! How much the endpoint takes of its clients, and for how long.

use std::time::Duration;

/// The limits of the endpoint. The default is what the program has; tests may have others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, of all addresses together.
    pub connections: usize,
    /// Connections at once of one process.
    pub of_one_process: usize,
    /// A request's head must come within this time; a connection that is kept alive may be idle as long.
    pub head: Duration,
    /// Of an answer something must be taken within this time.
    pub taking: Duration,
    /// A request must be answered within this time, or is answered with 503.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            of_one_process: 256,
            head: Duration::from_secs(15),
            taking: Duration::from_secs(15),
            answer: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The default, for a process that may have so many open files: some are kept back for looks at `/proc`, for
    /// `brokerctl`, for AWS. Without them the callers of the connections that there are could not be told.
    pub fn of_files(files: usize) -> Self {
        const KEPT_BACK: usize = 96;
        const FEWEST: usize = 8;
        let default = Self::default();
        let connections = default.connections.min(files.saturating_sub(KEPT_BACK)).max(FEWEST);
        Self { connections, of_one_process: default.of_one_process.min(connections), ..default }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_leave_room_for_looking_at_callers() {
        for (files, connections) in [(1024, 512), (608, 512), (256, 160), (64, 8), (0, 8)] {
            assert_eq!(Limits::of_files(files).connections, connections, "{files}");
        }
    }
}
