//! What an operator sets.
use http::Uri;
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{endpoint::Endpoint, input::trimmed, intent::IntentUri};
use serde::Deserialize;

use crate::{
    receive::Signer,
    render::{Click, Style},
};

const CONSOLE: &str = "copy it from AppGallery Connect > Project settings > General information";

/// The configuration of a Huawei credential.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Huawei)]
#[non_exhaustive]
pub struct HuaweiConfig {
    /// The app's id: AppGallery Connect > Project settings > General information > App information.
    ///
    /// Part of the URL, and the client id of the token request.
    #[describe(example = "100000001")]
    pub app_id: String,
    /// The app's secret of the same page (the OAuth client secret), not the project's.
    #[describe(example = "the-app-secret-of-the-same-page")]
    pub app_secret: Secret,
    /// The activity that a click opens, as an intent URI ending in `;end`; `S.ext=…`, which names the chat, is added to it. Either this
    /// or `action`.
    #[serde(default)]
    #[describe(
        example = "intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;component=com.example.im/.ChatActivity;end",
        shown
    )]
    pub intent: String,
    /// The activity that a click opens, by the action of its intent filter; `ext` goes along in `data`. Either this or `intent`.
    #[serde(default)]
    #[describe(example = "com.example.im.OPEN_CHAT")]
    pub action: String,
    /// The class of the launcher activity: Huawei changes the number on the icon only with it. Empty: badges are not sent.
    #[serde(default)]
    #[describe(example = "com.example.im.MainActivity", shown)]
    pub badge_class: String,
    /// Huawei's message category; the empty string sends none.
    ///
    /// It counts only for apps that have the self-classification right; others are classified by Huawei.
    #[serde(default = "category")]
    #[describe(max_len = 64)]
    pub category: String,
    /// The category of calls; the empty string sends none.
    #[serde(default = "call_category")]
    #[describe(max_len = 64)]
    pub call_category: String,
    /// 0 for normal pushes, 1 for test messages (500 a day, without category limits).
    #[serde(default)]
    #[describe(max = 1)]
    pub target_user_type: u8,
    /// The project's id: if set, pushes go to the project-level path `/v2/<project_id>/messages:send`.
    ///
    /// Otherwise they go to the app-level path `/v1/<app_id>/messages:send`.
    #[serde(default)]
    pub project_id: String,
    /// The notification channel of the app. Empty for Huawei's own.
    #[serde(default)]
    pub channel_id: String,
    /// Which receipt configuration of AppGallery Connect holds for the pushes. Empty for the app's own.
    #[serde(default)]
    pub receipt_id: String,
    /// The user name of the receipt settings in AppGallery Connect, together with `receipt_key`.
    ///
    /// Without them receipts are not signed, and only their address, which cannot be guessed, protects them.
    #[serde(default)]
    pub receipt_user: String,
    /// The key of the receipt settings: receipts that are not signed with it are refused.
    #[serde(default)]
    #[describe(example = "the-key-of-the-receipt-settings")]
    pub receipt_key: Option<Secret>,
    /// Whether the app may send high-priority data messages, which needs Huawei's permission (else code 80300011). With `false`,
    /// `urgency` is never `HIGH`.
    #[serde(default)]
    pub high_urgency: bool,
    /// Where pushes go: scheme, host and port.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Where access tokens come from.
    #[serde(default = "token_endpoint")]
    pub token_endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl HuaweiConfig {
    /// The app's id and secret, and defaults for the rest; set `intent` or `action`.
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_secret: Secret::new(app_secret),
            project_id: String::new(),
            endpoint: endpoint(),
            token_endpoint: token_endpoint(),
            category: category(),
            call_category: call_category(),
            target_user_type: 0,
            badge_class: String::new(),
            intent: String::new(),
            action: String::new(),
            channel_id: String::new(),
            receipt_id: String::new(),
            receipt_user: String::new(),
            receipt_key: None,
            high_urgency: false,
            http: HttpConfig::default(),
        }
    }
}

fn endpoint() -> String {
    "https://push-api.cloud.huawei.com".to_owned()
}

fn token_endpoint() -> String {
    "https://oauth-login.cloud.huawei.com/oauth2/v3/token".to_owned()
}

fn category() -> String {
    "IM".to_owned()
}

fn call_category() -> String {
    "VOIP".to_owned()
}

/// A checked configuration, without `http`.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where pushes are posted.
    pub(crate) send_url: Uri,
    pub(crate) token_url: Uri,
    pub(crate) app_id: String,
    pub(crate) app_secret: Secret,
    pub(crate) style: Style,
    pub(crate) signer: Option<Signer>,
}

impl HuaweiConfig {
    /// Checks everything but `http` and reports all faults together.
    pub(crate) fn check(&self) -> Result<Settings> {
        self.trimmed().checked()
    }

    /// Without what editors and shells added around the values.
    fn trimmed(&self) -> Self {
        let mut config = self.clone();
        for text in [
            &mut config.app_id,
            &mut config.project_id,
            &mut config.category,
            &mut config.call_category,
            &mut config.badge_class,
            &mut config.action,
            &mut config.channel_id,
            &mut config.receipt_id,
            &mut config.receipt_user,
        ] {
            *text = trimmed(text).to_owned();
        }
        config.app_secret = Secret::new(trimmed(config.app_secret.expose()));
        config.receipt_key = config
            .receipt_key
            .map(|key| Secret::new(trimmed(key.expose())));
        config
    }

    fn checked(&self) -> Result<Settings> {
        let mut faults = Faults::new();
        faults.check(is_id(&self.app_id), "app_id", NO_ID, CONSOLE);
        let secret = self.app_secret.expose();
        faults.check(!secret.is_empty(), "app_secret", "is empty", CONSOLE);
        faults.check(
            !secret.contains(char::is_whitespace),
            "app_secret",
            "has blanks or line breaks inside",
            CONSOLE,
        );
        faults.check(
            self.project_id.is_empty() || is_id(&self.project_id),
            "project_id",
            NO_ID,
            CONSOLE,
        );
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        for (key, category) in [
            ("category", &self.category),
            ("call_category", &self.call_category),
        ] {
            faults.check(
                category.bytes().all(is_capital),
                key,
                "is not a word in capitals",
                "write one of Huawei's, as in \"IM\" or \"VOIP\", or \"\" for none",
            );
        }
        faults.check(
            self.badge_class.is_empty() || is_dotted(&self.badge_class),
            "badge_class",
            "is not a full name with dots",
            "write it like \"com.example.im.MainActivity\"",
        );
        let signer = self.signer(&mut faults);
        let click = self.click(&mut faults);
        let token_url = faults.take("token_endpoint", Endpoint::new(&self.token_endpoint));
        let path = if self.project_id.is_empty() {
            format!("/v1/{}/messages:send", self.app_id)
        } else {
            format!("/v2/{}/messages:send", self.project_id)
        };
        let send_url = faults.take("endpoint", Endpoint::origin(&self.endpoint));
        let settings = click.zip(token_url).zip(send_url);
        let settings = settings.and_then(|((click, token_url), send_url)| {
            Some(Settings {
                send_url: send_url.join(&path).ok()?,
                token_url: token_url.uri().clone(),
                app_id: self.app_id.clone(),
                app_secret: self.app_secret.clone(),
                style: Style {
                    click,
                    category: self.category.clone(),
                    call_category: self.call_category.clone(),
                    target_user_type: self.target_user_type,
                    badge_class: self.badge_class.clone(),
                    channel_id: self.channel_id.clone(),
                    receipt_id: self.receipt_id.clone(),
                    high_urgency: self.high_urgency,
                },
                signer,
            })
        });
        faults.finish(settings)
    }

    fn signer(&self, faults: &mut Faults) -> Option<Signer> {
        let key = self.receipt_key.as_ref();
        let key = key.filter(|key| !key.expose().is_empty());
        faults.check(
            key.is_some() != self.receipt_user.is_empty(),
            "receipt_key",
            "is set without `receipt_user`, or the other way round",
            "copy both from the receipt settings in AppGallery Connect, or leave both out",
        );
        key.map(|key| Signer {
            user: self.receipt_user.clone(),
            key: key.clone(),
        })
    }

    fn click(&self, faults: &mut Faults) -> Option<Click> {
        match (self.intent.as_str(), self.action.as_str()) {
            ("", "") => faults.add(
                "intent",
                "is not set, and `action` is not set either: a click could not open the chat",
                "set it to the URI of the activity that opens a chat, as in \
                 \"intent://im/chat#Intent;scheme=push;launchFlags=0x4000000;component=com.example.im/.ChatActivity;end\"",
            ),
            (text, "") => {
                let intent = faults.take("intent", intent(text))?;
                return Some(Click::Intent(intent));
            }
            ("", action) if is_dotted(action) => return Some(Click::Action(action.to_owned())),
            ("", _) => faults.add(
                "action",
                "is not a full name with dots",
                "write it like \"com.example.im.OPEN_CHAT\"",
            ),
            _ => faults.add(
                "action",
                "is set, and `intent` is set, too",
                "keep one: `intent` is what Huawei's current service documents",
            ),
        }
        None
    }
}

fn intent(text: &str) -> Result<IntentUri> {
    if text.len() > 1024 {
        return Err(Error::new(ErrorKind::Config, "is longer than 1024 bytes"));
    }
    let intent = IntentUri::parse(text)?;
    for name in ["ext", "delivery", "receiver"] {
        if intent.extra(name).is_some() {
            return Err(
                Error::new(ErrorKind::Config, format!("already has an extra `{name}`")).advise(
                    format!("take `S.{name}=…;` out of it: it is added for each push"),
                ),
            );
        }
    }
    Ok(intent)
}

const NO_ID: &str = "is not an id of at most 64 letters and digits";

fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

fn is_dotted(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    let part = |part: &str| !part.is_empty() && part.bytes().all(plain);
    text.len() <= 255 && text.contains('.') && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use push_core::{BuildContext, ManualClock, RawConfig, Timestamp};
    use serde_json::{Value, json};

    use crate::PLUGIN;

    fn right() -> Value {
        json!({
            "app_id": "100000001",
            "app_secret": "the-secret-of-a-test",
            "intent": "intent://im/chat#Intent;scheme=push;component=com.example.im/.ChatActivity;end",
        })
    }

    fn build(config: &Value) -> Result<String, String> {
        let clock = ManualClock::new(Timestamp::from_unix_seconds(1_700_000_000));
        let raw = RawConfig::from_json(config).expect("an object");
        PLUGIN
            .build(raw, &BuildContext::new(std::sync::Arc::new(clock)))
            .map(|provider| format!("{provider:?}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_wrong_value_is_refused_by_its_key_with_advice_and_without_the_secret() {
        for (key, value) in [
            ("app_id", json!("")),
            ("app_id", json!("1/../2")),
            ("app_id", json!("1".repeat(65))),
            ("app_secret", json!("")),
            ("app_secret", json!("the-secret-of-a-test and more")),
            ("project_id", json!("a b")),
            ("target_user_type", json!(2)),
            ("category", json!("im")),
            ("call_category", json!("voip")),
            ("badge_class", json!("MainActivity")),
            ("badge_class", json!("com..Main")),
            ("endpoint", json!("push-api.cloud.huawei.com")),
            ("endpoint", json!("http://push-api.cloud.huawei.com")),
            ("endpoint", json!("https://push-api.cloud.huawei.com/v1")),
            ("endpoint", json!("https://push-api.cloud.huawei.com//")),
            ("endpoint", json!("ftp://localhost")),
            ("token_endpoint", json!("http://example.com/token")),
            ("token_endpoint", json!("")),
            ("intent", json!("com.example.im.ChatActivity")),
            ("intent", json!("intent://im#Intent;scheme=push")),
            ("intent", json!("intent://im#Intent;S.ext=x;end")),
            ("intent", json!("intent://im/聊天#Intent;end")),
            ("intent", json!("")),
            ("intent", json!("intent://im#Intent;S.receiver=x;end")),
            ("action", json!("com.example.im.OPEN")),
            ("receipt_key", json!("im-secret-1")),
            ("http", json!({ "max_connections": 0 })),
        ] {
            let mut config = right();
            config[key] = value;
            let error = build(&config).expect_err("it is refused");
            assert!(error.contains(key), "{key}: {error}");
            assert!(error.contains("provider/huawei"), "{key}: {error}");
            assert!(error.contains("; "), "{key} has no advice: {error}");
            assert!(!error.contains("the-secret-of-a-test"), "{key}: {error}");
        }
    }

    #[test]
    fn values_are_read_however_files_and_shells_changed_their_ends() {
        for end in ["\n", "\r\n", "\\n", " "] {
            let mut config = right();
            config["category"] = json!("IM");
            for key in ["app_id", "app_secret", "intent", "category"] {
                let text = format!("\u{feff}{}{end}", config[key].as_str().expect("text"));
                config[key] = json!(text);
            }
            let shown = build(&config).unwrap_or_else(|error| panic!("{end:?}: {error}"));
            assert!(shown.contains("/v1/100000001/messages:send"), "{shown}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut config = right();
        for (key, value) in [
            ("app_id", json!("")),
            ("app_secret", json!("")),
            ("category", json!("im")),
            ("endpoint", json!("ftp://localhost")),
            ("token_endpoint", json!("x")),
            ("intent", json!("x")),
            ("receipt_user", json!("imuser")),
        ] {
            config[key] = value;
        }
        let error = build(&config).unwrap_err();
        for key in [
            "app_id",
            "app_secret",
            "category",
            "endpoint",
            "token_endpoint",
            "intent",
            "receipt_key",
        ] {
            assert!(error.contains(&format!(" {key}: ")), "{key}: {error}");
        }
    }

    #[test]
    fn ids_may_be_numbers_and_the_rest_has_defaults() {
        let mut config = right();
        config["app_id"] = json!(100_000_001);
        config["project_id"] = json!(7);
        let shown = build(&config).unwrap();
        assert!(
            shown.contains("https://push-api.cloud.huawei.com/v2/7/messages:send"),
            "{shown}"
        );
        assert!(!shown.contains("the-secret-of-a-test"), "{shown}");
        let shown = build(&right()).unwrap();
        assert!(
            shown.contains("https://push-api.cloud.huawei.com/v1/100000001/messages:send"),
            "{shown}"
        );
        assert!(
            shown.contains("https://oauth-login.cloud.huawei.com/oauth2/v3/token"),
            "{shown}"
        );
    }

    #[test]
    fn clear_text_is_for_this_machine_only() {
        for (endpoint, good) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1/", true),
            ("http://[::1]:1", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            let mut config = right();
            config["endpoint"] = json!(endpoint);
            assert_eq!(build(&config).is_ok(), good, "{endpoint}");
        }
    }
}
