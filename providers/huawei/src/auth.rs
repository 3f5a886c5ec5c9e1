//! The access token: fetched with the app's id and secret (`client_credentials`).
use std::sync::Arc;

use http::{Request, Uri, header};
use push_core::{Clock, Scope, Secret, VendorAnswer, Verdict, VerdictKind, async_trait};
use push_http::HttpClient;
use push_kit::{
    access::{Grant, TokenService},
    answer::json,
    form,
    scrub::identifier,
    verdict::unprepared,
};
use serde_json::Value;

use crate::classify::text;

/// Huawei's token service for one app.
pub(crate) struct HuaweiTokens {
    pub(crate) url: Uri,
    pub(crate) app_id: String,
    pub(crate) app_secret: Secret,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl TokenService for HuaweiTokens {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let secret = self.app_secret.expose();
        let form = form::encode([
            ("grant_type", "client_credentials"),
            ("client_id", &self.app_id),
            ("client_secret", secret),
        ]);
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, form::CONTENT_TYPE)
            .body(form.expose().to_owned().into())
            .map_err(|_| Verdict::unavailable("the token request cannot be written"))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| unprepared("no access token from Huawei", &error))?;
        let granted = Grant::from_oauth(&response, self.clock.now(), &[secret]);
        let json = || json(response.body());
        granted.map_err(|verdict| explained(verdict, &json()))
    }
}

/// Adds Huawei's `sub_error`, which says what is wrong, and reads 503 with an error as the limit that it is.
fn explained(mut verdict: Verdict, json: &Value) -> Verdict {
    let detail = text(&json["sub_error"]);
    let detail = identifier(&detail, &[]);
    if !verdict.answer.code.is_empty() && !detail.is_empty() {
        let words = format!("sub_error {detail}: {}", verdict.answer.text);
        verdict.answer = VendorAnswer::clone(&verdict.answer).with_text(words).into();
    }
    if verdict.answer.status == Some(503) && !verdict.answer.code.is_empty() {
        verdict.kind = VerdictKind::RateLimited(Scope::Credential);
    }
    verdict
}
