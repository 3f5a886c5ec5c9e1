//! Receipts that vendors post: the address of each credential, and what is recorded of them.
use aws_lc_rs::hmac;
use bytes::Bytes;
use push_core::{
    AppId, CredentialRef, DeliveryId, DeviceToken, Error, ErrorKind, Late, Mark, Result, Stage,
    TraceEvent, TraceQuery, VendorReceipt,
};

use crate::{
    gateway::{Gateway, Inner},
    pipeline::LateVerdict,
    seal::{MasterKey, hex, hex_text, parts},
};

/// How many events of a message to one device are looked at to find the delivery that a receipt concerns.
const EVENTS: usize = 64;

/// Makes and checks the addresses to which vendors post receipts: `/v1/vendor-receipts/{app}/{certificate}/{secret}`. The secret
/// is a MAC of the credential, since not every vendor signs what it posts.
#[derive(Clone)]
pub(crate) struct Callbacks {
    key: hmac::Key,
    origin: Option<String>,
}

impl Callbacks {
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

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Records what a vendor posted to the receipt address of `credential`, and returns the answer that the vendor expects.
    /// `secret` is the last part of that address.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the secret is wrong or there is no such credential, and those of
    /// [`Provider::receive`](push_core::Provider::receive) and the store. The vendor posts it again then.
    pub async fn vendor_receipts(
        &self,
        credential: &CredentialRef,
        secret: &str,
        request: &http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>> {
        let unknown = || Error::new(ErrorKind::NotFound, "there is no such receipt address");
        if !self.0.callbacks.is_secret_of(credential, secret) {
            return Err(unknown());
        }
        let loaded = self
            .0
            .vault
            .load(credential)
            .await?
            .map_err(|_| unknown())?;
        let received = loaded.provider.receive(request)?;
        let (inner, credential) = (std::sync::Arc::clone(&self.0), credential.clone());
        let receipts = received.receipts;
        self.detached(async move { inner.record_vendor(&credential, receipts).await })
            .await?;
        Ok(received.reply)
    }
}

impl Inner {
    async fn record_vendor(
        &self,
        credential: &CredentialRef,
        receipts: Vec<VendorReceipt>,
    ) -> Result<()> {
        let now = self.clock.now();
        // So that the store knows the deliveries.
        self.recorder.flush().await;
        let mut marks = Vec::new();
        for receipt in receipts {
            let event = self.delivery_of(credential, &receipt).await?;
            let at = receipt.at.min(now);
            let stage = match receipt.what {
                Late::Delivered => Stage::Delivered,
                Late::Shown => Stage::Shown,
                Late::Clicked => Stage::Clicked,
                Late::Verdict(verdict) => {
                    if let Some(token) = receipt.token {
                        let late = LateVerdict {
                            token,
                            verdict,
                            at,
                            event,
                        };
                        self.pipeline.late(credential, late);
                    }
                    continue;
                }
                _ => continue,
            };
            let delivery = event.and_then(|event| event.delivery);
            marks.extend(delivery.map(|delivery| Mark {
                delivery,
                device: None,
                stage,
                at,
            }));
        }
        self.mark(&credential.app, marks).await
    }

    /// An event of the delivery that a receipt concerns: that of the tag, or, in a batch, that of the same message to the
    /// device that holds the token. `None` if it is not known (any more).
    async fn delivery_of(
        &self,
        credential: &CredentialRef,
        receipt: &VendorReceipt,
    ) -> Result<Option<TraceEvent>> {
        let app = &credential.app;
        let tagged = self.event_of(app, receipt.tag).await?;
        let (Some(tagged), Some(token)) = (&tagged, &receipt.token) else {
            return Ok(tagged);
        };
        if tagged.certificate != Some(credential.certificate) {
            return Ok(None);
        }
        let Some(channel) = &tagged.channel else {
            return Ok(None);
        };
        let holder = self
            .store
            .holders(app, channel, std::slice::from_ref(token))
            .await?
            .pop()
            .flatten();
        let Some(holder) = holder else {
            // The token is gone, or the caller keeps it: the events have its fingerprint.
            return self.by_fingerprint(app, tagged, token).await;
        };
        let owner = &holder.registration;
        if tagged.device.as_ref() == Some(&owner.device) {
            return Ok(Some(tagged.clone()));
        }
        let query = TraceQuery {
            user: Some(owner.user.clone()),
            device: Some(owner.device.clone()),
            message: Some(tagged.message.clone()),
            ..TraceQuery::all()
        };
        let page = self.store.find(app, &query, None, EVENTS).await?;
        let same_channel = |event: &TraceEvent| {
            event.delivery.is_some() && event.channel.as_ref() == Some(channel)
        };
        Ok(page.items.into_iter().find(same_channel))
    }

    async fn by_fingerprint(
        &self,
        app: &AppId,
        tagged: &TraceEvent,
        token: &DeviceToken,
    ) -> Result<Option<TraceEvent>> {
        let fingerprint = token.fingerprint();
        let events = self.store.trace_of_message(app, &tagged.message).await?;
        Ok(events
            .into_iter()
            .find(|event| event.token.as_ref() == Some(&fingerprint)))
    }

    async fn event_of(&self, app: &AppId, delivery: DeliveryId) -> Result<Option<TraceEvent>> {
        let events = self.store.trace_of_delivery(app, delivery).await?;
        Ok(events
            .into_iter()
            .find(|event| event.delivery == Some(delivery)))
    }
}

#[cfg(test)]
mod tests {
    use push_core::{CertificateId, Secret};

    use super::*;

    fn credential(id: i64) -> CredentialRef {
        CredentialRef::new(
            AppId::new("my app").expect("an id"),
            CertificateId::new(id).expect("an id"),
        )
    }

    fn callbacks(url: Option<&str>) -> Callbacks {
        let master = MasterKey::parse(&Secret::new("0a".repeat(32))).expect("a key");
        Callbacks::new(&master, url).expect("callbacks")
    }

    #[test]
    fn the_address_of_a_credential_holds_a_secret_that_fits_no_other() {
        let callbacks = callbacks(Some("https://push.example.com/"));
        let address = callbacks.address(&credential(7)).unwrap().unwrap();
        let text = address.to_string();
        let secret = text
            .strip_prefix("https://push.example.com/v1/vendor-receipts/my%20app/7/")
            .expect("the documented form");
        assert_eq!(secret.len(), 64);
        assert!(callbacks.is_secret_of(&credential(7), secret));
        assert!(!callbacks.is_secret_of(&credential(8), secret));
        assert!(!callbacks.is_secret_of(&credential(7), &secret[..62]));
        assert!(!callbacks.is_secret_of(&credential(7), "not hexadecimal"));
        assert!(!format!("{callbacks:?}").contains(secret));
    }

    #[test]
    fn a_gateway_without_public_url_has_no_receipt_address() {
        assert_eq!(callbacks(None).address(&credential(7)).unwrap(), None);
    }
}
