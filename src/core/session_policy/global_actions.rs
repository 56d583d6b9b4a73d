//! Services that have one endpoint for all regions, so that a rule on regions must not reach them.

/// Where the lists are from, and when that was looked up.
pub const GLOBAL_ACTIONS_SOURCE: &str = "AWS Organizations User Guide, \"Deny access to AWS based on the requested AWS Region\", and AWS General Reference, service endpoints; looked up 2026-11-24. Services of the guide's list that have an endpoint in each region (acm, config, kms, waf-regional, fms, …) are left out: for them a region is chosen, and it counts.";

/// A partition of AWS: regions and global services of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// `aws`.
    Commercial,
    /// `aws-cn`.
    China,
    /// `aws-us-gov`.
    GovCloud,
    /// One that this version does not know: only what every partition has is global there.
    Other,
}

impl Partition {
    /// The partition of this name, the second part of an ARN.
    pub fn of(name: &str) -> Self {
        match name {
            "aws" => Self::Commercial,
            "aws-cn" => Self::China,
            "aws-us-gov" => Self::GovCloud,
            _ => Self::Other,
        }
    }
}

/// What every partition has.
const EVERYWHERE: [&str; 8] = [
    "iam:*",
    "sts:*",
    "organizations:*",
    "route53:*",
    "support:*",
    "health:*",
    "ec2:DescribeRegions",
    "s3:ListAllMyBuckets",
];

const CHINA: [&str; 3] = ["cloudfront:*", "ce:*", "budgets:*"];

const GOV_CLOUD: [&str; 2] = ["ce:*", "budgets:*"];

const COMMERCIAL: [&str; 26] = [
    "cloudfront:*",
    "waf:*",
    "shield:*",
    "globalaccelerator:*",
    "networkmanager:*",
    "route53domains:*",
    "route53-recovery-control-config:*",
    "route53-recovery-readiness:*",
    "account:*",
    "aws-marketplace:*",
    "aws-portal:*",
    "billing:*",
    "budgets:*",
    "ce:*",
    "consolidatedbilling:*",
    "cur:*",
    "freetier:*",
    "invoicing:*",
    "payments:*",
    "tax:*",
    "pricing:*",
    "chime:*",
    "ecr-public:*",
    "importexport:*",
    "trustedadvisor:*",
    "s3:*AccountPublicAccessBlock",
];

/// The actions of a partition that have no region of their own, as `NotAction` takes them.
pub fn global_actions(partition: Partition) -> Vec<&'static str> {
    let more: &[&str] = match partition {
        Partition::Commercial => &COMMERCIAL,
        Partition::China => &CHINA,
        Partition::GovCloud => &GOV_CLOUD,
        Partition::Other => &[],
    };
    EVERYWHERE.iter().chain(more).copied().collect()
}
