//! Access tokens of a vendor's token service: fetched once, shared by every request, renewed before they expire.
use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    future::{Either, select},
    lock,
};
use http::{HeaderValue, Response};
use push_core::{Clock, Retry, Scope, Secret, Timestamp, Verdict, VerdictKind};

use crate::{
    answer::{self, text},
    scrub::vendor_answer,
    verdict::{not_the_vendors, with_retry_after},
};

/// A token is renewed this long before it expires, or at half its life if that is later.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// No access token is believed to be valid for longer, whatever its service says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the clock may step back before the age of a token counts as unknown.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// How long a push waits for the renewal of a token that is still valid.
const RENEWAL_WAIT: Duration = Duration::from_secs(5);

/// The back-off after failed fetches: doubles from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Fetches access tokens from one token service with one credential.
#[async_trait]
pub trait TokenService: Send + Sync + 'static {
    /// Asks the token service once. Dropping the future cancels the request.
    ///
    /// # Errors
    /// The verdict on every push that would have needed the token. A limit at the token service is
    /// [`VerdictKind::RateLimited`], not a refusal of the credential.
    async fn fetch(&self) -> Result<Grant, Verdict>;
}

/// What a token service granted.
#[derive(Clone, Debug)]
pub struct Grant {
    token: Secret,
    life: Duration,
    renewal: Duration,
}

impl Grant {
    /// A token that is valid for `life` from the moment of the request. It is renewed after a day at the latest.
    pub fn new(token: impl Into<String>, life: Duration) -> Self {
        Self {
            token: Secret::new(token),
            life,
            renewal: Duration::MAX,
        }
    }

    /// Renews it at this age already, as some vendors ask. It stays in use for the rest of its life if the token service is down
    /// then.
    #[must_use]
    pub const fn renewed_after(mut self, age: Duration) -> Self {
        self.renewal = age;
        self
    }

    /// Reads the answer of an OAuth token endpoint (RFC 6749 §5), received at `now`. The secrets in `private` are removed from
    /// the service's error message.
    ///
    /// # Errors
    /// [`VerdictKind::CredentialRefused`] if there is an `error` that is a number, a word of RFC 6749 §5.2, or another word
    /// about the client (`deleted_client`), unless the status says that the service is overloaded
    /// ([`VerdictKind::RateLimited`]) or down ([`VerdictKind::Unavailable`]). An answer of another form or with another word is
    /// [`VerdictKind::Unavailable`]: a firewall writes `{"error":"access_denied"}`, too. So is one whose `expires_in` is no
    /// number above zero.
    pub fn from_oauth(
        response: &Response<Bytes>,
        now: Timestamp,
        private: &[&str],
    ) -> Result<Self, Verdict> {
        let (status, headers) = (response.status(), response.headers());
        let json = answer::json(response.body());
        let code = text(&json["error"]);
        if code.is_empty() {
            let life = answer::number(&json["expires_in"])
                .filter(|life| *life > 0)
                .map(i64::unsigned_abs);
            return match (json["access_token"].as_str(), life) {
                (Some(token), Some(life)) if status == 200 && !token.is_empty() => {
                    Ok(Self::new(token, Duration::from_secs(life)))
                }
                _ => Err(not_the_vendors(status, headers, now)),
            };
        }
        let kind = match (status.as_u16(), code.as_str()) {
            (429, _) | (_, "slow_down") => VerdictKind::RateLimited(Scope::Credential),
            (408 | 425 | 500.., _) | (_, "temporarily_unavailable" | "server_error") => {
                VerdictKind::Unavailable(Scope::Credential)
            }
            (300..400, _) => return Err(not_the_vendors(status, headers, now)),
            (_, code) if refuses_client(code) => VerdictKind::CredentialRefused,
            _ => return Err(not_the_vendors(status, headers, now)),
        };
        let words = match text(&json["error_description"]) {
            words if words.is_empty() => "the token service refused an access token".to_owned(),
            words => words,
        };
        let answer = vendor_answer(status, &code, &words, private);
        Err(with_retry_after(Verdict::new(kind, answer), headers, now))
    }
}

/// Whether an `error` of a token endpoint says that the client, its credentials or its request are wrong.
fn refuses_client(code: &str) -> bool {
    matches!(
        code,
        "invalid_request" | "invalid_grant" | "invalid_scope" | "unsupported_grant_type"
    ) || code.ends_with("_client")
        || code.parse::<i64>().is_ok()
}

/// An access token. `Debug` shows its dates only.
pub struct AccessToken {
    text: Secret,
    bearer: HeaderValue,
    /// Sequence number of the fetch that produced it.
    number: u64,
    issued: Timestamp,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl AccessToken {
    fn new(grant: Grant, issued: Timestamp) -> Result<Self, Verdict> {
        let life = grant.life.min(LONGEST_LIFE);
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", grant.token.expose()))
            .map_err(|_| {
                Verdict::unavailable("the token service granted a token that no header can hold")
            })?;
        bearer.set_sensitive(true);
        Ok(Self {
            text: grant.token,
            bearer,
            number: 0,
            issued,
            renew_at: issued + (life - MARGIN.min(life / 2)).min(grant.renewal),
            expires_at: issued + life,
        })
    }

    /// The token itself, for the wire only.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The value of the header `authorization`, marked as sensitive.
    pub const fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }

    /// A token that is dated later than now was dated by a clock that was wrong: it is renewed, and used until the vendor
    /// refuses it.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.issued <= now + CLOCK_SLACK && now < self.renew_at
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("issued", &self.issued)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The current token, or the verdict on every push that needs one.
pub type Access = Result<Arc<AccessToken>, Verdict>;

/// The one access token of a credential.
///
/// - At most one fetch runs at a time, however many pushes need a token. If the future that fetches is dropped, the next one
///   that waits takes over.
/// - A token is renewed five minutes before it expires, or at half its life, or at the age that its [`Grant`] names. The push that finds it due waits up to five
///   seconds for the new one; all others, and all if the token service is down, continue with the old one.
/// - After a failed fetch the token service is not asked again for a while: for as long as it says, otherwise for a second,
///   doubling to a minute. Pushes without a token get the same verdict until then.
pub struct AccessCache<S> {
    service: S,
    clock: Arc<dyn Clock>,
    /// Held by the future that fetches.
    turn: lock::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<AccessToken>>,
    /// How many fetches have ended, and how the last one did.
    ended: u64,
    last: Option<Access>,
    failures: u32,
    /// When the last fetch failed, and until when there is no other.
    quiet: Option<(Timestamp, Timestamp)>,
}

impl State {
    /// The last failure, while it is returned without another attempt.
    fn standing_failure(&self, now: Timestamp) -> Option<Verdict> {
        let (from, until) = self.quiet?;
        match &self.last {
            // A clock that was set back does not prolong it.
            Some(Err(verdict)) if from <= now && now < until => Some(verdict.clone()),
            _ => None,
        }
    }

    fn end(&mut self, result: Result<AccessToken, Verdict>, now: Timestamp) -> Access {
        self.ended += 1;
        let access = match result {
            Ok(mut token) => {
                token.number = self.ended;
                let token = Arc::new(token);
                self.current = Some(Arc::clone(&token));
                (self.failures, self.quiet) = (0, None);
                Ok(token)
            }
            Err(verdict) => {
                let pause = match verdict.retry {
                    Retry::After(pause) => pause,
                    _ => (BACKOFF.0 * (1 << self.failures.min(6))).min(BACKOFF.1),
                };
                self.failures = self.failures.saturating_add(1);
                self.quiet = Some((now, now + pause));
                Err(verdict)
            }
        };
        self.last = Some(access.clone());
        access
    }
}

impl<S: TokenService> AccessCache<S> {
    /// A cache without a token.
    pub fn new(service: S, clock: Arc<dyn Clock>) -> Self {
        Self {
            service,
            clock,
            turn: lock::Mutex::new(()),
            state: Mutex::default(),
        }
    }

    /// The token service.
    pub const fn service(&self) -> &S {
        &self.service
    }

    /// Returns the token to send with, fetching it if necessary.
    ///
    /// # Errors
    /// The verdict on what was to be sent. It was not sent.
    pub async fn get(&self) -> Access {
        let now = self.clock.now();
        let (valid, before) = {
            let state = self.lock();
            let valid = state.current.clone().filter(|token| token.is_valid(now));
            match (valid, state.standing_failure(now)) {
                (Some(token), _) if token.is_fresh(now) => return Ok(token),
                (Some(token), Some(_)) => return Ok(token),
                (None, Some(failure)) => return Err(failure),
                (valid, None) => (valid, state.ended),
            }
        };
        let Some(valid) = valid else {
            let turn = self.turn.lock().await;
            return self.fetch(turn, before).await;
        };
        let Some(turn) = self.turn.try_lock() else {
            return Ok(valid);
        };
        let fetch = pin!(self.fetch(turn, before));
        match select(fetch, self.clock.sleep(RENEWAL_WAIT)).await {
            Either::Left((access, _)) => Ok(access.unwrap_or(valid)),
            Either::Right(_) => {
                let failure = Verdict::unavailable("the token service does not answer");
                let ended = self.lock().end(Err(failure), self.clock.now());
                Ok(ended.unwrap_or(valid))
            }
        }
    }

    /// Returns a token other than `refused`, which the vendor no longer accepts. Of many callers with the same token one
    /// fetches.
    ///
    /// # Errors
    /// As [`AccessCache::get`].
    pub async fn renew(&self, refused: &AccessToken) -> Access {
        let before = {
            let mut state = self.lock();
            match &state.current {
                Some(token) if token.number != refused.number => return Ok(Arc::clone(token)),
                _ => state.current = None,
            }
            if let Some(failure) = state.standing_failure(self.clock.now()) {
                return Err(failure);
            }
            state.ended
        };
        let turn = self.turn.lock().await;
        self.fetch(turn, before).await
    }

    /// Fetches a token whether one is needed or not, also shortly after a failure: for a check of the credential.
    ///
    /// # Errors
    /// As [`AccessCache::get`].
    pub async fn check(&self) -> Access {
        let before = self.lock().ended;
        let turn = self.turn.lock().await;
        self.fetch(turn, before).await
    }

    /// Performs `exchange` with the current token, and once more with a new one if `is_refused` says that the vendor refused
    /// the answered request for its access token alone (S120).
    ///
    /// # Errors
    /// As [`AccessCache::get`], and what `exchange` returns.
    pub async fn send<T, F>(
        &self,
        exchange: impl Fn(Arc<AccessToken>) -> F + Send + Sync,
        is_refused: impl Fn(&T) -> bool + Send + Sync,
    ) -> Result<T, Verdict>
    where
        T: Send,
        F: Future<Output = Result<T, Verdict>> + Send,
    {
        let token = self.get().await?;
        let answer = exchange(Arc::clone(&token)).await?;
        if !is_refused(&answer) {
            return Ok(answer);
        }
        let token = self.renew(&token).await?;
        exchange(token).await
    }

    /// Fetches, unless a fetch ended since `before` fetches had: then its result counts for this caller, too.
    async fn fetch(&self, _turn: lock::MutexGuard<'_, ()>, before: u64) -> Access {
        let last = {
            let state = self.lock();
            state.last.clone().filter(|_| state.ended != before)
        };
        if let Some(last) = last {
            return last;
        }
        // Counted from before the request: the token is not older than that.
        let asked = self.clock.now();
        let granted = self.service.fetch().await;
        let result = granted.and_then(|grant| AccessToken::new(grant, asked));
        self.lock().end(result, self.clock.now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: TokenService> fmt::Debug for AccessCache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("AccessCache")
            .field("current", &state.current)
            .field("failures", &state.failures)
            .finish_non_exhaustive()
    }
}
