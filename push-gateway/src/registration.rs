//! What phones and IM servers report of devices: tokens and presence.
mod phone;
mod token_standing;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use push_core::{
    AppId, Audience, Cancel, CredentialRef, Device, DeviceFacts, DeviceId, DeviceRef, EndCause,
    Ended, Error, ErrorKind, Lane, Message, Presence, PresenceChange, Reason, Receiver,
    Registration, Result, ShownTicket, Slot, TicketRefusal, Timestamp, UserId,
    api::{RegistrationAnswer, RegistrationBody, Warning},
};

use crate::{
    decision::{Decision, To, check, decide, prepare, reason_of, reasons},
    gateway::{Gateway, Inner},
};

/// Why a token was not registered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unregistered {
    /// It could never be pushed to.
    Refused(Reason),
    /// It does not have the form of the channel's tokens.
    Malformed(Error),
    /// The ticket is not good for this device.
    Denied(TicketRefusal),
    /// Something else went wrong.
    Failed(Error),
}

impl fmt::Display for Unregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) if reason.advice.is_empty() => fmt::Display::fmt(reason, f),
            Self::Refused(reason) => write!(f, "{reason}; {}", reason.advice),
            Self::Denied(refusal) => f.write_str(refusal.text()),
            Self::Malformed(error) | Self::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for Unregistered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) | Self::Denied(_) => None,
            Self::Malformed(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl From<Error> for Unregistered {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// How far an IM server's clock may be ahead of the gateway's before it is worth a warning.
const SKEW: Duration = Duration::from_secs(60);
/// How far ahead no clock is: the number is wrong.
const IMPOSSIBLY_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Checks that a time that another server wrote can have been shown by its clock, and returns how far it is ahead of `now`.
///
/// # Errors
/// [`ErrorKind::Invalid`] as [`Timestamp::from_written_millis`], and if the time is more than a day ahead.
pub(crate) fn check_written(at: Timestamp, now: Timestamp) -> Result<Duration> {
    Timestamp::from_written_millis(at.unix_millis())?;
    let ahead = at.since(now);
    if ahead <= IMPOSSIBLY_AHEAD {
        return Ok(ahead);
    }
    let message = match ahead.as_secs() / 3600 {
        hours @ ..48 => format!("the time is {hours} hours ahead of the gateway's clock"),
        hours => format!(
            "the time is {} days ahead of the gateway's clock",
            hours / 24
        ),
    };
    Err(Error::new(ErrorKind::Invalid, message)
        .advise("write milliseconds since 1970, and compare the clocks of both machines"))
}

/// A device of a user, and whether a plain text message would be sent to it now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The device.
    pub device: Device,
    /// `None` if it would; else why not.
    pub reason: Option<Reason>,
}

impl Gateway {
    /// Registers a device's token, in its channel's canonical form. A former owner of the device or the token loses it, and gets
    /// no more pushes on it (S42, S61): what is still queued for it is cancelled before this returns.
    ///
    /// # Errors
    /// [`Unregistered::Refused`] with `certificate-unknown`, `channel-mismatch` or `slot-unsupported`;
    /// [`Unregistered::Malformed`] if the text cannot be a token of the channel; [`ErrorKind::Unavailable`] if the credential
    /// cannot be used, so that nothing says what a token's canonical form is. A token of another environment than its
    /// certificate's is registered with a warning (S57): the certificate may be the wrong one of the two.
    pub async fn register(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Slot,
        body: RegistrationBody,
    ) -> Result<RegistrationAnswer, Unregistered> {
        let inner = Arc::clone(&self.0);
        let owner = DeviceRef::new(app.clone(), user.clone(), device.clone());
        let work = async move { Ok(inner.register(owner, slot, body, None).await) };
        self.detached(work).await?
    }

    /// Removes a device's tokens (`slot`: only that one): the user logged out on it, or switched push off, as `cause` says
    /// ([`EndCause::is_reported`]). What is still queued for it is cancelled before this returns. A device that is another user's by now is left alone (S43).
    /// Returns `true` if anything was removed.
    ///
    /// # Errors
    /// Those of store and queue.
    pub async fn unregister(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Option<Slot>,
        cause: EndCause,
    ) -> Result<bool> {
        let inner = Arc::clone(&self.0);
        let owner = DeviceRef::new(app.clone(), user.clone(), device.clone());
        self.detached(async move {
            let Some(ended) = inner.services.store.unregister(&owner, slot, cause).await? else {
                return Ok(false);
            };
            inner.end(&owner.app, vec![ended]).await?;
            Ok(true)
        })
        .await
    }

    /// The user's devices, and whether a plain text message from another user would be sent to each now (S112). One that would
    /// wait, because its credential is suspended or backs off, would not.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn diagnose(&self, app: &AppId, user: &UserId) -> Result<Vec<Diagnosis>> {
        self.0.diagnose(app, user).await
    }
}

impl Inner {
    /// Registers a token; with a ticket that was shown, and the most devices of its user, if a phone reports it.
    async fn register(
        &self,
        owner: DeviceRef,
        slot: Slot,
        body: RegistrationBody,
        shown: Option<(ShownTicket, usize)>,
    ) -> Result<RegistrationAnswer, Unregistered> {
        let registered = self.register_as(&owner, slot, body, shown).await;
        let refusal = match &registered {
            Err(Unregistered::Refused(reason)) => reason.code,
            Err(Unregistered::Malformed(_)) => reasons::TOKEN_MALFORMED.code,
            _ => return registered,
        };
        // Stored to explain later why the user gets no push.
        if let Err(error) = self.services.store.refuse(&owner, slot, refusal).await {
            tracing::warn!(device = %owner.device, %error, "a refused registration could not be remembered");
        }
        registered
    }

    async fn register_as(
        &self,
        owner: &DeviceRef,
        slot: Slot,
        body: RegistrationBody,
        shown: Option<(ShownTicket, usize)>,
    ) -> Result<RegistrationAnswer, Unregistered> {
        if let Some((shown, _)) = &shown {
            // Before anything is remembered of the user; it is checked once more when the token is stored.
            let admitted = self.services.store.admit(owner, shown, &body.facts).await?;
            admitted.map_err(Unregistered::Denied)?;
        }
        let app = &owner.app;
        let receipt_key = self.receipt_keys.of(app, &owner.device)?;
        check_facts(&body.facts)?;
        let credential = CredentialRef::new(app.clone(), body.certificate_id);
        let mut registration = Registration::new(
            owner.clone(),
            body.channel,
            body.certificate_id,
            body.environment,
            body.token,
            self.services.clock.now(),
        )
        .with_slot(slot)
        .with_instance(body.instance)
        .with_rank(body.rank);
        let ids = [registration.certificate].into();
        let credentials = self.services.vault.facts(app, &ids).await?;
        let warning = match check(&registration, &credentials) {
            Ok(_) => None,
            Err(
                reason @ (reasons::CERTIFICATE_UNKNOWN
                | reasons::CHANNEL_MISMATCH
                | reasons::SLOT_UNSUPPORTED),
            ) => {
                return Err(Unregistered::Refused(reason));
            }
            // The token is good; the credential must be corrected by the operator.
            Err(reason) => {
                tracing::warn!(?credential, device = %owner.device, reason = reason.code, "a token was registered that cannot be pushed to");
                Some(Warning::new(
                    reason.code.to_owned(),
                    format!("{}; {}", reason.text, reason.advice),
                ))
            }
        };
        // After the credential is known to be of the token's vendor: another's would find fault with its form.
        let loaded = match self.services.vault.load(&credential).await? {
            Ok(loaded) => loaded,
            // A token in another spelling would become a second token, perhaps of another user. The phone tries again.
            Err(unusable) => {
                let what = format!(
                    "the token cannot be checked, because the credential of certificate {} cannot be used: {}",
                    credential.certificate, unusable.reason.text
                );
                let error = Error::new(ErrorKind::Unavailable, what);
                return Err(error.advise(unusable.reason.advice).into());
            }
        };
        registration.token = loaded
            .provider
            .check_token(slot, &registration.token)
            .map_err(Unregistered::Malformed)?;
        let (store, new) = (&self.services.store, vec![registration]);
        let registered = match shown {
            None => store.register(owner, &body.facts, new).await?,
            Some((shown, max_devices)) => store
                .register_with(&shown, max_devices, owner, &body.facts, new)
                .await?
                .map_err(Unregistered::Denied)?,
        };
        let registered = registered.into_iter().next().unwrap_or_default();
        self.end(app, registered.displaced).await?;
        Ok(RegistrationAnswer::default()
            .with_changed(registered.changed)
            .with_warning(warning)
            .with_receipt_key(receipt_key))
    }

    /// Cancels what is queued for devices on which push has ended, and fences off what was decided before.
    async fn end(&self, app: &AppId, ended: Vec<Ended>) -> Result<()> {
        for ended in ended {
            let what = Cancel::Device {
                user: ended.user,
                device: ended.device,
                slot: ended.slot,
                before: ended.revision,
            };
            let reason = reason_of(ended.cause, None).unwrap_or(reasons::OFFLINE);
            self.cancel(app, &what, reason).await?;
        }
        Ok(())
    }

    /// Applies presence. A device that is reported offline was logged out or kicked: no push follows on it (S67).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a time that cannot be meant, naming its place; then nothing is applied.
    pub(crate) async fn set_presence(
        &self,
        app: &AppId,
        mut changes: Vec<PresenceChange>,
    ) -> Result<()> {
        let now = self.services.clock.now();
        let mut ahead = 0;
        for (place, change) in changes.iter_mut().enumerate() {
            let by = check_written(change.at, now)
                .map_err(|error| error.at(format!("`changes[{place}].at`")))?;
            ahead += u64::from(by > SKEW);
            // A clock that is ahead would shut out everything reported after it.
            change.at = change.at.min(now);
        }
        if ahead > 0 {
            tracing::warn!(%app, changes = ahead, "presence was reported of a time that is still to come; compare the clocks");
            self.services.metrics.presence_ahead(app.as_str(), ahead);
        }
        let set = self.services.store.set_presence(app, changes).await?;
        self.end(app, set.ended).await
    }

    async fn diagnose(&self, app: &AppId, user: &UserId) -> Result<Vec<Diagnosis>> {
        let now = self.services.clock.now();
        let settings = &self.services.settings.decision;
        let users = std::slice::from_ref(user);
        let Some(receiver) = self.services.store.receivers(app, users).await?.pop() else {
            return Ok(Vec::new());
        };
        let ids = certificates(&receiver);
        let credentials = self.services.vault.facts(app, &ids).await?;
        let id = push_core::MessageId::new("diagnosis")?;
        let message = Message::new(id, Audience::user(user.clone())).with_text("diagnosis");
        let prepared = prepare(&message, now, settings).map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("the test message is not pushable: {reason}"),
            )
        })?;
        let mut decision = Decision::default();
        decide(
            &prepared,
            &receiver,
            &credentials,
            now,
            settings,
            &mut decision,
        );
        self.explain(app, std::slice::from_mut(&mut decision)).await;
        let mut reasons: HashMap<&DeviceId, Reason> = decision
            .skips
            .iter()
            .filter_map(|skip| Some((skip.device.as_ref()?, skip.reason)))
            .collect();
        for push in &decision.pushes {
            let To::Device { registration, .. } = push.to else {
                continue;
            };
            let credential = registration.credential();
            let lane = Lane::new(credential.clone(), prepared.class().clone());
            if let Some(reason) = self.pipeline.lane_status(&lane).reason() {
                let reason = self.services.vault.advised(&credential, reason).await;
                reasons.insert(&registration.device, reason);
            }
        }
        let found = receiver
            .devices
            .iter()
            .map(|device| Diagnosis {
                device: device.clone(),
                reason: reasons.get(&device.device).copied(),
            })
            .collect();
        Ok(found)
    }
}

fn certificates(receiver: &Receiver) -> std::collections::BTreeSet<push_core::CertificateId> {
    receiver
        .devices
        .iter()
        .flat_map(|device| &device.registrations)
        .map(|stored| stored.registration.certificate)
        .collect()
}

/// Refuses facts that are too long to be kept.
fn check_facts(facts: &DeviceFacts) -> Result<()> {
    let DeviceFacts {
        language,
        time_zone,
        brand,
        app_version,
        ..
    } = facts;
    for (member, text) in [
        ("language", language),
        ("time_zone", time_zone),
        ("brand", brand),
        ("app_version", app_version),
    ] {
        if text
            .as_ref()
            .is_some_and(|text| text.len() > DeviceFacts::MAX_BYTES)
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("`{member}` is longer than {} bytes", DeviceFacts::MAX_BYTES),
            ));
        }
    }
    Ok(())
}

/// Whether a device is registered for push at all.
fn is_logged_in(device: &Device) -> bool {
    device.presence != Presence::Offline
}
