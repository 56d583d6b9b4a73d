//! Which thing a request asks for.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::core::secret::Version;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentRoute {
    /// `/ping`: whether somebody is there.
    Ping,
    /// `/secretsmanager/get`, `/v1/<id>`.
    Secret(SecretQuery),
    /// `/systemsmanager/parameters/get`.
    Parameter(ParameterQuery),
}

/// A secret of Secrets Manager, or one of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretQuery {
    /// Its name in the profile, or its name or ARN in AWS.
    pub id: String,
    /// Which version.
    pub version: Version,
    /// Whether what is known of it does not do.
    pub refresh: bool,
}

/// A parameter of Parameter Store, or a secret of the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterQuery {
    /// Its name in the profile, or its name or ARN in AWS.
    pub name: String,
    /// Which version.
    pub version: Version,
    /// Whether a `SecureString` is decrypted; not unless that is asked for.
    pub decrypted: bool,
}

/// Why a request is not one of this interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// Below its paths, and none of them: 404.
    #[error("Not found")]
    NotFound,
    /// Another method: 405.
    #[error("Not allowed")]
    Method,
    /// Something about its parameters: 400.
    #[error("{0}")]
    Query(String),
}

/// Reads a request; `None` if its path is not one of this interface. Names and values of the query are decoded as forms
/// are; of a path nothing is, as the agent does it.
pub fn route(method: &Method, path: &str, query: Option<&str>) -> Option<Result<AgentRoute, Miss>> {
    let is_ours = path == "/ping"
        || path.starts_with("/v1/")
        || path.starts_with("/secretsmanager/")
        || path.starts_with("/systemsmanager/");
    if !is_ours {
        return None;
    }
    if method != Method::GET {
        return Some(Err(Miss::Method));
    }
    let query = query.unwrap_or_default();
    Some(match path {
        "/ping" => Ok(AgentRoute::Ping),
        "/secretsmanager/get" => secret(None, query),
        "/systemsmanager/parameters/get" => parameter(query),
        _ => match path.strip_prefix("/v1/") {
            Some("") => Err(Miss::Query("missing secret ID".to_owned())),
            Some(id) => secret(Some(id), query),
            None => Err(Miss::NotFound),
        },
    })
}

fn secret(of_path: Option<&str>, query: &str) -> Result<AgentRoute, Miss> {
    let mut id = of_path.map(str::to_owned);
    let (mut version, mut refresh) = (Version::default(), false);
    for (name, value) in pairs(query) {
        match name.as_str() {
            "secretId" if of_path.is_none() => id = Some(value),
            "versionId" => version.id = filled(value),
            "versionStage" => version.label = filled(value),
            "refreshNow" => refresh = truth("refreshNow", &value)?,
            _ => return Err(unknown(&name)),
        }
    }
    let id = id.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Miss::Query("missing parameter secretId".to_owned()))?;
    Ok(AgentRoute::Secret(SecretQuery { id, version, refresh }))
}

fn parameter(query: &str) -> Result<AgentRoute, Miss> {
    let mut asked = ParameterQuery { name: String::new(), version: Version::default(), decrypted: false };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "name" => asked.name = value,
            "version" => asked.version.id = filled(value),
            "label" => asked.version.label = filled(value),
            "withDecryption" => asked.decrypted = truth("withDecryption", &value)?,
            _ => return Err(unknown(&name)),
        }
    }
    if asked.name.is_empty() {
        return Err(Miss::Query("missing parameter name".to_owned()));
    }
    if asked.version.id.is_some() && asked.version.label.is_some() {
        return Err(Miss::Query("version and label exclude each other".to_owned()));
    }
    Ok(AgentRoute::Parameter(asked))
}

fn filled(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

fn truth(name: &str, value: &str) -> Result<bool, Miss> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Miss::Query(format!("invalid {name} value"))),
    }
}

fn unknown(name: &str) -> Miss {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Miss::Query(format!("unknown parameter: {shown}"))
}

/// The parameters in order (`application/x-www-form-urlencoded`, WHATWG URL standard section 5).
fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Option<Result<AgentRoute, Miss>> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        route(&Method::GET, path, query)
    }

    #[allow(clippy::unnecessary_wraps, reason = "it stands beside results in the table")]
    fn secret(
        id: &str,
        version_id: Option<&str>,
        stage: Option<&str>,
        refresh: bool,
    ) -> Result<AgentRoute, Miss> {
        let version = Version { id: version_id.map(str::to_owned), label: stage.map(str::to_owned) };
        Ok(AgentRoute::Secret(SecretQuery { id: id.to_owned(), version, refresh }))
    }

    fn wrong(why: &str) -> Result<AgentRoute, Miss> {
        Err(Miss::Query(why.to_owned()))
    }

    /// The requests of the agent's README and of its own tests.
    #[test]
    fn reads_the_agents_requests() {
        for (target, expected) in [
            ("/secretsmanager/get?secretId=MyTest", secret("MyTest", None, None, false)),
            ("/secretsmanager/get?secretId=MyTest&refreshNow=true", secret("MyTest", None, None, true)),
            ("/secretsmanager/get?secretId=MyTest&refreshNow=0", secret("MyTest", None, None, false)),
            ("/secretsmanager/get?secretId=MyTest&refreshNow=FALSE", secret("MyTest", None, None, false)),
            (
                "/secretsmanager/get?secretId=MyTest&versionId=myversion&versionStage=dev",
                secret("MyTest", Some("myversion"), Some("dev"), false),
            ),
            ("/secretsmanager/get?secretId=a%2Fb+c%3A", secret("a/b c:", None, None, false)),
            (
                "/v1/MyTest?versionId=myversion&versionStage=dev",
                secret("MyTest", Some("myversion"), Some("dev"), false),
            ),
            ("/v1/shop/db", secret("shop/db", None, None, false)),
            ("/v1/MyTest?secretId=other", wrong("unknown parameter: secretId")),
            ("/secretsmanager/get?secretId=MyTest&refreshNow=123", wrong("invalid refreshNow value")),
            ("/secretsmanager/get?secretId=MyTest&abc=123", wrong("unknown parameter: abc")),
            ("/secretsmanager/get?&versionId=v&versionStage=s", wrong("missing parameter secretId")),
            ("/secretsmanager/get?secretId=", wrong("missing parameter secretId")),
            ("/secretsmanager/get", wrong("missing parameter secretId")),
            ("/v1/?versionId=v", wrong("missing secret ID")),
            ("/ping", Ok(AgentRoute::Ping)),
            ("/secretsmanager/put", Err(Miss::NotFound)),
            ("/systemsmanager/parameters", Err(Miss::NotFound)),
        ] {
            assert_eq!(get(target), Some(expected), "{target}");
        }
        for target in ["/", "/latest/meta-data/", "/pings", "/v1", "/secretsmanager", "*"] {
            assert_eq!(get(target), None, "{target}");
        }
        assert_eq!(route(&Method::POST, "/secretsmanager/get", None), Some(Err(Miss::Method)));
        assert_eq!(route(&Method::PUT, "/ping", None), Some(Err(Miss::Method)));
    }

    #[test]
    fn reads_the_extensions_requests() {
        let parameter = |name: &str, id: Option<&str>, label: Option<&str>, decrypted| {
            let version = Version { id: id.map(str::to_owned), label: label.map(str::to_owned) };
            Ok(AgentRoute::Parameter(ParameterQuery { name: name.to_owned(), version, decrypted }))
        };
        for (query, expected) in [
            ("name=MyParameter", parameter("MyParameter", None, None, false)),
            ("name=%2Fa%2Fb&withDecryption=true", parameter("/a/b", None, None, true)),
            ("name=/a/b&label=release&withDecryption=false", parameter("/a/b", None, Some("release"), false)),
            ("name=/a/b&version=2", parameter("/a/b", Some("2"), None, false)),
            ("name=/a/b&version=2&label=x", wrong("version and label exclude each other")),
            ("name=/a&withDecryption=yes", wrong("invalid withDecryption value")),
            ("withDecryption=true", wrong("missing parameter name")),
            ("name=/a&secretId=x", wrong("unknown parameter: secretId")),
        ] {
            assert_eq!(get(&format!("/systemsmanager/parameters/get?{query}")), Some(expected), "{query}");
        }
    }
}
