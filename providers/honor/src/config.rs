//! The credential, and its checks.
use std::collections::BTreeMap;

use http::Uri;
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{
    endpoint::Endpoint,
    input::{one_of, trimmed},
    intent::IntentUri,
};
use serde::Deserialize;

use crate::render::{CLICK_KEYS, Importance, Look};

/// The most phones in one request. Not documented where it could be read; third-party clients use 1,000.
const MOST_TOKENS: usize = 1000;

/// A credential of Honor Push: what the console shows for one app, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Honor)]
#[non_exhaustive]
pub struct HonorConfig {
    /// The App ID, digits: developer.honor.com > Console > Push > the app. Part of the send URL.
    #[describe(example = "104400000")]
    pub app_id: String,
    /// The Client ID of the same page, for the token request.
    #[describe(example = "the-client-id-of-the-app")]
    pub client_id: String,
    /// The Client Secret of the same page, for the token request. The App Secret that the console shows too is not used.
    #[describe(example = "the-client-secret-of-the-app")]
    pub client_secret: Secret,
    /// The activity that a click opens, as an intent URI with a scheme that only this app has; `S.ext=…` is added to it.
    ///
    /// Empty: a click opens the app, and `ext` is an extra of its launch intent.
    #[serde(default)]
    #[describe(
        example = "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;end",
        shown
    )]
    pub intent: String,
    /// The full class name of the entry activity. Empty: the number on the icon is not changed.
    #[serde(default)]
    #[describe(example = "com.example.im.MainActivity", shown)]
    pub badge_class: String,
    /// Whether notifications count as service and communication (`NORMAL`, needs Honor's self-classification right) or as
    /// marketing (`LOW`).
    #[serde(default)]
    pub importance: Importance,
    /// 1 sends test messages (1,000 a day for an app).
    #[serde(default)]
    #[describe(max = 1)]
    pub target_user_type: u8,
    /// How many phones one request addresses. With 1 every click names its delivery.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MOST_TOKENS)]
    pub batch: usize,
    /// Whether the header `timestamp` is sent, which Honor's guide requires.
    #[serde(default = "yes")]
    pub send_timestamp: bool,
    /// The codes of an answer that accepts.
    ///
    /// The default has 80000000, which two other clients expect.
    #[serde(default = "success_codes")]
    #[describe(min_len = 1)]
    pub success_codes: Vec<i64>,
    /// What receipt codes mean that this version does not know.
    #[serde(default)]
    #[describe(example = serde_json::json!({ "40000099": "muted" }))]
    pub receipt_codes: BTreeMap<String, ReceiptMeaning>,
    /// The URL before `/<app_id>/sendMessage`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// The URL that grants access tokens.
    #[serde(default = "token_endpoint")]
    pub token_endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl HonorConfig {
    /// The ids and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(
        app_id: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        Self {
            app_id: app_id.into(),
            client_id: client_id.into(),
            client_secret: Secret::new(client_secret),
            intent: String::new(),
            badge_class: String::new(),
            importance: Importance::default(),
            target_user_type: 0,
            batch: batch(),
            send_timestamp: yes(),
            success_codes: success_codes(),
            receipt_codes: BTreeMap::new(),
            endpoint: endpoint(),
            token_endpoint: token_endpoint(),
            http: HttpConfig::default(),
        }
    }
}

/// What a receipt code reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum ReceiptMeaning {
    /// The phone has it.
    Delivered,
    /// The phone refused what was sent.
    NotShown,
    /// Notifications of the app are switched off.
    Muted,
    /// The phone has not connected for a long time.
    Inactive,
    /// The app is gone: the token is dead.
    Uninstalled,
}

impl TryFrom<String> for ReceiptMeaning {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(
            &text,
            &[
                ("delivered", Self::Delivered),
                ("not-shown", Self::NotShown),
                ("muted", Self::Muted),
                ("inactive", Self::Inactive),
                ("uninstalled", Self::Uninstalled),
            ],
        )
    }
}

const fn batch() -> usize {
    100
}

const fn yes() -> bool {
    true
}

fn success_codes() -> Vec<i64> {
    vec![200, 80_000_000]
}

fn endpoint() -> String {
    "https://push-api.cloud.honor.com/api/v1".into()
}

fn token_endpoint() -> String {
    "https://iam.developer.honor.com/auth/token".into()
}

/// What remains of a configuration after the checks, without `http`.
pub(crate) struct Settings {
    pub(crate) app_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) look: Look,
    pub(crate) batch: usize,
    pub(crate) send_timestamp: bool,
    pub(crate) success_codes: Vec<i64>,
    pub(crate) receipt_codes: BTreeMap<String, ReceiptMeaning>,
    pub(crate) send: Uri,
    pub(crate) token: Uri,
}

impl HonorConfig {
    /// Checks every key but `http`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with all faults, each with its key and what to write there.
    pub(crate) fn check(&self) -> Result<Settings> {
        self.trimmed().checked()
    }

    /// Without what editors and shells added around the values.
    fn trimmed(&self) -> Self {
        let mut config = self.clone();
        for text in [
            &mut config.app_id,
            &mut config.client_id,
            &mut config.badge_class,
            &mut config.intent,
        ] {
            *text = trimmed(text).to_owned();
        }
        config.client_secret = Secret::new(trimmed(config.client_secret.expose()));
        config
    }

    fn checked(&self) -> Result<Settings> {
        const COPY: &str = "copy it from the app's page in the Push console of developer.honor.com";
        let mut faults = Faults::new();
        let is_id = |text: &str| (1..=64).contains(&text.len()) && is_made_of(text, b"-_.");
        for (key, id) in [("app_id", &self.app_id), ("client_id", &self.client_id)] {
            let what = "is not an id of at most 64 letters, digits, `-`, `_` or `.`";
            faults.check(is_id(id), key, what, COPY);
        }
        let secret = self.client_secret.expose();
        faults.check(
            !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic()),
            "client_secret",
            "is empty, or has a blank or a character that is not ASCII",
            COPY,
        );
        let has_badge = !self.badge_class.is_empty();
        faults.check(
            !has_badge || self.badge_class.contains('.') && is_made_of(&self.badge_class, b"._$"),
            "badge_class",
            "is not the full name of a class",
            "write package and class, as in \"com.example.im.MainActivity\"",
        );
        let is_code = |code: &String| code.bytes().all(|byte| byte.is_ascii_digit());
        faults.check(
            self.receipt_codes.keys().all(is_code),
            "receipt_codes",
            "has a code that is not a number",
            "write a code and its meaning, as in `40000099 = \"muted\"`",
        );
        let click = match self.intent.as_str() {
            "" => Some(None),
            uri => faults.take("intent", click(uri)).map(Some),
        };
        let path = format!("/{}/sendMessage", self.app_id);
        let url = |base: &str| Endpoint::new(base);
        let token = faults.take("token_endpoint", url(&self.token_endpoint));
        let base = faults.take("endpoint", url(&self.endpoint));
        let (click, token, base) = faults.finish(all(click, token, base))?;
        Ok(Settings {
            app_id: self.app_id.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            look: Look {
                click,
                badge_class: has_badge.then(|| self.badge_class.clone()),
                importance: self.importance,
                target_user_type: self.target_user_type,
            },
            batch: self.batch,
            send_timestamp: self.send_timestamp,
            success_codes: self.success_codes.clone(),
            receipt_codes: self.receipt_codes.clone(),
            send: base.join(&path)?,
            token: token.uri().clone(),
        })
    }
}

fn all<A, B, C>(a: Option<A>, b: Option<B>, c: Option<C>) -> Option<(A, B, C)> {
    Some((a?, b?, c?))
}

fn is_made_of(text: &str, marks: &[u8]) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

/// Reads the intent of a click. Phones with Honor Push before 7.0.51 drop a notification whose intent names a component.
fn click(uri: &str) -> Result<IntentUri> {
    let wrong =
        |what: String, advice: &str| Err(Error::new(ErrorKind::Config, what).advise(advice));
    let intent = IntentUri::parse(uri)?;
    if intent.get("component").is_some() {
        return wrong(
            "has a component, which Honor Push before 7.0.51 does not accept".to_owned(),
            "name the activity by scheme, host and path of its intent filter",
        );
    }
    if intent.get("scheme").is_none() {
        return wrong(
            "has no scheme".to_owned(),
            "add the scheme of the activity's intent filter, as in `scheme=push;`",
        );
    }
    match CLICK_KEYS.iter().find(|key| intent.extra(key).is_some()) {
        Some(key) => wrong(
            format!("has an extra `{key}`"),
            "leave it out: every push adds its own",
        ),
        None => Ok(intent),
    }
}
