//! The approvals in memory, what waits for one, and what protects the profiles, in its file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::core::approval::approver::{Lineage, Waiting};
use crate::core::approval::guarded::Guarded;
use crate::core::approval::{Approval, Approvals as Given, Matter, Tries, Use, WrongDigits};
use crate::core::audit::AuditedCaller;
use crate::core::catalog::{Catalog, Protection};
use crate::core::decision::Decision;
use crate::core::moment::BootTime;
use crate::core::name::ProfileName;
use crate::edges::state_file::{StateFile, StateFileError};
use crate::edges::{clock, peer};

/// What nobody has asked for in so long does not wait any more.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// So many matters wait at most; those that were asked for last stay.
const MOST: usize = 64;
/// So many processes are kept in mind of those that ask for one of them.
const ASKED: usize = 32;
/// A notification that its user sent away is not shown again for so long, unless somebody asks for it by hand.
const QUIET: Duration = Duration::from_mins(5);
/// A desktop that could not be asked is asked again after so long.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps all of it.
#[derive(Debug)]
pub(super) struct Approvals {
    file: Arc<StateFile<Guarded>>,
    /// Held while the file is changed, so that of two changes the later one is in force.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// The matters that the desktop is to be asked about, by name.
    to_desktop: mpsc::UnboundedSender<String>,
    /// The other end, until somebody serves it.
    for_desktop: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
    /// Counts the changes of what waits.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    guarded: Arc<Guarded>,
    /// The catalog that `guarded` has been settled with.
    settled: Option<Arc<Catalog>>,
    /// Why the file does not have what `guarded` has.
    trouble: Option<String>,
    given: Given,
    pending: Vec<Pending>,
    /// Wrong digits, by account.
    tries: HashMap<String, Tries>,
}

/// Something that waits for an approval, or that somebody looks at to approve it.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) matter: Matter,
    /// What was decided, of a use.
    pub(super) decision: Option<Arc<Decision>>,
    /// What is taken away, of an edit.
    pub(super) what: Vec<String>,
    /// Who asked for it, the last one first.
    pub(super) asked: Vec<Asked>,
    pub(super) desktop: Desktop,
    last: BootTime,
}

/// What there is to know of a matter.
#[derive(Debug)]
pub(super) enum About {
    /// What was decided, of a use.
    Decision(Arc<Decision>),
    /// What is taken away, of an edit.
    Edit(Vec<String>),
}

/// A process that was refused.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) caller: Arc<AuditedCaller>,
    lineage: Lineage,
}

/// How far the desktop has been asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Desktop {
    NotAsked,
    /// It is about to be.
    Begun,
    /// A notification is shown.
    Shown,
    /// Its user sent it away.
    SentAway(BootTime),
    /// It could not be asked, for this reason.
    Failed(String, BootTime),
}

impl Desktop {
    /// What keeps it from asking, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        match self {
            Self::Failed(why, _) => Some(why.clone()),
            _ => None,
        }
    }

    /// Whether it is to be asked now; `by_hand` if somebody wants to see it.
    fn is_due(&self, now: BootTime, by_hand: bool) -> bool {
        match self {
            Self::NotAsked => true,
            Self::Begun | Self::Shown => false,
            Self::SentAway(when) => by_hand || when.after(QUIET) <= now,
            Self::Failed(_, when) => by_hand || when.after(AGAIN) <= now,
        }
    }
}

impl Pending {
    /// Those that asked, as they are looked at when somebody approves.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let waiting = |asked: &Asked| Waiting {
            lineage: asked.lineage.clone(),
            is_alive: peer::is_alive(asked.caller.process),
        };
        self.asked.iter().map(waiting).collect()
    }
}

impl Approvals {
    /// Reads what protects the profiles.
    pub(super) fn read(path: PathBuf) -> Result<Self, StateFileError> {
        let file = Arc::new(StateFile::at(path));
        let state = State { guarded: Arc::new(file.read()?), ..State::default() };
        let (to_desktop, for_desktop) = mpsc::unbounded_channel();
        Ok(Self {
            file,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            to_desktop,
            for_desktop: Mutex::new(Some(for_desktop)),
            changes: watch::channel(0).0,
        })
    }

    /// Why what protects the profiles is not written down, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// What protects the profiles, under a catalog: what that makes stricter is taken over first, and written down
    /// before anything is handed out under it.
    pub(super) async fn guarded(&self, catalog: &Arc<Catalog>) -> Arc<Guarded> {
        match self.settled(catalog) {
            Some(guarded) => guarded,
            None => self.settle(catalog, None).await.0,
        }
    }

    fn settled(&self, catalog: &Arc<Catalog>) -> Option<Arc<Guarded>> {
        let state = self.lock();
        let is_settled = state.settled.as_ref().is_some_and(|settled| Arc::ptr_eq(settled, catalog));
        is_settled.then(|| state.guarded.clone())
    }

    /// Settles anew with what is in the file, whoever wrote it; what loosens the protection of `approved` is taken
    /// over too. The error says why it is not written down; it is in force all the same, unless it is an approval.
    pub(super) async fn settle(
        &self,
        catalog: &Arc<Catalog>,
        approved: Option<ProfileName>,
    ) -> (Arc<Guarded>, Result<(), StateFileError>) {
        let _turn = self.turn.lock().await;
        if let Some(guarded) = self.settled(catalog).filter(|_| approved.is_none()) {
            return (guarded, Ok(()));
        }
        let (file, new) = (self.file.clone(), catalog.clone());
        let is_approval = approved.is_some();
        let change = move |guarded: &mut Guarded| {
            guarded.settle(&new, &|profile| approved.as_ref() == Some(profile));
        };
        let written =
            tokio::task::spawn_blocking(move || file.change(change)).await.unwrap_or_else(|error| {
                std::panic::resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error)))
            });
        let mut state = self.lock();
        let (guarded, outcome) = match written {
            Ok(guarded) => {
                state.trouble = None;
                (Arc::new(guarded), Ok(()))
            }
            Err(error) => {
                let why = format!("what protects the profiles is not written down: {error}");
                if state.trouble.as_ref() != Some(&why) {
                    tracing::error!("{why}");
                }
                state.trouble = Some(why);
                if is_approval {
                    return (state.guarded.clone(), Err(error));
                }
                let mut guarded = Guarded::clone(&state.guarded);
                guarded.settle(catalog, &|_| false);
                (Arc::new(guarded), Err(error))
            }
        };
        for loosening in guarded.loosenings(catalog) {
            let what = loosening.what.join("; ");
            tracing::warn!(profile = %loosening.profile, what, "an edit of the catalog waits for approval");
        }
        state.guarded = guarded.clone();
        state.settled = Some(catalog.clone());
        (guarded, outcome)
    }

    /// The approval of a use that holds now.
    pub(super) fn find(&self, of: &Use, protection: Protection) -> Option<Approval> {
        self.lock().given.find(of, protection, clock::boot_now()).cloned()
    }

    /// Takes an approval, which ends the waiting for it.
    pub(super) fn give(&self, approval: Approval) {
        let mut state = self.lock();
        state.pending.retain(|pending| pending.matter != Matter::Use(approval.of.clone()));
        state.given.give(approval);
        drop(state);
        self.changed();
    }

    /// Takes approvals back.
    pub(super) fn revoke(&self, which: impl Fn(&Use) -> bool) -> Vec<Approval> {
        let mut state = self.lock();
        state.given.sweep(clock::boot_now());
        state.given.revoke(which)
    }

    /// Those that hold.
    pub(super) fn given(&self) -> Vec<Approval> {
        let mut state = self.lock();
        state.given.sweep(clock::boot_now());
        state.given.iter().cloned().collect()
    }

    /// Looks at what was typed for an account.
    pub(super) fn check(&self, digits: &str, account: &str) -> Result<(), WrongDigits> {
        let mut state = self.lock();
        state.tries.entry(account.to_owned()).or_default().check(digits, account, clock::boot_now())
    }

    /// Notes that something may be approved; with `asked`, that this process was refused for want of it.
    pub(super) fn note(&self, matter: &Matter, about: About, asked: Option<(Arc<AuditedCaller>, Lineage)>) {
        let now = clock::boot_now();
        let mut state = self.lock();
        state
            .pending
            .retain(|pending| now < pending.last.after(FORGOTTEN) || pending.desktop == Desktop::Shown);
        let known = state.pending.iter().position(|pending| pending.matter == *matter);
        let mut pending = known.map_or_else(
            || Pending {
                matter: matter.clone(),
                decision: None,
                what: Vec::new(),
                asked: Vec::new(),
                desktop: Desktop::NotAsked,
                last: now,
            },
            |position| state.pending.remove(position),
        );
        pending.last = now;
        match about {
            About::Decision(decision) => pending.decision = Some(decision),
            About::Edit(what) => pending.what = what,
        }
        if let Some((caller, lineage)) = asked {
            pending.asked.retain(|asked| asked.caller.process != caller.process);
            pending.asked.insert(0, Asked { caller, lineage });
            pending.asked.truncate(ASKED);
        }
        state.pending.insert(0, pending);
        state.pending.truncate(MOST);
    }

    /// What waits under a name.
    pub(super) fn pending(&self, id: &str) -> Option<Pending> {
        self.lock().pending.iter().find(|pending| pending.matter.id() == id).cloned()
    }

    /// All that waits, or is looked at; what was asked for last comes first.
    pub(super) fn all_pending(&self) -> Vec<Pending> {
        let now = clock::boot_now();
        let mut state = self.lock();
        state
            .pending
            .retain(|pending| now < pending.last.after(FORGOTTEN) || pending.desktop == Desktop::Shown);
        state.pending.clone()
    }

    /// What waits under a name has come to its end.
    pub(super) fn settle_matter(&self, matter: &Matter) {
        self.lock().pending.retain(|pending| pending.matter != *matter);
        self.changed();
    }

    /// Has the desktop asked about a matter, unless it is being asked or was just now; waits a moment for whether that
    /// can be done. What keeps it from it, if something does.
    pub(super) async fn ask_desktop(&self, matter: &Matter, by_hand: bool) -> Option<String> {
        const PATIENCE: Duration = Duration::from_millis(300);
        let id = matter.id();
        let mut changes = self.changes.subscribe();
        {
            let now = clock::boot_now();
            let mut state = self.lock();
            let pending = state.pending.iter_mut().find(|pending| pending.matter == *matter)?;
            if !pending.desktop.is_due(now, by_hand) && pending.desktop != Desktop::Begun {
                return pending.desktop.trouble();
            }
            if pending.desktop != Desktop::Begun {
                pending.desktop = Desktop::Begun;
                let _ = self.to_desktop.send(id.clone());
            }
        }
        let begun = |approvals: &Self| {
            approvals.pending(&id).is_some_and(|pending| pending.desktop == Desktop::Begun)
        };
        let _ =
            tokio::time::timeout(PATIENCE, async { while begun(self) && changes.changed().await.is_ok() {} })
                .await;
        self.pending(&id).and_then(|pending| pending.desktop.trouble())
    }

    /// How far the desktop has been asked now.
    pub(super) fn set_desktop(&self, id: &str, desktop: Desktop) {
        if let Some(pending) = self.lock().pending.iter_mut().find(|pending| pending.matter.id() == id) {
            pending.desktop = desktop;
        }
        self.changed();
    }

    /// The names of the matters that the desktop is to be asked about, for whoever serves them first.
    pub(super) fn for_desktop(&self) -> Option<mpsc::UnboundedReceiver<String>> {
        self.for_desktop.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until nothing waits under a name any more.
    pub(super) async fn ended(&self, id: &str) {
        let mut changes = self.changes.subscribe();
        while self.pending(id).is_some() && changes.changed().await.is_ok() {}
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
