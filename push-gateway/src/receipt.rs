//! Receipts: recording what phones and vendors report of deliveries.
mod vendor;

use push_core::{AppId, DeviceId, Mark, Receipt, ReceiptKey, Result, Timestamp, api::ReceiptsBody};

use crate::gateway::{Gateway, Inner};

impl Gateway {
    /// Records receipts of a device. Receipts of deliveries that did not go to it, or that are not known (any more), are
    /// ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](push_core::ErrorKind::Invalid) for a time in another unit, and those of the store.
    pub async fn receipts_of(
        &self,
        app: &AppId,
        device: &DeviceId,
        body: ReceiptsBody,
    ) -> Result<()> {
        for time in body
            .receipts
            .iter()
            .map(|receipt| receipt.at)
            .chain(body.now)
        {
            time.check_unit()?;
        }
        self.0
            .receipts(app, Some(device), body.receipts, body.now)
            .await
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
    /// Records receipts of known deliveries; of those to `device` only, if given. `clock` is what the device's clock showed when
    /// it sent them.
    pub(crate) async fn receipts(
        &self,
        app: &AppId,
        device: Option<&DeviceId>,
        receipts: Vec<Receipt>,
        clock: Option<Timestamp>,
    ) -> Result<()> {
        let now = self.services.clock.now();
        let marks = receipts
            .into_iter()
            .map(|receipt| {
                Mark::new(
                    receipt.delivery,
                    device.cloned(),
                    receipt.what.stage(),
                    dated(receipt.at, clock, now),
                )
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

/// When something happened on a phone, by the gateway's clock. A phone's own may be wrong, but how much time it says has passed
/// is right. Without that, an impossible time is taken for now.
fn dated(at: Timestamp, clock: Option<Timestamp>, received: Timestamp) -> Timestamp {
    match (clock, Timestamp::from_written_millis(at.unix_millis())) {
        (Some(clock), _) => received - clock.since(at),
        (None, Ok(at)) => at.min(received),
        (None, Err(_)) => received,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_happened_on_a_phone_with_a_wrong_clock_is_dated_right() {
        let now = Timestamp::from_unix_seconds(1_760_000_000);
        let minute = Duration::from_secs(60);
        for clock in [
            now,
            now - 1_000_000 * minute,
            now + minute,
            Timestamp::default(),
        ] {
            assert_eq!(dated(clock - minute, Some(clock), now), now - minute);
            assert_eq!(dated(clock + minute, Some(clock), now), now);
        }
        assert_eq!(dated(now - minute, None, now), now - minute);
        assert_eq!(dated(now + minute, None, now), now);
        assert_eq!(dated(Timestamp::from_unix_millis(1), None, now), now);
    }
}
