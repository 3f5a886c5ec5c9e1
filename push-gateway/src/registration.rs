//! What phones and IM servers tell of devices: tokens and presence.
use std::{collections::HashMap, fmt, sync::Arc};

use push_core::{
    AppId, Cancel, Device, DeviceId, Error, ErrorKind, Message, MessageKind, Presence,
    PresenceChange, Reason, Registration, Result, Slot, UserId,
    api::{PresenceAnswer, RegistrationAnswer, RegistrationBody, SetAside, Warning},
};

use crate::{
    decision::{Decision, check, decide, prepare, reasons},
    gateway::{Gateway, Inner, lane},
};

/// Why a token was not registered.
#[derive(Debug)]
pub enum Unregistered {
    /// It could never be pushed to.
    Refused(Reason),
    /// Something else went wrong.
    Failed(Error),
}

impl fmt::Display for Unregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) if reason.advice.is_empty() => fmt::Display::fmt(reason, f),
            Self::Refused(reason) => write!(f, "{reason}; {}", reason.advice),
            Self::Failed(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for Unregistered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Failed(error) => error.source(),
        }
    }
}

impl From<Error> for Unregistered {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A device of a user, and whether a plain text message would be pushed to it now.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The device.
    pub device: Device,
    /// `None` if it would; else why not.
    pub reason: Option<Reason>,
}

impl Gateway {
    /// Takes a device's token. A former owner of the device or the token loses it, and gets nothing on it any more (S42,
    /// S61): what is still queued for it is cancelled before this returns.
    ///
    /// # Errors
    /// [`Unregistered::Refused`] with `certificate-unknown`, `channel-mismatch` or `slot-unsupported`. A token of another
    /// environment than its certificate's is taken with a warning (S57): the certificate may be the wrong one of the two.
    pub async fn register(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Slot,
        body: RegistrationBody,
    ) -> Result<RegistrationAnswer, Unregistered> {
        let inner = Arc::clone(&self.0);
        let (app, user, device) = (app.clone(), user.clone(), device.clone());
        let work = async move { Ok(inner.register(app, user, device, slot, body).await) };
        self.detached(work).await?
    }

    /// What is wrong with the tokens of `device` that its app believes to be `registered`; `None` if the device is not
    /// registered for `user`: logged out, kicked, or another user's by now.
    pub(crate) async fn health(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        registered: &[Slot],
    ) -> Result<Option<PresenceAnswer>> {
        let users = std::slice::from_ref(user);
        let devices = self.0.store.devices_of(app, users).await?;
        let mut devices = devices.into_iter().flatten();
        let Some(device) =
            devices.find(|it| it.device == *device && it.presence != Presence::Offline)
        else {
            return Ok(None);
        };
        let mut answer = PresenceAnswer::default();
        for &slot in registered {
            let stored = device
                .registrations
                .iter()
                .find(|it| it.registration.slot == slot);
            match stored {
                None => answer.forgotten.push(slot),
                Some(stored) => answer.set_aside.extend(
                    stored
                        .quarantine
                        .as_ref()
                        .map(|it| set_aside(slot, &it.reason)),
                ),
            }
        }
        Ok(Some(answer))
    }

    /// Takes a device's tokens away (`slot`: only that one): the user logged out on it, or switched push off. What is
    /// still queued for it is cancelled before this returns. A device that is another user's by now is left alone (S43).
    ///
    /// # Errors
    /// Those of store and queue.
    pub async fn unregister(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        slot: Option<Slot>,
    ) -> Result<bool> {
        let inner = Arc::clone(&self.0);
        let (app, user, device) = (app.clone(), user.clone(), device.clone());
        self.detached(async move {
            let had = inner.store.unregister(&app, &user, &device, slot).await?;
            // The other slots' deliveries stay: only alerts stand for the device as a whole.
            if slot.is_none_or(|it| it == Slot::Alert) {
                inner.silence(&app, vec![(user, device)]).await?;
            }
            Ok(had)
        })
        .await
    }

    /// The user's devices, and whether a plain text message from somebody else would be pushed to each now (S112).
    ///
    /// # Errors
    /// Those of the store.
    pub async fn diagnose(&self, app: &AppId, user: &UserId) -> Result<Vec<Diagnosis>> {
        self.0.diagnose(app, user).await
    }
}

fn set_aside(slot: Slot, code: &str) -> SetAside {
    let text = match Reason::find(code) {
        Some(reason) if reason.advice.is_empty() => reason.text.to_owned(),
        Some(reason) => format!("{}; {}", reason.text, reason.advice),
        None => "the token is set aside".to_owned(),
    };
    let code = code.to_owned();
    SetAside {
        slot,
        why: Warning { code, text },
    }
}

impl Inner {
    async fn register(
        &self,
        app: AppId,
        user: UserId,
        device: DeviceId,
        slot: Slot,
        body: RegistrationBody,
    ) -> Result<RegistrationAnswer, Unregistered> {
        let receipt_key = self.receipt_keys.of(&app, &device)?;
        let registration = Registration {
            app: app.clone(),
            user: user.clone(),
            device: device.clone(),
            slot,
            channel: body.channel,
            certificate: body.certificate_id,
            environment: body.environment,
            token: body.token,
            told_at: self.clock.now(),
        };
        let ids = [registration.certificate].into();
        let credentials = self.vault.facts(&app, &ids).await?;
        let warning = match check(&registration, &credentials) {
            Ok(_) => None,
            Err(
                it @ (reasons::CERTIFICATE_UNKNOWN
                | reasons::CHANNEL_MISMATCH
                | reasons::SLOT_UNSUPPORTED),
            ) => {
                return Err(Unregistered::Refused(it));
            }
            // The token is good; what is wrong with the credential is the operator's to mend.
            Err(it) => {
                tracing::warn!(lane = ?lane(&app, registration.certificate), %device, reason = it.code, "a token was registered that cannot be pushed to");
                Some(Warning {
                    code: it.code.to_owned(),
                    text: format!("{}; {}", it.text, it.advice),
                })
            }
        };
        let registered = self
            .store
            .register(vec![registration])
            .await?
            .pop()
            .unwrap_or_default();
        if let Some(platform) = body.platform {
            self.note_platform(&app, &user, &device, platform).await?;
        }
        let displaced: Vec<_> = registered
            .displaced
            .into_iter()
            .map(|it| (it.user, it.device))
            .collect();
        if !displaced.is_empty() {
            self.silence(&app, displaced).await?;
        }
        Ok(RegistrationAnswer {
            changed: registered.changed,
            warning,
            receipt_key: Some(receipt_key),
        })
    }

    /// Remembers what kind of client a device is, and leaves its presence as it is.
    async fn note_platform(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        platform: push_core::Platform,
    ) -> Result<()> {
        let users = std::slice::from_ref(user);
        let devices = self.store.devices_of(app, users).await?;
        let known = devices.iter().flatten().find(|it| it.device == *device);
        let Some(known) = known.filter(|it| it.platform != Some(platform)) else {
            return Ok(());
        };
        let change = PresenceChange {
            user: user.clone(),
            device: Some(device.clone()),
            platform: Some(platform),
            presence: known.presence,
            at: known.presence_at,
            badge: None,
        };
        self.store.set_presence(app, vec![change]).await?;
        Ok(())
    }

    /// Cancels what is queued for devices that lost their registration, including what submissions that began before are
    /// still about to queue.
    async fn silence(&self, app: &AppId, devices: Vec<(UserId, DeviceId)>) -> Result<()> {
        self.grace.wait().await;
        for (user, device) in devices {
            let what = Cancel::Device(user, device);
            self.cancel(app, &what, reasons::CANCELLED_BY_LOGOUT)
                .await?;
        }
        Ok(())
    }

    /// Takes presence. Who is told to be offline was logged out or kicked: nothing follows on those devices (S67).
    pub(crate) async fn set_presence(
        &self,
        app: &AppId,
        mut changes: Vec<PresenceChange>,
    ) -> Result<()> {
        let now = self.clock.now();
        let mut gone = Vec::new();
        for change in &mut changes {
            // A clock that runs ahead would shut out everything told after it.
            change.at = change.at.min(now);
            if change.presence == Presence::Offline {
                gone.push(change.user.clone());
            }
        }
        self.store.set_presence(app, changes).await?;
        if gone.is_empty() {
            return Ok(());
        }
        gone.sort();
        gone.dedup();
        let devices = self.store.devices_of(app, &gone).await?;
        let silent = gone
            .iter()
            .zip(devices)
            .flat_map(|(user, devices)| devices.into_iter().map(move |it| (user.clone(), it)))
            .filter(|(_, device)| device.presence == Presence::Offline)
            .map(|(user, device)| (user, device.device))
            .collect();
        self.silence(app, silent).await
    }

    async fn diagnose(&self, app: &AppId, user: &UserId) -> Result<Vec<Diagnosis>> {
        let now = self.clock.now();
        let settings = &self.settings.decision;
        let devices = self
            .store
            .devices_of(app, std::slice::from_ref(user))
            .await?
            .pop()
            .unwrap_or_default();
        let ids = devices
            .iter()
            .flat_map(|it| &it.registrations)
            .map(|it| it.registration.certificate)
            .collect();
        let credentials = self.facts(app, &ids).await?;
        let message = Message {
            id: push_core::MessageId::new("diagnosis")?,
            kind: MessageKind::Chat,
            sender: None,
            group: None,
            receivers: vec![user.clone()],
            elements: vec![push_core::Element::Text {
                text: "diagnosis".to_owned(),
            }],
            push: None,
            online_only: false,
            sent_at: None,
        };
        let prepared = prepare(&message, now, settings).map_err(|reason| {
            Error::new(
                ErrorKind::Internal,
                format!("the probe is not pushable: {reason}"),
            )
        })?;
        let mut decision = Decision::default();
        decide(
            &prepared,
            user,
            &devices,
            &credentials,
            now,
            settings,
            &mut decision,
        );
        let reasons: HashMap<&DeviceId, Reason> = decision
            .skips
            .iter()
            .filter_map(|it| Some((&it.device?.device, it.reason)))
            .collect();
        let found = devices
            .iter()
            .map(|device| Diagnosis {
                device: device.clone(),
                reason: reasons.get(&device.device).copied(),
            })
            .collect();
        Ok(found)
    }
}
