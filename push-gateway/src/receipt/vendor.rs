//! Receipts that vendors post.
use bytes::Bytes;
use push_core::{
    CredentialRef, DeliveryId, DeviceToken, Error, ErrorKind, Late, Mark, Result, Stage,
    TraceEvent, TraceQuery, VendorReceipt,
};

use crate::{
    gateway::{Gateway, Inner},
    pipeline::LateVerdict,
};

/// How many events of a message to one device are looked at to find the delivery that a receipt concerns.
const EVENTS: usize = 64;

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
        if !self.0.receipt_addresses.is_secret_of(credential, secret) {
            return Err(unknown());
        }
        let loaded = self
            .0
            .services
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
        let now = self.services.clock.now();
        // So that the store knows the deliveries.
        self.services.recorder.flush().await;
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
            marks.extend(delivery.map(|delivery| Mark::new(delivery, None, stage, at)));
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
        let tagged = self.event_of(credential, receipt.tag).await?;
        let (Some(tagged), Some(token)) = (&tagged, &receipt.token) else {
            return Ok(tagged);
        };
        let Some(channel) = &tagged.channel else {
            return Ok(None);
        };
        let holder = self
            .services
            .store
            .holders(app, channel, std::slice::from_ref(token))
            .await?
            .pop()
            .flatten();
        let Some(holder) = holder else {
            // The token is gone, or the caller keeps it: the events have its fingerprint.
            return self.by_fingerprint(credential, tagged, token).await;
        };
        let owner = &holder.registration;
        if tagged.device.as_ref() == Some(&owner.device) {
            return Ok(Some(tagged.clone()));
        }
        let query = TraceQuery::all()
            .with_user(owner.user.clone())
            .with_device(owner.device.clone())
            .with_message(tagged.message.clone());
        let page = self.services.store.find(app, &query, None, EVENTS).await?;
        let is_sent_by = |event: &TraceEvent| {
            event.delivery.is_some() && event.certificate == Some(credential.certificate)
        };
        Ok(page.items.into_iter().find(is_sent_by))
    }

    async fn by_fingerprint(
        &self,
        credential: &CredentialRef,
        tagged: &TraceEvent,
        token: &DeviceToken,
    ) -> Result<Option<TraceEvent>> {
        let fingerprint = token.fingerprint();
        let events = self
            .services
            .store
            .trace_of_message(&credential.app, &tagged.message)
            .await?;
        Ok(events.into_iter().find(|event| {
            event.token.as_ref() == Some(&fingerprint)
                && event.certificate == Some(credential.certificate)
        }))
    }

    /// An event of `delivery` with this credential. A delivery whose device registered under another credential meanwhile has
    /// events with both.
    async fn event_of(
        &self,
        credential: &CredentialRef,
        delivery: DeliveryId,
    ) -> Result<Option<TraceEvent>> {
        let events = self
            .services
            .store
            .trace_of_delivery(&credential.app, delivery)
            .await?;
        Ok(events.into_iter().find(|event| {
            event.delivery == Some(delivery) && event.certificate == Some(credential.certificate)
        }))
    }
}
