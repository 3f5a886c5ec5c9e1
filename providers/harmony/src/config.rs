//! The credential, and its checks.
use aws_lc_rs::signature::RsaKeyPair;
use http::Uri;
use push_core::{Describe, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::{
    account::{self, KeyFile},
    endpoint::Endpoint,
    input::trimmed,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{MAX_TOKENS, receive::Signer, render::Style};

/// The most phones in one request with test messages.
const MAX_TEST_TOKENS: usize = 10;

/// A credential of Push Kit for HarmonyOS: a service account of one project, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Harmony)]
#[non_exhaustive]
pub struct HarmonyConfig {
    /// The service account's key file, its text or its fields as a table: developer.huawei.com > Console > API Console > Credentials >
    /// Service Account.
    #[describe(example_file = "harmony-service-account.json")]
    pub service_account: KeyFile,
    /// The category of notifications. Without the self-classification right Push Kit takes every one for `MARKETING`.
    #[serde(default = "category")]
    #[describe(max_len = 64)]
    pub category: String,
    /// The page that a click opens, by the action of its ability's skill. Without `action` and `uri` a click opens the app's home.
    #[serde(default)]
    #[describe(example = "com.example.im.OPEN_CHAT")]
    pub action: String,
    /// The page that a click opens, by the URI of its ability's skill. With `action` both must fit.
    #[serde(default)]
    #[describe(example = "push://im/chat")]
    pub uri: String,
    /// How many phones one request addresses. With 1 every click names its delivery. At most 10 with `test_message`.
    #[serde(default = "batch")]
    #[describe(min = 1, max = MAX_TOKENS)]
    pub batch: usize,
    /// Whether all are test messages: 1,000 a day for the project, without the limits of their category.
    #[serde(default)]
    pub test_message: bool,
    /// Whether the app may send notification extension messages (a right of its own): then a notification that the app may change
    /// (`mutable`) goes through the app's extension ability first.
    #[serde(default)]
    pub extension: bool,
    /// Whether the app may send in-app call messages (a right of its own): then it can register its token for calls, too.
    #[serde(default)]
    pub calls: bool,
    /// The app's client id, which only a recall needs: AppGallery Connect > Project settings > General information > OAuth 2.0 client ID.
    #[serde(default)]
    #[describe(example = "100000001")]
    pub client_id: String,
    /// Which receipt configuration of AppGallery Connect holds for the pushes. Empty for the app's own.
    #[serde(default)]
    #[describe(max_len = 64)]
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
    /// Where pushes go: scheme, host and port.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl HarmonyConfig {
    /// The key file of a service account, and defaults for the rest.
    pub fn new(service_account: KeyFile) -> Self {
        Self {
            service_account,
            category: category(),
            action: String::new(),
            uri: String::new(),
            batch: batch(),
            test_message: false,
            extension: false,
            calls: false,
            client_id: String::new(),
            receipt_id: String::new(),
            receipt_user: String::new(),
            receipt_key: None,
            endpoint: endpoint(),
            http: HttpConfig::default(),
        }
    }
}

fn category() -> String {
    "IM".to_owned()
}

const fn batch() -> usize {
    MAX_TOKENS
}

fn endpoint() -> String {
    "https://push-api.cloud.huawei.com".to_owned()
}

/// Who signs requests: what a key file says.
pub(crate) struct Account {
    pub(crate) project_id: String,
    pub(crate) key_id: String,
    pub(crate) sub_account: String,
    pub(crate) key: RsaKeyPair,
}

/// A checked configuration, without `http`.
pub(crate) struct Settings {
    pub(crate) account: Account,
    pub(crate) send: Uri,
    /// Where a recall goes; `None` without a client id.
    pub(crate) revoke: Option<Uri>,
    pub(crate) style: Style,
    pub(crate) batch: usize,
    pub(crate) calls: bool,
    pub(crate) receipts: Option<Signer>,
}

impl HarmonyConfig {
    /// Checks every key but `http`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](push_core::ErrorKind::Config) with all faults, each with its key and what to write there.
    pub(crate) fn check(&self) -> Result<Settings> {
        const PLAIN: &str = "has a blank or a character that is not ASCII";
        let mut faults = Faults::new();
        let account = account(&self.service_account, &mut faults);
        let [category, action, uri, client_id, receipt_id] = [
            &self.category,
            &self.action,
            &self.uri,
            &self.client_id,
            &self.receipt_id,
        ]
        .map(|text| trimmed(text).to_owned());
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        faults.check(
            !category.is_empty() && category.bytes().all(is_capital),
            "category",
            "is not a word in capitals",
            "write one of Push Kit's, as in \"IM\"",
        );
        for (key, text, advice) in [
            (
                "action",
                &action,
                "write it like \"com.example.im.OPEN_CHAT\"",
            ),
            ("uri", &uri, "write it like \"push://im/chat\""),
            ("receipt_id", &receipt_id, "copy it from AppGallery Connect"),
        ] {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            faults.check(is_plain && text.len() <= 1024, key, PLAIN, advice);
        }
        faults.check(
            client_id.is_empty() || is_id(&client_id),
            "client_id",
            "is not an id of at most 64 letters and digits",
            "copy it from AppGallery Connect > Project settings > General information",
        );
        let most = if self.test_message {
            MAX_TEST_TOKENS
        } else {
            MAX_TOKENS
        };
        let receipts = self.receipts(&mut faults);
        let endpoint = faults.take("endpoint", Endpoint::origin(&self.endpoint));
        let settings = account.zip(endpoint).and_then(|(account, endpoint)| {
            let send = format!("/v3/{}/messages:send", account.project_id);
            let revoke = format!("/v1/{client_id}/messages:revoke");
            Some(Settings {
                send: endpoint.join(&send).ok()?,
                revoke: endpoint
                    .join(&revoke)
                    .ok()
                    .filter(|_| !client_id.is_empty()),
                account,
                style: Style {
                    category,
                    click: click(&action, &uri),
                    test_message: self.test_message,
                    extension: self.extension,
                    receipt_id,
                },
                batch: self.batch.min(most),
                calls: self.calls,
                receipts,
            })
        });
        faults.finish(settings)
    }

    fn receipts(&self, faults: &mut Faults) -> Option<Signer> {
        let user = trimmed(&self.receipt_user);
        let key = self.receipt_key.as_ref().map(|key| trimmed(key.expose()));
        let key = key.filter(|key| !key.is_empty());
        faults.check(
            key.is_some() != user.is_empty(),
            "receipt_key",
            "is set without `receipt_user`, or the other way round",
            "copy both from the receipt settings in AppGallery Connect, or leave both out",
        );
        Some(Signer {
            user: user.to_owned(),
            key: Secret::new(key?),
        })
    }
}

/// `clickAction` without its data: a page if one is named, else the app's home.
fn click(action: &str, uri: &str) -> Map<String, Value> {
    let pages = [("action", action), ("uri", uri)];
    let pages = pages.into_iter().filter(|(_, text)| !text.is_empty());
    let mut click: Map<_, _> = pages
        .map(|(key, text)| (key.to_owned(), text.into()))
        .collect();
    click.insert("actionType".into(), json!(i32::from(!click.is_empty())));
    click
}

pub(crate) fn account(file: &KeyFile, faults: &mut Faults) -> Option<Account> {
    const ADVICE: &str = "use the key file as the console issued it: developer.huawei.com > Console > API Console > Credentials > Service Account";
    let members = match file.members() {
        Ok(members) => members,
        Err(what) => {
            faults.add("service_account", what, ADVICE);
            return None;
        }
    };
    // The app's own file has similar names, and no key.
    if members.contains_key("agcgw") || members.contains_key("client") {
        let what = "is the app's `agconnect-services.json`, not the key file of a service account";
        faults.add("service_account", what, ADVICE);
        return None;
    }
    let [project_id, key_id, sub_account, pem] =
        ["project_id", "key_id", "sub_account", "private_key"].map(|name| {
            let text = account::text(&members, name);
            let key = format!("service_account.{name}");
            let is_wrong = name != "private_key" && !text.is_empty() && !is_id(&text);
            faults.check(!text.is_empty(), &key, "is missing", ADVICE);
            faults.check(
                !is_wrong,
                &key,
                "is not an id of letters and digits",
                ADVICE,
            );
            Secret::new(text)
        });
    let key = match pem.expose() {
        "" => None,
        pem => account::rsa_key(pem)
            .map_err(|what| faults.add("service_account.private_key", what, ADVICE))
            .ok(),
    };
    Some(Account {
        project_id: project_id.expose().to_owned(),
        key_id: key_id.expose().to_owned(),
        sub_account: sub_account.expose().to_owned(),
        key: key?,
    })
}

fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests;
