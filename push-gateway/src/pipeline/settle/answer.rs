//! What a verdict says, in the terms of reasons and waits.
use std::time::Duration;

use push_core::{Reason, Retry, Scope, TokenFault, Verdict, VerdictKind};

use crate::decision::reasons;

pub(super) fn floor_of(verdict: &Verdict) -> Duration {
    match verdict.retry {
        Retry::After(floor) => floor.min(Retry::MAX_AFTER),
        _ => Duration::ZERO,
    }
}

/// Why a verdict is as it is. Without a status the vendor was not asked: the provider found out by itself.
pub(super) fn reason_of(verdict: &Verdict) -> Reason {
    let was_asked = verdict.answer.status.is_some();
    match verdict.kind {
        VerdictKind::Accepted => reasons::VENDOR_ACCEPTED,
        VerdictKind::TokenDead { .. } => reasons::TOKEN_DEAD,
        VerdictKind::TokenUnusable(TokenFault::Environment) => reasons::ENVIRONMENT_MISMATCH,
        VerdictKind::TokenUnusable(TokenFault::App) if !was_asked => reasons::TOKEN_MALFORMED,
        VerdictKind::TokenUnusable(TokenFault::App) => reasons::TOKEN_OF_ANOTHER_APP,
        VerdictKind::TokenUnusable(TokenFault::Muted) => reasons::TOKEN_MUTED,
        VerdictKind::TokenUnusable(TokenFault::NotATester) => reasons::TOKEN_NOT_A_TESTER,
        VerdictKind::TokenUnusable(TokenFault::Malformed) => reasons::TOKEN_MALFORMED,
        VerdictKind::TokenUnusable(_) => reasons::TOKEN_INACTIVE,
        VerdictKind::TargetRefused => reasons::TARGET_REFUSED,
        VerdictKind::CredentialRefused => reasons::CREDENTIAL_REFUSED,
        VerdictKind::PayloadRefused if !was_asked => reasons::CONTENT_UNSENDABLE,
        VerdictKind::PayloadRefused => reasons::PAYLOAD_REFUSED,
        VerdictKind::RateLimited(_) => reasons::RATE_LIMITED,
        VerdictKind::Unavailable(_) => reasons::VENDOR_UNAVAILABLE,
        VerdictKind::Postponed => reasons::POSTPONED,
        _ => reasons::NO_ANSWER,
    }
}

/// The vendor's error code, or its message.
pub(super) fn evidence(verdict: &Verdict) -> String {
    let answer = &verdict.answer;
    let words = [&answer.code, &answer.text]
        .into_iter()
        .find(|words| !words.is_empty());
    match (answer.status, words) {
        (Some(status), Some(words)) => format!("{status} {words}"),
        (Some(status), None) => status.to_string(),
        (None, Some(words)) => words.clone(),
        (None, None) => String::new(),
    }
}

/// Whether an answer concerns more than the delivery and its token.
pub(super) const fn is_wide(scope: Scope) -> bool {
    matches!(scope, Scope::Class | Scope::Credential)
}
