//! How each push service answers.
use push_testkit::Reply;
use serde_json::{Value, json};

use super::{
    Browser,
    check::{Fault, Vapid},
};

/// The answer of the service of `browser` to a request that it refuses.
pub(super) fn refusal(browser: Browser, fault: Fault) -> Reply {
    match browser {
        Browser::Firefox => mozilla(fault),
        Browser::Safari => apple(fault),
        Browser::Chrome => google(fault),
    }
}

fn mozilla(fault: Fault) -> Reply {
    let (status, number, message) = match fault {
        Fault::Method => (405, None, "Method Not Allowed"),
        Fault::Unknown => (404, Some(102), "Invalid endpoint"),
        Fault::Gone => (410, Some(106), "No such subscription"),
        Fault::TtlMissing => (400, Some(111), "Missing TTL value"),
        Fault::TtlNegative => (400, Some(114), "TTL must be greater than 0"),
        Fault::Urgency => (400, None, "Invalid Urgency"),
        Fault::Topic => (400, Some(113), "Invalid Topic"),
        Fault::Encoding => (400, Some(110), "Unknown Content-Encoding"),
        Fault::TooLarge => (
            413,
            Some(104),
            "This message is intended for a constrained device",
        ),
        Fault::Vapid(fault) => (
            401,
            Some(109),
            match fault {
                Vapid::Header => "Missing VAPID token",
                Vapid::PublicKey => "Invalid VAPID public key",
                Vapid::Mismatch => "VAPID public key mismatch",
                Vapid::Signature => "Invalid VAPID token",
                Vapid::Audience => "Invalid VAPID audience",
                Vapid::ExpMissing => "Missing VAPID token expiration",
                Vapid::ExpTooLate => "The VAPID token expiration is too long",
                Vapid::Expired => "The VAPID token is expired",
                Vapid::Subject => "Invalid VAPID subject",
            },
        ),
    };
    let reply = errno(status, &json!(number), message);
    match status {
        410 => reply.header("cache-control", "max-age=86400"),
        _ => reply,
    }
}

/// Mozilla's form of an error.
fn errno(status: u16, number: &Value, message: &str) -> Reply {
    let words = http::StatusCode::from_u16(status).ok();
    let words = words.and_then(|status| status.canonical_reason());
    Reply::new(status).json(json!({
        "code": status,
        "errno": number,
        "error": words,
        "message": message,
        "more_info": "http://autopush.readthedocs.io/en/latest/http.html#error-codes",
    }))
}

fn apple(fault: Fault) -> Reply {
    let (status, reason) = match fault {
        Fault::Method => (405, "MethodNotAllowed"),
        Fault::Unknown => (404, "BadPath"),
        Fault::Gone => (410, "Unregistered"),
        Fault::TtlMissing | Fault::TtlNegative => (400, "BadTtl"),
        Fault::Urgency => (400, "BadUrgency"),
        Fault::Topic => (400, "BadWebPushTopic"),
        Fault::Encoding => (400, "BadWebPushRequest"),
        Fault::TooLarge => (413, "PayloadTooLarge"),
        Fault::Vapid(Vapid::Mismatch) => (400, "VapidPkHashMismatch"),
        Fault::Vapid(Vapid::Header) => (403, "BadAuthorizationHeader"),
        Fault::Vapid(Vapid::PublicKey) => (403, "BadVapidPublicKey"),
        Fault::Vapid(_) => (403, "BadJwtToken"),
    };
    Reply::new(status).json(json!({ "reason": reason }))
}

fn google(fault: Fault) -> Reply {
    let (status, line) = match fault {
        Fault::Method => (405, "method not allowed"),
        Fault::Unknown => (
            404,
            "A valid push subscription endpoint should be specified in the URL as such: https://fcm.googleapis.com/wp/dHIoDxE7Hdg:APA91bH1Zj0kNa...",
        ),
        Fault::Gone => (410, "push subscription has unsubscribed or expired."),
        Fault::TtlMissing | Fault::TtlNegative => (400, "invalid TTL"),
        Fault::Urgency => (400, "invalid urgency"),
        Fault::Topic => (400, "invalid topic"),
        Fault::Encoding => (400, "invalid content encoding"),
        Fault::TooLarge => (413, "payload too large"),
        Fault::Vapid(fault) => (
            403,
            match fault {
                Vapid::Header => "sender is not authenticated.",
                Vapid::PublicKey => "public key must be 65 bytes long",
                Vapid::Mismatch => {
                    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions."
                }
                Vapid::Signature | Vapid::Subject => "invalid JWT provided",
                Vapid::Audience => {
                    "aud claim in the token MUST include the origin of the push resource URL"
                }
                Vapid::ExpMissing => "exp claim is missing",
                Vapid::ExpTooLate => {
                    "exp claim MUST NOT be more than 24 hours from the time of the request"
                }
                Vapid::Expired => "token has expired",
            },
        ),
    };
    Reply::new(status)
        .header("content-type", "text/plain; charset=utf-8")
        .body(format!("{line}\n"))
}

/// The answer with a scripted code: Mozilla's for a number, Apple's for a word, with the status that belongs to it.
pub(super) fn scripted(code: &str) -> Reply {
    if let Ok(number) = code.parse::<u16>() {
        let status = match number {
            102 => 404,
            103 | 105 | 106 => 410,
            104 => 413,
            109 => 401,
            201 | 202 => 503,
            900..=903 => 502,
            999 => 500,
            _ => 400,
        };
        return errno(status, &json!(number), "scripted");
    }
    let status = match code {
        "BadAuthorizationHeader" | "BadJwtToken" | "BadVapidPublicKey" => 403,
        "BadPath" => 404,
        "MethodNotAllowed" => 405,
        "Unregistered" => 410,
        "PayloadTooLarge" => 413,
        "TooManyRequests" => 429,
        "InternalServerError" => 500,
        "ServiceUnavailable" | "Shutdown" => 503,
        _ => 400,
    };
    Reply::new(status).json(json!({ "reason": code }))
}
