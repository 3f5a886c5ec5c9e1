//! What an operator sets.
use http::Uri;
use push_core::{Error, ErrorKind, Result, Secret};
use push_http::HttpConfig;
use serde::Deserialize;

use crate::message::{Click, Style};

/// The configuration of a Huawei credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HuaweiConfig {
    /// The app's id in AppGallery Connect: part of the URL, and the client id of the token request.
    pub app_id: String,
    /// The app's secret (the OAuth client secret), not the project's.
    pub app_secret: Secret,
    /// The project's id: if set, pushes go to the project-level path `/v2/<project_id>/messages:send`. Default: unset,
    /// the app-level path `/v1/<app_id>/messages:send`.
    #[serde(default)]
    pub project_id: String,
    /// Where pushes go: scheme, host and port. Default: `https://push-api.cloud.huawei.com`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Where access tokens come from. Default: `https://oauth-login.cloud.huawei.com/oauth2/v3/token`.
    #[serde(default = "token_endpoint")]
    pub token_endpoint: String,
    /// Huawei's message category. It counts only for apps that have the self-classification right; others are classified by
    /// Huawei. Default: `IM`; the empty string sends none.
    #[serde(default = "category")]
    pub category: String,
    /// 0 for normal pushes, 1 for test messages (500 a day, without category limits). Default: 0.
    #[serde(default)]
    pub target_user_type: u8,
    /// The class of the launcher activity, as in `com.example.im.MainActivity`: Huawei changes the number on the icon only
    /// with it. Default: unset, badges are not sent.
    #[serde(default)]
    pub badge_class: String,
    /// The activity that a click opens, as an intent URI ending in `;end`; `S.ext=…` is added to it. Either this or `action`.
    #[serde(default)]
    pub intent: String,
    /// The activity that a click opens, by the action of its intent filter; `ext` goes along in `data`. Either this or `intent`.
    #[serde(default)]
    pub action: String,
    /// The notification channel of the app. Default: unset, Huawei's own.
    #[serde(default)]
    pub channel_id: String,
    /// Which receipt configuration of AppGallery Connect holds for the pushes. Default: unset, the app's own.
    #[serde(default)]
    pub receipt_id: String,
    /// Whether the app may send high-priority data messages, which needs Huawei's permission (else code 80300011).
    /// Default: false, `urgency` is never `HIGH`.
    #[serde(default)]
    pub high_urgency: bool,
    /// How the client connects.
    #[serde(default)]
    pub http: HttpConfig,
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

/// What a provider needs of a checked configuration, besides its HTTP client.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where pushes are posted.
    pub(crate) send_url: Uri,
    pub(crate) token_url: Uri,
    pub(crate) app_id: String,
    pub(crate) app_secret: Secret,
    pub(crate) style: Style,
}

impl HuaweiConfig {
    /// Checks everything but `http`. Touches nothing outside.
    pub(crate) fn check(&self) -> Result<Settings> {
        id("app_id", &self.app_id)?;
        let secret = self.app_secret.expose();
        if secret.is_empty() || secret.trim() != secret {
            return Err(wrong(
                "app_secret",
                "is empty or has blanks around it",
                "copy it from AppGallery Connect > Project settings > General information",
            ));
        }
        if !self.project_id.is_empty() {
            id("project_id", &self.project_id)?;
        }
        if self.target_user_type > 1 {
            return Err(wrong(
                "target_user_type",
                "is neither 0 nor 1",
                "write 0 for normal pushes, 1 for test messages",
            ));
        }
        let category = |it: char| it.is_ascii_uppercase() || it == '_';
        if self.category.len() > 64 || !self.category.chars().all(category) {
            return Err(wrong(
                "category",
                "is not a word in capitals",
                "write one of Huawei's, as in \"IM\", or \"\" for none",
            ));
        }
        if !self.badge_class.is_empty() {
            dotted(
                "badge_class",
                &self.badge_class,
                "com.example.im.MainActivity",
            )?;
        }
        let base = origin("endpoint", &self.endpoint)?;
        let path = if self.project_id.is_empty() {
            format!("/v1/{}/messages:send", self.app_id)
        } else {
            format!("/v2/{}/messages:send", self.project_id)
        };
        Ok(Settings {
            send_url: url("endpoint", &format!("{base}{path}"))?,
            token_url: url("token_endpoint", &self.token_endpoint)?,
            app_id: self.app_id.clone(),
            app_secret: self.app_secret.clone(),
            style: Style {
                click: self.click()?,
                category: self.category.clone(),
                target_user_type: self.target_user_type,
                badge_class: self.badge_class.clone(),
                channel_id: self.channel_id.clone(),
                receipt_id: self.receipt_id.clone(),
                high_urgency: self.high_urgency,
            },
        })
    }

    fn click(&self) -> Result<Click> {
        match (self.intent.as_str(), self.action.as_str()) {
            ("", "") => Err(Error::new(
                ErrorKind::Config,
                "neither `intent` nor `action` is set: a click could not open the chat",
            )
            .advise(
                "set `intent` to the URI of the activity that opens a chat, as in \
                 \"intent://im/chat#Intent;scheme=push;component=com.example.im/.ChatActivity;end\"",
            )),
            (intent, "") => {
                let stem = intent
                    .strip_suffix(";end")
                    .filter(|it| it.contains("#Intent;") || it.ends_with("#Intent"))
                    .filter(|it| it.bytes().all(|byte| byte.is_ascii_graphic()))
                    .filter(|it| it.len() <= 1024);
                let Some(stem) = stem else {
                    return Err(wrong(
                        "intent",
                        "is not an intent URI of at most 1024 bytes",
                        "write it as Android's Intent.toUri does: intent://…#Intent;…;end",
                    ));
                };
                if stem.contains(";S.ext=") {
                    return Err(wrong(
                        "intent",
                        "already has an extra `ext`",
                        "take `S.ext=…;` out of it: it is added for each notification",
                    ));
                }
                Ok(Click::Intent(stem.to_owned()))
            }
            ("", action) => {
                dotted("action", action, "com.example.im.OPEN_CHAT")?;
                Ok(Click::Action(action.to_owned()))
            }
            _ => Err(Error::new(
                ErrorKind::Config,
                "both `intent` and `action` are set",
            )
            .advise("keep one: `intent` is what Huawei's current service documents")),
        }
    }
}

fn wrong(key: &str, what: &str, advice: &str) -> Error {
    Error::new(ErrorKind::Config, what).at(key).advise(advice)
}

fn id(key: &str, value: &str) -> Result<()> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
    if !value.is_empty() && value.len() <= 64 && value.bytes().all(plain) {
        return Ok(());
    }
    Err(wrong(
        key,
        "is not an id of at most 64 letters and digits",
        "copy it from AppGallery Connect > Project settings > General information",
    ))
}

fn dotted(key: &str, value: &str, example: &str) -> Result<()> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'$');
    let part = |it: &str| !it.is_empty() && it.bytes().all(plain);
    if value.len() <= 255 && value.contains('.') && value.split('.').all(part) {
        return Ok(());
    }
    Err(wrong(
        key,
        "is not a full name with dots",
        &format!("write it like \"{example}\""),
    ))
}

/// A URL over which a secret may travel: https, or http to this machine.
fn url(key: &str, text: &str) -> Result<Uri> {
    let advice = "write a URL like \"https://push-api.cloud.huawei.com\"";
    let uri: Uri = text
        .parse()
        .map_err(|_| wrong(key, "is not a URL", advice))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong(key, "is not a URL with scheme and host", advice));
    };
    let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    if scheme == "https" || (scheme == "http" && here) {
        return Ok(uri);
    }
    Err(wrong(
        key,
        "is not https, so that the secret would travel in clear",
        "write https://",
    ))
}

/// A URL without a path, and without the slash at its end.
fn origin<'a>(key: &str, text: &'a str) -> Result<&'a str> {
    let base = text.strip_suffix('/').unwrap_or(text);
    let uri = url(key, base)?;
    if uri.path() == "/" && uri.query().is_none() && !base.ends_with('/') {
        return Ok(base);
    }
    Err(wrong(
        key,
        "has more than scheme, host and port",
        "leave the path out: it follows from app_id or project_id",
    ))
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
            .map(|it| format!("{it:?}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_wrong_value_is_refused_by_its_key_with_advice_and_without_the_secret() {
        for (key, value) in [
            ("app_id", json!("")),
            ("app_id", json!("1/../2")),
            ("app_id", json!("1".repeat(65))),
            ("app_secret", json!("")),
            ("app_secret", json!("the-secret-of-a-test\n")),
            ("project_id", json!("a b")),
            ("target_user_type", json!(2)),
            ("category", json!("im")),
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
            ("action", json!("com.example.im.OPEN")),
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
