//! What FCM's answers mean (Firebase documentation, `ErrorCode`).
use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header::CONTENT_TYPE};
use push_core::{Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_http::HttpError;
use push_kit::{
    answer,
    scrub::{identifier, vendor_answer},
    verdict::{self, not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

/// How long to wait after a quota was exceeded, if FCM does not say.
const QUOTA_PAUSE: Duration = Duration::from_secs(60);

/// An error as Google writes it (`google.rpc.Status`).
struct Failure<'a> {
    /// `details[].errorCode` of FCM's own detail; empty if there is none.
    code: &'a str,
    /// `error.status`.
    status: &'a str,
    message: &'a str,
    details: &'a [Value],
}

impl<'a> Failure<'a> {
    /// Reads `json`; `None` if it is not Google's error, which always has a number and a general status.
    fn read(json: &'a Value) -> Option<Self> {
        let error = &json["error"];
        error["code"].as_u64()?;
        let status = error["status"].as_str()?;
        if status.is_empty()
            || !status
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        {
            return None;
        }
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
        Some(Self {
            code: of_type(details, "FcmError")
                .find_map(|detail| detail["errorCode"].as_str())
                .unwrap_or_default(),
            status,
            message: text("message"),
            details,
        })
    }

    /// FCM's own code, or else Google's general status.
    fn word(&self) -> &'a str {
        match self.code {
            "" => self.status,
            code => code,
        }
    }

    /// Google's message, and what Apple said where FCM passes that on.
    fn words(&self) -> Cow<'a, str> {
        let apple = of_type(self.details, "ApnsError").next();
        match apple.and_then(|detail| detail["reason"].as_str()) {
            Some(reason) if !reason.is_empty() => {
                format!("{} (Apple's reason: {reason})", self.message).into()
            }
            _ => self.message.into(),
        }
    }

    /// Whether the complaint is about the token and about nothing else.
    fn is_about_token(&self) -> bool {
        let mut fields = of_type(self.details, "BadRequest")
            .filter_map(|detail| detail["fieldViolations"].as_array())
            .flatten()
            .map(|violation| violation["field"].as_str().unwrap_or_default())
            .peekable();
        if fields.peek().is_some() {
            fields.all(|field| field == "message.token")
        } else {
            self.message
                .contains("registration token is not a valid FCM registration token")
        }
    }

    /// Whether the complaint is about the project or the service account: the interface is disabled, or a role is missing. A
    /// 403 or 404 that does not say so may concern one token only.
    fn is_about_account(&self) -> bool {
        of_type(self.details, "ErrorInfo").any(|detail| {
            let domain = detail["domain"].as_str().unwrap_or_default();
            domain.ends_with("googleapis.com")
        }) || self.message.contains("cloudmessaging.messages.create")
    }

    /// How far an exceeded quota reaches.
    fn quota(&self) -> Scope {
        let mut violations = of_type(self.details, "QuotaFailure")
            .filter_map(|detail| detail["violations"].as_array())
            .flatten();
        let of_one_device = violations.any(|violation| {
            ["subject", "description"].into_iter().any(|key| {
                let text = violation[key].as_str().unwrap_or_default();
                text.to_ascii_lowercase().contains("device")
            })
        });
        if of_one_device {
            Scope::Token
        } else {
            Scope::Credential
        }
    }
}

fn of_type<'a>(details: &'a [Value], name: &'static str) -> impl Iterator<Item = &'a Value> {
    details.iter().filter(move |detail| {
        let full = detail["@type"].as_str().unwrap_or_default();
        full.rsplit(['.', '/']).next() == Some(name)
    })
}

fn json(response: &Response<Bytes>) -> Value {
    answer::json(response.body())
}

/// Returns the id in the name of a message of `project`: `projects/<project>/messages/<id>`. Google names a project by its id or by
/// its number, which the provider does not know.
fn message_id<'a>(name: &'a str, project: &str) -> Option<&'a str> {
    let (named, id) = name.strip_prefix("projects/")?.split_once("/messages/")?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_this = named == project || is_number(named) || is_number(project);
    let is_id = !identifier(id, &[]).is_empty() && !id.contains('/');
    (is_this && is_id && !named.contains('/') && !named.is_empty()).then_some(id)
}

/// Whether `response` refuses the access token. A 401 with a code of FCM's own says something else.
pub(crate) fn is_access_refused(response: &Response<Bytes>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        && Failure::read(&json(response)).is_some_and(|failure| failure.word() == "UNAUTHENTICATED")
}

/// The verdict on a message of `project` that was answered with `response` at `now`. `private` is what the request held.
pub(crate) fn answered(
    response: &Response<Bytes>,
    project: &str,
    private: &[&str],
    now: Timestamp,
) -> Verdict {
    let (status, headers, json) = (response.status(), response.headers(), json(response));
    if let (StatusCode::OK, Some(name)) = (status, json["name"].as_str()) {
        let answer = VendorAnswer::new(200, "");
        return match message_id(name, project) {
            Some(id) => Verdict::accepted(answer.with_request_id(identifier(id, private))),
            None => unconfirmed(answer, "the answer names no message of this project"),
        };
    }
    refused(status, headers, &json, private, now)
}

/// The verdict on a change of a subscription that was answered with `response` at `now`: also where it had been made before.
pub(crate) fn changed(response: &Response<Bytes>, private: &[&str], now: Timestamp) -> Verdict {
    let (status, headers, json) = (response.status(), response.headers(), json(response));
    if status == StatusCode::OK && json.is_object() && json.get("error").is_none() {
        return Verdict::accepted(VendorAnswer::new(200, ""));
    }
    let is_there_already = status == StatusCode::CONFLICT
        && Failure::read(&json).is_some_and(|failure| failure.status == "ALREADY_EXISTS");
    if is_there_already {
        return Verdict::accepted(VendorAnswer::new(409, "ALREADY_EXISTS"));
    }
    refused(status, headers, &json, private, now)
}

/// The verdict of an error.
fn refused(
    status: StatusCode,
    headers: &HeaderMap,
    json: &Value,
    private: &[&str],
    now: Timestamp,
) -> Verdict {
    let Some(failure) = Failure::read(json) else {
        return not_the_vendors(status, headers, now);
    };
    let code = failure.word();
    let answer = vendor_answer(status, code, &failure.words(), private);
    let kind = known(code, status, &failure).unwrap_or_else(|| unknown_code(status));
    let verdict = with_retry_after(Verdict::new(kind, answer), headers, now);
    match (kind, verdict.retry) {
        (VerdictKind::RateLimited(_), Retry::Backoff) => {
            verdict.with_retry(Retry::After(QUOTA_PAUSE))
        }
        _ => verdict,
    }
}

/// What a code means: FCM's own, or Google's general status where FCM adds none. `None` for any other.
fn known(code: &str, status: StatusCode, failure: &Failure<'_>) -> Option<VerdictKind> {
    Some(match code {
        "UNREGISTERED" => VerdictKind::TokenDead { since: None },
        "INVALID_ARGUMENT" if failure.is_about_token() => VerdictKind::TokenDead { since: None },
        "INVALID_ARGUMENT" => VerdictKind::PayloadRefused,
        "SENDER_ID_MISMATCH" => VerdictKind::TokenUnusable(TokenFault::App),
        "QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED" => VerdictKind::RateLimited(failure.quota()),
        "UNAVAILABLE" | "INTERNAL" => VerdictKind::Unavailable(Scope::Credential),
        // No more is known of it, whatever its status.
        "UNSPECIFIED_ERROR" => VerdictKind::Unavailable(Scope::Token),
        // The APNs key or the Web Push key in the Firebase console is wrong: Android phones are not affected.
        "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => VerdictKind::TargetRefused,
        // Again after the access token was renewed.
        "UNAUTHENTICATED" if status == StatusCode::UNAUTHORIZED => VerdictKind::CredentialRefused,
        "PERMISSION_DENIED" | "NOT_FOUND" if failure.is_about_account() => {
            VerdictKind::CredentialRefused
        }
        _ => return None,
    })
}

/// The verdict on a message that got no whole answer. The status 200 of FCM, which answers in JSON, is final even if the body
/// after it was lost; the page of another server says nothing.
pub(crate) fn unanswered(error: &HttpError) -> Verdict {
    let is_accepted = error.response_head().is_some_and(|head| {
        let kind = head.headers.get(CONTENT_TYPE);
        let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        head.status == StatusCode::OK && is_json
    });
    if is_accepted {
        let answer = VendorAnswer::new(200, "");
        return Verdict::accepted(
            answer.with_text("accepted; the message's id was lost on the way"),
        );
    }
    verdict::unanswered(error)
}

#[cfg(test)]
mod tests;
