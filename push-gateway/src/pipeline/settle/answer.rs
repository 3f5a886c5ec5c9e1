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

#[cfg(test)]
mod tests {
    use push_core::VendorAnswer;

    use super::*;

    #[test]
    fn every_kind_of_verdict_has_its_own_reason() {
        let unusable = VerdictKind::TokenUnusable;
        for (kind, asked, unasked) in [
            (VerdictKind::Accepted, "vendor-accepted", "vendor-accepted"),
            (
                VerdictKind::TokenDead { since: None },
                "token-dead",
                "token-dead",
            ),
            (
                unusable(TokenFault::Environment),
                "environment-mismatch",
                "environment-mismatch",
            ),
            (
                unusable(TokenFault::App),
                "token-of-another-app",
                "token-malformed",
            ),
            (unusable(TokenFault::Muted), "token-muted", "token-muted"),
            (
                unusable(TokenFault::NotATester),
                "token-not-a-tester",
                "token-not-a-tester",
            ),
            (
                unusable(TokenFault::Malformed),
                "token-malformed",
                "token-malformed",
            ),
            (
                unusable(TokenFault::Inactive),
                "token-inactive",
                "token-inactive",
            ),
            (
                VerdictKind::TargetRefused,
                "target-refused",
                "target-refused",
            ),
            (
                VerdictKind::CredentialRefused,
                "credential-refused",
                "credential-refused",
            ),
            (
                VerdictKind::PayloadRefused,
                "payload-refused",
                "content-unsendable",
            ),
            (
                VerdictKind::RateLimited(Scope::Token),
                "rate-limited",
                "rate-limited",
            ),
            (
                VerdictKind::Unavailable(Scope::Class),
                "vendor-unavailable",
                "vendor-unavailable",
            ),
            (VerdictKind::Postponed, "postponed", "postponed"),
            (VerdictKind::Unknown, "no-answer", "no-answer"),
        ] {
            let reason = |answer| reason_of(&Verdict::new(kind, answer)).code;
            assert_eq!(reason(VendorAnswer::new(400, "x")), asked, "{kind:?}");
            assert_eq!(reason(VendorAnswer::none("x")), unasked, "{kind:?}");
        }
    }

    #[test]
    fn evidence_is_the_status_with_the_code_or_else_the_words() {
        let said = |answer| evidence(&Verdict::new(VerdictKind::Unknown, answer));
        let mut answer = VendorAnswer::new(410, "Unregistered");
        answer.text = "words".to_owned();
        assert_eq!(said(answer), "410 Unregistered");
        let mut answer = VendorAnswer::new(410, "");
        assert_eq!(said(answer.clone()), "410");
        answer.text = "words".to_owned();
        assert_eq!(said(answer), "410 words");
        assert_eq!(said(VendorAnswer::none("words")), "words");
        assert_eq!(said(VendorAnswer::none("")), "");
    }

    #[test]
    fn only_a_class_and_a_credential_are_wider_than_a_token() {
        let wide = |scope| is_wide(scope);
        assert!(wide(Scope::Class) && wide(Scope::Credential) && !wide(Scope::Token));
    }
}
