//! AWS Security Token Service: sessions for access roles.

mod failure;
mod region;
mod step;

use std::borrow::Cow;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::config::IdentityCache;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::aws_clock::AwsClock;
use super::keychain::Durable;
use super::logins::Logins;
use super::sso::Sso;
use super::{base_credentials, mfa_process, sdk};
use crate::core::catalog::{AccessRole, Source};
use crate::core::credentials::SessionCredentials;
use crate::core::issue::IssueError;
use crate::core::mfa::{MfaCode, MfaHolder, MfaSession};
use crate::core::moment::Timestamp;
use crate::core::name::MfaSerial;
use crate::core::session::SessionRequest;

use base_credentials::{Base, Places};
use region::region;
use step::Step;

/// A session, some time from now.
pub type Issuing = Pin<Box<dyn Future<Output = Result<SessionCredentials, IssueError>> + Send>>;
/// What a code of an MFA device opens, some time from now.
pub type Presenting = Pin<Box<dyn Future<Output = Result<Presented, IssueError>> + Send>>;

/// Gives sessions. One of the two places where tests put a stand-in.
pub trait Issuer: Send + Sync + std::fmt::Debug {
    /// Asks for a session. The future owns what it needs, so that it can go on when its caller has left.
    fn issue(&self, request: SessionRequest) -> Issuing;

    /// Asks for a session with a code that goes into `AssumeRole` itself, so that AWS decides on it for this one session.
    fn issue_with_code(&self, _: SessionRequest, _: MfaCode) -> Issuing {
        Box::pin(async { Err(no_codes()) })
    }

    /// Uses a code for whatever the request needs one for.
    fn present(&self, _: SessionRequest, _: MfaCode) -> Presenting {
        Box::pin(async { Err(no_codes()) })
    }

    /// The real thing, where it is that: logins are made with it.
    fn sts(&self) -> Option<&Sts> {
        None
    }
}

fn no_codes() -> IssueError {
    IssueError::Internal { why: "it takes no codes".to_owned() }
}

/// What a code opened.
#[derive(Debug)]
pub enum Presented {
    /// An MFA session, which signs for every role of its user until it ends.
    Kept {
        /// When that is.
        expires: Timestamp,
    },
    /// One session: what signs for it is no user's keys, so that AWS takes a code for each.
    Session(SessionCredentials),
}

/// What brokerd's settings say about base credentials.
#[derive(Debug, Clone)]
pub struct SigningSettings {
    /// The user's home.
    pub home: PathBuf,
    /// Whether SSO tokens are shared with other AWS tools, in clear.
    pub sso_cache_is_shared: bool,
    /// What prints MFA codes; empty where a person is asked.
    pub mfa_process: Vec<String>,
    /// How long an MFA session lasts.
    pub mfa_session: Duration,
}

/// The real thing, by the AWS SDK. Endpoints, proxies, FIPS and retries follow the SDK's own settings.
#[derive(Debug, Clone)]
pub struct Sts {
    http: SharedHttpClient,
    keychain: Durable,
    settings: SigningSettings,
    clock: AwsClock,
    /// The Identity Center.
    pub sso: Sso,
    /// What people have logged in to.
    pub logins: Logins,
}

impl Sts {
    /// STS through a client of [`super::https`]; base credentials may be in this keychain. What it says of the time
    /// goes to `clock`, by which is signed.
    pub fn new(
        http: SharedHttpClient,
        keychain: Durable,
        settings: SigningSettings,
        clock: AwsClock,
    ) -> Self {
        let logins = Logins::default();
        let sso = Sso::new(http.clone(), logins.clone(), &settings.home, settings.sso_cache_is_shared);
        Self { http, keychain, settings, clock, sso, logins }
    }
}

impl Issuer for Sts {
    fn issue(&self, request: SessionRequest) -> Issuing {
        let sts = self.clone();
        Box::pin(async move { session(sts.assume(&request, Code::None).await?) })
    }

    fn issue_with_code(&self, request: SessionRequest, code: MfaCode) -> Issuing {
        let sts = self.clone();
        Box::pin(async move { session(sts.assume(&request, Code::IntoRole(&code)).await?) })
    }

    fn present(&self, request: SessionRequest, code: MfaCode) -> Presenting {
        let sts = self.clone();
        Box::pin(async move { sts.assume(&request, Code::ForDevice(&code)).await })
    }

    fn sts(&self) -> Option<&Sts> {
        Some(self)
    }
}

fn session(presented: Presented) -> Result<SessionCredentials, IssueError> {
    match presented {
        Presented::Session(credentials) => Ok(credentials),
        Presented::Kept { .. } => {
            Err(IssueError::Internal { why: "a code opened something else than a session".to_owned() })
        }
    }
}

/// A code that somebody gives now, and what for.
#[derive(Clone, Copy)]
enum Code<'a> {
    None,
    /// For what the request waits for.
    ForDevice(&'a MfaCode),
    /// For the access role itself.
    IntoRole(&'a MfaCode),
}

/// A code for one of the steps.
struct StepCode<'a> {
    step: usize,
    serial: MfaSerial,
    code: Cow<'a, MfaCode>,
}

impl Sts {
    async fn assume(&self, request: &SessionRequest, code: Code<'_>) -> Result<Presented, IssueError> {
        let role = &request.access_role;
        let first = role.via.first().unwrap_or(role);
        let config = self.config(role).await;
        let base = match &first.web_identity_token_file {
            Some(_) => None,
            None => Some(self.base(role).await?),
        };
        let of_profile = base.as_ref().map_or(&[][..], |base| base.steps.as_slice());
        let steps: Vec<Step<'_>> = of_profile
            .iter()
            .map(Step::of_profile)
            .chain(role.via.iter().map(|via| Step::on_the_way(via, request)))
            .chain([Step::last(role, request)])
            .collect();
        let Some(base) = &base else {
            return match code {
                Code::None => self.walk(request, &config, None, &steps, None).await,
                Code::ForDevice(_) | Code::IntoRole(_) => Err(IssueError::Refused {
                    code: "none".to_owned(),
                    why: "a token of an identity provider opens the role, and AWS takes no code with that"
                        .to_owned(),
                }),
            };
        };
        let device = steps.iter().position(|step| step.mfa_serial.is_some());
        let serial = device.and_then(|at| steps[at].mfa_serial).or(base.mfa_serial.as_ref()).cloned();
        match (code, serial) {
            (Code::IntoRole(code), Some(serial)) if steps.len() == 1 => {
                let code = StepCode { step: 0, serial, code: Cow::Borrowed(code) };
                self.walk(request, &config, Some(base), &steps, Some(code)).await
            }
            (Code::IntoRole(_) | Code::ForDevice(_), None) => Err(IssueError::Refused {
                code: "none".to_owned(),
                why: "neither the profile's access_role nor its source has an mfa_serial, so that AWS takes no code".to_owned(),
            }),
            (Code::IntoRole(_), Some(_)) => Err(IssueError::Refused {
                code: "none".to_owned(),
                why: "AWS takes a code for a role only from a user's own keys, and here another role comes before it".to_owned(),
            }),
            (Code::None, None) => self.walk(request, &config, Some(base), &steps, None).await,
            (code, Some(serial)) if base.is_long_term() => {
                let holder = MfaHolder { serial, access_key_id: base.credentials.access_key_id().to_owned() };
                if let Code::ForDevice(code) = code {
                    let kept = self.mfa_session(request, &config, base, &holder, code).await?;
                    return Ok(Presented::Kept { expires: kept.expires() });
                }
                let signer = self.with_mfa(request, &config, base, &holder).await?;
                let base = &Base { credentials: signer, steps: Vec::new(), mfa_serial: None, is_role: false };
                let outcome = self.walk(request, &config, Some(base), &steps, None).await;
                if matches!(outcome, Err(IssueError::BaseCredentialsExpired { .. })) {
                    self.logins.drop_mfa(&holder);
                }
                outcome
            }
            (code, Some(serial)) => {
                // Temporary credentials get no MFA session: the code goes into AssumeRole of the role that asks for it.
                let Some(step) = device else { return self.walk(request, &config, Some(base), &steps, None).await };
                let code = match code {
                    Code::ForDevice(code) => Cow::Borrowed(code),
                    _ => Cow::Owned(self.code(request, &serial).await?),
                };
                let code = StepCode { step, serial: serial.clone(), code };
                let outcome = self.walk(request, &config, Some(base), &steps, Some(code)).await;
                if outcome.is_ok() {
                    self.logins.came(&serial);
                }
                outcome
            }
        }
    }

    /// The credentials that sign for the first step.
    async fn base(&self, role: &AccessRole) -> Result<Base, IssueError> {
        // Fetched apart from the call, so that "no credentials" and "STS says no" stay two things.
        let config = ProviderConfig::default()
            .with_region(Some(region(role).await))
            .with_http_client(self.http.clone());
        let places = Places { config: &config, keychain: &self.keychain, sso: &self.sso };
        base_credentials::fetch(&role.source, &places).await
    }

    async fn config(&self, role: &AccessRole) -> SdkConfig {
        let mut loader = sdk::loader(self.http.clone(), region(role).await)
            .no_credentials()
            .time_source(self.clock.signing())
            .identity_cache(IdentityCache::no_cache());
        if let Source::Named(profile) = &role.source {
            loader = loader.profile_name(profile);
        }
        loader.load().await
    }

    /// Assumes one role after the other; the session of the last one is what was asked for.
    async fn walk(
        &self,
        request: &SessionRequest,
        config: &SdkConfig,
        base: Option<&Base>,
        steps: &[Step<'_>],
        code: Option<StepCode<'_>>,
    ) -> Result<Presented, IssueError> {
        let mut signer = base.map(|base| base.credentials.clone());
        let mut signed_by = base_credentials::name(&request.access_role.source);
        let mut is_role = base.is_some_and(|base| base.is_role);
        let mut given = None;
        for (number, step) in steps.iter().enumerate() {
            let call = step::Call {
                config,
                signer: signer.as_ref(),
                signed_by: &signed_by,
                is_chained: is_role,
                code: code
                    .as_ref()
                    .filter(|code| code.step == number)
                    .map(|code| (&code.serial, &*code.code)),
                home: &self.settings.home,
                clock: &self.clock,
            };
            let session = call.assume(step).await?;
            let secrets = session.reveal();
            let token = Some(secrets.session_token.to_owned());
            signer = Some(Credentials::new(
                session.access_key_id(),
                secrets.secret_access_key,
                token,
                None,
                "role",
            ));
            signed_by = format!("the session of {}", step.role_arn);
            is_role = true;
            given = Some(session);
        }
        given
            .map(Presented::Session)
            .ok_or_else(|| IssueError::Internal { why: "there is no role".to_owned() })
    }

    /// What signs in place of long-term keys once AWS has had a code: the MFA session that there is, or a new one.
    async fn with_mfa(
        &self,
        request: &SessionRequest,
        config: &SdkConfig,
        base: &Base,
        holder: &MfaHolder,
    ) -> Result<Credentials, IssueError> {
        let session = match self.logins.mfa(holder, self.clock.now()) {
            Some(session) => session,
            None => self.new_mfa_session(request, config, base, holder).await?,
        };
        let secrets = session.reveal();
        let token = Some(secrets.session_token.to_owned());
        Ok(Credentials::new(session.access_key_id(), secrets.secret_access_key, token, None, "mfa"))
    }

    /// A new MFA session, unless somebody else has got one meanwhile: each code is good once, for all who wait.
    async fn new_mfa_session(
        &self,
        request: &SessionRequest,
        config: &SdkConfig,
        base: &Base,
        holder: &MfaHolder,
    ) -> Result<Arc<SessionCredentials>, IssueError> {
        let _turn = self.logins.code_turn().await;
        if let Some(session) = self.logins.mfa(holder, self.clock.now()) {
            return Ok(session);
        }
        let code = self.code(request, &holder.serial).await?;
        self.mfa_session(request, config, base, holder, &code).await
    }

    /// Asks for an MFA session, and keeps it.
    async fn mfa_session(
        &self,
        request: &SessionRequest,
        config: &SdkConfig,
        base: &Base,
        holder: &MfaHolder,
        code: &MfaCode,
    ) -> Result<Arc<SessionCredentials>, IssueError> {
        let signed_by = base_credentials::name(&request.access_role.source);
        let cleared = self.logins.cleared();
        let session = step::session_token(
            config,
            &base.credentials,
            &signed_by,
            &holder.serial,
            code,
            self.settings.mfa_session,
            &self.clock,
        );
        let session = Arc::new(session.await?);
        tracing::info!(serial = %holder.serial, expires = %session.expires(), "MFA session");
        let kept = MfaSession { holder: holder.clone(), credentials: session.clone() };
        self.logins.keep_mfa(kept, cleared);
        Ok(session)
    }

    /// A code, of the program that gives them; where there is none, somebody has to give it.
    async fn code(&self, request: &SessionRequest, serial: &MfaSerial) -> Result<MfaCode, IssueError> {
        let needed = |why: String| {
            self.logins.wait_for(serial, request);
            IssueError::NeedsMfa { serial: serial.to_string(), why }
        };
        if self.settings.mfa_process.is_empty() {
            return Err(needed("nobody has given one".to_owned()));
        }
        mfa_process::code(&self.settings.mfa_process, serial).await.map_err(|error| needed(error.to_string()))
    }

    /// The MFA device whose code AWS is given for a role, if any.
    pub async fn mfa_device(&self, role: &AccessRole) -> Result<Option<MfaSerial>, IssueError> {
        let first = role.via.first().unwrap_or(role);
        if first.web_identity_token_file.is_some() {
            return Ok(None);
        }
        let described = base_credentials::described(&role.source).await?;
        let of_profile = described.as_ref().map_or(&[][..], |base| base.steps.as_slice());
        let in_turn = of_profile
            .iter()
            .map(|step| step.mfa_serial.as_ref())
            .chain(role.via.iter().map(|via| via.mfa_serial.as_ref()))
            .chain([role.mfa_serial.as_ref()]);
        let serial = in_turn.flatten().next().cloned();
        Ok(serial.or_else(|| described.and_then(|base| base.mfa_serial)))
    }
}

/// A path that may begin with `~/`.
fn expanded(path: &Path, home: &Path) -> PathBuf {
    path.strip_prefix("~").map_or_else(|_| path.to_owned(), |rest| home.join(rest))
}

#[cfg(test)]
mod tests;
