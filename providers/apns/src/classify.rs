//! Maps Apple's answers to verdicts.
//!
//! The reasons are those of "Handling notification responses from APNs" and "Sending broadcast push notification requests
//! to APNs". A reason that is not in the table is kept verbatim and classified by its status; an answer that is not in
//! Apple's format comes from the path to Apple and settles nothing.
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_http::{HttpError, HttpErrorKind, Processed};
use serde_json::Value;

use crate::auth::MIN_BETWEEN;

/// What the provider does before it reports the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: the verdict stands.
    None,
    /// Sends the same request again with another provider token.
    RenewToken,
    /// The provider token is invalid: renews it if its date is the reason.
    CheckTokenDate,
    /// Sends the same request again.
    Resend,
    /// Sends the same request again on another connection.
    Reconnect,
}

/// Where the topic of a request comes from: it decides whom a refused topic or token concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicOrigin {
    /// The credential's own topic.
    Credential,
    /// The credential's topic with the suffix that the token's slot asks for.
    Slot,
    /// The credential's topic with the suffix of a push type that the message asks for.
    Message,
}

/// What a reason means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The same bytes are never accepted.
    Request,
    /// The topic is malformed, or the credential does not cover it.
    Topic,
    /// The token is of the other environment, or no token at all.
    OtherEnvironment,
    /// The token is of another app.
    OtherApp,
    /// The app was removed from the phone, or the token expired.
    Dead,
    /// The credential is refused.
    Credential,
    /// The action is forbidden to the credential.
    Forbidden,
    /// The connection belongs to another key.
    OtherKey,
    StaleToken,
    InvalidToken,
    TooManyTokens,
    TooManyRequests,
    Idle,
    Down,
}

/// Every documented reason. `BadEnvironmentKeyInToken` is undocumented but observed; `Service Unavailable` is how Apple's
/// table of broadcast errors spells `ServiceUnavailable`.
const REASONS: &[(&str, Class)] = &[
    ("BadCollapseId", Class::Request),
    ("BadDeviceToken", Class::OtherEnvironment),
    ("BadExpirationDate", Class::Request),
    ("BadMessageId", Class::Request),
    ("BadPriority", Class::Request),
    ("BadTopic", Class::Topic),
    ("DeviceTokenNotForTopic", Class::OtherApp),
    ("DuplicateHeaders", Class::Request),
    ("IdleTimeout", Class::Idle),
    ("InvalidPushType", Class::Request),
    ("MissingDeviceToken", Class::Request),
    ("MissingTopic", Class::Request),
    ("PayloadEmpty", Class::Request),
    ("TopicDisallowed", Class::Topic),
    ("BadCertificate", Class::Credential),
    ("BadCertificateEnvironment", Class::Credential),
    ("ExpiredProviderToken", Class::StaleToken),
    ("Forbidden", Class::Forbidden),
    ("InvalidProviderToken", Class::InvalidToken),
    ("MissingProviderToken", Class::Credential),
    ("UnrelatedKeyIdInToken", Class::OtherKey),
    ("BadEnvironmentKeyIdInToken", Class::Credential),
    ("BadEnvironmentKeyInToken", Class::Credential),
    ("BadPath", Class::Request),
    ("MethodNotAllowed", Class::Request),
    ("ExpiredToken", Class::Dead),
    ("Unregistered", Class::Dead),
    ("PayloadTooLarge", Class::Request),
    ("TooManyProviderTokenUpdates", Class::TooManyTokens),
    ("TooManyRequests", Class::TooManyRequests),
    ("InternalServerError", Class::Down),
    ("ServiceUnavailable", Class::Down),
    ("Service Unavailable", Class::Down),
    ("Shutdown", Class::Down),
    // Broadcast channels. The provider sends no broadcasts, so these concern one request at most.
    ("FeatureNotEnabled", Class::Request),
    ("TopicMismatch", Class::Topic),
    ("MissingChannelId", Class::Request),
    ("BadChannelId", Class::Request),
    ("ChannelNotRegistered", Class::Request),
    ("BadRequestParams", Class::Request),
    ("BadRequestPayload", Class::Request),
    ("MissingPushType", Class::Request),
    ("CannotCreateChannelConfig", Class::Request),
];

/// What `reason` means and what to do about it, in a clause; empty if the reason says enough.
fn explanation(reason: &str) -> &'static str {
    match reason {
        "BadDeviceToken" => {
            "the token is of the other environment, or not one of Apple's: debug builds have sandbox tokens, released apps and TestFlight production tokens"
        }
        "DeviceTokenNotForTopic" => "the token belongs to another app than the topic",
        "InvalidProviderToken" => {
            "`key`, `key_id` and `team_id` do not belong together, the key was revoked, or this machine's clock is wrong"
        }
        "ExpiredProviderToken" => "the provider token is too old: check this machine's clock",
        "MissingProviderToken" => {
            "the request arrived without the credential: check for a proxy that removes headers or terminates TLS"
        }
        "BadTopic" => "the topic is malformed: `topic` is the app's bundle id without a suffix",
        "TopicDisallowed" | "TopicMismatch" => {
            "the key or certificate does not cover the topic: check `topic`, and the topics of a topic-specific key"
        }
        "BadCertificateEnvironment" | "BadEnvironmentKeyIdInToken" | "BadEnvironmentKeyInToken" => {
            "the credential is for the other environment"
        }
        "BadCertificate" => "the certificate was revoked, has expired, or is not for push",
        "UnrelatedKeyIdInToken" => {
            "the connection was first used with another key that this one is not related to"
        }
        "Forbidden" => {
            "the account may not send: check the developer account for agreements to accept"
        }
        _ => "",
    }
}

struct Body {
    reason: String,
    /// Milliseconds since 1970, with a 410.
    timestamp: Option<Timestamp>,
}

impl Body {
    /// Reads a body in Apple's format: an object with a `reason` that is not empty. An odd `timestamp` (text, a fraction, out
    /// of range) is read as far as it can be and never hides the reason.
    fn read(bytes: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(bytes).ok()?;
        let reason = body.get("reason")?.as_str().filter(|reason| !reason.is_empty())?;
        Some(Self {
            reason: reason.to_owned(),
            timestamp: body.get("timestamp").and_then(millis),
        })
    }
}

fn millis(timestamp: &Value) -> Option<Timestamp> {
    let millis = match timestamp {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        _ => None,
    };
    millis
        .filter(|millis| *millis > 0)
        .map(Timestamp::from_unix_millis)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked, and a fraction of a millisecond is dropped"
)]
fn whole(number: f64) -> Option<i64> {
    // 2^53: every whole number up to here is exact.
    (0.0..9_007_199_254_740_992.0)
        .contains(&number)
        .then_some(number as i64)
}

/// Classifies the answer to one request. `now` is the latest time at which a token can have died.
pub(crate) fn classify(
    response: &Response<Bytes>,
    topic: TopicOrigin,
    now: Timestamp,
) -> (Verdict, Action) {
    let (status, headers) = (response.status(), response.headers());
    if status == StatusCode::OK && is_apples(headers) && response.body().is_empty() {
        return (accepted(headers), Action::None);
    }
    let body = Body::read(response.body()).filter(|_| !status.is_success() && !status.is_redirection());
    let Some(body) = body else {
        return (foreign(status, headers, now), Action::None);
    };
    let answer = answer(status, headers, &body.reason).with_text(explanation(&body.reason));
    match class_of(&body.reason) {
        Some(class) => {
            let since = body.timestamp.map(|at| at.min(now));
            of_class(class, topic, since, answer, headers, now)
        }
        None => (by_status(status, answer, headers, now), Action::None),
    }
}

fn accepted(headers: &HeaderMap) -> Verdict {
    Verdict::accepted(answer(StatusCode::OK, headers, ""))
}

fn answer(status: StatusCode, headers: &HeaderMap, code: &str) -> VendorAnswer {
    // The sandbox's own id finds the push in Apple's console.
    let id = ["apns-unique-id", "apns-id", "apns-request-id"]
        .into_iter()
        .find_map(|name| headers.get(name)?.to_str().ok());
    VendorAnswer::new(status.as_u16(), code).with_request_id(id.unwrap_or_default())
}

/// Returns `true` if the answer has the header that Apple's answers have. A captive portal's 200 does not.
fn is_apples(headers: &HeaderMap) -> bool {
    headers.contains_key("apns-id")
}

/// An answer that Apple did not give.
fn foreign(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Verdict {
    let scope = match status.as_u16() {
        // A limit of a proxy on the size of one request.
        413 | 414 | 431 => Scope::Token,
        _ => Scope::Credential,
    };
    let answer = VendorAnswer::new(status.as_u16(), "").with_text(
        "the answer is not in Apple's format: check for a proxy, firewall or captive portal on the way to Apple, and check `endpoint`",
    );
    let verdict = Verdict::new(VerdictKind::Unavailable(scope), answer);
    with_retry_after(verdict, headers, now)
}

fn class_of(reason: &str) -> Option<Class> {
    REASONS
        .iter()
        .find_map(|(name, class)| (*name == reason).then_some(*class))
}

fn of_class(
    class: Class,
    topic: TopicOrigin,
    since: Option<Timestamp>,
    answer: VendorAnswer,
    headers: &HeaderMap,
    now: Timestamp,
) -> (Verdict, Action) {
    let by_message = topic == TopicOrigin::Message;
    let (kind, action) = match class {
        // Apple judged the token by a topic that the message chose: that says nothing of token or credential.
        Class::OtherEnvironment
        | Class::OtherApp
        | Class::Dead
        | Class::Topic
        | Class::Forbidden
            if by_message =>
        {
            let answer = answer.with_text(
                "Apple refused the token or the topic under the push type that the message asks for: check the message's `push-type`",
            );
            let verdict = Verdict::new(VerdictKind::PayloadRefused, answer);
            return (verdict, Action::None);
        }
        Class::Request => (VerdictKind::PayloadRefused, Action::None),
        // The credential may well cover the app's alerts: nothing follows for other targets.
        Class::Topic if topic == TopicOrigin::Slot => (VerdictKind::TargetRefused, Action::None),
        Class::Topic | Class::Credential | Class::Forbidden => {
            (VerdictKind::CredentialRefused, Action::None)
        }
        Class::OtherKey => (VerdictKind::CredentialRefused, Action::Reconnect),
        Class::OtherEnvironment => (
            VerdictKind::TokenUnusable(TokenFault::Environment),
            Action::None,
        ),
        Class::OtherApp => (VerdictKind::TokenUnusable(TokenFault::App), Action::None),
        Class::Dead => (VerdictKind::TokenDead { since }, Action::None),
        Class::StaleToken => return (stale(answer, MIN_BETWEEN), Action::RenewToken),
        Class::InvalidToken => (VerdictKind::CredentialRefused, Action::CheckTokenDate),
        Class::TooManyTokens => {
            let wait = match Retry::from_headers(headers, now) {
                Some(Retry::After(wait)) => wait.max(MIN_BETWEEN),
                _ => MIN_BETWEEN,
            };
            let verdict = Verdict::new(VerdictKind::RateLimited(Scope::Credential), answer);
            return (verdict.with_retry(Retry::After(wait)), Action::None);
        }
        Class::TooManyRequests => (VerdictKind::RateLimited(Scope::Token), Action::None),
        Class::Idle => (VerdictKind::Unavailable(Scope::Credential), Action::Resend),
        Class::Down => (VerdictKind::Unavailable(Scope::Credential), Action::None),
    };
    let verdict = Verdict::new(kind, answer);
    match kind {
        VerdictKind::RateLimited(_) | VerdictKind::Unavailable(_) => {
            (with_retry_after(verdict, headers, now), action)
        }
        _ => (verdict, action),
    }
}

/// The verdict if Apple considers the provider token too old and no other can be signed before `wait` has passed.
pub(crate) fn stale(answer: VendorAnswer, wait: Duration) -> Verdict {
    Verdict::new(
        VerdictKind::RateLimited(Scope::Credential),
        answer.with_text(
            "Apple considers the provider token too old and allows a new one every 20 minutes: check this machine's clock",
        ),
    )
    .with_retry(Retry::After(wait))
}

/// A reason that is not in the table: never costs a token and never suspends the credential.
fn by_status(
    status: StatusCode,
    answer: VendorAnswer,
    headers: &HeaderMap,
    now: Timestamp,
) -> Verdict {
    let kind = match status.as_u16() {
        408 | 425 | 500.. => VerdictKind::Unavailable(Scope::Credential),
        429 => VerdictKind::RateLimited(Scope::Token),
        _ => VerdictKind::TargetRefused,
    };
    with_retry_after(Verdict::new(kind, answer), headers, now)
}

fn with_retry_after(verdict: Verdict, headers: &HeaderMap, now: Timestamp) -> Verdict {
    // Apple does not document the header, but a server that sends it wants it honoured.
    match Retry::from_headers(headers, now) {
        Some(retry) if verdict.retry == Retry::Backoff => verdict.with_retry(retry),
        _ => verdict,
    }
}

/// Classifies a request that got no whole answer.
pub(crate) fn classify_error(error: &HttpError) -> Verdict {
    let answer = VendorAnswer::none(error.to_string());
    // Apple's GOAWAY names its reason in the vocabulary of the answers.
    let reason = error
        .go_away()
        .and_then(|frame| Body::read(frame.debug_data()))
        .map(|body| body.reason);
    let Some(reason) = reason else {
        return Verdict::new(by_processed(error), answer);
    };
    let mut answer = answer;
    answer.code = VendorAnswer::new(0, &reason).code;
    match class_of(&reason) {
        Some(Class::Credential | Class::Forbidden | Class::InvalidToken) => {
            Verdict::new(VerdictKind::CredentialRefused, answer.with_text(explanation(&reason)))
        }
        Some(Class::TooManyTokens) => {
            Verdict::new(VerdictKind::RateLimited(Scope::Credential), answer)
                .with_retry(Retry::After(MIN_BETWEEN))
        }
        _ => Verdict::new(by_processed(error), answer),
    }
}

fn by_processed(error: &HttpError) -> VerdictKind {
    match (error.kind(), error.processed()) {
        (HttpErrorKind::InvalidRequest, _) => VerdictKind::PayloadRefused,
        (_, Processed::Never) => VerdictKind::Unavailable(Scope::Credential),
        (_, Processed::Unknown) => VerdictKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
    const DEAD_SINCE: Timestamp = Timestamp::from_unix_millis(1_454_948_015_990);

    fn answer(status: u16, body: &str) -> (Verdict, Action) {
        let response = Response::builder()
            .status(status)
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
        classify(&response, NOW)
    }

    fn reason(status: u16, reason: &str) -> (Verdict, Action) {
        answer(status, &format!(r#"{{"reason":"{reason}"}}"#))
    }

    /// Apple's whole list, with the status of each, and what must become of the delivery.
    #[test]
    fn every_documented_reason_has_its_verdict() {
        use Action::{CheckTokenDate, None as Nothing, RenewToken, Resend};
        use Retry::{After, Backoff, Never};
        use VerdictKind::{
            CredentialRefused, PayloadRefused, RateLimited, TokenDead, TokenMismatch, Unavailable,
        };
        let environment = TokenMismatch(Mismatch::Environment);
        let app = TokenMismatch(Mismatch::App);
        let dead = TokenDead { since: None };
        let twenty = After(Duration::from_secs(1200));
        let (of_token, of_credential) = (RateLimited(Scope::Token), RateLimited(Scope::Credential));
        let table = [
            (400, "BadCollapseId", PayloadRefused, Never, Nothing),
            (400, "BadDeviceToken", environment, Never, Nothing),
            (400, "BadExpirationDate", PayloadRefused, Never, Nothing),
            (400, "BadMessageId", PayloadRefused, Never, Nothing),
            (400, "BadPriority", PayloadRefused, Never, Nothing),
            (400, "BadTopic", PayloadRefused, Never, Nothing),
            (400, "DeviceTokenNotForTopic", app, Never, Nothing),
            (400, "DuplicateHeaders", PayloadRefused, Never, Nothing),
            (400, "IdleTimeout", Unavailable, Backoff, Resend),
            (400, "InvalidPushType", PayloadRefused, Never, Nothing),
            (400, "MissingDeviceToken", PayloadRefused, Never, Nothing),
            (400, "MissingTopic", PayloadRefused, Never, Nothing),
            (400, "PayloadEmpty", PayloadRefused, Never, Nothing),
            (400, "TopicDisallowed", CredentialRefused, Backoff, Nothing),
            (403, "BadCertificate", CredentialRefused, Backoff, Nothing),
            (
                403,
                "BadCertificateEnvironment",
                CredentialRefused,
                Backoff,
                Nothing,
            ),
            (
                403,
                "ExpiredProviderToken",
                of_credential,
                twenty,
                RenewToken,
            ),
            (403, "Forbidden", CredentialRefused, Backoff, Nothing),
            (
                403,
                "InvalidProviderToken",
                CredentialRefused,
                Backoff,
                CheckTokenDate,
            ),
            (
                403,
                "MissingProviderToken",
                CredentialRefused,
                Backoff,
                Nothing,
            ),
            (
                403,
                "UnrelatedKeyIdInToken",
                CredentialRefused,
                Backoff,
                Nothing,
            ),
            (
                403,
                "BadEnvironmentKeyIdInToken",
                CredentialRefused,
                Backoff,
                Nothing,
            ),
            (
                403,
                "BadEnvironmentKeyInToken",
                CredentialRefused,
                Backoff,
                Nothing,
            ),
            (404, "BadPath", PayloadRefused, Never, Nothing),
            (405, "MethodNotAllowed", PayloadRefused, Never, Nothing),
            (410, "ExpiredToken", dead, Never, Nothing),
            (410, "Unregistered", dead, Never, Nothing),
            (413, "PayloadTooLarge", PayloadRefused, Never, Nothing),
            (
                429,
                "TooManyProviderTokenUpdates",
                of_credential,
                twenty,
                Nothing,
            ),
            (429, "TooManyRequests", of_token, Backoff, Nothing),
            (500, "InternalServerError", Unavailable, Backoff, Nothing),
            (503, "ServiceUnavailable", Unavailable, Backoff, Nothing),
            (503, "Shutdown", Unavailable, Backoff, Nothing),
            (
                400,
                "FeatureNotEnabled",
                CredentialRefused,
                Backoff,
                Nothing,
            ),
            (403, "TopicMismatch", CredentialRefused, Backoff, Nothing),
            (400, "MissingChannelId", PayloadRefused, Never, Nothing),
            (400, "BadChannelId", PayloadRefused, Never, Nothing),
            (400, "ChannelNotRegistered", PayloadRefused, Never, Nothing),
            (400, "BadRequestParams", PayloadRefused, Never, Nothing),
            (400, "BadRequestPayload", PayloadRefused, Never, Nothing),
            (400, "MissingPushType", PayloadRefused, Never, Nothing),
            (
                400,
                "CannotCreateChannelConfig",
                PayloadRefused,
                Never,
                Nothing,
            ),
        ];
        assert_eq!(table.len(), REASONS.len(), "the table has every reason");
        for (status, word, kind, retry, action) in table {
            let (verdict, wanted) = reason(status, word);
            assert_eq!(verdict.kind, kind, "{word}");
            assert_eq!(verdict.retry, retry, "{word}");
            assert_eq!(wanted, action, "{word}");
            assert_eq!(verdict.answer.code, word);
            assert_eq!(verdict.answer.status, Some(status));
        }
    }

    #[test]
    fn a_dead_token_is_dead_since_the_moment_that_apple_names() {
        for word in ["Unregistered", "ExpiredToken", "NotInventedYet"] {
            let body = format!(r#"{{"reason":"{word}","timestamp":1454948015990}}"#);
            let kind = VerdictKind::TokenDead {
                since: Some(DEAD_SINCE),
            };
            assert_eq!(answer(410, &body).0.kind, kind, "{word}");
        }
    }

    #[test]
    fn a_token_never_dies_in_the_future() {
        let body = r#"{"reason":"Unregistered","timestamp":99999999999999}"#;
        let kind = VerdictKind::TokenDead { since: Some(NOW) };
        assert_eq!(answer(410, body).0.kind, kind);
    }

    #[test]
    fn a_reason_that_nobody_knows_is_kept_and_costs_no_token() {
        for status in [
            400, 401, 403, 404, 409, 410, 413, 418, 429, 500, 502, 599, 300, 204,
        ] {
            let (verdict, action) = reason(status, "InventedTomorrow");
            assert_eq!(verdict.answer.code, "InventedTomorrow");
            assert!(
                !matches!(
                    verdict.kind,
                    VerdictKind::TokenDead { .. } | VerdictKind::Accepted
                ),
                "{status}"
            );
            assert_eq!(action, Action::None);
        }
        assert_eq!(reason(403, "X").0.kind, VerdictKind::CredentialRefused);
        assert_eq!(reason(502, "X").0.kind, VerdictKind::Unavailable);
        assert_eq!(reason(422, "X").0.kind, VerdictKind::PayloadRefused);
        assert_eq!(reason(204, "X").0.kind, VerdictKind::Unknown);
    }

    #[test]
    fn an_answer_that_is_not_apples_is_judged_by_its_status() {
        let (verdict, _) = answer(403, "<html>proxy</html>");
        assert_eq!(verdict.kind, VerdictKind::CredentialRefused);
        assert!(verdict.answer.text.contains("not Apple's"));
        assert!(!verdict.answer.text.contains("html"));
        assert_eq!(answer(410, "").0.kind, VerdictKind::PayloadRefused);
        assert_eq!(answer(503, "").0.kind, VerdictKind::Unavailable);
    }

    #[test]
    fn the_vendors_wish_to_wait_is_honoured_in_both_forms() {
        let with = |value: &str, word: &str| {
            let response = Response::builder()
                .status(503)
                .header("retry-after", value)
                .body(Bytes::from(format!(r#"{{"reason":"{word}"}}"#)))
                .unwrap();
            classify(&response, NOW).0.retry
        };
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        assert_eq!(with("120", "ServiceUnavailable"), after(120));
        assert_eq!(
            with("Tue, 14 Nov 2023 22:15:20 GMT", "Shutdown"),
            after(120)
        );
        assert_eq!(with("99999999", "Shutdown"), after(24 * 60 * 60));
        assert_eq!(with("soon", "Shutdown"), Retry::Backoff);
        assert_eq!(with("60", "TooManyRequests"), after(60));
        // Never below Apple's own rule, and never for what must not be tried again.
        assert_eq!(with("60", "TooManyProviderTokenUpdates"), after(1200));
        assert_eq!(with("60", "BadDeviceToken"), Retry::Never);
    }

    #[test]
    fn the_sandboxs_own_id_is_kept() {
        let response = Response::builder()
            .status(200)
            .header("apns-id", "a")
            .header("apns-unique-id", "b")
            .body(Bytes::new())
            .unwrap();
        let (verdict, _) = classify(&response, NOW);
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(verdict.answer.request_id, "b");
    }
}
