//! A login: by a code that is typed on a page (RFC 8628), or by a page that comes back here (authorization code with PKCE).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_ssooidc::Client;
use aws_sdk_ssooidc::operation::create_token::CreateTokenError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{Sso, code, next_token};
use crate::core::moment::Timestamp;
use crate::core::sso::{
    Callback, Challenge, REDIRECT_PATH, SsoClient, SsoSession, SsoToken, authorize_url, callback,
};
use crate::edges::base_credentials::words;
use crate::edges::{clock, random};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Who has not logged in by then will not.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two questions whether somebody has, where the Identity Center says nothing (RFC 8628 section 3.2); it is also
/// what is added when it says that this is too often (section 3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// A request to the redirect address comes at once and is short.
const REQUEST: (Duration, usize) = (Duration::from_secs(5), 16 * 1024);

/// How a person logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On a page that comes back to this machine, where the session allows it.
    Browser,
    /// By a code that is typed on a page, on any machine.
    DeviceCode,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The Identity Center cannot be reached.
    #[error("IAM Identity Center cannot be reached: {0}")]
    Unreachable(String),
    /// It says no.
    #[error("IAM Identity Center refuses: {0}")]
    Refused(String),
    /// The person said no.
    #[error("the login was denied on the page")]
    Denied,
    /// The person did not come.
    #[error("nobody logged in in time")]
    Late,
    /// The page has nowhere to come back to.
    #[error("no port for the browser to come back to: {0}")]
    Port(String),
}

impl LoginError {
    /// What to type or look at next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "check the network, proxies and certificates of brokerd, and sso_region in ~/.aws/config"
            }
            Self::Refused(_) => {
                "check sso_start_url, sso_region and sso_registration_scopes in ~/.aws/config"
            }
            Self::Denied | Self::Late => "run brokerctl login again",
            Self::Port(_) => "brokerctl login --use-device-code",
        }
    }
}

/// The end of a login.
pub type Finishing = Pin<Box<dyn Future<Output = Result<SsoToken, LoginError>> + Send>>;

/// A login that waits for its person.
pub struct Begun {
    /// The page.
    pub url: String,
    /// What to type there, if anything.
    pub code: Option<String>,
    /// Until when.
    pub expires: Timestamp,
    /// Waits for the person. The token is kept when it ends well.
    pub finishing: Finishing,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").field("expires", &self.expires.to_string()).finish_non_exhaustive()
    }
}

impl Sso {
    /// Begins a login. The legacy form has only codes, and so has an Identity Center that does not know the other way.
    pub async fn begin(&self, session: &SsoSession, way: Way) -> Result<Begun, LoginError> {
        let client = Client::new(&self.config(session).await);
        if way == Way::Browser && session.is_renewable() {
            match self.begin_in_browser(&client, session).await {
                Err(LoginError::Refused(why)) => {
                    tracing::info!(%session, why, "no login by browser alone: a code is asked for");
                }
                begun => return begun,
            }
        }
        self.begin_by_code(&client, session).await
    }

    async fn begin_by_code(&self, client: &Client, session: &SsoSession) -> Result<Begun, LoginError> {
        let call = client.register_client().client_name("brokerd").client_type("public");
        let known = registered(
            call.set_scopes(some(session.asked_scopes())).send().await.map_err(|error| sorted(&error))?,
        )?;
        let call =
            client.start_device_authorization().client_id(&known.id).client_secret(known.secret.as_str());
        let page = call.start_url(&session.start_url).send().await.map_err(|error| sorted(&error))?;
        let missing = || LoginError::Refused("its answer names no page".to_owned());
        let device_code = Zeroizing::new(page.device_code.ok_or_else(missing)?);
        let url = page.verification_uri_complete.or(page.verification_uri).ok_or_else(missing)?;
        let lifetime = Duration::from_secs(u64::try_from(page.expires_in).unwrap_or(0)).min(PATIENCE);
        let mut pause = u64::try_from(page.interval)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map_or(INTERVAL, Duration::from_secs);
        let (sso, client, session) = (self.clone(), client.clone(), session.clone());
        let asking = async move {
            loop {
                tokio::time::sleep(pause).await;
                let call = client.create_token().grant_type(DEVICE_GRANT).client_id(&known.id);
                let call = call.client_secret(known.secret.as_str()).device_code(device_code.as_str());
                match call.send().await {
                    Ok(answer) => {
                        let token = next_token(answer, known, None, clock::now());
                        let token =
                            token.ok_or_else(|| LoginError::Refused("its answer has no token".to_owned()))?;
                        sso.keep(&session, token.clone()).await;
                        return Ok(token);
                    }
                    Err(error) => match verdict(&error) {
                        Verdict::Pending => {}
                        Verdict::TooOften => pause += INTERVAL,
                        Verdict::Ended(error) => return Err(error),
                    },
                }
            }
        };
        Ok(Begun {
            url,
            code: page.user_code,
            expires: clock::now().after(lifetime),
            finishing: Box::pin(async move {
                tokio::time::timeout(lifetime, asking).await.unwrap_or(Err(LoginError::Late))
            }),
        })
    }

    async fn begin_in_browser(&self, client: &Client, session: &SsoSession) -> Result<Begun, LoginError> {
        let call = client.register_client().client_name("brokerd").client_type("public");
        let call = call
            .set_scopes(some(session.asked_scopes()))
            .redirect_uris(format!("http://127.0.0.1{REDIRECT_PATH}"))
            .grant_types("authorization_code")
            .grant_types("refresh_token")
            .issuer_url(&session.start_url);
        let known = registered(call.send().await.map_err(|error| sorted(&error))?)?;
        let port = |error: std::io::Error| LoginError::Port(error.to_string());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(port)?;
        let redirect = format!("http://{}{REDIRECT_PATH}", listener.local_addr().map_err(port)?);
        let challenge = Challenge::new(random::bytes(), random::bytes());
        let url =
            authorize_url(&endpoint(session), &known.id, &redirect, &session.asked_scopes(), &challenge);
        let (sso, client, session) = (self.clone(), client.clone(), session.clone());
        let waiting = async move {
            let challenge = std::sync::Arc::new(challenge);
            let code = came_back(listener, challenge.clone()).await?;
            let call = client.create_token().grant_type("authorization_code").client_id(&known.id);
            let call = call.client_secret(known.secret.as_str()).code(code.as_str()).redirect_uri(redirect);
            let answer = call.code_verifier(challenge.verifier()).send().await;
            let answer = answer.map_err(|error| match verdict(&error) {
                Verdict::Ended(error) => error,
                Verdict::Pending | Verdict::TooOften => LoginError::Refused(super::code(&error)),
            })?;
            let token = next_token(answer, known, None, clock::now());
            let token = token.ok_or_else(|| LoginError::Refused("its answer has no token".to_owned()))?;
            sso.keep(&session, token.clone()).await;
            Ok(token)
        };
        Ok(Begun {
            url,
            code: None,
            expires: clock::now().after(PATIENCE),
            finishing: Box::pin(async move {
                tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(Err(LoginError::Late))
            }),
        })
    }
}

/// The page of a session's region, where the environment names no other.
fn endpoint(session: &SsoSession) -> String {
    let named = ["AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    named.filter(|url| !url.is_empty()).unwrap_or_else(|| {
        let suffix = if session.region.partition() == "aws-cn" { ".cn" } else { "" };
        format!("https://oidc.{}.amazonaws.com{suffix}", session.region)
    })
}

fn some(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

fn registered(
    answer: aws_sdk_ssooidc::operation::register_client::RegisterClientOutput,
) -> Result<SsoClient, LoginError> {
    let missing = || LoginError::Refused("its registration is empty".to_owned());
    Ok(SsoClient {
        id: answer.client_id.ok_or_else(missing)?,
        secret: Zeroizing::new(answer.client_secret.ok_or_else(missing)?),
        expires: Timestamp(answer.client_secret_expires_at),
    })
}

/// An error of a call that somebody waits for.
fn sorted<E, R>(error: &SdkError<E, R>) -> LoginError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(refused)
            if refused.err().code() != Some("InternalServerException") && refused.err().code().is_some() =>
        {
            // The message is a description for developers; the code says which of the settings is meant.
            LoginError::Refused(code(error))
        }
        other => LoginError::Unreachable(words(other)),
    }
}

enum Verdict {
    Pending,
    TooOften,
    Ended(LoginError),
}

fn verdict<R: std::fmt::Debug + Send + Sync + 'static>(error: &SdkError<CreateTokenError, R>) -> Verdict {
    let SdkError::ServiceError(refused) = error else {
        // Somebody is at the page meanwhile, and the next question may be answered (RFC 8628 section 3.5).
        return Verdict::Pending;
    };
    match refused.err() {
        CreateTokenError::AuthorizationPendingException(_) | CreateTokenError::InternalServerException(_) => {
            Verdict::Pending
        }
        CreateTokenError::SlowDownException(_) => Verdict::TooOften,
        CreateTokenError::ExpiredTokenException(_) => Verdict::Ended(LoginError::Late),
        CreateTokenError::AccessDeniedException(_) => Verdict::Ended(LoginError::Denied),
        other if other.code().is_none() => Verdict::Pending,
        _ => Verdict::Ended(LoginError::Refused(code(error))),
    }
}

/// The code that the browser brings back. Whatever else asks at this port is told that there is nothing.
async fn came_back(
    listener: TcpListener,
    challenge: std::sync::Arc<Challenge>,
) -> Result<Zeroizing<String>, LoginError> {
    let (tell, mut told) = mpsc::channel(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A browser opens connections ahead that it says nothing on, so that each has a task.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (tell, challenge) = (tell.clone(), challenge.clone());
                tokio::spawn(async move {
                    match tokio::time::timeout(REQUEST.0, visit(stream, &challenge)).await {
                        Ok(Callback::Other) | Err(_) => {}
                        Ok(callback) => drop(tell.send(callback).await),
                    }
                });
            }
            callback = told.recv() => match callback {
                Some(Callback::Code(code)) => return Ok(code),
                Some(Callback::Refused(word)) if word == "access_denied" => return Err(LoginError::Denied),
                Some(Callback::Refused(word)) => return Err(LoginError::Refused(word)),
                Some(Callback::Other) | None => {}
            },
        }
    }
}

/// One connection: what it brings, and a page for whoever looks at it.
async fn visit(mut stream: TcpStream, challenge: &Challenge) -> Callback {
    // It may hold the code: room for the longest, since a buffer that grows would leave copies behind.
    let mut head = Zeroizing::new(Vec::with_capacity(REQUEST.1));
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < REQUEST.1 {
        match stream.read_buf(&mut *head).await {
            Ok(more) if more > 0 => {}
            _ => break,
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let callback = callback(line.unwrap_or_default(), challenge);
    let (status, text) = match &callback {
        Callback::Code(_) => ("200 OK", "brokerd has the login. This page can be closed."),
        Callback::Refused(_) => ("200 OK", "The login was refused. brokerctl says why."),
        Callback::Other => ("404 Not Found", "There is nothing here."),
    };
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(page.as_bytes()).await;
    let _ = stream.shutdown().await;
    callback
}
