//! Verdicts that are the same for every vendor.
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use push_core::{
    Capabilities, NotificationKind, Retry, Scope, Slot, Timestamp, VendorAnswer, Verdict,
    VerdictKind,
};
use push_http::{HttpError, HttpErrorKind, Processed};

/// The verdict on a batch for `slot` or a notification of `kind` that the provider cannot send; `None` if it can.
pub fn unsupported(
    capabilities: &Capabilities,
    slot: Slot,
    kind: NotificationKind,
) -> Option<Verdict> {
    let channel = &capabilities.channel;
    if !capabilities.slots.contains(&slot) {
        Some(Verdict::payload_refused(
            "unsupported-slot",
            format!("channel {channel} has no tokens for the slot {slot}"),
        ))
    } else if !capabilities.kinds.contains(&kind) {
        Some(Verdict::payload_refused(
            "unsupported-kind",
            format!("channel {channel} has no push of this kind"),
        ))
    } else {
        None
    }
}

/// The verdict on a push that got no whole answer: [`VerdictKind::Unavailable`] if the vendor certainly did not process it,
/// [`VerdictKind::Unknown`] if it may have.
///
/// A request that cannot be written at all is [`VerdictKind::PayloadRefused`].
pub fn unanswered(error: &HttpError) -> Verdict {
    match (error.kind(), error.processed()) {
        (HttpErrorKind::InvalidRequest, _) => {
            Verdict::payload_refused("invalid-request", error.to_string())
        }
        (_, Processed::Never) => Verdict::unavailable(error.to_string()),
        (_, Processed::Unknown) => Verdict::unknown(error.to_string()),
    }
}

/// The verdict on a push when a request before it, for an access token for instance, got no whole answer: the push was not
/// sent, whatever happened to that request.
pub fn unprepared(what: &str, error: &HttpError) -> Verdict {
    Verdict::unavailable(format!("{what}: {error}"))
}

/// The verdict on a push whose answer is not in the vendor's format, such as a proxy's page or an empty error body. Such an answer
/// says nothing about token, payload or credential, and its `Retry-After` counts for a minute at most.
pub fn not_the_vendors(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Verdict {
    let answer = VendorAnswer::new(status.as_u16(), "").with_text(not_the_vendors_text(status));
    let verdict = Verdict::new(VerdictKind::Unavailable(Scope::Credential), answer);
    let mut verdict = with_retry_after(verdict, headers, now);
    if let Retry::After(wait) = &mut verdict.retry {
        *wait = LONGEST_WAIT_FOR_OTHERS.min(*wait);
    }
    verdict
}

/// The verdict on a push that was answered with a success of the vendor's form which confirms no push, and why: it has no id, or
/// the id of another request. The vendor may have accepted the push, so that the outcome is not known.
pub fn unconfirmed(answer: VendorAnswer, why: &str) -> Verdict {
    let text = format!(
        "{why}, so that it is not known whether the push was accepted; check proxy and endpoint"
    );
    Verdict::new(VerdictKind::Unknown, answer.with_text(text))
}

/// The longest wait that an answer which is not the vendor's may ask for: a proxy must not hold up pushes for hours.
const LONGEST_WAIT_FOR_OTHERS: Duration = Duration::from_secs(60);

/// What it is instead; the status stands beside it.
fn not_the_vendors_text(status: StatusCode) -> String {
    let what = match status.as_u16() {
        204 => "an answer without content",
        300..400 => "a redirect",
        _ => "an answer in another format",
    };
    format!("{what}, which is not the vendor's answer; check proxy and endpoint")
}

/// What a code that the provider does not know means: the status decides, and the outcome never costs a token or suspends a
/// credential. The rule is that of [`VerdictKind`].
pub const fn unknown_code(status: StatusCode) -> VerdictKind {
    match status.as_u16() {
        408 | 425 | 500.. => VerdictKind::Unavailable(Scope::Credential),
        429 => VerdictKind::RateLimited(Scope::Credential),
        _ => VerdictKind::TargetRefused,
    }
}

/// Makes `Retry-After` the earliest time of the next attempt, if there is such a header and the verdict allows another
/// attempt.
#[must_use]
pub fn with_retry_after(verdict: Verdict, headers: &HeaderMap, now: Timestamp) -> Verdict {
    match (verdict.retry, Retry::from_headers(headers, now)) {
        (Retry::Backoff, Some(retry)) => verdict.with_retry(retry),
        _ => verdict,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    proptest! {
        #[test]
        fn an_unknown_code_neither_costs_a_token_nor_suspends_the_credential(status in 100_u16..1000) {
            let kind = unknown_code(StatusCode::from_u16(status).unwrap());
            let is_safe = matches!(
                kind,
                VerdictKind::Unavailable(_) | VerdictKind::RateLimited(_) | VerdictKind::TargetRefused
            );
            prop_assert!(is_safe);
        }
    }

    #[test]
    fn only_slots_and_kinds_that_are_claimed_are_sent() {
        let can = Capabilities::new(push_core::Channel::known("sample"), 4096);
        assert_eq!(
            unsupported(&can, Slot::Alert, NotificationKind::Alert),
            None
        );
        for (slot, kind) in [
            (Slot::Voip, NotificationKind::Alert),
            (Slot::Alert, NotificationKind::Voip),
        ] {
            let verdict = unsupported(&can, slot, kind).unwrap();
            assert_eq!(verdict.kind, VerdictKind::PayloadRefused);
        }
    }

    #[test]
    fn retry_after_is_obeyed_only_where_another_attempt_makes_sense() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        let down = not_the_vendors(StatusCode::BAD_GATEWAY, &headers, NOW);
        assert_eq!(down.retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(down.answer.status, Some(502));
        headers.insert(header::RETRY_AFTER, "99999999999".parse().unwrap());
        let down = not_the_vendors(StatusCode::SERVICE_UNAVAILABLE, &headers, NOW);
        assert_eq!(down.retry, Retry::After(LONGEST_WAIT_FOR_OTHERS));
        for (status, words) in [
            (204, "without content"),
            (302, "a redirect, which is not the vendor's answer"),
        ] {
            let verdict = not_the_vendors(
                StatusCode::from_u16(status).unwrap(),
                &HeaderMap::new(),
                NOW,
            );
            assert_eq!(verdict.answer.status, Some(status));
            assert!(
                verdict.answer.text.contains(words),
                "{}",
                verdict.answer.text
            );
        }
        let refused = Verdict::payload_refused("", "");
        assert_eq!(with_retry_after(refused, &headers, NOW).retry, Retry::Never);
    }
}
