//! Whether a push service takes a request: RFC 8030 §5, RFC 8188, RFC 8292, and where the services differ.
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request};
use push_core::Timestamp;
use serde_json::Value;

use super::Browser;

/// The largest body that a service must take (RFC 8030 §7.2).
const LARGEST: usize = 4096;

/// The longest topic (RFC 8030 §5.4).
const LONGEST_TOPIC: usize = 32;

/// The longest time that a signature may be valid: 24 hours (RFC 8292 §2).
const LONGEST_LIFE: i64 = 24 * 60 * 60;

/// Mozilla and Apple keep a message for 30 days at most.
const LONGEST_TTL: u64 = 30 * 24 * 60 * 60;

/// Why a service refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Method,
    /// The path is no subscription's.
    Unknown,
    /// The subscription has ended.
    Gone,
    TtlMissing,
    TtlNegative,
    Urgency,
    Topic,
    Encoding,
    TooLarge,
    Vapid(Vapid),
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vapid {
    Header,
    PublicKey,
    Mismatch,
    Signature,
    Audience,
    ExpMissing,
    ExpTooLate,
    Expired,
    Subject,
}

/// A request that passed.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) ttl: u64,
    pub(super) topic: Option<String>,
    pub(super) urgency: String,
}

/// Checks a request to a subscription of `browser` that was made with the public key `key`.
pub(super) fn check(
    browser: Browser,
    request: &Request<Bytes>,
    origin: &str,
    key: Option<&str>,
    now: Timestamp,
) -> Result<Accepted, Fault> {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    vapid(browser, headers, origin, key, now).map_err(Fault::Vapid)?;
    let ttl = text("ttl").and_then(|ttl| ttl.parse::<i64>().ok());
    let ttl = match (browser, ttl.ok_or(Fault::TtlMissing)?) {
        (_, ..0) => return Err(Fault::TtlNegative),
        // "Not a positive number", as Apple writes.
        (Browser::Safari, 0) => return Err(Fault::TtlMissing),
        (_, ttl) => ttl.unsigned_abs().min(LONGEST_TTL),
    };
    let urgency = text("urgency").unwrap_or("normal");
    if !["very-low", "low", "normal", "high"].contains(&urgency) {
        return Err(Fault::Urgency);
    }
    let topic = text("topic");
    if !topic.is_none_or(|topic| is_topic(browser, topic)) {
        return Err(Fault::Topic);
    }
    let body = request.body();
    let has_old = ["encryption", "crypto-key"]
        .iter()
        .any(|name| headers.contains_key(*name));
    if !body.is_empty() && (text("content-encoding") != Some("aes128gcm") || has_old) {
        return Err(Fault::Encoding);
    }
    if body.len() > LARGEST {
        return Err(Fault::TooLarge);
    }
    Ok(Accepted {
        ttl,
        topic: topic.map(str::to_owned),
        urgency: urgency.to_owned(),
    })
}

/// Apple's topics can be decoded; Mozilla's may have padding.
fn is_topic(browser: Browser, topic: &str) -> bool {
    let plain = match browser {
        Browser::Firefox => topic.trim_end_matches('='),
        _ => topic,
    };
    let is_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_decoded = browser != Browser::Safari || URL_SAFE_NO_PAD.decode(topic).is_ok();
    (1..=LONGEST_TOPIC).contains(&topic.len()) && plain.bytes().all(is_alphabet) && is_decoded
}

/// Checks the header `Authorization` of a request to `origin`.
pub(super) fn vapid(
    browser: Browser,
    headers: &HeaderMap,
    origin: &str,
    key: Option<&str>,
    now: Timestamp,
) -> Result<(), Vapid> {
    let header = headers.get("authorization").ok_or(Vapid::Header)?;
    let header = header.to_str().map_err(|_| Vapid::Header)?;
    let (scheme, rest) = header.split_once(' ').ok_or(Vapid::Header)?;
    if !scheme.eq_ignore_ascii_case("vapid") {
        return Err(Vapid::Header);
    }
    let parameter = |name: &str| {
        rest.split(',')
            .filter_map(|part| part.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let token = parameter("t").ok_or(Vapid::Header)?;
    let k = parameter("k").ok_or(Vapid::PublicKey)?;
    let point = URL_SAFE_NO_PAD.decode(k).map_err(|_| Vapid::PublicKey)?;
    if (point.len(), point.first()) != (65, Some(&4)) {
        return Err(Vapid::PublicKey);
    }
    let claims = claims(token, &point).ok_or(Vapid::Signature)?;
    if key.is_some_and(|key| key != k) {
        return Err(Vapid::Mismatch);
    }
    if claims["aud"] != origin {
        return Err(Vapid::Audience);
    }
    let now = now.unix_seconds();
    match claims["exp"].as_i64() {
        None => return Err(Vapid::ExpMissing),
        Some(exp) if exp <= now => return Err(Vapid::Expired),
        Some(exp) if exp > now + LONGEST_LIFE => return Err(Vapid::ExpTooLate),
        Some(_) => {}
    }
    let subject = claims["sub"].as_str().unwrap_or_default();
    let is_subject = match subject.strip_prefix("mailto:") {
        Some(address) => address.contains('@') && !address.contains(':'),
        None => subject.starts_with("https://"),
    };
    // Mozilla has not asked for it since January 2025.
    if browser == Browser::Safari && !is_subject {
        return Err(Vapid::Subject);
    }
    Ok(())
}

/// The claims of a token that this key signed with ES256.
fn claims(token: &str, key: &[u8]) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let object = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).ok();
    let header = object(header)?;
    if header["alg"] != "ES256" || !matches!(header["typ"].as_str(), None | Some("JWT")) {
        return None;
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    key.verify(signed.as_bytes(), &decode(signature)?).ok()?;
    object(claims).filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_on_record_are_judged_as_each_service_does() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
                .expect("the vectors are JSON");
        let cases = &vectors["vapid_cases"];
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let now = Timestamp::from_unix_seconds(cases["now"].as_i64().expect("a number"));
        let k = text(&cases["k"]);
        let list = cases["cases"].as_array().expect("an array");
        assert_eq!(list.len(), 10);
        for case in list {
            let header = format!("vapid t={}, k={k}", text(&case["jwt"]));
            let headers = HeaderMap::from_iter([(
                http::header::AUTHORIZATION,
                header.parse().expect("a header"),
            )]);
            let judge = |browser| vapid(browser, &headers, "https://push.example.net", None, now);
            let expect = text(&case["expect"]);
            let wanted = match expect.as_str() {
                "accept" => Ok(()),
                "mozilla: accept; apple: refuse" => {
                    assert_eq!(judge(Browser::Firefox), Ok(()), "{case}");
                    Err(Vapid::Subject)
                }
                "refuse: expires too late" => Err(Vapid::ExpTooLate),
                "refuse: expired" => Err(Vapid::Expired),
                "refuse: audience" => Err(Vapid::Audience),
                "refuse: signature" => Err(Vapid::Signature),
                _ => Err(Vapid::ExpMissing),
            };
            assert_eq!(judge(Browser::Safari), wanted, "{case}");
        }
    }

    #[test]
    fn the_example_of_rfc_8292_verifies_and_has_expired() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/vectors.json"))
                .expect("the vectors are JSON");
        let text = |key: &str| vectors["rfc8292"][key].as_str().expect("text");
        let header = format!("vapid t={}, k={}", text("t"), text("k"));
        let headers = HeaderMap::from_iter([(
            http::header::AUTHORIZATION,
            header.parse().expect("a header"),
        )]);
        let judge = |seconds| {
            let now = Timestamp::from_unix_seconds(seconds);
            vapid(
                Browser::Safari,
                &headers,
                "https://push.example.net",
                None,
                now,
            )
        };
        assert_eq!(judge(1_453_523_767), Ok(()));
        assert_eq!(judge(1_453_523_768), Err(Vapid::Expired));
    }
}
