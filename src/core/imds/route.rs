//! Which thing a path means.

use http::Method;

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
        None if path.starts_with('/') => Route::Listing("latest"),
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

/// `latest`, `1.0` or a date such as `2021-07-15`: clients may name a version of the service.
fn is_version(part: &str) -> bool {
    let is_date = part.len() == 10
        && part.bytes().enumerate().all(|(position, byte)| match position {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    part == "latest" || part == "1.0" || is_date
}

fn below_version(path: &str) -> Result<Route, Miss> {
    Ok(match path {
        "" => Route::Listing("dynamic\nmeta-data"),
        "api/token" => Route::Token,
        "meta-data" => Route::Listing("iam/\nplacement/"),
        "meta-data/iam" => Route::Listing("info\nsecurity-credentials/\nsecurity-credentials-extended/"),
        "meta-data/placement" => Route::Listing("availability-zone\nregion"),
        "dynamic" => Route::Listing("instance-identity/"),
        "dynamic/instance-identity" => Route::Listing("document"),
        CREDENTIALS | EXTENDED => Route::Leaf(Leaf::RoleList),
        "meta-data/iam/info" => Route::Leaf(Leaf::Info),
        "meta-data/placement/region" => Route::Leaf(Leaf::Region),
        "meta-data/placement/availability-zone" => Route::Leaf(Leaf::Zone),
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
            ("/latest/meta-data/iam/info", Ok(Route::Leaf(Leaf::Info))),
            ("/latest/meta-data/placement/region", Ok(Route::Leaf(Leaf::Region))),
            ("/latest/meta-data/placement/availability-zone/", Ok(Route::Leaf(Leaf::Zone))),
            ("/latest/dynamic/instance-identity/document", Ok(Route::Leaf(Leaf::IdentityDocument))),
            ("/", Ok(Route::Listing("latest"))),
            ("/latest", Ok(Route::Listing("dynamic\nmeta-data"))),
            ("/latest/meta-data/", Ok(Route::Listing("iam/\nplacement/"))),
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
