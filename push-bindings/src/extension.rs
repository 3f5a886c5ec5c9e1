//! The interface for a notification service extension.
use std::{sync::Arc, time::Duration};

use crate::PayloadShape;

/// Acknowledges pushes to the gateway from the process that the operating system starts for each push: on iOS the
/// notification service extension, where there is no `PushClient`.
///
/// It needs the folder that app and extension share, in which the app's client stores the receipt key: `Config.extension_folder`.
#[derive(Debug, uniffi::Object)]
pub struct NotificationExtension {
    extension: push_client::NotificationExtension,
    shape: PayloadShape,
}

/// The result of acknowledging a push.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Acknowledged {
    /// The number of receipts that the gateway accepted, earlier ones included.
    pub sent: u32,
    /// The number of receipts that wait for the next push or for the app.
    pub waiting: u32,
    /// The number of receipts that were discarded.
    pub dropped: u32,
    /// Why receipts wait or were discarded, for a log.
    pub problem: Option<String>,
}

#[uniffi::export]
impl NotificationExtension {
    /// Uses the folder that app and extension share, on iOS that of their app group. Reads nothing yet; the folder may be empty.
    /// `payload_shape` is the form of a payload's text: that of APNs by default.
    #[uniffi::constructor(default(payload_shape = None))]
    pub fn new(folder: String, payload_shape: Option<PayloadShape>) -> Arc<Self> {
        Arc::new(Self {
            extension: push_client::NotificationExtension::new(folder),
            shape: payload_shape.unwrap_or(PayloadShape::Apns),
        })
    }

    /// Stores a receipt for a push, sends all waiting receipts to the gateway, and returns after `within_ms` milliseconds at the
    /// latest. It does not fail, because the push must be shown in any case. Receipts that could not be sent are sent with the
    /// next push, or by the app.
    #[uniffi::method(default(within_ms = 5000))]
    pub fn delivered(&self, payload: String, within_ms: u32) -> Acknowledged {
        let payload = self.shape.parse(&payload);
        let within = Duration::from_millis(within_ms.into());
        let done = self.extension.delivered_blocking(&payload, within);
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Acknowledged {
            sent: count(done.sent),
            waiting: count(done.waiting),
            dropped: count(done.dropped),
            problem: done.problem,
        }
    }
}
