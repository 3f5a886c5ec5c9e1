//! What a vendor answers.
use std::fmt;

use push_core::{Descriptor, Plugin, ProviderKind};
use serde_json::Value;

use crate::{Alpn, Authority, Log, Recorded, Reply};

type Config = Box<dyn Fn(&str, &str) -> Value + Send + Sync>;

/// A vendor in its own words, and how its provider is configured. Filled by
/// [`provider_conformance!`](crate::provider_conformance); every method is one of its keys.
pub struct Vendor {
    pub(crate) descriptor: &'static Descriptor<ProviderKind>,
    /// `Debug` of the plugin's configuration, plain and pretty.
    pub(crate) show_config: fn(Value) -> Result<String, String>,
    pub(crate) config: Option<Config>,
    pub(crate) secrets: Vec<String>,
    pub(crate) token: Box<dyn Fn(usize) -> String + Send + Sync>,
    pub(crate) seen_as: fn(&str) -> String,
    pub(crate) protocols: Vec<Alpn>,
    pub(crate) ok: Option<Reply>,
    pub(crate) token_dead: Vec<Reply>,
    pub(crate) token_mismatch: Vec<Reply>,
    pub(crate) credential_refused: Vec<Reply>,
    pub(crate) payload_refused: Vec<Reply>,
    pub(crate) rate_limited: Vec<Reply>,
    pub(crate) unavailable: Vec<Reply>,
    pub(crate) unknown: Option<(Reply, String)>,
    pub(crate) auth: Option<(String, Reply)>,
    pub(crate) auth_refused: Vec<Reply>,
    pub(crate) access_expired: Option<Reply>,
    pub(crate) verify_accepted: Vec<Reply>,
}

fn replies<R: Into<Reply>>(list: impl IntoIterator<Item = R>) -> Vec<Reply> {
    list.into_iter().map(Into::into).collect()
}

impl Vendor {
    /// A vendor whose provider is `P`, of which nothing else is known yet.
    pub fn new<P: Plugin<Kind = ProviderKind>>(
        descriptor: &'static Descriptor<ProviderKind>,
    ) -> Self {
        Self {
            descriptor,
            show_config: |json| {
                let config: P::Config =
                    serde_json::from_value(json).map_err(|error| error.to_string())?;
                Ok(format!("{config:?}\n{config:#?}"))
            },
            config: None,
            secrets: Vec::new(),
            token: Box::new(|_| panic!("the conformance suite needs `token`")),
            seen_as: str::to_owned,
            protocols: vec![Alpn::H2, Alpn::Http1],
            ok: None,
            token_dead: Vec::new(),
            token_mismatch: Vec::new(),
            credential_refused: Vec::new(),
            payload_refused: Vec::new(),
            rate_limited: Vec::new(),
            unavailable: Vec::new(),
            unknown: None,
            auth: None,
            auth_refused: Vec::new(),
            access_expired: None,
            verify_accepted: Vec::new(),
        }
    }

    /// A configuration that reaches the scripted vendor: from its URL (`https://localhost:<port>`) and the PEM of its
    /// authority. If there is a token endpoint, it is the same server under the path of [`Vendor::auth`]. Required.
    #[must_use]
    pub fn config(mut self, config: impl Fn(&str, &str) -> Value + Send + Sync + 'static) -> Self {
        self.config = Some(Box::new(config));
        self
    }

    /// What of the configuration must never be seen in `Debug` output: keys, secrets, access tokens.
    #[must_use]
    pub fn secrets<S: Into<String>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        self.secrets = secrets.into_iter().map(Into::into).collect();
        self
    }

    /// A well-formed device token, at least eight characters long. The suite makes others of it by writing digits over its
    /// last six characters. Required, unless [`Vendor::tokens`] is there.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        assert!(token.len() >= 8, "a token of at least eight characters");
        self.tokens(move |number| format!("{}{number:06}", &token[..token.len() - 6]))
    }

    /// Device tokens by number, each different, for vendors whose tokens have a form.
    #[must_use]
    pub fn tokens(mut self, token: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.token = Box::new(token);
        self
    }

    /// The part of a device token that is seen in the path or the body of a request. Default: all of it.
    #[must_use]
    pub fn seen_as(mut self, part: fn(&str) -> String) -> Self {
        self.seen_as = part;
        self
    }

    /// What the vendor speaks. Default: HTTP/2 and HTTP/1.1.
    #[must_use]
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = Alpn>) -> Self {
        self.protocols = protocols.into_iter().collect();
        self
    }

    /// The answer when everything is fine, for one target and for a full batch. Where it depends on the request, use
    /// [`Reply::with`]. Required.
    #[must_use]
    pub fn ok(mut self, reply: impl Into<Reply>) -> Self {
        self.ok = Some(reply.into());
        self
    }

    /// Answers that say that the token is gone for good.
    #[must_use]
    pub fn token_dead<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.token_dead = replies(list);
        self
    }

    /// Answers that say that the token belongs to another app, project or environment.
    #[must_use]
    pub fn token_mismatch<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.token_mismatch = replies(list);
        self
    }

    /// Answers that refuse the credential.
    #[must_use]
    pub fn credential_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.credential_refused = replies(list);
        self
    }

    /// Answers that refuse what was sent.
    #[must_use]
    pub fn payload_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.payload_refused = replies(list);
        self
    }

    /// Answers that ask to slow down. A `retry-after` in seconds must be obeyed exactly.
    #[must_use]
    pub fn rate_limited<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.rate_limited = replies(list);
        self
    }

    /// Whether `retry-after` may be a date: then the first answer of [`Vendor::rate_limited`] is also tried with one.
    ///
    /// # Panics
    /// If it is `false`, which means nothing: leave the key out.
    #[must_use]
    pub fn retry_after_dates(self, they_are: bool) -> Self {
        assert!(they_are, "leave `retry_after_dates` out instead");
        self
    }

    /// Answers of a vendor that is down. A `retry-after` in seconds must be obeyed exactly. Required.
    #[must_use]
    pub fn unavailable<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.unavailable = replies(list);
        self
    }

    /// An error that nobody knows yet, and the code in it that must be kept word for word. Required.
    #[must_use]
    pub fn unknown<R: Into<Reply>>(mut self, (reply, code): (R, &str)) -> Self {
        self.unknown = Some((reply.into(), code.to_owned()));
        self
    }

    /// The path of the token endpoint, and its answer when everything is fine. What it grants must be good for at least an
    /// hour.
    #[must_use]
    pub fn auth<R: Into<Reply>>(mut self, (path, reply): (&str, R)) -> Self {
        self.auth = Some((path.to_owned(), reply.into()));
        self
    }

    /// Answers of the token endpoint that refuse the credential.
    #[must_use]
    pub fn auth_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.auth_refused = replies(list);
        self
    }

    /// The answer to a send whose access token is no longer good.
    #[must_use]
    pub fn access_expired(mut self, reply: impl Into<Reply>) -> Self {
        self.access_expired = Some(reply.into());
        self
    }

    /// Answers to what `verify` sends that show a good credential. Default: that of [`Vendor::ok`].
    #[must_use]
    pub fn verify_accepted<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.verify_accepted = replies(list);
        self
    }

    /// Whether `path` is the token endpoint's.
    pub(crate) fn is_auth(&self, path: &str) -> bool {
        self.auth.as_ref().is_some_and(|(it, _)| it == path)
    }

    pub(crate) fn configured(&self, endpoint: &str, ca_pem: &str) -> Value {
        let config = self.config.as_ref();
        config.expect("the conformance suite needs `config`")(endpoint, ca_pem)
    }

    /// A configuration that reaches nobody.
    pub(crate) fn any_config(&self) -> Value {
        self.configured("https://localhost:1", &Authority::new().pem())
    }

    pub(crate) fn ok_reply(&self) -> Reply {
        self.ok.clone().expect("the conformance suite needs `ok`")
    }

    pub(crate) fn sends(&self, log: &Log) -> Vec<Recorded> {
        let mut requests = log.requests();
        requests.retain(|it| !self.is_auth(it.uri.path()));
        requests
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vendor").field(self.descriptor).finish()
    }
}
