//! Which thing a path means.

use http::Method;

use super::version::{VERSIONS, is_version};

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `PUT /latest/api/token`.
    Token,
    /// A directory: the names in it, one a line.
    Listing(&'static str),
    /// A thing that is different for each caller.
    Leaf(Leaf),
}

/// What only an identified caller with a decision can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// The name of the caller's role, alone and without a newline.
    RoleList,
    /// The credentials of the role with this name.
    Credentials {
        /// The name as the path has it.
        name: String,
        /// Whether the twin that adds the account id is asked for.
        extended: bool,
    },
    /// `iam/info`.
    Info,
    /// `placement/region`.
    Region,
    /// `placement/availability-zone`.
    Zone,
    /// `dynamic/instance-identity/document`.
    IdentityDocument,
    /// `instance-id`.
    InstanceId,
    /// `services/domain`.
    Domain,
    /// `services/partition`.
    Partition,
}

/// Why a request has no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// No such path: 404.
    NotFound,
    /// The path is there, the method is not: 405, with the methods for `Allow`.
    Method(&'static str),
}

const READ: &str = "GET, HEAD";
const CREDENTIALS: &str = "meta-data/iam/security-credentials";
const EXTENDED: &str = "meta-data/iam/security-credentials-extended";

/// Finds what `method` on `path` means. Repeated slashes count as one and a trailing slash as none, since SDKs
/// differ on both; nothing is decoded, so an encoded slash or dot is no way around.
pub fn route(method: &Method, path: &str) -> Result<Route, Miss> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let found = match parts.split_first() {
        None if path.starts_with('/') => Route::Listing(VERSIONS),
        Some((version, rest)) if is_version(version) => below_version(&rest.join("/"))?,
        _ => return Err(Miss::NotFound),
    };
    let allowed = if found == Route::Token { "PUT" } else { READ };
    if allowed.split(", ").any(|name| name == method.as_str()) {
        Ok(found)
    } else {
        Err(Miss::Method(allowed))
    }
}

fn below_version(path: &str) -> Result<Route, Miss> {
    Ok(match path {
        "" => Route::Listing("dynamic\nmeta-data"),
        "api/token" => Route::Token,
        "meta-data" => Route::Listing("iam/\ninstance-id\nplacement/\nservices/"),
        "meta-data/iam" => Route::Listing("info\nsecurity-credentials/\nsecurity-credentials-extended/"),
        "meta-data/placement" => Route::Listing("availability-zone\nregion"),
        "meta-data/services" => Route::Listing("domain\npartition"),
        "dynamic" => Route::Listing("instance-identity/"),
        "dynamic/instance-identity" => Route::Listing("document"),
        CREDENTIALS | EXTENDED => Route::Leaf(Leaf::RoleList),
        "meta-data/iam/info" => Route::Leaf(Leaf::Info),
        "meta-data/placement/region" => Route::Leaf(Leaf::Region),
        "meta-data/placement/availability-zone" => Route::Leaf(Leaf::Zone),
        "meta-data/instance-id" => Route::Leaf(Leaf::InstanceId),
        "meta-data/services/domain" => Route::Leaf(Leaf::Domain),
        "meta-data/services/partition" => Route::Leaf(Leaf::Partition),
        "dynamic/instance-identity/document" => Route::Leaf(Leaf::IdentityDocument),
        _ => {
            let (directory, name) = path.rsplit_once('/').ok_or(Miss::NotFound)?;
            let extended = match directory {
                CREDENTIALS => false,
                EXTENDED => true,
                _ => return Err(Miss::NotFound),
            };
            Route::Leaf(Leaf::Credentials { name: name.to_owned(), extended })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Route, Miss> {
        route(&Method::GET, path)
    }

    #[test]
    fn both_forms_of_each_path_answer_and_slashes_fold() {
        let role =
            |name: &str, extended| Ok(Route::Leaf(Leaf::Credentials { name: name.to_owned(), extended }));
        for (path, expected) in [
            ("/latest/meta-data/iam/security-credentials", Ok(Route::Leaf(Leaf::RoleList))),
            ("/latest/meta-data/iam/security-credentials/", Ok(Route::Leaf(Leaf::RoleList))),
            ("//latest//meta-data/iam//security-credentials//", Ok(Route::Leaf(Leaf::RoleList))),
            ("/latest/meta-data/iam/security-credentials-extended/", Ok(Route::Leaf(Leaf::RoleList))),
            ("/latest/meta-data/iam/security-credentials/shop.dev", role("shop.dev", false)),
            ("/latest/meta-data/iam/security-credentials//shop.dev/", role("shop.dev", false)),
            ("/2021-07-15/meta-data/iam/security-credentials/shop.dev", role("shop.dev", false)),
            ("/latest/meta-data/iam/security-credentials-extended/shop.dev", role("shop.dev", true)),
            // Not decoded, so the name of no role.
            ("/latest/meta-data/iam/security-credentials/%73hop.dev", role("%73hop.dev", false)),
            ("/latest/meta-data/iam/info", Ok(Route::Leaf(Leaf::Info))),
            ("/latest/meta-data/placement/region", Ok(Route::Leaf(Leaf::Region))),
            ("/latest/meta-data/placement/availability-zone/", Ok(Route::Leaf(Leaf::Zone))),
            ("/latest/dynamic/instance-identity/document", Ok(Route::Leaf(Leaf::IdentityDocument))),
            ("/latest/meta-data/instance-id", Ok(Route::Leaf(Leaf::InstanceId))),
            ("/1.0/meta-data/instance-id/", Ok(Route::Leaf(Leaf::InstanceId))),
            ("/latest/meta-data/services/domain", Ok(Route::Leaf(Leaf::Domain))),
            ("/latest/meta-data/services/partition", Ok(Route::Leaf(Leaf::Partition))),
            ("/", Ok(Route::Listing(VERSIONS))),
            ("//", Ok(Route::Listing(VERSIONS))),
            ("/latest", Ok(Route::Listing("dynamic\nmeta-data"))),
            ("/2021-07-15/", Ok(Route::Listing("dynamic\nmeta-data"))),
            ("/latest/meta-data/", Ok(Route::Listing("iam/\ninstance-id\nplacement/\nservices/"))),
            ("/latest/meta-data/services", Ok(Route::Listing("domain\npartition"))),
        ] {
            assert_eq!(get(path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in [
            "",
            "*",
            "/latest/meta-data/iam/security-credentials/shop.dev/more",
            "/latest/meta-data/iam%2fsecurity-credentials/",
            "/latest/meta-data/./iam/info",
            "/latest/meta-data/../meta-data/iam/info",
            "/latest/meta-data/iam/info;x",
            "/latest/meta-data/%2e%2e/meta-data/iam/info",
            "/latest/meta-data/iam/info%00",
            "/LATEST/meta-data/iam/info",
            "/latest\\meta-data",
            "/meta-data/iam/info",
            "/2021-7-15/meta-data",
            "/latest/user-data",
            "/latest/api",
            "/stop",
        ] {
            assert_eq!(get(path), Err(Miss::NotFound), "{path}");
        }
    }

    #[test]
    fn each_path_has_its_methods() {
        assert_eq!(route(&Method::PUT, "//latest/api/token/"), Ok(Route::Token));
        assert_eq!(route(&Method::HEAD, "/latest"), Ok(Route::Listing("dynamic\nmeta-data")));
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            assert_eq!(route(&method, "/latest/api/token"), Err(Miss::Method("PUT")), "{method}");
        }
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            assert_eq!(
                route(&method, "/latest/meta-data/iam/info"),
                Err(Miss::Method("GET, HEAD")),
                "{method}"
            );
        }
    }
}
