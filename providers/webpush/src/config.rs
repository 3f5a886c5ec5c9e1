//! The credential, and its checks.
use http::HeaderValue;
use http::Uri;
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{endpoint::Endpoint, input::trimmed};
use serde::Deserialize;

/// What the vendor's console gave the app's owner.
#[derive(Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WebpushConfig {
    /// The app's id.
    #[describe(example = "1001")]
    pub app_id: String,
    /// The app's secret.
    #[describe(example = "copy-it-from-the-console")]
    pub app_secret: Secret,
    /// The vendor's `category` for messages that name none.
    #[serde(default)]
    #[describe(example = "im")]
    pub category: Option<String>,
    /// Where the vendor listens: scheme, host and perhaps port.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

fn endpoint() -> String {
    "https://push.webpush.example".to_owned()
}

impl WebpushConfig {
    /// The app's id and secret, and defaults for the rest.
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_secret: Secret::new(app_secret),
            category: None,
            endpoint: endpoint(),
            http: HttpConfig::default(),
        }
    }
}

/// A configuration that was checked.
pub(crate) struct Settings {
    pub(crate) app_id: HeaderValue,
    pub(crate) app_secret: Secret,
    pub(crate) category: Option<String>,
    pub(crate) send: Uri,
    pub(crate) check: Uri,
}

impl WebpushConfig {
    /// Checks every key and reports all faults at once.
    ///
    /// # Errors
    /// [`push_core::ErrorKind::Config`], naming each key that is wrong and what to write there.
    pub(crate) fn check(&self) -> Result<Settings> {
        const COPY: &str = "copy it from the vendor's console";
        let mut faults = Faults::new();
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        // Without what editors and shells added around the values.
        let (app_id, app_secret) = (trimmed(&self.app_id), trimmed(self.app_secret.expose()));
        faults.check(is_word(app_id), "app_id", "is empty or has a space", COPY);
        faults.check(
            is_word(app_secret),
            "app_secret",
            "is empty or has a space",
            COPY,
        );
        let uris = Endpoint::origin(&self.endpoint)
            .and_then(|endpoint| Ok((endpoint.join("/v1/messages")?, endpoint.join("/v1/app")?)));
        let uris = faults.take("endpoint", uris);
        let uris = faults.finish(uris)?;
        let (send, check) = uris;
        Ok(Settings {
            app_id: HeaderValue::try_from(app_id).map_err(|_| {
                Error::new(ErrorKind::Config, "cannot be sent in a header")
                    .at("app_id")
                    .advise(COPY)
            })?,
            app_secret: Secret::new(app_secret),
            category: self
                .category
                .as_deref()
                .map(|text| trimmed(text).to_owned()),
            send,
            check,
        })
    }
}
