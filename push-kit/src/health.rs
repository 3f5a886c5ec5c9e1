//! What the verdict on a trial request says of a credential.
use push_core::{
    Error, ErrorKind, Health, Result, VendorAnswer, Verdict,
    VerdictKind::{
        Accepted, CredentialRefused, PayloadRefused, TargetRefused, TokenDead, TokenUnusable,
    },
};

/// Turns `verdict`, on a request that disturbs no user, into the health of the credential. `service` names the service that answered, as in
/// "the token service of Acme".
///
/// An answer about the message or its token shows that the vendor accepted the credential first. A code that the provider does not
/// know ([`TargetRefused`]) shows nothing.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if the vendor gave no answer, or one that says nothing of the credential.
pub fn health(service: &str, verdict: &Verdict) -> Result<Health> {
    let said = describe(&verdict.answer);
    match verdict.kind {
        Accepted => Ok(Health::accepted(format!(
            "{service} accepted the credential"
        ))),
        TokenDead { .. } | TokenUnusable(_) | PayloadRefused => Ok(Health::accepted(format!(
            "{service} accepted the credential and answered a test message with: {said}"
        ))),
        CredentialRefused => Ok(Health::refused(format!(
            "{service} refused the credential: {said}"
        ))),
        TargetRefused => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{service} gave an answer that says nothing of the credential: {said}"),
        )
        .advise("send a push to a phone to see whether the credential works")),
        kind => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{service} could not be asked ({}): {said}", kind.as_str()),
        )
        .advise("try again later; if it persists, check the endpoints, the proxy and the network")),
    }
}

/// Status, code and text of an answer in one line.
fn describe(answer: &VendorAnswer) -> String {
    let status = answer.status.map(|status| format!("HTTP {status}"));
    let parts: Vec<_> = [
        status.as_deref().unwrap_or_default(),
        &answer.code,
        &answer.text,
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use push_core::{Acceptance, Scope};

    use super::*;

    fn of(kind: push_core::VerdictKind) -> Result<Acceptance> {
        let answer = VendorAnswer::new(400, "E1").with_text("words");
        let health = health("the vendor", &Verdict::new(kind, answer))?;
        let words = health.evidence;
        assert!(words.contains("the vendor"), "{words}");
        Ok(health.acceptance)
    }

    #[test]
    fn only_a_refused_credential_is_refused() {
        assert_eq!(of(Accepted).unwrap(), Acceptance::Accepted);
        assert_eq!(of(PayloadRefused).unwrap(), Acceptance::Accepted);
        assert_eq!(of(TokenDead { since: None }).unwrap(), Acceptance::Accepted);
        assert_eq!(of(CredentialRefused).unwrap(), Acceptance::Refused);
    }

    #[test]
    fn an_outage_or_an_unknown_code_says_nothing_of_the_credential() {
        for kind in [
            TargetRefused,
            push_core::VerdictKind::Unknown,
            push_core::VerdictKind::Unavailable(Scope::Credential),
            push_core::VerdictKind::RateLimited(Scope::Credential),
        ] {
            let error = of(kind).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.to_string().contains("HTTP 400, E1, words"));
        }
    }
}
