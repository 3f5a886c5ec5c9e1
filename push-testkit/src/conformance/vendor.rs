//! What a vendor accepts and answers.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use push_core::{
    BuildContext, ConfigValue as _, Descriptor, Late, Layer, Plugin, ProviderKind, Scope,
    TokenFault, TypedConfig,
};
use serde_json::Value;

use super::{Sent, Shown};
use crate::{Alpn, Reply};

type Config = Box<dyn Fn(&str, &str) -> Value + Send + Sync>;
type Tokens = Box<dyn Fn(&str, usize) -> String + Send + Sync>;
pub(super) type Read = Arc<dyn Fn(&Sent) -> Vec<Shown> + Send + Sync>;
type Partial = Arc<dyn Fn(&[String], &[String]) -> Reply + Send + Sync>;
type Step = Arc<dyn Fn(&str) -> Reply + Send + Sync>;
type Coded = Box<dyn Fn(u16, &str) -> Reply + Send + Sync>;
type Signature = Box<dyn Fn(&Sent) -> String + Send + Sync>;
type Receipts<R> = Box<dyn Fn(&str, &str) -> Vec<R> + Send + Sync>;
type Posted = Request<Bytes>;
type MakeLayer = Box<dyn Fn(&BuildContext) -> Arc<dyn Layer> + Send + Sync>;

/// A vendor: what it accepts, what it answers, and how its provider is configured. Filled by
/// [`provider_conformance!`](crate::provider_conformance); every method is one of its keys.
///
/// *Required* keys are needed by every vendor; a key that belongs to a capability is needed if
/// [`push_core::Provider::capabilities`] claims it. What is missing fails a test by name.
pub struct Vendor {
    pub(crate) descriptor: &'static Descriptor<ProviderKind>,
    /// `Debug` of the plugin's configuration, plain and pretty.
    pub(crate) show_config: fn(Value) -> Result<String, String>,
    /// The configuration, read and written again.
    pub(crate) write_config: fn(Value) -> Result<Value, String>,
    pub(crate) layer: Option<MakeLayer>,
    pub(crate) config: Option<Config>,
    pub(crate) wrong_config: Vec<(String, Value)>,
    pub(crate) secrets: Vec<String>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) token_forms: Vec<(String, String)>,
    pub(crate) wrong_tokens: Vec<String>,
    pub(crate) seen_as: fn(&str) -> String,
    pub(crate) protocols: Vec<Alpn>,
    pub(crate) shown: Option<Read>,
    pub(crate) ext_split: bool,
    pub(crate) ttl_unit: Duration,
    pub(crate) overlay: Vec<Value>,
    pub(crate) overlay_root: String,
    pub(crate) protected_fields: Vec<Value>,
    pub(crate) bending: Vec<Value>,
    pub(crate) ok: Option<Reply>,
    pub(crate) unconfirmed: Vec<Reply>,
    pub(crate) partial: Option<Partial>,
    pub(crate) token_dead: Vec<Reply>,
    pub(crate) token_unusable: Vec<(TokenFault, Reply)>,
    pub(crate) target_refused: Vec<Reply>,
    pub(crate) credential_refused: Vec<Reply>,
    pub(crate) payload_refused: Vec<Reply>,
    pub(crate) rate_limited: Vec<(Scope, Reply)>,
    pub(crate) unavailable: Vec<Reply>,
    pub(crate) unknown: Option<Coded>,
    pub(crate) bare: Vec<u16>,
    pub(crate) status_is_final: bool,
    pub(crate) max_badge: u32,
    pub(crate) auth: Option<(String, Reply)>,
    pub(crate) access_lifetime: Option<Duration>,
    pub(crate) auth_refused: Vec<Reply>,
    pub(crate) auth_limited: Vec<Reply>,
    pub(crate) access_expired: Option<Reply>,
    pub(crate) signature: Option<(Duration, Signature)>,
    pub(crate) step: Option<(String, Step)>,
    pub(crate) step_refused: Vec<Reply>,
    pub(crate) step_from: usize,
    pub(crate) verify_accepted: Vec<Reply>,
    pub(crate) cannot_verify: bool,
    pub(crate) receipt: Option<Receipts<(Posted, Late)>>,
    pub(crate) receipt_forged: Option<Receipts<Posted>>,
    pub(crate) receipts_unsigned: bool,
}

fn replies<R: Into<Reply>>(list: impl IntoIterator<Item = R>) -> Vec<Reply> {
    list.into_iter().map(Into::into).collect()
}

impl Vendor {
    /// A vendor whose provider is `P`, of which nothing else is known yet.
    pub fn new<P: Plugin<Kind = ProviderKind, Config: TypedConfig>>(
        descriptor: &'static Descriptor<ProviderKind>,
    ) -> Self {
        Self {
            descriptor,
            show_config: |json| {
                let config: P::Config =
                    serde_json::from_value(json).map_err(|error| error.to_string())?;
                Ok(format!("{config:?}\n{config:#?}"))
            },
            write_config: |json| {
                let config: P::Config =
                    serde_json::from_value(json).map_err(|error| error.to_string())?;
                config
                    .to_value()
                    .ok_or_else(|| "nothing is written".to_owned())
            },
            layer: None,
            config: None,
            wrong_config: Vec::new(),
            secrets: Vec::new(),
            tokens: None,
            token_forms: Vec::new(),
            wrong_tokens: Vec::new(),
            seen_as: str::to_owned,
            protocols: vec![Alpn::H2, Alpn::Http1],
            shown: None,
            ext_split: false,
            ttl_unit: Duration::from_secs(1),
            overlay: Vec::new(),
            overlay_root: String::new(),
            protected_fields: Vec::new(),
            bending: Vec::new(),
            ok: None,
            unconfirmed: Vec::new(),
            partial: None,
            token_dead: Vec::new(),
            token_unusable: Vec::new(),
            target_refused: Vec::new(),
            credential_refused: Vec::new(),
            payload_refused: Vec::new(),
            rate_limited: Vec::new(),
            unavailable: Vec::new(),
            unknown: None,
            bare: Vec::new(),
            status_is_final: false,
            max_badge: u32::MAX,
            auth: None,
            access_lifetime: None,
            auth_refused: Vec::new(),
            auth_limited: Vec::new(),
            access_expired: None,
            signature: None,
            step: None,
            step_refused: Vec::new(),
            step_from: 1,
            verify_accepted: Vec::new(),
            cannot_verify: false,
            receipt: None,
            receipt_forged: None,
            receipts_unsigned: false,
        }
    }
}

/// The credential and its configuration.
impl Vendor {
    /// A layer that is put around every provider of the suite: what the suite shows then, the layer keeps.
    #[must_use]
    pub fn layer(
        mut self,
        layer: impl Fn(&BuildContext) -> Arc<dyn Layer> + Send + Sync + 'static,
    ) -> Self {
        self.layer = Some(Box::new(layer));
        self
    }

    /// A configuration that reaches the scripted vendor: from its URL (`https://localhost:<port>`) and the PEM of its
    /// authority. If there is a token endpoint, it is the same server under the path of [`Vendor::auth`]. Required.
    #[must_use]
    pub fn config(mut self, config: impl Fn(&str, &str) -> Value + Send + Sync + 'static) -> Self {
        self.config = Some(Box::new(config));
        self
    }

    /// Keys of the configuration, each with a value that cannot work. The error names the key, and all keys at once if all
    /// values are wrong. Required.
    #[must_use]
    pub fn wrong_config<K: Into<String>, V: Into<Value>>(
        mut self,
        list: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.wrong_config = list
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        self
    }

    /// What must never be seen in `Debug` output, verdicts and errors: keys, secrets, access tokens. The suite makes the
    /// vendor repeat each in its error messages.
    #[must_use]
    pub fn secrets<S: Into<String>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        self.secrets = secrets.into_iter().map(Into::into).collect();
        self
    }

    /// The path of the token endpoint, and its answer when everything is fine. Needs [`Vendor::access_lifetime`].
    #[must_use]
    pub fn auth<R: Into<Reply>>(mut self, (path, reply): (&str, R)) -> Self {
        self.auth = Some((path.to_owned(), reply.into()));
        self
    }

    /// How long the access that [`Vendor::auth`] grants is valid: at least two minutes.
    #[must_use]
    pub const fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_lifetime = Some(lifetime);
        self
    }

    /// Answers of the token endpoint that refuse the credential.
    #[must_use]
    pub fn auth_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.auth_refused = replies(list);
        self
    }

    /// Answers of the token endpoint that ask to slow down. A 429 is always tried.
    #[must_use]
    pub fn auth_limited<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.auth_limited = replies(list);
        self
    }

    /// The answer to a send whose access token or signature is no longer good.
    #[must_use]
    pub fn access_expired(mut self, reply: impl Into<Reply>) -> Self {
        self.access_expired = Some(reply.into());
        self
    }

    /// For a vendor without a token endpoint, to which the provider signs an access token itself: how long one is valid, and
    /// how to read it from a request.
    #[must_use]
    pub fn signature(
        mut self,
        (lifetime, read): (Duration, impl Fn(&Sent) -> String + Send + Sync + 'static),
    ) -> Self {
        self.signature = Some((lifetime, Box::new(read)));
        self
    }

    /// Answers to what `verify` sends that show a good credential. Default: that of [`Vendor::ok`].
    #[must_use]
    pub fn verify_accepted<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.verify_accepted = replies(list);
        self
    }

    /// Declares that the vendor has no way to ask about a credential: `verify` answers
    /// [`CannotTell`](push_core::Acceptance::CannotTell) and sends nothing.
    ///
    /// # Panics
    /// If it is `false`: leave the key out.
    #[must_use]
    pub fn cannot_verify(mut self, declared: bool) -> Self {
        assert!(declared, "leave `cannot_verify` out instead");
        self.cannot_verify = true;
        self
    }
}

/// Tokens.
impl Vendor {
    /// A well-formed device token, at least eight characters long. The suite makes others of it by writing digits over its
    /// last six characters. Required, unless [`Vendor::tokens`] is there.
    ///
    /// # Panics
    /// If it is shorter.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        assert!(token.len() >= 8, "a token of at least eight characters");
        self.tokens(move |_, number| format!("{}{number:06}", &token[..token.len() - 6]))
    }

    /// Device tokens by number, each different and in canonical form, for vendors whose tokens have a form. The first argument
    /// is the scripted vendor's URL, for tokens that name it (Web Push).
    #[must_use]
    pub fn tokens(mut self, token: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Self {
        self.tokens = Some(Box::new(token));
        self
    }

    /// Other ways to write a token, each with the canonical form that `check_token` returns.
    #[must_use]
    pub fn token_forms<W: Into<String>, C: Into<String>>(
        mut self,
        list: impl IntoIterator<Item = (W, C)>,
    ) -> Self {
        self.token_forms = list
            .into_iter()
            .map(|(written, canonical)| (written.into(), canonical.into()))
            .collect();
        self
    }

    /// Text that cannot be a token of this vendor.
    #[must_use]
    pub fn wrong_tokens<T: Into<String>>(mut self, list: impl IntoIterator<Item = T>) -> Self {
        self.wrong_tokens = list.into_iter().map(Into::into).collect();
        self
    }

    /// The part of a device token that is seen in the path or the body of a request, and in [`Shown::tokens`]. Default: all of
    /// it.
    #[must_use]
    pub fn seen_as(mut self, part: fn(&str) -> String) -> Self {
        self.seen_as = part;
        self
    }
}

/// Requests.
impl Vendor {
    /// What the vendor speaks. Default: HTTP/2 and HTTP/1.1.
    #[must_use]
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = Alpn>) -> Self {
        self.protocols = protocols.into_iter().collect();
        self
    }

    /// Reads a request as the vendor and its phones do: one [`Shown`], or one for each message in it. Decrypts what is
    /// encrypted. Written from the vendor's documentation, not with the provider's own code. Required.
    #[must_use]
    pub fn shown<S: Into<Vec<Shown>>>(
        mut self,
        read: impl Fn(&Sent) -> S + Send + Sync + 'static,
    ) -> Self {
        self.shown = Some(Arc::new(move |sent| read(sent).into()));
        self
    }

    /// Declares that the vendor takes `ext` apart: [`Shown::ext`] is compared as JSON, not byte for byte.
    ///
    /// # Panics
    /// If it is `false`: leave the key out.
    #[must_use]
    pub fn ext_split(mut self, declared: bool) -> Self {
        assert!(declared, "leave `ext_split` out instead");
        self.ext_split = true;
        self
    }

    /// The step in which the vendor counts the time to live. Default: one second.
    #[must_use]
    pub const fn ttl_unit(mut self, unit: Duration) -> Self {
        self.ttl_unit = unit;
        self
    }

    /// The first of two steps, for vendors that save a message and then send it by its id: its path, and the answer that
    /// gives the saved message this id (24 digits, different each time). [`Sent::saved`] has the request again.
    #[must_use]
    pub fn step(
        mut self,
        (path, reply): (&str, impl Fn(&str) -> Reply + Send + Sync + 'static),
    ) -> Self {
        self.step = Some((path.to_owned(), Arc::new(reply)));
        self
    }

    /// Answers to the first step that refuse what was to be saved.
    #[must_use]
    pub fn step_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.step_refused = replies(list);
        self
    }

    /// The fewest targets that are sent in two steps, for vendors that take a smaller batch in one request of its own. Default: 1.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub const fn step_from(mut self, targets: usize) -> Self {
        assert!(targets > 0, "a batch has a target");
        self.step_from = targets;
        self
    }

    /// Vendor fields that a message or an operator may lay over the payload, each an object. What is sent is then
    /// [`Shown::payload`] with the fields merged into it: objects deeply, everything else replaced. Without this key the
    /// provider must refuse every vendor field.
    #[must_use]
    pub fn overlay(mut self, list: impl IntoIterator<Item = Value>) -> Self {
        self.overlay = list.into_iter().collect();
        self
    }

    /// Where in [`Shown::payload`] the vendor fields go, as a JSON pointer. Default: the top.
    #[must_use]
    pub fn overlay_root(mut self, pointer: impl Into<String>) -> Self {
        self.overlay_root = pointer.into();
        self
    }

    /// Vendor fields that would change the receiver, the credential, the environment or the click data: refused by name. The
    /// suite finds those that it sees in [`Shown::payload`] itself; list what the payload does not show (other kinds of target, a
    /// topic, an app id). Required with [`Vendor::overlay`].
    #[must_use]
    pub fn protected_fields(mut self, list: impl IntoIterator<Item = Value>) -> Self {
        self.protected_fields = list.into_iter().collect();
        self
    }

    /// Vendor fields that are accepted although they change to whom the vendor takes a request to be, as a push type may change
    /// the topic: what the vendor then says of the token costs no token. Default: none.
    #[must_use]
    pub fn bending(mut self, list: impl IntoIterator<Item = Value>) -> Self {
        self.bending = list.into_iter().collect();
        self
    }
}

/// Answers.
impl Vendor {
    /// The answer when everything is fine, for one target and for a full batch. Where it depends on the request, use
    /// [`Reply::with`]. Required.
    #[must_use]
    pub fn ok(mut self, reply: impl Into<Reply>) -> Self {
        self.ok = Some(reply.into());
        self
    }

    /// Answers with a success in the vendor's form that confirm no push of this request: without the id that the vendor gives, or
    /// with the id of another request. Another server, a cache or a proxy made them, so that they are neither accepted nor
    /// refused. Required.
    #[must_use]
    pub fn unconfirmed<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.unconfirmed = replies(list);
        self
    }

    /// The answer to a request for all of these tokens, of which the second list is dead, in the order of the request and in
    /// the form of [`Vendor::seen_as`]. Required if a batch may have more than one target.
    #[must_use]
    pub fn partial(
        mut self,
        answer: impl Fn(&[String], &[String]) -> Reply + Send + Sync + 'static,
    ) -> Self {
        self.partial = Some(Arc::new(answer));
        self
    }

    /// Answers that say that the token is gone for good. Required.
    #[must_use]
    pub fn token_dead<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.token_dead = replies(list);
        self
    }

    /// Answers that say that the token cannot be pushed to now, each with the reason.
    #[must_use]
    pub fn token_unusable<R: Into<Reply>>(
        mut self,
        list: impl IntoIterator<Item = (TokenFault, R)>,
    ) -> Self {
        self.token_unusable = list
            .into_iter()
            .map(|(fault, reply)| (fault, reply.into()))
            .collect();
        self
    }

    /// Answers that refuse this target only, for a reason that is neither its token's nor this credential's.
    #[must_use]
    pub fn target_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.target_refused = replies(list);
        self
    }

    /// Answers that refuse the credential. Required.
    #[must_use]
    pub fn credential_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.credential_refused = replies(list);
        self
    }

    /// Answers that refuse what was sent. Required.
    #[must_use]
    pub fn payload_refused<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.payload_refused = replies(list);
        self
    }

    /// Answers that ask to slow down, each with how far it reaches. A `retry-after` in seconds must be obeyed exactly.
    /// Required.
    #[must_use]
    pub fn rate_limited<R: Into<Reply>>(
        mut self,
        list: impl IntoIterator<Item = (Scope, R)>,
    ) -> Self {
        self.rate_limited = list
            .into_iter()
            .map(|(scope, reply)| (scope, reply.into()))
            .collect();
        self
    }

    /// Declares that `retry-after` may be a date: then the first answer of [`Vendor::rate_limited`] is also tried with one.
    ///
    /// # Panics
    /// If it is `false`: leave the key out.
    #[must_use]
    pub fn retry_after_dates(self, declared: bool) -> Self {
        assert!(declared, "leave `retry_after_dates` out instead");
        self
    }

    /// Answers of a vendor that is down. A `retry-after` in seconds must be obeyed exactly. Required.
    #[must_use]
    pub fn unavailable<R: Into<Reply>>(mut self, list: impl IntoIterator<Item = R>) -> Self {
        self.unavailable = replies(list);
        self
    }

    /// An error in the vendor's own format, with this HTTP status and a code of digits that the vendor does not have. Status
    /// 200 is tried too if one of the vendor's refusals has it. Required.
    #[must_use]
    pub fn unknown(mut self, error: impl Fn(u16, &str) -> Reply + Send + Sync + 'static) -> Self {
        self.unknown = Some(Box::new(error));
        self
    }

    /// Statuses that the vendor answers without a body of a fixed form, so that the status alone counts (Web Push's 404 and
    /// 410). Default: none, so that every answer without the vendor's body comes from the path between.
    #[must_use]
    pub fn bare(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.bare = statuses.into_iter().collect();
        self
    }

    /// Declares that the status 200 accepts the request whatever is in the body: a body that is lost does not make the
    /// outcome unknown.
    ///
    /// # Panics
    /// If it is `false`: leave the key out.
    #[must_use]
    pub fn status_is_final(mut self, declared: bool) -> Self {
        assert!(declared, "leave `status_is_final` out instead");
        self.status_is_final = true;
        self
    }

    /// The largest number that the vendor shows on an icon, or adds to it in one push; larger ones are sent as this. Default: no
    /// limit.
    #[must_use]
    pub const fn max_badge(mut self, number: u32) -> Self {
        self.max_badge = number;
        self
    }

    /// Receipts that the vendor posts about this tag and token, each with what it reports.
    #[must_use]
    pub fn receipt(
        mut self,
        posted: impl Fn(&str, &str) -> Vec<(Request<Bytes>, Late)> + Send + Sync + 'static,
    ) -> Self {
        self.receipt = Some(Box::new(posted));
        self
    }

    /// The same with signatures that are wrong, missing or too old. Required with [`Vendor::receipt`], unless the vendor does
    /// not sign.
    #[must_use]
    pub fn receipt_forged(
        mut self,
        posted: impl Fn(&str, &str) -> Vec<Request<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        self.receipt_forged = Some(Box::new(posted));
        self
    }

    /// Declares that the vendor does not sign its receipts.
    ///
    /// # Panics
    /// If it is `false`: leave the key out.
    #[must_use]
    pub fn receipts_unsigned(mut self, declared: bool) -> Self {
        assert!(declared, "leave `receipts_unsigned` out instead");
        self.receipts_unsigned = true;
        self
    }
}
