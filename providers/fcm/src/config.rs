//! What an operator sets.
use http::Uri;
use push_core::{Describe, Faults, Result};
use push_http::HttpConfig;
use push_kit::{endpoint::Endpoint, input::trimmed};
use serde::Deserialize;

use crate::render::{AndroidForm, Style};

mod account;
pub(crate) use self::account::Account;
pub use self::account::ServiceAccount;

/// The configuration of an FCM credential.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Fcm)]
#[non_exhaustive]
pub struct FcmConfig {
    /// The service account's key file, its text or its fields as a table: Firebase console > Project settings > Service accounts >
    /// Generate new private key.
    #[describe(example_file = "firebase-service-account.json")]
    pub service_account: ServiceAccount,
    /// The notification channel of the app that messages go to unless they name one (Android 8 and later). Empty for the app's own
    /// default.
    ///
    /// It is `android.notification.channel_id`.
    #[serde(default)]
    #[describe(example = "im", shown)]
    pub channel_id: String,
    /// The intent action that a click starts unless the message names one. Empty for the launcher activity.
    ///
    /// It is `android.notification.click_action`.
    #[serde(default)]
    #[describe(example = "com.example.chat.OPEN_CHAT")]
    pub click_action: String,
    /// The page that a click opens in a browser, for apps whose web page has FCM's tokens. Empty for what the page's service worker
    /// does.
    ///
    /// It is `webpush.fcm_options.link`.
    #[serde(default)]
    #[describe(example = "https://chat.example.com/inbox")]
    pub web_link: String,
    /// Whether messages for Android have the form `android_v2`, a preview of 2026, in place of `android`.
    ///
    /// It has no priority: what is shown is not held back by power saving, and what only wakes the app is batched.
    #[serde(default)]
    pub android_v2: bool,
    /// Where FCM listens: scheme, host and port.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Where access tokens come from, for a relay. If not set, the `token_uri` of the key file, which stays the audience in any case.
    #[serde(default)]
    #[describe(example = "https://oauth2.googleapis.com/token")]
    pub token_endpoint: Option<String>,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl FcmConfig {
    /// The key file of a service account, and defaults for the rest.
    pub fn new(service_account: ServiceAccount) -> Self {
        Self {
            service_account,
            channel_id: String::new(),
            click_action: String::new(),
            web_link: String::new(),
            android_v2: false,
            endpoint: endpoint(),
            token_endpoint: None,
            http: HttpConfig::default(),
        }
    }
}

fn endpoint() -> String {
    "https://fcm.googleapis.com".to_owned()
}

/// A checked configuration, without `http`.
pub(crate) struct Settings {
    pub(crate) account: Account,
    /// Where messages of the account's project are posted.
    pub(crate) send_url: Uri,
    /// Scheme, host and port of FCM.
    pub(crate) registrations: Endpoint,
    pub(crate) token_url: Uri,
    pub(crate) style: Style,
}

impl FcmConfig {
    /// Checks everything but `http` and reports all faults together.
    pub(crate) fn check(&self) -> Result<Settings> {
        let mut faults = Faults::new();
        let account = self.service_account.check(&mut faults);
        let endpoint = faults.take("endpoint", Endpoint::origin(&self.endpoint));
        let token_url = match (&self.token_endpoint, &account) {
            (Some(url), _) => faults.take("token_endpoint", Endpoint::new(url)),
            (None, Some(account)) => faults.take(
                "service_account.token_uri",
                Endpoint::new(&account.token_uri),
            ),
            (None, None) => None,
        };
        let web_link = trimmed(&self.web_link);
        faults.check(
            web_link.is_empty() || web_link.starts_with("https://"),
            "web_link",
            "is not an address with https",
            "write it like \"https://chat.example.com/inbox\"",
        );
        let settings = account.zip(endpoint).zip(token_url);
        let settings = settings.and_then(|((account, endpoint), token_url)| {
            let path = format!("/v1/projects/{}/messages:send", account.project_id);
            Some(Settings {
                send_url: faults.take("service_account.project_id", endpoint.join(&path))?,
                registrations: endpoint,
                token_url: token_url.uri().clone(),
                account,
                style: Style {
                    channel_id: self.channel_id.clone(),
                    click_action: self.click_action.clone(),
                    web_link: web_link.to_owned(),
                    android: if self.android_v2 {
                        AndroidForm::V2
                    } else {
                        AndroidForm::V1
                    },
                },
            })
        });
        faults.finish(settings)
    }
}
