//! IAM Identity Center: tokens, and the credentials that the portal gives for them.

mod login;

use std::path::PathBuf;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sso::operation::get_role_credentials::GetRoleCredentialsError;
use aws_sdk_ssooidc::operation::create_token::{CreateTokenError, CreateTokenOutput};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use zeroize::Zeroizing;

use super::base_credentials::words;
use super::logins::Logins;
use super::sso_cache::SsoCache;
use super::{clock, sdk};
use crate::core::issue::IssueError;
use crate::core::moment::Timestamp;
use crate::core::sso::{SsoClient, SsoSession, SsoToken};

pub use login::{Begun, Finishing, LoginError, Way};

/// The Identity Center as one user has it.
#[derive(Debug, Clone)]
pub struct Sso {
    http: SharedHttpClient,
    logins: Logins,
    cache: SsoCache,
    /// Whether tokens are also left in `~/.aws/sso/cache`, in clear.
    is_shared: bool,
}

impl Sso {
    /// Through this client; logins are kept in `logins`, and those of other tools found below `home`.
    pub fn new(http: SharedHttpClient, logins: Logins, home: &std::path::Path, is_shared: bool) -> Self {
        Self { http, logins, cache: SsoCache::of(home), is_shared }
    }

    async fn config(&self, session: &SsoSession) -> SdkConfig {
        let region = aws_config::Region::new(session.region.to_string());
        sdk::loader(self.http.clone(), region).no_credentials().load().await
    }

    /// Credentials of a role, by the token of a login.
    pub(super) async fn credentials(
        &self,
        source_name: &str,
        session: &SsoSession,
        account_id: &str,
        role_name: &str,
    ) -> Result<Credentials, IssueError> {
        let token = self.token(source_name, session).await?;
        let portal = aws_sdk_sso::Client::new(&self.config(session).await);
        let call = portal.get_role_credentials().account_id(account_id).role_name(role_name);
        let answer = call.access_token(token.access_token.as_str()).send().await;
        let answer = answer.map_err(|error| {
            let failed =
                portal_error(source_name, session, &format!("{role_name} in account {account_id}"), &error);
            if matches!(failed, IssueError::NeedsLogin { .. })
                && self.logins.token(session).is_some_and(|held| held == token)
            {
                // The Identity Center does not take it any more, whatever its end.
                self.logins.drop_token(session);
            }
            failed
        })?;
        let given =
            answer.role_credentials.unwrap_or_else(|| aws_sdk_sso::types::RoleCredentials::builder().build());
        let (Some(id), Some(secret), Some(token)) =
            (given.access_key_id, given.secret_access_key, given.session_token)
        else {
            return Err(IssueError::Refused {
                code: "none".to_owned(),
                why: "the portal's answer has no usable credentials".to_owned(),
            });
        };
        Ok(Credentials::new(id, secret, Some(token), None, "sso"))
    }

    /// A token that can be used now: the newest of our own and the one that another AWS tool left behind, renewed if it
    /// has to be.
    async fn token(&self, source_name: &str, session: &SsoSession) -> Result<SsoToken, IssueError> {
        if let Some(token) = self.newest(session).await.filter(|token| token.is_fresh(clock::now())) {
            self.logins.note_use(session);
            return Ok(token);
        }
        let _turn = self.logins.renewal_turn().await;
        // Whoever had the turn before may have renewed it.
        let needs = |why: &str| needs_login(source_name, session, why);
        let now = clock::now();
        let Some(token) = self.newest(session).await else { return Err(needs("nobody has logged in yet")) };
        self.logins.note_use(session);
        if token.is_fresh(now) {
            return Ok(token);
        }
        match self.renewal(session, token.clone()).await {
            Ok(token) => Ok(token),
            // A minute is enough for a call.
            Err(RenewalError::NotRenewable | RenewalError::Unreachable(_))
                if token.is_good(now.after(Duration::from_mins(1))) =>
            {
                Ok(token)
            }
            Err(RenewalError::NotRenewable) => {
                Err(needs(&format!("the last login ended at {}", token.expires)))
            }
            Err(RenewalError::Ended(why)) => Err(needs(&why)),
            Err(RenewalError::Unreachable(why)) => Err(IssueError::Network { why }),
        }
    }

    /// Our own token or another tool's, whichever ends later.
    async fn newest(&self, session: &SsoSession) -> Option<SsoToken> {
        let (cache, asked) = (self.cache.clone(), session.clone());
        let found = tokio::task::spawn_blocking(move || cache.token(&asked)).await.ok().flatten();
        let own = self.logins.token(session);
        // Ours can be renewed without taking anything from another tool, so that it comes first where both are alike.
        match (own, found) {
            (Some(own), Some(found)) if found.expires > own.expires && found.is_good(clock::now()) => {
                Some(found)
            }
            (Some(own), _) => Some(own),
            (None, found) => found,
        }
    }

    /// Gets the next token. That of another tool is left to that tool, unless both share the file: a refresh token may be
    /// good once, and the other would be logged out.
    async fn renewal(&self, session: &SsoSession, token: SsoToken) -> Result<SsoToken, RenewalError> {
        let is_ours = self.logins.token(session).as_ref() == Some(&token);
        if !is_ours && !self.is_shared {
            return Err(RenewalError::NotRenewable);
        }
        let now = clock::now();
        let Some((client, refresh)) = token.renewable(now) else { return Err(RenewalError::NotRenewable) };
        let oidc = aws_sdk_ssooidc::Client::new(&self.config(session).await);
        let call = oidc.create_token().grant_type("refresh_token").client_id(&client.id);
        let answer = call.client_secret(client.secret.as_str()).refresh_token(refresh.as_str()).send().await;
        match answer {
            Ok(answer) => {
                let next = next_token(answer, client.clone(), Some(refresh.clone()), now);
                let next =
                    next.ok_or_else(|| RenewalError::Unreachable("its answer has no token".to_owned()))?;
                tracing::info!(%session, expires = %next.expires, "the login was renewed");
                if !is_ours {
                    self.keep(session, next.clone()).await;
                } else if self.logins.keep_renewed(session, &token, next.clone()) {
                    self.share(session, next.clone()).await;
                } else {
                    return Err(RenewalError::Ended("the login was forgotten meanwhile".to_owned()));
                }
                Ok(next)
            }
            Err(error) if is_final(&error) => {
                if is_ours {
                    self.logins.drop_token(session);
                }
                Err(RenewalError::Ended(format!(
                    "the last login cannot be renewed any more ({})",
                    code(&error)
                )))
            }
            Err(error) => Err(RenewalError::Unreachable(format!("IAM Identity Center: {}", words(&error)))),
        }
    }

    /// Renews a token of ours before somebody needs it. Whether it is good for a while.
    pub async fn renew_ahead(&self, session: &SsoSession) -> bool {
        let _turn = self.logins.renewal_turn().await;
        let Some(token) = self.logins.token(session) else { return false };
        if token.is_fresh(clock::now().after(crate::core::sso::MARGIN)) {
            return true;
        }
        match self.renewal(session, token).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%session, %error, "the login could not be renewed ahead");
                false
            }
        }
    }

    /// Keeps a token, also for other AWS tools where that is wanted.
    async fn keep(&self, session: &SsoSession, token: SsoToken) {
        self.logins.keep_token(session, token.clone());
        self.share(session, token).await;
    }

    /// Gives a token to other AWS tools, where that is wanted.
    async fn share(&self, session: &SsoSession, token: SsoToken) {
        if !self.is_shared {
            return;
        }
        let (cache, session) = (self.cache.clone(), session.clone());
        let written = tokio::task::spawn_blocking(move || cache.keep(&session, &token)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "other AWS tools do not see the login");
        }
    }

    /// Where a token of another tool would be, for people.
    pub fn cache_directory(home: &std::path::Path) -> PathBuf {
        home.join(".aws/sso/cache")
    }
}

/// Why a token was not renewed.
#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error("it cannot be renewed")]
    NotRenewable,
    #[error("{0}")]
    Ended(String),
    #[error("{0}")]
    Unreachable(String),
}

fn needs_login(source_name: &str, session: &SsoSession, why: &str) -> IssueError {
    IssueError::NeedsLogin {
        source_name: format!("{source_name} ({session})"),
        why: why.to_owned(),
        login: session.login_command(),
    }
}

/// Whether asking again would be answered in the same way.
fn is_final<R>(error: &SdkError<CreateTokenError, R>) -> bool {
    let SdkError::ServiceError(refused) = error else { return false };
    refused.err().is_invalid_grant_exception()
        || refused.err().is_expired_token_exception()
        || refused.err().is_invalid_client_exception()
        || refused.err().is_unauthorized_client_exception()
        || refused.err().is_access_denied_exception()
        || refused.err().is_invalid_scope_exception()
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let SdkError::ServiceError(refused) = error else { return "no answer".to_owned() };
    refused.err().code().unwrap_or("unknown").to_owned()
}

/// The token in an answer. `refresh` is the refresh token so far: an answer without one leaves it in force.
fn next_token(
    answer: CreateTokenOutput,
    client: SsoClient,
    refresh: Option<Zeroizing<String>>,
    now: Timestamp,
) -> Option<SsoToken> {
    Some(SsoToken {
        access_token: Zeroizing::new(answer.access_token.filter(|token| !token.is_empty())?),
        expires: Timestamp(now.0 + i64::from(answer.expires_in.max(0))),
        refresh_token: answer.refresh_token.map(Zeroizing::new).or(refresh),
        client: Some(client),
    })
}

fn portal_error<R: std::fmt::Debug + Send + Sync + 'static>(
    source_name: &str,
    session: &SsoSession,
    role: &str,
    error: &SdkError<GetRoleCredentialsError, R>,
) -> IssueError {
    let SdkError::ServiceError(refused) = error else {
        return IssueError::Network { why: format!("the portal of IAM Identity Center: {}", words(error)) };
    };
    let code = code(error);
    let why: String = refused.err().message().unwrap_or("no message").chars().take(400).collect();
    match code.as_str() {
        "UnauthorizedException" => {
            needs_login(source_name, session, "the Identity Center does not take the last login any more")
        }
        "ForbiddenException" | "AccessDeniedException" => {
            IssueError::AccessDenied { source_name: source_name.to_owned(), role: role.to_owned(), why }
        }
        "TooManyRequestsException" => IssueError::Throttled { why: format!("the portal: {why}") },
        "InternalServerException" | "InternalFailure" | "unknown" => {
            IssueError::Network { why: format!("the portal of IAM Identity Center: {code}: {why}") }
        }
        _ => IssueError::Refused { code, why },
    }
}
