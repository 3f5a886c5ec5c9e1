//! Handles the gateway's reports on tokens that were registered earlier.
use std::{collections::BTreeMap, sync::Arc};

use push_core::{Account, Generation, Slot, api::PresenceAnswer};

use crate::{Event, TokenError, shared::Shared, state::Uploaded};

impl Shared {
    /// Asks the phone for a new token where the gateway has none that works; `believed` is what was confirmed when the gateway
    /// was asked.
    ///
    /// A forgotten token is uploaded again when the phone has said which it is now, even if it is the same: telling it again
    /// says that it is alive. A quarantined one only if the phone has another. Bounded as everything that the gateway can
    /// cause is.
    pub(crate) fn heed(
        self: &Arc<Self>,
        account: &Account,
        generation: Generation,
        believed: BTreeMap<Slot, Uploaded>,
        answer: PresenceAnswer,
    ) {
        let mut doubted = Vec::new();
        {
            let mut state = self.state();
            let is_current = state
                .current_of(account)
                .is_some_and(|it| it.generation == generation);
            // Of whom has been switched off since, the gateway has nothing, and is to have nothing.
            if !is_current || !state.is_push_on {
                return;
            }
            for slot in answer.forgotten {
                if state.forget_upload(account, slot, believed.get(&slot)) {
                    doubted.push((slot, TokenError::Forgotten));
                }
            }
            for (&slot, believed) in &believed {
                let said = answer.set_aside.iter().find(|it| it.slot == slot);
                let why = said.map(|it| &it.why);
                if state.set_aside(account, slot, believed, why)
                    && let Some(why) = why.cloned()
                {
                    doubted.push((slot, TokenError::SetAside(why.code, why.text)));
                }
            }
        }
        if doubted.is_empty() {
            return;
        }
        self.changed();
        for (slot, error) in &doubted {
            self.tell(Event::TokenFailed {
                slot: *slot,
                error: error.clone(),
            });
        }
        if self.is_forgotten_too_often() {
            return;
        }
        for (slot, _) in doubted {
            // Other slots cannot be requested: their tokens are reported by the app, which reports the next one too.
            if self.parts.slots.contains(&slot) {
                self.request_token(slot, generation, 1);
            }
        }
    }
}
