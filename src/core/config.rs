//! The settings of the daemon on this machine, written in `config.toml`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::core::duration::parse_duration;
use crate::core::fault::Faults;
use crate::core::keychain::{Keychain, KeychainSetting};
use crate::core::project_root::ProjectRoot;
use crate::core::table::{self, Findings, Table, Value};

/// How many addresses the endpoint may have. Each one is a socket that is open all the time.
const LISTEN: usize = 8;

/// How many directories may be searched for projects.
const ROOTS: usize = 64;

/// Against a list of none.
const EXAMPLE: &str = "write listen = [\"127.0.0.1:9254\"], or leave the key out";

/// The keys of the file.
const KEYS: [&str; 13] = [
    "listen",
    "imds_v1",
    "keychain",
    "projects",
    "hosts",
    "idle_after",
    "lock_on_screen_lock",
    "audit",
    "sso_cache",
    "mfa_process",
    "mfa_session",
    "secrets_stale_for",
    "endpoint",
];

/// How long a session that nobody uses is renewed, where the file says nothing.
const IDLE_AFTER: Duration = Duration::from_hours(1);

/// How long an MFA session lasts, where the file says nothing: as long as AWS's own default.
const MFA_SESSION: Duration = Duration::from_hours(12);
/// How long the value of a secret is served past its time while its source is down, where the file says nothing.
const STALE_FOR: Duration = Duration::from_hours(1);

/// The settings of the daemon. Every key has a default and the file may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The addresses of the endpoint, 1 to 8, all loopback. Port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// Addresses that containers or other machines can reach, at most 8: `[endpoint.remote]`. Only container
    /// credentials, with their tokens, are served there.
    pub remote: Vec<SocketAddr>,
    /// Whether IMDSv1, which asks for no token, is answered.
    pub imds_v1: bool,
    /// Names that a request's `Host` header may have besides the endpoint's own: lower case, without port.
    pub hosts: Vec<String>,
    /// Which keychain keeps what is to outlive the daemon.
    pub keychain: KeychainSetting,
    /// Where projects are looked for, at most 64 directories, none within another. A project elsewhere is found when a
    /// process in it asks.
    pub projects: Vec<ProjectRoot>,
    /// A session that nobody used for this long is not renewed: 1 minute to 12 hours.
    pub idle_after: Duration,
    /// Whether tokens of a login are also written to `~/.aws/sso/cache`, in clear, for other AWS tools.
    pub sso_cache_is_shared: bool,
    /// A program that prints an MFA code, with its arguments; none where a person is asked. It stands here and not in the
    /// catalog, since a team may share that, and would run what anybody writes there.
    pub mfa_process: Vec<String>,
    /// How long one MFA code does: 15 minutes to 36 hours.
    pub mfa_session: Duration,
    /// Whether the lock of the screen locks brokerd too.
    pub lock_on_screen_lock: bool,
    /// How much of the audit log is kept.
    pub audit: AuditKeeping,
    /// How long the value of a secret is served past its time to live while its source is down: at most 7 days.
    pub secrets_stale_for: Duration,
}

/// How much of the audit log is kept: `[audit]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditKeeping {
    /// A file is moved away before it would be longer, in bytes: 64 KiB to 1 GiB.
    pub size: u64,
    /// So many of those that were moved away are kept: 1 to 100.
    pub keep: u32,
}

impl Default for AuditKeeping {
    fn default() -> Self {
        Self { size: 16 << 20, keep: 8 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9254)],
            remote: Vec::new(),
            imds_v1: false,
            hosts: Vec::new(),
            keychain: KeychainSetting::Auto,
            projects: Vec::new(),
            idle_after: IDLE_AFTER,
            sso_cache_is_shared: false,
            mfa_process: Vec::new(),
            mfa_session: MFA_SESSION,
            lock_on_screen_lock: false,
            audit: AuditKeeping::default(),
            secrets_stale_for: STALE_FOR,
        }
    }
}

impl Config {
    /// Reads the text of a `config.toml`; `file` is only named in faults.
    ///
    /// The error has everything that is wrong, each fault with its place.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Faults> {
        table::read(file, text, |root, findings| {
            root.only(&KEYS, findings);
            let default = Self::default();
            Self {
                listen: root
                    .get("listen")
                    .map_or(default.listen, |value| read_addresses(value, loopback, EXAMPLE, findings)),
                remote: read_remote(root, findings),
                imds_v1: root.boolean("imds_v1", findings).unwrap_or(default.imds_v1),
                hosts: read_hosts(root, findings),
                keychain: root
                    .get("keychain")
                    .and_then(|value| read_keychain(value, findings))
                    .unwrap_or(default.keychain),
                projects: read_roots(root, findings),
                idle_after: root.parsed("idle_after", idle_after, findings).unwrap_or(default.idle_after),
                sso_cache_is_shared: root
                    .get("sso_cache")
                    .and_then(|value| value.choice(&[("own", false), ("shared", true)], findings))
                    .unwrap_or(default.sso_cache_is_shared),
                mfa_process: read_command(root, findings),
                mfa_session: root.parsed("mfa_session", mfa_session, findings).unwrap_or(default.mfa_session),
                lock_on_screen_lock: root
                    .boolean("lock_on_screen_lock", findings)
                    .unwrap_or(default.lock_on_screen_lock),
                audit: read_audit(root, findings),
                secrets_stale_for: root
                    .parsed("secrets_stale_for", stale_for, findings)
                    .unwrap_or(default.secrets_stale_for),
            }
        })
    }
}

/// `[endpoint.remote]`: its `addresses` are both where to listen and the word that others may.
fn read_remote(root: Table<'_>, findings: &mut Findings<'_>) -> Vec<SocketAddr> {
    let Some(endpoint) = root.table("endpoint", findings) else { return Vec::new() };
    endpoint.only(&["remote"], findings);
    let Some(remote) = endpoint.table("remote", findings) else { return Vec::new() };
    remote.only(&["addresses"], findings);
    let addresses = remote.required("addresses", "addresses = [\"172.17.0.1:9254\"]", findings);
    addresses.map_or_else(Vec::new, |value| {
        read_addresses(value, address, "name one, or leave [endpoint.remote] out", findings)
    })
}

fn read_addresses(
    value: Value<'_>,
    form: fn(&str) -> Result<SocketAddr, &'static str>,
    example: &str,
    findings: &mut Findings<'_>,
) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    let Some(items) = value.array(findings) else {
        return addresses;
    };
    if items.is_empty() {
        value.wrong("there is no address to listen on", Some(example.to_owned()), findings);
    }
    if let Some(excess) = items.get(LISTEN) {
        excess.wrong(format_args!("at most {LISTEN} addresses can be listened on"), None, findings);
    }
    for item in items {
        let Some(address) = item.parsed(form, findings) else {
            continue;
        };
        if addresses.contains(&address) {
            item.wrong("the address is listed twice", Some("keep one of the two".to_owned()), findings);
        } else {
            addresses.push(address);
        }
    }
    addresses
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an address with a port, such as \"127.0.0.1:9254\" or \"[::1]:9254\"")
}

/// An address and port that only this machine can reach.
fn loopback(text: &str) -> Result<SocketAddr, &'static str> {
    let address = address(text)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("other machines could reach this address: use 127.0.0.1 or [::1]; for containers name it in \
             [endpoint.remote] addresses, where only container credentials with tokens are served")
    }
}

fn read_hosts(root: Table<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for item in root.array("hosts", findings) {
        let Some(host) = item.parsed(host_name, findings) else {
            continue;
        };
        if hosts.contains(&host) {
            item.wrong("the name is listed twice", Some("keep one of the two".to_owned()), findings);
        } else {
            hosts.push(host);
        }
    }
    hosts
}

/// A host name (RFC 1123 section 2.1) in lower case, in which brokerd compares them.
fn host_name(text: &str) -> Result<String, &'static str> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err("expected a host name: lower-case letters, digits, - and dots, without a port")
    }
}

fn read_roots(root: Table<'_>, findings: &mut Findings<'_>) -> Vec<ProjectRoot> {
    let mut roots: Vec<ProjectRoot> = Vec::new();
    let items = root.array("projects", findings);
    if let Some(excess) = items.get(ROOTS) {
        let hint = "name a directory that holds several of them".to_owned();
        excess.wrong(format_args!("at most {ROOTS} directories can be searched"), Some(hint), findings);
    }
    for item in items {
        let Some(root) = item.parsed(ProjectRoot::parse, findings) else { continue };
        let overlap = roots.iter().find(|other| other.covers(&root) || root.covers(other));
        if let Some(other) = overlap {
            let (inner, outer) = if other.covers(&root) { (&root, other) } else { (other, &root) };
            let why = if inner == outer {
                "the directory is listed twice".to_owned()
            } else {
                format!("{inner} lies in {outer}, and is searched with it")
            };
            item.wrong(why, Some("keep one of the two".to_owned()), findings);
        } else {
            roots.push(root);
        }
    }
    roots
}

fn read_keychain(value: Value<'_>, findings: &mut Findings<'_>) -> Option<KeychainSetting> {
    let fixed = Keychain::ALL.map(|keychain| (keychain.name(), KeychainSetting::Fixed(keychain)));
    let choices: Vec<_> = std::iter::once(("auto", KeychainSetting::Auto)).chain(fixed).collect();
    value.choice(&choices, findings)
}

/// A program and its arguments. No shell takes them apart.
fn read_command(root: Table<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let Some(value) = root.get("mfa_process") else { return Vec::new() };
    let hint = || {
        Some("write mfa_process = [\"ykman\", \"oath\", \"accounts\", \"code\", \"-s\", \"aws\"]".to_owned())
    };
    if value.as_array().is_none() {
        value.mistyped("a list of a program and its arguments", hint(), findings);
        return Vec::new();
    }
    let words = value.array(findings).unwrap_or_default();
    if words.is_empty() {
        value.wrong("there is no program in it", hint(), findings);
    }
    words.into_iter().filter_map(|word| word.filled(findings)).map(str::to_owned).collect()
}

/// `DurationSeconds` of `GetSessionToken` for an IAM user (AWS STS API reference).
fn mfa_session(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_mins(15)..=Duration::from_hours(36)).contains(&duration) {
        Ok(duration)
    } else {
        Err("expected 15m to 36h: STS gives no other MFA session".to_owned())
    }
}

/// `[audit]`: its `size` and how many files to `keep`.
fn read_audit(root: Table<'_>, findings: &mut Findings<'_>) -> AuditKeeping {
    let default = AuditKeeping::default();
    let Some(audit) = root.table("audit", findings) else { return default };
    audit.only(&["size", "keep"], findings);
    let keep = audit.get("keep").and_then(|value| {
        let keep = value.integer(findings)?;
        let keep = u32::try_from(keep).ok().filter(|keep| (1..=100).contains(keep));
        if keep.is_none() {
            value.wrong("expected 1 to 100 files", None, findings);
        }
        keep
    });
    AuditKeeping {
        size: audit.parsed("size", audit_size, findings).unwrap_or(default.size),
        keep: keep.unwrap_or(default.keep),
    }
}

/// `64KiB` to `1GiB`, in bytes.
fn audit_size(text: &str) -> Result<u64, &'static str> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let size = UNITS.iter().find_map(|(unit, bytes)| {
        text.strip_suffix(unit)?.parse::<u32>().ok().and_then(|number| bytes.checked_mul(number.into()))
    });
    size.filter(|size| (64 << 10..=1 << 30).contains(size)).ok_or("expected 64KiB to 1GiB, such as \"16MiB\"")
}

fn idle_after(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_mins(1)..=Duration::from_hours(12)).contains(&duration) {
        Ok(duration)
    } else {
        Err("expected 1m to 12h: a session lives no longer".to_owned())
    }
}

fn stale_for(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if duration <= Duration::from_hours(7 * 24) { Ok(duration) } else { Err("expected 0s to 7d".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("config.toml"), text).map_err(|faults| faults.to_string())
    }

    #[test]
    fn every_key_has_a_default() {
        let default = Config {
            listen: vec!["127.0.0.1:9254".parse().unwrap()],
            remote: vec![],
            imds_v1: false,
            hosts: vec![],
            keychain: KeychainSetting::Auto,
            projects: vec![],
            idle_after: Duration::from_hours(1),
            sso_cache_is_shared: false,
            mfa_process: vec![],
            mfa_session: Duration::from_hours(12),
            lock_on_screen_lock: false,
            audit: AuditKeeping { size: 16 * 1024 * 1024, keep: 8 },
            secrets_stale_for: Duration::from_hours(1),
        };
        assert_eq!(Config::default(), default);
        for text in [
            "",
            "# nothing\r\n",
            // The example of the design.
            "listen   = [\"127.0.0.1:9254\"]\nimds_v1  = false\nkeychain = \"auto\"            # \
             …\nprojects = []\n",
            "keychain = \"auto\"\nhosts = []\nidle_after = \"60m\"\nsso_cache = \"own\"\nmfa_session = \"12h\"\n",
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&default), "{text}");
        }
    }

    #[test]
    fn reads_every_key() {
        let text = "listen = [\"127.0.0.2:0\", \"[::1]:9254\"]\nimds_v1 = true\nhosts = \
         [\"host.docker.internal\", \"a-1\"]\nkeychain = \"keyutils\"\nidle_after = \"5m\"\n\
         projects = [\"~/work\", \"/srv\"]\n\
         sso_cache = \"shared\"\nmfa_process = [\"ykman\", \"code\"]\nmfa_session = \"36h\"\n\
         lock_on_screen_lock = true\naudit = { size = \"512KiB\", keep = 3 }\n\
         secrets_stale_for = \"0s\"\n\
         [endpoint.remote]\naddresses = [\"172.17.0.1:9254\", \"[fd00::1]:80\"]\n";
        assert_eq!(
            parse(text),
            Ok(Config {
                listen: vec!["127.0.0.2:0".parse().unwrap(), "[::1]:9254".parse().unwrap()],
                remote: vec!["172.17.0.1:9254".parse().unwrap(), "[fd00::1]:80".parse().unwrap()],
                imds_v1: true,
                hosts: vec!["host.docker.internal".into(), "a-1".into()],
                keychain: KeychainSetting::Fixed(Keychain::Keyutils),
                projects: ["~/work", "/srv"].map(|root| ProjectRoot::parse(root).unwrap()).into(),
                idle_after: Duration::from_mins(5),
                sso_cache_is_shared: true,
                mfa_process: vec!["ykman".into(), "code".into()],
                mfa_session: Duration::from_hours(36),
                lock_on_screen_lock: true,
                audit: AuditKeeping { size: 512 * 1024, keep: 3 },
                secrets_stale_for: Duration::ZERO,
            })
        );
    }

    #[test]
    fn how_much_of_the_audit_log_is_kept_is_within_reason() {
        for size in ["63KiB", "2GiB", "16", "16MB", "MiB", "-1MiB", "99999999999999GiB", "1.5MiB"] {
            let error = parse(&format!("[audit]\nsize = \"{size}\"\n")).unwrap_err();
            assert!(error.contains("2:8: `size`: expected 64KiB to 1GiB"), "{error}");
        }
        for keep in ["0", "101", "-1", "99999999999999999999"] {
            let error = parse(&format!("[audit]\nkeep = {keep}\n")).unwrap_err();
            assert!(error.starts_with("config.toml:2:8: `keep`: "), "{error}");
        }
        assert!(
            parse("[audit]\nkeep = \"3\"\n").unwrap_err().contains("expected a whole number, found a string")
        );
        assert!(parse("[audit]\nsizes = 1\n").unwrap_err().contains("did you mean"));
    }

    #[test]
    fn names_each_fault() {
        const FORM: &str = "expected an address with a port, such as \"127.0.0.1:9254\" or \"[::1]:9254\"";
        const HERE: &str = "other machines could reach this address: use 127.0.0.1 or [::1]; for containers \
                            name it in [endpoint.remote] addresses, where only container credentials with \
                            tokens are served";
        const HOST: &str = "expected a host name: lower-case letters, digits, - and dots, without a port";
        let many = (1..=9).map(|port| format!("\"127.0.0.1:{port}\"")).collect::<Vec<_>>().join(", ");
        for (text, expected) in [
            (
                "listen = []",
                "1:10: `listen`: there is no address to listen on (write listen = [\"127.0.0.1:9254\"], \
                 or leave the key out)"
                    .to_owned(),
            ),
            ("listen = \"127.0.0.1:1\"", "1:10: `listen`: expected an array, found a string".to_owned()),
            (
                "listen = [9254, \"localhost:9254\",\n\"127.0.0.1\"]",
                format!(
                    "1:11: `listen`: expected a string, found an integer\n\
                     config.toml:1:17: `listen`: {FORM}\nconfig.toml:2:1: `listen`: {FORM}"
                ),
            ),
            (
                "listen = [\"0.0.0.0:9254\", \"[::]:1\", \"192.168.0.1:1\"]",
                format!(
                    "1:11: `listen`: {HERE}\nconfig.toml:1:27: `listen`: {HERE}\nconfig.toml:1:37: \
                     `listen`: {HERE}"
                ),
            ),
            (
                "listen = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
                "1:26: `listen`: the address is listed twice (keep one of the two)".to_owned(),
            ),
            (
                &format!("listen = [{many}]"),
                "1:131: `listen`: at most 8 addresses can be listened on".to_owned(),
            ),
            ("imds_v1 = \"yes\"", "1:11: `imds_v1`: expected true or false, found a string".to_owned()),
            (
                "hosts = [\"Host\", \"a:1\", \"\", \"-a\", \"a\", \"a\"]",
                format!(
                    "1:10: `hosts`: {HOST}\nconfig.toml:1:18: `hosts`: {HOST}\nconfig.toml:1:25: \
                     `hosts`: {HOST}\n\
                     config.toml:1:29: `hosts`: {HOST}\n\
                     config.toml:1:40: `hosts`: the name is listed twice (keep one of the two)"
                ),
            ),
            (
                "keychain = \"memroy\"",
                "1:12: `keychain`: expected \"auto\" or \"secret-service\" or \"keyutils\" or \"macos\" or \
                 \"memory\" (did you mean \"memory\"?)"
                    .to_owned(),
            ),
            (
                "idle_after = \"30s\"",
                "1:14: `idle_after`: expected 1m to 12h: a session lives no longer".to_owned(),
            ),
            (
                "idle_after = \"90\"",
                "1:14: `idle_after`: a duration needs a unit after each number: d, h, m or s, as in 1h30m"
                    .to_owned(),
            ),
            (
                "projects = [\"~/a\", \"work\", \"~/a/b\",\n\"~/a\", \"~\", 1]",
                "1:20: `projects`: a relative path would depend on where brokerd was started: begin with ~/ or /\n\
                 config.toml:1:28: `projects`: ~/a/b lies in ~/a, and is searched with it (keep one of the two)\n\
                 config.toml:2:1: `projects`: the directory is listed twice (keep one of the two)\n\
                 config.toml:2:8: `projects`: ~/a lies in ~, and is searched with it (keep one of the two)\n\
                 config.toml:2:13: `projects`: expected a string, found an integer"
                    .to_owned(),
            ),
            (
                "[endpoint]\nremot = {}\n[endpoint.remote]\naddress = []\n",
                "2:1: unknown key `remot` (did you mean \"remote\"?)\n\
                 config.toml:3:1: missing key `addresses` (add addresses = [\"172.17.0.1:9254\"])\n\
                 config.toml:4:1: unknown key `address` (did you mean \"addresses\"?)"
                    .to_owned(),
            ),
            (
                "[endpoint.remote]\naddresses = [\"172.17.0.1\", \"0.0.0.0:1\", \"0.0.0.0:1\"]\n",
                format!(
                    "2:14: `addresses`: {FORM}\nconfig.toml:2:41: `addresses`: the address is listed twice \
                     (keep one of the two)"
                ),
            ),
            ("imdsv1 = true", "1:1: unknown key `imdsv1` (did you mean \"imds_v1\"?)".to_owned()),
        ] {
            assert_eq!(parse(text), Err(format!("config.toml:{expected}")), "{text}");
        }
    }

    #[test]
    fn names_each_fault_of_logins() {
        for (text, expected) in [
            (
                "mfa_process = \"ykman code\"",
                "1:15: `mfa_process`: expected a list of a program and its arguments, found a string (write \
                 mfa_process = [\"ykman\", \"oath\", \"accounts\", \"code\", \"-s\", \"aws\"])"
                    .to_owned(),
            ),
            (
                "mfa_process = []",
                "1:15: `mfa_process`: there is no program in it (write mfa_process = [\"ykman\", \"oath\", \
                 \"accounts\", \"code\", \"-s\", \"aws\"])"
                    .to_owned(),
            ),
            (
                "mfa_session = \"37h\"",
                "1:15: `mfa_session`: expected 15m to 36h: STS gives no other MFA session".to_owned(),
            ),
            ("sso_cache = \"both\"", "1:13: `sso_cache`: expected \"own\" or \"shared\"".to_owned()),
        ] {
            assert_eq!(parse(text), Err(format!("config.toml:{expected}")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(?s).{0,200}|((listen|hosts|keychain|projects|imds_v1) = \
         [\\[\\]\"a-z0-9:., ]{0,20}\n){0,6}") {
            let _ = parse(&text);
        }
    }
}
