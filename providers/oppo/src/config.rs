//! The credential, and its checks.
use std::time::Duration;

use http::Uri;
use push_core::{BuildContext, Describe, Error, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{endpoint::Endpoint, input::trimmed};
use serde::Deserialize;

use crate::render::{Click, LEVELS, Look, Template};

/// The most messages in one `unicast_batch`, and the most ids of one `broadcast`.
const MOST_MESSAGES: usize = 1000;

/// The longest `click_action_activity`.
const MAX_ACTIVITY: usize = 500;

/// The longest `call_back_url`.
const MAX_RECEIPT_URL: usize = 200;

/// The shortest and the longest `min_ttl`.
const MIN_TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));

/// A credential of OPPO Push: what the console shows for one app, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Oppo)]
#[non_exhaustive]
pub struct OppoConfig {
    /// The AppKey: OPPO Push Platform (push.oppo.com) > Configuration Management > Application Configuration.
    #[describe(example = "0123456789abcdef0123456789abcdef")]
    pub app_key: String,
    /// The MasterSecret of the same page. The AppSecret beside it is the app's, and OPPO refuses it here.
    #[describe(example = "the-master-secret-of-the-app")]
    pub master_secret: Secret,
    /// The notification channel, as the app creates it and the console registers it. Phones from Android 8 on need one.
    ///
    /// Empty: OPPO's own channel. A channel that is not registered as private counts as public, with a daily limit.
    #[serde(default)]
    #[describe(example = "im", shown)]
    pub channel_id: String,
    /// The category of the messages, as in `IM`. Empty: none is sent.
    #[serde(default)]
    #[describe(example = "IM", shown)]
    pub category: String,
    /// How notifications alert: 1 in the list, 2 also on the lock screen, 16 also with banner, sound and vibration. 0 leaves it to
    /// OPPO (2).
    ///
    /// Needs a category, and 16 a right that is applied for in the console.
    #[serde(default)]
    #[describe(max = 16)]
    pub notify_level: u8,
    /// The id of the template of private messages, for categories that need one. Empty: none is sent.
    #[serde(default)]
    #[describe(example = "662f0c5e8d1a2b0001c3d4e5")]
    pub template: String,
    /// The parameter in the template's title that gets the title. Empty: the title has none.
    #[serde(default)]
    #[describe(example = "sender")]
    pub title_parameter: String,
    /// The parameter in the template's text that gets the text. Empty: the text has none.
    #[serde(default)]
    #[describe(example = "message")]
    pub content_parameter: String,
    /// The full class name of the activity that a click opens. Empty, with `action` empty too: the app's entry activity.
    #[serde(default)]
    #[describe(example = "com.example.im.ChatActivity", shown)]
    pub activity: String,
    /// The action of the intent filter of the activity that a click opens, instead of `activity`.
    #[serde(default)]
    #[describe(example = "com.example.im.OPEN_CHAT")]
    pub action: String,
    /// Whether notifications show up to 128 characters of text (style 2) instead of 50.
    #[serde(default)]
    pub long_text: bool,
    /// Whether the number on the icon is set.
    #[serde(default = "yes")]
    pub badge: bool,
    /// The shortest time that OPPO is asked to keep a notification for an absent phone.
    ///
    /// OPPO documents none; raise it to `"1h"` if it refuses a shorter one.
    #[serde(default = "min_ttl", with = "push_core::duration")]
    #[describe(min = MIN_TTL.0, max = MIN_TTL.1)]
    pub min_ttl: Duration,
    /// Whether OPPO is asked for receipts, where the gateway has an address for them.
    #[serde(default = "yes")]
    pub receipts: bool,
    /// How many phones one request addresses.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MOST_MESSAGES)]
    pub batch: usize,
    /// From how many phones on a notification is saved at OPPO once and then sent by its id. 0: never, each phone gets a message
    /// of its own.
    ///
    /// For announcements to many: the request is small, but a click names no delivery, and a repetition after a lost answer is not
    /// recognised.
    #[serde(default)]
    #[describe(max = MOST_MESSAGES)]
    pub saved_from: usize,
    /// The URL of the service for phones of mainland China, before `/server/v1`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// The URL of the service for phones of other regions. Empty: all phones are reached through `endpoint`.
    #[serde(default = "overseas_endpoint")]
    pub overseas_endpoint: String,
    /// The URL of the service that is asked whether the credential works.
    #[serde(default = "feedback_endpoint")]
    pub feedback_endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl OppoConfig {
    /// The key and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(app_key: impl Into<String>, master_secret: impl Into<String>) -> Self {
        Self {
            app_key: app_key.into(),
            master_secret: Secret::new(master_secret),
            channel_id: String::new(),
            category: String::new(),
            notify_level: 0,
            template: String::new(),
            title_parameter: String::new(),
            content_parameter: String::new(),
            activity: String::new(),
            action: String::new(),
            long_text: false,
            badge: yes(),
            min_ttl: min_ttl(),
            receipts: yes(),
            batch: batch(),
            saved_from: 0,
            endpoint: endpoint(),
            overseas_endpoint: overseas_endpoint(),
            feedback_endpoint: feedback_endpoint(),
            http: HttpConfig::default(),
        }
    }
}

const fn yes() -> bool {
    true
}

const fn min_ttl() -> Duration {
    MIN_TTL.0
}

const fn batch() -> usize {
    MOST_MESSAGES
}

fn endpoint() -> String {
    "https://api-push-cn.heytapmobi.com".into()
}

fn overseas_endpoint() -> String {
    "https://api-intl.push.oppomobile.com".into()
}

fn feedback_endpoint() -> String {
    "https://feedback.push.oppomobile.com".into()
}

/// The addresses of one of OPPO's services.
#[derive(Clone)]
pub(crate) struct Urls {
    pub(crate) auth: Uri,
    pub(crate) unicast: Uri,
    pub(crate) unicast_batch: Uri,
    pub(crate) save: Uri,
    pub(crate) broadcast: Uri,
}

/// What remains of a configuration after the checks, without `http`.
pub(crate) struct Settings {
    pub(crate) app_key: String,
    pub(crate) master_secret: Secret,
    pub(crate) look: Look,
    pub(crate) batch: usize,
    pub(crate) saved_from: usize,
    pub(crate) home: Urls,
    pub(crate) overseas: Option<Urls>,
    /// The permit to push, which shows whether the credential works.
    pub(crate) permit: Uri,
}

impl OppoConfig {
    /// Checks every key but `http`.
    ///
    /// # Errors
    /// [`Config`](push_core::ErrorKind::Config) with all faults, each with its key and what to write there.
    pub(crate) fn check(&self, context: &BuildContext) -> Result<Settings> {
        self.trimmed().checked(context)
    }

    /// Without what editors and shells added around the values.
    fn trimmed(&self) -> Self {
        let mut config = self.clone();
        for text in [
            &mut config.app_key,
            &mut config.channel_id,
            &mut config.category,
            &mut config.template,
            &mut config.title_parameter,
            &mut config.content_parameter,
            &mut config.activity,
            &mut config.action,
            &mut config.overseas_endpoint,
        ] {
            *text = trimmed(text).to_owned();
        }
        config.master_secret = Secret::new(trimmed(config.master_secret.expose()));
        config
    }

    fn checked(&self, context: &BuildContext) -> Result<Settings> {
        const COPY: &str = "copy it from the application configuration of the app at push.oppo.com";
        const NO_WORD: &str = "has a blank or a control character, or more than 128 bytes";
        let mut faults = Faults::new();
        let is_id = |text: &str| {
            (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let what =
            "is empty, has more than 128 characters, or has a blank or one that is not ASCII";
        faults.check(is_id(&self.app_key), "app_key", what, COPY);
        faults.check(
            is_id(self.master_secret.expose()),
            "master_secret",
            what,
            COPY,
        );
        let is_word = |text: &str| {
            let is_odd = |letter: char| letter.is_whitespace() || letter.is_control();
            text.len() <= 128 && !text.contains(is_odd)
        };
        for (key, word) in [
            ("channel_id", &self.channel_id),
            ("category", &self.category),
            ("template", &self.template),
            ("title_parameter", &self.title_parameter),
            ("content_parameter", &self.content_parameter),
        ] {
            faults.check(is_word(word), key, NO_WORD, "copy it from the console");
        }
        let level = Some(self.notify_level).filter(|level| *level != 0);
        faults.check(
            level.is_none_or(|level| LEVELS.contains(&level)),
            "notify_level",
            "is not a level of OPPO",
            "write 1, 2 or 16, or 0 to leave it to OPPO",
        );
        faults.check(
            level.is_none() || !self.category.is_empty(),
            "notify_level",
            "needs a category",
            "set `category`, or leave `notify_level` out",
        );
        for (key, name) in [
            ("title_parameter", &self.title_parameter),
            ("content_parameter", &self.content_parameter),
        ] {
            faults.check(
                name.is_empty() || !self.template.is_empty(),
                key,
                "is a parameter of no template",
                "set `template`, or leave it out",
            );
        }
        for (key, name) in [("activity", &self.activity), ("action", &self.action)] {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._$".contains(&byte);
            let is_name = name.contains('.') && name.len() <= MAX_ACTIVITY;
            faults.check(
                name.is_empty() || is_name && name.bytes().all(is_plain),
                key,
                "is not a full name",
                "write it with the package, as in \"com.example.im.ChatActivity\"",
            );
        }
        faults.check(
            self.activity.is_empty() || self.action.is_empty(),
            "action",
            "stands beside `activity`, and a click opens one of them",
            "leave one of them out",
        );
        let receipts = context.receipts.as_ref().filter(|_| self.receipts);
        let receipts = receipts.map(ToString::to_string);
        faults.check(
            receipts.as_ref().is_none_or(|url| url.len() <= MAX_RECEIPT_URL),
            "receipts",
            "cannot be asked for, because the gateway's address for them has more than 200 characters",
            "shorten the gateway's `public_url`, or write `receipts = false`",
        );
        let home = faults.take("endpoint", urls(&self.endpoint));
        let overseas = match self.overseas_endpoint.as_str() {
            "" => Some(None),
            url => faults.take("overseas_endpoint", urls(url)).map(Some),
        };
        let permit = Endpoint::new(&self.feedback_endpoint)
            .and_then(|base| base.join("/server/v1/feedback/fetch_push_permit"));
        let permit = faults.take("feedback_endpoint", permit);
        let found = home.zip(overseas).zip(permit);
        let ((home, overseas), permit) = faults.finish(found)?;
        let set = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Ok(Settings {
            app_key: self.app_key.clone(),
            master_secret: self.master_secret.clone(),
            look: Look {
                channel_id: self.channel_id.clone(),
                category: self.category.clone(),
                notify_level: level,
                template: set(&self.template).map(|id| Template {
                    id,
                    title: set(&self.title_parameter),
                    content: set(&self.content_parameter),
                }),
                click: match (set(&self.activity), set(&self.action)) {
                    (Some(class), _) => Click::Activity(class),
                    (None, Some(action)) => Click::Action(action),
                    (None, None) => Click::App,
                },
                long_text: self.long_text,
                badge: self.badge,
                min_ttl: self.min_ttl,
                receipts,
            },
            batch: self.batch,
            saved_from: self.saved_from,
            home,
            overseas,
            permit,
        })
    }
}

fn urls(base: &str) -> Result<Urls, Error> {
    let base = Endpoint::new(base)?;
    let message = |name: &str| base.join(&format!("/server/v1/message/notification/{name}"));
    Ok(Urls {
        auth: base.join("/server/v1/auth")?,
        unicast: message("unicast")?,
        unicast_batch: message("unicast_batch")?,
        save: message("save_message_content")?,
        broadcast: message("broadcast")?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use push_core::ErrorKind;
    use push_testkit::sample;

    use super::*;

    #[test]
    fn a_receipt_address_that_oppo_does_not_take_is_a_fault_with_a_way_out() {
        let url = format!("https://gateway.example/{}", "x".repeat(177));
        let context = BuildContext::new(Arc::new(sample::clock()))
            .with_receipts(Some(url.parse().expect("a URL")));
        let mut config = OppoConfig::new("key", "secret");
        let Err(error) = config.check(&context) else {
            panic!("an address of {} characters is accepted", url.len());
        };
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("receipts = false"), "{error}");
        config.receipts = false;
        let asked = config
            .check(&context)
            .map(|settings| settings.look.receipts);
        assert_eq!(asked.expect("no receipts are asked for"), None);
    }

    #[test]
    fn a_level_without_a_category_and_two_ways_to_click_are_faults() {
        let context = BuildContext::new(Arc::new(sample::clock()));
        let fault = |change: fn(&mut OppoConfig)| {
            let mut config = OppoConfig::new("key", "secret");
            change(&mut config);
            config.check(&context).err().map(|error| error.to_string())
        };
        assert_eq!(fault(|_| {}), None);
        let level = fault(|config| config.notify_level = 2).expect("a fault");
        assert!(level.contains("notify_level: needs a category"), "{level}");
        let level = fault(|config| config.notify_level = 3).expect("a fault");
        assert!(level.contains("1, 2 or 16"), "{level}");
        let click = fault(|config| {
            config.activity = "a.B".to_owned();
            config.action = "a.C".to_owned();
        });
        assert!(click.expect("a fault").contains("action: stands beside"));
        let template = fault(|config| config.title_parameter = "sender".to_owned());
        assert!(template.expect("a fault").contains("of no template"));
    }
}
