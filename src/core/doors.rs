//! The doors of the endpoint: what a request must and must not carry before anything else is looked at.
//!
//! They keep out web pages (cross-site requests, DNS rebinding) and requests that something else forwards,
//! such as a proxy that an application under development can be tricked into (SSRF).

use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, Uri};

use super::token::TOKEN_HEADER;

/// Headers that only a proxy adds, and how others of them begin.
const FORWARDED: [&str; 3] = ["x-real-ip", "forwarded", "via"];
const FORWARDED_FORM: &str = "x-forwarded-";
/// Headers that only a browser adds, and that a page cannot leave out, and how others of them begin (Fetch standard,
/// "forbidden request-header").
const BROWSER: [&str; 2] = ["origin", "referer"];
const BROWSER_FORM: &str = "sec-";
/// How headers begin that are meant for a proxy (RFC 9110, section 11.7).
const PROXY_FORM: &str = "proxy-";

/// Why a request is refused at the door. Always answered with 400, the one status that makes every SDK stop
/// instead of falling back to IMDSv1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shut {
    /// No `Host`, several, or one that is not this endpoint.
    #[error("its Host header does not name this endpoint")]
    Host,
    /// A request that was forwarded.
    #[error("it was forwarded by something else ({0} header)")]
    Forwarded(String),
    /// A request of a web page.
    #[error("it comes from a web page ({0} header)")]
    Browser(String),
    /// An absolute-form or authority-form target, or a header for a proxy.
    #[error("it is meant for a proxy")]
    Proxy,
    /// Two tokens, or two lengths: nobody can say which one counts.
    #[error("its {0} header is ambiguous")]
    Ambiguous(&'static str),
}

/// The `Host` names that are this endpoint: loopback addresses, `localhost`, EC2's own address, and those
/// that the user configured.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    hosts: Vec<String>,
}

impl Doors {
    /// Doors that also accept `hosts`, host names in lower case without a port.
    pub fn new(hosts: Vec<String>) -> Self {
        Self { hosts }
    }

    /// Looks at the target and the headers of a request. `here` is the address that it came to, where that is one that
    /// other machines can reach: it is this endpoint too.
    pub fn check(&self, target: &Uri, headers: &HeaderMap, here: Option<IpAddr>) -> Result<(), Shut> {
        if target.scheme().is_some() || target.authority().is_some() {
            return Err(Shut::Proxy);
        }
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|value| value.to_str().ok()).ok_or(Shut::Host)?;
        if hosts.next().is_some() || !self.is_ours(host, here) {
            return Err(Shut::Host);
        }
        for name in headers.keys().map(HeaderName::as_str) {
            if FORWARDED.contains(&name) || name.starts_with(FORWARDED_FORM) {
                return Err(Shut::Forwarded(name.to_owned()));
            }
            if BROWSER.contains(&name) || name.starts_with(BROWSER_FORM) {
                return Err(Shut::Browser(name.to_owned()));
            }
            if name.starts_with(PROXY_FORM) {
                return Err(Shut::Proxy);
            }
        }
        if headers.get_all(TOKEN_HEADER).iter().count() > 1 {
            return Err(Shut::Ambiguous(TOKEN_HEADER));
        }
        let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
        if lengths > 1 || (lengths == 1 && headers.contains_key(TRANSFER_ENCODING)) {
            return Err(Shut::Ambiguous("content-length"));
        }
        Ok(())
    }

    /// The same for the secrets interface, whose clients in Node send `Sec-Fetch-Mode` by `fetch`. That is no browser:
    /// one sends `Sec-Fetch-Site` and `Sec-Fetch-Dest` with it, always (W3C, "Fetch Metadata Request Headers", section 2),
    /// and may send the token's header to another origin only once that has agreed.
    pub fn check_agent(&self, target: &Uri, headers: &HeaderMap) -> Result<(), Shut> {
        const MODE: &str = "sec-fetch-mode";
        let of_browser = headers.keys().filter(|name| name.as_str().starts_with(BROWSER_FORM));
        if headers.get(MODE).is_none_or(|mode| mode != "cors") || of_browser.count() > 1 {
            return self.check(target, headers, None);
        }
        let mut without = headers.clone();
        without.remove(MODE);
        self.check(target, &without, None)
    }

    fn is_ours(&self, host: &str, here: Option<IpAddr>) -> bool {
        let Some(name) = without_port(host) else { return false };
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            let address = address.to_canonical();
            let here = here.map(|here| here.to_canonical());
            return address.is_loopback()
                || address == IpAddr::from([169, 254, 169, 254])
                || here == Some(address);
        }
        let name = name.to_ascii_lowercase();
        name == "localhost" || self.hosts.contains(&name)
    }
}

/// The host of a `Host` header (RFC 9110, section 7.2) without its port; `None` if the port is not one.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = if let Some(end) = host.find(']') {
        (&host[..=end], host[end + 1..].strip_prefix(':').or(host[end + 1..].is_empty().then_some("")))
    } else {
        host.split_once(':').map_or((host, Some("")), |(name, port)| (name, Some(port)))
    };
    let port = port?;
    (port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn check(target: &str, headers: &[(&str, &str)]) -> Result<(), Shut> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Doors::new(vec!["broker.internal".into()]).check(&target.parse().unwrap(), &map, None)
    }

    #[test]
    fn fetch_of_node_is_no_browser_to_the_secrets_interface() {
        let check = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            map.append(HOST, HeaderValue::from_static("localhost:9254"));
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            Doors::default().check_agent(&"/secretsmanager/get".parse().unwrap(), &map).is_ok()
        };
        assert!(check(&[]) && check(&[("sec-fetch-mode", "cors")]));
        for more in [
            &[("sec-fetch-mode", "navigate")][..],
            &[("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-mode", "cors"), ("origin", "http://evil.example")],
            &[("sec-fetch-mode", "cors"), ("x-forwarded-for", "10.0.0.1")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!check(more), "{more:?}");
        }
    }

    #[test]
    fn only_this_endpoints_names_are_hosts() {
        for (host, open) in [
            ("127.0.0.1", true),
            ("127.0.0.1:9254", true),
            ("127.8.9.1:1", true),
            ("localhost:9254", true),
            ("LOCALHOST", true),
            ("[::1]:9254", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:9254", true),
            ("169.254.169.254", true),
            ("broker.internal:80", true),
            ("evil.example", false),
            ("evil.example:9254", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("169.254.169.253", false),
            ("127.0.0.1:9254@evil.example", false),
            ("[::1]evil", false),
            ("", false),
        ] {
            assert_eq!(check("/latest", &[("Host", host)]).is_ok(), open, "{host:?}");
        }
        assert_eq!(check("/latest", &[]), Err(Shut::Host));
        assert_eq!(check("/latest", &[("Host", "localhost"), ("Host", "localhost")]), Err(Shut::Host));
    }

    #[test]
    fn forwarded_and_browser_headers_shut_the_door_in_any_case() {
        for name in
            ["X-Forwarded-For", "x-FORWARDED-for", "X-Forwarded-Server", "Forwarded", "Via", "X-Real-IP"]
        {
            let found = check("/latest", &[("Host", "localhost"), (name, "")]);
            assert!(matches!(found, Err(Shut::Forwarded(_))), "{name}: {found:?}");
        }
        for name in ["Origin", "Referer", "Sec-Fetch-Site", "sec-fetch-MODE", "Sec-Fetch-Dest", "Sec-CH-UA"] {
            let found = check("/latest", &[("Host", "localhost"), (name, "null")]);
            assert!(matches!(found, Err(Shut::Browser(_))), "{name}: {found:?}");
        }
    }

    #[test]
    fn an_address_that_others_can_reach_is_a_host_only_there() {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("172.17.0.1:9254"))]);
        for (here, open) in [(None, false), (Some("172.17.0.1"), true), (Some("172.17.0.2"), false)] {
            let here = here.map(|here| here.parse().unwrap());
            let found = Doors::default().check(&"/latest".parse().unwrap(), &headers, here);
            assert_eq!(found.is_ok(), open, "{here:?}");
        }
    }

    #[test]
    fn targets_for_a_proxy_and_doubled_headers_shut_the_door() {
        assert_eq!(check("http://127.0.0.1/latest", &[("Host", "127.0.0.1")]), Err(Shut::Proxy));
        assert_eq!(check("127.0.0.1:80", &[("Host", "127.0.0.1")]), Err(Shut::Proxy));
        for name in ["Proxy-Connection", "proxy-authorization"] {
            assert_eq!(check("/latest", &[("Host", "127.0.0.1"), (name, "x")]), Err(Shut::Proxy));
        }
        for (first, second) in [
            ((TOKEN_HEADER, "a"), (TOKEN_HEADER, "a")),
            (("content-length", "0"), ("transfer-encoding", "chunked")),
        ] {
            let found = check("/latest", &[("Host", "localhost"), first, second]);
            assert!(matches!(found, Err(Shut::Ambiguous(_))), "{found:?}");
        }
    }
}
