//! What a decision knows of the credentials, and whether a token fits one.
use std::{collections::HashMap, time::Duration};

use push_core::{
    BadgeStyle, Capabilities, CertificateId, Channel, Environment, NotificationKind, Reason,
    Registration, Slot, TextLimits,
};

use super::reasons;

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

/// The credential with this id.
///
/// # Errors
/// If there is none, or why it cannot be used.
pub(super) fn usable(
    credentials: &Credentials,
    certificate: CertificateId,
) -> Result<&CredentialFacts, Reason> {
    credentials
        .get(&certificate)
        .ok_or(reasons::CERTIFICATE_UNKNOWN)?
        .as_ref()
        .map_err(|reason| *reason)
}

/// Whether a credential sends to tokens of this slot and environment.
///
/// # Errors
/// What does not fit.
pub(super) fn fits(
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
