//! What people have logged in to, in memory: tokens of IAM Identity Center and MFA sessions. The daemon keeps them in the
//! keychain beside its sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::core::cache::KeptLogins;
use crate::core::credentials::SessionCredentials;
use crate::core::mfa::{MfaHolder, MfaSession};
use crate::core::moment::Timestamp;
use crate::core::name::MfaSerial;
use crate::core::session::SessionRequest;
use crate::core::sso::{SsoSession, SsoToken};

/// A token, and whether somebody used it since it came.
#[derive(Debug)]
struct Held {
    session: SsoSession,
    token: SsoToken,
    is_used: bool,
}

#[derive(Debug, Default)]
struct State {
    tokens: HashMap<String, Held>,
    mfa: HashMap<MfaHolder, Arc<SessionCredentials>>,
    /// The devices whose code is waited for, each with the newest request that waits.
    waiting: HashMap<MfaSerial, SessionRequest>,
    /// How often everything was dropped: what was on its way then is not kept when it comes.
    cleared: u64,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
    renewable: Notify,
    /// Held while a token is renewed, and while a code is used: both are good once, and all who wait share what comes of it.
    renewal: tokio::sync::Mutex<()>,
    code: tokio::sync::Mutex<()>,
}

/// All logins; a clone is the same ones.
#[derive(Debug, Clone, Default)]
pub struct Logins(Arc<Inner>);

impl Logins {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are other logins than when this last returned.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Waits until a token is used or comes, so that its renewal may have to be planned anew.
    pub async fn used(&self) {
        self.0.renewable.notified().await;
    }

    /// Waits until nobody else renews a token.
    pub async fn renewal_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.renewal.lock().await
    }

    /// Waits until nobody else uses a code.
    pub async fn code_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.code.lock().await
    }

    /// The token of a session.
    pub fn token(&self, session: &SsoSession) -> Option<SsoToken> {
        let state = self.lock();
        // A session of that name may lead elsewhere by now.
        let held = state.tokens.get(session.id());
        held.filter(|held| held.session.start_url == session.start_url).map(|held| held.token.clone())
    }

    /// Notes that the token of a session was used.
    pub fn note_use(&self, session: &SsoSession) {
        let mut state = self.lock();
        if let Some(held) = state.tokens.get_mut(session.id()).filter(|held| !held.is_used) {
            held.is_used = true;
            self.0.renewable.notify_one();
        }
    }

    /// Keeps a token in place of the one before.
    pub fn keep_token(&self, session: &SsoSession, token: SsoToken) {
        let held = Held { session: session.clone(), token, is_used: false };
        self.lock().tokens.insert(session.id().to_owned(), held);
        self.0.changed.notify_one();
        self.0.renewable.notify_one();
    }

    /// Keeps the token that came of renewing `before`, unless that was dropped or replaced meanwhile: whoever logs out
    /// is not logged in again by what was on its way. Whether it is kept.
    pub fn keep_renewed(&self, session: &SsoSession, before: &SsoToken, token: SsoToken) -> bool {
        let mut state = self.lock();
        let Some(held) = state.tokens.get_mut(session.id()).filter(|held| held.token == *before) else {
            return false;
        };
        *held = Held { session: session.clone(), token, is_used: false };
        drop(state);
        self.0.changed.notify_one();
        self.0.renewable.notify_one();
        true
    }

    /// Drops the token of a session, and says whether there was one.
    pub fn drop_token(&self, session: &SsoSession) -> bool {
        let was_there = self.lock().tokens.remove(session.id()).is_some();
        self.0.changed.notify_one();
        was_there
    }

    /// The sessions with a token, and the tokens.
    pub fn tokens(&self) -> Vec<(SsoSession, SsoToken)> {
        let state = self.lock();
        state.tokens.values().map(|held| (held.session.clone(), held.token.clone())).collect()
    }

    /// The tokens that somebody used since they came, and which can be renewed at `now`.
    pub fn to_renew(&self, now: Timestamp) -> Vec<(SsoSession, SsoToken)> {
        let state = self.lock();
        let used = state.tokens.values().filter(|held| held.is_used && held.token.renewable(now).is_some());
        used.map(|held| (held.session.clone(), held.token.clone())).collect()
    }

    /// The MFA session of a holder that can still be used at `now`.
    pub fn mfa(&self, holder: &MfaHolder, now: Timestamp) -> Option<Arc<SessionCredentials>> {
        let state = self.lock();
        let found = state.mfa.get(holder)?;
        (found.expires() > now.after(crate::core::sso::MARGIN)).then(|| found.clone())
    }

    /// How often everything was dropped so far, for [`Logins::keep_mfa`].
    pub fn cleared(&self) -> u64 {
        self.lock().cleared
    }

    /// Keeps an MFA session, unless everything was dropped since it was asked for, which was when this often.
    pub fn keep_mfa(&self, session: MfaSession, cleared: u64) {
        let mut state = self.lock();
        if state.cleared != cleared {
            return;
        }
        state.waiting.remove(&session.holder.serial);
        state.mfa.insert(session.holder, session.credentials);
        drop(state);
        self.0.changed.notify_one();
    }

    /// Drops the MFA session of a holder.
    pub fn drop_mfa(&self, holder: &MfaHolder) {
        self.lock().mfa.remove(holder);
        self.0.changed.notify_one();
    }

    /// Drops every token and every MFA session.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.tokens.clear();
        state.mfa.clear();
        state.cleared += 1;
    }

    /// Notes that a request waits for the code of a device.
    pub fn wait_for(&self, serial: &MfaSerial, request: &SessionRequest) {
        self.lock().waiting.insert(serial.clone(), request.clone());
    }

    /// Notes that nobody waits for the code of a device any more.
    pub fn came(&self, serial: &MfaSerial) {
        self.lock().waiting.remove(serial);
    }

    /// The devices whose code is waited for, each with what waits.
    pub fn waiting(&self) -> Vec<(MfaSerial, SessionRequest)> {
        let state = self.lock();
        state.waiting.iter().map(|(serial, request)| (serial.clone(), request.clone())).collect()
    }

    /// Everything, for keeping it.
    pub fn kept(&self) -> KeptLogins {
        let state = self.lock();
        let mfa = state.mfa.iter().map(|(holder, credentials)| MfaSession {
            holder: holder.clone(),
            credentials: credentials.clone(),
        });
        KeptLogins {
            sso: state.tokens.values().map(|held| (held.session.clone(), held.token.clone())).collect(),
            mfa: mfa.collect(),
        }
    }

    /// Takes over what an earlier daemon left behind. What there is already stays.
    pub fn restore(&self, kept: KeptLogins) {
        let mut state = self.lock();
        for (session, token) in kept.sso {
            let id = session.id().to_owned();
            state.tokens.entry(id).or_insert(Held { session, token, is_used: false });
        }
        for MfaSession { holder, credentials } in kept.mfa {
            state.mfa.entry(holder).or_insert(credentials);
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::core::name::Region;

    fn token(access: &str) -> SsoToken {
        SsoToken {
            access_token: Zeroizing::new(access.to_owned()),
            expires: Timestamp(2_000_000_000),
            refresh_token: None,
            client: None,
        }
    }

    #[test]
    fn what_was_dropped_does_not_come_back_by_its_renewal() {
        let logins = Logins::default();
        let session = SsoSession {
            name: Some("work".to_owned()),
            start_url: "https://work.awsapps.com/start".to_owned(),
            region: Region::parse("eu-west-1").unwrap(),
            scopes: Vec::new(),
            profile: None,
        };
        logins.keep_token(&session, token("one"));
        assert!(logins.keep_renewed(&session, &token("one"), token("two")));
        assert_eq!(logins.token(&session), Some(token("two")));
        logins.clear();
        assert!(!logins.keep_renewed(&session, &token("two"), token("three")));
        assert_eq!(logins.token(&session), None);
        logins.keep_token(&session, token("other"));
        assert!(!logins.keep_renewed(&session, &token("two"), token("three")), "another login since");
        assert_eq!(logins.token(&session), Some(token("other")));
    }
}
