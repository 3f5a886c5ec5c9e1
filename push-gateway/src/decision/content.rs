//! What all deliveries of a message that look the same share.
use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256, digest};
use push_core::{
    Address, AppId, Badge, CertificateId, Content, ContentId, Delivery, DeliveryId, Environment,
    Message, Notification, NotificationKind, Timestamp,
};
use uuid::Uuid;

use super::{CredentialFacts, Prepared, Push, To};
use crate::seal::hex_text;

/// The longest collapse key, in bytes (the shortest limit of any vendor).
pub(super) const MAX_COLLAPSE: usize = 64;

/// The contents of one message, each made once and shared by all deliveries that look the same.
#[derive(Debug)]
pub struct Contents<'a> {
    app: &'a AppId,
    prepared: &'a Prepared<'a>,
    made: HashMap<(CertificateId, NotificationKind, Timestamp), Arc<Content>>,
}

impl<'a> Contents<'a> {
    /// Of this message.
    pub fn new(app: &'a AppId, prepared: &'a Prepared<'a>) -> Self {
        Self {
            app,
            prepared,
            made: HashMap::new(),
        }
    }

    /// The delivery of `push` through a credential with these `facts`.
    pub fn delivery(
        &mut self,
        push: &Push<'_>,
        facts: &CredentialFacts,
        badge: Badge,
        now: Timestamp,
    ) -> Delivery {
        let key = (push.certificate, push.kind, push.expires_at);
        let (app, prepared) = (self.app, self.prepared);
        let content = self
            .made
            .entry(key)
            .or_insert_with(|| Arc::new(prepared.content(app, push, facts)));
        let (to, revision) = match &push.to {
            To::Device {
                registration,
                revision,
            } => {
                let to = Address::Device {
                    user: registration.user.clone(),
                    device: registration.device.clone(),
                    slot: registration.slot,
                    instance: registration.instance.clone(),
                };
                (to, *revision)
            }
            To::Token { address, .. } => {
                let to = Address::Token {
                    slot: address.slot,
                    environment: address
                        .environment
                        .or(facts.environment)
                        .unwrap_or(Environment::Production),
                    token: address.token.clone(),
                };
                (to, 0)
            }
        };
        Delivery::new(
            DeliveryId::new(now),
            Arc::clone(content),
            to,
            facts.channel.clone(),
            push.certificate,
            now,
        )
        .with_badge(badge)
        .with_revision(revision)
    }
}

impl Prepared<'_> {
    fn content(&self, app: &AppId, push: &Push<'_>, facts: &CredentialFacts) -> Content {
        let notification = self.notification(app, push, facts);
        let id = content_id(app, self, &notification);
        Content::new(
            id,
            app.clone(),
            self.message.id.clone(),
            self.class.clone(),
            notification,
        )
    }

    fn notification(&self, app: &AppId, push: &Push<'_>, facts: &CredentialFacts) -> Notification {
        let message = self.message;
        let settings = message.push.as_ref();
        let of_channel = settings.and_then(|push| push.overrides(&facts.channel));
        let mut notification = Notification::default()
            .with_kind(push.kind)
            .with_ext(self.ext.clone())
            .with_priority(settings.map(|push| push.priority).unwrap_or_default())
            .with_thread(match (&message.group, &message.sender) {
                (Some(group), _) => group.id.to_string(),
                (None, Some(sender)) => sender.user.to_string(),
                (None, None) => String::new(),
            })
            .with_collapse(self.collapse.clone())
            .with_collapse_waiting(settings.is_some_and(|push| !push.collapse.is_empty()))
            .with_expires_at(push.expires_at)
            .with_vendor(self.policies.fields(
                app,
                &facts.channel,
                of_channel.map(|overrides| &overrides.fields),
            ));
        let Ok(words) = self.words(&facts.channel) else {
            return notification;
        };
        let title = match words.title.as_str() {
            "" if facts.needs_title => &self.default_title,
            title => title,
        };
        notification.title = facts.text.cut_title(title).into_owned();
        notification.subtitle = facts.text.cut_title(&words.subtitle).into_owned();
        notification.body = facts.text.cut_body(&words.body).into_owned();
        notification.sound = words.sound.clone();
        notification.image.clone_from(&words.image);
        notification.interruption = words.interruption;
        notification.mutable = words.mutable;
        notification
    }
}

/// A hash of app, message, class and notification: the same for every delivery of a message that looks the same. If the message
/// does not say when it was sent, its expiry and so the hash differ from one submission to the next.
fn content_id(app: &AppId, prepared: &Prepared<'_>, notification: &Notification) -> ContentId {
    let mut context = Context::new(&SHA256);
    for part in [
        app.as_str(),
        prepared.message.id.as_str(),
        prepared.class.as_str(),
    ] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    // Notifications always serialize: they have text keys only.
    let json = serde_json::to_vec(notification).unwrap_or_default();
    context.update(&json);
    let hash = context.finish();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    ContentId::from_uuid(Uuid::from_bytes(bytes))
}

/// The key under which a later push of the same message replaces this one: the sender's own, or one that follows from
/// the message's id.
pub(super) fn collapse_key(message: &Message) -> String {
    let own = message.push.as_ref().map(|push| push.collapse.as_str());
    match own.filter(|key| !key.is_empty()) {
        Some(key) => key.to_owned(),
        None if message.id.as_str().len() <= MAX_COLLAPSE => message.id.to_string(),
        None => hex_text(digest(&SHA256, message.id.as_str().as_bytes()).as_ref()),
    }
}
