//! brokerd as a service of one user: the files of its units, and the variables that a login gets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::pointers::{NO_PROXY, SECRETS_TOKEN, no_proxy, pointers};

/// The units as they are in the source, for a daemon in `/usr/bin` at the default address.
const SERVICE: &str = include_str!("../../systemd/brokerd.service");
const SOCKET: &str = include_str!("../../systemd/brokerd.socket");
/// The agent of launchd, with what is filled in between `@`.
const AGENT: &str = include_str!("../../launchd/dev.brokerd.plist");
/// The one that gives variables to what a login starts.
const ENVIRONMENT_AGENT: &str = include_str!("../../launchd/dev.brokerd.environment.plist");

/// The labels of the agents of launchd: the daemon, and the variables.
pub const AGENTS: [&str; 2] = ["dev.brokerd", "dev.brokerd.environment"];
/// The names of the units.
pub const UNITS: [&str; 2] = ["brokerd.service", "brokerd.socket"];
/// What shows below a user's units that they start at login (`man 1 systemctl`, `enable`).
pub const WANTED: [&str; 2] = ["default.target.wants/brokerd.service", "sockets.target.wants/brokerd.socket"];
/// Where a package has them (`man 5 systemd.unit`); those of the user come first.
pub const PACKAGED: &str = "/usr/lib/systemd/user";
/// The name of the file in `environment.d`.
pub const ENVIRONMENT: &str = "60-brokerd.conf";

/// What a service is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The daemon.
    pub program: PathBuf,
    /// The addresses of the endpoint.
    pub listen: Vec<SocketAddr>,
    /// Variables that the daemon needs to find its files: those that are set and not where they are by default.
    pub variables: Vec<(&'static str, String)>,
    /// The token file of the secrets interface.
    pub secrets_token: PathBuf,
}

impl Service {
    /// The text of `brokerd.service` (`man 5 systemd.service`).
    pub fn unit(&self) -> String {
        let mut unit = SERVICE
            .replace("ExecStart=/usr/bin/brokerd\n", &format!("ExecStart={}\n", word(&path(&self.program))));
        for (name, value) in &self.variables {
            let line = format!("[Service]\nEnvironment={}\n", quoted(&format!("{name}={value}")));
            unit = unit.replacen("[Service]\n", &line, 1);
        }
        unit
    }

    /// The text of `brokerd.socket` (`man 5 systemd.socket`).
    pub fn socket(&self) -> String {
        let lines: Vec<String> =
            self.listen.iter().map(|address| format!("ListenStream={address}\n")).collect();
        SOCKET.replace("ListenStream=127.0.0.1:9254\n", &lines.concat())
    }

    /// The text of the file in `environment.d` (`man 5 environment.d`).
    pub fn environment(&self) -> String {
        let mut text =
            "# Written by brokerctl service install: what leads AWS tools to brokerd.\n".to_owned();
        for (name, value) in self.pointers() {
            // Others may have set it in a file that is read before this one.
            let value =
                if name == NO_PROXY { format!("${{{NO_PROXY}:+${NO_PROXY},}}{value}") } else { value };
            text.extend([name, "=", &value, "\n"]);
        }
        text
    }

    /// The names of the variables that a login gets.
    pub fn variable_names(&self) -> Vec<&'static str> {
        self.pointers().into_iter().map(|(name, _)| name).collect()
    }

    fn pointers(&self) -> Vec<(&'static str, String)> {
        let endpoint = self.listen.first().map(|address| format!("http://{address}/"));
        let mut found = pointers(endpoint.as_deref(), None, &|_| None);
        debug_assert!(found.contains(&(NO_PROXY, no_proxy(""))));
        found.push((SECRETS_TOKEN, format!("file://{}", path(&self.secrets_token))));
        found
    }

    /// The text of the agent of launchd (`man 5 launchd.plist`), whose control socket is at `control` and whose log is at
    /// `log`.
    pub fn agent(&self, control: &Path, log: &Path) -> String {
        let sockets: Vec<String> = self.listen.iter().map(agent_socket).collect();
        AGENT
            .replace("@BROKERD@", &markup(&path(&self.program)))
            .replace("@LOG@", &markup(&path(log)))
            .replace("@CONTROL@", &markup(&path(control)))
            .replace("@SOCKETS@", &sockets.join("\n"))
    }

    /// The text of the agent of launchd that gives the variables to what a login starts (`man 1 launchctl`, `setenv`).
    pub fn environment_agent(&self) -> String {
        let pairs = self.pointers().into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        let words: Vec<String> =
            pairs.map(|text| format!("        <string>{}</string>", markup(&text))).collect();
        ENVIRONMENT_AGENT.replace("@WORDS@", &words.join("\n"))
    }
}

/// The first free address for one more user: of the ports from `first` on the first that `is_taken` denies. At most a
/// hundred are tried.
pub fn free_address(first: SocketAddr, is_taken: impl Fn(SocketAddr) -> bool) -> Option<SocketAddr> {
    let ports = first.port()..=first.port().saturating_add(99);
    ports.map(|port| SocketAddr::new(first.ip(), port)).find(|address| !is_taken(*address))
}

/// The addresses in the text of a `brokerd.socket`.
pub fn addresses(socket: &str) -> Vec<SocketAddr> {
    let lines = socket.lines().filter_map(|line| line.trim().strip_prefix("ListenStream="));
    lines.filter_map(|value| value.trim().parse().ok()).collect()
}

/// What `ExecStart` of a unit runs (`man 5 systemd.service`): the first word, without what may stand before the path.
pub fn started(unit: &str) -> Option<PathBuf> {
    let line = unit.lines().rev().find_map(|line| line.trim().strip_prefix("ExecStart="))?;
    let line = line.trim_start_matches(['@', '-', ':', '+', '!']);
    let word = match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => line.split_whitespace().next()?,
    };
    Some(PathBuf::from(word)).filter(|path| path.is_absolute())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn agent_socket(address: &SocketAddr) -> String {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let entry = |key: &str, value: &str| {
        format!("                <key>{key}</key>\n                <string>{value}</string>\n")
    };
    format!(
        "            <dict>\n{}{}{}            </dict>",
        entry("SockNodeName", &address.ip().to_string()),
        entry("SockServiceName", &address.port().to_string()),
        entry("SockFamily", family)
    )
}

fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A word of a command line of a unit: as it is where nothing in it means something (`man 7 systemd.syntax`).
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@:,".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { quoted(&text.replace('$', "$$")) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(program: &str, listen: &[&str]) -> Service {
        Service {
            program: program.into(),
            listen: listen.iter().map(|address| address.parse().unwrap()).collect(),
            variables: Vec::new(),
            secrets_token: "/run/user/1000/brokerd/secrets-token".into(),
        }
    }

    #[test]
    fn the_default_is_what_the_source_has() {
        let service = service("/usr/bin/brokerd", &["127.0.0.1:9254"]);
        assert_eq!((service.unit().as_str(), service.socket().as_str()), (SERVICE, SOCKET));
    }

    #[test]
    fn path_addresses_and_variables_are_filled_in() {
        let mut service = service("/home/a b/100%/brokerd", &["127.0.0.1:9255", "[::1]:9255"]);
        service.variables.push(("XDG_CONFIG_HOME", "/x \"y\"".to_owned()));
        let unit = service.unit();
        assert!(unit.contains("\nExecStart=\"/home/a b/100%%/brokerd\"\n"), "{unit}");
        assert!(
            unit.contains("[Service]\nEnvironment=\"XDG_CONFIG_HOME=/x \\\"y\\\"\"\nType=notify\n"),
            "{unit}"
        );
        assert_eq!(addresses(&service.socket()), service.listen);
        assert!(service.socket().contains("ListenStream=%t/brokerd/control.sock"));
    }

    #[test]
    fn the_program_of_a_unit_is_read() {
        for (unit, expected) in [
            ("[Service]\nExecStart=/usr/bin/brokerd --x\n", Some("/usr/bin/brokerd")),
            ("ExecStart=\nExecStart=-\"/my programs/brokerd\" x\n", Some("/my programs/brokerd")),
            ("ExecStart=brokerd\n", None),
            ("[Unit]\n", None),
        ] {
            assert_eq!(started(unit), expected.map(PathBuf::from), "{unit}");
        }
    }

    #[test]
    fn a_login_gets_every_pointer_and_adds_to_the_list_for_proxies() {
        let service = service("/usr/bin/brokerd", &["127.0.0.1:9255"]);
        let text = service.environment();
        for line in [
            "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:9255/",
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT=9255",
            "NO_PROXY=${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost",
            "AWS_TOKEN=file:///run/user/1000/brokerd/secrets-token",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(text.lines().count(), service.variable_names().len() + 1);
    }

    #[test]
    fn units_make_no_namespace() {
        // systemd.exec(5) and systemd.resource-control(5): each of these implies one for a user's manager.
        for word in [
            "Private",
            "ProtectS",
            "ProtectH",
            "ProtectP",
            "ProtectK",
            "ReadOnly",
            "Bind",
            "Root",
            "DynamicUser",
        ] {
            let set = SERVICE.lines().find(|line| line.starts_with(word));
            assert_eq!(set, None);
        }
    }

    #[test]
    fn the_agent_of_the_variables_has_each_name_before_its_value() {
        let service = service("/usr/local/bin/brokerd", &["127.0.0.1:9255"]);
        let text = service.environment_agent();
        let (name, value) = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9255/");
        assert!(
            text.contains(&format!("<string>{name}</string>\n        <string>{value}</string>\n")),
            "{text}"
        );
        assert!(!text.contains('@') && text.contains(&format!("<string>{}</string>", AGENTS[1])));
    }

    #[test]
    fn the_agent_is_filled_in() {
        let text = service("/opt/a&b/brokerd", &["127.0.0.1:9254", "[::1]:9254"])
            .agent(Path::new("/tmp/c.sock"), Path::new("/tmp/log"));
        assert!(!text.lines().skip(4).any(|line| line.contains('@')), "{text}");
        for part in ["/opt/a&amp;b/brokerd", "<string>::1</string>", "<string>IPv6</string>", "/tmp/c.sock"] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn each_further_user_has_the_next_port() {
        let first: SocketAddr = "127.0.0.1:9254".parse().unwrap();
        assert_eq!(free_address(first, |_| false), Some(first));
        let next = free_address(first, |address| address.port() < 9256);
        assert_eq!(next, Some("127.0.0.1:9256".parse().unwrap()));
        assert_eq!(free_address(first, |_| true), None);
    }
}
