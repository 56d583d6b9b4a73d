//! Programs that forward connections for others.
//!
//! A relay is the process that holds the socket, yet not the one that wants credentials: serving it would
//! give the relay's directory a voice in what somebody behind it gets, over a network even.

use std::path::Path;

/// Executables by file name.
const EXECUTABLES: [&str; 39] = [
    "ssh",
    "sshd",
    "sshd-session",
    "autossh",
    "mosh-server",
    "socat",
    "ncat",
    "nc",
    "kubectl",
    "kubefwd",
    "telepresence",
    "ngrok",
    "cloudflared",
    "chisel",
    "frpc",
    "tailscaled",
    "slirp4netns",
    "pasta",
    "passt",
    "rootlesskit",
    "rootlessport",
    "docker-proxy",
    "com.docker.backend",
    "vpnkit",
    "gvproxy",
    "squid",
    "tinyproxy",
    "mitmdump",
    "mitmproxy",
    "haproxy",
    "envoy",
    "nginx",
    "caddy",
    "traefik",
    "stunnel",
    "privoxy",
    "redsocks",
    "limactl",
    "frps",
];
/// Parts of the executable's path that name a relay whose file name is an everyday word.
const PATHS: [(&str, &str); 4] = [
    ("/.vscode-server/", "VS Code's remote server"),
    ("/.cursor-server/", "Cursor's remote server"),
    ("/code-server/", "code-server"),
    ("/.vscode-remote/", "VS Code's remote server"),
];
/// Scripts that an interpreter runs: mitmproxy is a Python program.
const SCRIPTS: [&str; 4] = ["mitmdump", "mitmproxy", "mitmweb", "sshuttle"];

/// The name of the relay that a process is, if it is one.
///
/// `arguments` are the separate arguments of its command line, the program's name first.
pub fn relay(executable: &Path, arguments: &[String]) -> Option<String> {
    let name = executable.file_name()?.to_str()?;
    let started_as = arguments.first().and_then(|first| first.rsplit('/').next());
    if let Some(known) = [Some(name), started_as].into_iter().flatten().find_map(known_executable) {
        return Some(known.to_owned());
    }
    let path = executable.to_str()?;
    if let Some((_, label)) = PATHS.iter().find(|(part, _)| path.contains(part)) {
        return Some((*label).to_owned());
    }
    let script = arguments.iter().skip(1).find(|argument| !argument.starts_with('-'))?;
    let script = Path::new(script).file_name()?.to_str()?;
    let interpreted = ["python", "node", "ruby", "perl"].iter().any(|runner| name.starts_with(runner));
    (interpreted && SCRIPTS.contains(&script)).then(|| script.to_owned())
}

/// The relay that a file name means. Packages name variants `nc.openbsd`, `socat1`, `passt.avx2`.
fn known_executable(name: &str) -> Option<&'static str> {
    let plain = name.split('.').next().unwrap_or(name).trim_end_matches(|c: char| c.is_ascii_digit());
    EXECUTABLES.into_iter().find(|known| *known == name || *known == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_known_by_their_executable() {
        for (executable, arguments, expected) in [
            ("/usr/bin/ssh", vec!["ssh", "host"], Some("ssh")),
            ("/usr/bin/socat", vec!["socat"], Some("socat")),
            ("/usr/bin/socat1", vec!["socat1"], Some("socat")),
            ("/usr/bin/nc.openbsd", vec!["nc"], Some("nc")),
            ("/usr/bin/passt.avx2", vec!["pasta"], Some("passt")),
            ("/opt/x/renamed", vec!["/usr/bin/kubectl"], Some("kubectl")),
            ("/opt/Docker.app/com.docker.backend", vec!["x"], Some("com.docker.backend")),
            ("/usr/local/bin/kubectl", vec!["kubectl", "port-forward"], Some("kubectl")),
            ("/home/a/.vscode-server/bin/1/node", vec!["node", "x.js"], Some("VS Code's remote server")),
            ("/usr/bin/python3.11", vec!["python3", "/usr/bin/mitmproxy"], Some("mitmproxy")),
            ("/usr/bin/python3.11", vec!["python3", "deploy.py"], None),
            ("/usr/bin/aws", vec!["aws", "ssh"], None),
            ("/usr/bin/node", vec!["node", "serverless.js"], None),
        ] {
            let arguments: Vec<String> = arguments.into_iter().map(Into::into).collect();
            assert_eq!(relay(Path::new(executable), &arguments).as_deref(), expected, "{executable}");
        }
    }
}
