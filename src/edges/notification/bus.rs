//! Notifications over the session bus.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zbus::export::futures_core::Stream;
use zbus::fdo::DBusProxy;
use zbus::message::Type;
use zbus::names::{BusName, OwnedUniqueName, UniqueName, WellKnownName};
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::{Answer, NotificationError, Question};
use crate::core::notice::Notice;

const NAME: WellKnownName<'_> = WellKnownName::from_static_str_unchecked("org.freedesktop.Notifications");
const PATH: &str = "/org/freedesktop/Notifications";
const INTERFACE: &str = "org.freedesktop.Notifications";
/// The key of our action.
const ACTION: &str = "approve";
/// A desktop that is slower than this does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time of a notification that stays until it is answered, and of one that stays as long as the desktop likes.
const FOR_GOOD: i32 = 0;
const USUAL: i32 = -1;
/// Messages that wait for us at most.
const WAITING: usize = 16;

pub(super) async fn ask(
    question: &Question,
    shown: impl FnOnce() + Send,
    withdraw: &CancellationToken,
) -> Result<Answer, NotificationError> {
    let begun = tokio::time::timeout(PATIENCE, Shown::begin(question));
    let mut notification =
        begun.await.map_err(|_| NotificationError::Failed("it takes too long".to_owned()))??;
    shown();
    tokio::select! {
        answer = notification.answer() => answer,
        () = withdraw.cancelled() => {
            let _ = tokio::time::timeout(PATIENCE, notification.close()).await;
            Ok(Answer::Withdrawn)
        }
    }
}

pub(super) async fn tell(notice: &Notice) -> Result<(), NotificationError> {
    let telling = async {
        let mut notification = Shown::connect().await?;
        notification.abilities().await?;
        notification.show(&notice.summary, &notice.body, &[], USUAL).await
    };
    tokio::time::timeout(PATIENCE, telling)
        .await
        .map_err(|_| NotificationError::Failed("it takes too long".to_owned()))?
}

/// A notification that is shown.
struct Shown {
    connection: Connection,
    /// Who shows it.
    owner: OwnedUniqueName,
    id: u32,
    /// Whether its texts are read as markup.
    has_markup: bool,
    /// What the owner says.
    said: MessageStream,
    /// When the owner's name becomes another's.
    handed_on: MessageStream,
}

impl Shown {
    async fn begin(question: &Question) -> Result<Self, NotificationError> {
        let mut shown = Self::connect().await?;
        if !shown.abilities().await?.iter().any(|ability| ability == "actions") {
            let (name, ..): (String, String, String, String) =
                shown.call("GetServerInformation", &()).await?;
            return Err(NotificationError::NoActions(name));
        }
        let actions = [ACTION, question.action.as_str()];
        shown.show(&question.summary, &question.body, &actions, FOR_GOOD).await?;
        Ok(shown)
    }

    /// Finds out who shows notifications.
    async fn connect() -> Result<Self, NotificationError> {
        let no_bus = |error: zbus::Error| NotificationError::NoBus(error.to_string());
        let connection = Connection::session().await.map_err(no_bus)?;
        let bus = DBusProxy::new(&connection).await.map_err(no_bus)?;
        // Where nobody shows notifications yet, the bus may know who could.
        let _ = bus.start_service_by_name(NAME, 0).await;
        let owner =
            bus.get_name_owner(BusName::from(NAME)).await.map_err(|_| NotificationError::NoDesktop)?;

        let rule =
            MatchRule::builder().msg_type(Type::Signal).interface(INTERFACE).and_then(|rule| rule.path(PATH));
        let rule =
            rule.and_then(|rule| rule.sender(UniqueName::from(owner.clone()))).map_err(failed)?.build();
        let said = MessageStream::for_match_rule(rule, &connection, Some(WAITING)).await.map_err(failed)?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .and_then(|rule| rule.member("NameOwnerChanged"))
            .and_then(|rule| rule.arg(0, INTERFACE))
            .map_err(failed)?
            .build();
        let handed_on =
            MessageStream::for_match_rule(rule, &connection, Some(WAITING)).await.map_err(failed)?;

        Ok(Self { connection, owner, id: 0, has_markup: false, said, handed_on })
    }

    /// What the owner can do.
    async fn abilities(&mut self) -> Result<Vec<String>, NotificationError> {
        let abilities: Vec<String> = self.call("GetCapabilities", &()).await?;
        self.has_markup = abilities.iter().any(|ability| ability == "body-markup");
        Ok(abilities)
    }

    /// Shows the texts for this time, in milliseconds.
    async fn show(
        &mut self,
        summary: &str,
        body: &str,
        actions: &[&str],
        time: i32,
    ) -> Result<(), NotificationError> {
        let body = if self.has_markup { plain(body) } else { body.to_owned() };
        let hints = HashMap::from([("urgency", Value::U8(2))]);
        let notice = ("brokerd", 0_u32, "dialog-password", summary, body, actions, hints, time);
        self.id = self.call("Notify", &notice).await?;
        Ok(())
    }

    /// Calls the owner, not the name: what it is then is what answers.
    async fn call<B, R>(&self, method: &str, body: &B) -> Result<R, NotificationError>
    where
        B: zbus::export::serde::ser::Serialize + zbus::zvariant::DynamicType + Sync,
        R: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
    {
        let owner = UniqueName::from(self.owner.clone());
        let call = self.connection.call_method(Some(owner), PATH, Some(INTERFACE), method, body);
        call.await.and_then(|reply| reply.body().deserialize()).map_err(failed)
    }

    /// What comes of it.
    async fn answer(&mut self) -> Result<Answer, NotificationError> {
        loop {
            let message = tokio::select! {
                message = next(&mut self.said) => message,
                _ = next(&mut self.handed_on) => return Ok(Answer::Gone),
            };
            let Some(message) = message else { return Ok(Answer::Gone) };
            if let Some(answer) = self.read(&message) {
                return Ok(answer);
            }
        }
    }

    /// What a signal says of this notification. The rule asked for those of the owner only; they are looked at all the
    /// same, since everything hangs on it.
    fn read(&self, message: &Message) -> Option<Answer> {
        let (header, body) = (message.header(), message.body());
        if header.sender().map(UniqueName::as_str) != Some(self.owner.as_str()) {
            return None;
        }
        match header.member()?.as_str() {
            "ActionInvoked" => {
                let (id, key): (u32, String) = body.deserialize().ok()?;
                (id == self.id && key == ACTION).then_some(Answer::Taken)
            }
            "NotificationClosed" => {
                let (id, _): (u32, u32) = body.deserialize().ok()?;
                (id == self.id).then_some(Answer::SentAway)
            }
            _ => None,
        }
    }

    async fn close(&self) -> Result<(), NotificationError> {
        self.call("CloseNotification", &(self.id,)).await
    }
}

/// The next message; `None` if the connection has ended.
async fn next(stream: &mut MessageStream) -> Option<Message> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await?.ok()
}

#[allow(clippy::needless_pass_by_value, reason = "it stands where errors are handed over")]
fn failed(error: zbus::Error) -> NotificationError {
    NotificationError::Failed(error.to_string())
}

/// A text as markup that shows it as it is.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(plain("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }
}
