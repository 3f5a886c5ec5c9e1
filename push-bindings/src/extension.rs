//! What a notification service extension calls.
use std::{sync::Arc, time::Duration};

use crate::PayloadShape;

/// Tells the gateway that pushes have arrived, from the process that the operating system starts for each push: on iOS the
/// notification service extension, where there is no `PushClient`.
///
/// It finds what it needs in the folder that app and extension share, where the app's client has left it: `Config.extension_folder`.
#[derive(Debug, uniffi::Object)]
pub struct NotificationExtension {
    extension: push_client::NotificationExtension,
    shape: PayloadShape,
}

/// What came of acknowledging a push.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Acknowledged {
    /// So many receipts were taken by the gateway, earlier ones included.
    pub sent: u32,
    /// So many wait for the next push or for the app.
    pub waiting: u32,
    /// So many were given up.
    pub dropped: u32,
    /// What kept them from the gateway, for a log.
    pub trouble: Option<String>,
}

#[uniffi::export]
impl NotificationExtension {
    /// With the folder that app and extension share, on iOS that of their app group. Nothing is read yet, and nothing need be
    /// there. `payload_shape` is what the text of a payload is: that of APNs by default.
    #[uniffi::constructor(default(payload_shape = None))]
    pub fn new(folder: String, payload_shape: Option<PayloadShape>) -> Arc<Self> {
        Arc::new(Self {
            extension: push_client::NotificationExtension::new(folder),
            shape: payload_shape.unwrap_or(PayloadShape::Apns),
        })
    }

    /// A push has arrived: writes that down, tells the gateway everything that waits, and returns after `within_ms` milliseconds
    /// at the latest. Never fails, because the push has to be shown in any case; what could not be told is told with the next
    /// push, or by the app.
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
            trouble: done.trouble,
        }
    }
}
