//! Answer to verdict.
use bytes::Bytes;
use http::{Response, StatusCode};
use push_core::{Scope, Timestamp, TokenFault, Verdict, VerdictKind};
use push_kit::{
    answer::json,
    scrub::vendor_answer,
    verdict::{not_the_vendors, unconfirmed, unknown_code, with_retry_after},
};
use serde::Deserialize;

/// An answer in the vendor's format.
pub(crate) struct Answer {
    verdict: Verdict,
}

#[derive(Deserialize)]
struct Body {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    request_id: String,
}

/// Reads `response`. Of `private` nothing remains in the verdict.
///
/// # Errors
/// The verdict on every target, if the answer is not the vendor's: a proxy's page, for instance.
pub(crate) fn read(
    response: &Response<Bytes>,
    private: &[&str],
    now: Timestamp,
) -> Result<Answer, Verdict> {
    let (status, headers) = (response.status(), response.headers());
    let body = serde_json::from_value::<Body>(json(response.body()));
    // Other servers repeat the status as the code.
    let Some(body) = body.ok().filter(|body| !(1..10_000).contains(&body.code)) else {
        return Err(not_the_vendors(status, headers, now));
    };
    let code = body.code.to_string();
    let mut answer = vendor_answer(status, &code, &body.message, private);
    answer = answer.with_request_id(push_kit::scrub::identifier(&body.request_id, private));
    let kind = kind(status, body.code);
    // What confirms no request was not the vendor's answer to this one.
    if kind == VerdictKind::Accepted && body.request_id.is_empty() {
        return Err(unconfirmed(answer, "the answer has no `request_id`"));
    }
    let verdict = Verdict::new(kind, answer);
    Ok(Answer {
        verdict: with_retry_after(verdict, headers, now),
    })
}

/// What status and code together ask the pipeline to do. This table is the heart of a provider: take it from the vendor's
/// page, and keep to what that says.
const fn kind(status: StatusCode, code: i64) -> VerdictKind {
    match (code, status.as_u16()) {
        (0, 200) => VerdictKind::Accepted,
        (40001, _) => VerdictKind::TokenDead { since: None },
        (40002, _) => VerdictKind::TokenUnusable(TokenFault::App),
        (40003, _) => VerdictKind::PayloadRefused,
        (40100 | 40101, _) => VerdictKind::CredentialRefused,
        (42900, _) => VerdictKind::RateLimited(Scope::Credential),
        (50000..60000, _) => VerdictKind::Unavailable(Scope::Credential),
        _ => unknown_code(status),
    }
}

impl Answer {
    /// The verdict on the whole request.
    pub(crate) fn whole(self) -> Verdict {
        self.verdict
    }
}
