//! Topics: subscriptions of one registration, and messages to everybody who has one.
//!
//! The gateway pushes to devices that it knows, so that no message of its own goes this way: [`push_core::Provider`] has targets
//! with tokens and no subscriptions. A program that uses topics calls the provider itself.
use bytes::Bytes;
use http::{Method, Uri};
use push_core::{Content, DeviceToken, Error, ErrorKind, Result, Slot, Verdict};
use push_kit::{
    form,
    verdict::{self, unsupported},
};

use super::FcmProvider;
use crate::{classify, render::Rendered};

/// The most bytes of a message to a topic or a condition, on one platform.
const MAX_PAYLOAD: usize = 2048;

/// The longest name of a topic.
const MAX_NAME: usize = 900;

/// The longest condition that is sent. FCM documents no limit.
const MAX_CONDITION: usize = 4096;

/// Whom a message without a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The field of the message.
    kind: &'static str,
    text: String,
}

impl Audience {
    /// Everybody who subscribed to the topic `name`: 1 to 900 letters, digits and `-_.~%`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is no such name.
    pub fn topic(name: impl Into<String>) -> Result<Self> {
        let text = name.into();
        check_name(&text)?;
        Ok(Self {
            kind: "topic",
            text,
        })
    }

    /// Everybody for whom `condition` holds, as in `'news' in topics && !('sport' in topics)`. FCM reads it, and refuses the message
    /// if it cannot.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is empty or has more than 4,096 bytes.
    pub fn condition(condition: impl Into<String>) -> Result<Self> {
        let text = condition.into();
        if text.trim().is_empty() || text.len() > MAX_CONDITION {
            return Err(Error::new(
                ErrorKind::Invalid,
                "the condition is empty or has more than 4096 bytes",
            )
            .advise("write it like \"'news' in topics\""));
        }
        Ok(Self {
            kind: "condition",
            text,
        })
    }
}

fn check_name(name: &str) -> Result<()> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'%');
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        "the name of the topic is not 1 to 900 letters, digits and `-_.~%`",
    )
    .advise("write the name alone, without `/topics/`"))
}

impl FcmProvider {
    /// Sends `content` to `audience`, once. It names no delivery and no receiver, and leaves the number on the icon alone.
    ///
    /// Like every push it may be repeated where the verdict says so, and reaches those who had it a second time.
    pub async fn publish(&self, content: &Content, audience: &Audience) -> Verdict {
        let notification = &content.notification;
        if let Some(verdict) = unsupported(&self.capabilities, Slot::Alert, notification.kind) {
            return verdict;
        }
        let body = Rendered::new(content, &self.style, self.clock.now())
            .map(|rendered| rendered.with_max(MAX_PAYLOAD))
            .and_then(|rendered| rendered.body_for(audience.kind, &audience.text));
        let private = [
            notification.title.as_str(),
            &notification.body,
            &notification.ext,
        ];
        match body {
            Ok(body) => {
                let sent = self.exchange(body, &private, classify::unanswered);
                let (Ok(verdict) | Err(verdict)) = sent.await;
                verdict
            }
            Err(verdict) => verdict,
        }
    }

    /// Subscribes the registration `token`, a token or an installation id, to a topic. Accepted, too, if it had subscribed before.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `topic` is no name of a topic.
    pub async fn subscribe(&self, token: &DeviceToken, topic: &str) -> Result<Verdict> {
        check_name(topic)?;
        let query = form::encode([("topic_name", topic)]);
        let body = Bytes::from_static(b"{}");
        Ok(self
            .change(Method::POST, token, "", query.expose(), body)
            .await)
    }

    /// Ends a subscription. Accepted, too, if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `topic` is no name of a topic.
    pub async fn unsubscribe(&self, token: &DeviceToken, topic: &str) -> Result<Verdict> {
        check_name(topic)?;
        let path = format!("/{}", form::encode_value(topic));
        let query = "allow_missing=true";
        Ok(self
            .change(Method::DELETE, token, &path, query, Bytes::new())
            .await)
    }

    /// Changes a subscription of `token`, whose URL goes on with `path` and `query`.
    async fn change(
        &self,
        method: Method,
        token: &DeviceToken,
        path: &str,
        query: &str,
        body: Bytes,
    ) -> Verdict {
        let registration = form::encode_value(token.expose());
        let path = format!(
            "/v1/projects/{}/registrations/{registration}/topicSubscriptions{path}",
            self.project,
        );
        let url = self.registrations.join(&path).ok();
        let Some(url) = url.and_then(|url| format!("{url}?{query}").parse::<Uri>().ok()) else {
            return Verdict::payload_refused("invalid-request", "the token makes no URL");
        };
        match self.ask(method, &url, body, verdict::unanswered).await {
            Ok((response, access)) => {
                let private = [token.expose(), access.expose()];
                classify::changed(&response, &private, self.clock.now())
            }
            Err(verdict) => verdict,
        }
    }
}
