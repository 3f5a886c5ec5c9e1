//! What arrived at the phone, and in which form.
use std::fmt;

use serde_json::{Map, Value};

use super::{
    ClickTarget, Entity, Ext, NoTarget, Profile,
    json::{self, Object},
};

/// The form in which a vendor passes `ext` to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// The notification's `userInfo`, with the string `ext` beside `aps`.
    Apns,
    /// The intent extra `ext`, a string: Huawei, Honor, vivo, Meizu, FCM.
    Intent,
    /// The string `ext` in `MiPushMessage.getExtra()`.
    Xiaomi,
    /// Intent extras that are the top-level keys of `ext`; what is not a string there arrives as its JSON text.
    Oppo,
    /// The string `custom` in the notification's `userInfo`, which TPNS fills with `ext`.
    Tpns,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 5] = [
        Self::Apns,
        Self::Intent,
        Self::Xiaomi,
        Self::Oppo,
        Self::Tpns,
    ];

    /// Its name in bindings, logs and statistics: lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Intent => "intent",
            Self::Xiaomi => "xiaomi",
            Self::Oppo => "oppo",
            Self::Tpns => "tpns",
        }
    }

    /// The shape with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The rules of the clients that see this shape.
    pub const fn profile(self) -> Profile {
        match self {
            Self::Apns | Self::Tpns => Profile::Ios,
            Self::Intent | Self::Xiaomi | Self::Oppo => Profile::Android,
        }
    }

    /// The member that holds the string `ext`.
    const fn key(self) -> &'static str {
        match self {
            Self::Tpns => "custom",
            _ => "ext",
        }
    }
}

/// What arrived at the phone: the vendor's data as it came, and its [`Shape`].
///
/// There is always a payload, whatever came, so that a click can be counted and an interceptor can see it. What could not be
/// read at all (over [`MAX_BYTES`](super::MAX_BYTES), nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH), no object) is dropped:
/// [`raw`](Self::raw) is empty then and [`ext`](Self::ext) says why. `Debug` shows the shape, which of the known keys are there
/// and how large they are.
#[derive(Clone, PartialEq)]
pub struct Payload {
    shape: Shape,
    raw: Object,
    refused: Option<NoTarget>,
}

impl Payload {
    /// The `userInfo` of a notification from APNs, launch options included.
    pub fn apns(user_info: impl Into<Value>) -> Self {
        Self::new(Shape::Apns, user_info.into())
    }

    /// The intent extra `ext` of Huawei, Honor, vivo, Meizu and FCM; the empty string if there is none.
    pub fn intent(ext: impl Into<String>) -> Self {
        let raw = Object::from_iter([("ext".to_owned(), Value::String(ext.into()))]);
        Self::new(Shape::Intent, raw.into())
    }

    /// All extras of the intent that FCM started, with the string `ext` among them: what is beside it is kept, as the
    /// [delivery](crate::api::DELIVERY_KEY) is.
    pub fn intent_extras(extras: impl Into<Value>) -> Self {
        Self::new(Shape::Intent, extras.into())
    }

    /// What `MiPushMessage.getExtra()` gave.
    pub fn xiaomi(extra: impl Into<Value>) -> Self {
        Self::new(Shape::Xiaomi, extra.into())
    }

    /// The extras of the intent that OPPO started. An `entity` comes first, as object or JSON text; without one, an extra
    /// `ext` is read as the whole string.
    pub fn oppo(extras: impl Into<Value>) -> Self {
        Self::new(Shape::Oppo, extras.into())
    }

    /// The `userInfo` of a notification from TPNS.
    pub fn tpns(user_info: impl Into<Value>) -> Self {
        Self::new(Shape::Tpns, user_info.into())
    }

    /// The payload that `text` describes, for callers that have no JSON values: for [`Shape::Intent`] the string `ext` itself,
    /// for the others the JSON text of the map or dictionary.
    pub fn parse(shape: Shape, text: &str) -> Self {
        if shape == Shape::Intent {
            return Self::intent(text);
        }
        match json::parse_object(text) {
            Ok(raw) => Self::accepted(shape, raw),
            Err(why) => Self::refused(shape, why),
        }
    }

    /// What a phone would receive if `ext` were sent to it: the vendor's half of the way, for simulators and tests.
    ///
    /// OPPO delivers nothing of an `ext` that is not a JSON object.
    pub fn as_received(shape: Shape, ext: &str) -> Self {
        let raw = match shape {
            Shape::Oppo => match json::parse_object(ext) {
                Ok(members) => members
                    .into_iter()
                    .map(|(key, value)| match value {
                        Value::String(_) => (key, value),
                        other => (key, other.to_string().into()),
                    })
                    .collect(),
                Err(_) => Object::new(),
            },
            _ => Object::from_iter([(shape.key().to_owned(), ext.into())]),
        };
        Self::new(shape, raw.into())
    }

    fn new(shape: Shape, raw: Value) -> Self {
        if !json::within_limits(&raw) {
            return Self::refused(shape, NoTarget::TooLarge);
        }
        match raw {
            Value::Object(raw) => Self::accepted(shape, raw),
            _ => Self::refused(shape, NoTarget::NotObject),
        }
    }

    fn accepted(shape: Shape, raw: Object) -> Self {
        Self {
            shape,
            raw,
            refused: None,
        }
    }

    fn refused(shape: Shape, why: NoTarget) -> Self {
        Self {
            shape,
            raw: Object::new(),
            refused: Some(why),
        }
    }

    /// The form it came in.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The vendor's data as it came; empty if it was refused.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    /// Finds and reads `ext`; features that are missing take the default of `profile`.
    ///
    /// # Errors
    /// Why there is none: [`NoTarget::NoExt`] (missing, `null` or empty), [`NoTarget::ExtNotString`], [`NoTarget::NotJson`],
    /// [`NoTarget::NotObject`], [`NoTarget::TooLarge`].
    pub fn ext(&self, profile: Profile) -> Result<Ext, NoTarget> {
        if let Some(why) = self.refused {
            return Err(why);
        }
        let ext = json::member(&self.raw, self.shape.key());
        if self.shape == Shape::Oppo && (self.raw.contains_key("entity") || ext.is_none()) {
            return if self.raw.is_empty() {
                Err(NoTarget::NoExt)
            } else {
                Ok(Ext::read(profile, &self.raw))
            };
        }
        match ext {
            None => Err(NoTarget::NoExt),
            Some(Value::String(text)) => Ext::parse(profile, text),
            Some(_) => Err(NoTarget::ExtNotString),
        }
    }

    /// Finds and reads the entity.
    ///
    /// # Errors
    /// Those of [`ext`](Self::ext), and [`NoTarget::NoEntity`].
    pub fn entity(&self, profile: Profile) -> Result<Entity, NoTarget> {
        self.ext(profile)?.entity.ok_or(NoTarget::NoEntity)
    }

    /// What a click on this opens, by the rules of `profile` (usually [`Shape::profile`]).
    ///
    /// # Errors
    /// Why it opens nothing.
    pub fn target(&self, profile: Profile) -> Result<ClickTarget, NoTarget> {
        self.ext(profile)?.target(profile)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KNOWN: [&str; 5] = ["aps", "ext", "custom", "entity", "timPushFeatures"];
        let known: Vec<String> = KNOWN
            .into_iter()
            .filter_map(|key| {
                Some(match self.raw.get(key)? {
                    Value::String(text) => format!("{key}: text of {} bytes", text.len()),
                    Value::Object(object) => format!("{key}: object of {}", object.len()),
                    _ => key.to_owned(),
                })
            })
            .collect();
        f.debug_struct("Payload")
            .field("shape", &self.shape)
            .field("known", &known)
            .field("others", &(self.raw.len() - known.len()))
            .field("refused", &self.refused)
            .finish()
    }
}
