//! Our reading of each case of `tests/serverless/cases` against that of serverless@3's and osls@4's own resolvers,
//! which `tests/serverless/regenerate` wrote down. Where they deliberately differ is listed in docs/serverless.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use brokerd::core::serverless::{Document, Finding, Inputs};
use brokerd::core::serverless_cli::Invocation;
use brokerd::edges::inclusion::{self, Findings};
use brokerd::edges::project_file;
use serde_json::Value;

/// One case: a command line, its environment, and files.
struct Case {
    name: String,
    command: String,
    files: Vec<(String, String)>,
}

/// What somebody makes of one field.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Value(String),
    Absent,
    /// Refused or not known.
    Refused(String),
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serverless")
}

/// The cases of a file, as `resolve.cjs` reads them.
fn cases(text: &str) -> Vec<Case> {
    let mut found: Vec<Case> = Vec::new();
    for line in text.split('\n') {
        if let Some(name) = line.strip_prefix("=== ") {
            found.push(Case { name: name.trim().into(), command: "sls deploy".into(), files: Vec::new() });
        } else if let Some(case) = found.last_mut() {
            if let Some(file) = line.strip_prefix("--- ") {
                case.files.push((file.trim().into(), String::new()));
            } else if let Some((_, text)) = case.files.last_mut() {
                text.push_str(line);
                text.push('\n');
            } else if let Some(command) = line.strip_prefix("$ ") {
                command.trim().clone_into(&mut case.command);
            }
        }
    }
    found
}

/// Words of a command line as a shell splits them, without anything but quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

const FIELDS: [&str; 5] = ["service", "app", "org", "stage", "region"];

/// Our reading of a case.
fn ours(case: &Case) -> BTreeMap<&'static str, Answer> {
    let place = tempfile::tempdir().unwrap();
    let home = fs::canonicalize(place.path()).unwrap();
    for (name, text) in &case.files {
        fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
        fs::write(home.join(name), text).unwrap();
    }
    let mut arguments = words(&case.command);
    let start = arguments.iter().position(|word| !word.contains('=')).unwrap();
    let environment = arguments.drain(..start).map(|word| {
        let (name, value) = word.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    let environment = environment.collect();
    let all = |why: String| FIELDS.map(|field| (field, Answer::Refused(why.clone()))).into();
    let invocation = match Invocation::of_arguments(&arguments[1..]) {
        Ok(invocation) => invocation,
        Err(why) => return all(why),
    };
    let inputs = Inputs {
        options: invocation.options.clone(),
        parameters: invocation.parameters.clone(),
        environment,
    };
    let Some(file) = project_file::of_cli(&home, invocation.option("config")) else {
        return all("no configuration".into());
    };
    let document = match Document::parse(file.real(), &fs::read(file.real()).unwrap()) {
        Ok(document) => inclusion::complete(document, &inputs, &file, &home, &mut Findings::new()),
        Err(fault) => return all(fault.to_string()),
    };
    let answer = |finding: Finding, default: Option<&str>| match finding {
        Finding::Known(known) => Answer::Value(known.value),
        Finding::Absent => default.map_or(Answer::Absent, |default| Answer::Value(default.into())),
        Finding::Unknown(unknown) => Answer::Refused(unknown.reason),
    };
    let given = |name: &str, answer: Answer| {
        invocation.option(name).map_or(answer, |value| Answer::Value(value.to_owned()))
    };
    BTreeMap::from([
        ("service", answer(document.service(&inputs), None)),
        ("app", answer(document.app(&inputs), None)),
        ("org", answer(document.org(&inputs), None)),
        ("stage", given("stage", answer(document.stage(&inputs), Some("dev")))),
        ("region", given("region", answer(document.region(&inputs), Some("us-east-1")))),
    ])
}

/// A framework's answer for a field.
fn theirs(reading: &Value, field: &str) -> Answer {
    if let Some(why) = reading["refused"].as_str() {
        return Answer::Refused(why.into());
    }
    let stops: Vec<&str> =
        reading["stops"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let inaccessible = match field {
        "stage" => {
            stops.iter().any(|stop| matches!(*stop, "INACCESSIBLE provider.stage" | "DOTENV_CONFLICT"))
        }
        _ => stops.contains(&format!("INACCESSIBLE {field}").as_str()),
    };
    if inaccessible {
        return Answer::Refused(stops.join(", "));
    }
    let names: &[&str] = match field {
        "app" => &["app", "customApp"],
        "org" => &["org", "tenant"],
        "service" if reading["serviceName"].is_object() => &["serviceName"],
        field => &[field],
    };
    for name in names {
        let found = &reading[name];
        match &found["value"] {
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => return Answer::Value(text.clone()),
            Value::Null if field == "service" && found["error"] == "not a name" => {}
            Value::Null if found.is_object() => return Answer::Refused(found.to_string()),
            Value::Null => {}
            Value::Number(number) => {
                let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e15);
                return Answer::Value(
                    whole.map_or_else(|| number.to_string(), |value| format!("{value:.0}")),
                );
            }
            other => return Answer::Value(other.to_string()),
        }
    }
    Answer::Absent
}

/// Whether ours is what every framework says that says anything, or refused where one refuses or they differ.
fn agrees(ours: &Answer, theirs: &[Answer]) -> bool {
    let refused = |answer: &Answer| matches!(answer, Answer::Refused(_));
    match ours {
        Answer::Refused(_) => theirs.iter().any(refused) || theirs.iter().any(|answer| *answer != theirs[0]),
        _ => {
            theirs.iter().any(|answer| answer == ours)
                && theirs.iter().all(|answer| refused(answer) || answer == ours)
        }
    }
}

/// The cases that docs/serverless.md lists: `topic/name` in backquotes, in the list of differences.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/serverless.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("Deliberate differences")).unwrap();
    // The list; what stands before it names files.
    let (_, list) = section.split_once("\n- ").unwrap();
    list.split('`').skip(1).step_by(2).filter(|word| word.contains('/')).map(str::to_owned).collect()
}

#[test]
fn readings_are_those_of_the_frameworks_but_for_the_documented_differences() {
    let (mut count, mut differing, mut unexpected) = (0, BTreeSet::new(), Vec::new());
    let documented = documented();
    let mut files: Vec<PathBuf> =
        fs::read_dir(place().join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let topic = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = fs::read_to_string(place().join(format!("expected/{topic}.json"))).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        for case in cases(&fs::read_to_string(&file).unwrap()) {
            count += 1;
            let name = format!("{topic}/{}", case.name);
            let readings =
                expected[&case.name].as_object().unwrap_or_else(|| panic!("{name} is not written down"));
            let ours = ours(&case);
            for field in FIELDS {
                let theirs: Vec<Answer> = readings.values().map(|reading| theirs(reading, field)).collect();
                if !agrees(&ours[field], &theirs) {
                    differing.insert(name.clone());
                    if !documented.contains(&name) {
                        unexpected.push(format!("{name}: {field} is {:?}, theirs {theirs:?}", ours[field]));
                    }
                }
            }
        }
    }
    assert!(count >= 150, "{count} cases");
    assert!(unexpected.is_empty(), "{} unexpected:\n{}", unexpected.len(), unexpected.join("\n"));
    let stale: Vec<_> = documented.difference(&differing).collect();
    assert!(stale.is_empty(), "documented, and no difference any more: {stale:?}");
}
