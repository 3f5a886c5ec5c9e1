//! Maps the outcomes that `a2` reports to verdicts.
use a2::{Error as A2Error, ErrorReason, Response};
use push_core::{
    Error, ErrorKind, Health, Result, Retry, Scope, Timestamp, TokenFault, VendorAnswer, Verdict,
    VerdictKind,
};
use push_kit::{answer::past, verdict::unconfirmed};

/// How long Apple asks clients to wait after too many provider tokens.
const BETWEEN_TOKENS: std::time::Duration = std::time::Duration::from_secs(20 * 60);

/// Classifies the answer to a push with the `apns-id` `id`, received at `now`.
pub(crate) fn classify(outcome: Result<Response, A2Error>, id: &str, now: Timestamp) -> Verdict {
    let is_another = |named: &str| !named.eq_ignore_ascii_case(id);
    match outcome {
        Ok(Response {
            apns_id: Some(named),
            ..
        }) if is_another(&named) => unconfirmed(
            VendorAnswer::new(200, ""),
            "the answer has the `apns-id` of another push",
        ),
        Ok(Response {
            apns_id: Some(id), ..
        }) => Verdict::accepted(VendorAnswer::new(200, "").with_request_id(id)),
        // Every answer of Apple's has the header; a captive portal's has not.
        Ok(response) => {
            let answer = VendorAnswer::new(response.code, "")
                .with_text("the answer is not in Apple's format; check proxy and network");
            Verdict::new(VerdictKind::Unavailable(Scope::Credential), answer)
        }
        Err(A2Error::ResponseError(mut response)) => {
            if response.apns_id.as_deref().is_some_and(is_another) {
                response.error = None;
            }
            refused(&response, now)
        }
        Err(A2Error::InvalidOptions(words)) => Verdict::payload_refused("invalid-options", words),
        Err(A2Error::SerializeError(_) | A2Error::BuildRequestError(_)) => {
            Verdict::payload_refused("invalid-request", "a2 could not build the request")
        }
        Err(A2Error::SignerError(_)) => Verdict::new(
            VerdictKind::CredentialRefused,
            VendorAnswer::none("a2 could not sign a provider token with the key"),
        ),
        Err(A2Error::RequestTimeout(seconds)) => {
            Verdict::unknown(format!("no answer within {seconds} s"))
        }
        // `a2` does not say whether the request was written.
        Err(_) => Verdict::unknown("the connection to APNs failed"),
    }
}

fn refused(response: &Response, now: Timestamp) -> Verdict {
    let status = response.code;
    let Some(body) = &response.error else {
        // `a2` drops a body that it cannot read: a reason that it does not know, or the page of a proxy. That costs nothing.
        let kind = match status {
            429 => VerdictKind::RateLimited(Scope::Credential),
            _ => VerdictKind::Unavailable(Scope::Credential),
        };
        let text =
            "not the vendor's answer, or a reason that a2 does not know; check proxy and endpoint";
        return Verdict::new(kind, VendorAnswer::new(status, "").with_text(text));
    };
    use ErrorReason as R;
    let kind = match body.reason {
        R::Unregistered => VerdictKind::TokenDead {
            since: body
                .timestamp
                .and_then(|millis| past(i64::try_from(millis).ok()?, now)),
        },
        R::BadDeviceToken => VerdictKind::TokenUnusable(TokenFault::Environment),
        R::DeviceTokenNotForTopic => VerdictKind::TokenUnusable(TokenFault::App),
        R::TopicDisallowed
        | R::BadCertificate
        | R::BadCertificateEnvironment
        | R::Forbidden
        | R::InvalidProviderToken
        | R::MissingProviderToken => VerdictKind::CredentialRefused,
        // `a2` renews by the wall clock only; all that is left is to wait for it.
        R::ExpiredProviderToken | R::TooManyProviderTokenUpdates => {
            VerdictKind::RateLimited(Scope::Credential)
        }
        R::TooManyRequests => VerdictKind::RateLimited(Scope::Token),
        R::IdleTimeout | R::InternalServerError | R::ServiceUnavailable | R::Shutdown => {
            VerdictKind::Unavailable(Scope::Credential)
        }
        _ => VerdictKind::PayloadRefused,
    };
    let answer = VendorAnswer::new(status, format!("{:?}", body.reason))
        .with_request_id(response.apns_id.as_deref().unwrap_or_default());
    let verdict = Verdict::new(kind, answer);
    match body.reason {
        R::TooManyProviderTokenUpdates => verdict.with_retry(Retry::After(BETWEEN_TOKENS)),
        _ => verdict,
    }
}

/// Returns what the answer to a push to a token that no phone has says of the credential.
pub(crate) fn health(
    outcome: Result<Response, A2Error>,
    id: &str,
    now: Timestamp,
) -> Result<Health> {
    let verdict = classify(outcome, id, now);
    let code = &verdict.answer.code;
    match verdict.kind {
        VerdictKind::Accepted | VerdictKind::TokenUnusable(_) | VerdictKind::TokenDead { .. } => {
            Ok(Health::accepted(format!(
                "APNs accepted the credential and refused only the token: {code}"
            )))
        }
        VerdictKind::CredentialRefused => Ok(Health::refused(format!(
            "APNs refused the credential: {code}"
        ))),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "APNs could not be asked about the credential: {}",
                [
                    verdict
                        .answer
                        .status
                        .map(|status| format!("HTTP {status}"))
                        .unwrap_or_default()
                        .as_str(),
                    code,
                    &verdict.answer.text,
                ]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use a2::response::ErrorBody;
    use push_core::Acceptance;

    use super::*;

    const ID: &str = "eabeae54-14a8-11e5-b60b-1697f925ec7b";
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn dated(code: u16, reason: Option<ErrorReason>, timestamp: u64, id: Option<&str>) -> Verdict {
        let timestamp = Some(timestamp);
        let response = Response {
            error: reason.map(|reason| ErrorBody { reason, timestamp }),
            apns_id: id.map(str::to_owned),
            code,
        };
        classify(Err(A2Error::ResponseError(response)), ID, NOW)
    }

    fn answer(code: u16, reason: Option<ErrorReason>) -> Verdict {
        dated(code, reason, 1_454_948_015_990, None)
    }

    #[test]
    fn a_time_that_no_clock_can_have_shown_is_as_if_it_was_not_there() {
        for timestamp in [
            0,
            1_454_948_015,
            1_700_000_300_001,
            u64::MAX,
            i64::MAX as u64,
        ] {
            let verdict = dated(410, Some(ErrorReason::Unregistered), timestamp, Some(ID));
            assert_eq!(
                verdict.kind,
                VerdictKind::TokenDead { since: None },
                "{timestamp}"
            );
        }
    }

    #[test]
    fn an_answer_with_the_id_of_another_push_settles_nothing() {
        let verdict = dated(410, Some(ErrorReason::Unregistered), 1, Some("a"));
        assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
        let other = Response {
            error: None,
            apns_id: Some("a".to_owned()),
            code: 200,
        };
        assert_eq!(classify(Ok(other), ID, NOW).kind, VerdictKind::Unknown);
    }

    #[test]
    fn a_token_is_dead_since_the_time_that_apple_names() {
        let verdict = answer(410, Some(ErrorReason::Unregistered));
        let since = Some(Timestamp::from_unix_millis(1_454_948_015_990));
        assert_eq!(verdict.kind, VerdictKind::TokenDead { since });
        assert_eq!(verdict.answer.code, "Unregistered");
    }

    #[test]
    fn an_answer_that_a2_cannot_read_costs_neither_token_nor_credential() {
        for (status, kind) in [
            (410, VerdictKind::Unavailable(Scope::Credential)),
            (403, VerdictKind::Unavailable(Scope::Credential)),
            (429, VerdictKind::RateLimited(Scope::Credential)),
            (503, VerdictKind::Unavailable(Scope::Credential)),
            (400, VerdictKind::Unavailable(Scope::Credential)),
        ] {
            assert_eq!(answer(status, None).kind, kind, "{status}");
        }
    }

    #[test]
    fn a_success_without_apples_header_neither_accepts_nor_vouches() {
        let success = |apns_id: Option<&str>| Response {
            error: None,
            apns_id: apns_id.map(str::to_owned),
            code: 200,
        };
        let verdict = classify(Ok(success(None)), ID, NOW);
        assert_eq!(verdict.kind, VerdictKind::Unavailable(Scope::Credential));
        assert!(health(Ok(success(None)), ID, NOW).is_err());
        assert!(health(Ok(success(Some("a"))), ID, NOW).is_err());
        let verdict = classify(Ok(success(Some(ID))), ID, NOW);
        assert_eq!(verdict.kind, VerdictKind::Accepted);
        assert_eq!(verdict.answer.request_id, ID);
    }

    #[test]
    fn a_wrong_credential_never_costs_a_token() {
        for (status, reason) in [
            (400, ErrorReason::BadDeviceToken),
            (400, ErrorReason::DeviceTokenNotForTopic),
            (400, ErrorReason::TopicDisallowed),
            (403, ErrorReason::InvalidProviderToken),
            (403, ErrorReason::ExpiredProviderToken),
            (403, ErrorReason::Forbidden),
        ] {
            let verdict = answer(status, Some(reason));
            assert!(
                !matches!(verdict.kind, VerdictKind::TokenDead { .. }),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn what_timed_out_may_have_been_sent() {
        let verdict = classify(Err(A2Error::RequestTimeout(20)), ID, NOW);
        assert_eq!(verdict.kind, VerdictKind::Unknown);
    }

    #[test]
    fn a_refused_token_shows_that_the_credential_is_accepted() {
        let health = |code, reason| {
            let response = Response {
                error: Some(ErrorBody {
                    reason,
                    timestamp: None,
                }),
                apns_id: None,
                code,
            };
            health(Err(A2Error::ResponseError(response)), ID, NOW)
        };
        let acceptance = |code, reason| health(code, reason).unwrap().acceptance;
        assert_eq!(
            acceptance(400, ErrorReason::BadDeviceToken),
            Acceptance::Accepted
        );
        assert_eq!(
            acceptance(403, ErrorReason::InvalidProviderToken),
            Acceptance::Refused
        );
        assert!(health(503, ErrorReason::ServiceUnavailable).is_err());
    }
}
