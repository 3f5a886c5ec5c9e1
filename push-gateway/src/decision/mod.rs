//! Who gets a push, and what it says: a pure function of the message, its receivers' devices, the credentials and the time.
//!
//! Every receiver and device that gets none gets a [`Reason`] instead: "why was I not pushed" always has an answer.
mod badge;
mod presence;
pub mod reasons;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::HashMap, sync::Arc, time::Duration};

use push_core::{
    AppId, Badge, BadgeArithmetic, Capabilities, CertificateId, Channel, Delivery, DeliveryId,
    Device, Environment, Message, Notification, NotificationKind, Platform, Reason, Registration,
    Slot, Timestamp, UserId,
};

pub use self::text::Locale;
use self::text::Words;

/// What an operator can choose about decisions.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionSettings {
    /// The language of derived texts such as `[image]`.
    pub locale: Locale,
    /// The title where a vendor needs one and neither message, group nor nickname gives it: usually the app's name.
    pub default_title: String,
    /// How long a message is worth delivering if it does not say so; 7 days.
    #[serde(with = "push_http::duration")]
    pub default_ttl: Duration,
    /// How long a connection counts as alive after it was last heard of; 400 s, IM's heartbeat timeout.
    #[serde(with = "push_http::duration")]
    pub online_for: Duration,
    /// How long a device without connection is pushed to after it was last heard of; 7 days (S63).
    #[serde(with = "push_http::duration")]
    pub push_online_for: Duration,
    /// The platforms that are pushed to after their connection is gone; the others count as logged out (S62).
    pub push_online_platforms: Vec<Platform>,
    /// Push only to the device that was active last (S74).
    pub last_active_device_only: bool,
    /// Wrap an `ext` that is not a JSON object into one instead of refusing the push (S19).
    pub wrap_ext: bool,
    /// Let every push that an iPhone shows start the app's notification service extension (`mutable-content`), as one whose
    /// message asks for it does: an extension that acknowledges pushes needs that.
    pub mutable_content: bool,
}

impl Default for DecisionSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            locale: Locale::En,
            default_title: String::new(),
            default_ttl: 7 * DAY,
            online_for: Duration::from_secs(400),
            push_online_for: 7 * DAY,
            push_online_platforms: vec![
                Platform::Ios,
                Platform::Ipad,
                Platform::Android,
                Platform::Harmony,
            ],
            last_active_device_only: false,
            wrap_ext: false,
            mutable_content: false,
        }
    }
}

/// What a decision must know of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFacts {
    /// The channel it speaks.
    pub channel: Channel,
    /// The environment it sends to; `None` if the vendor has only one.
    pub environment: Option<Environment>,
    /// The slots whose tokens it can send to.
    pub slots: &'static [Slot],
    /// The longest time the vendor keeps a notification.
    pub max_ttl: Option<Duration>,
}

impl From<&Capabilities> for CredentialFacts {
    fn from(it: &Capabilities) -> Self {
        Self {
            channel: it.channel.clone(),
            environment: it.environment,
            slots: it.slots,
            max_ttl: it.max_ttl,
        }
    }
}

/// The credentials of one app, by id: what they can do, or why they are unusable. What is missing does not exist.
pub type Credentials = HashMap<CertificateId, Result<CredentialFacts, Reason>>;

/// A message of which everything is settled that does not depend on the receiver.
#[derive(Debug)]
pub struct Prepared<'a> {
    message: &'a Message,
    apple: Result<Arc<Words>, Reason>,
    others: Result<Arc<Words>, Reason>,
    ext: String,
    badge: Option<BadgeArithmetic>,
    expires_at: Timestamp,
}

/// Settles what does not depend on the receiver.
///
/// # Errors
/// Why nobody gets a push.
pub fn prepare<'a>(
    message: &'a Message,
    now: Timestamp,
    settings: &DecisionSettings,
) -> Result<Prepared<'a>, Reason> {
    if message.receivers.is_empty() {
        return Err(reasons::NO_RECEIVERS);
    }
    if message.online_only {
        return Err(reasons::ONLINE_ONLY);
    }
    let push = message.push.as_ref();
    if push.is_some_and(|it| it.disabled) {
        return Err(reasons::PUSH_DISABLED);
    }
    if push.is_some_and(|it| it.collapse.len() > 64) {
        return Err(reasons::COLLAPSE_TOO_LONG);
    }
    let ttl = match push.and_then(|it| it.ttl_seconds) {
        Some(0) => return Err(reasons::TTL_ZERO),
        Some(seconds) => Duration::from_secs(seconds.into()),
        None => settings.default_ttl,
    };
    // A sender's clock that runs ahead must not make a message live longer.
    let sent_at = message.sent_at.unwrap_or(now).min(now);
    let expires_at = sent_at + ttl;
    if expires_at <= now {
        return Err(reasons::EXPIRED);
    }
    let badge = badge::plan(message.kind, push)?;
    let apple = text::words(message, true, settings).map(Arc::new);
    let others = text::words(message, false, settings).map(Arc::new);
    if let (Err(reason), Err(_)) = (&apple, &others) {
        return Err(*reason);
    }
    Ok(Prepared {
        message,
        apple,
        others,
        ext: text::ext(message, sent_at.unix_seconds(), settings)?,
        badge,
        expires_at,
    })
}

/// One token that gets a push.
#[derive(Clone, Debug, PartialEq)]
pub struct Push<'a> {
    /// The token, and whose it is.
    pub registration: &'a Registration,
    /// What it does to the device's badge.
    pub badge: Option<BadgeArithmetic>,
    kind: NotificationKind,
    apple: bool,
    expires_at: Timestamp,
}

/// A receiver, or one device of a receiver, that gets no push.
#[derive(Clone, Debug, PartialEq)]
pub struct Skip<'a> {
    /// The receiver.
    pub user: &'a UserId,
    /// The device, if only that one is passed over.
    pub device: Option<&'a Device>,
    /// Why.
    pub reason: Reason,
}

/// Who gets a push of one message, and who does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision<'a> {
    /// Who does.
    pub pushes: Vec<Push<'a>>,
    /// Who does not, and why.
    pub skips: Vec<Skip<'a>>,
}

/// Decides for one receiver, whose devices are `devices`, and adds the outcome to `decision`.
pub fn decide<'a>(
    prepared: &Prepared<'_>,
    user: &'a UserId,
    devices: &'a [Device],
    credentials: &Credentials,
    now: Timestamp,
    settings: &DecisionSettings,
    decision: &mut Decision<'a>,
) {
    let mut skip = |device, reason| {
        decision.skips.push(Skip {
            user,
            device,
            reason,
        });
    };
    if prepared
        .message
        .sender
        .as_ref()
        .is_some_and(|it| it.user == *user)
    {
        return skip(None, reasons::SENDER_HIMSELF);
    }
    if devices.is_empty() {
        return skip(None, reasons::NEVER_REGISTERED);
    }
    let last_active = settings
        .last_active_device_only
        .then(|| {
            devices
                .iter()
                .filter(|it| it.presence != push_core::Presence::Offline)
                .max_by_key(|it| (presence::last_active(it), &it.device))
        })
        .flatten();
    for device in devices {
        let outcome = presence::may_push(device, now, settings).and_then(|()| match last_active {
            Some(last) if last.device != device.device => Err(reasons::NOT_LAST_ACTIVE_DEVICE),
            _ => choose(prepared, device, credentials, now),
        });
        match outcome {
            Ok(push) => decision.pushes.push(push),
            Err(reason) => decision.skips.push(Skip {
                user,
                device: Some(device),
                reason,
            }),
        }
    }
}

/// The token of `device` that this message goes to.
fn choose<'a>(
    prepared: &Prepared<'_>,
    device: &'a Device,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Push<'a>, Reason> {
    let usable = |slot| {
        let stored = device
            .registrations
            .iter()
            .find(|it| it.registration.slot == slot)
            .ok_or(reasons::NO_TOKEN)?;
        if let Some(quarantine) = &stored.quarantine {
            return Err(Reason::find(&quarantine.reason)
                .copied()
                .unwrap_or(reasons::TOKEN_SUSPECT));
        }
        let facts = check(&stored.registration, credentials)?;
        Ok((&stored.registration, facts))
    };
    let voip = prepared
        .message
        .push
        .as_ref()
        .is_some_and(|it| it.apns.voip);
    // S60: without a VoIP token that could be used, an incoming call comes as a normal alert.
    let call = voip.then(|| usable(Slot::Voip).ok()).flatten();
    let is_call = call.is_some();
    let (registration, facts) = match call {
        Some(found) => found,
        None => usable(Slot::Alert)?,
    };
    let apple = facts.channel == Channel::APNS;
    let words = match (apple, &prepared.apple, &prepared.others) {
        (true, words, _) | (false, _, words) => words.as_ref().map_err(|it| *it)?,
    };
    let kind = if is_call {
        NotificationKind::Voip
    } else {
        words.kind
    };
    let expires_at = match facts.max_ttl {
        Some(max) => prepared.expires_at.min(now + max),
        None => prepared.expires_at,
    };
    Ok(Push {
        registration,
        badge: prepared.badge.filter(|_| kind == NotificationKind::Alert),
        kind,
        apple,
        expires_at,
    })
}

/// Whether a registration and its credential fit together.
///
/// # Errors
/// In what they do not (S57, S123).
pub(crate) fn check<'c>(
    registration: &Registration,
    credentials: &'c Credentials,
) -> Result<&'c CredentialFacts, Reason> {
    let facts = credentials
        .get(&registration.certificate)
        .ok_or(reasons::CERTIFICATE_UNKNOWN)?
        .as_ref()
        .map_err(|it| *it)?;
    if facts.channel != registration.channel {
        return Err(reasons::CHANNEL_MISMATCH);
    }
    if !facts.slots.contains(&registration.slot) {
        return Err(reasons::SLOT_UNSUPPORTED);
    }
    if facts
        .environment
        .is_some_and(|it| it != registration.environment)
    {
        return Err(reasons::ENVIRONMENT_MISMATCH);
    }
    Ok(facts)
}

/// The notifications of one message, each made once and shared by all deliveries that look the same.
#[derive(Debug)]
pub struct Notifications<'a> {
    prepared: &'a Prepared<'a>,
    made: HashMap<(bool, NotificationKind, Timestamp, Badge), Arc<Notification>>,
}

impl<'a> Notifications<'a> {
    /// Of this message.
    pub fn new(prepared: &'a Prepared<'a>) -> Self {
        Self {
            prepared,
            made: HashMap::new(),
        }
    }

    /// The delivery of `push`, with `badge` as the device's new number.
    pub fn delivery(
        &mut self,
        app: &AppId,
        push: &Push<'_>,
        badge: Badge,
        now: Timestamp,
    ) -> Delivery {
        let prepared = self.prepared;
        let notification = self
            .made
            .entry((push.apple, push.kind, push.expires_at, badge))
            .or_insert_with(|| Arc::new(prepared.notification(push, badge)));
        let registration = push.registration;
        Delivery {
            id: DeliveryId::new(now),
            app: app.clone(),
            message: prepared.message.id.clone(),
            user: registration.user.clone(),
            device: registration.device.clone(),
            slot: registration.slot,
            channel: registration.channel.clone(),
            certificate: registration.certificate,
            environment: registration.environment,
            token: registration.token.clone(),
            told_at: registration.told_at,
            created_at: now,
            notification: Arc::clone(notification),
        }
    }
}

impl Prepared<'_> {
    fn notification(&self, push: &Push<'_>, badge: Badge) -> Notification {
        let words = if push.apple {
            &self.apple
        } else {
            &self.others
        };
        let message = self.message;
        let settings = message.push.as_ref();
        let mut notification = Notification {
            kind: push.kind,
            ext: self.ext.clone(),
            badge,
            priority: settings.map(|it| it.priority).unwrap_or_default(),
            interruption: settings
                .filter(|_| push.apple)
                .and_then(|it| it.apns.interruption),
            thread: match (&message.group, &message.sender) {
                (Some(group), _) => group.id.to_string(),
                (None, Some(sender)) => sender.user.to_string(),
                (None, None) => String::new(),
            },
            collapse: settings.map(|it| it.collapse.clone()).unwrap_or_default(),
            expires_at: Some(push.expires_at),
            vendor: settings.map(|it| it.vendor.clone()).unwrap_or_default(),
            ..Notification::default()
        };
        if let Ok(words) = words {
            notification.title.clone_from(&words.title);
            notification.subtitle.clone_from(&words.subtitle);
            notification.body.clone_from(&words.body);
            notification.sound = words.sound.clone();
            notification.image.clone_from(&words.image);
            notification.mutable = words.mutable;
        }
        notification
    }
}
