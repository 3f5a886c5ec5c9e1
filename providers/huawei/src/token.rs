//! The access token: fetched by `client_credentials`, kept for about an hour, shared by every send.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use push_core::{Clock, Retry, Scope, Secret, Timestamp, VendorAnswer, Verdict, VerdictKind};
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
    /// The how-many-th fetch it came from.
    number: u64,
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

/// The one access token of a credential.
#[derive(Debug)]
pub(crate) struct TokenSource {
    fetcher: Fetcher,
    /// Whoever holds it fetches for all. If that one is given up, the next takes over.
    turn: futures_util::lock::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Bearer>,
    /// How many fetches have ended, and how the last did. Who waited for it takes its result, a failure included: a dead
    /// token service is asked once, not once for each send.
    fetches: u64,
    last: Option<Result<Bearer, Verdict>>,
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
                secret: settings.app_secret.clone(),
                form: Secret::new(format!(
                    "grant_type=client_credentials&client_id={}&client_secret={}",
                    form(&settings.app_id),
                    form(settings.app_secret.expose()),
                )),
            },
            turn: futures_util::lock::Mutex::new(()),
            state: Mutex::default(),
        }
    }

    /// The token to send with now; fetched first if there is none or it expires soon.
    ///
    /// # Errors
    /// The verdict on what was to be sent with it. Nothing was.
    pub(crate) async fn bearer(&self) -> Result<Bearer, Verdict> {
        let now = self.fetcher.clock.now();
        let valid = self.lock().current.clone().filter(|it| it.is_valid(now));
        if let Some(bearer) = &valid
            && (bearer.is_fresh(now) || self.turn.try_lock().is_none())
        {
            return Ok(bearer.clone());
        }
        // What still holds for minutes is good enough when the token service is down.
        self.fetch().await.or_else(|verdict| valid.ok_or(verdict))
    }

    /// A token other than `refused`, which Huawei no longer takes.
    ///
    /// # Errors
    /// As [`TokenSource::bearer`].
    pub(crate) async fn after_refusal(&self, refused: &Bearer) -> Result<Bearer, Verdict> {
        {
            let mut state = self.lock();
            match &state.current {
                Some(bearer) if bearer.number != refused.number => return Ok(bearer.clone()),
                _ => state.current = None,
            }
        }
        self.fetch().await
    }

    /// A token that the service gives now, whatever is there already.
    ///
    /// # Errors
    /// As [`TokenSource::bearer`].
    pub(crate) async fn fetch(&self) -> Result<Bearer, Verdict> {
        let before = self.lock().fetches;
        let _turn = self.turn.lock().await;
        {
            let state = self.lock();
            if let Some(last) = state.last.as_ref().filter(|_| state.fetches != before) {
                return last.clone();
            }
        }
        let mut result = self.fetcher.fetch().await;
        let mut state = self.lock();
        state.fetches += 1;
        if let Ok(bearer) = &mut result {
            bearer.number = state.fetches;
            state.current = Some(bearer.clone());
        }
        state.last = Some(result.clone());
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Fetcher {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    secret: Secret,
    form: Secret,
}

impl Fetcher {
    async fn fetch(&self) -> Result<Bearer, Verdict> {
        let request = Request::post(self.url.clone())
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
            return Err(self.refusal(
                status,
                &body,
                Retry::from_headers(response.headers(), self.clock.now()),
            ));
        }
        let lifetime = classify::text(&body["expires_in"]).parse().ok();
        let (Some(token), Some(lifetime)) = (body["access_token"].as_str(), lifetime) else {
            return Err(unreadable(status));
        };
        let lifetime = Duration::from_secs(lifetime);
        let mut header =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unreadable(status))?;
        header.set_sensitive(true);
        Ok(Bearer {
            header,
            number: 0,
            issued: asked,
            stale_at: asked + (lifetime - MARGIN.min(lifetime / 5)),
            expires_at: asked + lifetime,
        })
    }

    /// What it means for a push that the token service refused: it was not sent, in any case.
    fn refusal(&self, status: u16, body: &Value, pause: Option<Retry>) -> Verdict {
        let kind = match status {
            429 => VerdictKind::RateLimited(Scope::Credential),
            408 | 500.. => VerdictKind::Unavailable,
            // 4xx, or 200 with an `error`: id or secret are wrong, or the URL is.
            _ => VerdictKind::CredentialRefused,
        };
        let mut text = "no access token from Huawei".to_owned();
        for (what, words) in [
            ("sub_error ", classify::text(&body["sub_error"])),
            ("", classify::text(&body["error_description"])),
        ] {
            // It has seen the secret, and may repeat it.
            if !words.is_empty() && !words.contains(self.secret.expose()) {
                text = format!("{text}: {what}{words}");
            }
        }
        let answer = VendorAnswer::new(status, classify::name(&body["error"])).with_text(text);
        let verdict = Verdict::new(kind, answer);
        match pause {
            Some(pause) => verdict.with_retry(pause),
            None => verdict,
        }
    }
}

fn unreadable(status: u16) -> Verdict {
    let answer = VendorAnswer::new(status, "").with_text("no access token in Huawei's answer");
    Verdict::new(VerdictKind::Unavailable, answer)
}
