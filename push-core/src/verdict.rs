//! What a provider reports about a delivery. A provider classifies; the pipeline acts.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{DeviceToken, Timestamp};

/// What a provider reports of one delivery. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The outcome, in terms of what the pipeline must do.
    pub kind: VerdictKind,
    /// When another attempt may help.
    pub retry: Retry,
    /// The vendor's error code and message; one for all targets that were answered together.
    pub answer: Arc<VendorAnswer>,
}

/// The outcome of a delivery.
///
/// # Unknown codes
/// A provider that meets a code it does not know classifies by the HTTP status alone, keeps the code in the answer, and never
/// chooses an outcome that costs a token ([`TokenDead`](Self::TokenDead), [`TokenUnusable`](Self::TokenUnusable)) or suspends
/// the credential ([`CredentialRefused`](Self::CredentialRefused)): 408, 425 and 5xx are [`Unavailable`](Self::Unavailable),
/// 429 is [`RateLimited`](Self::RateLimited), other 4xx and a 2xx that reports a failure are
/// [`TargetRefused`](Self::TargetRefused). An answer that is not in the vendor's own format (HTML, an empty error body, a
/// proxy's page) was made by something between gateway and vendor: [`Unavailable`](Self::Unavailable), for every status. A
/// success in the vendor's format that confirms no push of this request (without the vendor's id, or with the id of another
/// request) is [`Unknown`](Self::Unknown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerdictKind {
    /// The vendor accepted it. No vendor's answer says that it reached the phone.
    Accepted,
    /// The token is dead for good.
    TokenDead {
        /// Since when, if the vendor says so (APNs' 410). A token registered again after this time is still valid.
        since: Option<Timestamp>,
    },
    /// The token is alive or may be, but this credential cannot push to it now. The token is quarantined, never deleted.
    TokenUnusable(TokenFault),
    /// The vendor refused this target for a reason that lies neither in its token, nor in the content, nor in this credential: for
    /// instance a credential that the vendor itself uses for this target. The delivery ends; other deliveries are not affected.
    TargetRefused,
    /// The vendor refused the credential: no push can succeed until an operator acts. Never for an answer that concerns one
    /// target only.
    CredentialRefused,
    /// The vendor refused the payload or a header: the same bytes will never be accepted.
    PayloadRefused,
    /// The vendor asks to slow down.
    RateLimited(Scope),
    /// The vendor, or the path to it, is down. It certainly did not accept the delivery.
    Unavailable(Scope),
    /// The outcome is not known: the push may have been sent.
    Unknown,
    /// A layer in front of the provider did not pass it on, and the vendor was not asked: a rate limit of the gateway's own, for
    /// instance. The delivery is tried again after [`Retry::After`], the attempt does not count, and its lane leases nothing
    /// before. Says nothing about token, credential or vendor. A provider never reports it.
    Postponed,
}

impl VerdictKind {
    /// The word used in traces, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::TokenDead { .. } => "token-dead",
            Self::TokenUnusable(fault) => fault.as_str(),
            Self::TargetRefused => "target-refused",
            Self::CredentialRefused => "credential-refused",
            Self::PayloadRefused => "payload-refused",
            Self::RateLimited(_) => "rate-limited",
            Self::Unavailable(_) => "unavailable",
            Self::Unknown => "unknown",
            Self::Postponed => "postponed",
        }
    }
}

/// Why a token cannot be pushed to although it may be alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFault {
    /// Token and credential are of different environments (S57). A wrong credential has the same effect for every device, and many
    /// of these suspend the credential instead.
    Environment,
    /// The token belongs to another app, topic, project or sender. Many of these suspend the credential instead.
    App,
    /// The person switched push off for the app at the vendor.
    Muted,
    /// The vendor considers the device inactive: it has not connected for a long time.
    Inactive,
    /// The app is in a test mode of the vendor, and the device is not on its list of testers.
    NotATester,
    /// The text cannot be a token of this vendor. The provider finds that itself, and asks no vendor.
    Malformed,
}

impl TokenFault {
    /// The word used in traces, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "token-of-another-environment",
            Self::App => "token-of-another-app",
            Self::Muted => "token-muted",
            Self::Inactive => "token-inactive",
            Self::NotATester => "token-not-a-tester",
            Self::Malformed => "token-malformed",
        }
    }

    /// Returns `true` if a wrong credential causes the same answer for every token.
    pub const fn accuses_credential(self) -> bool {
        matches!(self, Self::Environment | Self::App)
    }
}

/// How far an answer reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// This token only.
    Token,
    /// Everything of this message class that the credential sends: a quota for a category, for instance.
    Class,
    /// Everything at this token's origin: one push service among many (Web Push).
    Origin,
    /// Everything that this credential sends.
    Credential,
}

/// When another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Never.
    Never,
    /// After the pipeline's own back-off.
    Backoff,
    /// Not before this long: the vendor's `Retry-After` is a lower bound of the back-off.
    After(Duration),
}

impl Retry {
    /// The longest wait that a vendor can impose; a longer one is taken for a mistake.
    pub const MAX_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

    /// [`Retry::After`] what the header `Retry-After` says (RFC 9110 §10.2.3: seconds, or a date), at most
    /// [`Self::MAX_AFTER`]; `None` if there is no such header or it makes no sense.
    pub fn from_headers(headers: &http::HeaderMap, now: Timestamp) -> Option<Self> {
        let text = headers
            .get(http::header::RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim();
        let after = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Duration::from_secs(text.parse().unwrap_or(u64::MAX))
        } else {
            Timestamp::from(httpdate::parse_http_date(text).ok()?).since(now)
        };
        Some(Self::After(after.min(Self::MAX_AFTER)))
    }
}

/// A vendor's error code and message, bounded and without the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VendorAnswer {
    /// The HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The vendor's reason or code, verbatim, also an unknown one; empty if there was none.
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

    /// Sets the vendor's code, shortened to [`Self::MAX_BYTES`].
    #[must_use]
    pub fn with_code(mut self, code: impl AsRef<str>) -> Self {
        self.code = bounded(code.as_ref());
        self
    }

    /// An answer with this HTTP status and code.
    pub fn new(status: u16, code: impl AsRef<str>) -> Self {
        Self {
            status: Some(status),
            code: bounded(code.as_ref()),
            ..Self::default()
        }
    }

    /// No answer, and why.
    pub fn none(text: impl AsRef<str>) -> Self {
        Self {
            text: bounded(text.as_ref()),
            ..Self::default()
        }
    }

    /// Adds the vendor's message, shortened to [`Self::MAX_BYTES`].
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

    /// Removes `token` from every field, where a vendor echoes it; also its beginning, where [`Self::MAX_BYTES`] cut it.
    #[must_use]
    pub fn without(mut self, token: &DeviceToken) -> Self {
        let token = token.expose();
        for field in [&mut self.code, &mut self.text, &mut self.request_id] {
            if field.contains(token) {
                *field = field.replace(token, "…");
            }
            // A few characters in common are chance and reveal nothing.
            let cut = (8..token.len()).rev();
            if let Some(length) = cut
                .into_iter()
                .find(|length| field.ends_with(&token[..*length]))
            {
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
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

impl Verdict {
    /// A verdict with the retry advice that is usual for `kind`.
    pub fn new(kind: VerdictKind, answer: impl Into<Arc<VendorAnswer>>) -> Self {
        let retry = match kind {
            VerdictKind::RateLimited(_)
            | VerdictKind::Unavailable(_)
            | VerdictKind::Unknown
            | VerdictKind::Postponed
            | VerdictKind::CredentialRefused => Retry::Backoff,
            _ => Retry::Never,
        };
        Self {
            kind,
            retry,
            answer: answer.into(),
        }
    }

    /// The vendor accepted it.
    pub fn accepted(answer: impl Into<Arc<VendorAnswer>>) -> Self {
        Self::new(VerdictKind::Accepted, answer)
    }

    /// The outcome is not known: it may have been sent.
    pub fn unknown(text: impl AsRef<str>) -> Self {
        Self::new(VerdictKind::Unknown, VendorAnswer::none(text))
    }

    /// It certainly was not sent, because the vendor or the path to it is down; trying again may help.
    pub fn unavailable(text: impl AsRef<str>) -> Self {
        Self::new(
            VerdictKind::Unavailable(Scope::Credential),
            VendorAnswer::none(text),
        )
    }

    /// A layer did not pass it on: it is tried again after `after`, and the vendor was not asked.
    pub fn postponed(after: Duration, text: impl AsRef<str>) -> Self {
        Self::new(VerdictKind::Postponed, VendorAnswer::none(text)).with_retry(Retry::After(after))
    }

    /// Refused before it was sent: the same bytes would never be accepted.
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
    /// Takes verdicts with the position of their target in the batch. Each position comes exactly once; must not block.
    fn take(&self, verdicts: Vec<(usize, Verdict)>);
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

    /// Calls `observe` with the verdicts, and the positions of their targets, before they go on to where they go without it.
    /// What is not reported in the end is observed, too, as [`VerdictKind::Unknown`]. `observe` must not block.
    ///
    /// Of several observers, the one that was added last sees a verdict first: that of the innermost layer.
    #[must_use]
    pub fn observed(
        mut self,
        observe: impl Fn(&[(usize, Verdict)]) + Send + Sync + 'static,
    ) -> Self {
        let sink = Arc::clone(&self.sink);
        self.sink = Arc::new(Observed { sink, observe });
        self
    }

    /// Reports the verdict on the target at `position`. A second verdict on one target, or one for a position that
    /// the batch does not have, is ignored.
    pub fn report(&self, position: usize, verdict: Verdict) {
        self.report_many([(position, verdict)]);
    }

    /// Reports several verdicts at once, each as [`Verdicts::report`] does.
    pub fn report_many(&self, verdicts: impl IntoIterator<Item = (usize, Verdict)>) {
        let mut open = self.lock();
        let new: Vec<_> = verdicts
            .into_iter()
            .filter(|(position, _)| open.get_mut(*position).is_some_and(std::mem::take))
            .collect();
        drop(open);
        if !new.is_empty() {
            self.sink.take(new);
        }
    }

    /// Reports one verdict on every target that has none yet.
    pub fn report_rest(&self, verdict: &Verdict) {
        let targets = self.lock().len();
        self.report_many((0..targets).map(|position| (position, verdict.clone())));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<bool>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
        let open = self.lock();
        f.debug_struct("Verdicts")
            .field("targets", &open.len())
            .field("open", &open.iter().filter(|open| **open).count())
            .finish()
    }
}

/// A sink in front of another one.
struct Observed<F> {
    sink: Arc<dyn VerdictSink>,
    observe: F,
}

impl<F: Fn(&[(usize, Verdict)]) + Send + Sync + 'static> VerdictSink for Observed<F> {
    fn take(&self, verdicts: Vec<(usize, Verdict)>) {
        (self.observe)(&verdicts);
        self.sink.take(verdicts);
    }
}

/// A sink that keeps the verdicts it takes, for tests and for callers who wait for the whole batch.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<(usize, Verdict)>>);

impl Collected {
    /// An empty collection.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The verdicts so far with their positions, in the order in which they came.
    pub fn verdicts(&self) -> Vec<(usize, Verdict)> {
        self.lock().clone()
    }

    /// The verdict on `position`, if it is known.
    pub fn get(&self, position: usize) -> Option<Verdict> {
        self.lock()
            .iter()
            .find_map(|(at, verdict)| (*at == position).then(|| verdict.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Verdict)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerdictSink for Collected {
    fn take(&self, verdicts: Vec<(usize, Verdict)>) {
        self.lock().extend(verdicts);
    }
}
