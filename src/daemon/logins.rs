//! Logins: one at a time for each session of IAM Identity Center, whoever asks for it; and codes of MFA devices.

mod target;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Broker;
use super::control::Failure;
use crate::core::catalog::AccessRole;
use crate::core::credentials::SessionCredentials;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::mfa::MfaCode;
use crate::core::moment::Timestamp;
use crate::core::name::{MfaSerial, ProfileName, SessionName};
use crate::core::nearest::did_you_mean;
use crate::core::protocol::{LoggedIn, LoginPage, LoginStatus, LoginTarget, MfaTaken, Reply};
use crate::core::session::SessionRequest;
use crate::core::sso::{MARGIN, SsoSession, SsoToken};
use crate::edges::sso::{Begun, LoginError, Way};
use crate::edges::sts::{Presented, Sts};
use crate::edges::{clock, random};

use target::Found;

/// A client asks again after so long; its own patience is a minute.
const ANSWER: Duration = Duration::from_secs(40);
/// A renewal that failed is tried again after this.
const RETRY: Duration = Duration::from_mins(1);

/// How a login ended, once it has.
type Ending = watch::Receiver<Option<Result<SsoToken, LoginError>>>;

/// A login that waits for its person.
#[derive(Debug)]
struct Waiting {
    session: SsoSession,
    way: Way,
    page: LoginPage,
    ending: Ending,
    task: AbortHandle,
}

impl Waiting {
    fn is_open(&self) -> bool {
        self.ending.borrow().is_none() && self.page.expires > clock::now()
    }
}

/// The logins that were begun.
#[derive(Debug, Default)]
pub(super) struct Desk {
    waiting: Mutex<HashMap<String, Waiting>>,
    /// Held while one is begun, so that many who need it at once get the same page.
    turn: tokio::sync::Mutex<()>,
}

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The login of a session that waits already, unless its way is not the wanted one.
    fn open(&self, session: &SsoSession, way: Way) -> Option<LoginPage> {
        let waiting = self.lock();
        let open = waiting.get(session.id()).filter(|waiting| waiting.is_open())?;
        let does = open.way == way || way == Way::Browser;
        (does && open.session == *session).then(|| LoginPage { is_joined: true, ..open.page.clone() })
    }
}

impl Broker {
    fn sts(&self) -> Result<&Sts, Failure> {
        self.issuer.sts().ok_or_else(|| Failure::new("this daemon has no AWS to log in to", None))
    }

    /// Begins a login, or joins the one that waits.
    pub(super) async fn begin_login(&self, target: &LoginTarget, by_code: bool) -> Result<Reply, Failure> {
        let sts = self.sts()?;
        let session = match self.found(sts, target).await? {
            Found::Session(session) => session,
            Found::Device(serial) => return Ok(Reply::MfaWanted { serial: serial.to_string() }),
        };
        let way = if by_code { Way::DeviceCode } else { Way::Browser };
        let _turn = self.desk.turn.lock().await;
        if let Some(page) = self.desk.open(&session, way) {
            return Ok(Reply::LoginBegun(Box::new(page)));
        }
        let begun = sts.sso.begin(&session, way).await;
        let Begun { url, code, expires, finishing } = begun
            .map_err(|error| Failure::new(format!("{session}: {error}"), Some(error.hint().to_owned())))?;
        let page = LoginPage {
            id: session.id().to_owned(),
            what: session.to_string(),
            url,
            code,
            expires,
            is_joined: false,
        };
        let (end, ending) = watch::channel(None);
        let what = page.what.clone();
        let task = tokio::spawn(async move {
            let outcome = finishing.await;
            match &outcome {
                Ok(token) => tracing::info!(what, expires = %token.expires, "logged in"),
                Err(error) => tracing::info!(what, %error, "not logged in"),
            }
            let _ = end.send(Some(outcome));
        });
        let task = task.abort_handle();
        let waiting = Waiting { session: session.clone(), way, page: page.clone(), ending, task };
        if let Some(earlier) = self.desk.lock().insert(session.id().to_owned(), waiting) {
            earlier.task.abort();
        }
        Ok(Reply::LoginBegun(Box::new(page)))
    }

    /// How a login ended, or that it has not yet.
    pub(super) async fn await_login(&self, id: &str) -> Result<Reply, Failure> {
        let hint = || Some("run brokerctl login again".to_owned());
        let found = self.desk.lock().get(id).map(|waiting| (waiting.session.clone(), waiting.ending.clone()));
        let (session, mut ending) = found.ok_or_else(|| Failure::new("nobody began this login", hint()))?;
        let outcome = match timeout(ANSWER, ending.wait_for(Option::is_some)).await {
            Err(_) => return Ok(Reply::LoginPending),
            // Another one has taken its place.
            Ok(Err(_)) => return Err(Failure::new("another login has taken the place of this one", hint())),
            Ok(Ok(outcome)) => outcome.clone(),
        };
        match outcome {
            Some(Ok(token)) => Ok(Reply::LoggedIn(LoggedIn {
                what: session.to_string(),
                expires: token.expires,
                is_renewed: token.refresh_token.is_some(),
                keychain: self.keeper.chosen.kind,
            })),
            Some(Err(error)) => {
                Err(Failure::new(format!("{session}: {error}"), Some(error.hint().to_owned())))
            }
            None => Ok(Reply::LoginPending),
        }
    }

    /// Forgets a login.
    pub(super) async fn forget_login(&self, target: &LoginTarget) -> Result<Reply, Failure> {
        let sts = self.sts()?;
        let Found::Session(session) = self.found(sts, target).await? else {
            return Err(Failure::new("there is no login to forget: it signs with keys", None));
        };
        if let Some(waiting) = self.desk.lock().remove(session.id()) {
            waiting.task.abort();
        }
        Ok(Reply::LoginForgotten { what: session.to_string(), was_there: sts.logins.drop_token(&session) })
    }

    /// The logins that there are, for `status`.
    pub(super) fn login_status(&self) -> Vec<LoginStatus> {
        let now = clock::now();
        let mut shown: Vec<_> = self
            .logins
            .tokens()
            .into_iter()
            .map(|(session, token)| LoginStatus {
                what: session.to_string(),
                expires: token.expires,
                is_renewed: token.renewable(now).is_some(),
                login: session.login_command(),
            })
            .collect();
        shown.sort_by(|one, other| one.what.cmp(&other.what));
        shown
    }

    /// Whose code is wanted, and for what: of the named profile; else what waits for one; else the catalog's only device.
    pub(super) async fn wanted_code(
        &self,
        profile: Option<&str>,
    ) -> Result<(MfaSerial, SessionRequest), Failure> {
        let sts = self.sts()?;
        let catalog = self
            .catalogs
            .current()
            .await
            .map_err(|why| Failure::new(why, Some("brokerd --check".to_owned())))?;
        let mut waiting = sts.logins.waiting();
        waiting.retain(|(_, request)| catalog.has_role(&request.access_role));
        if let Some(name) = profile {
            let found = ProfileName::parse(name).ok().and_then(|name| catalog.profiles.get(&name));
            let near = || did_you_mean(name, catalog.profiles.keys().map(ProfileName::as_str));
            let found =
                found.ok_or_else(|| Failure::new(format!("the catalog has no profile {name}"), near()))?;
            let role = found.access_role.as_ref();
            let role =
                role.ok_or_else(|| Failure::new(format!("profile {name} has no access role"), None))?;
            let serial =
                sts.mfa_device(role).await?.ok_or_else(|| no_device(&format!("profile {name} has no")))?;
            let waits = waiting.into_iter().find(|(_, request)| request.access_role == *role);
            return Ok((serial, waits.map_or_else(|| unnamed(role), |(_, request)| request)));
        }
        let several = |serials: Vec<&MfaSerial>| {
            let serials: Vec<_> = serials.iter().map(|serial| serial.as_str()).collect();
            let hint = "name a profile: brokerctl mfa --profile PROFILE".to_owned();
            Failure::new(format!("there are several MFA devices: {}", serials.join(", ")), Some(hint))
        };
        match waiting.as_slice() {
            [(serial, request)] => return Ok((serial.clone(), request.clone())),
            [] => {}
            many => return Err(several(many.iter().map(|(serial, _)| serial).collect())),
        }
        match self.devices(sts, &catalog).await.as_slice() {
            [] => Err(no_device("no profile of the catalog has an")),
            [(serial, role)] => Ok((serial.clone(), unnamed(role))),
            many => Err(several(many.iter().map(|(serial, _)| serial).collect())),
        }
    }

    /// Gives AWS a code.
    pub(super) async fn take_code(&self, profile: Option<&str>, code: MfaCode) -> Result<Reply, Failure> {
        if let Some(since) = self.sessions.locked() {
            return Err(IssueError::Locked { since }.into());
        }
        let (serial, request) = self.wanted_code(profile).await?;
        // The code may go into a call for the role itself.
        let role = &request.access_role;
        let is_protected = self.known_catalog().await?.protection_of(role).is_some();
        if is_protected && !self.approvals.given().iter().any(|given| given.of.role == role.role_arn) {
            let why = format!(
                "the role {} is that of a protected profile, whose use is not approved",
                role.role_arn
            );
            return Err(Failure::for_person(why, "brokerctl approve APP STAGE"));
        }
        let taken = |expires, is_for_one| {
            Reply::MfaTaken(MfaTaken { serial: serial.to_string(), expires, is_for_one })
        };
        match self.issuer.present(request.clone(), code).await? {
            Presented::Kept { expires } => Ok(taken(expires, false)),
            Presented::Session(credentials) => {
                let expires = self.put(&Arc::new(request), None, credentials);
                Ok(taken(expires, true))
            }
        }
    }

    /// Mints a session with a code that goes into `AssumeRole` itself, so that AWS decides on this very session, and keeps
    /// it in place of the one before. [`Broker::is_made_with_code`] tells such a session from others.
    pub async fn mint_with_code(
        &self,
        decision: &Arc<Decision>,
        code: MfaCode,
    ) -> Result<Timestamp, IssueError> {
        if let Some(since) = self.sessions.locked() {
            return Err(IssueError::Locked { since });
        }
        let request = self.request(decision);
        let credentials = self.issuer.issue_with_code((**request).clone(), code).await?;
        Ok(self.put(request, Some(decision), credentials))
    }

    /// Whether the session of a decision was made with a code that went into `AssumeRole` for it.
    pub fn is_made_with_code(&self, decision: &Decision) -> bool {
        self.sessions.is_made_with_code(self.request(decision))
    }

    fn put(
        &self,
        request: &Arc<SessionRequest>,
        decision: Option<&Arc<Decision>>,
        credentials: SessionCredentials,
    ) -> Timestamp {
        let expires = credentials.expires();
        self.sessions.put(request, decision, credentials);
        expires
    }

    /// Renews the tokens of logins ahead of their end, those that somebody used.
    pub(super) async fn renew_logins(self: Arc<Self>, stop: CancellationToken) {
        let Some(sts) = self.issuer.sts() else { return };
        let mut failed_at: HashMap<String, Timestamp> = HashMap::new();
        loop {
            let now = clock::now();
            let [jitter] = random::bytes();
            let mut next: Option<Duration> = None;
            for (session, token) in sts.logins.to_renew(now) {
                let retry = failed_at
                    .get(session.id())
                    .map_or(Duration::ZERO, |failed| failed.after(RETRY).remaining(now));
                // Twice the margin before its end, so that whoever needs it never has to wait.
                let wait = token
                    .expires
                    .remaining(now)
                    .saturating_sub(MARGIN * 2 + Duration::from_secs(u64::from(jitter) / 4));
                let wait = wait.max(retry);
                if !wait.is_zero() {
                    next = Some(next.map_or(wait, |next| next.min(wait)));
                } else if stop.run_until_cancelled(Box::pin(sts.sso.renew_ahead(&session))).await
                    == Some(true)
                {
                    failed_at.remove(session.id());
                } else {
                    failed_at.insert(session.id().to_owned(), clock::now());
                    next = Some(next.map_or(RETRY, |next| next.min(RETRY)));
                }
            }
            tokio::select! {
                () = sts.logins.used() => {}
                () = sleep(next.unwrap_or_default()), if next.is_some() => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        crate::core::refusal::Refusal::from(error).into()
    }
}

fn no_device(whose: &str) -> Failure {
    Failure::new(
        format!("{whose} mfa_serial, in its access_role or in its source"),
        Some("add mfa_serial to the profile's access_role".to_owned()),
    )
}

/// A request that no stage has made: good enough to ask for an MFA session.
fn unnamed(role: &AccessRole) -> SessionRequest {
    #[allow(clippy::expect_used, reason = "the text keeps the rule of session names")]
    let name =
        role.session_name.clone().unwrap_or_else(|| SessionName::parse("brokerd").expect("a session name"));
    SessionRequest { access_role: role.clone(), session_name: name }
}
