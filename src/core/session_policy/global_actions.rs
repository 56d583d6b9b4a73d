//! Services that have one endpoint for all regions, so that a rule on regions must not reach them.

/// Where the lists are from, and when that was looked up.
pub const GLOBAL_ACTIONS_SOURCE: &str = "IAM User Guide, \"AWS: Denies access to AWS based on the requested Region\"; AWS Organizations User Guide, \"Deny access to AWS based on the requested AWS Region\"; and, for each partition, where the AWS SDKs send the calls (botocore 1.44.5, endpoints.json and the services' endpoint rules); looked up 2026-11-29. Services of the guides' lists that have an endpoint in each region (acm, config, kms, waf-regional, fms, …) are left out: for them a region is chosen, and it counts.";

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

/// What every partition has, with one region that all calls go to.
const EVERYWHERE: [&str; 15] = [
    "iam:*",
    "sts:*",
    "organizations:*",
    "account:*",
    "route53:*",
    "networkmanager:*",
    "support:*",
    "health:*",
    "billing:*",
    "budgets:*",
    "ce:*",
    "invoicing:*",
    "bcm-data-exports:*",
    "ec2:DescribeRegions",
    "s3:ListAllMyBuckets",
];

/// In Ningxia, without a choice.
const CHINA: [&str; 4] = ["cloudfront:*", "cur:*", "pricing:*", "aws-marketplace:*"];

/// Most are in us-east-1; networkmanager, chatbot (Amazon Q Developer in chat applications), devicefarm and
/// route53-recovery-* are in us-west-2.
const COMMERCIAL: [&str; 25] = [
    "cloudfront:*",
    "waf:*",
    "shield:*",
    "globalaccelerator:*",
    "route53domains:*",
    "route53-recovery-control-config:*",
    "route53-recovery-readiness:*",
    "chatbot:*",
    "devicefarm:*",
    "aws-marketplace:*",
    "aws-portal:*",
    "billingconductor:*",
    "consolidatedbilling:*",
    "cost-optimization-hub:*",
    "cur:*",
    "freetier:*",
    "payments:*",
    "savingsplans:*",
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
        Partition::GovCloud | Partition::Other => &[],
    };
    EVERYWHERE.iter().chain(more).copied().collect()
}
