//! Answer to verdict.
//!
//! RFC 8030 leaves the form of errors open. Here are the forms of the services of Mozilla (autopush 1.83, errors.md), Apple
//! ("Sending web push notifications in web apps and browsers"), Google (Chromium, web_push_common.cc; lines that clients
//! recorded) and Microsoft (headers `X-WNS-…`), as of November 2026. An answer in no form of a push service comes from the path,
//! unless the credential trusts statuses.
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Uri, header};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_http::HttpError;
use push_kit::{
    answer::json,
    scrub::{identifier, vendor_answer},
    verdict::{self, not_the_vendors, unknown_code, with_retry_after},
};

/// The longest line that Google's service is known to write, and then some.
const LONGEST_LINE: usize = 512;

/// How far answers from one origin are believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    /// The status alone counts, whatever the form.
    pub(crate) statuses: bool,
    /// The push service is known or listed, so that it can accuse the credential. Anybody can register an endpoint at a server of their own.
    pub(crate) accusations: bool,
}

/// What an answer means, and whether the signature may be the reason.
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    /// The signature was refused: another one may be accepted.
    pub(crate) wants_signature: bool,
}

/// What a push service says.
enum Said {
    /// Mozilla's `errno`, which may be null, and its message.
    Errno(Option<i64>, String),
    /// Apple's `reason`.
    Reason(String),
    /// A line of text of Google's.
    Line(String, Meaning),
    /// Headers of Microsoft's, with its words if there are any.
    Headers(String),
}

#[derive(Clone, Copy)]
enum Meaning {
    Gone,
    Mismatch,
    Credential,
}

/// Lines of Google's service, without what varies.
const LINES: &[(u16, &str, Meaning)] = &[
    (
        410,
        "push subscription has unsubscribed or expired",
        Meaning::Gone,
    ),
    (
        404,
        "A valid push subscription endpoint should be specified in the URL",
        Meaning::Gone,
    ),
    (
        403,
        "do not correspond to the credentials used to create the subscription",
        Meaning::Mismatch,
    ),
    (403, "sender is not authenticated", Meaning::Credential),
    (403, "invalid JWT provided", Meaning::Credential),
    (403, "invalid aud claim", Meaning::Credential),
    (
        403,
        "aud claim in the token MUST include the origin",
        Meaning::Credential,
    ),
    (
        403,
        "exp claim MUST NOT be more than 24 hours",
        Meaning::Credential,
    ),
    (403, "token has expired", Meaning::Credential),
    (403, "exp claim is missing", Meaning::Credential),
    (403, "public key must be 65 bytes long", Meaning::Credential),
];

/// Reads `response`, received at `now`. Nothing of `private` remains in the verdict.
pub(crate) fn classify(
    response: &Response<Bytes>,
    private: &[&str],
    trust: Trust,
    now: Timestamp,
) -> Answer {
    let (status, headers) = (response.status(), response.headers());
    if let Some(verdict) = accepted(status, headers, private, trust) {
        return Answer {
            verdict,
            wants_signature: false,
        };
    }
    let said = if status.is_success() {
        microsofts(headers).map(|word| Said::Headers(word.to_owned()))
    } else {
        said(status, headers, response.body())
    };
    let (kind, answer) = match said {
        Some(said) => {
            let (code, text) = match &said {
                Said::Errno(number, text) => (
                    number.map_or_else(String::new, |number| number.to_string()),
                    text,
                ),
                Said::Reason(reason) => (reason.clone(), &String::new()),
                Said::Line(text, _) | Said::Headers(text) => (String::new(), text),
            };
            let id = identifier(id(headers), private);
            let answer = vendor_answer(status, &code, text, private).with_request_id(id);
            (said.kind(status), answer)
        }
        None if trust.statuses => {
            let text = String::from_utf8_lossy(response.body());
            let answer = vendor_answer(status, "", &text, private);
            (by_status(status), answer)
        }
        None => return foreign(status, headers, now),
    };
    let wants_signature = kind == VerdictKind::CredentialRefused;
    let accuses = match kind {
        VerdictKind::CredentialRefused => true,
        VerdictKind::TokenUnusable(fault) => fault.accuses_credential(),
        _ => false,
    };
    let kind = if accuses && !trust.accusations {
        VerdictKind::TargetRefused
    } else {
        kind
    };
    let verdict = with_retry_after(Verdict::new(of_origin(kind), answer), headers, now);
    Answer {
        verdict,
        wants_signature,
    }
}

/// The verdict on an answer that no push service gave. A limit is obeyed for a minute at most.
fn foreign(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Answer {
    let mut verdict = not_the_vendors(status, headers, now);
    if is_success(status) {
        let text = "a success without `Location`, which is not the vendor's answer; check proxy and endpoint, or set `trust_status` if this push service sends none";
        verdict.answer = VendorAnswer::new(status.as_u16(), "")
            .with_text(text)
            .into();
    }
    verdict.kind = match status {
        StatusCode::TOO_MANY_REQUESTS => VerdictKind::RateLimited(Scope::Origin),
        _ => of_origin(verdict.kind),
    };
    Answer {
        verdict,
        wants_signature: false,
    }
}

/// The verdict on a success that a push service gave: RFC 8030 §5 requires `Location`, Apple sends an id, Microsoft a word.
fn accepted(
    status: StatusCode,
    headers: &HeaderMap,
    private: &[&str],
    trust: Trust,
) -> Option<Verdict> {
    let location = headers.get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok()?.parse::<Uri>().ok());
    let is_location = |uri: Uri| {
        uri.path().len() > 1 && matches!(uri.scheme_str(), None | Some("https" | "http"))
    };
    let is_confirmed = match microsofts(headers) {
        Some(word) => word.eq_ignore_ascii_case("received"),
        None => trust.statuses || location.is_some_and(is_location) || !id(headers).is_empty(),
    };
    (is_success(status) && is_confirmed).then(|| {
        let id = identifier(id(headers), private);
        Verdict::accepted(VendorAnswer::new(status.as_u16(), "").with_request_id(id))
    })
}

const fn is_success(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=202)
}

/// What Microsoft's service did with a message: `received`, `dropped` or `channelthrottled`.
fn microsofts(headers: &HeaderMap) -> Option<&str> {
    let names = ["x-wns-status", "x-wns-notificationstatus"].into_iter();
    let mut words = names.filter_map(|name| headers.get(name)?.to_str().ok());
    words.next()
}

/// The id that Apple or Microsoft gave the message. The `Location` of the others is a right to delete it, and is not kept.
fn id(headers: &HeaderMap) -> &str {
    let ids = ["apns-id", "x-wns-msg-id"].into_iter();
    let mut values = ids.filter_map(|name| headers.get(name)?.to_str().ok());
    values.find(|value| !value.is_empty()).unwrap_or_default()
}

/// Recognises the form of a push service.
fn said(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Said> {
    let json = json(body);
    if let Some(object) = json.as_object() {
        // A server that repeats the status as `code` has no `errno`.
        let text = |key: &str| json[key].as_str().unwrap_or_default();
        if json["code"].as_u64() == Some(status.as_u16().into()) && object.contains_key("errno") {
            let number = json["errno"].as_i64();
            let is_form = number.is_some() || json["errno"].is_null();
            return is_form.then(|| Said::Errno(number, text("message").to_owned()));
        }
        let is_alone = object
            .keys()
            .all(|key| matches!(key.as_str(), "reason" | "timestamp"));
        let reason = identifier(text("reason"), &[]);
        if is_alone && !reason.is_empty() {
            return Some(Said::Reason(reason.to_owned()));
        }
        return None;
    }
    let line = std::str::from_utf8(body).unwrap_or_default().trim();
    let is_line = line.len() <= LONGEST_LINE && !line.starts_with('<') && !line.contains('\n');
    if is_line
        && let Some((_, _, meaning)) = LINES
            .iter()
            .find(|(of, part, _)| *of == status.as_u16() && line.contains(part))
    {
        return Some(Said::Line(line.to_owned(), *meaning));
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_microsofts = microsofts(headers).is_some() || header("x-wns-msg-id").is_some();
    let words = header("x-wns-error-description").or(microsofts(headers));
    (is_microsofts && body.is_empty()).then(|| Said::Headers(words.unwrap_or_default().to_owned()))
}

/// The public key of the signature is not that of the subscription: this credential cannot push to it, another one of the same
/// app can.
const MISMATCH: VerdictKind = VerdictKind::TokenUnusable(TokenFault::App);

const GONE: VerdictKind = VerdictKind::TokenDead { since: None };
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Origin);

impl Said {
    fn kind(&self, status: StatusCode) -> VerdictKind {
        match self {
            Self::Errno(Some(number), text) => errno(*number, text, status),
            Self::Errno(None, _) => unknown_code(status),
            Self::Reason(reason) => self::reason(reason, status),
            Self::Line(_, Meaning::Gone) => GONE,
            Self::Line(_, Meaning::Mismatch) => MISMATCH,
            Self::Line(_, Meaning::Credential) => VerdictKind::CredentialRefused,
            Self::Headers(word) => match status.as_u16() {
                200..300 if word.eq_ignore_ascii_case("channelthrottled") => {
                    VerdictKind::RateLimited(Scope::Token)
                }
                // Microsoft documents 406 for its limit, and sends 429, too.
                406 => VerdictKind::RateLimited(Scope::Origin),
                400 | 404 | 405 | 410 | 413 | 429 => by_status(status),
                _ => unknown_code(status),
            },
        }
    }
}

/// Mozilla's numbers.
fn errno(number: i64, text: &str, status: StatusCode) -> VerdictKind {
    match (number, status.as_u16()) {
        (102 | 103 | 105 | 106, 404 | 410) => GONE,
        (109, 401) if text.contains("public key mismatch") => MISMATCH,
        (109, 401) => VerdictKind::CredentialRefused,
        (101 | 104 | 110..=114, 400 | 413) => VerdictKind::PayloadRefused,
        // The kind of bridge is no part of what is sent.
        (108, _) => VerdictKind::TargetRefused,
        (201 | 202 | 900..=903 | 999, 500..) => DOWN,
        _ => unknown_code(status),
    }
}

/// Apple's reasons.
fn reason(reason: &str, status: StatusCode) -> VerdictKind {
    match (reason, status.as_u16()) {
        ("BadTtl" | "BadUrgency" | "BadWebPushRequest" | "BadWebPushTopic", 400)
        | ("MethodNotAllowed", 405)
        | ("PayloadTooLarge", 413) => VerdictKind::PayloadRefused,
        ("VapidPkHashMismatch", 400 | 403) => MISMATCH,
        // The connection was idle: the next one is another.
        ("IdleTimeout", 400)
        | ("InternalServerError" | "ServiceUnavailable" | "Shutdown", 500..) => DOWN,
        ("BadAuthorizationHeader" | "BadJwtToken" | "BadVapidPublicKey", 403) => {
            VerdictKind::CredentialRefused
        }
        // A path that is no subscription's; and the reasons that its service for apps gives with 410.
        ("BadPath", 404) | ("Unregistered" | "ExpiredToken", 410) => GONE,
        ("TooManyRequests", 429) => VerdictKind::RateLimited(Scope::Token),
        _ => unknown_code(status),
    }
}

/// What the statuses mean where they alone count (RFC 8030 §5 to §8, RFC 8292 §4.2).
fn by_status(status: StatusCode) -> VerdictKind {
    match status.as_u16() {
        404 | 410 => GONE,
        400 | 405 | 413 => VerdictKind::PayloadRefused,
        401 | 403 => VerdictKind::TargetRefused,
        300..400 => DOWN,
        _ => unknown_code(status),
    }
}

/// What concerns the whole credential elsewhere concerns one push service of many here.
const fn of_origin(kind: VerdictKind) -> VerdictKind {
    match kind {
        VerdictKind::Unavailable(Scope::Credential) => DOWN,
        VerdictKind::RateLimited(Scope::Credential) => VerdictKind::RateLimited(Scope::Origin),
        other => other,
    }
}

/// The verdict on a push that got no whole answer. A head that accepts is enough: a success has no body.
pub(crate) fn unanswered(error: &HttpError, private: &[&str], trust: Trust) -> Verdict {
    let head = error.response_head();
    if let Some(verdict) =
        head.and_then(|head| accepted(head.status, &head.headers, private, trust))
    {
        return verdict;
    }
    let mut verdict = verdict::unanswered(error);
    verdict.kind = of_origin(verdict.kind);
    verdict
}

/// The verdict on a push that could not be prepared: the cryptographic library failed.
pub(crate) fn unprepared(what: &str) -> Verdict {
    Verdict::new(
        VerdictKind::Unavailable(Scope::Token),
        VendorAnswer::none(format!("the message could not be {what}")),
    )
    .with_retry(Retry::Backoff)
}
