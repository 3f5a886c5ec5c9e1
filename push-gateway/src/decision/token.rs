//! Which token of a device a push goes to.
use push_core::{
    BadgeStyle, CertificateId, Device, NotificationKind, Reason, Slot, StoredRegistration,
    Timestamp,
};

use super::{CredentialFacts, Credentials, Prepared, Push, To, credential::check, reasons};

/// The token of `device` that this message goes to.
pub(super) fn choose<'a>(
    prepared: &Prepared<'_>,
    device: &'a Device,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Push<'a>, Reason> {
    let is_call = |stored: &StoredRegistration| {
        let words = prepared.words(&stored.registration.channel);
        words.is_ok_and(|words| words.call)
    };
    let usable = |stored| attempt(prepared, device, stored, credentials, now);
    // S60: without a VoIP token that could be used, an incoming call comes as a normal alert.
    let of_call = match best(device, Slot::Voip, is_call, usable) {
        Ok(push) => return Ok(push),
        Err(reason) => reason,
    };
    best(device, Slot::Alert, |_| true, usable).map_err(|reason| match reason {
        reasons::NO_TOKEN => of_call,
        reason => reason,
    })
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

/// The push to one token, if its credential sends what the message is.
///
/// # Errors
/// Why it does not.
pub(super) fn push<'a>(
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
