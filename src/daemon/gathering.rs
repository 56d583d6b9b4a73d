//! What the system says about a caller, gathered for a decision.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::core::allowed::{AllowList, RepositoryPlace};
use crate::core::audit::AuditedCaller;
use crate::core::caller::{Caller, Process, ProcessId, Unidentified};
use crate::core::decision::{Inquiry, Project};
use crate::core::fault::Fault;
use crate::core::name::Stage;
use crate::core::plugin_report::PluginReport;
use crate::core::refusal::Refusal;
use crate::core::serverless::{Document, Inputs};
use crate::core::serverless_cli::{Invocation, Recognised, recognise};
use crate::core::stage::{self, Cli};
use crate::edges::peer::{self, DEEPEST_LINE, Observer};
use crate::edges::project_file::{self, ProjectFile, Search};
use crate::edges::{repository, trust};

use super::callers::{Asking, Question, State};

/// Everything about a caller that comes from the system.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) caller: Caller,
    /// The caller as it is named in reports.
    pub(super) named: Arc<AuditedCaller>,
    pub(super) file: ProjectFile,
    pub(super) place: Option<RepositoryPlace>,
    environment: Option<BTreeMap<String, String>>,
    cli: GatheredCli,
    /// The tick at which it started, for pins.
    started: u64,
}

/// The Serverless CLI of a caller, owned.
#[derive(Debug)]
enum GatheredCli {
    None,
    Serverless(Invocation, Option<BTreeMap<String, String>>),
    Unreadable(String),
}

impl Gathered {
    fn cli(&self) -> Cli<'_> {
        match &self.cli {
            GatheredCli::None => Cli::None,
            GatheredCli::Serverless(invocation, environment) => {
                Cli::Serverless(invocation, environment.as_ref())
            }
            GatheredCli::Unreadable(why) => Cli::Unreadable(why),
        }
    }

    /// What the variables of its configuration may look at.
    pub(super) fn inputs(&self) -> Inputs {
        stage::inputs(self.cli(), self.environment.as_ref())
    }

    pub(super) fn inquiry<'a>(
        &'a self,
        reading: Result<&'a Document, &'a Fault>,
        stale: Option<&'a Fault>,
        known: &'a State<'_>,
        asked: Option<&'a Stage>,
        reported: Option<&'a PluginReport>,
    ) -> Inquiry<'a> {
        Inquiry {
            project: Project {
                config: &self.file.config,
                leads_to: self.file.leads_to.as_deref(),
                reading,
                stale,
                place: self.place.as_ref(),
            },
            allowed: &known.allowed,
            cli: self.cli(),
            environment: self.environment.as_ref(),
            pins: known.pins.inquiry(&self.caller.sessions, self.started),
            asked,
            reported,
        }
    }

    /// The Serverless CLI that deploys or removes, if the caller is one or descends from one.
    pub(super) fn deployment(&self) -> Option<ProcessId> {
        self.cli().deployment()
    }

    /// The process of the Serverless CLI, if the caller is one or descends from one.
    pub(super) fn cli_process(&self) -> Option<ProcessId> {
        match &self.cli {
            GatheredCli::Serverless(invocation, _) => invocation.process,
            GatheredCli::None | GatheredCli::Unreadable(_) => None,
        }
    }
}

/// How configurations are looked for.
#[derive(Clone, Copy)]
struct Finder<'a> {
    home: &'a Path,
    allowed: &'a AllowList,
}

impl Finder<'_> {
    fn nearest(self, directory: &Path) -> Search {
        let expected =
            |directory: &Path| self.allowed.expected_in(directory).map(|project| project.config.clone());
        project_file::nearest(directory, self.home, &expected)
    }

    /// The project of a process: a Serverless CLI looks in its own directory only, or at what `--config` names.
    fn project(self, directory: &Path, recognised: &Recognised) -> Search {
        match recognised {
            Recognised::Serverless(invocation) => {
                project_file::of_cli(directory, invocation.option("config"))
                    .map_or_else(|| Search::None(directory.to_owned()), Search::Found)
            }
            Recognised::Other | Recognised::Unreadable(_) => self.nearest(directory),
        }
    }
}

/// Looks at a process, its ancestors and its project. This reads many files: keep it off a serving thread.
pub(super) fn gather(
    observer: &Observer,
    home: &Path,
    allowed: &AllowList,
    process: ProcessId,
    question: &Question,
) -> Result<Gathered, Asking> {
    let caller = observer.describe(process).map_err(|why| Asking::refused(None, why.into()))?;
    let mut named = AuditedCaller::from(&caller);
    if let Some(directory) = &question.directory {
        named.directory.clone_from(directory);
    }
    let named = Arc::new(named);
    let refused = |refusal: Refusal| Asking::refused(Some(named.clone()), refusal);
    // A helper that gives base credentials and asks brokerd for them would wait for itself.
    if caller.ancestors.iter().any(|ancestor| ancestor.process.id.pid == std::process::id()) {
        return Err(refused(Refusal::OwnHelper));
    }
    let finder = Finder { home, allowed };
    let imagined = question.directory.is_some();
    let own = match &question.imagined_config {
        // One that names its configuration looks nowhere else.
        Some(config) => Recognised::Serverless(Invocation::imagined_with("config", config)),
        None if imagined => Recognised::Other,
        None => recognised(&caller.process, Some(&named.directory)),
    };
    let file = match finder.project(&named.directory, &own) {
        Search::Found(file) => file,
        Search::Missing(config) => return Err(refused(Refusal::ConfigurationMissing { config })),
        Search::None(stopped_at) => return Err(refused(no_project(&named.directory, &stopped_at))),
    };
    if !imagined {
        // A CLI's `--config` may lie elsewhere; what is checked then is the directory itself.
        let top = Some(file.directory()).filter(|top| caller.directory.starts_with(top));
        peer::verify_parents(&caller, top.unwrap_or(&caller.directory)).map_err(|why| refused(why.into()))?;
    }
    for path in std::iter::once(&file.config).chain(&file.leads_to) {
        trust::check(path).map_err(refused)?;
    }
    let environment = observer.environment(process);
    // What was read of it belongs together only if it runs the same program still.
    if !peer::is_unchanged(process, caller.directory_id, caller.image) {
        return Err(refused(Unidentified::Changed.into()));
    }
    let cli = match &question.imagined_stage {
        Some(stage) => GatheredCli::Serverless(Invocation::imagined(stage), environment.clone()),
        // An imagined directory is not the ancestors', so none of them can be a CLI of its project.
        None if imagined => GatheredCli::None,
        None => nearest_cli(observer, &caller, own, &file, finder),
    };
    let started = if question.is_real() { started(&caller, &cli) } else { NOW };
    let place = repository::place(&file.config);
    Ok(Gathered { caller, named, file, place, environment, cli, started })
}

/// The tick at which a process starts that is only imagined: later than any pin.
pub(super) const NOW: u64 = u64::MAX;

/// What a Serverless CLI starts belongs to that one command, which a pin typed meanwhile must not break off.
fn started(caller: &Caller, cli: &GatheredCli) -> u64 {
    match cli {
        GatheredCli::Serverless(Invocation { process: Some(process), .. }, _) => process.start,
        _ => caller.process.id.start,
    }
}

fn no_project(directory: &Path, stopped_at: &Path) -> Refusal {
    Refusal::NoProject {
        directory: directory.display().to_string(),
        stopped_at: stopped_at.display().to_string(),
    }
}

/// What a process is to the stage rule. Where its directory is not known, relative paths cannot be resolved.
fn recognised(process: &Process, directory: Option<&Path>) -> Recognised {
    recognise(process, &|path| {
        let path = if path.is_absolute() { path.to_owned() } else { directory?.join(path) };
        std::fs::canonicalize(path).ok()
    })
}

/// The nearest Serverless CLI of a caller's line, as far up as the project is the caller's. An ancestor whose
/// directory cannot be read may be in it as well as not, so a CLI among those is one that cannot be read.
fn nearest_cli(
    observer: &Observer,
    caller: &Caller,
    own: Recognised,
    file: &ProjectFile,
    finder: Finder<'_>,
) -> GatheredCli {
    let above = caller.ancestors.iter().map(|ancestor| {
        let directory = ancestor.directory.as_deref();
        (&ancestor.process, directory, recognised(&ancestor.process, directory))
    });
    let line = std::iter::once((&caller.process, Some(caller.directory.as_path()), own)).chain(above);
    for (process, directory, recognised) in line {
        if let Some(directory) = directory
            && finder.project(directory, &recognised) != Search::Found(file.clone())
        {
            return GatheredCli::None;
        }
        match recognised {
            Recognised::Other => {}
            Recognised::Serverless(invocation) if directory.is_some() => {
                return GatheredCli::Serverless(invocation, observer.environment(process.id));
            }
            Recognised::Serverless(_) => {
                return GatheredCli::Unreadable(format!(
                    "the directory of pid {} cannot be read",
                    process.id.pid
                ));
            }
            Recognised::Unreadable(why) => return GatheredCli::Unreadable(why),
        }
    }
    if caller.ancestors.len() < DEEPEST_LINE {
        GatheredCli::None
    } else {
        GatheredCli::Unreadable("its ancestors are too many to look at".to_owned())
    }
}
