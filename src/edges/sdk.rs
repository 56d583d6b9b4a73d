//! What all clients of the AWS SDK have in common.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The settings of a client in a region, through this HTTP client: at most three attempts, of 8 seconds each, and 20 in
/// all. Endpoints, proxies and FIPS follow the SDK's own settings.
pub(super) fn loader(http: SharedHttpClient, region: Region) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_max_backoff(Duration::from_secs(2)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(4))
                .operation_attempt_timeout(Duration::from_secs(8))
                .operation_timeout(Duration::from_secs(20))
                .build(),
        )
}
