//! The credential, and its checks.
use std::collections::BTreeMap;

use http::Uri;
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{
    click,
    endpoint::Endpoint,
    input::{one_of, trimmed},
    intent::IntentUri,
};
use serde::Deserialize;

use crate::render::{Click, Look, MAX_SKIP_CONTENT, class_of};

/// The most targets of one list push.
const MOST_TARGETS: usize = 1000;

/// A credential of vivo Push: what the console shows for one app, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Vivo)]
#[non_exhaustive]
pub struct VivoConfig {
    /// The App ID, digits: dev.vivo.com.cn > Push > the app > App information.
    #[describe(example = "10004")]
    pub app_id: String,
    /// The App Key of the same page.
    #[describe(example = "25509283-3767-4b9e-83fe-b6e55ac6b123")]
    pub app_key: String,
    /// The App Secret of the same page. It signs the request for an access token and is not sent.
    #[describe(example = "the-app-secret-of-the-app")]
    pub app_secret: Secret,
    /// The activity that a click opens, as an intent URI.
    ///
    /// Empty: a click opens the app, and `ext` is an extra of its launch intent.
    #[serde(default)]
    #[describe(
        example = "intent://im/chat#Intent;component=com.example.im/.ChatActivity;end",
        shown
    )]
    pub intent: String,
    /// Where `ext`, the delivery and the receiver travel.
    #[serde(default)]
    pub click_data: ClickData,
    /// The category of messages that name none, in capitals.
    ///
    /// IM, ACCOUNT, TODO, DEVICE_REMINDER, ORDER and SUBSCRIPTION are system messages; NEWS, CONTENT, MARKETING and SOCIAL are
    /// operation messages. Empty: none is sent, and `classification` alone decides.
    #[serde(default = "category")]
    #[describe(max_len = 32)]
    pub category: String,
    /// 0 for operation messages, 1 for system messages. Default: that of the category.
    #[serde(default)]
    #[describe(max = 1)]
    pub classification: Option<u8>,
    /// What a notification with a sound does: 1 nothing, 2 ring, 3 vibrate, 4 both.
    #[serde(default = "notify_type")]
    #[describe(min = 1, max = 4)]
    pub notify_type: u8,
    /// Whether a notification that counts up adds one to the number on the icon.
    #[serde(default = "yes")]
    pub count_badge: bool,
    /// 1 sends test messages, which reach the devices that are registered in the console only.
    #[serde(default)]
    #[describe(max = 1)]
    pub push_mode: u8,
    /// How many phones one request addresses. With 1 every click names its delivery, and no quota of list pushes is used.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MOST_TARGETS)]
    pub batch: usize,
    /// The id that the console shows for the credential's receipt address. Empty: receipts of the older kind, of single pushes.
    #[serde(default)]
    #[describe(example = "1024", shown, max_len = 64)]
    pub receipt_id: String,
    /// What types of receipts (`ackType`) mean that this version does not know.
    #[serde(default)]
    #[describe(example = serde_json::json!({ "3": "muted" }))]
    pub receipt_types: BTreeMap<String, ReceiptMeaning>,
    /// The URL of the service, without the paths `/message/…`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl VivoConfig {
    /// The ids and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(
        app_id: impl Into<String>,
        app_key: impl Into<String>,
        app_secret: impl Into<String>,
    ) -> Self {
        Self {
            app_id: app_id.into(),
            app_key: app_key.into(),
            app_secret: Secret::new(app_secret),
            intent: String::new(),
            click_data: ClickData::default(),
            category: category(),
            classification: None,
            notify_type: notify_type(),
            count_badge: yes(),
            push_mode: 0,
            batch: batch(),
            receipt_id: String::new(),
            receipt_types: BTreeMap::new(),
            endpoint: endpoint(),
            http: HttpConfig::default(),
        }
    }
}

/// Where the click data travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum ClickData {
    /// In `clientCustomMap`, whose pairs become extras of the activity's intent.
    #[default]
    Map,
    /// As extras of `intent`. Percent-encoding leaves a third of the room for `ext`.
    Intent,
}

impl TryFrom<String> for ClickData {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(&text, &[("map", Self::Map), ("intent", Self::Intent)])
    }
}

/// What a type of receipt reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "kebab-case")]
pub enum ReceiptMeaning {
    /// The phone has it.
    Delivered,
    /// The phone showed it.
    Shown,
    /// A person clicked on it.
    Clicked,
    /// Notifications of the app are switched off.
    Muted,
    /// A limit of the phone for a day was reached.
    Limited,
    /// The app is gone: the token is dead.
    Uninstalled,
}

/// The words for what a receipt reports.
const MEANINGS: [(&str, ReceiptMeaning); 6] = [
    ("delivered", ReceiptMeaning::Delivered),
    ("shown", ReceiptMeaning::Shown),
    ("clicked", ReceiptMeaning::Clicked),
    ("muted", ReceiptMeaning::Muted),
    ("limited", ReceiptMeaning::Limited),
    ("uninstalled", ReceiptMeaning::Uninstalled),
];

impl TryFrom<String> for ReceiptMeaning {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(&text, &MEANINGS)
    }
}

fn category() -> String {
    "IM".into()
}

const fn notify_type() -> u8 {
    4
}

const fn yes() -> bool {
    true
}

const fn batch() -> usize {
    MOST_TARGETS
}

fn endpoint() -> String {
    "https://api-push.vivo.com.cn".into()
}

/// What remains of a configuration after the checks, without `http`.
pub(crate) struct Settings {
    pub(crate) app_key: String,
    pub(crate) app_secret: Secret,
    pub(crate) look: Look,
    pub(crate) batch: usize,
    pub(crate) receipt_id: Option<String>,
    pub(crate) receipt_types: BTreeMap<String, ReceiptMeaning>,
    pub(crate) urls: Urls,
}

/// Where each request goes.
pub(crate) struct Urls {
    pub(crate) auth: Uri,
    /// To one target.
    pub(crate) single: Uri,
    /// Saves a message for a list of targets.
    pub(crate) save: Uri,
    /// Sends a saved message.
    pub(crate) list: Uri,
}

impl Urls {
    fn below(endpoint: &str) -> Result<Self> {
        let base = Endpoint::new(endpoint)?;
        Ok(Self {
            auth: base.join("/message/auth")?,
            single: base.join("/message/send")?,
            save: base.join("/message/saveListPayload")?,
            list: base.join("/message/pushToList")?,
        })
    }
}

impl VivoConfig {
    /// Checks every key but `http`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with all faults, each with its key and what to write there.
    pub(crate) fn check(&self) -> Result<Settings> {
        const COPY: &str = "copy it from the app's page in the Push console of dev.vivo.com.cn";
        let mut faults = Faults::new();
        let app_id = trimmed(&self.app_id).parse().ok().filter(|id| *id > 0);
        faults.check(app_id.is_some(), "app_id", "is not a number", COPY);
        let (key, secret) = (trimmed(&self.app_key), trimmed(self.app_secret.expose()));
        for (name, text) in [("app_key", key), ("app_secret", secret)] {
            let what = "is empty, or has a blank or a character that is not ASCII";
            faults.check(is_plain(text) && !text.is_empty(), name, what, COPY);
        }
        let category = trimmed(&self.category).to_ascii_uppercase();
        let is_word = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        faults.check(
            category.bytes().all(is_word),
            "category",
            "is not a word of letters and `_`",
            "write one of vivo's categories, as in \"IM\"",
        );
        self.check_classification(&category, &mut faults);
        let click = match trimmed(&self.intent) {
            "" if self.click_data == ClickData::Intent => {
                let what = "puts the click data into `intent`, which is empty";
                faults.add("click_data", what, "write \"map\", or set `intent`");
                None
            }
            "" => Some(Click::App),
            uri => faults
                .take("intent", activity(uri))
                .map(|intent| match self.click_data {
                    ClickData::Map => Click::Activity(intent),
                    ClickData::Intent => Click::ActivityWithExtras(intent),
                }),
        };
        let receipt_id = trimmed(&self.receipt_id);
        faults.check(
            is_plain(receipt_id),
            "receipt_id",
            "has a blank or a character that is not ASCII",
            "copy the id of the receipt address from the Push console of dev.vivo.com.cn",
        );
        let types = || self.receipt_types.iter();
        faults.check(
            types().all(|(name, _)| is_plain(trimmed(name)) && !trimmed(name).is_empty()),
            "receipt_types",
            "has a type that is empty, or has a blank",
            "write an `ackType` and its meaning, as in `3 = \"muted\"`",
        );
        let urls = faults.take("endpoint", Urls::below(&self.endpoint));
        let (app_id, click, urls) = faults.finish(
            app_id
                .zip(click)
                .zip(urls)
                .map(|((app_id, click), urls)| (app_id, click, urls)),
        )?;
        Ok(Settings {
            app_key: key.to_owned(),
            app_secret: Secret::new(secret),
            look: Look {
                app_id,
                click,
                classification: self.classification.or_else(|| class_of(&category)),
                category,
                notify_type: self.notify_type,
                count_badge: self.count_badge,
                push_mode: self.push_mode,
            },
            batch: self.batch,
            receipt_id: (!receipt_id.is_empty()).then(|| receipt_id.to_owned()),
            receipt_types: types()
                .map(|(name, meaning)| (trimmed(name).to_owned(), *meaning))
                .collect(),
            urls,
        })
    }

    /// A message of the wrong class is refused (10097); one without category and class is taken for marketing.
    fn check_classification(&self, category: &str, faults: &mut Faults) {
        let (what, advice) = match (self.classification, class_of(category)) {
            (None, _) if category.is_empty() => (
                "is missing, and `category` is empty: vivo takes such messages for operation messages",
                "write 1 for system messages, which need the right to send them, or 0",
            ),
            (Some(class), Some(right)) if class != right => (
                "is not the class of `category`",
                "leave it out: the class follows from the category",
            ),
            _ => return,
        };
        faults.add("classification", what, advice);
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads the intent of a click.
fn activity(uri: &str) -> Result<IntentUri> {
    let wrong = |what: &str, advice: &str| Err(Error::new(ErrorKind::Config, what).advise(advice));
    let intent = IntentUri::parse(uri)?;
    let is_named = ["component", "scheme", "action"].map(|part| intent.get(part).is_some());
    if is_named == [false; 3] {
        return wrong(
            "names no activity",
            "add `component=com.example.im/.ChatActivity;`, or the scheme of its intent filter",
        );
    }
    if uri.len() > MAX_SKIP_CONTENT {
        return wrong("is longer than 1024 characters", "shorten it");
    }
    if click::KEYS.iter().any(|key| intent.extra(key).is_some()) {
        return wrong(
            "has an extra `ext`, `delivery` or `receiver`",
            "leave it out: every push adds its own",
        );
    }
    Ok(intent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl FnOnce(&mut VivoConfig)) -> std::result::Result<Settings, String> {
        let mut config = VivoConfig::new("10004", "key", "secret");
        change(&mut config);
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_class_follows_from_the_category_and_may_not_contradict_it() {
        let class = |category: &str, class| {
            let settings = checked(|config| {
                config.category = category.to_owned();
                config.classification = class;
            });
            settings.map(|settings| (settings.look.category, settings.look.classification))
        };
        for (category, given, wanted) in [
            ("IM", None, Some(1)),
            (" im\n", None, Some(1)),
            ("DEVICE_REMINDER", Some(1), Some(1)),
            ("MARKETING", None, Some(0)),
            ("", Some(0), Some(0)),
            ("NEW_CATEGORY", None, None),
            ("NEW_CATEGORY", Some(1), Some(1)),
        ] {
            let found = class(category, given).expect(category);
            assert_eq!(
                found,
                (category.trim().to_uppercase(), wanted),
                "{category}"
            );
        }
        for (category, given) in [("IM", Some(0)), ("NEWS", Some(1)), ("", None)] {
            let error = class(category, given).expect_err(category);
            assert!(error.contains("classification"), "{category}: {error}");
        }
    }

    #[test]
    fn an_intent_that_opens_nothing_or_holds_click_data_is_refused() {
        let long = format!("intent://{}#Intent;scheme=push;end", "x".repeat(1024));
        for intent in [
            "im/chat",
            "intent://im/chat#Intent;end",
            "intent://im/chat#Intent;component=a/.B;S.ext=1;end",
            "intent://im/chat#Intent;component=a/.B;S.receiver=1;end",
            &long,
        ] {
            let error = checked(|config| config.intent = intent.to_owned());
            let error = error.err().expect(intent);
            assert!(
                error.contains("`intent`") || error.contains("intent"),
                "{error}"
            );
        }
        let error = checked(|config| config.click_data = ClickData::Intent);
        assert!(error.err().expect("refused").contains("click_data"));
    }
}
