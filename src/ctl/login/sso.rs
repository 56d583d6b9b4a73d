//! Logging in to IAM Identity Center. The daemon does it; here a person is told where to go.

use std::io::Write;

use crate::core::keychain::Keychain;
use crate::core::protocol::{LoggedIn, LoginPage, LoginTarget, Reply, Request};
use crate::ctl::commands::unexpected;
use crate::ctl::failure::Failure;
use crate::ctl::{browser, client, mfa, paint};

pub(super) fn log_in(target: LoginTarget, by_code: bool, may_open: bool) -> Result<(), Failure> {
    let profile = target.profile.clone();
    let page = match client::ask(&Request::BeginLogin { target, by_code })? {
        Reply::LoginBegun(page) => page,
        Reply::MfaWanted { serial } => return mfa::take(profile, mfa::asked(&serial)?),
        _ => return Err(unexpected()),
    };
    show(&page)?;
    if may_open && !page.is_joined {
        let url = page.url.clone();
        // Whoever has no browser here goes to the page elsewhere: nobody waits for this one.
        std::thread::spawn(move || drop(browser::open(&url)));
    }
    loop {
        match client::ask(&Request::AwaitLogin { id: page.id.clone() })? {
            Reply::LoginPending => {}
            Reply::LoggedIn(login) => return told(&login),
            _ => return Err(unexpected()),
        }
    }
}

fn show(page: &LoginPage) -> Result<(), Failure> {
    let mut out = anstream::stderr().lock();
    let already = if page.is_joined { ", which waits already" } else { "" };
    writeln!(out, "log in to {} on this page{already}:", paint::strong(&page.what))?;
    writeln!(out, "  {}", page.url)?;
    if let Some(code) = &page.code {
        writeln!(out, "it must show this code: {}", paint::strong(code))?;
    }
    Ok(())
}

fn told(login: &LoggedIn) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let until =
        if login.is_renewed { "brokerd renews it until its session ends" } else { "then log in again" };
    writeln!(out, "{} to {} until {}; {until}", paint::good("logged in"), login.what, login.expires)?;
    let forgetful = match login.keychain {
        Keychain::Memory => "it is in memory only, and ends with brokerd",
        Keychain::Keyutils => "the keychain keyutils forgets it at the next start of the machine",
        Keychain::SecretService | Keychain::Macos => return Ok(()),
    };
    writeln!(out, "{} {forgetful}", paint::note("note:"))?;
    Ok(())
}

pub(super) fn forget(target: LoginTarget) -> Result<(), Failure> {
    let Reply::LoginForgotten { what, was_there } = client::ask(&Request::ForgetLogin { target })? else {
        return Err(unexpected());
    };
    if !was_there {
        return Err(Failure::refused(format!("brokerd has no login to {what}")));
    }
    writeln!(anstream::stdout(), "{} the login to {what}", paint::bad("removed"))?;
    Ok(())
}
