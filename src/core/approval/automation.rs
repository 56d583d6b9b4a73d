//! Programs that run others without anybody looking on.
//!
//! Whatever they start may have a terminal, and still nobody types in it. The list has what is automation for certain:
//! programs that answer prompts, runners of CI, coding agents, schedulers. A shell, an editor, a build tool or a
//! multiplexer is not on it, since people type in those.

use std::path::{Path, PathBuf};

/// Programs by file name.
const PROGRAMS: [&str; 39] = [
    // They make a terminal and answer in it.
    "script",
    "scriptlive",
    "scriptreplay",
    "expect",
    "autoexpect",
    "unbuffer",
    "empty",
    "faketty",
    // CI.
    "Runner.Listener",
    "Runner.Worker",
    "act",
    "act_runner",
    "forgejo-runner",
    "gitlab-runner",
    "buildkite-agent",
    "circleci-agent",
    "circleci-runner",
    "drone-runner-exec",
    "woodpecker-agent",
    "Agent.Listener",
    "Agent.Worker",
    "concourse",
    "teamcity-agent",
    // Coding agents.
    "claude",
    "codex",
    "gemini",
    "aider",
    "opencode",
    "goose",
    "cursor-agent",
    "amp",
    "crush",
    // Schedulers, and what runs commands elsewhere.
    "cron",
    "crond",
    "anacron",
    "atd",
    "ansible",
    "ansible-playbook",
    "watchexec",
];
/// Parts of a script's path that name a program whose file is called like many others.
const PATHS: [(&str, &str); 5] = [
    ("/@anthropic-ai/claude-code/", "claude"),
    ("/@openai/codex/", "codex"),
    ("/@google/gemini-cli/", "gemini"),
    ("/@github/copilot/", "copilot"),
    ("/@sourcegraph/amp/", "amp"),
];
/// What runs scripts.
const INTERPRETERS: [&str; 7] = ["python", "node", "bun", "deno", "ruby", "perl", "tclsh"];

/// The name of the automation that a process is, if it is one.
///
/// `executable` is its real one, if that can be read; `arguments` are the separate arguments of its command line, the
/// program's name first.
pub fn automation(executable: Option<&PathBuf>, arguments: &[String]) -> Option<&'static str> {
    let started_as = arguments.first().map(Path::new);
    let names = [executable.map(PathBuf::as_path), started_as];
    if let Some(known) = names.into_iter().flatten().find_map(known) {
        return Some(known);
    }
    let interpreter = names.into_iter().flatten().filter_map(Path::file_name).any(|name| {
        let name = name.to_string_lossy();
        INTERPRETERS.iter().any(|runner| name.starts_with(runner))
    });
    let script = arguments.iter().skip(1).find(|argument| !argument.starts_with('-'));
    let script = script.filter(|_| interpreter)?;
    let by_path = PATHS.iter().find(|(part, _)| script.contains(part)).map(|(_, name)| *name);
    by_path.or_else(|| known(Path::new(script)))
}

fn known(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    PROGRAMS.into_iter().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automation_is_known_by_program_and_by_script() {
        for (executable, arguments, expected) in [
            ("/usr/bin/script", vec!["script", "-qc", "x"], Some("script")),
            ("/usr/bin/tclsh8.6", vec!["/usr/bin/expect", "answer.exp"], Some("expect")),
            ("/usr/bin/tclsh8.6", vec!["tclsh", "/usr/bin/unbuffer", "x"], Some("unbuffer")),
            ("/opt/runner/bin/Runner.Worker", vec!["Runner.Worker"], Some("Runner.Worker")),
            ("/usr/bin/node", vec!["claude"], Some("claude")),
            ("/usr/bin/node", vec!["node", "/n/lib/node_modules/@openai/codex/bin/codex.js"], Some("codex")),
            ("/usr/bin/python3.11", vec!["python3", "/home/a/.local/bin/aider"], Some("aider")),
            ("/usr/bin/python3.11", vec!["python3", "-c", "aider"], Some("aider")),
            ("/usr/bin/bash", vec!["-bash"], None),
            ("/usr/bin/bash", vec!["bash", "script"], None),
            ("/usr/bin/make", vec!["make", "deploy"], None),
            ("/usr/bin/tmux", vec!["tmux"], None),
            ("/usr/share/code/code", vec!["/usr/share/code/code"], None),
            ("/usr/bin/node", vec!["node", "node_modules/.bin/serverless"], None),
            ("/usr/bin/vim", vec!["vim", "expect"], None),
        ] {
            let arguments: Vec<String> = arguments.into_iter().map(Into::into).collect();
            assert_eq!(
                automation(Some(&executable.into()), &arguments),
                expected,
                "{executable} {arguments:?}"
            );
        }
        assert_eq!(automation(None, &["expect".into()]), Some("expect"), "one that hides itself");
        assert_eq!(automation(None, &[]), None);
    }
}
