//! The control protocol between `brokerctl` and the daemon: one line of JSON each way, then the end.
//!
//! Each line carries the number of the protocol, so that after an upgrade an old daemon and a new
//! `brokerctl` say so instead of misunderstanding each other.

mod agreement;
mod approving;
mod explanation;
mod keeping;
mod logins;
mod pinning;
mod plugin;
mod prompt;
mod secrets;
mod status;
mod ways;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::audit::Record;
use super::keychain::Keychain;
use super::locked::Lock;
use super::long_term_keys::LongTermKeys;
use super::mfa::MfaCode;
use super::moment::Timestamp;
use super::name::{App, KeysName, ProfileName, SecretName, Stage};
use super::plugin_report::PluginReport;
use super::wanted::Wanted;

pub use agreement::Agreement;
pub use approving::{ApprovalOverview, ApprovalQuestion, ApprovalStatus, ApprovalSubject, Approved};
pub use explanation::{AffectedProcess, Explanation, Narrowed, Permission, Verdict};
pub use keeping::{Forgotten, KeychainItem, LockReply, Refreshed};
pub use logins::{LoggedIn, LoginPage, LoginStatus, LoginTarget, MfaTaken};
pub use pinning::{PinStatus, Pinned, StageChoice, StageChoices, Unpinned};
pub use plugin::{PluginSecret, PluginWelcome, dynamic_reference};
pub use prompt::{KnownApplication, KnownNames, KnownProfile, PromptFlag, PromptState};
pub use secrets::{
    GivenSecret, GivenValue, SecretFreshness, SecretGrant, SecretList, SecretOrigin, SecretStatus,
};
pub use status::{
    CatalogStatus, EndpointSocket, FoundStatus, ImdsV1, KeychainChoice, KeychainStatus, ProjectStatus,
    SearchStatus, Status, TokenlessClient,
};
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
    /// What a process that the asking one starts in a directory now gets, for a shell's prompt: nothing is asked of AWS.
    Prompt {
        /// The directory.
        path: PathBuf,
    },
    /// The names that a person may type.
    Names {
        /// A directory, whose project's application comes first.
        path: Option<PathBuf>,
    },
    /// The safeguards of a project's stage.
    Safeguards {
        /// Its configuration, or the directory with it.
        path: PathBuf,
        /// The stage that a Serverless CLI would deploy.
        stage: String,
    },
    /// The last refusals.
    LastRefusals,
    /// Say yes to a project.
    Allow {
        /// Its directory or configuration file.
        path: PathBuf,
        /// The application, for a file that names none.
        app: Option<String>,
        /// The stage, for a file that does not tell it.
        #[serde(default)]
        stage: Option<Stage>,
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
    /// The approvals, and what waits for one.
    Approvals,
    /// What the asking process may be asked to approve.
    ApprovalQuestions {
        /// Uses of this application only.
        app: Option<App>,
        /// Of this stage only; with the application, also one that nobody waits for yet.
        stage: Option<Stage>,
        /// Edits of the catalog rather than uses.
        catalog: bool,
    },
    /// Approve something, by what the person at the asking process's terminal typed.
    Approve {
        /// What [`ApprovalQuestion`] calls it.
        id: String,
        /// The last four digits of its account.
        digits: String,
        /// A code of an MFA device, where that is what approves.
        code: Option<MfaCode>,
        /// For how many seconds.
        seconds: Option<u64>,
    },
    /// Take approvals back.
    RevokeApprovals {
        /// Of this application; of all without one.
        app: Option<App>,
        /// Of this stage; of all without one.
        stage: Option<Stage>,
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
    /// A page to log in on.
    BeginLogin {
        /// What to.
        target: LoginTarget,
        /// Whether by a code that is typed there, even where the page could come back to this machine.
        by_code: bool,
    },
    /// How a login ended.
    AwaitLogin {
        /// Which: [`LoginPage::id`].
        id: String,
    },
    /// Forget a login.
    ForgetLogin {
        /// Which.
        target: LoginTarget,
    },
    /// The MFA device whose code is wanted.
    WantedCode {
        /// For this profile of the catalog; without one for whatever waits.
        profile: Option<String>,
    },
    /// A code of an MFA device.
    TakeCode {
        /// For this profile of the catalog; without one for whatever waits.
        profile: Option<String>,
        /// The code.
        code: MfaCode,
    },
    /// A new session now, for what is named.
    Refresh {
        /// What is named.
        wanted: Wanted,
    },
    /// Drop every session, and give none until [`Request::Unlock`].
    Lock,
    /// Give sessions again.
    Unlock,
    /// Drop every session, and take what is cached out of every keychain.
    Forget {
        /// What people gave to be kept too: keys and values of secrets.
        all: bool,
    },
    /// What people gave to be kept in a keychain.
    DurableItems,
    /// Values of secrets of the profile that is named, all of them or none.
    Secrets {
        /// What is named.
        wanted: Wanted,
        /// Which; all of the profile's without any.
        names: Option<Vec<SecretName>>,
    },
    /// The secrets of the profile that is named, without their values.
    SecretList {
        /// What is named.
        wanted: Wanted,
    },
    /// Read secrets again now, whatever is known of them.
    RefreshSecrets {
        /// What is named.
        wanted: Wanted,
        /// Which; all of the profile's without any.
        names: Vec<SecretName>,
    },
    /// Whether all of these are secrets that the profile takes from the keychain.
    CheckSecrets {
        /// What is named. A profile by itself does: nothing is handed out.
        wanted: Wanted,
        /// Which.
        names: Vec<SecretName>,
    },
    /// Keep the value of a secret in the keychain, in place of the one of that name.
    KeepSecret {
        /// What is named. A profile by itself does: nothing is handed out.
        wanted: Wanted,
        /// Which.
        name: SecretName,
        /// Its value.
        value: GivenValue,
    },
    /// Take the value of a secret out of the keychain.
    ForgetSecret {
        /// What is named. A profile by itself does: nothing is handed out.
        wanted: Wanted,
        /// Which.
        name: SecretName,
    },
    /// What the framework resolved in the asking process, said by its plugin before it asks for anything.
    PluginHello(Box<PluginReport>),
    /// Credentials for the asking process, which has said hello.
    PluginCredentials,
    /// Values of secrets for the asking process, which has said hello.
    PluginSecrets {
        /// Which.
        names: Vec<SecretName>,
    },
    /// The plugin let a deployment not go on.
    PluginBlocked {
        /// The titles of the safeguards that failed.
        failed: Vec<String>,
    },
    /// The asking process evaluated the safeguards itself. With none failed, what it starts deploys this stage as if the
    /// plugin had said hello.
    PluginStandIn {
        /// The configuration, or the directory with it.
        path: PathBuf,
        /// The stage.
        stage: String,
        /// The titles of those that failed.
        failed: Vec<String>,
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
    /// To [`Request::Prompt`].
    Prompt {
        /// Absent where the directory is in no project.
        state: Option<Box<PromptState>>,
    },
    /// To [`Request::Names`].
    Names(Box<KnownNames>),
    /// To [`Request::Safeguards`].
    Safeguards(Box<Agreement>),
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
        /// Until when what was handed out to it can be used.
        #[serde(default)]
        handed_out_until: Option<Timestamp>,
    },
    /// To [`Request::Stages`].
    Stages(StageChoices),
    /// To [`Request::Pin`].
    Pinned(Box<Pinned>),
    /// To [`Request::Unpin`].
    Unpinned(Box<Unpinned>),
    /// To [`Request::Approvals`].
    Approvals(Box<ApprovalOverview>),
    /// To [`Request::ApprovalQuestions`].
    ApprovalQuestions {
        /// What may be approved, what was asked for last first.
        questions: Vec<ApprovalQuestion>,
    },
    /// To [`Request::Approve`].
    Approved(Box<Approved>),
    /// To [`Request::RevokeApprovals`].
    ApprovalsRevoked {
        /// Those that were there.
        revoked: Vec<ApprovalStatus>,
        /// The daemon's clock.
        now: Timestamp,
    },
    /// To [`Request::Affected`], in the order of their numbers.
    Affected {
        /// The processes.
        processes: Vec<AffectedProcess>,
        /// Until when what was handed out can be used.
        #[serde(default)]
        handed_out_until: Option<Timestamp>,
    },
    /// To [`Request::CredentialProcess`], [`Request::NamedCredentials`] and [`Request::PluginCredentials`]: the document,
    /// ready to print.
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
        /// Until when what was handed out can be used.
        #[serde(default)]
        handed_out_until: Option<Timestamp>,
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
        /// Until when what they signed for can be used.
        #[serde(default)]
        handed_out_until: Option<Timestamp>,
    },
    /// To [`Request::Refresh`].
    Refreshed(Box<Refreshed>),
    /// To [`Request::Lock`].
    Locked(Box<LockReply>),
    /// To [`Request::Unlock`].
    Unlocked {
        /// The lock that was on, if one was.
        was: Option<Lock>,
    },
    /// To [`Request::Forget`].
    Forgotten(Box<Forgotten>),
    /// To [`Request::DurableItems`].
    DurableItems {
        /// The items.
        items: Vec<KeychainItem>,
    },
    /// To [`Request::BeginLogin`].
    LoginBegun(Box<LoginPage>),
    /// To [`Request::BeginLogin`] of what needs no login but a code, and to [`Request::WantedCode`].
    MfaWanted {
        /// The device.
        serial: String,
    },
    /// To [`Request::AwaitLogin`]: ask again.
    LoginPending,
    /// To [`Request::AwaitLogin`].
    LoggedIn(LoggedIn),
    /// To [`Request::ForgetLogin`].
    LoginForgotten {
        /// Which, in words.
        what: String,
        /// Whether there was one.
        was_there: bool,
    },
    /// To [`Request::TakeCode`].
    MfaTaken(MfaTaken),
    /// To [`Request::Secrets`] and [`Request::PluginSecrets`].
    Secrets(Box<SecretGrant>),
    /// To [`Request::SecretList`] and [`Request::RefreshSecrets`].
    SecretList(Box<SecretList>),
    /// To [`Request::CheckSecrets`] and [`Request::KeepSecret`].
    SecretsKept {
        /// Where.
        keychain: Keychain,
        /// Of which profile.
        profile: ProfileName,
    },
    /// To [`Request::ForgetSecret`].
    SecretForgotten {
        /// Of which profile.
        profile: ProfileName,
        /// Whether there was one.
        were_there: bool,
    },
    /// To [`Request::PluginHello`].
    PluginWelcome(Box<PluginWelcome>),
    /// To [`Request::PluginBlocked`] and [`Request::PluginStandIn`].
    PluginNoted,
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
        /// Whether the plugin must say hello first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        needs_hello: bool,
    },
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A text that must be sent and must not be shown. It exists for what carries credentials and values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
