//! The access token.
use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use push_core::{Retry, Scope, Timestamp, Verdict, VerdictKind};
use push_http::HttpClient as _;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{classify::foreign, fault::Fault, provider::Core};

/// How long a failing token endpoint is left alone.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Access {
    state: Mutex<State>,
    /// Only for [`Fault::DroppedFetchBlocks`].
    busy: AtomicBool,
}

#[derive(Default)]
struct State {
    granted: Option<(String, Timestamp)>,
    failed: Option<(Verdict, Timestamp)>,
}

impl Access {
    /// A token to send with, other than `refused`.
    pub(crate) async fn token(
        &self,
        core: &Core,
        refused: Option<&str>,
    ) -> Result<String, Verdict> {
        if core.breaks(Fault::FetchedByEach) {
            return fetch(core).await.map(|(token, _)| token);
        }
        if core.breaks(Fault::DroppedFetchBlocks) {
            while self.busy.swap(true, Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        }
        let result = self.locked(core, refused).await;
        self.busy.store(false, Ordering::SeqCst);
        result
    }

    async fn locked(&self, core: &Core, refused: Option<&str>) -> Result<String, Verdict> {
        let mut state = self.state.lock().await;
        let now = core.clock.now();
        if refused.is_some() && state.granted.as_ref().map(|(token, _)| token.as_str()) == refused {
            state.granted = None;
        }
        if let Some((token, stale)) = &state.granted
            && (now < *stale || core.breaks(Fault::NeverRenewed))
        {
            return Ok(token.clone());
        }
        if let Some((verdict, at)) = &state.failed
            && now < *at + PAUSE
            && !core.breaks(Fault::AuthHammered)
        {
            return Err(verdict.clone());
        }
        let fetched = fetch(core).await;
        state.failed = fetched.as_ref().err().map(|verdict| (verdict.clone(), now));
        let (token, lifetime) = fetched?;
        state.granted = Some((token.clone(), now + lifetime * 4 / 5));
        Ok(token)
    }
}

async fn fetch(core: &Core) -> Result<(String, Duration), Verdict> {
    let form = format!(
        "client_id={}&client_secret={}",
        core.config.app_id,
        core.config.app_secret.expose()
    );
    let request = Request::post(format!("{}/oauth", core.endpoint))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))
        .map_err(|_| Verdict::unavailable("the token request cannot be built"))?;
    let response = core.client.send(request).await;
    let response = response.map_err(|error| Verdict::unavailable(core.said(&error)))?;
    let status = response.status().as_u16();
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let token = body["access_token"]
        .as_str()
        .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
    if let (200, Some(token), Some(life)) = (status, token, body["expires_in"].as_u64()) {
        // No vendor grants more than a day; the sum with a date must not overflow.
        let most = if core.breaks(Fault::LifeBelieved) {
            u64::from(u32::MAX)
        } else {
            86_400
        };
        return Ok((token.to_owned(), Duration::from_secs(life.min(most))));
    }
    let kind = match status {
        429 if !core.breaks(Fault::AuthLimitAccuses) => VerdictKind::RateLimited(Scope::Credential),
        400 | 401 if body["error"] == "invalid_client" => VerdictKind::CredentialRefused,
        429 => VerdictKind::CredentialRefused,
        500 if core.breaks(Fault::AuthOutageAccuses) => VerdictKind::CredentialRefused,
        _ => VerdictKind::Unavailable(Scope::Credential),
    };
    let mut answer = foreign(status);
    if core.breaks(Fault::SecretLeaks) {
        answer = answer.with_text(body["error_description"].as_str().unwrap_or_default());
    }
    let verdict = Verdict::new(kind, answer);
    Err(
        match Retry::from_headers(response.headers(), core.clock.now()) {
            Some(wait) => verdict.with_retry(wait),
            None => verdict,
        },
    )
}

impl Access {
    pub(crate) fn show(&self, core: &Core, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if core.breaks(Fault::AccessLeaks)
            && let Ok(state) = self.state.try_lock()
            && let Some((token, _)) = &state.granted
        {
            return f.write_str(token);
        }
        f.write_str("Access")
    }
}
