//! The credential, and its checks.
use http::Uri;
use push_core::{Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{
    endpoint::Endpoint,
    input::{one_of, trimmed},
};
use serde::Deserialize;

use crate::{
    auth::Signer,
    render::{Look, MAX_PAYLOAD, MAX_TOKENS, NoticeType},
};

/// The longest address of receipts, in bytes.
const LONGEST_CALLBACK: usize = 128;

/// The longest name of an activity, in bytes.
const LONGEST_ACTIVITY: usize = 1000;

/// The most names of packages, by Meizu's SDK.
const MOST_PACKAGES: usize = 50;

/// A credential of Meizu (Flyme) Push: what the console shows for one app, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Meizu)]
#[non_exhaustive]
pub struct MeizuConfig {
    /// The App ID, digits: open.flyme.cn > Flyme Push > the app > Configuration.
    #[describe(example = "110000")]
    pub app_id: String,
    /// The App Secret of the same page, which signs requests. The App Key that the console shows too is for the app on the phone.
    #[describe(example = "the-app-secret-of-the-same-page")]
    pub app_secret: Secret,
    /// The activity that a click opens, with its package; its intent has the text extra `ext`.
    ///
    /// Empty: a click opens the app, and `ext` is an extra of its launch intent.
    #[serde(default)]
    #[describe(example = "com.example.im.ChatActivity", shown)]
    pub activity: String,
    /// Whether notifications count as private messages, for chats, or as public ones, of which a user gets a limited number a day.
    #[serde(default)]
    pub notice_type: NoticeType,
    /// Whether Meizu made the app a VIP app, which may send subtitles and pictures.
    #[serde(default)]
    pub vip: bool,
    /// The packages of the app to send to, if the App ID has several. Empty for all.
    #[serde(default)]
    #[describe(max_len = MOST_PACKAGES, example = serde_json::json!(["com.example.im"]))]
    pub packages: Vec<String>,
    /// How many phones one request addresses. With 1 every click names its delivery.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MAX_TOKENS)]
    pub batch: usize,
    /// From how many phones on a message is saved at Meizu first and sent by its task id, which shows it in the console's statistics of
    /// tasks. 0: never.
    ///
    /// A message that is saved for several phones has no receipts.
    #[serde(default)]
    #[describe(max = MAX_TOKENS)]
    pub save_from: usize,
    /// Whether receipts are asked for.
    ///
    /// Only after their address was registered in the console: Meizu refuses pushes that name another one.
    #[serde(default)]
    pub receipts: bool,
    /// The address that was registered, at most 128 bytes, if it is not that of the gateway: a shorter one that passes receipts on to it.
    #[serde(default)]
    #[describe(example = "https://push.example.com/meizu")]
    pub receipt_url: String,
    /// The access token that was entered with the address in the console: receipts without it are refused.
    #[serde(default)]
    #[describe(example = "the-token-of-the-receipt-settings")]
    pub receipt_token: Option<Secret>,
    /// The largest message, without the phones it goes to.
    #[serde(default = "max_message")]
    #[describe(min = 1024, max = 65536, unit = "bytes")]
    pub max_message: usize,
    /// How the statistics are asked for, which show whether the credential is accepted.
    #[serde(default)]
    pub statistics_method: StatisticsMethod,
    /// Where an answer may redirect a request to: these domains and their subdomains, besides the host of `endpoint`.
    #[serde(default = "redirect_domains")]
    #[describe(max_len = 16)]
    pub redirect_domains: Vec<String>,
    /// Where Meizu listens. For India: `https://server-api-push.in.meizu.com`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl MeizuConfig {
    /// The id and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_secret: Secret::new(app_secret),
            activity: String::new(),
            notice_type: NoticeType::default(),
            vip: false,
            packages: Vec::new(),
            batch: batch(),
            save_from: 0,
            receipts: false,
            receipt_url: String::new(),
            receipt_token: None,
            max_message: max_message(),
            statistics_method: StatisticsMethod::default(),
            redirect_domains: redirect_domains(),
            endpoint: endpoint(),
            http: HttpConfig::default(),
        }
    }
}

/// How Meizu's statistics are asked for: its pages say GET, and its SDK uses POST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "UPPERCASE")]
pub enum StatisticsMethod {
    /// As on Meizu's pages.
    Get,
    /// As in Meizu's SDK.
    #[default]
    Post,
}

impl TryFrom<String> for StatisticsMethod {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        one_of(&text, &[("GET", Self::Get), ("POST", Self::Post)])
    }
}

const fn batch() -> usize {
    MAX_TOKENS
}

const fn max_message() -> usize {
    MAX_PAYLOAD
}

fn redirect_domains() -> Vec<String> {
    vec!["meizu.com".to_owned()]
}

fn endpoint() -> String {
    "https://server-api-push.meizu.com".to_owned()
}

/// Where the calls go.
pub(crate) struct Calls {
    pub(crate) send: Uri,
    pub(crate) save: Uri,
    pub(crate) send_saved: Uri,
    pub(crate) upload: Uri,
    pub(crate) statistics: Uri,
}

impl Calls {
    fn of(endpoint: &str) -> Result<Self> {
        let origin = Endpoint::origin(endpoint)?;
        let call = |path: &str| origin.join(&format!("/garcia/api/server/push/{path}"));
        Ok(Self {
            send: call("varnished/pushByPushId")?,
            save: call("pushTask/getTaskId")?,
            send_saved: call("task/varnished/pushByPushId")?,
            upload: call("uploadImg")?,
            statistics: call("statistics/dailyPushStatics")?,
        })
    }
}

/// What remains of a configuration after the checks, without `http`.
pub(crate) struct Settings {
    pub(crate) signer: Signer,
    pub(crate) look: Look,
    pub(crate) packages: String,
    pub(crate) batch: usize,
    pub(crate) save_from: usize,
    pub(crate) receipt_token: Option<Secret>,
    pub(crate) statistics_method: StatisticsMethod,
    pub(crate) redirect_domains: Vec<String>,
    pub(crate) calls: Calls,
}

impl MeizuConfig {
    /// Checks every key but `http`. `receipts` is the gateway's address for receipts of this credential.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with all faults, each with its key and what to write there.
    pub(crate) fn check(&self, receipts: Option<&Uri>) -> Result<Settings> {
        const COPY: &str = "copy it from the app's configuration page in the console of Flyme Push";
        let mut faults = Faults::new();
        // Without what editors and shells added around the values.
        let (app_id, secret) = (trimmed(&self.app_id), trimmed(self.app_secret.expose()));
        faults.check(
            (1..=20).contains(&app_id.len()) && app_id.bytes().all(|byte| byte.is_ascii_digit()),
            "app_id",
            "is not a number of at most 20 digits",
            COPY,
        );
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let not_a_word = "is empty, or has a blank or a character that is not ASCII";
        faults.check(is_word(secret), "app_secret", not_a_word, COPY);
        let activity = trimmed(&self.activity);
        faults.check(
            activity.is_empty() || is_class(activity),
            "activity",
            "is not the full name of a class of at most 1000 bytes",
            "write package and class, as in \"com.example.im.ChatActivity\"",
        );
        let packages: Vec<&str> = self.packages.iter().map(|name| trimmed(name)).collect();
        faults.check(
            packages.iter().all(|name| is_class(name)),
            "packages",
            "has an element that is not the name of a package",
            "write the application ids of the app, as in [\"com.example.im\"]",
        );
        let receipt_token = self
            .receipt_token
            .as_ref()
            .map(|token| trimmed(token.expose()));
        faults.check(
            receipt_token.is_none_or(is_word),
            "receipt_token",
            not_a_word,
            "copy it from the receipt settings in the console of Flyme Push, or leave the key out",
        );
        let domains: Vec<String> = self
            .redirect_domains
            .iter()
            .map(|domain| trimmed(domain).trim_matches('.').to_ascii_lowercase())
            .collect();
        faults.check(
            domains.iter().all(|domain| is_domain(domain)),
            "redirect_domains",
            "has an element that is not a domain of at least two labels",
            "write domains, as in [\"meizu.com\"]",
        );
        let callback = faults.take(
            "receipt_url",
            callback(self.receipts, trimmed(&self.receipt_url), receipts),
        );
        let calls = faults.take("endpoint", Calls::of(&self.endpoint));
        let (callback, calls) = faults.finish(callback.zip(calls))?;
        Ok(Settings {
            signer: Signer::new(app_id, Secret::new(secret)),
            look: Look {
                activity: activity.to_owned(),
                notice_type: self.notice_type,
                vip: self.vip,
                callback,
                max_message: self.max_message,
            },
            packages: packages.join(","),
            batch: self.batch,
            save_from: self.save_from,
            receipt_token: receipt_token.map(Secret::new),
            statistics_method: self.statistics_method,
            redirect_domains: domains,
            calls,
        })
    }
}

/// Whether `text` is names of letters, digits, `_` and `$` with dots between them.
fn is_class(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
        !name.is_empty() && name.bytes().all(is_plain)
    };
    text.len() <= LONGEST_ACTIVITY && text.contains('.') && text.split('.').all(is_name)
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

/// Returns the address that a push names for its receipts: `own`, or else the gateway's. `None` if receipts are not asked for, or
/// vendors cannot reach the gateway.
///
/// # Errors
/// [`ErrorKind::Config`] if it is no URL, or too long for Meizu.
fn callback(is_wanted: bool, own: &str, gateway: Option<&Uri>) -> Result<Option<String>> {
    let address = match (own, gateway) {
        ("", None) => return Ok(None),
        ("", Some(gateway)) => gateway.to_string(),
        (own, _) => Endpoint::new(own)?.to_string(),
    };
    if is_wanted && address.len() > LONGEST_CALLBACK {
        let what = format!(
            "the address of receipts has {} bytes, and Meizu takes {LONGEST_CALLBACK}",
            address.len()
        );
        return Err(Error::new(ErrorKind::Config, what)
            .advise("write a shorter address that passes receipts on to that of the gateway"));
    }
    Ok(is_wanted.then_some(address))
}
