//! What an operator sets.
use std::fmt;

use http::Uri;
use push_core::{Error, ErrorKind, Result, Secret};
use push_http::HttpConfig;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

/// The configuration of an FCM credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FcmConfig {
    /// The service account's key file: its text, or its fields as a table.
    pub service_account: ServiceAccount,
    /// The notification channel that messages go to unless they name one (`android.notification.channel_id`).
    #[serde(default)]
    pub channel_id: Option<String>,
    /// The intent action that a click starts unless the message names one (`android.notification.click_action`).
    #[serde(default)]
    pub click_action: Option<String>,
    /// Where FCM listens, without a path. Default: `https://fcm.googleapis.com`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Where access tokens come from. Default: the `token_uri` of the key file, which stays the audience in any case.
    #[serde(default)]
    pub token_endpoint: Option<String>,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

fn endpoint() -> String {
    "https://fcm.googleapis.com".to_owned()
}

impl FcmConfig {
    /// The URL that messages of this project go to.
    pub(crate) fn send_url(&self) -> Result<Uri> {
        let project = &self.service_account.project_id;
        let in_a_path = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_');
        let (domain, name) = project.split_once(':').unwrap_or(("", project));
        if name.is_empty() || !domain.bytes().chain(name.bytes()).all(in_a_path) {
            return Err(wrong(
                "service_account.project_id",
                "is no project id",
                "use the key file as Google made it",
            ));
        }
        let advice = "leave it out, or write it like \"https://fcm.googleapis.com\"";
        let uri = url("endpoint", &self.endpoint, advice)?;
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("endpoint", "has a path", advice));
        }
        let base = self.endpoint.trim_end_matches('/');
        url(
            "endpoint",
            &format!("{base}/v1/projects/{project}/messages:send"),
            advice,
        )
    }

    /// The URL that access tokens come from.
    pub(crate) fn token_url(&self) -> Result<Uri> {
        let advice = "leave it out, or write it like \"https://oauth2.googleapis.com/token\"";
        match &self.token_endpoint {
            Some(it) => url("token_endpoint", it, advice),
            None => url(
                "service_account.token_uri",
                &self.service_account.token_uri,
                advice,
            ),
        }
    }
}

fn url(key: &str, text: &str, advice: &str) -> Result<Uri> {
    text.parse::<Uri>()
        .ok()
        .filter(|it| matches!(it.scheme_str(), Some("https" | "http")) && it.host().is_some())
        .ok_or_else(|| wrong(key, "is no http or https URL", advice))
}

pub(crate) fn wrong(key: &str, message: &str, advice: &str) -> Error {
    Error::new(ErrorKind::Config, message)
        .at(key)
        .advise(advice)
}

/// What of a service account's key file is needed. `Debug` shows nothing of the key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceAccount {
    /// The Firebase project that messages are sent for.
    pub project_id: String,
    /// Names the key among those of the account.
    pub private_key_id: String,
    /// The RSA key, PKCS#8 PEM.
    pub private_key: Secret,
    /// The account.
    pub client_email: String,
    /// The token endpoint, and the audience of what is signed for it.
    pub token_uri: String,
}

impl ServiceAccount {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// What is wrong with it, naming the field. Never shows what is in it.
    pub fn from_json(text: &str) -> Result<Self, &'static str> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Self::from_map(map),
            _ => Err("is not the JSON text of a service account's key file"),
        }
    }

    fn from_map(mut map: Map<String, Value>) -> Result<Self, &'static str> {
        let mut field = |name| match map.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let kind = field("type");
        let it = Self {
            project_id: field("project_id"),
            private_key_id: field("private_key_id"),
            private_key: field("private_key").into(),
            client_email: field("client_email"),
            token_uri: field("token_uri"),
        };
        // `google-services.json`, which belongs into the app, and a user's own credentials look alike to people.
        if !kind.is_empty() && kind != "service_account" {
            Err("is a file of Google's, but no service account's key: its `type` is another")
        } else if it.project_id.is_empty() {
            Err("lacks `project_id`")
        } else if it.private_key.expose().is_empty() {
            Err("lacks `private_key`")
        } else if it.private_key_id.is_empty() {
            Err("lacks `private_key_id`")
        } else if it.client_email.is_empty() {
            Err("lacks `client_email`")
        } else if it.token_uri.is_empty() {
            Err("lacks `token_uri`")
        } else {
            Ok(it)
        }
    }
}

impl<'de> Deserialize<'de> for ServiceAccount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ServiceAccount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of a service account's key file, or its fields")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ServiceAccount, E> {
                ServiceAccount::from_json(text)
                    .map_err(|it| E::custom(format_args!("`service_account` {it}")))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ServiceAccount, A::Error> {
                let map = Map::deserialize(de::value::MapAccessDeserializer::new(map))?;
                ServiceAccount::from_map(map)
                    .map_err(|it| de::Error::custom(format_args!("`service_account` {it}")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
