//! The sign-in of the AWS console: turns the credentials of a session into a URL.

use std::path::PathBuf;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use zeroize::Zeroizing;

use super::https::{self, HttpsError};
use crate::core::credentials::SessionCredentials;
use crate::core::sign_in;

/// Names another endpoint than AWS's.
pub const ENDPOINT_VARIABLE: &str = "BROKERD_FEDERATION_ENDPOINT";
/// A sign-in that takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no URL. The texts never hold one.
#[derive(Debug, thiserror::Error)]
pub enum FederationError {
    /// The endpoint is not one that keys may be sent to.
    #[error("{ENDPOINT_VARIABLE} must be an https URL without a query, or one of a loopback address")]
    Endpoint,
    /// No client for it can be made.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// It cannot be reached, or does not answer in time.
    #[error("the AWS sign-in cannot be reached")]
    Unreachable,
    /// It says no.
    #[error("the AWS sign-in refuses these credentials (status {status})")]
    Refused {
        /// Its status.
        status: u16,
    },
}

impl FederationError {
    /// What to type or look at next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Endpoint => "start brokerd without it, or with another value",
            Self::Https(_) => "set AWS_CA_BUNDLE of brokerd to a file that it can read",
            Self::Unreachable => "check the network, proxies and certificates of brokerd",
            Self::Refused { .. } => "leave out --for: AWS takes no length where one role assumed another",
        }
    }
}

/// The sign-in, as the environment of this process has it.
#[derive(Debug)]
pub struct Federation {
    endpoint: Option<String>,
    bundle: Option<PathBuf>,
}

impl Federation {
    /// AWS's own, unless the environment names another one.
    pub fn from_environment() -> Self {
        Self {
            endpoint: std::env::var(ENDPOINT_VARIABLE).ok().filter(|url| !url.is_empty()),
            bundle: std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from),
        }
    }

    /// A URL that signs in whoever opens it, to the page `destination`.
    pub async fn sign_in(
        &self,
        credentials: &SessionCredentials,
        partition: &str,
        length: Option<Duration>,
        destination: &str,
    ) -> Result<Zeroizing<String>, FederationError> {
        let endpoint = self.endpoint.as_deref().unwrap_or_else(|| sign_in::endpoint(partition));
        if !sign_in::may_be_told(endpoint) {
            return Err(FederationError::Endpoint);
        }
        // Made for each sign-in: they are rare, and a client that waits for the next one would cost memory.
        let connector = https::connector(self.bundle.as_deref())?;
        let mut request = Request::new(SdkBody::empty());
        let url = sign_in::token_url(endpoint, credentials, length);
        request.set_uri(url.as_str()).map_err(|_| FederationError::Endpoint)?;
        let exchange = async {
            let answer = connector.call(request).await.map_err(|_| FederationError::Unreachable)?;
            let status = answer.status().as_u16();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = Zeroizing::new(body.map_err(|_| FederationError::Unreachable)?.to_vec());
            if status != 200 {
                return Err(FederationError::Refused { status });
            }
            sign_in::token(&body).ok_or(FederationError::Refused { status })
        };
        let token =
            tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| FederationError::Unreachable)??;
        Ok(sign_in::url(endpoint, &token, destination))
    }
}
