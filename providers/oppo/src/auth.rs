//! The auth token: granted for a signature with the master secret, valid for a day.
use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use push_core::{
    Clock, Retry, Scope, Secret, Timestamp, VendorAnswer, Verdict, VerdictKind, async_trait,
};
use push_http::HttpClient;
use push_kit::{
    access::{AccessCache, Grant, TokenService},
    form,
    verdict::{not_the_vendors, unprepared},
};

use crate::{classify::Envelope, config::Settings};

/// How long a token is valid from the request on.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// One of OPPO's services, asked with one credential.
pub(crate) struct Auth {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    app_key: String,
    master_secret: Secret,
}

/// A cache without a token, for the service that grants tokens at `url`.
pub(crate) fn cache(
    settings: &Settings,
    url: &Uri,
    client: &Arc<dyn HttpClient>,
    clock: &Arc<dyn Clock>,
) -> AccessCache<Auth> {
    let auth = Auth {
        client: Arc::clone(client),
        clock: Arc::clone(clock),
        url: url.clone(),
        app_key: settings.app_key.clone(),
        master_secret: settings.master_secret.clone(),
    };
    AccessCache::new(auth, Arc::clone(clock))
}

/// Returns the signature: the SHA-256 of key, milliseconds and secret, in lower-case hexadecimal.
fn sign(app_key: &str, millis: &str, master_secret: &str) -> String {
    let signed = Secret::new(format!("{app_key}{millis}{master_secret}"));
    let hash = digest(&SHA256, signed.expose().as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[async_trait]
impl TokenService for Auth {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let millis = self.clock.now().unix_millis().to_string();
        let secret = self.master_secret.expose();
        let sign = sign(&self.app_key, &millis, secret);
        let fields = form::encode([
            ("app_key", self.app_key.as_str()),
            ("timestamp", &millis),
            ("sign", &sign),
        ]);
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, crate::provider::FORM)
            .body(Bytes::from(fields.expose().to_owned()))
            .map_err(|error| Verdict::unavailable(error.to_string()))?;
        match self.client.send(request).await {
            Ok(response) => granted(&response, self.clock.now(), &[secret, &sign]),
            Err(error) => Err(unprepared("OPPO granted no auth token", &error)),
        }
    }
}

/// Reads the answer of `/server/v1/auth`.
///
/// # Errors
/// The verdict on every push: the credential is refused only by the codes that mean it; whatever else there is instead of a
/// token, a later request may get one.
fn granted(response: &Response<Bytes>, now: Timestamp, private: &[&str]) -> Result<Grant, Verdict> {
    let envelope = Envelope::read(response, private, now)?;
    match (envelope.code, envelope.data["auth_token"].as_str()) {
        (0, Some(token)) if response.status().is_success() && !token.is_empty() => {
            Ok(Grant::new(token, LIFE))
        }
        (0, _) => Err(not_the_vendors(response.status(), response.headers(), now)),
        _ => Err(refused(&envelope, response.status())),
    }
}

/// The verdict on every push, for an answer with a code instead of a token.
fn refused(envelope: &Envelope, status: StatusCode) -> Verdict {
    let verdict = envelope.verdict();
    let (kind, retry) = match envelope.code {
        -2 | -1 | 11 | 13..=19 | 26..=28 | 30 | 33 | 55 | 59 => return verdict,
        // Key or timestamp of a form that OPPO cannot read are the credential's or the clock's fault.
        40 | 41 => (VerdictKind::CredentialRefused, Retry::Backoff),
        _ if verdict.retry != Retry::Never => (verdict.kind, verdict.retry),
        _ => (VerdictKind::Unavailable(Scope::Credential), Retry::Backoff),
    };
    // The words of a code that is not known may be anything, a token of before included.
    let answer = VendorAnswer::new(status.as_u16(), envelope.code.to_string());
    Verdict::new(kind, answer.with_text("OPPO granted no auth token")).with_retry(retry)
}

#[cfg(test)]
mod tests {
    use push_testkit::{
        json, sample,
        serde_json::{self, Value},
    };

    use super::*;

    #[test]
    fn every_signature_on_record_is_made_again() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/vectors.json"))
            .expect("the vectors are JSON");
        let cases = vectors["oppo"].as_array().expect("an array");
        assert_eq!(cases.len(), 5);
        for case in cases {
            let [key, millis, secret, wanted] =
                [0, 1, 2, 3].map(|at| case[at].as_str().expect("text"));
            assert_eq!(sign(key, millis, secret), wanted, "{case}");
        }
    }

    #[test]
    fn an_answer_without_a_token_accuses_the_credential_only_where_its_code_does() {
        let outage = VerdictKind::Unavailable(Scope::Credential);
        let limit = VerdictKind::RateLimited(Scope::Credential);
        for (body, kind) in [
            (
                json!({ "code": 14, "message": "Invalid App Key" }),
                VerdictKind::CredentialRefused,
            ),
            (
                json!({ "code": 16, "message": "Invalid Signature" }),
                VerdictKind::CredentialRefused,
            ),
            (
                json!({ "code": 19, "message": "Invalid Timestamp" }),
                VerdictKind::CredentialRefused,
            ),
            (
                json!({ "code": 26, "message": "IP" }),
                VerdictKind::CredentialRefused,
            ),
            (
                json!({ "code": 41, "message": "app_key" }),
                VerdictKind::CredentialRefused,
            ),
            (json!({ "code": 13, "message": "App Call Limited" }), limit),
            (json!({ "code": -1, "message": "try again" }), outage),
            (
                json!({ "code": 10_000, "message": "registration_id" }),
                outage,
            ),
            (json!({ "code": 987, "message": "new" }), outage),
            (
                json!({ "code": 0, "message": "success", "data": {} }),
                outage,
            ),
            (
                json!({ "code": 0, "message": "success", "data": { "auth_token": "" } }),
                outage,
            ),
        ] {
            let response = Response::new(Bytes::from(body.to_string()));
            let verdict = granted(&response, sample::NOW, &[]).expect_err("no token");
            assert_eq!(verdict.kind, kind, "{body}");
        }
    }
}
