//! What is wrong with the tokens that a phone reports as registered.
use push_core::{
    AppId, DeviceId, Reason, Result, Slot, StoredRegistration, Timestamp, UserId,
    api::{PresenceAnswer, QuarantinedToken, Warning},
};

use super::is_logged_in;
use crate::gateway::Gateway;

impl Gateway {
    /// Returns which tokens of `device` that its app reports as `registered` are missing or quarantined, and since when its presence
    /// is known; `None` if the device is not registered for `user`: logged out, kicked, or another user's by now.
    pub(crate) async fn token_standing(
        &self,
        app: &AppId,
        user: &UserId,
        device: &DeviceId,
        registered: &[Slot],
    ) -> Result<Option<(PresenceAnswer, Timestamp)>> {
        let users = std::slice::from_ref(user);
        let receivers = self.0.services.store.receivers(app, users).await?;
        let device = receivers
            .into_iter()
            .flat_map(|receiver| receiver.devices)
            .find(|known| known.device == *device && is_logged_in(known));
        let Some(device) = device else {
            return Ok(None);
        };
        let mut answer = PresenceAnswer::default();
        for &slot in registered {
            let of_slot: Vec<&StoredRegistration> = device
                .registrations
                .iter()
                .filter(|stored| stored.registration.slot == slot)
                .collect();
            if of_slot.is_empty() {
                answer.forgotten.push(slot);
            } else if of_slot.iter().all(|stored| stored.quarantine.is_some()) {
                // With one usable token, through any channel, the slot is all right.
                let first = of_slot
                    .first()
                    .and_then(|stored| stored.quarantine.as_ref());
                answer
                    .quarantined
                    .extend(first.map(|quarantine| quarantined(slot, &quarantine.reason)));
            }
        }
        Ok(Some((answer, device.presence_at)))
    }
}

fn quarantined(slot: Slot, code: &str) -> QuarantinedToken {
    let text = match Reason::find(code) {
        Some(reason) if reason.advice.is_empty() => reason.text.to_owned(),
        Some(reason) => format!("{}; {}", reason.text, reason.advice),
        None => "the token is quarantined".to_owned(),
    };
    let code = code.to_owned();
    QuarantinedToken::new(slot, Warning::new(code, text))
}
