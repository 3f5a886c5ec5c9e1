//! The path and the headers of a request.
use std::time::Duration;

use http::{HeaderName, HeaderValue, uri::PathAndQuery};
use push_core::{
    Content, DeviceToken, Error, ErrorKind, Notification, Priority, Result, Timestamp,
};

use push_kit::token::{self, trimmed};

use super::{PushType, Refusal, VendorFields, fields::MAX_COLLAPSE_ID, payload::Payload};

pub(crate) const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");

/// The shortest time to live: the header has whole seconds.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(1);

/// The longest time for which Apple stores a push.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The longest token in hexadecimal digits. Apple documents no limit; the longest observed (Live Activities) have about 160.
const MAX_TOKEN: usize = 200;

/// The path of a request to one token. `Debug` does not show it.
pub(crate) struct Path(pub(crate) PathAndQuery);

impl Path {
    /// Returns the path for `token`, or `None` if it is not a token of Apple's.
    pub(crate) fn of(token: &DeviceToken) -> Option<Self> {
        let token = canonical(token).ok()?;
        let token = token.expose();
        PathAndQuery::try_from(format!("/3/device/{token}"))
            .ok()
            .map(Self)
    }
}

/// Returns `token` without blanks around it and in lower case, which is its canonical form: a hexadecimal number of a whole
/// number of bytes.
///
/// # Errors
/// [`ErrorKind::Invalid`], in words about the form of `token`, without its content.
pub(crate) fn canonical(token: &DeviceToken) -> Result<DeviceToken> {
    let token = trimmed(token)?;
    let token = token.expose();
    let fault = if is_token(token) {
        return DeviceToken::new(token.to_ascii_lowercase());
    } else if let Some(fault) = token::fault(token) {
        fault
    } else if !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        "has characters that are no hexadecimal digits"
    } else if token.len() > MAX_TOKEN {
        "is longer than 200 hexadecimal digits"
    } else {
        "has an odd number of hexadecimal digits"
    };
    Err(Error::new(
        ErrorKind::Invalid,
        format!("the device token {fault}, so it is not a token of APNs"),
    )
    .advise(
        "write each byte of the `Data` that iOS hands over as two hexadecimal digits, nothing in between",
    ))
}

/// Returns `true` if `token` can be one of Apple's: an even number of hexadecimal digits. Apple says that the size may change.
pub(crate) fn is_token(token: &str) -> bool {
    (2..=MAX_TOKEN).contains(&token.len())
        && token.len().is_multiple_of(2)
        && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the headers that depend on the content alone.
pub(super) fn headers(
    content: &Content,
    fields: &VendorFields,
    push_type: PushType,
    payload: &Payload,
    bundle_id: &str,
) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let topic = HeaderValue::try_from(format!("{bundle_id}{}", push_type.topic_suffix())).map_err(
        |_| {
            Refusal::new(
                "BadTopic",
                "the topic has a character that no header may have",
            )
        },
    )?;
    Ok(vec![
        (APNS_PUSH_TYPE, HeaderValue::from_static(push_type.as_str())),
        (APNS_TOPIC, topic),
        (
            APNS_PRIORITY,
            priority(content.notification.priority, fields, push_type, payload)?,
        ),
        (APNS_COLLAPSE_ID, collapse_id(content, fields)?),
    ])
}

fn priority(
    wanted: Priority,
    fields: &VendorFields,
    push_type: PushType,
    payload: &Payload,
) -> Result<HeaderValue, Refusal> {
    let priority = match fields.priority {
        Some(priority) if push_type.allows_priority(priority) => priority,
        Some(priority) => {
            return Err(Refusal::new(
                "BadPriority",
                format!(
                    "`priority` is {priority}, which a push of type {} cannot have",
                    push_type.as_str()
                ),
            ));
        }
        None => push_type.priority(match wanted {
            // Nothing is seen or heard, so the phone need not wake.
            Priority::High | Priority::Normal if payload.is_silent() => 5,
            Priority::High => 10,
            Priority::Normal => 5,
            Priority::Low => 1,
        }),
    };
    Ok(HeaderValue::from_static(match priority {
        10 => "10",
        5 => "5",
        _ => "1",
    }))
}

/// Returns the collapse id. Every push has one, because a push without one cannot be replaced later.
fn collapse_id(content: &Content, fields: &VendorFields) -> Result<HeaderValue, Refusal> {
    let wanted = fields
        .collapse_id
        .as_deref()
        .unwrap_or(&content.notification.collapse);
    if wanted.is_empty() {
        let message = content.message.as_str();
        let of_message = (message.len() <= MAX_COLLAPSE_ID)
            .then(|| HeaderValue::from_bytes(message.as_bytes()).ok())
            .flatten();
        return match of_message {
            Some(id) => Ok(id),
            None => HeaderValue::try_from(content.id.to_string())
                .map_err(|_| Refusal::new("BadCollapseId", "the content's id is no header")),
        };
    }
    if wanted.len() > MAX_COLLAPSE_ID {
        return Err(Refusal::new(
            "BadCollapseId",
            format!(
                "the collapse key has {} bytes, and Apple takes at most {MAX_COLLAPSE_ID}",
                wanted.len()
            ),
        ));
    }
    HeaderValue::from_bytes(wanted.as_bytes()).map_err(|_| {
        Refusal::new(
            "BadCollapseId",
            "the collapse key has a character that no header may have",
        )
    })
}

/// Until when Apple keeps a push for an absent phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiration {
    /// As long as Apple likes: the header is not sent.
    Default,
    /// Not at all: Apple tries once.
    Once,
    /// Until this time, and at most for [`MAX_TTL`].
    At(Timestamp),
}

impl Expiration {
    /// "Try once" is sent only on request, and for calls and Push to Talk, which are pointless later.
    pub(super) fn new(
        notification: &Notification,
        fields: &VendorFields,
        push_type: PushType,
    ) -> Self {
        match (fields.expiration, notification.expires_at) {
            (Some(0), _) => Self::Once,
            (Some(at), _) => Self::At(Timestamp::from_unix_seconds(
                // Far beyond the longest time, and far from overflow.
                i64::try_from(at).unwrap_or(i64::MAX).min(1 << 40),
            )),
            (None, Some(at)) => Self::At(at),
            (None, None) if matches!(push_type, PushType::Voip | PushType::PushToTalk) => {
                Self::Once
            }
            (None, None) => Self::Default,
        }
    }

    /// Returns the header `apns-expiration`, if one is sent.
    ///
    /// # Errors
    /// The time was over before now; a push that expires now gets [`MIN_TTL`].
    pub(super) fn header(
        self,
        now: Timestamp,
    ) -> Result<Option<(HeaderName, HeaderValue)>, Refusal> {
        let seconds = match self {
            Self::Default => return Ok(None),
            Self::Once => 0,
            Self::At(at) if at < now => {
                return Err(Refusal::new(
                    "BadExpirationDate",
                    "it expired before it was sent",
                ));
            }
            // Rounded up to a whole second, so that it is never over already.
            Self::At(at) => (at.max(now + MIN_TTL).unix_millis().saturating_add(999) / 1000)
                .min((now + MAX_TTL).unix_seconds()),
        };
        let mut value = HeaderValue::from(seconds);
        // HPACK then does not index it: it differs each time, and would displace what repeats.
        value.set_sensitive(true);
        Ok(Some((APNS_EXPIRATION, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_number_whose_letter_case_means_nothing() {
        let token = "4F1C0A9BE27D83365AD1908CFE74B2013C66D5EA918F47B0237AD4E6C15980FB";
        let canonical = |text: &str| {
            let token = canonical(&DeviceToken::new(text).unwrap()).unwrap();
            token.expose().to_owned()
        };
        assert_eq!(canonical(token), token.to_lowercase());
        assert_eq!(canonical(&format!("  {token} ")), token.to_lowercase());
        assert_eq!(canonical("0a"), "0a");
        assert_eq!(canonical(&"ab".repeat(100)).len(), 200);
    }

    #[test]
    fn the_path_names_the_canonical_token_and_no_other_text() {
        let path = |text: &str| Path::of(&DeviceToken::new(text).unwrap());
        for text in ["0abc", "0ABC", " 0abc"] {
            assert_eq!(path(text).unwrap().0.as_str(), "/3/device/0abc", "{text}");
        }
        for text in ["0abcd", "xyz1", "0a/bc1"] {
            assert!(path(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_in_words_about_its_form() {
        for (token, words) in [
            (
                "{length = 32, bytes = 0x4f1c0a9b e27d8336 5ad1908c fe74b201 ... c15980fb }",
                "the description of an object",
            ),
            (
                "<4f1c0a9b e27d8336 5ad1908c fe74b201 3c66d5ea 918f47b0 237ad4e6 c15980fb>",
                "the description of an object",
            ),
            ("(null)", "no token"),
            ("4f1c0a9b e27d8336", "has blanks"),
            (
                "TxwKm+J9gzZa0ZCM/nSyATxm1eqRj0ewI3rU5sFZgPs=",
                "no hexadecimal digits",
            ),
            ("0x4f1c", "no hexadecimal digits"),
            ("4f1", "an odd number"),
            (&"ab".repeat(101), "longer than 200"),
        ] {
            let error = canonical(&DeviceToken::new(token).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let text = error.to_string();
            assert!(text.contains(words), "{text}");
            assert!(text.contains("two hexadecimal digits"), "{text}");
            assert!(!text.contains("4f1c"), "{text}");
            assert!(!text.contains("topic"), "{text}");
        }
    }
}
