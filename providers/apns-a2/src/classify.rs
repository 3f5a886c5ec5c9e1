//! What `a2` says of a push, as a verdict.
use a2::{Error as A2Error, ErrorReason, Response};
use push_core::{
    Error, ErrorKind, Health, Mismatch, Result, Retry, Scope, Timestamp, VendorAnswer, Verdict,
    VerdictKind,
};

/// After too many tokens Apple wants peace for so long.
const TOKEN_PEACE: std::time::Duration = std::time::Duration::from_secs(20 * 60);

pub(crate) fn classify(outcome: Result<Response, A2Error>) -> Verdict {
    match outcome {
        Ok(response) => {
            let answer = VendorAnswer::new(response.code, "");
            Verdict::accepted(answer.with_request_id(response.apns_id.unwrap_or_default()))
        }
        Err(A2Error::ResponseError(response)) => refused(&response),
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
        // `a2` does not say whether the request was written, so nobody can.
        Err(_) => Verdict::unknown("the connection to APNs failed"),
    }
}

fn refused(response: &Response) -> Verdict {
    let status = response.code;
    let Some(body) = &response.error else {
        // `a2` drops the text of a reason it does not know; a 410 is dead all the same.
        let kind = match status {
            410 => VerdictKind::TokenDead { since: None },
            429 => VerdictKind::RateLimited(Scope::Token),
            401 | 403 => VerdictKind::CredentialRefused,
            500.. => VerdictKind::Unavailable,
            _ => VerdictKind::PayloadRefused,
        };
        return Verdict::new(kind, VendorAnswer::new(status, "(reason unknown to a2)"));
    };
    use ErrorReason as R;
    let kind = match body.reason {
        R::Unregistered => VerdictKind::TokenDead {
            since: body
                .timestamp
                .and_then(|it| i64::try_from(it).ok())
                .map(Timestamp::from_unix_millis),
        },
        R::BadDeviceToken => VerdictKind::TokenMismatch(Mismatch::Environment),
        R::DeviceTokenNotForTopic => VerdictKind::TokenMismatch(Mismatch::App),
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
            VerdictKind::Unavailable
        }
        _ => VerdictKind::PayloadRefused,
    };
    let answer = VendorAnswer::new(status, format!("{:?}", body.reason))
        .with_request_id(response.apns_id.as_deref().unwrap_or_default());
    let verdict = Verdict::new(kind, answer);
    match body.reason {
        R::TooManyProviderTokenUpdates => verdict.with_retry(Retry::After(TOKEN_PEACE)),
        _ => verdict,
    }
}

/// What the answer to a push to nobody says of the credential.
pub(crate) fn health(outcome: Result<Response, A2Error>) -> Result<Health> {
    let verdict = classify(outcome);
    let code = &verdict.answer.code;
    match verdict.kind {
        VerdictKind::Accepted | VerdictKind::TokenMismatch(_) | VerdictKind::TokenDead { .. } => {
            Ok(Health {
                accepted: true,
                evidence: format!("APNs took the credential and refused only the token: {code}"),
            })
        }
        VerdictKind::CredentialRefused => Ok(Health {
            accepted: false,
            evidence: format!("APNs refused the credential: {code}"),
        }),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "APNs gave no word on the credential: {code} {}",
                verdict.answer.text
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use a2::response::ErrorBody;

    use super::*;

    fn answer(code: u16, reason: Option<ErrorReason>) -> Verdict {
        classify(Err(A2Error::ResponseError(Response {
            error: reason.map(|reason| ErrorBody {
                reason,
                timestamp: Some(1_454_948_015_990),
            }),
            apns_id: None,
            code,
        })))
    }

    #[test]
    fn a_dead_token_is_dead_since_apple_says_so() {
        let verdict = answer(410, Some(ErrorReason::Unregistered));
        let since = Some(Timestamp::from_unix_millis(1_454_948_015_990));
        assert_eq!(verdict.kind, VerdictKind::TokenDead { since });
        assert_eq!(verdict.answer.code, "Unregistered");
    }

    #[test]
    fn a_reason_that_a2_does_not_know_is_judged_by_its_status() {
        for (status, kind) in [
            (410, VerdictKind::TokenDead { since: None }),
            (403, VerdictKind::CredentialRefused),
            (429, VerdictKind::RateLimited(Scope::Token)),
            (503, VerdictKind::Unavailable),
            (400, VerdictKind::PayloadRefused),
        ] {
            assert_eq!(answer(status, None).kind, kind, "{status}");
        }
    }

    #[test]
    fn no_mistake_of_ours_kills_a_token() {
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
        let verdict = classify(Err(A2Error::RequestTimeout(20)));
        assert_eq!(verdict.kind, VerdictKind::Unknown);
    }

    #[test]
    fn a_refused_token_shows_that_the_credential_is_accepted() {
        let health = |code, reason| {
            health(Err(A2Error::ResponseError(Response {
                error: Some(ErrorBody {
                    reason,
                    timestamp: None,
                }),
                apns_id: None,
                code,
            })))
        };
        assert!(health(400, ErrorReason::BadDeviceToken).unwrap().accepted);
        assert!(
            !health(403, ErrorReason::InvalidProviderToken)
                .unwrap()
                .accepted
        );
        assert!(health(503, ErrorReason::ServiceUnavailable).is_err());
    }
}
