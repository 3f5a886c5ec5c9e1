//! Whom a message is for.
use std::{fmt, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use crate::{
    CertificateId, DeviceId, DeviceToken, Environment, Error, ErrorKind, Result, Slot, UserId,
};

/// Whom a message is for.
///
/// In JSON it is the text `everybody`, or an object with exactly one member that is not `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Audience {
    /// Users, on all their devices.
    Users(Vec<UserId>),
    /// Devices, whichever user is logged in on them.
    Devices(Vec<DeviceId>),
    /// Tokens that the caller keeps itself. They need no registration; presence and badge arithmetic do not apply.
    Tokens(Vec<TokenAddress>),
    /// Users whose tags match.
    Tags(TagExpr),
    /// Every user of the app.
    Everybody,
}

impl Audience {
    /// One user.
    pub fn user(user: UserId) -> Self {
        Self::Users(vec![user])
    }

    /// How many receivers it lists; `None` if that depends on the store.
    pub const fn listed(&self) -> Option<usize> {
        match self {
            Self::Users(users) => Some(users.len()),
            Self::Devices(devices) => Some(devices.len()),
            Self::Tokens(tokens) => Some(tokens.len()),
            Self::Tags(_) | Self::Everybody => None,
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

/// The members of an audience in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    users: Option<Vec<UserId>>,
    devices: Option<Vec<DeviceId>>,
    tokens: Option<Vec<TokenAddress>>,
    tags: Option<TagExpr>,
}

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an object with `users`, `devices`, `tokens` or `tags`, or the text `everybody`",
        )
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Audience, E> {
        match word {
            "everybody" => Ok(Audience::Everybody),
            _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Audience, A::Error> {
        let members = Members::deserialize(MapAccessDeserializer::new(members))?;
        let Members {
            users,
            devices,
            tokens,
            tags,
        } = members;
        let all = [
            users.map(Audience::Users),
            devices.map(Audience::Devices),
            tokens.map(Audience::Tokens),
            tags.map(Audience::Tags),
        ];
        let mut all = all.into_iter().flatten();
        match (all.next(), all.next()) {
            (Some(audience), None) => Ok(audience),
            (None, _) => Err(de::Error::custom(
                "an audience has `users`, `devices`, `tokens` or `tags`, or is the text `everybody`",
            )),
            (Some(_), Some(_)) => Err(de::Error::custom(
                "an audience has only one of `users`, `devices`, `tokens` and `tags`",
            )),
        }
    }
}

impl Default for Audience {
    /// No user.
    fn default() -> Self {
        Self::Users(Vec::new())
    }
}

/// A token that the caller keeps itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenAddress {
    /// The credential that sends to it.
    pub certificate_id: CertificateId,
    /// The token.
    pub token: DeviceToken,
    /// What the token is for.
    #[serde(default = "alert", deserialize_with = "null_as_alert")]
    pub slot: Slot,
    /// The token's environment; `None` for the credential's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

const fn alert() -> Slot {
    Slot::Alert
}

fn null_as_alert<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Slot, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Slot::Alert))
}

impl TokenAddress {
    /// A token for alerts, of the credential's environment.
    pub const fn new(certificate_id: CertificateId, token: DeviceToken) -> Self {
        Self {
            certificate_id,
            token,
            slot: Slot::Alert,
            environment: None,
        }
    }

    crate::setters! {
        with_token(token: DeviceToken);
        with_slot(slot: Slot);
        with_environment(environment: impl Into<Option<Environment>>);
    }
}

/// A tag of a user: 1 to 64 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Arc<str>);

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX_BYTES: usize = 64;
    /// The most tags of one user.
    pub const MAX_PER_USER: usize = 100;

    /// Checks `tag`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is empty, too long, or has a control character.
    pub fn new(tag: impl Into<String>) -> Result<Self> {
        let tag = tag.into();
        if tag.is_empty() || tag.len() > Self::MAX_BYTES || tag.chars().any(char::is_control) {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a tag is 1 to 64 bytes of text without control characters",
            ));
        }
        Ok(Self(tag.into()))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Tag {
    type Error = Error;
    fn try_from(tag: String) -> Result<Self> {
        Self::new(tag)
    }
}

impl FromStr for Tag {
    type Err = Error;
    fn from_str(tag: &str) -> Result<Self> {
        Self::new(tag)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.as_str().to_owned()
    }
}

/// A condition on a user's tags. In JSON: `{"has":"vip"}`, `{"all":[…]}`, `{"any":[…]}`, `{"not":…}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
// Closed: a complete algebra; a store that ignored an operator would push to the wrong users.
pub enum TagExpr {
    /// The user has this tag.
    Has(Tag),
    /// Every condition holds; also if there is none.
    All(Vec<Self>),
    /// At least one condition holds.
    Any(Vec<Self>),
    /// The condition does not hold.
    Not(Box<Self>),
}

impl TagExpr {
    /// How many conditions may nest.
    pub const MAX_DEPTH: usize = 8;
    /// How many conditions an expression may have in all.
    pub const MAX_CONDITIONS: usize = 64;

    /// Returns `true` if a user with `tags` is selected.
    pub fn matches(&self, tags: &[Tag]) -> bool {
        match self {
            Self::Has(tag) => tags.contains(tag),
            Self::All(all) => all.iter().all(|condition| condition.matches(tags)),
            Self::Any(any) => any.iter().any(|condition| condition.matches(tags)),
            Self::Not(condition) => !condition.matches(tags),
        }
    }

    /// Checks the size of the expression.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it nests deeper than [`Self::MAX_DEPTH`] or has more than [`Self::MAX_CONDITIONS`].
    pub fn check(&self) -> Result<()> {
        let (depth, conditions) = self.size();
        if depth > Self::MAX_DEPTH || conditions > Self::MAX_CONDITIONS {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "a tag condition nests at most {} deep and has at most {} parts; this one has {depth} and {conditions}",
                    Self::MAX_DEPTH,
                    Self::MAX_CONDITIONS
                ),
            ));
        }
        Ok(())
    }

    fn size(&self) -> (usize, usize) {
        let of = |parts: &[Self]| {
            let sizes = parts.iter().map(Self::size);
            let (depth, sum) = sizes.fold((0, 0), |(depth, sum), (d, s)| (depth.max(d), sum + s));
            (depth + 1, sum + 1)
        };
        match self {
            Self::Has(_) => (1, 1),
            Self::All(parts) | Self::Any(parts) => of(parts),
            Self::Not(part) => of(std::slice::from_ref(part)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(words: &[&str]) -> Vec<Tag> {
        words.iter().map(|word| Tag::new(*word).unwrap()).collect()
    }

    /// S108.
    #[test]
    fn an_expression_selects_by_and_or_and_not() {
        let expression: TagExpr = serde_json::from_str(
            r#"{"all":[{"any":[{"has":"vip"},{"has":"staff"}]},{"not":{"has":"muted"}}]}"#,
        )
        .unwrap();
        assert!(expression.matches(&tags(&["vip"])));
        assert!(expression.matches(&tags(&["staff", "x"])));
        assert!(!expression.matches(&tags(&["vip", "muted"])));
        assert!(!expression.matches(&[]));
        assert!(TagExpr::All(Vec::new()).matches(&[]));
        assert!(!TagExpr::Any(Vec::new()).matches(&tags(&["vip"])));
    }

    #[test]
    fn an_expression_that_is_too_deep_or_too_large_is_refused() {
        let leaf = || TagExpr::Has(Tag::new("a").unwrap());
        let nested = (1..TagExpr::MAX_DEPTH).fold(leaf(), |it, _| TagExpr::Not(Box::new(it)));
        assert!(nested.check().is_ok());
        assert!(TagExpr::Not(Box::new(nested)).check().is_err());
        let wide = |parts| TagExpr::Any(vec![leaf(); parts]);
        assert!(wide(TagExpr::MAX_CONDITIONS - 1).check().is_ok());
        assert!(wide(TagExpr::MAX_CONDITIONS).check().is_err());
    }

    #[test]
    fn every_audience_reads_back_from_json() {
        for json in [
            r#"{"users":["a","b"]}"#,
            r#"{"devices":["d"]}"#,
            r#"{"tokens":[{"certificate_id":1,"token":"ab","slot":"voip","environment":"sandbox"}]}"#,
            r#"{"tags":{"has":"vip"}}"#,
            r#""everybody""#,
        ] {
            let audience: Audience = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&audience).unwrap(), json);
        }
    }
}
