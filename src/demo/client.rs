//! A client of the demo: the AWS SDK's own metadata provider, and one call with what it gives.

use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::DemoError;
use crate::edges::https;

/// Asks STS who it is and prints the answer.
pub fn be_client() -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(who_am_i(https::client(None)?)) {
        Ok(arn) => anstream::println!("{arn}"),
        Err(error) => anstream::println!("no identity: {error}"),
    }
    Ok(())
}

async fn who_am_i(http: SharedHttpClient) -> Result<String, DemoError> {
    let region = Region::from_static("eu-central-1");
    let config = ProviderConfig::default().with_region(Some(region.clone())).with_http_client(http.clone());
    let provider = ImdsCredentialsProvider::builder().configure(&config).build();
    let credentials =
        provider.provide_credentials().await.map_err(|_| "the metadata service gives no credentials here")?;
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .credentials_provider(credentials)
        .load()
        .await;
    let identity = aws_sdk_sts::Client::new(&sdk).get_caller_identity().send().await?;
    Ok(identity.arn.unwrap_or_default())
}
