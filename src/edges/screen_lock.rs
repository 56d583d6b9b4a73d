//! The lock of the desktop's screen, as the desktop tells it over D-Bus.
//!
//! Three speak of it: the screen savers of freedesktop.org and of GNOME on the session bus (`ActiveChanged`), and
//! logind on the system bus (`Lock` and `Unlock` of a session, as `loginctl lock-session` sends them). The bus itself
//! sees to it that a signal comes from whoever owns the name.

use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use zbus::{Connection, MatchRule, Message, MessageStream};

/// What the desktop says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// It is locked.
    Locked,
    /// It is unlocked again.
    Unlocked,
}

/// Who speaks of it: the name on the bus, the interface, and its signals.
const SAVERS: [(&str, &str); 2] =
    [("org.freedesktop.ScreenSaver", "ActiveChanged"), ("org.gnome.ScreenSaver", "ActiveChanged")];
const LOGIND: &str = "org.freedesktop.login1";
const SESSION: &str = "org.freedesktop.login1.Session";

/// The signals.
#[derive(Debug)]
pub struct ScreenLock {
    signals: SelectAll<MessageStream>,
    system: Option<Connection>,
    uid: u32,
}

impl ScreenLock {
    /// Listens on both buses; one that is not there is left out, and none is an error that says why.
    pub async fn listen(uid: u32) -> Result<Self, String> {
        let mut signals = Vec::new();
        let mut why = Vec::new();
        match Connection::session().await {
            Ok(bus) => {
                for (name, member) in SAVERS {
                    match heard(&bus, name, name, member).await {
                        Ok(stream) => signals.push(stream),
                        Err(error) => why.push(format!("{name}: {error}")),
                    }
                }
            }
            Err(error) => why.push(format!("the session bus: {error}")),
        }
        let system = match Connection::system().await {
            Ok(bus) => {
                for member in ["Lock", "Unlock"] {
                    match heard(&bus, LOGIND, SESSION, member).await {
                        Ok(stream) => signals.push(stream),
                        Err(error) => why.push(format!("{LOGIND}: {error}")),
                    }
                }
                Some(bus)
            }
            Err(error) => {
                why.push(format!("the system bus: {error}"));
                None
            }
        };
        if signals.is_empty() {
            return Err(why.join("; "));
        }
        for why in why {
            tracing::info!(why, "nobody there says when the screen is locked");
        }
        Ok(Self { signals: select_all(signals), system, uid })
    }

    /// What the desktop says next; `None` when no bus is left.
    pub async fn next(&mut self) -> Option<Screen> {
        while let Some(signal) = self.signals.next().await {
            // A message that a bus could not carry whole says nothing.
            let Ok(message) = signal else { continue };
            if let Some(screen) = self.read(&message).await {
                return Some(screen);
            }
        }
        None
    }

    async fn read(&self, message: &Message) -> Option<Screen> {
        let header = message.header();
        match header.member()?.as_str() {
            "ActiveChanged" => {
                let is_active: bool = message.body().deserialize().ok()?;
                Some(if is_active { Screen::Locked } else { Screen::Unlocked })
            }
            member => {
                if self.is_anothers(header.path()?.as_str()).await {
                    return None;
                }
                Some(if member == "Lock" { Screen::Locked } else { Screen::Unlocked })
            }
        }
    }

    /// Whether a session is another user's. One whose user cannot be told may be ours.
    async fn is_anothers(&self, path: &str) -> bool {
        let Some(system) = &self.system else { return false };
        let asked = ("org.freedesktop.login1.Session", "User");
        let properties = Some("org.freedesktop.DBus.Properties");
        let Ok(answer) = system.call_method(Some(LOGIND), path, properties, "Get", &asked).await else {
            return false;
        };
        let body = answer.body();
        let Ok(value) = body.deserialize::<zbus::zvariant::Value<'_>>() else { return false };
        let user: Result<(u32, zbus::zvariant::ObjectPath<'_>), _> = value.downcast();
        user.is_ok_and(|(uid, _)| uid != self.uid)
    }
}

async fn heard(
    bus: &Connection,
    sender: &'static str,
    interface: &'static str,
    member: &'static str,
) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .sender(sender)?
        .interface(interface)?
        .member(member)?
        .build();
    MessageStream::for_match_rule(rule, bus, Some(64)).await
}
