//! `brokerctl prompt`: who one would be here, for a shell's prompt.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser};

use super::client;
use super::commands::print_json;
use super::failure::{Failure, Kind};
use crate::core::prompt::{DEFAULT, Format, Marks, Palette};
use crate::core::protocol::{Reply, Request};

/// A prompt does not wait for a daemon that is slower than this.
const PATIENCE: Duration = Duration::from_millis(50);

/// `brokerctl prompt`.
#[derive(Debug, Args)]
pub(super) struct Prompt {
    /// Text with {app} {stage} {protected} {profile} {account} {remaining} {flags}; what stands beside a name in its
    /// braces is shown only with a value
    #[arg(long, value_name = "FORMAT", default_value = DEFAULT, hide_default_value = true)]
    format: String,
    /// In colours that do not confuse this shell: bash, zsh or fish
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["bash", "zsh", "fish"]))]
    shell: Option<String>,
    /// Print the lines that put it into the prompt of bash, zsh or fish, or the configuration of starship
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["bash", "zsh", "fish", "starship"]), conflicts_with_all = ["format", "shell", "json"])]
    init: Option<String>,
    /// Print JSON, or null where there is nothing to show
    #[arg(long, conflicts_with_all = ["format", "shell"])]
    json: bool,
}

/// The command by itself.
#[derive(Debug, Parser)]
#[command(name = "brokerctl prompt", version, about = "Print application, stage, profile and remaining time")]
struct Alone {
    #[command(flatten)]
    prompt: Prompt,
}

/// The command, if the program was started for it. A shell does that before each line, and to make ready all the other
/// commands takes as long as all the rest of it.
pub(super) fn asked_for() -> Option<Prompt> {
    std::env::args_os().nth(1).filter(|word| word == "prompt")?;
    Some(Alone::parse_from(std::env::args_os().skip(1)).prompt)
}

impl Prompt {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        if let Some(shell) = self.init {
            out.write_all(snippet(&shell).as_bytes())?;
            return Ok(());
        }
        let format = Format::parse(&self.format).map_err(|error| Failure {
            kind: Kind::Usage,
            message: format!("--format: {error}"),
            hint: Some(format!("--format '{DEFAULT}'")),
        })?;
        // Who has no project, no daemon or an old one has a prompt all the same.
        let state = std::env::current_dir().ok().and_then(|path| {
            match client::ask_briefly(&Request::Prompt { path }, PATIENCE) {
                Ok(Reply::Prompt { state }) => state,
                _ => None,
            }
        });
        if self.json {
            drop(out);
            return print_json(&state);
        }
        let Some(state) = state else { return Ok(()) };
        let is_screen = out.is_terminal();
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let palette = Palette {
            marks: self.shell.as_deref().map_or(Marks::None, marks),
            coloured: is_wanted && (self.shell.is_some() || is_screen),
        };
        let mut text = format.show(&state, palette);
        if is_screen {
            text.push('\n');
        }
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn marks(shell: &str) -> Marks {
    match shell {
        "bash" => Marks::Readline,
        "zsh" => Marks::Zsh,
        _ => Marks::None,
    }
}

fn snippet(shell: &str) -> &'static str {
    match shell {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        _ => STARSHIP,
    }
}

/// Before what is there, once however often it is read. What stands behind it in the prompt may show `$?`, which is by
/// then that of the substitution: so it ends as the last command did.
const BASH: &str = r#"# In ~/.bashrc, after what sets PS1: eval "$(brokerctl prompt --init bash)"
__brokerd_prompt() {
    local last=$? text
    text=$(command brokerctl prompt --shell bash 2>/dev/null)
    [ -z "$text" ] || printf '%s ' "$text"
    return "$last"
}
case $PS1 in
    *__brokerd_prompt*) ;;
    *) PS1='$(__brokerd_prompt)'$PS1 ;;
esac
"#;

const ZSH: &str = r#"# In ~/.zshrc, after what sets PROMPT: eval "$(brokerctl prompt --init zsh)"
setopt prompt_subst
__brokerd_prompt() {
    local last=$? text
    text=$(command brokerctl prompt --shell zsh 2>/dev/null)
    [[ -z $text ]] || print -rn -- "$text "
    return $last
}
[[ $PROMPT == *__brokerd_prompt* ]] || PROMPT='$(__brokerd_prompt)'$PROMPT
"#;

/// fish gives `$status` to the prompt as the last command left it, so it is put back before the prompt that was there.
const FISH: &str = r#"# In ~/.config/fish/config.fish: brokerctl prompt --init fish | source
functions -q __brokerd_other_prompt; or functions -c fish_prompt __brokerd_other_prompt
function __brokerd_leave
    return $argv[1]
end
function fish_prompt
    set -l last $status
    set -l text (command brokerctl prompt --shell fish 2>/dev/null)
    test -z "$text"; or printf '%s ' $text
    __brokerd_leave $last
    __brokerd_other_prompt
end
"#;

/// Starship shows nothing of a module whose output is empty.
const STARSHIP: &str = r#"# In ~/.config/starship.toml
[custom.brokerd]
description = "Whose AWS role commands get here"
command = "brokerctl prompt"
when = true
shell = ["sh"]
style = "bold yellow"
format = "[$output]($style) "
"#;
