//! The addresses to which vendors post receipts, one for each credential.
use aws_lc_rs::hmac;
use push_core::{CredentialRef, Error, ErrorKind, Result};

use crate::seal::{MasterKey, hex, hex_text, parts};

/// Makes and checks the addresses to which vendors post receipts: `/v1/vendor-receipts/{app}/{certificate}/{secret}`. The secret
/// is a MAC of the credential, since not every vendor signs what it posts.
#[derive(Clone)]
pub(crate) struct ReceiptAddresses {
    key: hmac::Key,
    origin: Option<String>,
}

impl ReceiptAddresses {
    pub(crate) fn new(master: &MasterKey, public_url: Option<&str>) -> Result<Self> {
        Ok(Self {
            key: master.mac("vendor receipts v1")?,
            origin: public_url.map(|url| url.trim_end_matches('/').to_owned()),
        })
    }

    /// The address of `credential`; `None` if vendors cannot reach the gateway.
    pub(crate) fn address(&self, credential: &CredentialRef) -> Result<Option<http::Uri>> {
        let Some(origin) = &self.origin else {
            return Ok(None);
        };
        let app: String = percent_encoding::utf8_percent_encode(
            credential.app.as_str(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .collect();
        let url = format!(
            "{origin}/v1/vendor-receipts/{app}/{}/{}",
            credential.certificate,
            hex_text(self.tag(credential).as_ref())
        );
        url.parse()
            .map(Some)
            .map_err(|source: http::uri::InvalidUri| {
                Error::new(ErrorKind::Config, "the receipt address cannot be formed")
                    .because(source)
                    .advise("correct `public_url`")
            })
    }

    /// Whether `secret` is the one in the address of `credential`. Compared in constant time.
    pub(crate) fn is_secret_of(&self, credential: &CredentialRef, secret: &str) -> bool {
        hex(secret)
            .is_some_and(|tag| hmac::verify(&self.key, &Self::text(credential), &tag).is_ok())
    }

    fn tag(&self, credential: &CredentialRef) -> hmac::Tag {
        hmac::sign(&self.key, &Self::text(credential))
    }

    fn text(credential: &CredentialRef) -> Vec<u8> {
        let certificate = credential.certificate.to_string();
        parts(&[credential.app.as_str(), &certificate])
    }
}

impl std::fmt::Debug for ReceiptAddresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiptAddresses")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use push_core::{AppId, CertificateId, Secret};

    use super::*;

    fn credential(id: i64) -> CredentialRef {
        CredentialRef::new(
            AppId::new("my app").expect("an id"),
            CertificateId::new(id).expect("an id"),
        )
    }

    fn addresses(url: Option<&str>) -> ReceiptAddresses {
        let master = MasterKey::parse(&Secret::new("0a".repeat(32))).expect("a key");
        ReceiptAddresses::new(&master, url).expect("addresses")
    }

    #[test]
    fn the_address_of_a_credential_holds_a_secret_that_fits_no_other() {
        let addresses = addresses(Some("https://push.example.com/"));
        let address = addresses.address(&credential(7)).unwrap().unwrap();
        let text = address.to_string();
        let secret = text
            .strip_prefix("https://push.example.com/v1/vendor-receipts/my%20app/7/")
            .expect("the documented form");
        assert_eq!(secret.len(), 64);
        assert!(addresses.is_secret_of(&credential(7), secret));
        assert!(!addresses.is_secret_of(&credential(8), secret));
        assert!(!addresses.is_secret_of(&credential(7), &secret[..62]));
        assert!(!addresses.is_secret_of(&credential(7), "not hexadecimal"));
        assert!(!format!("{addresses:?}").contains(secret));
    }

    #[test]
    fn a_gateway_without_public_url_has_no_receipt_address() {
        assert_eq!(addresses(None).address(&credential(7)).unwrap(), None);
    }
}
