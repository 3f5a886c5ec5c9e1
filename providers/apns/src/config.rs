//! The configuration of a credential, and what is checked of it without asking Apple.
use std::sync::Arc;

use http::Uri;
use push_core::{BuildContext, Environment, Error, ErrorKind, Result, Secret};
use push_http::{Client, HttpConfig, Protocols};
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
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApnsConfig {
    /// The text of the `.p8` file; or, with a `certificate` in PEM, the PEM text of that certificate's private key. Lost or
    /// escaped line breaks do not matter.
    pub key: Option<Secret>,
    /// The key's id, 10 letters and digits: in the file's name, `AuthKey_<key id>.p8`.
    pub key_id: Option<String>,
    /// The team's id, 10 letters and digits: in the membership details of the developer account.
    pub team_id: Option<String>,
    /// A certificate with its private key: the base64 of a `.p12` file, or PEM text. Secret, because it holds the key.
    pub certificate: Option<Secret>,
    /// The password of the `.p12` file. One line break at its end is ignored.
    pub password: Option<Secret>,
    /// The app's bundle id, without a suffix and without the team id. Optional with a certificate, which names it.
    pub topic: Option<String>,
    /// `sandbox` (or `development`) for debug builds, `production` for released apps and TestFlight. Optional with a
    /// certificate for one environment only.
    pub environment: Option<String>,
    /// An address to use instead of Apple's host, for instance `https://api.push.apple.com:2197`.
    pub endpoint: Option<String>,
    /// How to connect.
    pub http: HttpConfig,
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

/// Collects everything that is wrong, so that an operator corrects it in one go.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    fn keep<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|fault| self.add(fault)).ok()
    }

    fn into_error(self) -> Error {
        Error::new(ErrorKind::Config, self.0.join("; "))
    }
}

impl ApnsConfig {
    /// Checks everything that can be checked without asking Apple.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with every fault.
    pub(crate) fn check(mut self, context: &BuildContext) -> Result<Checked> {
        let mut faults = Faults::default();
        let http = std::mem::take(&mut self.http).with_protocols(Protocols::H2Only);
        for value in [&mut self.key_id, &mut self.team_id, &mut self.topic] {
            // Copied from a web page, often with blanks around it.
            *value = value.take().map(|text| text.trim().to_owned());
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
            .then(|| self.topic_of(facts, &mut faults))
            .flatten();
        let environment = (is_readable || self.environment.is_some())
            .then(|| self.environment_of(facts, &mut faults))
            .flatten();
        let origin = match &self.endpoint {
            Some(endpoint) => faults.keep(origin(endpoint)),
            None => environment.map(|environment| {
                Uri::from_static(match environment {
                    Environment::Sandbox => "https://api.sandbox.push.apple.com",
                    Environment::Production => "https://api.push.apple.com",
                })
            }),
        };
        let client = Client::new(http, Arc::clone(&context.clock));
        let client = faults.keep(client.map_err(|error| error.at("http").to_string()));
        match (auth, topic, environment, origin, client) {
            (Some(auth), Some(topic), Some(environment), Some(origin), Some(client))
                if faults.0.is_empty() =>
            {
                Ok(Checked {
                    auth,
                    topic,
                    environment,
                    origin,
                    client,
                })
            }
            _ => Err(faults.into_error()),
        }
    }

    fn token_auth(&self, context: &BuildContext, faults: &mut Faults) -> Option<Auth> {
        if self.key.is_none() && self.key_id.is_none() && self.team_id.is_none() {
            faults.add("there is no credential: set key, key_id and team_id of a .p8 key, or certificate and password of a .p12 file");
            return None;
        }
        if self.password.is_some() {
            faults.add("`password` belongs to a .p12 `certificate`: a .p8 key has none");
        }
        let mut id = |name: &str, value: &Option<String>, place: &str| match value.as_deref() {
            Some(id) if id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Some(id.to_owned())
            }
            Some(id) => {
                faults.add(match id.chars().count() {
                    10 => format!("`{name}` has 10 letters and digits and nothing else: it is {place}"),
                    count => format!("`{name}` has 10 letters and digits, not {count}: it is {place}"),
                });
                None
            }
            None => {
                faults.add(format!("`{name}` is missing: it is {place}"));
                None
            }
        };
        let key_id = id(
            "key_id",
            &self.key_id,
            "in the name of the file, AuthKey_<key id>.p8",
        );
        let team_id = id(
            "team_id",
            &self.team_id,
            "in the membership details of the developer account",
        );
        let Some(key) = &self.key else {
            faults.add("`key` is missing: it is the text of the .p8 file");
            return None;
        };
        // The key is read even where an id is wrong, to say everything at once.
        let signing = SigningKey::from_pem(
            key,
            key_id.as_deref().unwrap_or_default(),
            team_id.as_deref().unwrap_or_default(),
        )
        .map_err(|fault| format!("`key` {fault}"));
        let signing = faults.keep(signing)?;
        (key_id.is_some() && team_id.is_some())
            .then(|| Auth::Token(TokenSource::new(signing, Arc::clone(&context.clock))))
    }

    fn certificate_auth(
        &self,
        certificate: &Secret,
        http: HttpConfig,
        faults: &mut Faults,
    ) -> (Option<Auth>, HttpConfig) {
        if self.key_id.is_some() || self.team_id.is_some() {
            faults.add("`certificate` and `key_id` or `team_id` exclude each other: keep the certificate, or the .p8 key with its two ids");
        }
        let identity = Identity::read(
            certificate,
            self.key.as_ref(),
            self.password.as_ref(),
            self.topic.as_deref().filter(|topic| !topic.is_empty()),
        )
        .map_err(|fault| format!("`certificate` {fault}"));
        match faults.keep(identity) {
            Some(Identity { facts, client }) => (
                Some(Auth::Certificate(facts)),
                http.with_client_certificate(client),
            ),
            None => (None, http),
        }
    }

    fn topic_of(&self, facts: Option<&CertificateFacts>, faults: &mut Faults) -> Option<String> {
        let own = self.topic.as_deref().filter(|topic| !topic.is_empty());
        if let Some(topic) = own
            && facts.and_then(CertificateFacts::bundle_id) != Some(topic)
            && let Some(fault) = topic_fault(topic, self.team_id.as_deref())
        {
            faults.add(fault);
            return None;
        }
        match (own, facts) {
            (Some(topic), Some(facts))
                if !facts.topics.is_empty()
                    && facts.bundle_id() != Some(topic)
                    && !facts.has_topic(topic) =>
            {
                let named: Vec<_> = facts
                    .topics
                    .iter()
                    .map(|topic| topic.topic.as_str())
                    .collect();
                faults.add(format!(
                    "`topic` is {topic}, but the certificate is for {}: remove `topic`, or use the other app's certificate",
                    named.join(", ")
                ));
                None
            }
            (Some(topic), _) => Some(topic.to_owned()),
            (None, Some(facts)) => match facts.bundle_id() {
                Some(topic) => Some(topic.to_owned()),
                None => {
                    faults.add("`topic` is missing, and the certificate does not name it: set it to the app's bundle id");
                    None
                }
            },
            (None, None) => {
                faults.add("`topic` is missing: it is the app's bundle id, as in com.example.chat");
                None
            }
        }
    }

    fn environment_of(
        &self,
        facts: Option<&CertificateFacts>,
        faults: &mut Faults,
    ) -> Option<Environment> {
        let own = self.environment.as_deref().map(str::trim);
        let own = match own.filter(|word| !word.is_empty()) {
            None => None,
            Some(word) => Some(faults.keep(environment(word))?),
        };
        let named = facts.map_or(&[][..], |facts| &facts.environments);
        match (own, named) {
            (Some(own), named) if !named.is_empty() && !named.contains(&own) => {
                faults.add(format!(
                    "`environment` is {own}, but the certificate is for {} only",
                    named[0]
                ));
                None
            }
            (Some(own), _) => Some(own),
            (None, [only]) => Some(*only),
            (None, _) => {
                faults.add("`environment` is missing: sandbox for debug builds, production for released apps and TestFlight");
                None
            }
        }
    }
}

/// Reads an environment in the words of this project, of Apple (`development`) and of other gateways.
fn environment(word: &str) -> Result<Environment, String> {
    match word.to_ascii_lowercase().as_str() {
        "sandbox" | "development" | "dev" | "debug" => Ok(Environment::Sandbox),
        "production" | "prod" | "release" => Ok(Environment::Production),
        _ => Err(
            "`environment` is neither sandbox (for debug builds) nor production (for released apps and TestFlight)"
                .to_owned(),
        ),
    }
}

/// Returns what is wrong with `topic` as a bundle id.
fn topic_fault(topic: &str, team_id: Option<&str>) -> Option<String> {
    let is_bundle_id = topic
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !is_bundle_id {
        return Some("`topic` is the app's bundle id, as in com.example.chat: letters, digits, dots and hyphens".into());
    }
    let suffix = PushType::ALL
        .iter()
        .map(|push_type| push_type.topic_suffix())
        .find(|suffix| !suffix.is_empty() && topic.ends_with(suffix));
    if let Some(suffix) = suffix {
        return Some(format!(
            "`topic` ends in {suffix}: write the bundle id without it, because the gateway adds the suffix of each push type itself"
        ));
    }
    let (first, rest) = topic.split_once('.')?;
    let is_team_id = Some(first) == team_id
        || (first.len() == 10
            && first
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    is_team_id.then(|| {
        format!("`topic` begins with a team id: write the bundle id alone, which is {rest}")
    })
}

fn origin(endpoint: &str) -> Result<Uri, String> {
    let wrong = || {
        "`endpoint` is a URL without a path, as in https://api.push.apple.com:2197; remove it to send to Apple".to_owned()
    };
    let uri = endpoint.trim().parse::<Uri>().map_err(|_| wrong())?;
    let is_origin = matches!(uri.scheme_str(), Some("https" | "http"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.path() == "/"
        && uri.query().is_none();
    if is_origin { Ok(uri) } else { Err(wrong()) }
}
