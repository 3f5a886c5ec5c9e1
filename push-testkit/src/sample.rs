//! Notifications and batches to send in tests.
use std::sync::Arc;

use push_core::{
    AppId, Badge, Batch, BatchId, Class, Collected, Content, ContentId, DeliveryId, DeviceToken,
    DynProvider, Environment, ManualClock, MessageId, Notification, Slot, Target, Timestamp,
    Verdict, Verdicts,
};

/// When tests take place: 2023-11-14T22:13:20Z, the `iat` of most vectors.
pub const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

/// The text of [`notification`]'s title. Odd enough to be found wherever it leaks.
pub const TITLE: &str = "Ann Tester";

/// The text of [`notification`]'s body.
pub const BODY: &str = "lunch at the blue door?";

/// The `ext` of [`notification`]: a one-to-one chat with `ann`.
pub const EXT: &str = r#"{"entity":{"version":1,"chatType":1,"action":1,"sender":"ann"}}"#;

/// A clock that stands at [`NOW`].
pub fn clock() -> ManualClock {
    ManualClock::new(NOW)
}

/// A chat message's notification with title, body, `ext`, thread and collapse key.
pub fn notification() -> Notification {
    Notification {
        title: TITLE.into(),
        body: BODY.into(),
        ext: EXT.into(),
        thread: "ann".into(),
        collapse: "message-1".into(),
        ..Notification::default()
    }
}

/// The number on the icon that [`batch`] sets.
pub const BADGE: Badge = Badge::Set(3);

/// `notification` as the content of a chat message.
///
/// # Panics
/// Never: the ids are constants.
pub fn content(notification: Notification) -> Arc<Content> {
    Arc::new(Content::new(
        ContentId::new(NOW),
        AppId::new("app").expect("an app id"),
        MessageId::new("message-1").expect("a message id"),
        Class::CHAT,
        notification,
    ))
}

/// A batch of `notification` with [`BADGE`] to these tokens, production, alerts.
///
/// # Panics
/// If one is no [`DeviceToken`].
pub fn batch<T: Into<String>>(
    notification: Notification,
    tokens: impl IntoIterator<Item = T>,
) -> Batch {
    let content = content(notification);
    let targets = tokens
        .into_iter()
        .map(|token| {
            let token = DeviceToken::new(token).expect("a device token");
            Target::new(DeliveryId::new(NOW), token, Arc::clone(&content)).with_badge(BADGE)
        })
        .collect();
    Batch::new(
        BatchId::new(NOW),
        Environment::Production,
        Slot::Alert,
        targets,
    )
}

/// Sends `batch` and waits for every verdict, in the order of the targets.
///
/// # Panics
/// If a target has no verdict.
pub async fn send(provider: &DynProvider, batch: Batch) -> Vec<Verdict> {
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    let targets = batch.targets.len();
    provider.send(batch, Verdicts::new(targets, sink)).await;
    (0..targets)
        .map(|it| collected.get(it).expect("every target has a verdict"))
        .collect()
}

/// Sends [`notification`] to one token.
///
/// # Panics
/// If there is no verdict.
pub async fn send_one(provider: &DynProvider, token: &str) -> Verdict {
    send(provider, batch(notification(), [token]))
        .await
        .remove(0)
}
