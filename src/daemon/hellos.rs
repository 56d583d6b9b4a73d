//! The processes whose plugin said hello, and those that evaluate safeguards in its place. Nothing of it outlives them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::caller::ProcessId;
use crate::core::name::Stage;
use crate::core::plugin_report::PluginReport;
use crate::edges::peer;

/// No machine runs so many deployments at once.
const MOST: usize = 1024;

/// Remembers who said hello.
#[derive(Debug, Default)]
pub(super) struct Hellos {
    said: Mutex<HashMap<ProcessId, Hello>>,
}

/// What a process said.
#[derive(Debug, Clone)]
pub(super) enum Hello {
    /// It runs the plugin.
    Plugin {
        /// What the framework made of its service.
        report: Arc<PluginReport>,
        /// The configuration that was decided about.
        config: PathBuf,
        /// The stage that was decided.
        stage: Stage,
        /// Whether brokerd has the stage from the report.
        stage_reported: bool,
    },
    /// It is `brokerctl deploy`: what it starts on this stage is checked.
    StandIn {
        /// The configuration that was checked.
        config: PathBuf,
        /// The stage that it was checked for.
        stage: Stage,
    },
}

/// So many are remembered that one more would be a fault of whoever says hello.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST} processes that said hello are running")]
pub(super) struct TooMany;

impl Hellos {
    /// Remembers what a process said, in place of what it said before. Gives whether that is the first that it said.
    pub(super) fn remember(&self, process: ProcessId, hello: Hello) -> Result<bool, TooMany> {
        let mut said = self.lock();
        if said.len() >= MOST {
            said.retain(|process, _| peer::is_alive(*process));
        }
        if said.len() >= MOST && !said.contains_key(&process) {
            return Err(TooMany);
        }
        Ok(said.insert(process, hello).is_none())
    }

    /// Forgets a process that ended.
    pub(super) fn forget(&self, process: ProcessId) {
        self.lock().remove(&process);
    }

    /// What the plugin of a process reported, if it said hello.
    pub(super) fn report(&self, process: ProcessId) -> Option<Arc<PluginReport>> {
        match self.lock().get(&process)? {
            Hello::Plugin { report, .. } => Some(report.clone()),
            Hello::StandIn { .. } => None,
        }
    }

    /// Whether what the first of a line of processes deploys is checked: by its plugin, if that evaluates its command, or by what stands in for that
    /// and is further up in the line. Each process is the parent of the one before.
    pub(super) fn covers(&self, line: &[ProcessId], on: &Path, of: &Stage) -> bool {
        let said = self.lock();
        line.iter().enumerate().any(|(distance, process)| match said.get(process) {
            Some(Hello::Plugin { report, .. }) => distance == 0 && report.is_evaluated(),
            Some(Hello::StandIn { config, stage }) => config == on && stage == of,
            None => false,
        })
    }

    /// The processes whose plugin evaluates what they do on a stage of a project, and whether brokerd has the stage from them.
    pub(super) fn of(&self, config: &Path, stage: &Stage) -> Vec<(ProcessId, bool)> {
        let said = self.lock();
        let mut found: Vec<_> = said
            .iter()
            .filter_map(|(process, hello)| match hello {
                Hello::Plugin { report, config: its, stage: on, stage_reported }
                    if report.is_evaluated() && its == config && on == stage =>
                {
                    Some((*process, *stage_reported))
                }
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProcessId, Hello>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLI: ProcessId = ProcessId { pid: 10, start: 1 };
    const CHILD: ProcessId = ProcessId { pid: 11, start: 2 };

    fn hello(stage: &str) -> Hello {
        let text = r#"{"stage":"dev","region":"us-east-1","command":"deploy","framework":{"name":"osls","version":"4.3.1"}}"#;
        Hello::Plugin {
            report: Arc::new(serde_json::from_str(text).unwrap()),
            config: "/shop/serverless.yml".into(),
            stage: Stage::parse(stage).unwrap(),
            stage_reported: true,
        }
    }

    #[test]
    fn a_plugin_speaks_for_its_own_process_and_brokerctl_for_what_it_starts() {
        let hellos = Hellos::default();
        let config = Path::new("/shop/serverless.yml");
        let stage = |name: &str| Stage::parse(name).unwrap();
        let covers = |line: &[ProcessId]| hellos.covers(line, config, &stage("dev"));
        assert!(!covers(&[CHILD, CLI]));
        hellos.remember(CLI, hello("dev")).unwrap();
        assert!(covers(&[CLI]) && !covers(&[CHILD, CLI]));
        assert!(!covers(&[ProcessId { start: 7, ..CLI }]), "another process with its number");
        assert!(hellos.report(CLI).is_some());
        let of = |name| hellos.of(config, &stage(name));
        assert_eq!((of("dev"), of("qa")), (vec![(CLI, true)], vec![]));
        hellos.remember(CLI, Hello::StandIn { config: config.to_owned(), stage: stage("dev") }).unwrap();
        assert!(covers(&[CHILD, CLI]) && hellos.report(CLI).is_none());
        assert!(!hellos.covers(&[CHILD, CLI], config, &stage("prod")), "another stage than the checked one");
        hellos.forget(CLI);
        assert!(!covers(&[CHILD, CLI]));
    }

    #[test]
    fn they_are_bounded_and_those_that_ended_make_room() {
        let hellos = Hellos::default();
        for pid in 0..u32::try_from(MOST).unwrap() + 5 {
            // None of these runs.
            hellos.remember(ProcessId { pid, start: u64::MAX }, hello("dev")).unwrap();
        }
        assert!(hellos.lock().len() <= MOST);
    }
}
