//! Notifications and batches to send in tests.
use std::sync::Arc;

use push_core::{
    AppId, Badge, Batch, BatchId, Class, Collected, Content, ContentId, DeliveryId, DeviceToken,
    DynProvider, Environment, ManualClock, MessageId, Notification, Slot, Target, Timestamp,
    UserId, Verdict, Verdicts,
};

/// When tests take place: 2023-11-14T22:13:20Z, the `iat` of most vectors.
pub const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

/// The text of [`notification`]'s title. Unusual, so that it is found wherever it leaks.
pub const TITLE: &str = "Ann Tester";

/// The text of [`notification`]'s body.
pub const BODY: &str = "lunch at the blue door?";

/// The `ext` of [`notification`]: a one-to-one chat with `ann`.
pub const EXT: &str = r#"{"entity":{"version":1,"chatType":1,"action":1,"sender":"ann"}}"#;

/// The number on the icon that [`batch`] sets.
pub const BADGE: Badge = Badge::Set(3);

/// A clock that stands at [`NOW`].
pub fn clock() -> ManualClock {
    ManualClock::new(NOW)
}

/// A chat message's notification with title, body, `ext`, thread and collapse key.
pub fn notification() -> Notification {
    Notification::default()
        .with_title(TITLE)
        .with_body(BODY)
        .with_ext(EXT)
        .with_thread("ann")
        .with_collapse("message-1")
}

/// The notification of one chat message of the app `app`.
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

/// The user called `name`.
///
/// # Panics
/// If `name` is no [`UserId`].
pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

/// A new delivery of `content` to `token`, which leaves the badge and names no receiver.
///
/// # Panics
/// If `token` is no [`DeviceToken`].
pub fn target(token: impl Into<String>, content: &Arc<Content>) -> Target {
    Target::new(
        DeliveryId::new(NOW),
        DeviceToken::new(token).expect("a device token"),
        Arc::clone(content),
    )
}

/// A batch of `targets`: production, alerts.
pub fn batch_of(targets: impl IntoIterator<Item = Target>) -> Batch {
    Batch::new(
        BatchId::new(NOW),
        Environment::Production,
        Slot::Alert,
        targets.into_iter().collect(),
    )
}

/// A batch of one content with [`BADGE`] to these tokens: production, alerts, no receiver.
///
/// # Panics
/// If one is no [`DeviceToken`].
pub fn batch<T: Into<String>>(
    notification: Notification,
    tokens: impl IntoIterator<Item = T>,
) -> Batch {
    let content = content(notification);
    batch_of(
        tokens
            .into_iter()
            .map(|token| target(token, &content).with_badge(BADGE)),
    )
}

/// Sends `batch` and returns every verdict, in the order of the targets.
///
/// # Panics
/// If a target has no verdict or several.
pub async fn send(provider: &DynProvider, batch: Batch) -> Vec<Verdict> {
    let collected = Collected::new();
    let sink: Arc<Collected> = Arc::clone(&collected);
    let targets = batch.targets.len();
    provider.send(batch, Verdicts::new(targets, sink)).await;
    assert_eq!(
        collected.verdicts().len(),
        targets,
        "one verdict for each target"
    );
    (0..targets)
        .map(|position| collected.get(position).expect("every target has a verdict"))
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
