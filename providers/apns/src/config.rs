//! What an operator writes to send with a key or a certificate of theirs.
use std::sync::Arc;

use http::{Uri, uri::Authority, uri::Scheme};
use push_core::{Clock, Environment, Error, ErrorKind, Result, Secret};
use push_http::{HttpConfig, Protocols};
use serde::Deserialize;

use crate::{
    certificate::{CertificateFacts, Identity},
    token::{SigningKey, TokenSource},
};

/// How to reach Apple, and as whom: with a key (`key`, `key_id`, `team_id`) or with a certificate (`certificate`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApnsConfig {
    /// The PEM text of the `.p8` file; or, beside a `certificate` in PEM, of that certificate's private key.
    pub key: Option<Secret>,
    /// The key's id, 10 letters and digits: in the file's name, `AuthKey_<key id>.p8`.
    pub key_id: Option<String>,
    /// The team's id, 10 letters and digits: in the membership details of the developer account.
    pub team_id: Option<String>,
    /// A certificate with its private key: the base64 of a `.p12` file, or PEM text. Secret, because it holds the key.
    pub certificate: Option<Secret>,
    /// The password of the `.p12` file.
    pub password: Option<Secret>,
    /// The app's bundle id, without a suffix. A certificate says it by itself.
    pub topic: Option<String>,
    /// `sandbox` for debug builds, `production` for released apps and TestFlight. Some certificates say it by themselves.
    pub environment: Option<Environment>,
    /// Where to send to instead of Apple's host, as in `https://api.push.apple.com:2197` or `https://127.0.0.1:9443`.
    pub endpoint: Option<String>,
    /// How to connect.
    pub http: HttpConfig,
}

/// As whom requests are sent.
#[derive(Debug)]
pub(crate) enum Auth {
    Token(TokenSource),
    Certificate(CertificateFacts),
}

/// A configuration that was found to be good.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) auth: Auth,
    pub(crate) topic: String,
    pub(crate) environment: Environment,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) http: HttpConfig,
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
    pub(crate) fn check(mut self, clock: &Arc<dyn Clock>) -> Result<Checked> {
        let mut faults = Faults::default();
        let http = std::mem::take(&mut self.http).with_protocols(Protocols::H2Only);
        let by_certificate = self.certificate.is_some();
        let (auth, http) = match self.certificate.take() {
            Some(certificate) => self.certificate_auth(&certificate, http, &mut faults),
            None => (self.token_auth(clock, &mut faults), http),
        };
        let facts = match &auth {
            Some(Auth::Certificate(facts)) => Some(facts),
            _ => None,
        };
        // A certificate that cannot be read says neither topic nor environment: one fault is enough for it.
        let readable = auth.is_some() || !by_certificate;
        let topic = if readable || self.topic.is_some() {
            self.topic_of(facts, &mut faults)
        } else {
            None
        };
        let environment = if readable || self.environment.is_some() {
            self.environment_of(facts, &mut faults)
        } else {
            None
        };
        let origin = match &self.endpoint {
            Some(endpoint) => faults.keep(origin(endpoint)),
            None => environment.map(|it| {
                let host = match it {
                    Environment::Sandbox => "api.sandbox.push.apple.com",
                    Environment::Production => "api.push.apple.com",
                };
                (Scheme::HTTPS, Authority::from_static(host))
            }),
        };
        match (auth, topic, environment, origin) {
            (Some(auth), Some(topic), Some(environment), Some((scheme, authority)))
                if faults.0.is_empty() =>
            {
                Ok(Checked {
                    auth,
                    topic,
                    environment,
                    scheme,
                    authority,
                    http,
                })
            }
            _ => Err(faults.into_error()),
        }
    }

    fn token_auth(&self, clock: &Arc<dyn Clock>, faults: &mut Faults) -> Option<Auth> {
        if self.key.is_none() && self.key_id.is_none() && self.team_id.is_none() {
            faults.add("there is no credential: set key, key_id and team_id of a .p8 key, or certificate and password of a .p12 file");
            return None;
        }
        if self.password.is_some() {
            faults.add("`password` belongs to a .p12 `certificate`: a .p8 key has none");
        }
        let mut id = |name: &str, value: &Option<String>, place: &str| match value.as_deref() {
            Some(id) if id.len() == 10 && id.bytes().all(|it| it.is_ascii_alphanumeric()) => {
                Some(id.to_owned())
            }
            Some(id) => {
                faults.add(format!(
                    "`{name}` has 10 letters and digits, not {}: it is {place}",
                    id.chars().count()
                ));
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
            .then(|| Auth::Token(TokenSource::new(signing, Arc::clone(clock))))
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
        let identity = Identity::read(certificate, self.key.as_ref(), self.password.as_ref())
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
        let own = self.topic.as_deref().filter(|it| !it.is_empty());
        if let Some(topic) = own
            && !topic
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_'))
        {
            faults.add("`topic` is the app's bundle id, as in com.example.chat: letters, digits, dots and hyphens");
            return None;
        }
        match (own, facts) {
            (Some(topic), Some(facts))
                if !facts.topics.is_empty()
                    && facts.bundle_id() != Some(topic)
                    && !facts.has_topic(topic) =>
            {
                let has: Vec<_> = facts.topics.iter().map(|it| it.topic.as_str()).collect();
                faults.add(format!(
                    "`topic` is {topic}, but the certificate is for {}: leave `topic` out, or use the other app's certificate",
                    has.join(", ")
                ));
                None
            }
            (Some(topic), _) => Some(topic.to_owned()),
            (None, Some(facts)) => match facts.bundle_id() {
                Some(topic) => Some(topic.to_owned()),
                None => {
                    faults.add("`topic` is missing, and the certificate does not say it: set it to the app's bundle id");
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
        let said = facts.map_or(&[][..], |it| &it.environments);
        match (self.environment, said) {
            (Some(own), said) if !said.is_empty() && !said.contains(&own) => {
                faults.add(format!(
                    "`environment` is {own}, but the certificate is for {} only",
                    said[0]
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

fn origin(endpoint: &str) -> Result<(Scheme, Authority), String> {
    let wrong = || {
        "`endpoint` is a URL without a path, as in https://api.push.apple.com:2197; leave it out to send to Apple".to_owned()
    };
    let parts = endpoint.parse::<Uri>().map_err(|_| wrong())?.into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |it| it.as_str());
    match (parts.scheme, parts.authority) {
        (Some(scheme), Some(authority))
            if path == "/" && (scheme == Scheme::HTTPS || scheme == Scheme::HTTP) =>
        {
            Ok((scheme, authority))
        }
        _ => Err(wrong()),
    }
}
