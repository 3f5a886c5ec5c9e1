//! What Push Kit's answers mean.
//!
//! The code in the body decides; whether errors of the message ride on HTTP 200 or 4xx is not documented. The status counts only
//! for codes that are not known. Source: the page "push-scenariozed-api-response" and that of the recall (September 2026).
use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use push_core::{Scope, Timestamp, TokenFault, VendorAnswer, Verdict, VerdictKind};
use push_kit::{
    answer::{json, number, text},
    scrub::{identifier, vendor_answer},
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde_json::Value;

use crate::render::PushType;

/// An answer, as far as it can be read.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// Empty if the body is not Push Kit's JSON.
    code: String,
    msg: String,
    request_id: String,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// To send a message of this type.
    Send(PushType),
    /// To recall a notification.
    Revoke,
}

/// The verdicts that an answer holds.
pub(crate) struct Outcome {
    /// On each token that the answer names.
    named: HashMap<String, Verdict>,
    /// On every other token.
    rest: Verdict,
}

impl Outcome {
    /// The verdict on `token`.
    pub(crate) fn of(&self, token: &str) -> &Verdict {
        self.named.get(token).unwrap_or(&self.rest)
    }
}

impl From<Verdict> for Outcome {
    fn from(rest: Verdict) -> Self {
        Self {
            named: HashMap::new(),
            rest,
        }
    }
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(response: &Response<Bytes>) -> Self {
        let body = json(response.body());
        let code = text(&body["code"]);
        let is_whole = body["msg"].is_string() && body["requestId"].is_string();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            code: if is_push_kits(&code, is_whole) {
                code
            } else {
                String::new()
            },
            msg: match &body["msg"] {
                // Documented as text that holds JSON.
                object @ Value::Object(_) => object.to_string(),
                other => text(other),
            },
            request_id: text(&body["requestId"]),
        }
    }

    /// Whether the JWT was refused for its age: another one may be accepted.
    pub(crate) fn is_expired(&self) -> bool {
        matches!(self.code.as_str(), "80200003" | "80200005")
    }

    /// What the answer, received at `now`, says of a request to `tokens`, each of which is there once. Nothing of `private` and of
    /// the tokens remains in the verdicts.
    pub(crate) fn outcome(
        &self,
        call: Call,
        tokens: &[&str],
        private: &[&str],
        now: Timestamp,
    ) -> Outcome {
        let private: Vec<&str> = [private, tokens].concat();
        // A text of the push may be part of a code by chance.
        if self.code.is_empty() {
            return not_the_vendors(self.status, &self.headers, now).into();
        }
        let answer = |words: &str| {
            vendor_answer(self.status, &self.code, words, &private)
                .with_request_id(identifier(&self.request_id, &private))
        };
        let known = known(&self.code, call);
        let kind = known.map_or_else(|| unknown_code(self.status), |(kind, _)| kind);
        let accepts = match self.code.as_str() {
            PARTIAL => Some(!self.status.is_server_error()),
            _ if kind == VerdictKind::Accepted => Some(self.status.is_success()),
            _ => None,
        };
        // Each answer of Push Kit's has an id. What accepts a push or costs a token is not believed without it.
        let has_id = !identifier(&self.request_id, &[]).is_empty();
        if accepts.is_some_and(|fits_status| !(has_id && fits_status)) {
            let why = "the answer has no `requestId`, or its status contradicts it";
            return unconfirmed(answer(""), why).into();
        }
        if self.code == ALL_FAILED && (!has_id || self.status.is_server_error()) {
            return not_the_vendors(self.status, &self.headers, now).into();
        }
        if self.code == PARTIAL || self.code == ALL_FAILED {
            return self.by_token(call, tokens, answer);
        }
        let words = match (known.map_or("", |(_, words)| words), self.msg.as_str()) {
            (words, "Success") => words.to_owned(),
            ("", msg) => msg.to_owned(),
            (words, msg) => format!("{words} ({msg})"),
        };
        with_retry_after(Verdict::new(kind, answer(&words)), &self.headers, now).into()
    }

    /// Some tokens failed, or all: `msg` is JSON that names them by reason.
    fn by_token(
        &self,
        call: Call,
        tokens: &[&str],
        answer: impl Fn(&str) -> VendorAnswer,
    ) -> Outcome {
        let all_failed = self.code == ALL_FAILED;
        let inner = json(self.msg.as_bytes());
        let Some(reasons) = reasons(&inner["illegalTokens"]) else {
            // The documented text, "All the tokens are invalid.", gives no reasons. A wrong project may look the same, which is why
            // the pipeline does not act on it alone.
            let is_text = inner.is_null() && !self.msg.contains('{');
            return if all_failed && is_text && self.msg.contains("invalid") {
                Verdict::new(DEAD, answer("every token is invalid")).into()
            } else if all_failed {
                let words = "every token failed, but the answer does not say why";
                Verdict::new(VerdictKind::TargetRefused, answer(words)).into()
            } else {
                let words = "some tokens failed, but the answer does not say which";
                Verdict::new(VerdictKind::Unknown, answer(words)).into()
            };
        };
        let ours = tokens.iter().filter(|token| reasons.contains_key(**token));
        if ours.count() < reasons.len() {
            let why = "the answer names tokens that were not in the request";
            return unconfirmed(answer(""), why).into();
        }
        // One verdict for each reason: a thousand tokens share a few.
        let mut verdicts: HashMap<&str, Verdict> = HashMap::new();
        for reason in reasons.values() {
            verdicts.entry(reason).or_insert_with(|| {
                let (kind, words) = meaning(reason, call, all_failed);
                let words = match identifier(reason, &[]) {
                    "" => words.to_owned(),
                    reason => format!("{reason}: {words}"),
                };
                Verdict::new(kind, answer(&words))
            });
        }
        let named = reasons.iter();
        let named = named.map(|(token, reason)| ((*token).to_owned(), verdicts[reason].clone()));
        let named: HashMap<_, _> = named.collect();
        let others = tokens.len() - named.len();
        let count = |key: &str| number(&inner[key]).map(|count| usize::try_from(count).ok());
        // Each token that is not named should have succeeded. If another number did, it is not known which.
        let is_confirmed = match (count("success"), count("failure")) {
            (Some(success), _) => success == Some(others),
            (None, failure) => failure == Some(Some(named.len())),
        };
        let rest = if all_failed {
            let words = "every token failed, and the answer does not name this one";
            Verdict::new(VerdictKind::TargetRefused, answer(words))
        } else if is_confirmed {
            Verdict::accepted(answer(""))
        } else {
            Verdict::new(
                VerdictKind::Unknown,
                answer("more tokens failed than the answer names"),
            )
        };
        Outcome { named, rest }
    }
}

/// Whether `code` is one of Push Kit's: a known one, or a number in a whole answer of `code`, `msg` and `requestId`. Other servers
/// answer in JSON with a `code`, too.
fn is_push_kits(code: &str, is_whole: bool) -> bool {
    let is_number =
        (5..=12).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    let is_known = |call| known(code, call).is_some();
    is_known(Call::Revoke) || code == PARTIAL || code == ALL_FAILED || (is_number && is_whole)
}

/// Part of the tokens failed.
const PARTIAL: &str = "80100000";

/// All tokens failed.
const ALL_FAILED: &str = "80300007";

const DEAD: VerdictKind = VerdictKind::TokenDead { since: None };
const REFUSED: VerdictKind = VerdictKind::PayloadRefused;
const CREDENTIAL: VerdictKind = VerdictKind::CredentialRefused;
const DOWN: VerdictKind = VerdictKind::Unavailable(Scope::Credential);

/// Every code but those of tokens: what it means, also in words for an operator.
const CODES: &[(&str, VerdictKind, &str)] = &[
    ("80000000", VerdictKind::Accepted, "accepted"),
    ("80100001", REFUSED, "a parameter is wrong"),
    ("80100003", REFUSED, "the message is not valid"),
    ("80100004", REFUSED, "its time is over"),
    (
        "80100022",
        REFUSED,
        "the picture is not verified: send the message without it",
    ),
    (
        "80200001",
        CREDENTIAL,
        "the JWT is not valid: check the service account, its project and this server's clock",
    ),
    ("80200003", CREDENTIAL, "the access token has expired"),
    (
        "80200005",
        CREDENTIAL,
        "the JWT has expired: check this server's clock",
    ),
    // Seen in other clients only.
    ("80200006", CREDENTIAL, "the key is disabled"),
    (
        "80300002",
        CREDENTIAL,
        "Push Kit is not enabled, or the project is not that of the app",
    ),
    ("80300008", REFUSED, "the message is larger than 4096 bytes"),
    ("80300010", REFUSED, "no token or too many"),
    (
        "80300029",
        VerdictKind::RateLimited(Scope::Credential),
        "test messages are sent too fast",
    ),
    ("80300030", REFUSED, "more than 10 tokens in a test message"),
    (
        "80300036",
        CREDENTIAL,
        "the JWT is valid for more than a day",
    ),
    ("80300037", CREDENTIAL, "the app is under penalty"),
    ("81000001", DOWN, "internal error"),
];

/// The codes that only a recall has.
const REVOKE_CODES: &[(&str, VerdictKind, &str)] = &[
    ("80000001", DOWN, "internal error"),
    ("80100020", REFUSED, "a part of the structure is wrong"),
    ("80300017", REFUSED, "the tokens are of several apps"),
    (
        "80300028",
        CREDENTIAL,
        "`client_id` is not that of the tokens' app",
    ),
    ("80300032", CREDENTIAL, "the app has no right to recall"),
];

/// What a code means, in the answer to `call`; `None` for an unknown one.
fn known(code: &str, call: Call) -> Option<(VerdictKind, &'static str)> {
    let of_recall = match call {
        Call::Revoke => REVOKE_CODES,
        Call::Send(_) => &[],
    };
    let mut all = CODES.iter().chain(of_recall);
    let (_, kind, words) = all.find(|entry| entry.0 == code)?;
    Some((*kind, words))
}

/// The reason of each token; a token with several reasons has an unknown one. `None` if it is not an object of arrays of texts.
fn reasons(illegal: &Value) -> Option<HashMap<&str, &str>> {
    let mut reasons = HashMap::new();
    for (reason, tokens) in illegal.as_object()? {
        for token in tokens.as_array()? {
            let reasons = reasons.entry(token.as_str()?);
            reasons
                .and_modify(|reason| *reason = "several reasons")
                .or_insert(reason.as_str());
        }
    }
    Some(reasons)
}

/// What the reason for which a token failed means. A reason that lies in the app accuses the credential only if no token succeeded.
fn meaning(reason: &str, call: Call, all_failed: bool) -> (VerdictKind, &'static str) {
    let of_app = if all_failed {
        CREDENTIAL
    } else {
        VerdictKind::TargetRefused
    };
    match reason {
        "tokenFormatError" => (DEAD, "no token of Push Kit's"),
        "tokenPlatformNotSupport" => (
            DEAD,
            "a token of another platform: the app must ask for a new one",
        ),
        // Also a token from before the phone was upgraded to HarmonyOS 5, in whose place the app registers another.
        "noRight" => (
            VerdictKind::TokenUnusable(TokenFault::App),
            "a token of another project, or from before an upgrade of the system",
        ),
        // Other types than notifications have rights of their own, without which notifications still go out.
        "noPushTypeRight" if call != Call::Send(PushType::Alert) => {
            (REFUSED, "the app has no right to this kind of message")
        }
        "noPushTypeRight" => (of_app, "the app has no right to notifications"),
        "disableSendHuaweiMsgBecauseOfPenalty" => (of_app, "the app is under penalty"),
        "countryNotSupport" => (VerdictKind::TargetRefused, "not in the phone's country"),
        "atomicUnableSendUnsubscribedMsg" => {
            (VerdictKind::TargetRefused, "the user did not subscribe")
        }
        "differentImgVerifyPolicy" => (
            REFUSED,
            "the picture is not verified where the phone is: send the message without it",
        ),
        "notSupportPlayVoice" => (REFUSED, "the category PLAY_VOICE is for extension messages"),
        "noRightToSendThisLiveNotificationEvent" => {
            (REFUSED, "the app has no right to this live view")
        }
        "appinfoError" => (
            VerdictKind::Unavailable(Scope::Token),
            "Push Kit could not read the app's data",
        ),
        _ => (VerdictKind::TargetRefused, "a reason that is not known"),
    }
}

#[cfg(test)]
mod tests;
