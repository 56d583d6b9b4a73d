//! What it costs to find, follow and validate many projects. Each number is that of projects in a tree as developers
//! have it; `projects.py` measures the whole daemon in the same kind of tree.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use brokerd::core::found::Summary;
use brokerd::core::serverless::Document;
use brokerd::edges::project_search::{Progress, search};
use brokerd::edges::settled;
use brokerd::edges::source::Source;
use brokerd::edges::watch::{Wanted, Watch};

const SIZES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    divan::main();
}

/// A tree of this many projects, made once; it is left in the temporary directory of the system until the end.
fn tree(projects: usize) -> PathBuf {
    static MADE: Mutex<Vec<(usize, tempfile::TempDir)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap();
    if let Some((_, place)) = made.iter().find(|(size, _)| *size == projects) {
        return fs::canonicalize(place.path()).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(place.path()).unwrap();
    for number in 0..projects {
        let project = root.join(format!("team-{:03}/service-{number:05}", number / 20));
        for directory in ["src/handlers", "node_modules/package/lib", "node_modules/.bin"] {
            fs::create_dir_all(project.join(directory)).unwrap();
        }
        for file in ["package.json", "src/handlers/api.ts", "node_modules/package/lib/index.js"] {
            fs::write(project.join(file), "").unwrap();
        }
        fs::write(project.join("serverless.yml"), configuration(number)).unwrap();
        for file in (0..2_000).filter(|_| number % 50 == 0) {
            fs::write(project.join(format!("node_modules/package/lib/{file}.js")), "").unwrap();
        }
    }
    made.push((projects, place));
    root
}

fn configuration(number: usize) -> String {
    let function = "    handler: src/handlers/api.handler\n    events: [{httpApi: GET /}]\n";
    let functions: String =
        ["a", "b", "c", "d", "e", "f"].map(|name| ["  ", name, ":\n  ", function].concat()).concat();
    format!(
        "service: service-{number:05}\norg: acme\napp: app-{}\nprovider:\n  name: aws\n  runtime: nodejs22.x\n  \
         stage: ${{opt:stage, 'dev'}}\n  region: eu-west-1\nfunctions:\n{functions}",
        number / 20
    )
}

fn look(config: &Path) -> Summary {
    let (_, bytes) = settled::read_now(config, 1024 * 1024).unwrap();
    Summary::of(Document::parse(config, &bytes).as_ref())
}

fn configs(root: &Path) -> Vec<PathBuf> {
    search(root, None, &Progress::default(), &|file| file.config).projects
}

/// The whole search, each configuration read.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn find(bencher: divan::Bencher<'_, '_>, projects: usize) {
    let root = tree(projects);
    bencher.counter(divan::counter::ItemsCount::new(projects)).bench(|| {
        let searched = search(&root, None, &Progress::default(), &|file| look(&file.config));
        assert_eq!(searched.projects.len(), projects);
        searched
    });
}

/// Reading alone, by one thread.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn read(bencher: divan::Bencher<'_, '_>, projects: usize) {
    let configs = configs(&tree(projects));
    bencher
        .counter(divan::counter::ItemsCount::new(projects))
        .bench(|| configs.iter().map(|config| look(config)).collect::<Vec<_>>());
}

/// Whether readings of one file each still hold.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn validate(bencher: divan::Bencher<'_, '_>, projects: usize) {
    let sources: Vec<_> = configs(&tree(projects)).into_iter().map(Source::now).collect();
    bencher
        .counter(divan::counter::ItemsCount::new(projects))
        .bench(|| assert!(sources.iter().all(Source::is_current)));
}

/// A watch on every place.
#[divan::bench(args = SIZES, sample_count = 5, sample_size = 1)]
fn watch(bencher: divan::Bencher<'_, '_>, projects: usize) {
    let places = search(&tree(projects), None, &Progress::default(), &|_| ()).places;
    let places: BTreeSet<Box<Path>> = places.into_iter().map(PathBuf::into_boxed_path).collect();
    let wanted = Wanted { places: Arc::new(places), ..Wanted::default() };
    bencher.counter(divan::counter::ItemsCount::new(projects)).with_inputs(|| wanted.clone()).bench_values(
        |wanted| {
            let mut watch = Watch::new().unwrap();
            let coverage = watch.set(wanted);
            assert_eq!(coverage.missing, 0, "{:?}", coverage.errors);
            watch
        },
    );
}
