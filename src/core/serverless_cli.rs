//! Recognising a Serverless CLI by its process, and reading its command line as it does itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::caller::{Process, ProcessId};

/// A running Serverless CLI.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invocation {
    /// Its process; `None` for one that is only imagined (`brokerctl why --stage`).
    pub process: Option<ProcessId>,
    /// Whether it deploys or removes: its command is `deploy` or `remove`, or something below one of these.
    pub is_deployment: bool,
    /// The options of its command line by their long names.
    pub options: Options,
    /// What it was given as `--param NAME=VALUE`, which may stand there several times.
    pub parameters: Options,
}

/// Options by long name; a flag without a value is `true`.
pub type Options = BTreeMap<String, String>;

/// What a process is to the stage rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// Some other program.
    Other,
    /// A Serverless CLI and its options.
    Serverless(Invocation),
    /// A Serverless CLI whose command line cannot be read for certain, and why: unknown is not absent.
    Unreadable(String),
}

impl Invocation {
    /// An imagined CLI that was given `--stage`.
    pub fn imagined(stage: &str) -> Self {
        Self::imagined_with("stage", stage)
    }

    /// An imagined CLI that was given an option.
    pub fn imagined_with(option: &str, value: &str) -> Self {
        let options = Options::from([(option.to_owned(), value.to_owned())]);
        Self { process: None, is_deployment: false, options, parameters: Options::new() }
    }

    /// A CLI with these arguments after its script. The error says why they cannot be read for certain.
    pub fn of_arguments(arguments: &[String]) -> Result<Self, String> {
        let (options, parameters) = options(arguments)?;
        Ok(Self { process: None, is_deployment: is_deployment(arguments), options, parameters })
    }

    /// An option's value.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }
}

/// Looks at one process. `real_path` resolves a path, symbolic links included, as seen from the process's
/// directory; `None` if nothing is there.
///
/// Only separate arguments are read. A process title that replaced the command line (npm writes its own)
/// is never split.
pub fn recognise(process: &Process, real_path: &dyn Fn(&Path) -> Option<PathBuf>) -> Recognised {
    let name = process.name();
    let standalone = matches!(name.as_str(), "serverless" | "sls" | "osls");
    let is_node = name == "node" || name == "nodejs" || name.strip_prefix("node").is_some_and(is_version);
    if !standalone && !is_node {
        return Recognised::Other;
    }
    let Some(arguments) = &process.arguments else {
        return Recognised::Unreadable(format!(
            "the command line of {name} (pid {}) cannot be read",
            process.id.pid
        ));
    };
    let own = if standalone {
        arguments.get(1..).unwrap_or_default()
    } else {
        match script(arguments, real_path) {
            Script::Serverless(position) => &arguments[position + 1..],
            Script::Unresolved(name) => {
                return Recognised::Unreadable(format!("its script {name} is not there any more"));
            }
            Script::Other if is_overwritten_title(arguments) => {
                return Recognised::Unreadable(
                    "its command line was overwritten by a process title".to_owned(),
                );
            }
            Script::Other => return Recognised::Other,
        }
    };
    match Invocation::of_arguments(own) {
        Ok(invocation) => Recognised::Serverless(Invocation { process: Some(process.id), ..invocation }),
        Err(why) => Recognised::Unreadable(why),
    }
}

fn is_version(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-')
}

/// What node runs.
enum Script<'a> {
    Other,
    /// A Serverless CLI, at this position of the arguments.
    Serverless(usize),
    /// Something called like one that cannot be resolved.
    Unresolved(&'a str),
}

/// Looks for the script among node's arguments. One that was removed since the start, as an upgrade or npx may
/// do, is judged by the path that it had.
fn script<'a>(arguments: &'a [String], real_path: &dyn Fn(&Path) -> Option<PathBuf>) -> Script<'a> {
    let mut after_option = false;
    for (position, argument) in arguments.iter().enumerate().skip(1) {
        if argument.starts_with('-') {
            // `--require module` and the like take a value of their own; `--name=value` does not.
            after_option = !argument.contains('=');
            continue;
        }
        let path = Path::new(argument);
        let resolved = real_path(path);
        if is_serverless_script(resolved.as_deref().unwrap_or(path)) {
            return Script::Serverless(position);
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if resolved.is_none()
            && matches!(name, "serverless" | "serverless.js" | "sls" | "osls" | "osls.js" | "sf-core.js")
        {
            return Script::Unresolved(name);
        }
        if !after_option {
            return Script::Other;
        }
        after_option = false;
    }
    Script::Other
}

/// Whether a real path is the `bin` of the packages `serverless` (1 to 3; `run.js` in 4) or `osls`, or what
/// the launcher of version 4 runs: `~/.serverless/releases/<version>/package/dist/sf-core.js`.
fn is_serverless_script(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        [.., "node_modules", "serverless" | "osls", "bin", "serverless.js" | "serverless" | "osls.js"]
        | [.., "node_modules", "serverless" | "osls", "run.js"] => true,
        [.., ".serverless", "releases", version, "package", "dist", "sf-core.js"] => {
            version.starts_with(|first: char| first.is_ascii_digit())
        }
        _ => false,
    }
}

/// A single argument such as `serverless deploy --stage prod` or `sls`: node's `process.title` overwrites the
/// whole command line. Titles of other programs (npm, next-server) are theirs.
fn is_overwritten_title(arguments: &[String]) -> bool {
    let [title] = arguments else { return false };
    let first = title.split_whitespace().next().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    ["serverless", "sls", "osls"].iter().any(|name| first.starts_with(name))
}

/// Short names that every command of the CLI has for its options.
const SHORT: [(&str, &str); 5] =
    [("s", "stage"), ("r", "region"), ("c", "config"), ("v", "verbose"), ("h", "help")];
/// Options that take a value on any command.
const VALUED: [&str; 2] = ["stage", "config"];
/// Options that take no value on any command.
const FLAGS: [&str; 10] = [
    "verbose",
    "help",
    "version",
    "force",
    "debug",
    "conceal",
    "aws-s3-accelerate",
    "no-aws-s3-accelerate",
    "enforce-hash-update",
    "minify-template",
];
/// Options that decide which project and stage is meant: these are never guessed.
const DECIDING: [&str; 5] = ["stage", "region", "config", "app", "org"];

/// Reads the arguments after the script. The commands stand first; everything from the first option on is
/// options and their values, up to `--`.
fn options(arguments: &[String]) -> Result<(Options, Options), String> {
    let (mut options, mut parameters) = (Options::new(), Options::new());
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            // Before the first option it is a command to serverless@3 and osls, and the end of options to others.
            if options.is_empty() && parameters.is_empty() && rest.any(|next| next.starts_with('-')) {
                return Err("its command line has -- before its first option".to_owned());
            }
            break;
        }
        let Some((name, attached)) = option_name(argument)? else { continue };
        let deciding = DECIDING.contains(&name.as_str());
        let value = match attached {
            Some(value) => Some(value.to_owned()),
            None if FLAGS.contains(&name.as_str()) => None,
            None => rest.next_if(|next| !next.starts_with('-')).cloned(),
        };
        if deciding && value.as_deref().unwrap_or_default().is_empty() {
            return Err(format!("--{name} on its command line has no value"));
        }
        if name == "param" {
            let pair = value.as_deref().and_then(|value| value.split_once('='));
            parameters.extend(pair.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())));
            continue;
        }
        let value = value.unwrap_or_else(|| "true".to_owned());
        match options.get(&name) {
            Some(earlier) if deciding && *earlier != value => {
                return Err(format!("its command line has --{name} twice with different values"));
            }
            _ => options.insert(name, value),
        };
    }
    Ok((options, parameters))
}

/// Whether the command is `deploy` or `remove`. The first word that is no option is the command, unless it is an option's
/// value: where that cannot be told, as after an option that a plugin defines, either word counts.
fn is_deployment(arguments: &[String]) -> bool {
    let (mut may_be_value, mut is_value) = (false, false);
    for argument in arguments.iter().take_while(|argument| *argument != "--") {
        if argument.starts_with('-') {
            let name = option_name(argument).ok().flatten();
            let bare = name.as_ref().is_none_or(|(_, value)| value.is_none());
            let is_one_of =
                |names: &[&str]| name.as_ref().is_some_and(|(name, _)| names.contains(&name.as_str()));
            may_be_value = bare && !is_one_of(&FLAGS);
            is_value = bare && is_one_of(&VALUED);
            continue;
        }
        if std::mem::take(&mut is_value) {
            may_be_value = false;
            continue;
        }
        if matches!(argument.as_str(), "deploy" | "remove") {
            return true;
        }
        if !std::mem::take(&mut may_be_value) {
            return false;
        }
    }
    false
}

/// The long name of an option and the value attached with `=`; nothing for an argument that is no option.
fn option_name(argument: &str) -> Result<Option<(String, Option<&str>)>, String> {
    let (name, value) =
        argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
    if let Some(long) = name.strip_prefix("--") {
        return Ok(Some((long.to_owned(), value)));
    }
    let Some(short) = name.strip_prefix('-').filter(|short| !short.is_empty()) else { return Ok(None) };
    if short.chars().count() == 1 {
        let long = SHORT.iter().find(|(letter, _)| *letter == short).map_or(short, |(_, long)| *long);
        return Ok(Some((long.to_owned(), value)));
    }
    // `-vs` sets each letter as a flag; with an `s` among them the stage itself would be a flag.
    if short.contains(['s', 'c', 'r']) {
        return Err(format!(
            "its command line has -{short}, which is read as single letters; write --stage, --config or --region"
        ));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ProcessId = ProcessId { pid: 7, start: 70 };

    fn process(executable: &str, arguments: &[&str]) -> Process {
        Process {
            id: ID,
            executable: Some(executable.into()),
            arguments: Some(arguments.iter().map(|&argument| argument.to_owned()).collect()),
        }
    }

    /// Knows the links of an installation; every other absolute path is real as it is.
    fn real_path(path: &Path) -> Option<PathBuf> {
        Some(match path.to_str()? {
            "node_modules/.bin/sls" | "node_modules/.bin/serverless" => {
                "/home/a/shop/node_modules/serverless/bin/serverless.js".into()
            }
            "/usr/local/bin/osls" => "/usr/local/lib/node_modules/osls/bin/serverless.js".into(),
            text if text.starts_with('/') && !text.contains("gone") => path.to_owned(),
            _ => return None,
        })
    }

    fn stage_of(executable: &str, arguments: &[&str]) -> Option<String> {
        match recognise(&process(executable, arguments), &real_path) {
            Recognised::Serverless(invocation) => Some(invocation.option("stage").unwrap_or("-").to_owned()),
            Recognised::Other => None,
            Recognised::Unreadable(why) => Some(format!("unreadable: {why}")),
        }
    }

    #[test]
    fn a_serverless_cli_is_known_by_its_real_script_or_its_binary() {
        for (executable, arguments, expected) in [
            ("/usr/bin/node", vec!["node", "node_modules/.bin/sls", "info"], Some("-")),
            ("/usr/bin/node", vec!["/usr/bin/node", "/usr/local/bin/osls", "info", "-s", "qa"], Some("qa")),
            ("/usr/bin/node20", vec!["node", "node_modules/.bin/sls"], Some("-")),
            ("/usr/bin/node", vec!["node", "--max-old-space-size=9", "node_modules/.bin/sls"], Some("-")),
            ("/usr/bin/node", vec!["node", "-r", "dotenv/config", "node_modules/.bin/sls"], Some("-")),
            (
                "/usr/bin/node",
                vec![
                    "node",
                    "/home/a/.serverless/releases/4.4.0/package/dist/sf-core.js",
                    "deploy",
                    "--stage",
                    "x",
                ],
                Some("x"),
            ),
            (
                "/usr/bin/node",
                vec!["node", "/x/node_modules/serverless/run.js", "deploy", "--stage=x"],
                Some("x"),
            ),
            ("/x/.pnpm/osls@4/node_modules/osls/bin/serverless.js", vec!["x"], None),
            ("/usr/local/bin/serverless", vec!["serverless", "deploy", "--stage", "prod"], Some("prod")),
            ("/opt/sls", vec!["sls"], Some("-")),
            ("/usr/bin/node", vec!["node", "app.js", "node_modules/.bin/sls"], None),
            ("/usr/bin/node", vec!["node", "/home/a/serverless.js", "deploy"], None),
            ("/usr/bin/node", vec!["node"], None),
            (
                "/usr/bin/node",
                vec!["node", "/gone/node_modules/osls/bin/serverless.js", "x", "-s", "qa"],
                Some("qa"),
            ),
            (
                "/usr/bin/node",
                vec!["node", "gone/.bin/sls", "deploy", "-s", "qa"],
                Some("unreadable: its script sls is not there any more"),
            ),
            ("/usr/bin/nodemon", vec!["nodemon", "node_modules/.bin/sls"], None),
            ("/usr/bin/python3", vec!["python3", "/usr/local/bin/osls"], None),
        ] {
            assert_eq!(stage_of(executable, &arguments).as_deref(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn all_spellings_of_the_stage_are_read() {
        for (arguments, expected) in [
            (vec!["deploy", "--stage", "prod"], "prod"),
            (vec!["deploy", "--stage=prod"], "prod"),
            (vec!["deploy", "-s", "prod"], "prod"),
            (vec!["deploy", "-s=prod"], "prod"),
            (vec!["deploy", "--verbose", "--stage", "prod"], "prod"),
            (vec!["deploy", "--force", "-s", "prod", "--param", "a=b"], "prod"),
            (vec!["--stage", "prod", "deploy"], "prod"),
            (vec!["deploy", "--stage", "prod", "--stage", "prod"], "prod"),
            (
                vec!["deploy", "--", "--stage", "prod"],
                "unreadable: its command line has -- before its first option",
            ),
            (vec!["deploy", "--verbose", "--", "--stage", "prod"], "-"),
            (vec!["deploy", "--param", "a=b", "--", "--stage", "prod"], "-"),
            (vec!["deploy", "--stagex", "prod"], "-"),
            (vec!["deploy", "stage", "prod"], "-"),
            (vec!["invoke", "--data", "--stage"], "unreadable: --stage on its command line has no value"),
            (vec!["deploy", "--stage"], "unreadable: --stage on its command line has no value"),
            (vec!["deploy", "--stage="], "unreadable: --stage on its command line has no value"),
            (
                vec!["deploy", "--stage", "a", "-s", "b"],
                "unreadable: its command line has --stage twice with different values",
            ),
            (
                vec!["deploy", "-vs", "prod"],
                "unreadable: its command line has -vs, which is read as single letters; write --stage, --config or --region",
            ),
        ] {
            let mut whole = vec!["serverless"];
            whole.extend(&arguments);
            assert_eq!(stage_of("/usr/bin/serverless", &whole).as_deref(), Some(expected), "{arguments:?}");
        }
    }

    #[test]
    fn a_deployment_is_known_by_its_command() {
        for (line, expected) in [
            ("deploy", true),
            ("deploy --stage prod", true),
            ("deploy function -f report", true),
            ("remove", true),
            ("--stage prod deploy", true),
            ("--verbose deploy", true),
            ("--team red deploy", true),
            ("--stage deploy info", false),
            ("-c remove info", false),
            ("--stage deploy remove", true),
            ("--stage --verbose deploy", true),
            ("--team deploy", true),
            ("-s prod remove", true),
            ("package", false),
            ("package --package deploy", false),
            ("info --stage remove", false),
            ("invoke -f deploy", false),
            ("--stage=deploy info", false),
            ("-- deploy", false),
            ("", false),
        ] {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(is_deployment(&arguments), expected, "{line}");
        }
    }

    #[test]
    fn a_process_title_is_never_split() {
        assert_eq!(stage_of("/usr/bin/node", &["npm run deploy --stage prod"]), None);
        for title in ["serverless deploy --stage prod", "serverless", "sls-plugin", "/usr/bin/osls x"] {
            assert_eq!(
                stage_of("/usr/bin/node", &[title]).as_deref(),
                Some("unreadable: its command line was overwritten by a process title"),
                "{title}"
            );
        }
        let mut unreadable = process("/usr/bin/osls", &[]);
        unreadable.arguments = None;
        assert!(matches!(recognise(&unreadable, &real_path), Recognised::Unreadable(_)));
    }

    #[test]
    fn other_options_are_kept_for_variables() {
        let Recognised::Serverless(invocation) = recognise(
            &process("/bin/sls", &["sls", "x", "--team", "red", "-r", "eu-west-1", "--dry"]),
            &real_path,
        ) else {
            panic!("a serverless CLI")
        };
        let found: Vec<_> =
            invocation.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("dry", "true"), ("region", "eu-west-1"), ("team", "red")]);
        assert_eq!(invocation.process, Some(ID));
    }
}
