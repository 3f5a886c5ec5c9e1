//! The credential, and its checks.
use std::{collections::BTreeMap, time::Duration};

use http::{HeaderValue, Uri};
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{
    endpoint::Endpoint,
    input::{one_of, trimmed},
    intent::IntentUri,
};
use serde::Deserialize;

use crate::render::{CLICK_KEYS, Click, Look, Template};

/// The most registration ids in one request.
const MOST_TARGETS: usize = 1000;

/// How long a message of a private channel is kept, in days (document 1854, since 2024-09-03).
const LONGEST_TTL: u32 = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The receipts that Xiaomi documents, as the sum of their bits: delivered, clicked, target invalid, push switched off, filtered
/// out, quota used up, time to live ended. A sum with any other bit makes Xiaomi send no receipts at all.
const RECEIPTS: u32 = 1 + 2 + 16 + 32 + 64 + 128 + 1024;

/// A credential of Xiaomi Push: what the console shows for one app, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Xiaomi)]
#[non_exhaustive]
pub struct XiaomiConfig {
    /// The App Secret: dev.mi.com > push console > the app. The App Key, which the app holds, is not used.
    #[describe(example = "the-app-secret-of-the-app")]
    pub app_secret: Secret,
    /// The app's package name; several, with commas between them, for an app with several packages.
    #[describe(example = "com.example.im")]
    pub package: String,
    /// The id of the channel (notification class) that the console approved. Empty: Xiaomi's default channel, which shows a
    /// phone one message a day.
    #[serde(default)]
    #[describe(example = "104086", shown)]
    pub channel_id: String,
    /// The id of the message template that a private channel requires. Empty: none is sent.
    #[serde(default)]
    #[describe(example = "T10001")]
    pub template_id: String,
    /// The variables of the template and their values, in which `{title}` and `{body}` are replaced by those of the
    /// notification. At most nine.
    #[serde(default)]
    #[describe(example = serde_json::json!({ "sender": "{title}", "text": "{body}" }))]
    pub template_param: BTreeMap<String, String>,
    /// What a click does.
    #[serde(default)]
    pub click: Click,
    /// The activity that a click opens with `click = "activity"`, as an intent URI; `S.ext=…` is added to it.
    #[serde(default)]
    #[describe(
        example = "intent://im/chat#Intent;scheme=push;component=com.example.im/.ChatActivity;end"
    )]
    pub intent: String,
    /// Sound (1), vibration (2) and light (4), as a sum; -1 for all.
    #[serde(default = "all_effects")]
    #[describe(min = -1, max = 7)]
    pub notify_type: i64,
    /// Whether a notification is also shown while the app is in the foreground.
    #[serde(default = "yes")]
    pub notify_foreground: bool,
    /// Whether the number on the icon is sent, as `extra.badge`.
    ///
    /// Not documented; one other server sends it. With `true`, only notifications with the same number travel together.
    #[serde(default)]
    pub badge: bool,
    /// Which receipts Xiaomi posts, as a sum: 1 delivered, 2 clicked, 16 target invalid, 32 push switched off, 64 filtered out,
    /// 128 quota used up, 1024 time to live ended. 0: none.
    #[serde(default = "receipt_types")]
    pub receipt_types: u32,
    /// How many phones one request addresses. With 1 every click names its delivery.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MOST_TARGETS)]
    pub batch: usize,
    /// Whether one request may carry a different message for each phone.
    ///
    /// How Xiaomi names invalid targets in its answer to such a request is not documented.
    #[serde(default)]
    pub multi_messages: bool,
    /// The version of the path `/v3/message/regid`.
    #[serde(default)]
    pub api_version: ApiVersion,
    /// The longest time to live, in days. Xiaomi keeps messages of public channels for one day at most, of private ones for ten.
    #[serde(default = "ttl_days")]
    #[describe(min = 1, max = LONGEST_TTL)]
    pub ttl_days: u32,
    /// The longest value of an extra, in characters. A longer `ext` is in `payload` alone.
    #[serde(default = "max_extra")]
    #[describe(min = 64, max = 4096)]
    pub max_extra: usize,
    /// Where the app's users are: chooses the host. A registration id of another region is invalid.
    #[serde(default)]
    pub region: Region,
    /// The URL before `/v3/message/regid`. Empty: that of the region.
    #[serde(default)]
    #[describe(example = "https://api.xmpush.xiaomi.com")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

/// The version of the path to registration ids; form and answer are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "lowercase")]
pub enum ApiVersion {
    /// One package.
    V2,
    /// One package or several.
    #[default]
    V3,
    /// What Xiaomi's newer library calls.
    V4,
}

impl TryFrom<String> for ApiVersion {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(
            &text,
            &[("v2", Self::V2), ("v3", Self::V3), ("v4", Self::V4)],
        )
    }
}

/// One of Xiaomi's services, which share no registration ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "lowercase")]
pub enum Region {
    /// The mainland of China.
    #[default]
    China,
    /// Everywhere that no other region is for.
    Global,
    /// The European Economic Area and the United Kingdom.
    Europe,
    /// India.
    India,
    /// Russia.
    Russia,
}

impl Region {
    const fn host(self) -> &'static str {
        match self {
            Self::China => "https://api.xmpush.xiaomi.com",
            Self::Global => "https://sgp-api.xmpush.global.xiaomi.com",
            Self::Europe => "https://fr-api.xmpush.global.xiaomi.com",
            Self::India => "https://idmb-api.xmpush.global.xiaomi.com",
            Self::Russia => "https://ru-api.xmpush.global.xiaomi.com",
        }
    }
}

impl TryFrom<String> for Region {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(
            &text,
            &[
                ("china", Self::China),
                ("global", Self::Global),
                ("europe", Self::Europe),
                ("india", Self::India),
                ("russia", Self::Russia),
            ],
        )
    }
}

const fn all_effects() -> i64 {
    -1
}

const fn yes() -> bool {
    true
}

const fn receipt_types() -> u32 {
    RECEIPTS
}

const fn batch() -> usize {
    MOST_TARGETS
}

const fn ttl_days() -> u32 {
    LONGEST_TTL
}

const fn max_extra() -> usize {
    1024
}

/// What remains of a configuration after the checks, without `http`.
pub(crate) struct Settings {
    /// The header `authorization`: `key=` and the App Secret.
    pub(crate) authorization: HeaderValue,
    pub(crate) app_secret: Secret,
    pub(crate) look: Look,
    pub(crate) batch: usize,
    pub(crate) multi_messages: bool,
    /// Takes one message for many registration ids.
    pub(crate) one: Uri,
    /// Takes a message for each registration id.
    pub(crate) multi: Uri,
}

impl XiaomiConfig {
    /// The App Secret that the console shows and the app's package name, and defaults for the rest.
    pub fn new(app_secret: impl Into<String>, package: impl Into<String>) -> Self {
        Self {
            app_secret: Secret::new(app_secret),
            package: package.into(),
            channel_id: String::new(),
            template_id: String::new(),
            template_param: BTreeMap::new(),
            click: Click::default(),
            intent: String::new(),
            notify_type: all_effects(),
            notify_foreground: yes(),
            badge: false,
            receipt_types: receipt_types(),
            batch: batch(),
            multi_messages: false,
            api_version: ApiVersion::default(),
            ttl_days: ttl_days(),
            max_extra: max_extra(),
            region: Region::default(),
            endpoint: String::new(),
            http: HttpConfig::default(),
        }
    }

    /// Checks every key but `http`. `callback` is the address to which receipts are posted.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with all faults, each with its key and what to write there.
    pub(crate) fn check(&self, callback: Option<&Uri>) -> Result<Settings> {
        self.trimmed().checked(callback)
    }

    /// Without what editors and shells added around the values.
    fn trimmed(&self) -> Self {
        let mut config = self.clone();
        for text in [
            &mut config.package,
            &mut config.channel_id,
            &mut config.template_id,
            &mut config.intent,
            &mut config.endpoint,
        ] {
            *text = trimmed(text).to_owned();
        }
        config.app_secret = Secret::new(trimmed(config.app_secret.expose()));
        config
    }

    fn checked(&self, callback: Option<&Uri>) -> Result<Settings> {
        let mut faults = Faults::new();
        let packages: Vec<&str> = self.package.split(',').map(trimmed).collect();
        let is_package = |name: &&str| name.contains('.') && is_made_of(name, b"._");
        faults.check(
            packages.iter().all(is_package),
            "package",
            "is not the name of a package",
            "write the app's package name, as in \"com.example.im\"",
        );
        faults.check(
            packages.len() == 1 || self.api_version != ApiVersion::V2,
            "api_version",
            "takes one package, and `package` names several",
            "write \"v3\"",
        );
        // It is a path of version 2.
        faults.check(
            packages.len() == 1 || !self.multi_messages,
            "multi_messages",
            "takes one package, and `package` names several",
            "write false, or make a credential for each package",
        );
        for (key, id) in [
            ("channel_id", &self.channel_id),
            ("template_id", &self.template_id),
        ] {
            faults.check(
                id.len() <= 128 && is_made_of(id, b"-_."),
                key,
                "is not an id of at most 128 letters, digits, `-`, `_` or `.`",
                "copy it from the app's page in the push console of dev.mi.com",
            );
        }
        faults.check(
            self.receipt_types & !RECEIPTS == 0,
            "receipt_types",
            "has a bit that no receipt has, so that Xiaomi would send no receipts",
            format!("write a sum of 1, 2, 16, 32, 64, 128 and 1024; {RECEIPTS} for all"),
        );
        let has_template = !self.template_id.is_empty();
        let params = &self.template_param;
        faults.check(
            has_template || params.is_empty(),
            "template_param",
            "has values, but there is no `template_id`",
            "write the id of the template, too",
        );
        let template = faults.take("template_param", Template::new(params));
        let authorization = faults.take("app_secret", authorization(&self.app_secret));
        let is_activity = self.click == Click::Activity;
        let intent = match self.intent.as_str() {
            "" if is_activity => {
                let what = "is empty, and `click` is \"activity\"";
                faults.add("intent", what, "write the intent URI of the activity");
                None
            }
            "" => Some(None),
            uri => faults.take("intent", intent(uri)).map(Some),
        };
        let base = match self.endpoint.as_str() {
            "" => self.region.host(),
            own => own,
        };
        let endpoint = faults.take("endpoint", Endpoint::new(base));
        let parts = template.zip(authorization).zip(intent.zip(endpoint));
        let ((template, authorization), (intent, endpoint)) = faults.finish(parts)?;
        let version = match self.api_version {
            ApiVersion::V2 => "v2",
            ApiVersion::V3 => "v3",
            ApiVersion::V4 => "v4",
        };
        let callback = callback.filter(|_| self.receipt_types != 0);
        Ok(Settings {
            authorization,
            app_secret: self.app_secret.clone(),
            look: Look {
                packages: packages.join(","),
                channel_id: self.channel_id.clone(),
                template: has_template.then(|| (self.template_id.clone(), template)),
                click: self.click,
                intent: intent.filter(|_| is_activity),
                notify_type: self.notify_type,
                notify_foreground: self.notify_foreground,
                sends_badge: self.badge,
                callback: callback.map(|url| (url.to_string(), self.receipt_types)),
                max_ttl: DAY * self.ttl_days,
                max_extra: self.max_extra,
            },
            batch: self.batch,
            multi_messages: self.multi_messages,
            one: endpoint.join(&format!("/{version}/message/regid"))?,
            multi: endpoint.join("/v2/multi_messages/regids")?,
        })
    }
}

fn is_made_of(text: &str, marks: &[u8]) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

fn authorization(secret: &Secret) -> Result<HeaderValue> {
    let secret = secret.expose();
    let is_plain = !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
    let header = HeaderValue::try_from(format!("key={secret}")).ok();
    let Some(mut header) = header.filter(|_| is_plain) else {
        let what = "is empty, or has a blank or a character that is not ASCII";
        return Err(Error::new(ErrorKind::Config, what)
            .advise("copy the App Secret from the app's page in the push console of dev.mi.com"));
    };
    header.set_sensitive(true);
    Ok(header)
}

fn intent(uri: &str) -> Result<IntentUri> {
    let intent = IntentUri::parse(uri)?;
    match CLICK_KEYS.iter().find(|key| intent.extra(key).is_some()) {
        Some(key) => Err(
            Error::new(ErrorKind::Config, format!("has an extra `{key}`"))
                .advise("leave it out: every push adds its own"),
        ),
        None => Ok(intent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_packages_are_refused_where_a_path_takes_one() {
        let mut config = XiaomiConfig::new("secret", "com.example.im, com.example.im.pad");
        assert!(config.check(None).is_ok());
        config.multi_messages = true;
        config.api_version = ApiVersion::V2;
        let error = config.check(None).err().expect("it is refused").to_string();
        assert!(
            error.contains("multi_messages") && error.contains("api_version"),
            "{error}"
        );
    }

    #[test]
    fn each_region_has_its_host_and_an_endpoint_goes_before_it() {
        let mut config = XiaomiConfig::new("secret", "com.example.im");
        for (region, host) in [
            (Region::China, "api.xmpush.xiaomi.com"),
            (Region::Global, "sgp-api.xmpush.global.xiaomi.com"),
            (Region::Europe, "fr-api.xmpush.global.xiaomi.com"),
            (Region::India, "idmb-api.xmpush.global.xiaomi.com"),
            (Region::Russia, "ru-api.xmpush.global.xiaomi.com"),
        ] {
            config.region = region;
            let settings = config.check(None).expect("it is complete");
            assert_eq!(
                settings.one.to_string(),
                format!("https://{host}/v3/message/regid")
            );
            let multi = format!("https://{host}/v2/multi_messages/regids");
            assert_eq!(settings.multi.to_string(), multi);
        }
        config.endpoint = "https://relay.example.com/mi/".to_owned();
        let settings = config.check(None).expect("it is complete");
        assert_eq!(
            settings.one.to_string(),
            "https://relay.example.com/mi/v3/message/regid"
        );
    }

    #[test]
    fn a_template_needs_its_id_and_an_activity_its_intent() {
        let mut config = XiaomiConfig::new("secret", "com.example.im");
        config.template_param = BTreeMap::from([("a".to_owned(), "{title}".to_owned())]);
        config.click = Click::Activity;
        let error = config.check(None).err().expect("it is refused").to_string();
        assert!(
            error.contains("template_param") && error.contains("intent"),
            "{error}"
        );
        config.template_id = "T1".to_owned();
        config.intent = "intent://im#Intent;scheme=push;S.ext=1;end".to_owned();
        let error = config.check(None).err().expect("it is refused").to_string();
        assert!(
            error.contains("intent") && !error.contains("template_param"),
            "{error}"
        );
    }
}
