//! The access token: fetched with id and secret, shared by every request until it expires.
use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Uri, header};
use push_core::{Clock, Secret, Verdict, async_trait};
use push_http::HttpClient;
use push_kit::{
    access::{AccessCache, Grant, TokenService},
    form,
    verdict::unprepared,
};

use crate::config::Settings;

/// The access token of a credential.
pub(crate) type Auth = AccessCache<TokenEndpoint>;

/// The vendor's token endpoint.
pub(crate) struct TokenEndpoint {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    form: Secret,
    app_secret: Secret,
}

/// The access token that `settings` give.
pub(crate) fn new(settings: &Settings, client: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Auth {
    let form = form::encode([
        ("grant_type", "client_credentials"),
        ("client_id", settings.app_id.as_str()),
        ("client_secret", settings.app_secret.expose()),
    ]);
    let endpoint = TokenEndpoint {
        client,
        clock: Arc::clone(&clock),
        url: settings.token.clone(),
        form,
        app_secret: settings.app_secret.clone(),
    };
    AccessCache::new(endpoint, clock)
}

#[async_trait]
impl TokenService for TokenEndpoint {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, form::CONTENT_TYPE)
            .body(Bytes::copy_from_slice(self.form.expose().as_bytes()))
            .map_err(|_| Verdict::unavailable("the token request cannot be built"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| unprepared("no access token", &error))?;
        Grant::from_oauth(&response, self.clock.now(), &[self.app_secret.expose()])
    }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint").finish_non_exhaustive()
    }
}
