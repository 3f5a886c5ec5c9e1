//! Receipts: recording what phones and vendors report of deliveries.
mod vendor;

use push_core::{AppId, DeviceId, Mark, Receipt, ReceiptKey, ReceiptKind, Result, Stage};

use crate::gateway::{Gateway, Inner};

impl Gateway {
    /// Records receipts of a device. Receipts of deliveries that did not go to it, or that are not known (any more), are
    /// ignored.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn receipts_of(
        &self,
        app: &AppId,
        device: &DeviceId,
        receipts: Vec<Receipt>,
    ) -> Result<()> {
        self.0.receipts(app, Some(device), receipts).await
    }

    /// The key with which `device` signs its receipts.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](push_core::ErrorKind::Internal) if it cannot be derived.
    pub fn receipt_key(&self, app: &AppId, device: &DeviceId) -> Result<ReceiptKey> {
        self.0.receipt_keys.of(app, device)
    }
}

impl Inner {
    /// Records receipts of known deliveries; of those to `device` only, if given.
    pub(crate) async fn receipts(
        &self,
        app: &AppId,
        device: Option<&DeviceId>,
        receipts: Vec<Receipt>,
    ) -> Result<()> {
        let now = self.services.clock.now();
        let marks = receipts
            .into_iter()
            .map(|receipt| Mark {
                delivery: receipt.delivery,
                device: device.cloned(),
                stage: match receipt.what {
                    ReceiptKind::Delivered => Stage::Delivered,
                    ReceiptKind::Clicked => Stage::Clicked,
                },
                at: receipt.at.min(now),
            })
            .collect();
        self.mark(app, marks).await
    }

    /// Records stages that deliveries reached on the phone.
    pub(crate) async fn mark(&self, app: &AppId, marks: Vec<Mark>) -> Result<()> {
        if marks.is_empty() {
            return Ok(());
        }
        // So that the store knows the deliveries.
        self.services.recorder.flush().await;
        self.services.store.record(app, marks).await.map(drop)
    }
}
