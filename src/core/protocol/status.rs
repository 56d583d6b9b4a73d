//! The state of the daemon, as `brokerctl status` is told.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ApprovalOverview, Explanation, LoginStatus, PinStatus};
use crate::core::decision::Matched;
use crate::core::fault::Fault;
use crate::core::hardening::Measure;
use crate::core::keychain::Keychain;
use crate::core::locked::Lock;
use crate::core::moment::Timestamp;
use crate::core::name::{App, ProfileName, Region, RoleArn, Stage};

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
    /// What the daemon has shut behind itself, and what it could not.
    #[serde(default)]
    pub hardening: Vec<Measure>,
    /// Whether IMDSv1 is switched on, and how often it was used.
    pub imds_v1: ImdsV1,
    /// The catalog.
    pub catalog: CatalogStatus,
    /// The keychain.
    pub keychain: KeychainStatus,
    /// The logins to IAM Identity Center.
    #[serde(default)]
    pub logins: Vec<LoginStatus>,
    /// The lock, if it is on: nothing is given then.
    #[serde(default)]
    pub locked: Option<Lock>,
    /// By how many seconds this machine's clock is ahead of AWS's, or behind where negative; absent where they agree
    /// or nobody knows yet.
    #[serde(default)]
    pub clock_ahead: Option<i64>,
    /// Every allowed project, and each further stage of it that is in use.
    pub projects: Vec<ProjectStatus>,
    /// How the search of the configured roots went; absent where none is configured.
    #[serde(default)]
    pub search: Option<SearchStatus>,
    /// Every project that was found below a root, or because a process in it asked, allowed or not.
    #[serde(default)]
    pub found: Vec<FoundStatus>,
    /// The pins that count.
    #[serde(default)]
    pub pins: Vec<PinStatus>,
    /// The approvals that hold, and what waits for one.
    #[serde(default)]
    pub approvals: Option<Box<ApprovalOverview>>,
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

/// The search for projects below the configured roots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchStatus {
    /// The roots.
    pub roots: Vec<PathBuf>,
    /// Whether a search is at work.
    pub searching: bool,
    /// How many directories it has looked at so far; the last one, if none is at work.
    pub directories: usize,
    /// How many projects it has found so far; how many are known, if none is at work.
    pub projects: usize,
    /// How long the last whole search took, in milliseconds.
    pub took_ms: Option<u64>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Whether newcomers are looked for only when somebody asks, since not every directory can be watched.
    pub on_demand: bool,
}

/// A project that was found, and what its configuration says to a caller without options or environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundStatus {
    /// The configuration.
    pub config: PathBuf,
    /// The application, if the file alone tells it.
    pub app: Option<String>,
    /// The organisation, if the file alone tells it.
    pub org: Option<String>,
    /// The stage, if the file names one and alone tells it.
    pub stage: Option<String>,
    /// Whether the user said yes to it.
    pub allowed: bool,
    /// Why it cannot be read, if so.
    pub error: Option<String>,
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
    /// Since when calls for the next session fail, while this one is served.
    #[serde(default)]
    pub stale_since: Option<Timestamp>,
    /// Safeguards that nothing evaluates.
    pub safeguards_not_evaluated: usize,
    /// What must be said: a fall-back, a reading that is not the newest.
    pub notes: Vec<String>,
    /// The last thing that went wrong.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}
