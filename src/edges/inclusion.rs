//! Finding what a configuration reads beside its own file: included files, `.env`, the repository's head, a composition.
//!
//! What is read must be ours or root's, lie in the home directory or the project's repository, and not be reached
//! through a symbolic link that leaves that repository: a cloned project must not show what lies elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::project_file::ProjectFile;
use super::source::Source;
use super::{repository, settled, trust};
use crate::core::fault::Fault;
use crate::core::serverless::composition::NAMES;
use crate::core::serverless::inclusion::{Found, Need, is_program};
use crate::core::serverless::{Document, Inputs, MAX_BYTES};

/// How often a reading may find that it needs more. Each round reads all that the one before asked for.
const ROUNDS: usize = 32;
/// The most that one configuration may need.
const MOST: usize = 512;

/// What was found for one need, and which files that depends on.
#[derive(Clone)]
pub struct Finding {
    /// What is there.
    pub found: Found,
    /// The files that were looked at.
    pub sources: Vec<Source>,
    /// What is wrong with the file now, if what was found is an older content of it.
    pub stale: Option<Fault>,
}

impl std::fmt::Debug for Finding {
    /// The files only: what stands in them may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finding").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// Everything that was found for a configuration.
pub type Findings = BTreeMap<Need, Finding>;

/// Finds what a document needs for these inputs, and what that needs again, and gives the document with it. What
/// `known` has and is still current is not read again; afterwards it has what this document needed.
///
/// It reads files, and waits for one that is just being written: keep it off a serving thread.
pub fn complete(
    document: Document,
    inputs: &Inputs,
    file: &ProjectFile,
    home: &Path,
    known: &mut Findings,
) -> Document {
    let mut document = document.in_directory(file.directory());
    let mut needed = Findings::new();
    for _ in 0..ROUNDS {
        let mut needs = document.needs(inputs);
        needs.retain(|need| !needed.contains_key(need));
        if needs.is_empty() || needed.len() + needs.len() > MOST {
            break;
        }
        for need in needs {
            let finding = match known.remove(&need) {
                Some(finding) if finding.holds() => finding,
                earlier => find(&need, file, home).or_last_good(earlier),
            };
            needed.insert(need, finding);
        }
        let found = needed.iter().map(|(need, finding)| (need.clone(), finding.found.clone())).collect();
        document = document.with(Arc::new(found));
    }
    // What nobody looked at is not absent.
    let open: Vec<Need> =
        document.needs(inputs).into_iter().filter(|need| !needed.contains_key(need)).collect();
    if !open.is_empty() {
        for need in open {
            let why = "the configuration needs too many files".to_owned();
            needed.insert(need, Finding::of(Found::Refused(why), Vec::new()));
        }
        let found = needed.iter().map(|(need, finding)| (need.clone(), finding.found.clone())).collect();
        document = document.with(Arc::new(found));
    }
    *known = needed;
    document
}

impl Finding {
    fn of(found: Found, sources: Vec<Source>) -> Self {
        Self { found, sources, stale: None }
    }

    /// Whether it is still so. Why something may not be read can change without the file.
    fn holds(&self) -> bool {
        let is_refused = matches!(self.found, Found::Refused(_));
        !is_refused && !self.sources.is_empty() && self.sources.iter().all(Source::is_current)
    }

    /// This one, or where the file does not parse any more what it said before.
    fn or_last_good(self, earlier: Option<Self>) -> Self {
        match (&self.found, earlier) {
            (
                Found::Broken(fault),
                Some(Self { found: found @ (Found::Content(_) | Found::Composition(_)), .. }),
            ) => Self { found, stale: Some(fault.clone()), sources: self.sources },
            _ => self,
        }
    }
}

/// Looks for one need of a project.
pub fn find(need: &Need, file: &ProjectFile, home: &Path) -> Finding {
    let bounds = Bounds { home, repository: repository::top(file.directory()).unwrap_or(file.directory()) };
    match need {
        Need::File(path) => included(path, bounds),
        Need::Head(directory) => head(directory),
        Need::Composition(directory) => composition(directory, bounds),
    }
}

/// Where files may be read.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    home: &'a Path,
    /// The top of the project's repository, or its directory where it is in none.
    repository: &'a Path,
}

impl Bounds<'_> {
    /// Why a file may not be read, if so. `path` is real but for what its last parts lead to.
    fn check(self, path: &Path, real: &Path) -> Result<(), String> {
        self.check_text(path)?;
        if real != path && !real.starts_with(self.repository) {
            return Err(format!(
                "{} leads through a symbolic link out of {}, so it is not read",
                path.display(),
                self.repository.display()
            ));
        }
        trust::check(real).map_err(|refusal| refusal.to_string())
    }

    /// The same for what is not there, by its path alone.
    fn check_text(self, path: &Path) -> Result<(), String> {
        if path.starts_with(self.home) || path.starts_with(self.repository) {
            return Ok(());
        }
        Err(format!("{} is outside of the home directory, so it is not read", path.display()))
    }
}

/// An included file, or a `.env` file.
fn included(path: &Path, bounds: Bounds<'_>) -> Finding {
    let now = vec![Source::now(path.to_owned())];
    match checked(path, bounds) {
        Err(why) => Finding::of(Found::Refused(why), now),
        Ok(None) => Finding::of(Found::Absent, now),
        Ok(Some(_)) if is_program(path) => Finding::of(Found::Program, now),
        Ok(Some(real)) => match settled::read_blocking(&real, MAX_BYTES as u64) {
            Ok((stamp, bytes)) => {
                let sources = vec![Source { path: path.to_owned(), stamp: Some(stamp) }];
                Finding::of(Found::parse(path, &bytes), sources)
            }
            // Its writer may end without another change, so it is looked at again in any case.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Finding::of(
                Found::Broken(Fault::new(path, None, error.to_string())),
                vec![Source { path: path.to_owned(), stamp: None }],
            ),
            Err(error) => Finding::of(Found::Refused(format!("{}: {error}", path.display())), now),
        },
    }
}

/// The real path of a file that may be read; none if it is not there.
fn checked(path: &Path, bounds: Bounds<'_>) -> Result<Option<PathBuf>, String> {
    bounds.check_text(path)?;
    match std::fs::canonicalize(path) {
        Ok(real) => bounds.check(path, &real).map(|()| Some(real)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// What is checked out.
fn head(directory: &Path) -> Finding {
    let (head, sources) = repository::head(directory);
    Finding::of(head.map_or(Found::Absent, |(branch, commit)| Found::Head { branch, commit }), sources)
}

/// The nearest composition above a directory, in its repository or home, that has it as a service.
fn composition(directory: &Path, bounds: Bounds<'_>) -> Finding {
    let mut sources = Vec::new();
    let within = |above: &&Path| above.starts_with(bounds.repository) || above.starts_with(bounds.home);
    let in_repository = directory != bounds.repository;
    for above in directory.ancestors().skip(1).take_while(within) {
        if in_repository && !above.starts_with(bounds.repository) {
            break;
        }
        for name in NAMES {
            let path = above.join(name);
            sources.push(Source::now(path.clone()));
            let finding = included_document(&path, bounds);
            match finding {
                Ok(None) => {}
                Ok(Some(document)) if document.is_program() || document.has_service_in(directory) => {
                    return Finding::of(Found::Composition(Box::new(document)), sources);
                }
                Ok(Some(_)) => break,
                Err(found) => return Finding::of(found, sources),
            }
        }
    }
    Finding::of(Found::Absent, sources)
}

fn included_document(path: &Path, bounds: Bounds<'_>) -> Result<Option<Document>, Found> {
    let Some(real) = checked(path, bounds).map_err(Found::Refused)? else { return Ok(None) };
    let bytes = if is_program(path) {
        Vec::new()
    } else {
        let content = settled::read_blocking(&real, MAX_BYTES as u64);
        content.map_err(|error| Found::Refused(format!("{}: {error}", path.display())))?.1
    };
    Document::parse(path, &bytes).map(Some).map_err(Found::Broken)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Tree {
        _place: tempfile::TempDir,
        home: PathBuf,
        file: ProjectFile,
    }

    /// A home with a repository that has a project, and beside it what the project must not show.
    fn tree() -> Tree {
        let place = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(place.path()).unwrap();
        let home = base.join("home");
        for directory in ["home/repo/.git", "home/repo/svc", "home/repo/shared", "home/other", "elsewhere"] {
            fs::create_dir_all(base.join(directory)).unwrap();
        }
        for (path, text) in [
            ("home/repo/svc/serverless.yml", "provider: ${file(../shared/provider.yml)}"),
            ("home/repo/shared/provider.yml", "stage: ${file(stage.json):name}"),
            ("home/repo/svc/stage.json", "{\"name\": \"qa\"}"),
            ("home/other/stage.yml", "other"),
            ("elsewhere/stage.yml", "elsewhere"),
        ] {
            fs::write(base.join(path), text).unwrap();
        }
        let file = ProjectFile { config: home.join("repo/svc/serverless.yml"), leads_to: None };
        Tree { _place: place, home, file }
    }

    impl Tree {
        fn completed(&self, known: &mut Findings) -> Document {
            let bytes = fs::read(&self.file.config).unwrap();
            let document = Document::parse(&self.file.config, &bytes).unwrap();
            complete(document, &Inputs::default(), &self.file, &self.home, known)
        }

        fn looked_at(&self, path: &str) -> Found {
            find(&Need::File(self.file.directory().join(path)), &self.file, &self.home).found
        }
    }

    #[test]
    fn a_document_gets_what_it_includes_and_says_what_it_looked_at() {
        let tree = tree();
        let mut known = Findings::new();
        assert_eq!(tree.completed(&mut known).stage(&Inputs::default()).known(), Some("qa"));
        let looked_at: Vec<_> = known.values().flat_map(|finding| &finding.sources).collect();
        let there = |path: &str| {
            looked_at
                .iter()
                .find(|source| source.path == tree.home.join(path))
                .map(|source| source.was_there())
        };
        assert_eq!(there("repo/shared/provider.yml"), Some(true));
        assert_eq!(there("repo/svc/stage.json"), Some(true));
        assert_eq!(there("repo/serverless-compose.yml"), Some(false));
        assert_eq!(there("serverless-compose.yml"), None, "above the repository");

        fs::write(tree.home.join("repo/svc/stage.json"), "{\"name\": \"prod\"}").unwrap();
        assert_eq!(tree.completed(&mut known).stage(&Inputs::default()).known(), Some("prod"));
        fs::write(tree.home.join("repo/svc/stage.json"), "{\"name\": ").unwrap();
        assert_eq!(
            tree.completed(&mut known).stage(&Inputs::default()).known(),
            Some("prod"),
            "the last good"
        );
        let stale: Vec<_> = known.values().filter_map(|finding| finding.stale.as_ref()).collect();
        assert!(
            matches!(stale[..], [fault] if fault.file.ends_with("stage.json")),
            "and it is said: {stale:?}"
        );
        tree.completed(&mut known);
        assert_eq!(
            known.values().filter(|finding| finding.stale.is_some()).count(),
            1,
            "as long as it is so"
        );
        fs::write(tree.home.join("repo/svc/stage.json"), "{\"name\": \"prod\"}").unwrap();
        tree.completed(&mut known);
        assert!(known.values().all(|finding| finding.stale.is_none()));
        fs::remove_file(tree.home.join("repo/svc/stage.json")).unwrap();
        assert!(tree.completed(&mut known).stage(&Inputs::default()).known().is_none());
    }

    #[test]
    fn a_composition_gives_its_services_what_they_lack() {
        let tree = tree();
        let root =
            "org: acme\napp: shop\nprovider: {stage: qa, region: eu-west-1}\nservices: {a: {path: svc}}";
        fs::write(tree.home.join("repo/serverless-compose.yml"), root).unwrap();
        fs::write(&tree.file.config, "service: cart\nprovider: {name: aws, region: us-west-2}").unwrap();
        let inputs = Inputs::default();
        let document = tree.completed(&mut Findings::new());
        assert_eq!(document.app(&inputs).known(), Some("shop"));
        assert_eq!(document.org(&inputs).known(), Some("acme"));
        assert_eq!(document.stage(&inputs).known(), Some("qa"));
        assert_eq!(document.region(&inputs).known(), Some("us-west-2"));
        fs::write(tree.home.join("repo/serverless-compose.yml"), root.replace("svc", "web")).unwrap();
        let document = tree.completed(&mut Findings::new());
        assert!(document.app(&inputs).is_absent() && document.stage(&inputs).is_absent());
        fs::rename(
            tree.home.join("repo/serverless-compose.yml"),
            tree.home.join("repo/serverless-compose.ts"),
        )
        .unwrap();
        let document = tree.completed(&mut Findings::new());
        assert!(!document.stage(&inputs).is_absent() && document.stage(&inputs).known().is_none());
    }

    #[test]
    fn what_lies_elsewhere_is_refused_with_a_reason() {
        let tree = tree();
        let svc = tree.file.directory();
        symlink(tree.home.join("other/stage.yml"), svc.join("leaves.yml")).unwrap();
        symlink(tree.home.join("repo/shared/provider.yml"), svc.join("stays.yml")).unwrap();
        symlink("/nowhere", svc.join("dangles.yml")).unwrap();
        for (path, expected) in [
            ("../../../../elsewhere/stage.yml", "there is no such file"),
            ("leaves.yml", "leads through a symbolic link out of"),
            ("/etc/passwd", "is outside of the home directory"),
            ("/etc/no-such-file", "is outside of the home directory"),
        ] {
            if path.starts_with("..") {
                let outside = tree.home.parent().unwrap().join("elsewhere/stage.yml");
                let found = find(&Need::File(outside), &tree.file, &tree.home).found;
                assert!(matches!(found, Found::Refused(why) if why.contains("is outside of the home")));
                continue;
            }
            let Found::Refused(why) = (if path.starts_with('/') {
                find(&Need::File(path.into()), &tree.file, &tree.home).found
            } else {
                tree.looked_at(path)
            }) else {
                panic!("{path} is refused")
            };
            assert!(why.contains(expected), "{why}");
        }
        assert!(matches!(tree.looked_at("stays.yml"), Found::Content(_)));
        assert!(matches!(tree.looked_at("dangles.yml"), Found::Absent));
        assert!(matches!(tree.looked_at("none.yml"), Found::Absent));
        assert!(matches!(tree.looked_at("../shared"), Found::Refused(_)), "a directory");
        let other = find(&Need::File(tree.home.join("other/stage.yml")), &tree.file, &tree.home);
        assert!(matches!(other.found, Found::Content(_)), "a file of the home, named by its path");
    }
}
