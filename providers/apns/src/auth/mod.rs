//! How requests are authenticated: with a key, or with a certificate.
pub(crate) mod certificate;
pub(crate) mod token;

use push_core::Timestamp;

use self::{certificate::CertificateFacts, token::TokenSource};
pub(crate) use token::MIN_BETWEEN;

/// How requests are authenticated.
#[derive(Debug)]
pub(crate) enum Auth {
    /// A provider token in every request, signed with the key of a `.p8` file.
    Token(TokenSource),
    /// A client certificate on every connection.
    Certificate(CertificateFacts),
}

impl Auth {
    /// The certificate, if requests are authenticated with one.
    pub(crate) const fn certificate(&self) -> Option<&CertificateFacts> {
        match self {
            Self::Certificate(facts) => Some(facts),
            Self::Token(_) => None,
        }
    }

    /// Returns why no request can be authenticated at `now`, and what to do about it.
    pub(crate) fn fault(&self, now: Timestamp) -> Option<&'static str> {
        let facts = self.certificate()?;
        if now > facts.valid_until {
            Some(
                "the certificate has expired: upload the renewed one under the same certificate id",
            )
        } else if now < facts.valid_from {
            Some("the certificate is not valid yet: check this machine's clock")
        } else {
            None
        }
    }
}
