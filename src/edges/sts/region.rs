//! Which STS is asked.

use aws_config::Region;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;

use crate::core::catalog::{AccessRole, Source};
use crate::core::name::Region as RegionName;

/// The region whose STS is asked: the role's, the environment's, the source profile's, else one of the role's
/// partition. Never the metadata service's, which the SDK would ask by itself; nor one of another partition, whose STS
/// does not know the role.
pub(super) async fn region(role: &AccessRole) -> Region {
    if let Some(region) = &role.region {
        return Region::new(region.to_string());
    }
    let mut files = ProfileFileRegionProvider::builder();
    if let Source::Named(profile) = &role.source {
        files = files.profile_name(profile);
    }
    let chain =
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(files.build());
    let found = chain.region().await.filter(|region| {
        let partition = RegionName::parse(region.as_ref()).ok().map(|region| region.partition());
        partition.is_none_or(|partition| partition == role.role_arn.partition())
    });
    found.unwrap_or(Region::from_static(role.role_arn.fallback_region()))
}
