//! The credential, and its checks.
use std::collections::BTreeMap;

use http::Uri;
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret, TextLimits, TextUnit};
use push_http::HttpConfig;
use push_kit::{
    endpoint::Endpoint,
    input::{one_of, trimmed},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    auth::Authentication,
    render::{CLICK_KEYS, Look, OVERLAY, System},
};

/// The most tokens in one request; more make the push fail.
const MOST_TOKENS: usize = 1000;

/// The most columns that an operator may allow for a text: many times what any phone shows.
const MOST_COLUMNS: usize = 4096;

/// A credential of TPNS: the Access ID and Secret Key of one app on one platform, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Tpns)]
#[non_exhaustive]
pub struct TpnsConfig {
    /// The Access ID, digits: TPNS console > Product Management > Configuration Management of the app.
    #[describe(example = "1500000001")]
    pub access_id: String,
    /// The Secret Key of the same page. The Access Key that the console shows too belongs into the app and is not used here.
    #[describe(example = "the-secret-key-of-the-app")]
    pub secret_key: Secret,
    /// The platform of the app. Needed only if the Access ID begins neither with 15 (Android) nor with 16 (iOS).
    #[serde(default)]
    pub platform: Option<System>,
    /// Where the app was created: each access point has data of its own.
    #[serde(default)]
    pub access_point: AccessPoint,
    /// The address of the API instead of that of the access point.
    #[serde(default)]
    #[describe(example = "https://api.tpns.tencent.com")]
    pub endpoint: Option<String>,
    /// How requests are authenticated.
    #[serde(default)]
    pub auth: Authentication,
    /// Android: the URL that a click opens, with a scheme that only this app has; `?ext=…` is added to it.
    ///
    /// Empty: a click opens the app, and `ext` is in the custom content, which phones of Huawei do not get.
    #[serde(default)]
    #[describe(example = "imchat://com.example.im/chat", shown)]
    pub intent: String,
    /// Fields of a request in TPNS's own form, for messages whose class or sender sets none: notification channels,
    /// categories, importance, rules for vendors' channels.
    #[serde(default)]
    #[describe(example = serde_json::json!({ "message": { "android": { "n_ch_id": "im", "hw_category": "IM" } } }))]
    pub fields: BTreeMap<String, Value>,
    /// Android: where titles are cut, in half-width columns (an ideograph counts two).
    #[serde(default = "title_limit")]
    #[describe(min = 8, max = MOST_COLUMNS)]
    pub title_limit: usize,
    /// Android: where texts are cut, in half-width columns.
    #[serde(default = "body_limit")]
    #[describe(min = 8, max = MOST_COLUMNS)]
    pub body_limit: usize,
    /// How many phones one request addresses. With 1 every click names its delivery.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MOST_TOKENS)]
    pub batch: usize,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

/// Where an app was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum AccessPoint {
    /// Mainland China, the usual one.
    #[default]
    Guangzhou,
    /// Shanghai.
    Shanghai,
    /// Hong Kong.
    HongKong,
    /// Singapore.
    Singapore,
}

impl AccessPoint {
    const fn address(self) -> &'static str {
        match self {
            Self::Guangzhou => "https://api.tpns.tencent.com",
            Self::Shanghai => "https://api.tpns.sh.tencent.com",
            Self::HongKong => "https://api.tpns.hk.tencent.com",
            Self::Singapore => "https://api.tpns.sgp.tencent.com",
        }
    }
}

impl TryFrom<String> for AccessPoint {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(
            &text,
            &[
                ("guangzhou", Self::Guangzhou),
                ("shanghai", Self::Shanghai),
                ("hong-kong", Self::HongKong),
                ("singapore", Self::Singapore),
            ],
        )
    }
}

/// What every channel behind TPNS shows: vendors refuse longer titles instead of cutting them (Meizu from 32 characters on).
const fn title_limit() -> usize {
    32
}

/// As [`title_limit`]: Huawei from 80 characters on, vivo from 100 columns on.
const fn body_limit() -> usize {
    80
}

const fn batch() -> usize {
    100
}

/// What remains of a configuration after the checks, without `http`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) access_id: String,
    pub(crate) secret_key: Secret,
    pub(crate) auth: Authentication,
    pub(crate) look: Look,
    pub(crate) batch: usize,
    pub(crate) send: Uri,
}

impl TpnsConfig {
    /// The id and the key that the console shows for an app, and defaults for the rest.
    pub fn new(access_id: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self {
            access_id: access_id.into(),
            secret_key: Secret::new(secret_key),
            platform: None,
            access_point: AccessPoint::default(),
            endpoint: None,
            auth: Authentication::default(),
            intent: String::new(),
            fields: BTreeMap::new(),
            title_limit: title_limit(),
            body_limit: body_limit(),
            batch: batch(),
            http: HttpConfig::default(),
        }
    }

    /// Checks every key but `http`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with all faults, each with its key and what to write there.
    pub(crate) fn check(&self) -> Result<Settings> {
        const COPY: &str = "copy it from the app's page in the TPNS console";
        let mut faults = Faults::new();
        // Without what editors and shells added around the values.
        let access_id = trimmed(&self.access_id);
        let is_id = (1..=20).contains(&access_id.len())
            && access_id.bytes().all(|byte| byte.is_ascii_digit());
        faults.check(
            is_id,
            "access_id",
            "is not a number of at most 20 digits",
            COPY,
        );
        let secret = trimmed(self.secret_key.expose());
        faults.check(
            !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic()),
            "secret_key",
            "is empty, or has a blank or a character that is not ASCII",
            COPY,
        );
        let system = self.platform.or_else(|| of_id(access_id));
        faults.check(
            system.is_some() || !is_id,
            "platform",
            "is needed: the Access ID begins neither with 15 (Android) nor with 16 (iOS)",
            "write \"android\" or \"ios\"",
        );
        let click = match trimmed(&self.intent) {
            "" => Some(None),
            url => faults.take("intent", click(url)).map(Some),
        };
        let fields: Map<String, Value> = self.fields.clone().into_iter().collect();
        faults.take("fields", OVERLAY.check(&fields));
        let address = self.endpoint.as_deref();
        let address = address.unwrap_or(self.access_point.address());
        let send = Endpoint::origin(address).and_then(|endpoint| endpoint.join("/v3/push/app"));
        let send = faults.take("endpoint", send);
        let whole = match (system, click, send) {
            (Some(system), Some(click), Some(send)) => Some((system, click, send)),
            _ => None,
        };
        let (system, click, send) = faults.finish(whole)?;
        Ok(Settings {
            access_id: access_id.to_owned(),
            secret_key: Secret::new(secret),
            auth: self.auth,
            look: Look {
                system,
                click,
                fields,
                text: match system {
                    System::Android => {
                        TextLimits::new(self.title_limit, self.body_limit, TextUnit::HalfWidth)
                    }
                    System::Ios => TextLimits::NONE,
                },
            },
            batch: self.batch,
            send,
        })
    }
}

/// The platform that an Access ID names.
fn of_id(access_id: &str) -> Option<System> {
    match access_id.get(..2)? {
        "15" => Some(System::Android),
        "16" => Some(System::Ios),
        _ => None,
    }
}

/// Checks the URL of a click, to which a query is added.
fn click(url: &str) -> Result<String> {
    let wrong = |what: &str| {
        Err(Error::new(ErrorKind::Config, what)
            .advise("write a URL of the app's own, as in \"imchat://com.example.im/chat\""))
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return wrong("is not a URL with a scheme");
    };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(is_scheme)
    {
        return wrong("has a scheme that is none");
    }
    if ["http", "https", "intent"]
        .iter()
        .any(|other| other.eq_ignore_ascii_case(scheme))
    {
        return wrong("has a scheme that is not the app's own");
    }
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("has no host, or a character that must be percent-encoded");
    }
    if rest.contains('#') {
        return wrong("has a fragment, behind which the query would be lost");
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
    if names.any(|name| CLICK_KEYS.contains(&name)) {
        return wrong("has a parameter that every push adds");
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_id_names_the_platform_unless_the_configuration_does() {
        let system = |id: &str, platform| {
            let mut config = TpnsConfig::new(id, "secret");
            config.platform = platform;
            let settings = config.check().map_err(|error| error.to_string())?;
            Ok::<_, String>(settings.look.system)
        };
        assert_eq!(system("1500000001", None), Ok(System::Android));
        assert_eq!(system("1600000001", None), Ok(System::Ios));
        assert_eq!(
            system("1600000001", Some(System::Android)),
            Ok(System::Android)
        );
        assert_eq!(system("2100000001", Some(System::Ios)), Ok(System::Ios));
        let error = system("2100000001", None).expect_err("it names no platform");
        assert!(error.contains("platform"), "{error}");
    }

    #[test]
    fn each_access_point_has_its_own_host() {
        let mut config = TpnsConfig::new("1500000001", "secret");
        for (word, host) in [
            ("guangzhou", "api.tpns.tencent.com"),
            ("shanghai", "api.tpns.sh.tencent.com"),
            ("Hong-Kong", "api.tpns.hk.tencent.com"),
            ("singapore", "api.tpns.sgp.tencent.com"),
        ] {
            config.access_point = AccessPoint::try_from(word.to_owned()).expect("a word");
            let send = config.check().expect("a credential").send;
            assert_eq!(send.to_string(), format!("https://{host}/v3/push/app"));
        }
    }

    #[test]
    fn a_url_that_is_not_the_apps_own_opens_nothing() {
        for url in [
            "imchat",
            "://im/chat",
            "https://im.example/chat",
            "intent://im/chat#Intent;scheme=push;end",
            "imchat://",
            "imchat://im/ch at",
            "imchat://im/chat#top",
            "imchat://im/chat?ext=1",
            "imchat://im/chat?a=1&receiver=x",
        ] {
            assert!(click(url).is_err(), "{url}");
        }
        for url in [
            "imchat://im/chat",
            "im-chat2://im",
            "imchat://im/chat?from=push",
        ] {
            assert_eq!(click(url).ok().as_deref(), Some(url));
        }
    }
}
