//! The access token: granted for Client ID and Client Secret, valid for `expires_in` seconds.
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri, header::CONTENT_TYPE};
use push_core::{Clock, Secret, Verdict, async_trait};
use push_http::HttpClient;
use push_kit::{
    access::{AccessCache, Grant, TokenService},
    form, verdict,
};

use crate::config::Settings;

/// Honor's account service, asked with one credential.
pub(crate) struct Iam {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    client_id: String,
    client_secret: Secret,
}

/// A cache without an access token.
pub(crate) fn cache(
    settings: &Settings,
    client: &Arc<dyn HttpClient>,
    clock: &Arc<dyn Clock>,
) -> AccessCache<Iam> {
    let iam = Iam {
        client: Arc::clone(client),
        clock: Arc::clone(clock),
        url: settings.token.clone(),
        client_id: settings.client_id.clone(),
        client_secret: settings.client_secret.clone(),
    };
    AccessCache::new(iam, Arc::clone(clock))
}

#[async_trait]
impl TokenService for Iam {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let secret = self.client_secret.expose();
        let fields = form::encode([
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", secret),
        ]);
        let body = Bytes::from(fields.expose().to_owned());
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        request
            .headers_mut()
            .insert(CONTENT_TYPE, form::CONTENT_TYPE);
        match self.client.send(request).await {
            Ok(response) => Grant::from_oauth(&response, self.clock.now(), &[secret]),
            Err(error) => Err(verdict::unprepared("Honor granted no access token", &error)),
        }
    }
}
