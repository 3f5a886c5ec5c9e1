//! What a provider says of a delivery. A provider classifies; the pipeline acts.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{DeviceToken, Timestamp};

/// A provider's word on one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of it, in terms of what the pipeline must do.
    pub kind: VerdictKind,
    /// When another attempt may help.
    pub retry: Retry,
    /// The vendor's own words.
    pub answer: VendorAnswer,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerdictKind {
    /// The vendor took it. No vendor's answer says that it reached the phone.
    Accepted,
    /// The token is dead for good.
    TokenDead {
        /// Since when, if the vendor says so (APNs' 410). A token told again after this moment lives.
        since: Option<Timestamp>,
    },
    /// The token is alive or may be, but not for this credential. A wrong credential, topic or environment of our
    /// own looks the same for every device: such a token is set aside, never deleted.
    TokenMismatch(Mismatch),
    /// The vendor refused the credential: nothing goes through until an operator acts.
    CredentialRefused,
    /// The vendor refused the payload or a header: the same bytes will never pass.
    PayloadRefused,
    /// The vendor asks to slow down.
    RateLimited(Scope),
    /// The vendor, or the way to it, is down. It certainly did not take the delivery.
    Unavailable,
    /// Nobody can say: it may have been sent.
    Unknown,
}

impl VerdictKind {
    /// The word used in traces, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::TokenDead { .. } => "token-dead",
            Self::TokenMismatch(Mismatch::Environment) => "token-of-another-environment",
            Self::TokenMismatch(Mismatch::App) => "token-of-another-app",
            Self::CredentialRefused => "credential-refused",
            Self::PayloadRefused => "payload-refused",
            Self::RateLimited(_) => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }
}

/// In what a token and a credential disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The one is of the sandbox, the other of production (S57).
    Environment,
    /// The token belongs to another app, topic, project or sender.
    App,
}

/// How far an answer reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This token only.
    Token,
    /// Everything that this credential sends.
    Credential,
}

/// When another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    Never,
    /// After the pipeline's own back-off.
    Backoff,
    /// Not before this long: the vendor's word is a floor under the back-off.
    After(Duration),
}

impl Retry {
    /// The longest wait that a vendor's word imposes: beyond it a slip is likelier than an intention.
    pub const MAX_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

    /// [`Retry::After`] what the header `Retry-After` says (RFC 9110 §10.2.3: seconds, or a date), at most
    /// [`Self::MAX_AFTER`]; `None` if there is no such header or it makes no sense.
    pub fn from_headers(headers: &http::HeaderMap, now: Timestamp) -> Option<Self> {
        let text = headers
            .get(http::header::RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim();
        let after = if !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()) {
            Duration::from_secs(text.parse().unwrap_or(u64::MAX))
        } else {
            Timestamp::from(httpdate::parse_http_date(text).ok()?).since(now)
        };
        Some(Self::After(after.min(Self::MAX_AFTER)))
    }
}

/// A vendor's own words, bounded and without the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VendorAnswer {
    /// The HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The vendor's reason or code, verbatim, even one that nobody knows yet; empty if there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What went wrong, in words; empty if there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The vendor's id of the request or message; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

impl VendorAnswer {
    /// The longest text kept of any field, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// An answer with this HTTP status and code.
    pub fn new(status: u16, code: impl AsRef<str>) -> Self {
        Self {
            status: Some(status),
            code: bounded(code.as_ref()),
            ..Self::default()
        }
    }

    /// No answer at all, and why.
    pub fn none(text: impl AsRef<str>) -> Self {
        Self {
            text: bounded(text.as_ref()),
            ..Self::default()
        }
    }

    /// Adds the vendor's words, shortened to [`Self::MAX_BYTES`].
    #[must_use]
    pub fn with_text(mut self, text: impl AsRef<str>) -> Self {
        self.text = bounded(text.as_ref());
        self
    }

    /// Adds the vendor's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl AsRef<str>) -> Self {
        self.request_id = bounded(id.as_ref());
        self
    }

    /// Takes `token` out of every field, where a vendor echoes it; also its beginning, where [`Self::MAX_BYTES`] cut it.
    #[must_use]
    pub fn without(mut self, token: &DeviceToken) -> Self {
        let token = token.expose();
        for field in [&mut self.code, &mut self.text, &mut self.request_id] {
            if field.contains(token) {
                *field = field.replace(token, "…");
            }
            // A few characters in common are chance, and tell nothing.
            let cut = (8..token.len()).rev();
            if let Some(length) = cut.into_iter().find(|it| field.ends_with(&token[..*it])) {
                field.truncate(field.len() - length);
                field.push('…');
            }
        }
        self
    }
}

fn bounded(text: &str) -> String {
    let mut end = text.len().min(VendorAnswer::MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end]
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

impl Verdict {
    /// A verdict with the retry advice that is usual for `kind`.
    pub const fn new(kind: VerdictKind, answer: VendorAnswer) -> Self {
        let retry = match kind {
            VerdictKind::RateLimited(_)
            | VerdictKind::Unavailable
            | VerdictKind::Unknown
            | VerdictKind::CredentialRefused => Retry::Backoff,
            _ => Retry::Never,
        };
        Self {
            kind,
            retry,
            answer,
        }
    }

    /// The vendor took it.
    pub const fn accepted(answer: VendorAnswer) -> Self {
        Self::new(VerdictKind::Accepted, answer)
    }

    /// Nobody can say: it may have been sent.
    pub fn unknown(text: impl AsRef<str>) -> Self {
        Self::new(VerdictKind::Unknown, VendorAnswer::none(text))
    }

    /// It certainly was not sent; trying again may help.
    pub fn unavailable(text: impl AsRef<str>) -> Self {
        Self::new(VerdictKind::Unavailable, VendorAnswer::none(text))
    }

    /// Refused before it was sent: the same bytes would never pass.
    pub fn payload_refused(code: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        let mut answer = VendorAnswer::none(text);
        answer.code = bounded(code.as_ref());
        Self::new(VerdictKind::PayloadRefused, answer)
    }

    /// Replaces the retry advice.
    #[must_use]
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// Where verdicts go, as each becomes known.
pub trait VerdictSink: Send + Sync + 'static {
    /// Takes the verdict on the target at `position` of the batch. Called exactly once for each position; must not block.
    fn take(&self, position: usize, verdict: Verdict);
}

/// The verdicts of one batch, each reported as soon as it is known and exactly once.
///
/// What is not reported when this drops counts as [`VerdictKind::Unknown`]: it may have been sent. So a provider
/// that panics, or whose future is dropped, loses nothing.
pub struct Verdicts {
    sink: Arc<dyn VerdictSink>,
    open: Mutex<Vec<bool>>,
}

impl Verdicts {
    /// For a batch of `targets` targets.
    pub fn new(targets: usize, sink: Arc<dyn VerdictSink>) -> Self {
        Self {
            sink,
            open: Mutex::new(vec![true; targets]),
        }
    }

    /// Reports the verdict on the target at `position`. A second verdict on one target, or one for a position that
    /// the batch does not have, is ignored.
    pub fn report(&self, position: usize, verdict: Verdict) {
        if self.close(position) {
            self.sink.take(position, verdict);
        }
    }

    /// Reports one verdict on every target that has none yet.
    pub fn report_rest(&self, verdict: &Verdict) {
        for position in 0..self.len() {
            self.report(position, verdict.clone());
        }
    }

    fn len(&self) -> usize {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn close(&self, position: usize) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get_mut(position).is_some_and(std::mem::take)
    }
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        self.report_rest(&Verdict::unknown(
            "the provider gave no verdict: the delivery may have been sent",
        ));
    }
}

impl fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Verdicts")
            .field("targets", &open.len())
            .field("open", &open.iter().filter(|it| **it).count())
            .finish()
    }
}

/// A sink that keeps what it is given, for tests and for callers who wait for the whole batch.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<(usize, Verdict)>>);

impl Collected {
    /// An empty collection.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The verdicts so far by position, in the order in which they came.
    pub fn verdicts(&self) -> Vec<(usize, Verdict)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The verdict on `position`, if it is known.
    pub fn get(&self, position: usize) -> Option<Verdict> {
        self.verdicts()
            .into_iter()
            .find_map(|(at, verdict)| (at == position).then_some(verdict))
    }
}

impl VerdictSink for Collected {
    fn take(&self, position: usize, verdict: Verdict) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((position, verdict));
    }
}
