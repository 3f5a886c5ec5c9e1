//! What the answers mean.
use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use http::Response;
use push_core::{Batch, Retry, Scope, TokenFault, VendorAnswer, Verdict, VerdictKind};
use serde_json::Value;

use crate::{fault::Fault, provider::Core};

/// An answer in the vendor's format.
pub(crate) struct Answer {
    pub(crate) code: i64,
    bad: HashSet<String>,
    pub(crate) verdict: Verdict,
}

/// Reads an answer; the error is the verdict on one that is not the vendor's.
pub(crate) fn read(
    core: &Core,
    batch: &Batch,
    response: &Response<Bytes>,
) -> Result<Answer, Verdict> {
    let status = response.status().as_u16();
    let body: Value = if core.breaks(Fault::PanicsOnAnswer) {
        serde_json::from_slice(response.body()).expect("the vendor sends JSON")
    } else {
        serde_json::from_slice(response.body()).unwrap_or_default()
    };
    // Other servers repeat the status as the code.
    let is_own = |code: &i64| *code == 0 || *code >= 1000;
    let Some(code) = body["code"].as_i64().filter(is_own) else {
        let kind = match status {
            403 if core.breaks(Fault::ProxyAccuses) => VerdictKind::CredentialRefused,
            403 if core.breaks(Fault::ProxyEnds) && body.is_object() => VerdictKind::TargetRefused,
            200 if core.breaks(Fault::SuccessByStatus) => VerdictKind::Accepted,
            429 => VerdictKind::RateLimited(Scope::Credential),
            _ => VerdictKind::Unavailable(Scope::Credential),
        };
        return Err(paced(core, response, Verdict::new(kind, foreign(status))));
    };
    let kept = if core.breaks(Fault::CodeLost) {
        String::new()
    } else {
        code.to_string()
    };
    let message = body["message"].as_str().unwrap_or_default();
    let answer = VendorAnswer::new(status, kept).with_text(scrubbed(core, batch, message));
    let kind = match kind(core, status, code) {
        VerdictKind::Accepted if message.is_empty() && !core.breaks(Fault::SuccessUnconfirmed) => {
            VerdictKind::Unknown
        }
        kind => kind,
    };
    let verdict = Verdict::new(kind, answer);
    let bad = body["bad"].as_array().into_iter().flatten();
    Ok(Answer {
        code,
        bad: bad.filter_map(Value::as_str).map(str::to_owned).collect(),
        verdict: paced(core, response, verdict),
    })
}

/// An answer in another format.
pub(crate) fn foreign(status: u16) -> VendorAnswer {
    VendorAnswer::new(status, "").with_text("this is not the vendor's answer")
}

fn paced(core: &Core, response: &Response<Bytes>, verdict: Verdict) -> Verdict {
    match Retry::from_headers(response.headers(), core.clock.now()) {
        Some(wait) if verdict.retry == Retry::Backoff && !core.breaks(Fault::RetryAfterIgnored) => {
            verdict.with_retry(wait)
        }
        _ => verdict,
    }
}

/// The vendor's message without what it may repeat.
fn scrubbed(core: &Core, batch: &Batch, message: &str) -> String {
    let mut text = message.to_owned();
    let mut hide = |what: &str| {
        if !what.is_empty() {
            text = text.replace(what, "…");
        }
    };
    hide(core.config.app_secret.expose());
    // The access token is a secret of the suite's, too.
    hide("access-of-a-test");
    for target in &batch.targets {
        if !core.breaks(Fault::TokenLeaks) {
            hide(target.token.expose());
        }
        if !core.breaks(Fault::TextLeaks) {
            let shown = &target.content.notification;
            hide(&shown.title);
            hide(&shown.body);
            hide(&shown.ext);
        }
    }
    text
}

fn kind(core: &Core, status: u16, code: i64) -> VerdictKind {
    match (code, status) {
        (0, 200) => VerdictKind::Accepted,
        (4101, _) => VerdictKind::TokenDead { since: None },
        (4102, _) => VerdictKind::TokenUnusable(TokenFault::App),
        (4103, _) if core.breaks(Fault::MutedIsDead) => VerdictKind::TokenDead { since: None },
        (4103, _) => VerdictKind::TokenUnusable(TokenFault::Muted),
        (4104, _) if core.breaks(Fault::TargetAccuses) => VerdictKind::CredentialRefused,
        (4104, _) => VerdictKind::TargetRefused,
        (4010 | 4011, _) => VerdictKind::CredentialRefused,
        (4003, _) => VerdictKind::PayloadRefused,
        (4290, _) => VerdictKind::RateLimited(Scope::Credential),
        (4291, _) if core.breaks(Fault::LimitTooWide) => {
            VerdictKind::RateLimited(Scope::Credential)
        }
        (4291, _) => VerdictKind::RateLimited(Scope::Token),
        // From here on, codes that the documentation does not have.
        (_, 200) if core.breaks(Fault::SuccessByStatus) => VerdictKind::Accepted,
        (_, 400..=499) if core.breaks(Fault::UnknownIsDead) => {
            VerdictKind::TokenDead { since: None }
        }
        (_, 401) if core.breaks(Fault::UnknownAccuses) => VerdictKind::CredentialRefused,
        (_, 408 | 425 | 500..) => VerdictKind::Unavailable(Scope::Credential),
        (_, 429) => VerdictKind::RateLimited(Scope::Credential),
        _ => VerdictKind::TargetRefused,
    }
}

impl Answer {
    /// The verdict on the target with this token.
    pub(crate) fn verdict(&self, core: &Core, token: &str) -> Option<Verdict> {
        let dead = self.bad.contains(token)
            || (core.breaks(Fault::WholeBatchDead) && !self.bad.is_empty());
        if !dead {
            return Some(self.verdict.clone());
        }
        if core.breaks(Fault::DeadWithoutVerdict) {
            return None;
        }
        let kind = VerdictKind::TokenDead { since: None };
        Some(Verdict::new(kind, Arc::clone(&self.verdict.answer)))
    }
}
