//! What an answer of Apple's means: status and reason in, verdict out.
//!
//! The reasons are those of "Handling notification responses from APNs" and "Sending broadcast push notification
//! requests"; one that nobody knows yet is kept word for word and judged by its status.
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{Mismatch, Retry, Scope, Timestamp, VendorAnswer, Verdict, VerdictKind};
use push_http::{HttpError, HttpErrorKind, Processed};
use serde::Deserialize;

use crate::token::MIN_BETWEEN;

/// What an answer asks of the provider before anybody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: the verdict stands.
    None,
    /// Another provider token, and the same request again.
    RenewToken,
    /// The token is invalid, for which the date in it may be the reason.
    CheckTokenDate,
    /// The same request again on another connection.
    Resend,
}

/// What a reason means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The caller's fault: the same bytes never pass.
    Request,
    /// Of the other environment, or no token at all.
    OtherEnvironment,
    /// Of another app.
    OtherApp,
    /// Gone from the phone.
    Dead,
    Credential,
    StaleToken,
    InvalidToken,
    TooManyTokens,
    TooManyRequests,
    Idle,
    Down,
}

/// Every documented reason. `BadEnvironmentKeyInToken` is not documented but seen.
const REASONS: &[(&str, Class)] = &[
    ("BadCollapseId", Class::Request),
    ("BadDeviceToken", Class::OtherEnvironment),
    ("BadExpirationDate", Class::Request),
    ("BadMessageId", Class::Request),
    ("BadPriority", Class::Request),
    ("BadTopic", Class::Request),
    ("DeviceTokenNotForTopic", Class::OtherApp),
    ("DuplicateHeaders", Class::Request),
    ("IdleTimeout", Class::Idle),
    ("InvalidPushType", Class::Request),
    ("MissingDeviceToken", Class::Request),
    ("MissingTopic", Class::Request),
    ("PayloadEmpty", Class::Request),
    ("TopicDisallowed", Class::Credential),
    ("BadCertificate", Class::Credential),
    ("BadCertificateEnvironment", Class::Credential),
    ("ExpiredProviderToken", Class::StaleToken),
    ("Forbidden", Class::Credential),
    ("InvalidProviderToken", Class::InvalidToken),
    ("MissingProviderToken", Class::Credential),
    ("UnrelatedKeyIdInToken", Class::Credential),
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
    ("Shutdown", Class::Down),
    // Broadcast channels.
    ("FeatureNotEnabled", Class::Credential),
    ("TopicMismatch", Class::Credential),
    ("MissingChannelId", Class::Request),
    ("BadChannelId", Class::Request),
    ("ChannelNotRegistered", Class::Request),
    ("BadRequestParams", Class::Request),
    ("BadRequestPayload", Class::Request),
    ("MissingPushType", Class::Request),
    ("CannotCreateChannelConfig", Class::Request),
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    reason: String,
    timestamp: Option<i64>,
}

impl Body {
    fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The verdict on one request from its answer. `now` dates what the answer may not date later than now.
pub(crate) fn classify(response: &Response<Bytes>, now: Timestamp) -> (Verdict, Action) {
    let (status, headers) = (response.status(), response.headers());
    let answer = |code: &str| {
        let answer = VendorAnswer::new(status.as_u16(), code);
        // The sandbox's own id finds the push in Apple's console.
        let id = ["apns-unique-id", "apns-id", "apns-request-id"]
            .into_iter()
            .find_map(|it| headers.get(it)?.to_str().ok());
        answer.with_request_id(id.unwrap_or_default())
    };
    if status == StatusCode::OK {
        return (Verdict::accepted(answer("")), Action::None);
    }
    let Some(body) = Body::read(response.body()) else {
        let answer = answer("")
            .with_text("the answer is not Apple's: a proxy or another server may have given it");
        return (by_status(status, None, answer, headers, now), Action::None);
    };
    let answer = answer(&body.reason);
    let since = body
        .timestamp
        .filter(|it| *it > 0)
        .map(|it| Timestamp::from_unix_millis(it).min(now));
    match class_of(&body.reason) {
        Some(class) => of_class(class, since, answer, headers, now),
        None => (by_status(status, since, answer, headers, now), Action::None),
    }
}

fn class_of(reason: &str) -> Option<Class> {
    REASONS
        .iter()
        .find_map(|(name, class)| (*name == reason).then_some(*class))
}

fn of_class(
    class: Class,
    since: Option<Timestamp>,
    answer: VendorAnswer,
    headers: &HeaderMap,
    now: Timestamp,
) -> (Verdict, Action) {
    let plain = |kind, answer| (Verdict::new(kind, answer), Action::None);
    match class {
        Class::Request => plain(VerdictKind::PayloadRefused, answer),
        Class::OtherEnvironment => plain(
            VerdictKind::TokenMismatch(Mismatch::Environment),
            answer.with_text(
                "the token is of the other environment, or none of Apple's: debug builds have sandbox tokens, released apps and TestFlight production tokens",
            ),
        ),
        Class::OtherApp => plain(
            VerdictKind::TokenMismatch(Mismatch::App),
            answer.with_text("the token belongs to another app than the topic"),
        ),
        Class::Dead => plain(VerdictKind::TokenDead { since }, answer),
        Class::Credential => plain(VerdictKind::CredentialRefused, answer),
        Class::StaleToken => (stale(answer, MIN_BETWEEN), Action::RenewToken),
        Class::InvalidToken => (
            Verdict::new(VerdictKind::CredentialRefused, answer),
            Action::CheckTokenDate,
        ),
        Class::TooManyTokens => {
            let wait = match Retry::from_headers(headers, now) {
                Some(Retry::After(wait)) => wait.max(MIN_BETWEEN),
                _ => MIN_BETWEEN,
            };
            let verdict = Verdict::new(VerdictKind::RateLimited(Scope::Credential), answer);
            (verdict.with_retry(Retry::After(wait)), Action::None)
        }
        Class::TooManyRequests => (
            with_retry_after(
                Verdict::new(VerdictKind::RateLimited(Scope::Token), answer),
                headers,
                now,
            ),
            Action::None,
        ),
        Class::Idle => (
            Verdict::new(VerdictKind::Unavailable, answer),
            Action::Resend,
        ),
        Class::Down => (
            with_retry_after(Verdict::new(VerdictKind::Unavailable, answer), headers, now),
            Action::None,
        ),
    }
}

/// The provider token is too old, and another cannot be had before `wait` is over.
pub(crate) fn stale(answer: VendorAnswer, wait: Duration) -> Verdict {
    Verdict::new(
        VerdictKind::RateLimited(Scope::Credential),
        answer.with_text(
            "Apple calls the provider token too old, and wants 20 minutes between two of them: check this machine's clock",
        ),
    )
    .with_retry(Retry::After(wait))
}

/// A reason that nobody knows yet, or none. Conservative: a token dies only of a 410 that says since when.
fn by_status(
    status: StatusCode,
    since: Option<Timestamp>,
    answer: VendorAnswer,
    headers: &HeaderMap,
    now: Timestamp,
) -> Verdict {
    let kind = match status.as_u16() {
        410 if since.is_some() => VerdictKind::TokenDead { since },
        401 | 403 => VerdictKind::CredentialRefused,
        407 | 408 | 500..=599 => VerdictKind::Unavailable,
        429 => VerdictKind::RateLimited(Scope::Token),
        400..=499 => VerdictKind::PayloadRefused,
        _ => VerdictKind::Unknown,
    };
    with_retry_after(Verdict::new(kind, answer), headers, now)
}

fn with_retry_after(verdict: Verdict, headers: &HeaderMap, now: Timestamp) -> Verdict {
    // Apple does not document the header; whoever sends it means it.
    match Retry::from_headers(headers, now) {
        Some(retry) if verdict.retry == Retry::Backoff => verdict.with_retry(retry),
        _ => verdict,
    }
}

/// The verdict on a request that got no answer.
pub(crate) fn classify_error(error: &HttpError) -> Verdict {
    let answer = VendorAnswer::none(error.to_string());
    // Apple's last words on a connection (GOAWAY) have the vocabulary of its answers.
    let words = error
        .go_away()
        .and_then(|it| Body::read(it.debug_data()))
        .map(|it| it.reason);
    if let Some(reason) = words {
        let mut answer = answer.clone();
        answer.code = VendorAnswer::new(0, &reason).code;
        match class_of(&reason) {
            Some(Class::Credential | Class::InvalidToken) => {
                return Verdict::new(VerdictKind::CredentialRefused, answer);
            }
            Some(Class::TooManyTokens) => {
                return Verdict::new(VerdictKind::RateLimited(Scope::Credential), answer)
                    .with_retry(Retry::After(MIN_BETWEEN));
            }
            _ => {}
        }
        return Verdict::new(by_processed(error), answer);
    }
    Verdict::new(by_processed(error), answer)
}

fn by_processed(error: &HttpError) -> VerdictKind {
    match (error.kind(), error.processed()) {
        (HttpErrorKind::InvalidRequest, _) => VerdictKind::PayloadRefused,
        (_, Processed::Never) => VerdictKind::Unavailable,
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
