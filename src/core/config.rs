//! The settings of the daemon on this machine, written in `config.toml`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::core::duration::parse_duration;
use crate::core::fault::Faults;
use crate::core::keychain::{Keychain, KeychainSetting};
use crate::core::table::{self, Findings, Table, Value};

/// How many addresses the endpoint may have. Each one is a socket that is open all the time.
const LISTEN: usize = 8;

/// Against a list of none.
const EXAMPLE: &str = "write listen = [\"127.0.0.1:9254\"], or leave the key out";

/// How long a session that nobody uses is renewed, where the file says nothing.
const IDLE_AFTER: Duration = Duration::from_hours(1);

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
    /// A session that nobody used for this long is not renewed: 1 minute to 12 hours.
    pub idle_after: Duration,
    /// How long the value of a secret is served past its time to live while its source is down: at most 7 days.
    pub secrets_stale_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9254)],
            remote: Vec::new(),
            imds_v1: false,
            hosts: Vec::new(),
            keychain: KeychainSetting::Auto,
            idle_after: IDLE_AFTER,
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
            let keys = [
                "listen",
                "imds_v1",
                "keychain",
                "projects",
                "hosts",
                "idle_after",
                "secrets_stale_for",
                "endpoint",
            ];
            root.only(&keys, findings);
            if let Some(project) = root.array("projects", findings).first() {
                project.wrong(
                    "roots to search are not supported by this version: a project is found when a \
                     process in it asks",
                    Some("write projects = []".to_owned()),
                    findings,
                );
            }
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
                idle_after: root.parsed("idle_after", idle_after, findings).unwrap_or(default.idle_after),
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

fn read_keychain(value: Value<'_>, findings: &mut Findings<'_>) -> Option<KeychainSetting> {
    let fixed = Keychain::ALL.map(|keychain| (keychain.name(), KeychainSetting::Fixed(keychain)));
    let choices: Vec<_> = std::iter::once(("auto", KeychainSetting::Auto)).chain(fixed).collect();
    value.choice(&choices, findings)
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
            idle_after: Duration::from_hours(1),
            secrets_stale_for: Duration::from_hours(1),
        };
        assert_eq!(Config::default(), default);
        for text in [
            "",
            "# nothing\r\n",
            // The example of the design.
            "listen   = [\"127.0.0.1:9254\"]\nimds_v1  = false\nkeychain = \"auto\"            # \
             …\nprojects = []\n",
            "keychain = \"auto\"\nhosts = []\nidle_after = \"60m\"\n",
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&default), "{text}");
        }
    }

    #[test]
    fn reads_every_key() {
        let text = "listen = [\"127.0.0.2:0\", \"[::1]:9254\"]\nimds_v1 = true\nhosts = \
         [\"host.docker.internal\", \"a-1\"]\nkeychain = \"keyutils\"\nidle_after = \"5m\"\nsecrets_stale_for = \"0s\"\n\
         [endpoint.remote]\naddresses = [\"172.17.0.1:9254\", \"[fd00::1]:80\"]\n";
        assert_eq!(
            parse(text),
            Ok(Config {
                listen: vec!["127.0.0.2:0".parse().unwrap(), "[::1]:9254".parse().unwrap()],
                remote: vec!["172.17.0.1:9254".parse().unwrap(), "[fd00::1]:80".parse().unwrap()],
                imds_v1: true,
                hosts: vec!["host.docker.internal".into(), "a-1".into()],
                keychain: KeychainSetting::Fixed(Keychain::Keyutils),
                idle_after: Duration::from_mins(5),
                secrets_stale_for: Duration::ZERO,
            })
        );
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
                "projects = [\"~/a\", \"~/b\"]",
                "1:13: `projects`: roots to search are not supported by this version: a project is \
                 found when a process in \
                 it asks (write projects = [])"
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

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(?s).{0,200}|((listen|hosts|keychain|projects|imds_v1) = \
         [\\[\\]\"a-z0-9:., ]{0,20}\n){0,6}") {
            let _ = parse(&text);
        }
    }
}
