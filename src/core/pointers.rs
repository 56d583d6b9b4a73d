//! The variables that lead AWS tools to brokerd, and those that lead them away.

use super::name::Region;

/// The one that AWS's own SDKs read.
pub const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// Every name of the metadata endpoint: of the SDKs, of the Rust crate `object_store` (polars, delta-rs, obstore), and
/// of GDAL. With a trailing slash: older AWS CLIs put none between it and the path.
pub const ENDPOINT_NAMES: [&str; 3] = [ENDPOINT, "AWS_METADATA_ENDPOINT", "CPL_AWS_EC2_API_ROOT_URL"];
/// The name of the port at which clients of the AWS Parameters and Secrets Lambda Extension look (AWS Systems Manager user
/// guide, "Using Parameter Store parameters in AWS Lambda functions").
pub const SECRETS_PORT: &str = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT";
/// The name under which the AWS Secrets Manager Agent looks first for the token that its clients send: the text itself, or
/// `file://` and its file.
pub const SECRETS_TOKEN: &str = "AWS_TOKEN";
/// The names of the region.
pub const REGION_NAMES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// What is set for a tool by which it would take other credentials than brokerd's: keys, profiles, web identity, other
/// container endpoints, and their old names.
pub const MISLEADING: [&str; 24] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AMAZON_ACCESS_KEY_ID",
    "AMAZON_SECRET_ACCESS_KEY",
    "AMAZON_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CREDENTIAL_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_INSTANCE_PROFILE_NAME",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
];

/// The list of what must not go through a proxy.
pub const NO_PROXY: &str = "NO_PROXY";
/// What must not go through a proxy.
const DIRECT: [&str; 2] = ["127.0.0.1", "localhost"];

/// A list for `NO_PROXY` that has brokerd's addresses, and all that it had before in its order.
pub fn no_proxy(before: &str) -> String {
    let known: Vec<&str> = before.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    let missing = DIRECT.into_iter().filter(|entry| !known.contains(entry) && !known.contains(&"*"));
    known.iter().copied().chain(missing).collect::<Vec<_>>().join(",")
}

/// The port of an endpoint, for [`SECRETS_PORT`]. `endpoint` is `http://address:port/`.
pub fn secrets_port(endpoint: &str) -> Option<&str> {
    let (_, port) = endpoint.trim_end_matches('/').rsplit_once(':')?;
    Some(port).filter(|port| port.parse::<u16>().is_ok())
}

/// The variables with their values; none for the endpoint without one. `variable` is the environment: a list for
/// proxies is added to.
pub fn pointers(
    endpoint: Option<&str>,
    region: Option<&Region>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<(&'static str, String)> {
    let of_endpoint =
        endpoint.into_iter().flat_map(|endpoint| ENDPOINT_NAMES.map(|name| (name, endpoint.to_owned())));
    let mut found: Vec<(&'static str, String)> = of_endpoint.collect();
    let port = endpoint.and_then(secrets_port);
    found.extend(port.map(|port| (SECRETS_PORT, port.to_owned())));
    found.extend(direct(variable));
    found.extend(
        region.into_iter().flat_map(|region| REGION_NAMES.into_iter().map(|name| (name, region.to_string()))),
    );
    found
}

/// The lists for proxies. Where the one in small letters is set, most tools read no other.
fn direct(variable: &dyn Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let set = variable("no_proxy");
    let upper = variable(NO_PROXY).or_else(|| set.clone()).unwrap_or_default();
    std::iter::once((NO_PROXY, no_proxy(&upper)))
        .chain(set.map(|list| ("no_proxy", no_proxy(&list))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_for_proxies_is_added_to_once() {
        for (before, after) in [
            ("", "127.0.0.1,localhost"),
            ("corp.example", "corp.example,127.0.0.1,localhost"),
            (" a , localhost,", "a,localhost,127.0.0.1"),
            ("*", "*"),
        ] {
            assert_eq!(no_proxy(before), after);
            assert_eq!(no_proxy(after), after);
        }
    }

    #[test]
    fn every_name_is_there_and_the_region_where_it_is_known() {
        let small = |name: &str| (name == "no_proxy").then(|| "x".to_owned());
        let region = Region::parse("eu-west-1").unwrap();
        assert_eq!(
            pointers(Some("http://127.0.0.1:1/"), Some(&region), &small),
            [
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/".to_owned()),
                ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1/".to_owned()),
                ("CPL_AWS_EC2_API_ROOT_URL", "http://127.0.0.1:1/".to_owned()),
                ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "1".to_owned()),
                ("NO_PROXY", "x,127.0.0.1,localhost".to_owned()),
                ("no_proxy", "x,127.0.0.1,localhost".to_owned()),
                ("AWS_REGION", "eu-west-1".to_owned()),
                ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
            ]
        );
        assert_eq!(pointers(Some("http://[::1]:1/"), None, &|_| None).len(), 5);
        assert_eq!(pointers(None, None, &|_| None).len(), 1);
        assert_eq!(secrets_port("http://[::1]:9254/"), Some("9254"));
        assert_eq!([secrets_port("http://[::1]/"), secrets_port("x")], [None, None]);
    }
}
