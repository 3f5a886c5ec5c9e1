//! A provider that is correct, until it is broken.
use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{Request, Response};
use push_core::{
    Batch, BatchId, Batching, BuildContext, Capabilities, Channel, Clock, DeviceToken, DynProvider,
    Error, ErrorKind, Health, Late, NotificationKind, Plugin, Provider, ProviderKind, Received,
    Result, Scope, Slot, TextLimits, TextUnit, Timestamp, VendorAnswer, VendorReceipt, Verdict,
    VerdictKind, Verdicts, async_trait,
};
use push_http::{Client, HttpClient as _, HttpError, Processed};
use serde_json::{Map, Value, json};

use crate::{
    access::Access,
    classify::{self, Answer},
    config::Config,
    fault::Fault,
    render,
};

pub(crate) struct Acme {
    core: Core,
    access: Access,
}

/// What all parts of the provider use.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) endpoint: String,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) capabilities: Capabilities,
}

impl Core {
    pub(crate) fn breaks(&self, fault: Fault) -> bool {
        self.config.broken == Some(fault)
    }

    /// What is said of an exchange that failed.
    pub(crate) fn said(&self, error: &HttpError) -> String {
        if self.breaks(Fault::WayUnsaid) {
            return "the vendor did not answer; check the network".to_owned();
        }
        error.to_string()
    }
}

push_core::register_plugin!(Acme);

impl Plugin for Acme {
    type Kind = ProviderKind;
    type Config = Config;
    const NAME: &'static str = "acme";

    fn build(config: Config, context: &BuildContext) -> Result<DynProvider> {
        config.check()?;
        let mut http = config.http.clone();
        if config.broken != Some(Fault::PolicyIgnored) {
            http = http.within(context);
        }
        if config.broken == Some(Fault::AuthorityIgnored) {
            http.extra_ca_pem = None;
        }
        let text = TextLimits::new(40, 120, TextUnit::Utf16);
        let core = Core {
            endpoint: config.endpoint.trim_end_matches('/').to_owned(),
            client: Client::new(http, Arc::clone(&context.clock))?,
            clock: Arc::clone(&context.clock),
            capabilities: Capabilities::new(Channel::known("acme"), render::MAX_PAYLOAD)
                .with_kinds(&[NotificationKind::Alert, NotificationKind::Background])
                .with_batch(100, Batching::Mixed)
                .with_collapse()
                .with_ttl(render::MIN_TTL, render::MAX_TTL)
                .with_text(text)
                .with_repair("compare app id and secret with Acme's console"),
            config,
        };
        Ok(Arc::new(Self {
            core,
            access: Access::default(),
        }))
    }
}

impl Acme {
    /// Posts to the vendor, with another access token if the first is refused for its age, once (S120).
    async fn post(&self, path: &str, batch: &Batch, body: &Value) -> Result<Answer, Verdict> {
        let core = &self.core;
        let bytes = Bytes::from(body.to_string());
        let token = self.access.token(core, None).await?;
        let answer = self.post_once(path, batch, &token, bytes.clone()).await?;
        if answer.code != 4011 || core.breaks(Fault::RefusedNotRenewed) {
            return Ok(answer);
        }
        let token = self.access.token(core, Some(&token)).await?;
        self.post_once(path, batch, &token, bytes).await
    }

    async fn post_once(
        &self,
        path: &str,
        batch: &Batch,
        token: &str,
        body: Bytes,
    ) -> Result<Answer, Verdict> {
        let core = &self.core;
        let request = || {
            Request::post(format!("{}{path}", core.endpoint))
                .header("content-type", "application/json")
                .header("authorization", format!("Bearer {token}"))
                .body(body.clone())
                .map_err(|_| Verdict::unavailable("the request cannot be built"))
        };
        let mut result = core.client.send(request()?).await;
        let again = match &result {
            Ok(response) => response.status().as_u16() == 503 && core.breaks(Fault::RetriesInside),
            Err(_) => core.breaks(Fault::RetriesUnknown),
        };
        if again {
            result = core.client.send(request()?).await;
        }
        match result {
            Ok(response) => classify::read(core, batch, &response),
            Err(error) => Err(match error.processed() {
                Processed::Unknown if !core.breaks(Fault::LastStepUnavailable) => {
                    Verdict::unknown(core.said(&error))
                }
                _ => Verdict::unavailable(core.said(&error)),
            }),
        }
    }

    /// Saves a message at the vendor. Whatever goes wrong, no phone has rung.
    async fn save(&self, batch: &Batch, payload: &Map<String, Value>) -> Result<String, Verdict> {
        let core = &self.core;
        let token = self.access.token(core, None).await?;
        let request = Request::post(format!("{}/v1/save", core.endpoint))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::from(Value::Object(payload.clone()).to_string()))
            .map_err(|_| Verdict::unavailable("the request cannot be built"))?;
        let response = core.client.send(request).await.map_err(|error| {
            if core.breaks(Fault::FirstStepUnknown) {
                Verdict::unknown(error.to_string())
            } else {
                Verdict::unavailable(error.to_string())
            }
        })?;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let answer = classify::read(core, batch, &response)?;
        match (answer.verdict.kind, body["id"].as_str()) {
            (VerdictKind::Accepted, Some(id)) => Ok(id.to_owned()),
            (VerdictKind::Accepted, None) => Err(Verdict::unavailable("no id was given")),
            _ => Err(answer.verdict),
        }
    }

    async fn deliver(&self, batch: &Batch, verdicts: &Verdicts) -> Result<(), Verdict> {
        let core = &self.core;
        let content = batch.content().map(|content| content.notification.kind);
        if batch.slot != Slot::Alert
            || content.is_some_and(|kind| !core.capabilities.kinds.contains(&kind))
        {
            return Err(Verdict::payload_refused(
                "kind",
                "alerts and background only",
            ));
        }
        let groups = render::messages(core, batch)?;
        let mut messages = Vec::new();
        for group in &groups {
            let mut message = group.payload.clone();
            let is_single = batch.targets.len() == 1;
            if core.config.two_steps && !(is_single && core.config.single_in_one) {
                let id = self.save(batch, &group.payload).await?;
                message = Map::new();
                message.insert("message_id".to_owned(), id.into());
            }
            let tokens = group.positions.iter().map(|at| &batch.targets[*at].token);
            let to: Vec<&str> = tokens.map(DeviceToken::expose).collect();
            // A field of the vendor's may have been laid over it.
            message.entry("to").or_insert(json!(to));
            messages.push(message);
        }
        let id = if core.breaks(Fault::NewIdOnRepeat) {
            BatchId::new(core.clock.now())
        } else {
            batch.id
        };
        let body = json!({ "id": id.to_string(), "messages": messages });
        let answer = self.post("/v1/send", batch, &body).await?;
        let mut each: Vec<_> = groups
            .iter()
            .flat_map(|group| &group.positions)
            .filter_map(|at| {
                let token = batch.targets[*at].token.expose();
                Some((*at, answer.verdict(core, token)?))
            })
            .collect();
        if core.breaks(Fault::VerdictsSwapped)
            && let [first, .., last] = each.as_mut_slice()
        {
            std::mem::swap(&mut first.0, &mut last.0);
        }
        verdicts.report_many(each);
        Ok(())
    }
}

#[async_trait]
impl Provider for Acme {
    fn capabilities(&self) -> &Capabilities {
        &self.core.capabilities
    }

    async fn send(&self, batch: Batch, verdicts: Verdicts) {
        if batch.targets.is_empty() {
            return;
        }
        if let Err(verdict) = self.deliver(&batch, &verdicts).await {
            verdicts.report_rest(&verdict);
        }
    }

    async fn verify(&self) -> Result<Health> {
        let none = Batch::new(
            BatchId::new(self.core.clock.now()),
            push_core::Environment::Production,
            Slot::Alert,
            Vec::new(),
        );
        let verdict = match self.post("/v1/check", &none, &json!({})).await {
            Ok(answer) => answer.verdict,
            Err(verdict) => verdict,
        };
        let status = verdict.answer.status.unwrap_or_default();
        let VendorAnswer { code, text, .. } = &*verdict.answer;
        let said = format!("HTTP {status} {code} {text}");
        match verdict.kind {
            VerdictKind::Accepted => Ok(Health::accepted(said)),
            VerdictKind::Unavailable(_)
                if self.core.breaks(Fault::PortalVouches) && verdict.answer.status == Some(200) =>
            {
                Ok(Health::accepted(said))
            }
            VerdictKind::Unavailable(_) if self.core.breaks(Fault::OutageIsRefusal) => {
                Ok(Health::refused(said))
            }
            VerdictKind::CredentialRefused => Ok(Health::refused(said)),
            VerdictKind::TargetRefused if self.core.breaks(Fault::UnknownVouches) => {
                Ok(Health::accepted(said))
            }
            VerdictKind::Unknown if self.core.breaks(Fault::HeadVouches) => {
                Ok(Health::accepted(said))
            }
            _ => Err(Error::new(ErrorKind::Unavailable, said).advise("try again later")),
        }
    }

    fn check_token(&self, _: Slot, token: &DeviceToken) -> Result<DeviceToken> {
        if self.core.breaks(Fault::TokenNotCanonical) {
            return Ok(token.clone());
        }
        let text = token.expose().trim();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_token = text.contains('-') && text.bytes().all(is_plain);
        if !is_token && !self.core.breaks(Fault::AnyTextIsToken) {
            let error = Error::new(ErrorKind::Invalid, "this is no token of Acme");
            return Err(error.advise("register what the library returned"));
        }
        DeviceToken::new(text.to_ascii_lowercase())
    }

    fn check_fields(&self, fields: &Map<String, Value>) -> Result<()> {
        match render::forbidden(&self.core, fields) {
            None => Ok(()),
            Some(field) => {
                let text = format!("the vendor field `{field}` cannot be set");
                Err(Error::new(ErrorKind::Invalid, text))
            }
        }
    }

    fn receive(&self, request: &Request<Bytes>) -> Result<Received> {
        let denied = || Error::new(ErrorKind::Denied, "the receipt's signature is wrong");
        let key = hmac::Key::new(
            hmac::HMAC_SHA256,
            self.core.config.app_secret.expose().as_bytes(),
        );
        let signature = request.headers().get("x-signature");
        let tag = signature.and_then(|value| hex(value.to_str().ok()?));
        let good = tag.is_some_and(|tag| hmac::verify(&key, request.body(), &tag).is_ok());
        if !good
            && !self.core.breaks(Fault::ForgedReceipt)
            && !self.core.breaks(Fault::ReceiptPanics)
        {
            return Err(denied());
        }
        let invalid = || Error::new(ErrorKind::Invalid, "the receipt cannot be read");
        let body: Value = match serde_json::from_slice(request.body()) {
            Ok(body) => body,
            Err(_) if self.core.breaks(Fault::ReceiptPanics) => panic!("not JSON"),
            Err(_) => return Err(invalid()),
        };
        let text = |key: &str| body[key].as_str().ok_or_else(invalid);
        let what = match text("event")? {
            "delivered" => Late::Delivered,
            "dead" => Late::Verdict(Verdict::new(
                VerdictKind::TokenDead { since: None },
                VendorAnswer::default(),
            )),
            _ => Late::Verdict(Verdict::new(
                VerdictKind::RateLimited(Scope::Token),
                VendorAnswer::default(),
            )),
        };
        let token = DeviceToken::new(text("token")?)?;
        let at = Timestamp::from_unix_millis(body["at"].as_i64().ok_or_else(invalid)?);
        let receipt = VendorReceipt::new(text("tag")?.parse()?, Some(token), at, what);
        Ok(Received::new(vec![receipt], Response::new(Bytes::new())))
    }
}

/// Decodes hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acme ")?;
        self.access.show(&self.core, f)
    }
}
