//! The signature of a request: HMAC-SHA-256 over app id and time, under the app's secret.
use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use http::{HeaderMap, HeaderValue};
use push_core::Clock;

use crate::config::Settings;

/// Signs requests.
pub(crate) struct Auth {
    app_id: HeaderValue,
    key: hmac::Key,
    clock: Arc<dyn Clock>,
}

/// The signer that `settings` give.
pub(crate) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Auth {
    Auth {
        app_id: settings.app_id.clone(),
        key: hmac::Key::new(hmac::HMAC_SHA256, settings.app_secret.expose().as_bytes()),
        clock,
    }
}

impl Auth {
    /// The headers of a request that is sent now.
    pub(crate) fn headers(&self) -> HeaderMap {
        let millis = self.clock.now().unix_millis();
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(self.app_id.as_bytes());
        signed.update(millis.to_string().as_bytes());
        let tag = signed.sign();
        let digits: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut headers = HeaderMap::new();
        headers.insert("x-app-id", self.app_id.clone());
        headers.insert("x-timestamp", HeaderValue::from(millis));
        if let Ok(mut value) = HeaderValue::try_from(digits) {
            value.set_sensitive(true);
            headers.insert("x-sign", value);
        }
        headers
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}
