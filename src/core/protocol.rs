//! The control protocol between `brokerctl` and the daemon: one line of JSON each way, then the end.
//!
//! Each line carries the number of the protocol, so that after an upgrade an old daemon and a new
//! `brokerctl` say so instead of misunderstanding each other.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::audit::Record;
use super::decision::{Matched, Reason};
use super::fault::Fault;
use super::keychain::Keychain;
use super::long_term_keys::LongTermKeys;
use super::moment::Timestamp;
use super::name::{App, KeysName, Org, ProfileName, Region, RoleArn, Stage};
use super::pins::Reach;
use super::refusal::Refusal;
use super::wanted::Wanted;

mod ways;

pub use ways::{AwsProfile, ExecAccess, ExecGrant, MadeToken, TokenStatus};

/// The number of this protocol; raised by hand whenever a line changes its meaning.
pub const PROTOCOL: u32 = 1;
/// A longer request is refused unread.
pub const MAX_REQUEST: usize = 64 * 1024;
/// A longer reply is refused unread.
pub const MAX_REPLY: usize = 16 * 1024 * 1024;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line<T> {
    /// The sender's protocol.
    pub protocol: u32,
    /// The sender's version, for people.
    pub version: String,
    /// What it says.
    pub body: T,
}

impl<T> Line<T> {
    /// A line of this version.
    pub fn new(body: T) -> Self {
        Self { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), body }
    }
}

/// What `brokerctl` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The state of everything.
    Status,
    /// The decision for a caller, with its reasons: for a process of this user, or for the asking process
    /// itself, as if it were in another directory or an imagined CLI had been given a stage.
    Why {
        /// Another directory than the asking process's.
        path: Option<PathBuf>,
        /// `--stage` of an imagined Serverless CLI.
        stage: Option<String>,
        /// Another process.
        pid: Option<u32>,
    },
    /// The last refusals.
    LastRefusals,
    /// Say yes to a project.
    Allow {
        /// Its directory or configuration file.
        path: PathBuf,
        /// The application, for a file that names none.
        app: Option<String>,
        /// Whether every worktree of its repository is allowed with it.
        worktrees: bool,
    },
    /// Take back a yes.
    Deny {
        /// Its directory or configuration file.
        path: PathBuf,
    },
    /// The stages of a project's application, to choose from.
    Stages {
        /// A directory of the project.
        path: PathBuf,
    },
    /// Pin a stage for what is started from now on.
    Pin {
        /// A directory of the project.
        path: PathBuf,
        /// The stage.
        stage: Stage,
        /// For how many seconds.
        seconds: Option<u64>,
        /// For the project rather than the asking process's terminal.
        everywhere: bool,
    },
    /// Take pins back.
    Unpin {
        /// A directory of the project.
        path: PathBuf,
        /// The project's too.
        everywhere: bool,
    },
    /// The running processes that the catalog in force now gives nothing, and an earlier one gave a profile.
    Affected,
    /// Credentials for the parent of the asking process.
    CredentialProcess,
    /// The same for an application, stage or profile that is named.
    NamedCredentials {
        /// What is named.
        wanted: Wanted,
    },
    /// What a command needs that takes the asking process's place.
    Exec {
        /// What is named.
        wanted: Wanted,
        /// Whether the credentials themselves are wanted, for a tool that knows nothing else.
        keys: bool,
    },
    /// A new container token.
    MakeToken {
        /// What is named.
        wanted: Wanted,
        /// What the person calls it.
        label: Option<String>,
        /// For how many seconds.
        seconds: Option<u64>,
        /// Whether it outlives the daemon.
        persist: bool,
    },
    /// The container tokens.
    Tokens,
    /// Take container tokens back.
    RevokeTokens {
        /// Which; all without one.
        id: Option<String>,
    },
    /// Every stage of the allowed applications that has a profile.
    AwsProfiles,
    /// A URL that signs in to the AWS console.
    SignIn {
        /// What is named.
        wanted: Wanted,
        /// The page of the console, like `s3`.
        service: Option<String>,
        /// For how many seconds; else as long as the credentials.
        seconds: Option<u64>,
    },
    /// Keep long-term keys in the keychain, in place of those of that name.
    KeepKeys {
        /// What they are called.
        name: KeysName,
        /// The keys.
        keys: LongTermKeys,
    },
    /// Take long-term keys out of the keychain.
    ForgetKeys {
        /// What they are called.
        name: KeysName,
    },
    /// End the daemon.
    Stop,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What the daemon says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Why`].
    Why(Box<Explanation>),
    /// To [`Request::LastRefusals`], oldest first.
    Refusals {
        /// The refusals.
        refusals: Vec<Record>,
    },
    /// To [`Request::Allow`].
    Allowed(Box<Permission>),
    /// To [`Request::Deny`].
    Denied {
        /// The configuration whose entry was removed.
        config: PathBuf,
        /// Its application.
        app: App,
    },
    /// To [`Request::Stages`].
    Stages(StageChoices),
    /// To [`Request::Pin`].
    Pinned(Box<Pinned>),
    /// To [`Request::Unpin`].
    Unpinned(Box<Unpinned>),
    /// To [`Request::Affected`], in the order of their numbers.
    Affected {
        /// The processes.
        processes: Vec<AffectedProcess>,
    },
    /// To [`Request::CredentialProcess`] and [`Request::NamedCredentials`]: the document, ready to print.
    Credentials {
        /// The document.
        document: SecretText,
        /// The sentence that must be said when the stage did not match.
        note: Option<String>,
    },
    /// To [`Request::Exec`].
    Exec(Box<ExecGrant>),
    /// To [`Request::MakeToken`].
    TokenMade(Box<MadeToken>),
    /// To [`Request::Tokens`].
    Tokens {
        /// The tokens, in the order in which they were made.
        tokens: Vec<TokenStatus>,
        /// The daemon's clock, against which remaining times count.
        now: Timestamp,
    },
    /// To [`Request::RevokeTokens`].
    TokensRevoked {
        /// Those that were there.
        tokens: Vec<TokenStatus>,
    },
    /// To [`Request::AwsProfiles`], by application and stage.
    AwsProfiles {
        /// The stages.
        profiles: Vec<AwsProfile>,
    },
    /// To [`Request::SignIn`].
    SignIn {
        /// The URL, which signs in whoever opens it.
        url: SecretText,
        /// The sentence that must be said when the stage did not match.
        note: Option<String>,
    },
    /// To [`Request::KeepKeys`].
    KeysKept {
        /// Where.
        keychain: Keychain,
    },
    /// To [`Request::ForgetKeys`].
    KeysForgotten {
        /// Whether there were any.
        were_there: bool,
    },
    /// To [`Request::Stop`].
    Stopping,
    /// The request was understood and refused, or failed.
    Failed {
        /// Why.
        message: String,
        /// What to type next.
        hint: Option<String>,
        /// Whether a login or an approval is needed.
        needs_person: bool,
    },
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A text that must be sent and must not be shown. It exists for the one reply that carries credentials.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, for printing it to whoever asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

/// The state of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Its clock, against which remaining times count.
    pub now: Timestamp,
    /// Where it listens, as `http://address:port/`.
    pub endpoints: Vec<String>,
    /// The sockets behind them, and those that others can reach.
    #[serde(default)]
    pub sockets: Vec<EndpointSocket>,
    /// Whether IMDSv1 is switched on, and how often it was used.
    pub imds_v1: ImdsV1,
    /// The catalog.
    pub catalog: CatalogStatus,
    /// The keychain.
    pub keychain: KeychainStatus,
    /// Every allowed project, and each further stage of it that is in use.
    pub projects: Vec<ProjectStatus>,
    /// The pins that count.
    #[serde(default)]
    pub pins: Vec<PinStatus>,
    /// What happens in the directory of the asking process.
    pub here: Option<Explanation>,
    /// Since the start: sessions asked of STS.
    pub sts_calls: u64,
    /// Since the start: credentials handed out.
    pub issues: u64,
    /// Since the start: refusals.
    pub refusals: u64,
    /// Lines that could not be written to the audit log.
    pub audit_lost: u64,
    /// What does not work as it should: a watch that could not be set, an audit log that cannot be written.
    pub troubles: Vec<String>,
}

/// The use of IMDSv1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImdsV1 {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Requests without a token, served or not.
    pub requests: u64,
    /// The programs that made them, those that made most first.
    #[serde(default)]
    pub clients: Vec<TokenlessClient>,
}

/// A program that asks without a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenlessClient {
    /// Its name; `unknown` for those that could not be looked at, `others` for those beyond the first 64.
    pub program: String,
    /// How often it did.
    pub requests: u64,
}

/// A socket of the endpoint. Whoever sees who listens at its address can tell whether that is brokerd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSocket {
    /// Its address.
    pub address: SocketAddr,
    /// Its inode.
    pub inode: u64,
    /// Whether others than this machine's processes can reach it, so that only container credentials are served there.
    pub remote: bool,
}

/// The state of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogStatus {
    /// Its file.
    pub path: PathBuf,
    /// How many profiles are in force.
    pub profiles: usize,
    /// How many applications are in force.
    pub applications: usize,
    /// What is wrong with the file now; what is in force is then the last good one.
    pub faults: Vec<Fault>,
}

/// The state of the keychain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeychainStatus {
    /// Which is in use.
    pub keychain: Keychain,
    /// How it came to be used.
    pub choice: KeychainChoice,
    /// How many sessions it keeps.
    pub sessions: usize,
    /// When they were last written to it.
    pub saved: Option<Timestamp>,
    /// Whether there are changes that it does not have yet.
    pub unsaved: bool,
    /// Why it cannot be used now, if so: sessions are in memory only then.
    pub trouble: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
    /// What else must be said: that what it held was of no use, or why none was found.
    pub note: Option<String>,
}

/// How a keychain came to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum KeychainChoice {
    /// `config.toml` names it.
    Configured,
    /// An earlier start found it.
    Remembered {
        /// When.
        since: Timestamp,
    },
    /// This start found it.
    Found,
    /// None was found.
    NoneFound,
}

/// The state of a project's stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// The configuration.
    pub config: PathBuf,
    /// The application.
    pub app: App,
    /// The stage, if it can be told.
    pub stage: Option<Stage>,
    /// How the profile was found.
    pub matched: Option<Matched>,
    /// The profile.
    pub profile: Option<ProfileName>,
    /// The role.
    pub role: Option<RoleArn>,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<Region>,
    /// When the session ends; absent while there is none.
    pub expires: Option<Timestamp>,
    /// Safeguards that nothing evaluates.
    pub safeguards_not_evaluated: usize,
    /// What must be said: a fall-back, a reading that is not the newest.
    pub notes: Vec<String>,
    /// The last thing that went wrong.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A decision, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Of whom: `pid 4242 (python3) in /home/a/shop`.
    pub caller: String,
    /// The steps, in order.
    pub reasons: Vec<Reason>,
    /// What comes of it.
    pub verdict: Verdict,
}

/// What comes of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// This profile.
    Profile {
        /// The application.
        app: App,
        /// The stage.
        stage: Stage,
        /// How the profile was found.
        matched: Matched,
        /// The profile.
        profile: ProfileName,
        /// Its role.
        role: RoleArn,
        /// The region.
        region: Option<Region>,
        /// The sentence that must be said when the stage did not match.
        fallback: Option<String>,
    },
    /// Nothing.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The same as a sentence.
        message: String,
        /// What to type next.
        hint: Option<String>,
    },
}

/// A running process that is refused since the catalog changed, until it is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffectedProcess {
    /// Its number.
    pub pid: u32,
    /// Its program.
    pub name: String,
    /// Where it runs.
    pub directory: PathBuf,
    /// The application that it was given a profile for.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile that it was given.
    pub profile: ProfileName,
}

/// A project that was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The configuration.
    pub config: PathBuf,
    /// The application.
    pub app: App,
    /// The organisation.
    pub org: Option<Org>,
    /// Whether every worktree of the repository is allowed with it.
    pub worktrees: bool,
    /// What a process there gets now.
    pub decision: Explanation,
}

/// A pin that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinStatus {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// How far it reaches.
    pub reach: Reach,
    /// The project's configuration, for a pin of a project.
    pub config: Option<PathBuf>,
    /// The process that leads the terminal's session, for a pin of a terminal.
    pub session: Option<u32>,
    /// The terminal's name, if it can be told.
    pub terminal: Option<String>,
    /// Whether it is the pin of the asking process's terminal.
    pub this_terminal: bool,
    /// When it was typed.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// The stages that a person may choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageChoices {
    /// The application.
    pub app: App,
    /// The stages, the current one first.
    pub stages: Vec<StageChoice>,
}

/// A stage, and what it would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageChoice {
    /// The stage.
    pub stage: Stage,
    /// Whether a process that is started here now is on it.
    pub current: bool,
    /// How its profile is found.
    pub matched: Option<Matched>,
    /// Its profile.
    pub profile: Option<ProfileName>,
    /// The account of that one's role.
    pub account: Option<String>,
    /// Why it gives nothing, if so.
    pub refusal: Option<String>,
}

/// A stage that was pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The pin.
    pub pin: PinStatus,
    /// The daemon's clock, against which remaining times count.
    pub now: Timestamp,
    /// What a process that is started here now gets.
    pub decision: Explanation,
    /// What must be said: what comes before the pin here, a fall-back.
    pub notes: Vec<String>,
}

/// Pins that were taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpinned {
    /// The application.
    pub app: App,
    /// The pins; none if there were none.
    pub pins: Vec<PinStatus>,
    /// What a process that is started here now gets.
    pub decision: Explanation,
    /// What must be said: pins that are left here.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_newer_version_is_understood_as_unknown() {
        let line: Line<Request> =
            serde_json::from_str(r#"{"protocol":9,"version":"9.0.0","body":{"request":"dance"}}"#).unwrap();
        assert_eq!((line.protocol, line.body), (9, Request::Unknown));
        let line: Line<Reply> =
            serde_json::from_str(r#"{"protocol":9,"version":"9.0.0","body":{"reply":"danced"}}"#).unwrap();
        assert!(matches!(line.body, Reply::Unknown));
    }

    /// An older daemon answers a request that it does not know, so one more is no other protocol.
    #[test]
    fn a_further_request_is_unknown_to_an_older_version_and_no_error() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "request", rename_all = "kebab-case")]
        enum Older {
            Status,
            #[serde(other)]
            Unknown,
        }
        let read = |request| {
            let text = serde_json::to_string(&Line::new(request)).unwrap();
            serde_json::from_str::<Line<Older>>(&text).unwrap().body
        };
        assert_eq!((read(Request::Status), read(Request::Affected)), (Older::Status, Older::Unknown));
    }

    #[test]
    fn credentials_travel_and_are_not_shown() {
        let reply =
            Reply::Credentials { document: SecretText::new(Zeroizing::new("marked".into())), note: None };
        assert!(!format!("{reply:?}").contains("marked"));
        let text = serde_json::to_string(&Line::new(reply)).unwrap();
        let back: Line<Reply> = serde_json::from_str(&text).unwrap();
        assert!(matches!(back.body, Reply::Credentials { document, .. } if document.reveal() == "marked"));
    }
}
