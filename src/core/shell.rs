//! Lines for the shells that people use.

/// A shell, by what its language is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// `sh` and those that extend it: bash, zsh, dash, ksh.
    Posix,
    /// fish.
    Fish,
    /// `PowerShell`.
    Pwsh,
}

impl Shell {
    /// The shell of this name or path; `None` for one whose language is not known.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.rsplit('/').next().unwrap_or(name) {
            "sh" | "bash" | "zsh" | "dash" | "ash" | "ksh" => Self::Posix,
            "fish" => Self::Fish,
            "pwsh" | "powershell" => Self::Pwsh,
            _ => return None,
        })
    }

    /// The line that sets a variable for what is started from then on. The name must be that of a variable.
    pub fn set(self, name: &str, value: &str) -> String {
        let value = self.quoted(value);
        match self {
            Self::Posix => format!("export {name}={value}"),
            Self::Fish => format!("set -gx {name} {value}"),
            Self::Pwsh => format!("$Env:{name} = {value}"),
        }
    }

    /// The line that takes a variable away.
    pub fn unset(self, name: &str) -> String {
        match self {
            Self::Posix => format!("unset {name}"),
            Self::Fish => format!("set -e {name}"),
            Self::Pwsh => format!("Remove-Item -ErrorAction Ignore Env:{name}"),
        }
    }

    /// A remark; each line of it is one.
    pub fn comment(self, text: &str) -> String {
        text.lines().map(|line| format!("# {line}")).collect::<Vec<_>>().join("\n")
    }

    /// A text as one word that means itself.
    fn quoted(self, text: &str) -> String {
        let mut word = String::with_capacity(text.len() + 2);
        word.push('\'');
        for c in text.chars() {
            match (self, c) {
                (Self::Posix, '\'') => word.push_str("'\\''"),
                (Self::Fish, '\'' | '\\') => word.extend(['\\', c]),
                // PowerShell takes each of these for a single quote, whichever began the text.
                (Self::Pwsh, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') => word.extend([c, c]),
                _ => word.push(c),
            }
        }
        word.push('\'');
        word
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_shell_has_its_lines() {
        for (shell, set, unset) in [
            (Shell::Posix, "export A='x'\\''y'", "unset A"),
            (Shell::Fish, "set -gx A 'x\\'y'", "set -e A"),
            (Shell::Pwsh, "$Env:A = 'x''y'", "Remove-Item -ErrorAction Ignore Env:A"),
        ] {
            assert_eq!((shell.set("A", "x'y").as_str(), shell.unset("A").as_str()), (set, unset));
        }
        assert_eq!(Shell::Fish.comment("a\nb"), "# a\n# b");
        for (name, shell) in [
            ("/usr/bin/zsh", Some(Shell::Posix)),
            ("fish", Some(Shell::Fish)),
            ("/opt/pwsh", Some(Shell::Pwsh)),
            ("/bin/tcsh", None),
            ("", None),
        ] {
            assert_eq!(Shell::named(name), shell, "{name}");
        }
    }

    /// What a shell makes of one word, by its own rules of quoting (POSIX shell, 2.2; fish, "Quotes"; PowerShell,
    /// `about_Quoting_Rules`); `None` where the word does not end with the line.
    fn read(shell: Shell, word: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = word.chars().peekable();
        let is_quote =
            |c: char| c == '\'' || (shell == Shell::Pwsh && "\u{2018}\u{2019}\u{201a}\u{201b}".contains(c));
        while let Some(c) = rest.next() {
            match c {
                c if is_quote(c) => loop {
                    match rest.next()? {
                        '\\' if shell == Shell::Fish && rest.peek().is_some_and(|c| "\\'".contains(*c)) => {
                            text.extend(rest.next());
                        }
                        c if is_quote(c) => match rest.peek() {
                            Some(next) if shell == Shell::Pwsh && is_quote(*next) => text.extend(rest.next()),
                            _ => break,
                        },
                        c => text.push(c),
                    }
                },
                '\\' if shell == Shell::Posix => text.push(rest.next()?),
                // Anything else outside of quotes could mean something else than itself.
                _ => return None,
            }
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn any_text_is_one_word_that_means_itself(text in "(\\PC|[\n\t'\"\\\\$`!*#;&|<>(){}\u{2018}\u{2019}\u{201a}\u{201b}]){0,40}") {
            for shell in [Shell::Posix, Shell::Fish, Shell::Pwsh] {
                let word = shell.quoted(&text);
                prop_assert_eq!(read(shell, &word), Some(text.clone()), "{:?}: {}", shell, word);
            }
        }
    }
}
