//! Whether what is shown is what was to be sent.
use std::collections::HashMap;

use push_core::{Badge, Batch, DynProvider, Notification, NotificationKind, Target, Verdict};
use serde_json::Value;

use super::{Shown, Vendor};
use crate::sample;

/// Checks that each target of `batch` is shown exactly once, with its own content, badge and receiver.
pub(super) fn fits(vendor: &Vendor, batch: &Batch, shown: &[Shown]) {
    let mut open: HashMap<String, &Target> = batch
        .targets
        .iter()
        .map(|target| ((vendor.seen_as)(target.token.expose()), target))
        .collect();
    assert_eq!(
        open.len(),
        batch.targets.len(),
        "the suite's tokens differ in what is seen of them"
    );
    for message in shown {
        let targets: Vec<&Target> = message
            .tokens
            .iter()
            .map(|token| {
                open.remove(token)
                    .expect("each target is sent to once, and no other token")
            })
            .collect();
        for target in &targets {
            has_content(vendor, message, target);
        }
        has_receiver(message, &targets);
        has_ids(batch, message, &targets);
    }
    assert!(open.is_empty(), "{} targets were not sent to", open.len());
}

fn has_content(vendor: &Vendor, shown: &Shown, target: &Target) {
    let wanted = &target.content.notification;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (title, body) = match wanted.kind {
        NotificationKind::Background => (None, None),
        _ => (text(&wanted.title), text(&wanted.body)),
    };
    assert_eq!(shown.title, title, "the title of a target's own content");
    assert_eq!(shown.body, body, "the text of a target's own content");
    assert!(
        same_ext(vendor, shown.ext.as_deref(), &wanted.ext),
        "`ext` is {:?} and not {:?}",
        shown.ext,
        wanted.ext
    );
    assert_eq!(
        shown.badge,
        vendor.within_limit(target.badge),
        "the target's own badge: 0 is sent as 0, and `Leave` is not sent"
    );
}

pub(super) fn same_ext(vendor: &Vendor, shown: Option<&str>, wanted: &str) -> bool {
    let shown = shown.unwrap_or_default();
    if vendor.ext_split && !wanted.is_empty() {
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        return json(shown).is_some_and(|value| Some(value) == json(wanted));
    }
    shown == wanted
}

fn has_receiver(shown: &Shown, targets: &[&Target]) {
    let first = targets.first().and_then(|target| target.receiver.as_ref());
    let common = first.filter(|user| {
        targets
            .iter()
            .all(|target| target.receiver.as_ref() == Some(user))
    });
    assert_eq!(
        shown.receiver.as_deref(),
        common.map(push_core::UserId::as_str),
        "the receiver that all targets of the message share"
    );
}

fn has_ids(batch: &Batch, shown: &Shown, targets: &[&Target]) {
    let Some(first) = targets.first() else {
        panic!("a message without a token");
    };
    let first = first.delivery.to_string();
    match (targets, shown.delivery.as_deref()) {
        ([_], Some(delivery)) => assert_eq!(delivery, first, "the delivery's own id"),
        ([_], None) => panic!("a single target's message has its id"),
        (_, named) => assert_eq!(
            named, None,
            "a message to several targets names no delivery"
        ),
    }
    if let Some(tag) = shown.tag.as_deref() {
        let of_batch = batch.targets.first().map(|it| it.delivery.to_string());
        assert!(
            tag == first || Some(tag) == of_batch.as_deref(),
            "the receipts' tag is the id of the first delivery"
        );
    }
}

/// A badge that this style can send; `number` makes it differ.
pub(super) fn badge(style: push_core::BadgeStyle, number: u32) -> Badge {
    match style {
        push_core::BadgeStyle::Set => Badge::Set(number),
        push_core::BadgeStyle::CountUp if number > 0 => Badge::Add(number),
        _ => Badge::Leave,
    }
}

/// A batch of one content that leaves the badge: what providers of every badge style can send.
pub(super) fn plain<T: Into<String>>(
    notification: Notification,
    tokens: impl IntoIterator<Item = T>,
) -> Batch {
    let content = sample::content(notification);
    let targets = tokens.into_iter();
    sample::batch_of(targets.map(|token| sample::target(token, &content)))
}

/// Sends the sample to one token, without counting.
pub(super) async fn send_one(provider: &DynProvider, token: &str) -> Verdict {
    let batch = plain(sample::notification(), [token]);
    let verdict = sample::send(provider, batch).await.remove(0);
    in_plain_words(&verdict.answer.text);
    verdict
}

/// Checks that a text for operators has no words of a library or of Rust in it.
pub(super) fn in_plain_words(text: &str) {
    for foreign in [
        "docs.rs",
        "rustls",
        "hyper",
        "os error",
        "not a result of",
        "invalid peer",
        "Some(",
        "Error(",
        "InvalidCertificate",
    ] {
        assert!(!text.contains(foreign), "`{foreign}` in: {text}");
    }
}
