//! Who gets a push, and what it says: a pure function of the message, its receivers' devices, the credentials and the time.
//!
//! Every receiver and device that gets none gets a [`Reason`] instead: "why was I not pushed" always has an answer.
mod badge;
mod content;
mod credential;
mod ending;
mod outcome;
mod policy;
mod presence;
pub mod reasons;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod token;

use std::time::Duration;

use push_core::{
    BadgeArithmetic, Channel, Class, Message, Reason, Receiver, Timestamp, TokenAddress,
};

pub(crate) use self::credential::check;
pub(crate) use self::ending::{explain, reason_of, unexplained};
pub(crate) use self::policy::{
    check_all as check_policies, check_with as check_policies_with, vendor_fields,
};
pub(crate) use self::token::quarantine_reason;
pub use self::{
    content::Contents,
    credential::{CredentialFacts, Credentials},
    outcome::{Decision, Push, Skip, To},
    policy::ClassPolicy,
    settings::DecisionSettings,
    text::Locale,
};
use self::{
    credential::{fits, usable},
    policy::Policies,
    text::Words,
    token::{choose, push},
};

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
    if receiver.is_unknown() {
        return decision
            .skips
            .push(Skip::user(user, reasons::NEVER_REGISTERED));
    }
    for damaged in &receiver.damaged {
        decision.skips.push(match damaged {
            Some(device) => Skip::device(Some(user), device, reasons::RECORD_DAMAGED),
            None => Skip::user(user, reasons::RECORD_DAMAGED),
        });
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
                let reason = match reason {
                    reasons::NO_TOKEN if device.has_damaged => reasons::RECORD_DAMAGED,
                    reason => reason,
                };
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
