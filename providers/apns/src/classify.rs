//! Maps Apple's answers to verdicts.
//!
//! The reasons are those of "Handling notification responses from APNs" and "Sending broadcast push notification requests
//! to APNs". A reason that is not in the table is kept verbatim and classified by its status; an answer that is not in
//! Apple's format comes from the path to Apple and settles nothing.
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_http::HttpError;
use push_kit::{
    answer as read,
    verdict::{not_the_vendors, unanswered, unconfirmed, unknown_code, with_retry_after},
};

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

/// What an answer is judged by, besides what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Where the topic of the request comes from.
    pub(crate) topic: TopicOrigin,
    /// The `apns-id` of the request, which Apple repeats.
    pub(crate) id: &'a str,
}

/// Which push an answer is to, by Apple's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// The one that was sent.
    This,
    /// Another one: a cache or another server made the answer.
    Another,
    /// It does not say, as a captive portal does not.
    None,
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

/// The longest reason, in bytes. Apple's longest has 27.
const MAX_REASON: usize = 48;

struct Body {
    reason: String,
    /// Milliseconds since 1970, with a 410.
    timestamp: Option<i64>,
}

impl Body {
    /// Reads a body in Apple's format: an object whose `reason` is a word. An odd `timestamp` (text, a fraction, out of range)
    /// never hides the reason.
    fn read(bytes: &[u8]) -> Option<Self> {
        let body = read::json(bytes);
        let reason = body.get("reason")?.as_str()?;
        if !is_word(reason) && class_of(reason).is_none() {
            return None;
        }
        Some(Self {
            reason: reason.to_owned(),
            timestamp: body.get("timestamp").and_then(read::number),
        })
    }
}

/// Returns `true` if `reason` has the form of Apple's reasons. A sentence comes from another server, and may repeat what must
/// not be shown.
fn is_word(reason: &str) -> bool {
    (1..=MAX_REASON).contains(&reason.len())
        && reason.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Classifies the answer to one request. `now` is the latest time at which a token can have died; a `timestamp` that no clock can
/// have shown is as if it was not there.
pub(crate) fn classify(
    response: &Response<Bytes>,
    asked: Asked<'_>,
    now: Timestamp,
) -> (Verdict, Action) {
    let (status, headers) = (response.status(), response.headers());
    let named = named(headers, asked.id);
    match named {
        Named::This if status == StatusCode::OK && response.body().is_empty() => {
            return (accepted(headers), Action::None);
        }
        Named::Another if status == StatusCode::OK => {
            let why = "the answer has the `apns-id` of another push";
            let verdict = unconfirmed(VendorAnswer::new(200, ""), why);
            return (verdict, Action::None);
        }
        _ => {}
    }
    let body = Body::read(response.body())
        .filter(|_| !status.is_success() && !status.is_redirection())
        .filter(|_| named != Named::Another);
    // A reason that is not in the table may be another server's, unless the answer has Apple's header.
    let body = body.filter(|body| class_of(&body.reason).is_some() || named == Named::This);
    let Some(body) = body else {
        return (not_the_vendors(status, headers, now), Action::None);
    };
    let answer = answer(status, headers, &body.reason).with_text(explanation(&body.reason));
    match class_of(&body.reason) {
        Some(class) => {
            let since = body.timestamp.and_then(|millis| read::past(millis, now));
            of_class(class, asked.topic, since, answer, headers, now)
        }
        None => {
            let verdict = Verdict::new(unknown_code(status), answer);
            (with_retry_after(verdict, headers, now), Action::None)
        }
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

fn named(headers: &HeaderMap, id: &str) -> Named {
    match headers.get("apns-id") {
        Some(named) if named.as_bytes().eq_ignore_ascii_case(id.as_bytes()) => Named::This,
        Some(_) => Named::Another,
        None => Named::None,
    }
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

/// Classifies a request with the `apns-id` `id` that got no whole answer.
pub(crate) fn classify_error(error: &HttpError, id: &str) -> Verdict {
    if let Some(head) = error.response_head() {
        // Apple answers with a status and no body, so a stream that does not end changes nothing about it.
        if head.status == StatusCode::OK && named(&head.headers, id) == Named::This {
            return accepted(&head.headers);
        }
        // Whatever a refusal's body would have said, the push was not accepted.
        if head.status.is_client_error() || head.status.is_server_error() {
            return Verdict::unavailable(error.to_string());
        }
    }
    let verdict = unanswered(error);
    // Apple's GOAWAY names its reason in the vocabulary of the answers.
    let reason = error
        .go_away()
        .and_then(|frame| Body::read(frame.debug_data()))
        .map(|body| body.reason);
    let Some(reason) = reason else {
        return verdict;
    };
    let mut answer = VendorAnswer::none(error.to_string());
    answer.code = VendorAnswer::new(0, &reason).code;
    match class_of(&reason) {
        Some(Class::Credential | Class::Forbidden | Class::InvalidToken) => {
            let answer = answer.with_text(explanation(&reason));
            Verdict::new(VerdictKind::CredentialRefused, answer)
        }
        Some(Class::TooManyTokens) => {
            Verdict::new(VerdictKind::RateLimited(Scope::Credential), answer)
                .with_retry(Retry::After(MIN_BETWEEN))
        }
        _ => Verdict::new(verdict.kind, answer),
    }
}

#[cfg(test)]
mod tests;
