//! Who gets a push, and what it says: a pure function of the message, its receivers' devices, the credentials and the time.
//!
//! Every receiver and device that gets none gets a [`Reason`] instead: "why was I not pushed" always has an answer.
mod badge;
mod content;
mod ending;
mod policy;
mod presence;
pub mod reasons;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::HashMap, time::Duration};

use push_core::{
    Badge, BadgeArithmetic, BadgeStyle, Capabilities, CertificateId, Channel, Class, Device,
    DeviceId, Environment, Message, NotificationKind, Platform, Reason, Receiver, Registration,
    Slot, StoredRegistration, TextLimits, Timestamp, TokenAddress, UserId,
};

pub(crate) use self::ending::{explain, reason_of, unexplained};
pub(crate) use self::policy::{
    check_all as check_policies, check_with as check_policies_with, vendor_fields,
};
pub use self::{content::Contents, policy::ClassPolicy, text::Locale};
use self::{policy::Policies, text::Words};

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
    /// Vendor fields by message class, laid over what each credential sets; a message's own fields are laid over them (S100).
    pub policies: Vec<ClassPolicy>,
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
            policies: Vec::new(),
        }
    }
}

/// What a decision must know of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialFacts {
    /// The channel it speaks.
    pub channel: Channel,
    /// The environment it sends to; `None` if the vendor has only one.
    pub environment: Option<Environment>,
    /// The slots whose tokens it can send to.
    pub slots: &'static [Slot],
    /// The kinds of notification it can send.
    pub kinds: &'static [NotificationKind],
    /// The longest time the vendor keeps a notification.
    pub max_ttl: Option<Duration>,
    /// How much text it accepts.
    pub text: TextLimits,
    /// Whether it refuses a notification without a title.
    pub needs_title: bool,
    /// How it changes the number on the icon.
    pub badge: BadgeStyle,
    /// What to look at if the vendor refuses it.
    pub repair: &'static str,
}

impl From<&Capabilities> for CredentialFacts {
    fn from(capabilities: &Capabilities) -> Self {
        Self {
            channel: capabilities.channel.clone(),
            environment: capabilities.environment,
            slots: capabilities.slots,
            kinds: capabilities.kinds,
            max_ttl: capabilities.max_ttl,
            text: capabilities.text,
            needs_title: capabilities.needs_title,
            badge: capabilities.badge,
            repair: capabilities.repair,
        }
    }
}

/// The credentials of one app, by id: what they can do, or why they are unusable. What is missing does not exist.
pub type Credentials = HashMap<CertificateId, Result<CredentialFacts, Reason>>;

/// A message of which everything is decided that does not depend on the receiver.
#[derive(Debug)]
pub struct Prepared<'a> {
    message: &'a Message,
    class: Class,
    general: Result<Words, Reason>,
    /// What differs for the channels that the message names.
    of_channel: Vec<(&'a Channel, Result<Words, Reason>)>,
    policies: Policies<'a>,
    ext: String,
    badge: Option<BadgeArithmetic>,
    collapse: String,
    default_title: String,
    expires_at: Timestamp,
}

/// Decides what does not depend on the receiver.
///
/// # Errors
/// Why no receiver gets a push.
pub fn prepare<'a>(
    message: &'a Message,
    now: Timestamp,
    settings: &'a DecisionSettings,
) -> Result<Prepared<'a>, Reason> {
    if message.audience.listed() == Some(0) {
        return Err(reasons::NO_RECEIVERS);
    }
    if message.online_only {
        return Err(reasons::ONLINE_ONLY);
    }
    let push = message.push.as_ref();
    if push.is_some_and(|push| push.disabled) {
        return Err(reasons::PUSH_DISABLED);
    }
    if push.is_some_and(|push| push.collapse.len() > content::MAX_COLLAPSE) {
        return Err(reasons::COLLAPSE_TOO_LONG);
    }
    let ttl = match push.and_then(|push| push.ttl_seconds) {
        Some(0) => return Err(reasons::TTL_ZERO),
        Some(seconds) => Duration::from_secs(seconds.into()),
        None => settings.default_ttl,
    };
    // A sender's clock that is ahead must not make a message live longer.
    let sent_at = message.sent_at.unwrap_or(now).min(now);
    let expires_at = sent_at + ttl;
    if expires_at <= now {
        return Err(reasons::EXPIRED);
    }
    let badge = badge::plan(message.kind, push)?;
    let general = text::words(message, None, settings);
    let of_channel: Vec<_> = push
        .iter()
        .flat_map(|push| &push.per_channel)
        .map(|(channel, overrides)| (channel, text::words(message, Some(overrides), settings)))
        .collect();
    if let Err(reason) = general
        && of_channel.iter().all(|(_, words)| words.is_err())
    {
        return Err(reason);
    }
    let class = message.effective_class();
    Ok(Prepared {
        policies: Policies::of(&settings.policies, &class),
        class,
        general,
        of_channel,
        ext: text::ext(message, sent_at.unix_seconds(), settings)?,
        badge,
        collapse: content::collapse_key(message),
        default_title: text::fallback_title(message, settings),
        expires_at,
        message,
    })
}

impl Prepared<'_> {
    /// The message's class.
    pub(crate) const fn class(&self) -> &Class {
        &self.class
    }

    /// What the message says on `channel`.
    fn words(&self, channel: &Channel) -> Result<&Words, Reason> {
        self.of_channel
            .iter()
            .find(|(of, _)| *of == channel)
            .map_or(&self.general, |(_, words)| words)
            .as_ref()
            .map_err(|reason| *reason)
    }
}

/// Where one push goes.
#[derive(Clone, Debug, PartialEq)]
pub enum To<'a> {
    /// A registered token of a device.
    Device {
        /// The registration.
        registration: &'a Registration,
        /// The device's revision.
        revision: u64,
    },
    /// A token that the caller named.
    Token {
        /// Its place in the audience.
        place: usize,
        /// The token.
        address: &'a TokenAddress,
    },
}

/// One push that is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Push<'a> {
    /// Where it goes.
    pub to: To<'a>,
    /// The credential that sends it.
    pub certificate: CertificateId,
    /// What it does to the device's badge.
    pub badge: Option<BadgeArithmetic>,
    kind: NotificationKind,
    expires_at: Timestamp,
}

impl Push<'_> {
    /// What a push does to the number on the icon when the gateway counted `number` for the device.
    pub(crate) fn badge_of(&self, facts: &CredentialFacts, number: Option<u32>) -> Badge {
        match (self.badge, facts.badge, number) {
            (None, ..) | (_, BadgeStyle::None, _) => Badge::Leave,
            (Some(BadgeArithmetic::Add(more)), BadgeStyle::CountUp, _) => Badge::Add(more),
            (Some(BadgeArithmetic::Set(number)), _, None) => Badge::Set(number),
            (Some(BadgeArithmetic::Add(_)), _, None) => Badge::Leave,
            (Some(_), _, Some(number)) => Badge::Set(number),
        }
    }
}

/// A receiver, device or token that gets no push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The receiver; `None` for a token, or a device that belongs to no user.
    pub user: Option<UserId>,
    /// The device, if only that one gets none.
    pub device: Option<DeviceId>,
    /// The token's place in the audience.
    pub token: Option<usize>,
    /// Why.
    pub reason: Reason,
}

impl Skip {
    /// A user gets none.
    pub fn user(user: &UserId, reason: Reason) -> Self {
        Self {
            user: Some(user.clone()),
            device: None,
            token: None,
            reason,
        }
    }

    /// A device gets none.
    pub fn device(user: Option<&UserId>, device: &DeviceId, reason: Reason) -> Self {
        Self {
            user: user.cloned(),
            device: Some(device.clone()),
            token: None,
            reason,
        }
    }

    /// A token gets none.
    pub const fn token(place: usize, reason: Reason) -> Self {
        Self {
            user: None,
            device: None,
            token: Some(place),
            reason,
        }
    }
}

/// Who gets a push of one message, and who does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision<'a> {
    /// Who does.
    pub pushes: Vec<Push<'a>>,
    /// Who does not, and why.
    pub skips: Vec<Skip>,
}

/// Decides for one receiver, and adds the outcome to `decision`.
pub fn decide<'a>(
    prepared: &Prepared<'_>,
    receiver: &'a Receiver,
    credentials: &Credentials,
    now: Timestamp,
    settings: &DecisionSettings,
    decision: &mut Decision<'a>,
) {
    let (user, devices) = (&receiver.user, &receiver.devices);
    let sender = prepared.message.sender.as_ref();
    if sender.is_some_and(|sender| sender.user == *user) {
        return decision
            .skips
            .push(Skip::user(user, reasons::SENDER_HIMSELF));
    }
    if devices.is_empty() {
        return decision
            .skips
            .push(Skip::user(user, reasons::NEVER_REGISTERED));
    }
    let last_active = settings
        .last_active_device_only
        .then(|| {
            devices
                .iter()
                .filter(|device| device.presence != push_core::Presence::Offline)
                .max_by_key(|device| (presence::last_active(device), &device.device))
        })
        .flatten();
    for device in devices {
        let outcome = presence::may_push(device, now, settings).and_then(|()| match last_active {
            Some(last) if last.device != device.device => Err(reasons::NOT_LAST_ACTIVE_DEVICE),
            _ => choose(prepared, device, credentials, now),
        });
        match outcome {
            Ok(push) => decision.pushes.push(push),
            Err(reason) => {
                let skip = Skip::device(Some(user), &device.device, reason);
                decision.skips.push(skip);
            }
        }
    }
}

/// Decides for one token that the caller named, and adds the outcome to `decision`.
pub fn decide_token<'a>(
    prepared: &Prepared<'_>,
    place: usize,
    address: &'a TokenAddress,
    credentials: &Credentials,
    now: Timestamp,
    decision: &mut Decision<'a>,
) {
    let outcome = usable(credentials, address.certificate_id).and_then(|facts| {
        fits(facts, address.slot, address.environment)?;
        let to = To::Token { place, address };
        push(
            prepared,
            to,
            address.certificate_id,
            facts,
            address.slot,
            now,
        )
    });
    match outcome {
        Ok(push) => decision.pushes.push(push),
        Err(reason) => decision.skips.push(Skip::token(place, reason)),
    }
}

/// The token of `device` that this message goes to.
fn choose<'a>(
    prepared: &Prepared<'_>,
    device: &'a Device,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Push<'a>, Reason> {
    let is_call = |stored: &StoredRegistration| {
        let words = prepared.words(&stored.registration.channel);
        words.is_ok_and(|words| words.call)
    };
    // S60: without a VoIP token that could be used, an incoming call comes as a normal alert.
    let call = best(device, Slot::Voip, is_call, |stored| {
        attempt(prepared, device, stored, credentials, now)
    });
    if let Ok(push) = call {
        return Ok(push);
    }
    best(
        device,
        Slot::Alert,
        |_| true,
        |stored| attempt(prepared, device, stored, credentials, now),
    )
}

/// The push to the first registration of `slot` that can be used, by rank and then by the latest (S125).
///
/// # Errors
/// Why the first one cannot be used.
fn best<'a>(
    device: &'a Device,
    slot: Slot,
    wanted: impl Fn(&StoredRegistration) -> bool,
    attempt: impl Fn(&'a StoredRegistration) -> Result<Push<'a>, Reason>,
) -> Result<Push<'a>, Reason> {
    let mut candidates: Vec<&StoredRegistration> = device
        .registrations
        .iter()
        .filter(|stored| {
            let registration = &stored.registration;
            registration.slot == slot && registration.instance.is_only() && wanted(stored)
        })
        .collect();
    candidates.sort_by_key(|stored| {
        let registration = &stored.registration;
        (
            registration.rank,
            std::cmp::Reverse(registration.reported_at),
        )
    });
    let mut first = None;
    for stored in candidates {
        match attempt(stored) {
            Ok(push) => return Ok(push),
            Err(reason) => first = first.or(Some(reason)),
        }
    }
    Err(first.unwrap_or(reasons::NO_TOKEN))
}

/// The push to one registration.
fn attempt<'a>(
    prepared: &Prepared<'_>,
    device: &Device,
    stored: &'a StoredRegistration,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Push<'a>, Reason> {
    if let Some(quarantine) = &stored.quarantine {
        return Err(quarantine_reason(&quarantine.reason));
    }
    let registration = &stored.registration;
    let facts = check(registration, credentials)?;
    let to = To::Device {
        registration,
        revision: device.revision,
    };
    push(
        prepared,
        to,
        registration.certificate,
        facts,
        registration.slot,
        now,
    )
}

/// The reason with this code, which a quarantined token has.
pub(crate) fn quarantine_reason(code: &str) -> Reason {
    Reason::find(code)
        .copied()
        .unwrap_or(reasons::TOKEN_QUARANTINED)
}

fn push<'a>(
    prepared: &Prepared<'_>,
    to: To<'a>,
    certificate: CertificateId,
    facts: &CredentialFacts,
    slot: Slot,
    now: Timestamp,
) -> Result<Push<'a>, Reason> {
    let words = prepared.words(&facts.channel)?;
    let kind = match slot {
        Slot::Voip => NotificationKind::Voip,
        Slot::LiveActivity => NotificationKind::LiveActivity,
        _ if words.background => NotificationKind::Background,
        _ => NotificationKind::Alert,
    };
    if !facts.kinds.contains(&kind) {
        return Err(reasons::KIND_UNSUPPORTED);
    }
    // A number alone can be shown only by a vendor that needs no text and changes badges.
    let shows_badge = !facts.needs_title && facts.badge != BadgeStyle::None;
    if kind == NotificationKind::Alert && words.is_empty() && !shows_badge {
        return Err(reasons::EMPTY_TEXT);
    }
    let expires_at = match facts.max_ttl {
        Some(max) => prepared.expires_at.min(now + max),
        None => prepared.expires_at,
    };
    Ok(Push {
        to,
        certificate,
        badge: prepared.badge.filter(|_| match kind {
            NotificationKind::Alert => true,
            // What wakes the app counts nothing, but a number that the sender gives is set.
            NotificationKind::Background => prepared
                .message
                .push
                .as_ref()
                .is_some_and(|push| push.badge_set.is_some() || push.badge_add.is_some()),
            _ => false,
        }),
        kind,
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
    let facts = usable(credentials, registration.certificate)?;
    if facts.channel != registration.channel {
        return Err(reasons::CHANNEL_MISMATCH);
    }
    fits(facts, registration.slot, Some(registration.environment))?;
    Ok(facts)
}

fn usable(
    credentials: &Credentials,
    certificate: CertificateId,
) -> Result<&CredentialFacts, Reason> {
    credentials
        .get(&certificate)
        .ok_or(reasons::CERTIFICATE_UNKNOWN)?
        .as_ref()
        .map_err(|reason| *reason)
}

fn fits(
    facts: &CredentialFacts,
    slot: Slot,
    environment: Option<Environment>,
) -> Result<(), Reason> {
    if !facts.slots.contains(&slot) {
        return Err(reasons::SLOT_UNSUPPORTED);
    }
    match (facts.environment, environment) {
        (Some(one), Some(other)) if one != other => Err(reasons::ENVIRONMENT_MISMATCH),
        _ => Ok(()),
    }
}
