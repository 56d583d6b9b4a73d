//! The sections of `~/.aws/config` and `~/.aws/credentials`, each with its line (AWS SDKs and tools reference guide,
//! "Shared config and credentials files").
//!
//! For looking at what a person wrote; what signs is read by [`super::base_profile`].

/// Keys of a profile that give it credentials.
const CREDENTIAL_KEYS: [&str; 8] = [
    "aws_access_key_id",
    "credential_process",
    "role_arn",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
    "login_session",
    "credential_source",
];

/// Which of the two files a text is from: they name their profiles differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsFile {
    /// `~/.aws/config`: `[profile NAME]`, and `[default]`.
    Config,
    /// `~/.aws/credentials`: `[NAME]`.
    Credentials,
}

impl AwsFile {
    /// How people know it.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Config => "~/.aws/config",
            Self::Credentials => "~/.aws/credentials",
        }
    }
}

/// A section.
#[derive(Clone, PartialEq, Eq)]
pub struct Section<'t> {
    /// What stands between its brackets, single spaces between the words.
    pub heading: String,
    /// Its line, from 1.
    pub line: usize,
    keys: Vec<Key<'t>>,
}

impl std::fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Section")
            .field("heading", &self.heading)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Key<'t> {
    name: String,
    value: &'t str,
    line: usize,
}

/// The sections of a text, in its order. What is indented belongs to the key above it.
pub fn sections(text: &str) -> Vec<Section<'_>> {
    let mut found: Vec<Section<'_>> = Vec::new();
    for (position, line) in text.lines().enumerate() {
        let number = position + 1;
        if let Some(name) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let heading = name.split_whitespace().collect::<Vec<_>>().join(" ");
            found.push(Section { heading, line: number, keys: Vec::new() });
        } else if !line.starts_with([' ', '\t', '#', ';'])
            && let (Some(section), Some((name, value))) = (found.last_mut(), line.split_once('='))
        {
            let name = name.trim().to_ascii_lowercase();
            section.keys.push(Key { name, value: value.trim(), line: number });
        }
    }
    found
}

impl<'t> Section<'t> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'t str> {
        self.keys.iter().find(|known| known.name == key).map(|key| key.value)
    }

    /// The line of a key, from 1.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.keys.iter().find(|known| known.name == key).map(|key| key.line)
    }

    /// The profile that it is of, in that file.
    pub fn profile(&self, file: AwsFile) -> Option<&str> {
        match file {
            AwsFile::Credentials => Some(&self.heading),
            AwsFile::Config if self.heading == "default" => Some("default"),
            AwsFile::Config => self.heading.strip_prefix("profile "),
        }
    }

    /// Whether it gives its profile credentials.
    pub fn gives_credentials(&self) -> bool {
        self.keys.iter().any(|key| CREDENTIAL_KEYS.contains(&key.name.as_str()))
    }

    /// Whether a program is all that gives it credentials.
    pub fn has_only_a_process(&self) -> bool {
        let giving = self.keys.iter().filter(|key| CREDENTIAL_KEYS.contains(&key.name.as_str()));
        let names: Vec<&str> = giving.map(|key| key.name.as_str()).collect();
        names == ["credential_process"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_a_line_and_keys_with_theirs() {
        let text = "# x\n[ default ]\nregion = a=b\n s3 = \n[profile  work] # mine\nRole_ARN=r\n  nested = 1\n\
                    [sso-session s]\n";
        let found = sections(text);
        let profiles: Vec<_> =
            found.iter().map(|section| (section.line, section.profile(AwsFile::Config))).collect();
        assert_eq!(profiles, [(2, Some("default")), (5, Some("work")), (8, None)]);
        assert_eq!((found[0].get("region"), found[0].line_of("region")), (Some("a=b"), Some(3)));
        assert_eq!((found[1].get("role_arn"), found[1].get("nested")), (Some("r"), None));
        assert!(!found[0].gives_credentials() && found[1].gives_credentials());
        assert_eq!(sections("[x]\n")[0].profile(AwsFile::Credentials), Some("x"));
    }

    #[test]
    fn a_program_may_be_all_that_a_profile_has() {
        for (text, only) in [
            ("[a]\ncredential_process = x\nregion = y\n", true),
            ("[a]\ncredential_process = x\naws_access_key_id = y\n", false),
            ("[a]\nregion = y\n", false),
        ] {
            assert_eq!(sections(text)[0].has_only_a_process(), only, "{text}");
        }
        assert!(!format!("{:?}", sections("[a]\naws_secret_access_key = marked\n")).contains("marked"));
    }
}
