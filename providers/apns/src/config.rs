//! The configuration of a credential, and what is checked of it without asking Apple.
use std::sync::Arc;

use http::Uri;
use push_core::{BuildContext, Describe, Environment, Error, ErrorKind, Faults, Result, Secret};
use push_http::{Client, HttpConfig, Protocols};
use push_kit::{
    endpoint::Endpoint,
    input::{self, trimmed},
};
use serde::Deserialize;

use crate::{
    auth::{
        Auth,
        certificate::{CertificateFacts, Identity},
        token::{SigningKey, TokenSource},
    },
    render::PushType,
};

/// A credential of Apple's: a key (`key`, `key_id`, `team_id`) or a certificate (`certificate`), for one app and environment.
#[derive(Clone, Debug, Default, Deserialize, Describe)]
#[serde(default, deny_unknown_fields)]
#[describe(plugin = crate::Apns)]
#[non_exhaustive]
pub struct ApnsConfig {
    /// The text of the `.p8` file of a key of the developer account (Certificates, Identifiers & Profiles > Keys), which never expires.
    ///
    /// With a `certificate` in PEM, the PEM text of that certificate's private key. Lost or escaped line breaks do not matter.
    #[describe(example_file = "AuthKey_ABC123DEFG.p8", shown)]
    pub key: Option<Secret>,
    /// The key's id, 10 letters and digits: in the file's name, `AuthKey_<key id>.p8`.
    #[describe(example = "ABC123DEFG", shown)]
    pub key_id: Option<String>,
    /// The team's id, 10 letters and digits: in the membership details of the developer account.
    #[describe(example = "DEF123GHIJ", shown)]
    pub team_id: Option<String>,
    /// Instead of `key`, `key_id` and `team_id`: a certificate with its private key, the base64 of a `.p12` file or PEM text. It
    /// expires after a year.
    ///
    /// Secret, because it holds the key. It names topic and environment.
    #[describe(example_file = "push.p12")]
    pub certificate: Option<Secret>,
    /// The password of the `.p12` file.
    ///
    /// Line breaks at its end and a byte order mark do not matter.
    #[describe(example_file = "push.p12.password")]
    pub password: Option<Secret>,
    /// The app's bundle id, without a suffix and without the team id. Optional with a certificate, which names it.
    #[describe(example = "com.example.chat", shown)]
    pub topic: Option<String>,
    /// `sandbox` (or `development`) for debug builds, `production` for released apps and TestFlight. Optional with a
    /// certificate for one environment only.
    #[describe(
        words("production", "sandbox", "development"),
        example = "production",
        shown
    )]
    pub environment: Option<String>,
    /// An address to use instead of Apple's host, for instance where port 443 is closed.
    #[describe(example = "https://api.push.apple.com:2197")]
    pub endpoint: Option<String>,
    /// How to connect.
    pub http: HttpConfig,
}

impl ApnsConfig {
    /// The `.p8` key of a team: its text, its id and the team's id, for the app with the bundle id `topic`.
    pub fn of_key(
        key: impl Into<String>,
        key_id: impl Into<String>,
        team_id: impl Into<String>,
        topic: impl Into<String>,
        environment: Environment,
    ) -> Self {
        Self {
            key: Some(Secret::new(key)),
            key_id: Some(key_id.into()),
            team_id: Some(team_id.into()),
            topic: Some(topic.into()),
            environment: Some(environment.as_str().to_owned()),
            ..Self::default()
        }
    }

    /// A `.p12` file in base64, with its password. Set [`ApnsConfig::environment`] if the certificate is for both.
    pub fn of_certificate(certificate: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            certificate: Some(Secret::new(certificate)),
            password: Some(Secret::new(password)),
            ..Self::default()
        }
    }
}

/// A configuration without faults.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) auth: Auth,
    pub(crate) topic: String,
    pub(crate) environment: Environment,
    /// Scheme, host and port.
    pub(crate) origin: Uri,
    pub(crate) client: Client,
}

impl ApnsConfig {
    /// Checks everything that can be checked without asking Apple.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with every fault.
    pub(crate) fn check(mut self, context: &BuildContext) -> Result<Checked> {
        let mut faults = Faults::new();
        let http = std::mem::take(&mut self.http)
            .with_protocols(Protocols::H2Only)
            .within(context);
        for value in [&mut self.key_id, &mut self.team_id, &mut self.topic] {
            // Copied from a web page, often with blanks around it.
            *value = value
                .take()
                .map(|text| trimmed(&text).to_owned())
                .filter(|text| !text.is_empty());
        }
        let by_certificate = self.certificate.is_some();
        let (auth, http) = match self.certificate.take() {
            Some(certificate) => self.certificate_auth(&certificate, http, &mut faults),
            None => (self.token_auth(context, &mut faults), http),
        };
        let facts = auth.as_ref().and_then(Auth::certificate);
        // A certificate that cannot be read names neither topic nor environment: one fault is enough for it.
        let is_readable = auth.is_some() || !by_certificate;
        let topic = (is_readable || self.topic.is_some())
            .then(|| faults.take("topic", self.topic_of(facts)))
            .flatten();
        let environment = (is_readable || self.environment.is_some())
            .then(|| faults.take("environment", self.environment_of(facts)))
            .flatten();
        let origin = match &self.endpoint {
            Some(endpoint) => faults
                .take("endpoint", Endpoint::origin(trimmed(endpoint)))
                .map(|endpoint| endpoint.uri().clone()),
            None => environment.map(|environment| {
                Uri::from_static(match environment {
                    Environment::Sandbox => "https://api.sandbox.push.apple.com",
                    Environment::Production => "https://api.push.apple.com",
                })
            }),
        };
        let client = faults.take("http", Client::new(http, Arc::clone(&context.clock)));
        let checked = match (auth, topic, environment, origin, client) {
            (Some(auth), Some(topic), Some(environment), Some(origin), Some(client)) => {
                Some(Checked {
                    auth,
                    topic,
                    environment,
                    origin,
                    client,
                })
            }
            _ => None,
        };
        faults.finish(checked)
    }

    fn token_auth(&self, context: &BuildContext, faults: &mut Faults) -> Option<Auth> {
        if self.key.is_none() && self.key_id.is_none() && self.team_id.is_none() {
            faults.add(
                "key",
                "is missing, and there is no certificate either",
                "set key, key_id and team_id of a .p8 key, or certificate and password of a .p12 file",
            );
            return None;
        }
        faults.check(
            self.password.is_none(),
            "password",
            "belongs to a .p12 certificate, and a .p8 key has none",
            "remove it",
        );
        let key_id = faults.take(
            "key_id",
            id(
                self.key_id.as_deref(),
                "it is in the name of the file, AuthKey_<key id>.p8",
            ),
        );
        let team_id = faults.take(
            "team_id",
            id(
                self.team_id.as_deref(),
                "it is in the membership details of the developer account",
            ),
        );
        let Some(key) = &self.key else {
            faults.add("key", "is missing", "set it to the text of the .p8 file");
            return None;
        };
        // The key is read even if an id is wrong, to report every fault at once.
        let signing = SigningKey::from_pem(
            key,
            key_id.as_deref().unwrap_or_default(),
            team_id.as_deref().unwrap_or_default(),
        );
        let signing = faults.take("key", signing.map_err(fault))?;
        (key_id.is_some() && team_id.is_some())
            .then(|| Auth::Token(TokenSource::new(signing, Arc::clone(&context.clock))))
    }

    fn certificate_auth(
        &self,
        certificate: &Secret,
        http: HttpConfig,
        faults: &mut Faults,
    ) -> (Option<Auth>, HttpConfig) {
        faults.check(
            self.key_id.is_none() && self.team_id.is_none(),
            "certificate",
            "and key_id or team_id exclude each other",
            "keep the certificate, or the .p8 key with its two ids",
        );
        let identity = Identity::read(
            certificate,
            self.key.as_ref(),
            self.password.as_ref(),
            self.topic.as_deref(),
        );
        match faults.take("certificate", identity.map_err(fault)) {
            Some(Identity { facts, client }) => (
                Some(Auth::Certificate(facts)),
                http.with_client_certificate(client),
            ),
            None => (None, http),
        }
    }

    fn topic_of(&self, facts: Option<&CertificateFacts>) -> Result<String> {
        let of_certificate = facts.and_then(CertificateFacts::bundle_id);
        let Some(topic) = self.topic.as_deref() else {
            return of_certificate.map(str::to_owned).ok_or_else(|| {
                fault("is missing").advise("set it to the app's bundle id, as in com.example.chat")
            });
        };
        if of_certificate != Some(topic) {
            check_topic(topic, self.team_id.as_deref())?;
            if let Some(facts) = facts
                && !facts.topics.is_empty()
                && !facts.has_topic(topic)
            {
                let named: Vec<_> = facts
                    .topics
                    .iter()
                    .map(|topic| topic.topic.as_str())
                    .collect();
                return Err(fault(format!(
                    "is {topic}, but the certificate is for {}",
                    named.join(", ")
                ))
                .advise("remove it, or use the other app's certificate"));
            }
        }
        Ok(topic.to_owned())
    }

    fn environment_of(&self, facts: Option<&CertificateFacts>) -> Result<Environment> {
        let named = facts.map_or(&[][..], |facts| &facts.environments);
        let own = self.environment.as_deref().map(trimmed);
        let Some(own) = own.filter(|word| !word.is_empty()) else {
            return match named {
                [only] => Ok(*only),
                _ => Err(fault("is missing").advise(ENVIRONMENTS)),
            };
        };
        let own = input::environment(own)?;
        if named.is_empty() || named.contains(&own) {
            return Ok(own);
        }
        Err(fault(format!(
            "is {own}, but the certificate is for {} only",
            named[0]
        ))
        .advise("remove it, or use the other environment's certificate"))
    }
}

const ENVIRONMENTS: &str =
    "write \"sandbox\" for debug builds, \"production\" for released apps and TestFlight";

fn fault(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what)
}

/// Checks the id of a key or a team.
fn id(id: Option<&str>, place: &str) -> Result<String> {
    let what = match id {
        None => "is missing".to_owned(),
        Some(id) if id.chars().count() != 10 => format!(
            "has {} characters, and Apple's have 10 letters and digits",
            id.chars().count()
        ),
        Some(id) if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            return Ok(id.to_owned());
        }
        Some(_) => "has a character that is no letter or digit".to_owned(),
    };
    Err(fault(what).advise(place))
}

/// Checks that `topic` can be a bundle id.
fn check_topic(topic: &str, team_id: Option<&str>) -> Result<()> {
    let is_bundle_id = topic
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !is_bundle_id {
        return Err(
            fault("is not a bundle id, which has letters, digits, dots and hyphens")
                .advise("write the app's bundle id, as in com.example.chat"),
        );
    }
    let suffix = PushType::ALL
        .iter()
        .map(|push_type| push_type.topic_suffix())
        .find(|suffix| !suffix.is_empty() && topic.ends_with(suffix));
    if let Some(suffix) = suffix {
        return Err(fault(format!(
            "ends in {suffix}, and the gateway adds the suffix of each push type itself"
        ))
        .advise(format!("write the bundle id without {suffix}")));
    }
    let Some((first, rest)) = topic.split_once('.') else {
        return Ok(());
    };
    let is_team_id = Some(first) == team_id
        || (first.len() == 10
            && first
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    if is_team_id {
        return Err(fault("begins with a team id")
            .advise(format!("write the bundle id alone, which is {rest}")));
    }
    Ok(())
}
