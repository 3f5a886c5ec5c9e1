//! The access token: fetched by `client_credentials`, kept for about an hour, shared by every send.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{HeaderValue, Request, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use push_core::{
    Clock, Retry, Scope, Secret, Timestamp, VendorAnswer, Verdict, VerdictKind,
};
use push_http::HttpClient;
use serde_json::Value;

use crate::{classify, config::Settings};

/// A token is replaced this long before it expires, or after four fifths of its life if that is later.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// What `application/x-www-form-urlencoded` leaves alone.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A token as it goes on the wire.
#[derive(Clone)]
pub(crate) struct Bearer {
    /// The value of the `authorization` header, marked sensitive.
    pub(crate) header: HeaderValue,
    issued: Timestamp,
    stale_at: Timestamp,
    expires_at: Timestamp,
}

impl Bearer {
    /// A token from the future was dated by a clock that was wrong: it would be kept for too long.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.issued <= now && now < self.stale_at
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.issued <= now && now < self.expires_at
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("issued", &self.issued)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Everyone who waits for the same fetch gets its result, a failure included: a dead token service is asked once, not
/// once for each send.
type Flight = Shared<BoxFuture<'static, Result<Bearer, Verdict>>>;

/// The one access token of a credential.
#[derive(Debug)]
pub(crate) struct TokenSource {
    fetcher: Fetcher,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Bearer>,
    flight: Option<(u64, Flight)>,
    flights: u64,
}

impl TokenSource {
    pub(crate) fn new(
        settings: &Settings,
        client: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let form = |text: &str| utf8_percent_encode(text, FORM).to_string();
        Self {
            fetcher: Fetcher {
                client,
                clock,
                url: settings.token_url.clone(),
                form: Secret::new(format!(
                    "grant_type=client_credentials&client_id={}&client_secret={}",
                    form(&settings.app_id),
                    form(settings.app_secret.expose()),
                )),
            },
            state: Mutex::default(),
        }
    }

    /// The token to send with now; fetched first if there is none or it expires soon.
    ///
    /// # Errors
    /// The verdict on what was to be sent with it. Nothing was.
    pub(crate) async fn bearer(&self) -> Result<Bearer, Verdict> {
        let (valid, fetching) = {
            let mut state = self.lock();
            let now = self.fetcher.clock.now();
            let valid = state.current.clone().filter(|it| it.is_valid(now));
            match valid {
                Some(bearer) if bearer.is_fresh(now) || state.flight.is_some() => {
                    return Ok(bearer);
                }
                valid => (valid, self.join(&mut state)),
            }
        };
        let fetched = self.land(fetching).await;
        // What still holds for minutes is good enough when the token service is down.
        fetched.or_else(|verdict| valid.ok_or(verdict))
    }

    /// A token other than `refused`, which Huawei no longer takes.
    ///
    /// # Errors
    /// As [`TokenSource::bearer`].
    pub(crate) async fn after_refusal(&self, refused: &Bearer) -> Result<Bearer, Verdict> {
        let fetching = {
            let mut state = self.lock();
            match &state.current {
                Some(bearer) if bearer.header != refused.header => return Ok(bearer.clone()),
                _ => state.current = None,
            }
            self.join(&mut state)
        };
        self.land(fetching).await
    }

    /// A token that the service has just given, whatever is there already.
    pub(crate) async fn fetch(&self) -> Result<Bearer, Verdict> {
        let fetching = self.join(&mut self.lock());
        self.land(fetching).await
    }

    /// The fetch that is under way, or a new one.
    fn join(&self, state: &mut State) -> (u64, Flight) {
        if let Some(flight) = &state.flight {
            return flight.clone();
        }
        state.flights += 1;
        let flight = (state.flights, self.fetcher.clone().run().boxed().shared());
        state.flight = Some(flight.clone());
        flight
    }

    /// Waits for the fetch and puts its token where everyone finds it.
    async fn land(&self, (number, flight): (u64, Flight)) -> Result<Bearer, Verdict> {
        let result = flight.await;
        let mut state = self.lock();
        if state.flight.as_ref().is_some_and(|it| it.0 == number) {
            state.flight = None;
            if let Ok(bearer) = &result {
                state.current = Some(bearer.clone());
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Debug)]
struct Fetcher {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    form: Secret,
}

impl Fetcher {
    async fn run(self) -> Result<Bearer, Verdict> {
        let request = Request::post(self.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::copy_from_slice(self.form.expose().as_bytes()))
            .map_err(|_| Verdict::unavailable("the token request cannot be built"))?;
        // Counted from before the request: the token is no older than that.
        let asked = self.clock.now();
        let response = self.client.send(request).await.map_err(|error| {
            Verdict::unavailable(format!("no access token from Huawei: {error}"))
        })?;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if status != 200 || body.get("error").is_some() {
            return Err(refusal(
                status,
                &body,
                classify::retry_after(&response, self.clock.now()),
            ));
        }
        let lifetime = classify::text(&body["expires_in"]).parse().ok();
        let (Some(token), Some(lifetime)) = (body["access_token"].as_str(), lifetime) else {
            return Err(unreadable(status));
        };
        let lifetime = Duration::from_secs(lifetime);
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| unreadable(status))?;
        header.set_sensitive(true);
        Ok(Bearer {
            header,
            issued: asked,
            stale_at: asked + (lifetime - MARGIN.min(lifetime / 5)),
            expires_at: asked + lifetime,
        })
    }
}

fn unreadable(status: u16) -> Verdict {
    let answer = VendorAnswer::new(status, "").with_text("no access token in Huawei's answer");
    Verdict::new(VerdictKind::Unavailable, answer)
}

/// What it means for a push that the token service refused: it was not sent, in any case.
fn refusal(status: u16, body: &Value, pause: Option<Duration>) -> Verdict {
    let kind = match status {
        429 | 503 => VerdictKind::RateLimited(Scope::Credential),
        408 | 500.. => VerdictKind::Unavailable,
        // 4xx, or 200 with an `error`: id or secret are wrong, or the URL is.
        _ => VerdictKind::CredentialRefused,
    };
    let mut words = classify::text(&body["error_description"]);
    let sub = classify::text(&body["sub_error"]);
    if !sub.is_empty() {
        words = format!("sub_error {sub}: {words}");
    }
    let answer = VendorAnswer::new(status, classify::text(&body["error"]))
        .with_text(format!("no access token from Huawei: {words}"));
    let verdict = Verdict::new(kind, answer);
    match pause {
        Some(pause) => verdict.with_retry(Retry::After(pause)),
        None => verdict,
    }
}
