//! What a person logs in to who names a profile, or nothing.

use crate::core::base_profile::Root;
use crate::core::catalog::{AccessRole, Catalog, Source};
use crate::core::name::{MfaSerial, ProfileName};
use crate::core::nearest::did_you_mean;
use crate::core::protocol::LoginTarget;
use crate::core::sso::SsoSession;
use crate::daemon::Broker;
use crate::daemon::control::Failure;
use crate::edges::sts::Sts;
use crate::edges::{base_credentials, clock};

/// What a target comes to.
pub(super) enum Found {
    Session(SsoSession),
    /// Nothing to log in to, but an MFA device whose code it waits for.
    Device(MfaSerial),
}

impl Broker {
    /// What a target comes to: a session to log in to, or an MFA device.
    pub(super) async fn found(&self, sts: &Sts, target: &LoginTarget) -> Result<Found, Failure> {
        if let Some(name) = &target.sso_session {
            let session = base_credentials::sso_session(name).await;
            return session.map(Found::Session).map_err(|error| Failure::new(error.to_string(), None));
        }
        let catalog = self
            .catalogs
            .current()
            .await
            .map_err(|why| Failure::new(why, Some("brokerd --check".to_owned())))?;
        match &target.profile {
            Some(name) => self.found_by_profile(sts, &catalog, name).await,
            None => self.found_anywhere(sts, &catalog).await,
        }
    }

    async fn found_by_profile(&self, sts: &Sts, catalog: &Catalog, name: &str) -> Result<Found, Failure> {
        let of_catalog = ProfileName::parse(name).ok().and_then(|name| catalog.profiles.get(&name));
        let role = of_catalog.and_then(|profile| profile.access_role.as_ref());
        let source = role.map_or_else(|| Source::Named(name.to_owned()), |role| role.source.clone());
        let described = base_credentials::described(&source).await.map_err(|error| {
            let near = did_you_mean(name, catalog.profiles.keys().map(ProfileName::as_str));
            let hint = error.hint().filter(|_| of_catalog.is_some()).or(near);
            Failure::new(error.to_string(), hint)
        })?;
        match described.map(|base| base.root) {
            Some(Root::Sso { session, .. }) => return Ok(Found::Session(session)),
            Some(Root::Login { .. }) => {
                let hint = format!(
                    "aws login --profile {}",
                    base_credentials::name(&source).trim_start_matches("profile ")
                );
                return Err(Failure::new(
                    format!("profile {name} signs with a login of the AWS CLI"),
                    Some(hint),
                ));
            }
            _ => {}
        }
        if let Some(role) = role
            && let Some(serial) = sts.mfa_device(role).await?
        {
            return Ok(Found::Device(serial));
        }
        Err(Failure::new(
            format!("profile {name} needs no login: {} signs", base_credentials::name(&source)),
            None,
        ))
    }

    /// The one session that any profile of the catalog needs; if there are several, the one that nobody is logged in to.
    async fn found_anywhere(&self, sts: &Sts, catalog: &Catalog) -> Result<Found, Failure> {
        let mut sessions: Vec<SsoSession> = Vec::new();
        for profile in catalog.profiles.values() {
            let Some(role) = &profile.access_role else { continue };
            if let Ok(Some(base)) = base_credentials::described(&role.source).await
                && let Root::Sso { session, .. } = base.root
                && !sessions.iter().any(|known| known.id() == session.id())
            {
                sessions.push(session);
            }
        }
        let now = clock::now();
        let is_out =
            |session: &&SsoSession| sts.logins.token(session).is_none_or(|token| !token.is_good(now));
        let out: Vec<&SsoSession> = sessions.iter().filter(is_out).collect();
        match (sessions.as_slice(), out.as_slice()) {
            ([one], _) => Ok(Found::Session(one.clone())),
            (_, [one]) => Ok(Found::Session((*one).clone())),
            ([], _) => match self.devices(sts, catalog).await.as_slice() {
                [(serial, _)] => Ok(Found::Device(serial.clone())),
                _ => Err(Failure::new(
                    "no profile of the catalog signs with IAM Identity Center",
                    Some("name one: brokerctl login PROFILE, or --sso-session NAME; or give keys: brokerctl login --keys".to_owned()),
                )),
            },
            (several, _) => {
                let commands: Vec<_> = several.iter().map(SsoSession::login_command).collect();
                Err(Failure::new("the catalog's profiles sign with several logins", Some(commands.join(", or "))))
            }
        }
    }

    /// The devices of the catalog's profiles, each with one of the roles that need it.
    pub(super) async fn devices(&self, sts: &Sts, catalog: &Catalog) -> Vec<(MfaSerial, AccessRole)> {
        let mut devices: Vec<(MfaSerial, AccessRole)> = Vec::new();
        for profile in catalog.profiles.values() {
            let Some(role) = &profile.access_role else { continue };
            if let Ok(Some(serial)) = sts.mfa_device(role).await
                && !devices.iter().any(|(known, _)| *known == serial)
            {
                devices.push((serial, role.clone()));
            }
        }
        devices
    }
}
