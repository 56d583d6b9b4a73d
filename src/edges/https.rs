//! The HTTPS client for everything that brokerd asks of AWS.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};

/// For connecting, and for reading.
type Timeouts = (Option<Duration>, Option<Duration>);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// `AWS_CA_BUNDLE` names a file that cannot be read.
    #[error("AWS_CA_BUNDLE names {}, which cannot be read: {source}", .path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("the certificates for TLS cannot be used: {0}")]
    Tls(String),
}

/// The certificates to trust.
fn trusted(bundle: Option<&Path>) -> Result<TrustStore, HttpsError> {
    if let Some(path) = bundle {
        let pem =
            std::fs::read(path).map_err(|source| HttpsError::Bundle { path: path.to_owned(), source })?;
        return Ok(TrustStore::empty().with_pem_certificate(pem));
    }
    // The SDK panics when it is to use the system's certificates and finds none, as in a bare container. Without
    // any, an endpoint in clear on loopback still works, and every other one fails with a named error.
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        tracing::warn!(
            "the system has no certificates for TLS: install ca-certificates, or set AWS_CA_BUNDLE"
        );
        return Ok(TrustStore::empty());
    }
    Ok(TrustStore::default())
}

fn tls(bundle: Option<&Path>) -> Result<TlsContext, HttpsError> {
    let builder = TlsContext::builder().with_trust_store(trusted(bundle)?);
    builder.build().map_err(|error| HttpsError::Tls(error.to_string()))
}

/// A client for a single call, which waits as long as its caller does. Certificates and proxies are those of [`client`].
pub fn connector(bundle: Option<&Path>) -> Result<SharedHttpConnector, HttpsError> {
    let builder = Connector::builder().proxy_config(ProxyConfig::from_env());
    let connector =
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls(bundle)?).build();
    Ok(SharedHttpConnector::new(connector))
}

/// A client with one pool of connections for each set of timeouts. It trusts the system's certificates, or those of `bundle`
/// (`AWS_CA_BUNDLE`), and follows the proxy variables as other AWS tools do.
pub fn client(bundle: Option<&Path>) -> Result<SharedHttpClient, HttpsError> {
    // A bundle that cannot be read is said at once. The system's certificates are hundreds of files, and reading them takes
    // longer than the rest of a start, so that is done when the first call needs them.
    let bundled = bundle.map(|path| tls(Some(path))).transpose()?;
    let systems = OnceLock::new();
    // Kept for each set of timeouts: reading the system's certificates takes as long as a request.
    let made: Arc<Mutex<HashMap<Timeouts, SharedHttpConnector>>> = Arc::default();
    Ok(http_client_fn(move |settings, components| {
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        let connector =
            made.entry((settings.connect_timeout(), settings.read_timeout())).or_insert_with(|| {
                let mut builder = Connector::builder().connector_settings(settings.clone());
                builder.set_sleep_impl(components.sleep_impl());
                let tls = bundled.as_ref().unwrap_or_else(|| {
                    systems.get_or_init(|| {
                        tls(None).unwrap_or_else(|error| {
                            tracing::error!(%error, "the SDK's own defaults are used");
                            TlsContext::default()
                        })
                    })
                });
                let connector = builder
                    .proxy_config(ProxyConfig::from_env())
                    .tls_provider(Provider::Rustls(CryptoMode::Ring))
                    .tls_context(tls.clone())
                    .build();
                SharedHttpConnector::new(connector)
            });
        connector.clone()
    }))
}
