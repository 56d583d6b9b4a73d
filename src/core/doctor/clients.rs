//! SDKs and tools by what they read. docs/clients.md says which versions were tried.

/// Everything that signs for AWS.
pub(super) const ALL: &[&str] = &["every AWS SDK and tool"];
/// Those that read `~/.aws`. The ones left out: obstore and deltalake, which are made of the crate `object_store`.
pub(super) const FILE_READERS: &[&str] = &[
    "AWS CLI",
    "boto3",
    "JavaScript SDK 2 and 3",
    "serverless",
    "osls",
    "Go SDK 1 and 2",
    "Terraform",
    "rclone",
    "Rust SDK",
    "C++ SDK (pyarrow)",
    "Java",
    ".NET",
    "Ruby",
    "PHP",
    "opendal",
];
/// Those that end with an error where the profile that is named is not there; others go on to the metadata service.
pub(super) const PROFILE_MUST_EXIST: &[&str] = &["AWS CLI", "boto3", ".NET", "serverless 3", "osls 3 and 4"];
/// Those that send requests for loopback through a proxy.
pub(super) const PROXIED: &[&str] =
    &["AWS CLI", "boto3", "s3fs", "Rust SDK", "opendal", "object_store (polars, deltalake, obstore)"];
/// Those that read `ec2_metadata_service_endpoint` in `~/.aws/config`; the C++ SDK reads the variable alone.
pub(super) const CONFIG_ENDPOINT: &[&str] = &[
    "AWS CLI",
    "boto3",
    "JavaScript SDK 2 and 3",
    "Go SDK 2",
    "Terraform",
    "Rust SDK",
    "Java",
    ".NET",
    "Ruby",
    "PHP",
];
/// Those that read the variable of AWS's SDKs.
pub(super) const SDK_ENDPOINT: &[&str] = &[
    "AWS CLI",
    "boto3",
    "JavaScript SDK 2 and 3",
    "serverless",
    "osls",
    "Go SDK 1 and 2",
    "Terraform",
    "rclone",
    "Rust SDK",
    "C++ SDK (pyarrow)",
    "Java",
    ".NET",
    "Ruby",
    "PHP",
    "opendal",
];
/// Those with names of their own for it.
pub(super) const OTHER_ENDPOINTS: &[&str] = &["object_store (polars, deltalake, obstore)", "GDAL"];
/// Those for which any value but none switches the metadata service off.
pub(super) const DISABLED_BY_ANY: &[&str] = &["JavaScript SDK 2", "serverless 3", "osls 3"];
/// Those that read the stage's own variables.
pub(super) const STAGE_VARIABLES: &[&str] = &["serverless 3", "osls 3 and 4"];
/// Those that read the old names of keys.
pub(super) const OLD_NAMES: &[&str] = &["JavaScript SDK 2", "serverless 3", "osls 3", "Java"];
/// Those that refuse a named profile that has a program only.
pub(super) const NO_PROCESS: &[&str] = &["serverless 3", "osls 3"];
/// The one that stops at a `[default]` section of whatever content.
pub(super) const STOPPED_BY_DEFAULT: &[&str] = &["osls 4"];
/// Those that skip the list of roles where a name is given.
pub(super) const ROLE_NAME: &[&str] = &["JavaScript SDK 3", "Java", "newer SDKs"];
/// Those that take the region from their settings alone.
pub(super) const NO_REGION: &[&str] = &["AWS CLI 1", "boto3"];
/// Those that put no slash between the endpoint and the path.
pub(super) const NEED_SLASH: &[&str] = &["AWS CLI 2 before 2.28.3"];
