//! The part of the state that survives a restart, as JSON.
use std::collections::{BTreeMap, BTreeSet};

use push_core::{
    Account, AppId, Channel, DeliveryId, DeviceId, DeviceToken, Error, ErrorKind, Receipt,
    ReceiptKey, Result, Secret, Slot, Timestamp, UserId,
    api::{RegistrationBody, Warning},
};
use serde::{Deserialize, Serialize};

use super::{AccountKey, Binding, KnownToken, State, Uploaded};
use crate::click::{ClickMemory, Digest, delivery_of};

/// The version of the format that is written. Older versions are read, newer ones are refused.
const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    device: DeviceId,
    is_push_on: bool,
    tokens: BTreeMap<Slot, SavedToken>,
    bindings: Vec<SavedBinding>,
    last_account: Option<SavedAccount>,
    #[serde(default)]
    logged_in: Option<SavedAccount>,
    receipts: Vec<SavedReceipt>,
    #[serde(default)]
    receipt_key: Option<SavedReceiptKey>,
    clicked: Vec<DeliveryId>,
    #[serde(default)]
    intents: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
struct SavedToken {
    channel: Channel,
    token: DeviceToken,
}

#[derive(Serialize, Deserialize)]
struct SavedAccount {
    app: AppId,
    user: UserId,
}

#[derive(Serialize, Deserialize)]
struct SavedBinding {
    app: AppId,
    user: UserId,
    credential: String,
    slots: BTreeMap<Slot, SavedUpload>,
    #[serde(default)]
    doubtful: BTreeSet<Slot>,
}

#[derive(Serialize, Deserialize)]
struct SavedUpload {
    body: RegistrationBody,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warning: Option<Warning>,
}

#[derive(Serialize, Deserialize)]
struct SavedReceipt {
    receipt: Receipt,
}

#[derive(Serialize, Deserialize)]
struct SavedReceiptKey {
    app: AppId,
    key: ReceiptKey,
}

impl From<&AccountKey> for SavedAccount {
    fn from(key: &AccountKey) -> Self {
        Self {
            app: key.app.clone(),
            user: key.user.clone(),
        }
    }
}

impl From<SavedAccount> for AccountKey {
    fn from(saved: SavedAccount) -> Self {
        Self {
            app: saved.app,
            user: saved.user,
        }
    }
}

/// Serializes the saved part of the state.
pub(crate) fn save(state: &State) -> Result<Vec<u8>> {
    // A waiting click is not saved. It may be reported again after a restart, and must not count as a duplicate then.
    let waiting = state.pending.as_ref().map(|click| &click.payload);
    let waiting_delivery = waiting.and_then(delivery_of);
    let waiting_intent = waiting.map(Digest::of);
    let saved = Saved {
        version: VERSION,
        device: state.device.clone(),
        is_push_on: state.is_push_on,
        tokens: state
            .tokens
            .iter()
            .map(|(slot, it)| {
                let token = SavedToken {
                    channel: it.channel.clone(),
                    token: it.token.clone(),
                };
                (*slot, token)
            })
            .collect(),
        bindings: state
            .bindings
            .iter()
            .map(|it| SavedBinding {
                app: it.account.app.clone(),
                user: it.account.user.clone(),
                credential: it.account.credential.expose().to_owned(),
                slots: it
                    .slots
                    .iter()
                    .map(|(slot, it)| {
                        let upload = SavedUpload {
                            body: it.body.clone(),
                            at: it.at,
                            warning: it.warning.clone(),
                        };
                        (*slot, upload)
                    })
                    .collect(),
                doubtful: it.doubtful.clone(),
            })
            .collect(),
        last_account: state.last_account.as_ref().map(Into::into),
        logged_in: match &state.current {
            Some(current) => Some((&current.key()).into()),
            None => state.awaited.as_ref().map(Into::into),
        },
        receipts: state
            .receipts
            .iter()
            .map(|it| SavedReceipt {
                receipt: it.clone(),
            })
            .collect(),
        receipt_key: state
            .receipt_key
            .as_ref()
            .map(|(app, key)| SavedReceiptKey {
                app: app.clone(),
                key: key.clone(),
            }),
        clicked: state
            .clicks
            .deliveries()
            .filter(|delivery| Some(*delivery) != waiting_delivery)
            .collect(),
        intents: state
            .clicks
            .intents()
            .filter(|intent| Some(*intent) != waiting_intent)
            .collect(),
    };
    serde_json::to_vec(&saved).map_err(|error| {
        Error::new(ErrorKind::Internal, "the client's state cannot be written").because(error)
    })
}

/// Reads a saved state.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it is damaged; [`ErrorKind::Conflict`] if a newer version wrote it.
pub(crate) fn load(bytes: &[u8]) -> Result<State> {
    // Without serde's text, which may quote the file.
    let damaged = |_| Error::new(ErrorKind::Corrupt, "the client's state is damaged");
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.version > VERSION {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "the client's state was written by a newer version of the app (format {}, this one knows {VERSION})",
                head.version
            ),
        )
        .advise("install the newer app again, or remove its data: the file is left as it is"));
    }
    let saved: Saved = serde_json::from_slice(bytes).map_err(damaged)?;
    let mut state = State::new(saved.device);
    state.is_push_on = saved.is_push_on;
    state.tokens = saved
        .tokens
        .into_iter()
        .map(|(slot, it)| {
            let token = KnownToken {
                channel: it.channel,
                token: it.token,
            };
            (slot, token)
        })
        .collect();
    state.bindings = saved
        .bindings
        .into_iter()
        .map(|it| Binding {
            account: Account::new(it.app, it.user, Secret::new(it.credential)),
            slots: it
                .slots
                .into_iter()
                .map(|(slot, it)| {
                    let uploaded = Uploaded {
                        body: it.body,
                        at: it.at,
                        warning: it.warning,
                        quarantined: None,
                    };
                    (slot, uploaded)
                })
                .collect(),
            doubtful: it.doubtful,
        })
        .collect();
    state.last_account = saved.last_account.map(Into::into);
    state.awaited = saved.logged_in.map(Into::into);
    state.receipts = saved.receipts.into_iter().map(|it| it.receipt).collect();
    state.receipt_key = saved.receipt_key.map(|it| (it.app, it.key));
    state.clicks = ClickMemory::with(saved.clicked, saved.intents);
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_a_newer_version_is_refused() {
        let error = load(br#"{"version":99,"anything":true}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("newer version"), "{error}");
    }

    #[test]
    fn damage_is_named_without_quoting_the_file() {
        for damaged in [&b""[..], b"{", b"[]", br#"{"version":1,"device":"secret"}"#] {
            let error = load(damaged).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(!format!("{error:?}").contains("secret"));
        }
    }
}
