//! `ext`: the JSON object, sent as a string, that holds the entity.
use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    Entity, NoTarget, Profile,
    json::{self, Object},
};
use crate::{Error, ErrorKind, Result};

/// The object in `ext`.
///
/// Only the keys named here are kept; others are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ext {
    /// `entity`, or `None` if it is missing or not an object (a JSON text of an object counts as one).
    pub entity: Option<Entity>,
    /// `timPushFeatures`.
    pub features: TimPushFeatures,
}

impl Ext {
    /// What a sender writes for `entity`: the features are those of the iOS profile, both 0, as in the vendor's samples.
    pub fn new(entity: Entity) -> Self {
        Self {
            entity: Some(entity),
            features: TimPushFeatures::default_for(Profile::Ios),
        }
    }

    /// Reads the string `ext`; features that are missing take the default of `profile`.
    ///
    /// # Errors
    /// [`NoTarget::NoExt`] for the empty string, [`NoTarget::TooLarge`], [`NoTarget::NotJson`] or [`NoTarget::NotObject`].
    /// A missing entity is no error here, but one of [`Ext::target`].
    pub fn parse(profile: Profile, text: &str) -> Result<Self, NoTarget> {
        if text.is_empty() {
            return Err(NoTarget::NoExt);
        }
        json::parse_object(text).map(|it| Self::read(profile, &it))
    }

    pub(super) fn read(profile: Profile, object: &Object) -> Self {
        let inner = |key| json::member(object, key).and_then(json::object);
        Self {
            entity: inner("entity").map(|it| Entity::read(&it)),
            features: TimPushFeatures::read(profile, inner("timPushFeatures").as_deref()),
        }
    }

    /// The string to send as `ext`. Never fails.
    pub fn to_json_string(&self) -> String {
        let mut object = Object::new();
        if let Some(entity) = &self.entity {
            object.insert("entity".to_owned(), entity.write().into());
        }
        object.insert("timPushFeatures".to_owned(), self.features.write());
        Value::Object(object).to_string()
    }

    /// Puts `ext` where an iPhone's app looks for it: a string at the top level of the APNs payload, beside `aps`.
    pub fn insert_into(&self, apns_payload: &mut serde_json::Map<String, Value>) {
        apns_payload.insert("ext".to_owned(), self.to_json_string().into());
    }

    /// Whether `vendor` will deliver the string `ext`: it must be a JSON object within [`MAX_BYTES`](super::MAX_BYTES).
    ///
    /// OPPO takes its top-level keys apart and delivers nothing else, and the other Android vendors ask for JSON in their
    /// documents. The empty string means "no `ext`" and is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the vendor and saying what to do; it holds nothing of `ext`.
    pub fn check_for(vendor: &str, ext: &str) -> Result<()> {
        if ext.is_empty() {
            return Ok(());
        }
        let Err(reason) = json::parse_object(ext) else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Invalid,
            format!("{vendor} drops a push with this ext: {reason}"),
        )
        .advise(
            "send a JSON object such as {\"entity\":{…}}, or allow the text to be wrapped in one",
        ))
    }

    /// Makes the string `ext` one that `vendor` delivers: an object (or nothing) stays as it is, any other text becomes
    /// `{"ext":text}`, which OPPO turns back into an extra `ext` with exactly that text.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the vendor, if the result would exceed [`MAX_BYTES`](super::MAX_BYTES).
    pub fn wrap_for<'a>(vendor: &str, ext: &'a str) -> Result<Cow<'a, str>> {
        if Self::check_for(vendor, ext).is_ok() {
            return Ok(Cow::Borrowed(ext));
        }
        let wrapped = json!({ "ext": ext }).to_string();
        Self::check_for(vendor, &wrapped)?;
        Ok(Cow::Owned(wrapped))
    }
}

/// The object `timPushFeatures`: how TIMPush shows a push that came by FCM. `None` is "unset", −1 on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TimPushFeatures {
    /// `fcmPushType`: 0 data message, 1 notification message.
    pub fcm_push_type: Option<i32>,
    /// `fcmNotificationType`: 0 TIMPush draws the notification, 1 it is passed to the app.
    pub fcm_notification_type: Option<i32>,
}

impl TimPushFeatures {
    const UNSET: i32 = -1;

    /// What the clients of `profile` take for missing features: both 0 on iOS, both unset on Android.
    pub const fn default_for(profile: Profile) -> Self {
        let value = match profile {
            Profile::Ios => Some(0),
            Profile::Android => None,
        };
        Self {
            fcm_push_type: value,
            fcm_notification_type: value,
        }
    }

    fn read(profile: Profile, object: Option<&Object>) -> Self {
        let default = Self::default_for(profile);
        let feature = |key, default| match object.and_then(|it| json::member(it, key)) {
            Some(value) => Some(json::int(value)).filter(|it| *it != Self::UNSET),
            None => default,
        };
        Self {
            fcm_push_type: feature("fcmPushType", default.fcm_push_type),
            fcm_notification_type: feature("fcmNotificationType", default.fcm_notification_type),
        }
    }

    fn write(self) -> Value {
        json!({
            "fcmPushType": self.fcm_push_type.unwrap_or(Self::UNSET),
            "fcmNotificationType": self.fcm_notification_type.unwrap_or(Self::UNSET),
        })
    }
}
