//! Who may approve at a terminal: a person who is not the one that waits, as far as processes can show it.
//!
//! This stops accidents and automation that behaves. A hostile process of the same user can look like a person.

use super::super::caller::ProcessId;
use super::automation::automation;
use crate::core::caller::Process;

/// A process and those that started it, as they are looked at for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The process itself first, then its parent, its parent's parent and so on.
    pub line: Vec<ProcessId>,
    /// The leader of its session, if that has not ended.
    pub session: Option<ProcessId>,
}

impl Lineage {
    fn process(&self) -> Option<ProcessId> {
        self.line.first().copied()
    }
}

/// A process that was refused for want of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The process, and what started it.
    pub lineage: Lineage,
    /// Whether it runs still.
    pub is_alive: bool,
}

/// The process that would approve.
#[derive(Debug, Clone)]
pub struct Approver {
    /// The process, and what started it.
    pub lineage: Lineage,
    /// The same processes as they run, in the same order.
    pub processes: Vec<Process>,
    /// Whether it is in a terminal.
    pub has_terminal: bool,
}

/// Why a process may not approve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is in no terminal.
    #[error("an approval is typed in a terminal, and this process is in none")]
    NoTerminal,
    /// Something started it that answers by itself.
    #[error("an approval is typed by a person, and {name} (pid {pid}) started this process")]
    Automation {
        /// The program.
        name: &'static str,
        /// Its process.
        pid: u32,
    },
    /// It is the process that waits, or that one started it.
    #[error("the process that waits (pid {pid}) cannot approve for itself, nor can what it started")]
    Waits {
        /// The process that waits.
        pid: u32,
    },
    /// It is in the terminal of the process that waits.
    #[error("the process that waits (pid {pid}) is in this terminal's session")]
    SameSession {
        /// The process that waits.
        pid: u32,
    },
    /// One program started both.
    #[error("pid {common} started this process, and the one that asked (pid {pid}) too")]
    SameProgram {
        /// The process that asked.
        pid: u32,
        /// What started both.
        common: u32,
    },
}

impl Unfit {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoTerminal => "type brokerctl approve in a terminal yourself",
            Self::Automation { .. }
            | Self::Waits { .. }
            | Self::SameSession { .. }
            | Self::SameProgram { .. } => "open another terminal and type brokerctl approve there",
        }
    }
}

/// Whether a process may approve what these wait for, or waited for not long ago.
///
/// One that runs still shares neither line nor session with who approves. One that has ended, as a command-line tool
/// has by the time its user reads what it said, may have run in the same terminal; but then it is the shell there that
/// started both, which leads its session, and not a program that asks and then approves.
pub fn check(approver: &Approver, waiting: &[Waiting]) -> Result<(), Unfit> {
    let own = &approver.lineage;
    let (true, Some(session)) = (approver.has_terminal, own.session) else { return Err(Unfit::NoTerminal) };
    for process in &approver.processes {
        let arguments = process.arguments.as_deref().unwrap_or_default();
        if let Some(name) = automation(process.executable.as_ref(), arguments) {
            return Err(Unfit::Automation { name, pid: process.id.pid });
        }
    }
    for waits in waiting {
        let Some(process) = waits.lineage.process() else { continue };
        let pid = process.pid;
        if own.line.contains(&process) {
            return Err(Unfit::Waits { pid });
        }
        if waits.is_alive && waits.lineage.session == Some(session) {
            return Err(Unfit::SameSession { pid });
        }
        let common = own.line.iter().find(|ancestor| waits.lineage.line.contains(ancestor));
        if let Some(common) = common
            && waits.lineage.session == Some(session)
            && *common != session
        {
            return Err(Unfit::SameProgram { pid, common: common.pid });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start: u64::from(pid) }
    }

    /// A process by the pids of its line, itself first, and by its session's leader.
    fn lineage(line: &[u32], session: u32) -> Lineage {
        Lineage { line: line.iter().copied().map(id).collect(), session: Some(id(session)) }
    }

    fn approver(line: &[u32], session: u32, names: &[&str]) -> Approver {
        let process = |(pid, name): (&u32, &&str)| Process {
            id: id(*pid),
            executable: Some(format!("/usr/bin/{name}").into()),
            arguments: Some(vec![(*name).to_owned()]),
        };
        Approver {
            lineage: lineage(line, session),
            processes: line.iter().zip(names).map(process).collect(),
            has_terminal: true,
        }
    }

    /// A terminal emulator (10) has two shells (20, 30), each in a terminal; `brokerctl` (90) is typed in the second.
    #[test]
    fn who_waits_cannot_approve() {
        let plain = ["brokerctl", "bash", "xterm"];
        let person = approver(&[90, 30, 10], 30, &plain);
        for (what, waits, is_alive, expected) in [
            ("another terminal", lineage(&[50, 20, 10], 20), true, Ok(())),
            ("ended, in this terminal", lineage(&[50, 30, 10], 30), false, Ok(())),
            (
                "running, in this terminal",
                lineage(&[50, 30, 10], 30),
                true,
                Err(Unfit::SameSession { pid: 50 }),
            ),
            ("itself", lineage(&[90, 30, 10], 30), true, Err(Unfit::Waits { pid: 90 })),
            ("its shell", lineage(&[30, 10], 30), true, Err(Unfit::Waits { pid: 30 })),
            ("what opened its terminal", lineage(&[10], 1), true, Err(Unfit::Waits { pid: 10 })),
            ("no session any more", Lineage { session: None, ..lineage(&[50, 20], 20) }, false, Ok(())),
        ] {
            assert_eq!(check(&person, &[Waiting { lineage: waits, is_alive }]), expected, "{what}");
        }
    }

    #[test]
    fn what_a_program_asked_for_it_cannot_approve() {
        // A task runner (40) in the shell ran a tool (50), which was refused and ended, and now runs brokerctl.
        let asked = |line: &[u32]| Waiting { lineage: lineage(line, 30), is_alive: false };
        let by_runner = approver(&[90, 40, 30, 10], 30, &["brokerctl", "task", "bash", "xterm"]);
        let refused = Unfit::SameProgram { pid: 50, common: 40 };
        assert_eq!(check(&by_runner, &[asked(&[50, 40, 30, 10])]), Err(refused));
        assert_eq!(check(&by_runner, &[asked(&[50, 30, 10])]), Ok(()), "the person had asked");
        // One of several is enough.
        let several = [asked(&[50, 30, 10]), asked(&[51, 40, 30, 10])];
        assert_eq!(check(&by_runner, &several), Err(Unfit::SameProgram { pid: 51, common: 40 }));
    }

    #[test]
    fn nobody_types_without_a_terminal_or_under_automation() {
        let plain = ["brokerctl", "bash", "xterm"];
        let without = Approver { has_terminal: false, ..approver(&[90, 30, 10], 30, &plain) };
        assert_eq!(check(&without, &[]), Err(Unfit::NoTerminal));
        let mut led_by_nobody = approver(&[90, 30, 10], 30, &plain);
        led_by_nobody.lineage.session = None;
        assert_eq!(check(&led_by_nobody, &[]), Err(Unfit::NoTerminal));
        let scripted = approver(&[90, 30, 25, 20], 30, &["brokerctl", "sh", "script", "bash"]);
        let refusal = check(&scripted, &[]).unwrap_err();
        assert_eq!(refusal, Unfit::Automation { name: "script", pid: 25 });
        assert_eq!(
            refusal.to_string(),
            "an approval is typed by a person, and script (pid 25) started this process"
        );
    }
}
