//! The credential, and its checks.
use std::time::Duration;

use push_core::{AddressPolicy, Describe, Error, ErrorKind, Faults, Result, Secret};
use push_http::HttpConfig;
use push_kit::input::trimmed;
use serde::Deserialize;

use crate::{
    auth::Key,
    render::{
        Look, MAX_TTL, MIN_TTL, Urgency,
        subscription::{Origins, Subscription},
    },
};

/// The push services of the large browsers. What another one says accuses no credential unless `origins` lists it.
const KNOWN: [&str; 5] = [
    "https://fcm.googleapis.com",
    "https://jmt17.google.com",
    "https://*.push.services.mozilla.com",
    "https://*.push.apple.com",
    "https://*.notify.windows.com",
];

/// The longest subject. Each request carries it.
const MAX_SUBJECT: usize = 256;

/// A credential of Web Push: the application server's key pair, and how its notifications look.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::Webpush)]
#[non_exhaustive]
pub struct WebpushConfig {
    /// The private VAPID key: 32 bytes in base64url, as `web-push generate-vapid-keys` writes it, or PEM. A new one makes every
    /// subscription useless.
    #[describe(example = "Fu-1S7TkL8oI0FMVdllcOHwf7qcEks-8H8qJKcqr3zA")]
    pub private_key: Secret,
    /// Whom a push service can write to: `mailto:` and an address, or an https URL. Apple requires it.
    #[describe(example = "mailto:ops@example.com")]
    pub subject: String,
    /// The public key that the web page gives to `subscribe` as `applicationServerKey`, in base64url. Empty: not compared with
    /// the private key.
    #[serde(default)]
    pub public_key: String,
    /// The push services that may be sent to, as origins; `https://*.push.apple.com` is every host below that name. Empty: every
    /// https URL at a public address.
    #[serde(default)]
    #[describe(max_len = 100)]
    pub origins: Vec<String>,
    /// The header `Urgency` of every push. Absent: high, normal or low, as the priority of the message.
    #[serde(default)]
    pub urgency: Option<Urgency>,
    /// The address of the picture in notifications.
    #[serde(default)]
    #[describe(example = "https://im.example.com/icon.png")]
    pub icon: String,
    /// The address of the small picture without colours that Android shows in the status bar.
    #[serde(default)]
    #[describe(example = "https://im.example.com/badge.png")]
    pub badge_icon: String,
    /// How long a push service keeps a push that does not say when it expires.
    #[serde(default = "ttl", with = "push_core::duration")]
    #[describe(min = MIN_TTL, max = MAX_TTL)]
    pub ttl: Duration,
    /// Whether background pushes are sent, which show nothing. Safari withdraws the permission for them, and Chrome shows a
    /// notification of its own.
    #[serde(default)]
    pub background: bool,
    /// Whether the HTTP status alone counts, for push services that send neither `Location` nor an error of a known form. A
    /// proxy's page is taken for their answer then.
    #[serde(default)]
    pub trust_status: bool,
    /// How to connect.
    #[serde(default)]
    pub http: HttpConfig,
}

impl WebpushConfig {
    /// A private key and a subject, and defaults for the rest.
    pub fn new(private_key: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            private_key: Secret::new(private_key),
            subject: subject.into(),
            public_key: String::new(),
            origins: Vec::new(),
            urgency: None,
            icon: String::new(),
            badge_icon: String::new(),
            ttl: ttl(),
            background: false,
            trust_status: false,
            http: HttpConfig::default(),
        }
    }
}

const fn ttl() -> Duration {
    MAX_TTL
}

/// What remains of a configuration after the checks, without `http`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) key: Key,
    pub(crate) subject: String,
    pub(crate) look: Look,
    pub(crate) background: bool,
    pub(crate) services: Services,
}

/// Which push services are sent to, and which are believed.
#[derive(Debug)]
pub(crate) struct Services {
    listed: Origins,
    known: Origins,
    pub(crate) trust_status: bool,
}

/// Why nothing is sent to a subscription, as the end of the sentence "the device token …".
pub(crate) enum Refusal {
    /// It can be no subscription.
    Impossible(&'static str),
    /// The credential or the operator does not allow its push service.
    NotAllowed(String),
}

impl Services {
    /// Checks that `subscription` may be sent to. `addresses` are those that its host may have, where it is written as one.
    pub(crate) fn admit(
        &self,
        subscription: &Subscription,
        addresses: &AddressPolicy,
    ) -> Result<(), Refusal> {
        let is_listed = self.listed.contain(&subscription.origin);
        if !subscription.is_https() && !is_listed {
            return Err(Refusal::Impossible("has an `endpoint` that is not https"));
        }
        if !self.listed.is_empty() && !is_listed {
            return Err(Refusal::NotAllowed(
                "belongs to a push service that `origins` of the credential does not list".into(),
            ));
        }
        match subscription.address().map(|ip| addresses.check(ip)) {
            Some(Err(reason)) => Err(Refusal::NotAllowed(format!(
                "has an `endpoint` at an address that is {reason}"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether the push service at `origin` can accuse the credential.
    pub(crate) fn believe(&self, origin: &str) -> bool {
        self.listed.contain(origin) || self.known.contain(origin)
    }

    /// What remains of the operator's policy for endpoints that users register: public addresses only, unless the operator
    /// or the credential chose others.
    pub(crate) fn addresses(&self, operators: &AddressPolicy) -> AddressPolicy {
        if operators.is_any() && self.listed.is_empty() {
            AddressPolicy::public_only()
        } else {
            operators.clone()
        }
    }
}

impl WebpushConfig {
    /// Checks every key but `http`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with all faults, each with its key and what to write there.
    pub(crate) fn check(&self) -> Result<Settings> {
        let mut faults = Faults::new();
        let text = trimmed(self.private_key.expose());
        let key = Key::read(text).map_err(|what| {
            Error::new(ErrorKind::Config, what)
                .advise("write what `web-push generate-vapid-keys` shows as the private key")
        });
        let key = faults.take("private_key", key);
        let public = trimmed(&self.public_key).trim_end_matches('=');
        if let (Some(key), false) = (&key, public.is_empty()) {
            faults.check(
                public == key.public(),
                "public_key",
                "is not the public half of `private_key`",
                format!("write \"{}\", or leave it out", key.public()),
            );
        }
        let subject = trimmed(&self.subject);
        faults.check(
            is_subject(subject),
            "subject",
            "is neither `mailto:` with an address nor an https URL",
            "write an address of your own, as in \"mailto:ops@example.com\"",
        );
        let (icon, badge_icon) = (trimmed(&self.icon), trimmed(&self.badge_icon));
        for (name, address) in [("icon", icon), ("badge_icon", badge_icon)] {
            let is_address =
                address.is_empty() || address.starts_with("https://") || address.starts_with('/');
            faults.check(
                is_address && address.len() <= MAX_SUBJECT,
                name,
                "is no https URL, and no path of the web page",
                "write an address of at most 256 bytes, as in \"https://im.example.com/icon.png\"",
            );
        }
        let listed = faults.take("origins", Origins::read(&self.origins));
        let known = faults.take("origins", Origins::read(&KNOWN.map(str::to_owned)));
        let all = key
            .zip(listed.zip(known))
            .map(|(key, (listed, known))| Settings {
                key,
                subject: subject.to_owned(),
                look: Look {
                    urgency: self.urgency,
                    icon: icon.to_owned(),
                    badge_icon: badge_icon.to_owned(),
                    ttl: self.ttl,
                },
                background: self.background,
                services: Services {
                    listed,
                    known,
                    trust_status: self.trust_status,
                },
            });
        faults.finish(all)
    }
}

/// Whether `text` is what Apple takes as a subject. `mailto:mailto:…` is a frequent mistake.
fn is_subject(text: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\');
    let is_right = match text.strip_prefix("mailto:") {
        Some(address) => address.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !name.contains(':') && !host.is_empty() && !host.contains('@')
        }),
        None => text
            .strip_prefix("https://")
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')),
    };
    is_right && text.len() <= MAX_SUBJECT && text.bytes().all(is_plain)
}
