//! The payload a phone receives: `ext`, `entity` and the click target they name.
//!
//! A push for a chat message carries `ext`, a JSON object written as a **string**; inside it `entity` says which chat a
//! click opens. Each vendor passes that string to the app in a place of its own, and one vendor splits it:
//!
//! | [`Shape`] | vendors | where the app finds it |
//! |---|---|---|
//! | `Apns` | APNs | `userInfo["ext"]`, beside `aps` |
//! | `Intent` | Huawei, Honor, vivo, Meizu, FCM | the intent extra `ext` |
//! | `Xiaomi` | Xiaomi | `MiPushMessage.getExtra()["ext"]` |
//! | `Oppo` | OPPO | every top-level key of `ext` is an extra of its own, so `entity` has no wrapper |
//! | `Tpns` | TPNS | `userInfo["custom"]` |
//!
//! The app half goes `Payload` → [`Ext`] → [`Entity`] → [`ClickTarget`], and learns from [`NoTarget`] why there is nothing to
//! open; the server half builds an [`Entity`] and writes [`Ext::to_json_string`].
//!
//! ```
//! use push_core::payload::{ClickTarget, Entity, Ext, Payload, Profile};
//!
//! let sent = Ext::new(Entity::for_user_message("denny", "Denny", "", "hello")).to_json_string();
//! let clicked = Payload::intent(sent);
//! let target = clicked.target(Profile::Android)?;
//! assert_eq!(target.navigate_ids(), Some(("denny", "")));
//! # Ok::<(), push_core::payload::NoTarget>(())
//! ```
//!
//! Reading never fails on what other clients write by habit: numbers written as text, unknown keys, missing fields. It never
//! panics, and it is bounded by [`MAX_BYTES`] and [`MAX_DEPTH`]. No `Debug` here shows text that a person wrote.

mod entity;
mod ext;
mod json;
mod no_target;
mod profile;
mod shape;
mod target;

pub use self::{
    entity::{Action, ChatType, Entity},
    ext::{Ext, TimPushFeatures},
    no_target::NoTarget,
    profile::Profile,
    shape::{Payload, Shape},
    target::{CallTarget, ClickTarget},
};

/// The largest payload that is read, in bytes: many times what any vendor delivers (4 to 5 KiB).
pub const MAX_BYTES: usize = 64 * 1024;

/// How many objects and arrays may nest in a payload; the limit that `serde_json` has for text.
pub const MAX_DEPTH: usize = 127;
