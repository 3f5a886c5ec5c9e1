//! Handles the gateway's reports on tokens that were registered earlier.
use std::{collections::BTreeMap, sync::Arc};

use push_core::{Account, Generation, Slot, api::PresenceAnswer};

use crate::{Event, TokenError, shared::Shared, state::Uploaded};

impl Shared {
    /// Requests a new token from the phone for each slot for which the gateway has no working token. `confirmed` holds the
    /// registrations that were confirmed when the request was sent.
    ///
    /// A forgotten token is uploaded again once the phone has returned its current token, even an unchanged one, because the
    /// phone confirms thereby that it is valid. A quarantined token is uploaded again only if the phone returns another one. The
    /// number of repetitions in one login is limited.
    pub(crate) fn apply_presence_answer(
        self: &Arc<Self>,
        account: &Account,
        generation: Generation,
        confirmed: BTreeMap<Slot, Uploaded>,
        answer: PresenceAnswer,
    ) {
        let mut unusable = Vec::new();
        {
            let mut state = self.state();
            let is_current = state
                .current_of(account)
                .is_some_and(|login| login.generation == generation);
            // The login has ended or push was switched off since: the gateway must not get a registration.
            if !is_current || !state.is_push_on {
                return;
            }
            for slot in answer.forgotten {
                if state.forget_upload(account, slot, confirmed.get(&slot)) {
                    unusable.push((slot, TokenError::Forgotten));
                }
            }
            for (&slot, confirmed) in &confirmed {
                let mut entries = answer.quarantined.iter();
                let why = entries
                    .find(|entry| entry.slot == slot)
                    .map(|entry| &entry.why);
                if state.set_quarantine(account, slot, confirmed, why)
                    && let Some(why) = why.cloned()
                {
                    unusable.push((slot, TokenError::Quarantined(why.code, why.text)));
                }
            }
        }
        if unusable.is_empty() {
            return;
        }
        self.changed();
        for (slot, error) in &unusable {
            self.emit(Event::TokenFailed {
                slot: *slot,
                error: error.clone(),
            });
        }
        if self.is_forgotten_too_often() {
            return;
        }
        for (slot, _) in unusable {
            // Other slots cannot be requested: the app reports their tokens itself.
            if self.parts.slots.contains(&slot) {
                self.request_token(slot, generation, 1);
            }
        }
    }
}
