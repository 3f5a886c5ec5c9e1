//! The access token: granted for a signature, valid for a day.
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri, header::CONTENT_TYPE};
use push_core::{Clock, Scope, Secret, Timestamp, Verdict, VerdictKind, async_trait};
use push_http::HttpClient;
use push_kit::{
    access::{AccessCache, Grant, TokenService},
    answer::json,
    md5,
    scrub::vendor_answer,
    verdict::{not_the_vendors, unprepared, with_retry_after},
};
use serde_json::json;

use crate::{
    classify::{JSON, result},
    config::Settings,
};

/// How long a token is valid, by vivo's document. The answer does not say it.
const LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// The age at which vivo asks to renew it: one to two hours. Several tokens of one app are valid at the same time.
const RENEWAL: std::time::Duration = std::time::Duration::from_secs(2 * 3600);

/// vivo's token service, asked with one credential.
pub(crate) struct Gate {
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    url: Uri,
    app_id: u64,
    app_key: String,
    app_secret: Secret,
}

/// A cache without an access token.
pub(crate) fn cache(
    settings: &Settings,
    client: &Arc<dyn HttpClient>,
    clock: &Arc<dyn Clock>,
) -> AccessCache<Gate> {
    let gate = Gate {
        client: Arc::clone(client),
        clock: Arc::clone(clock),
        url: settings.urls.auth.clone(),
        app_id: settings.look.app_id,
        app_key: settings.app_key.clone(),
        app_secret: settings.app_secret.clone(),
    };
    AccessCache::new(gate, Arc::clone(clock))
}

#[async_trait]
impl TokenService for Gate {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let timestamp = self.clock.now().unix_millis();
        let secret = self.app_secret.expose();
        let sign = sign(&self.app_id.to_string(), &self.app_key, timestamp, secret);
        let body = json!({
            "appId": self.app_id,
            "appKey": self.app_key,
            "timestamp": timestamp,
            "sign": sign,
        });
        let mut request = Request::new(Bytes::from(body.to_string()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        match self.client.send(request).await {
            Ok(response) => granted(&response, &[secret, &sign], self.clock.now()),
            Err(error) => Err(unprepared("vivo granted no access token", &error)),
        }
    }
}

/// MD5 of the four values put together, each without the blanks around it, in lower-case hexadecimal digits.
fn sign(app_id: &str, app_key: &str, timestamp: i64, secret: &str) -> String {
    let timestamp = timestamp.to_string();
    md5::hex([app_id, app_key, &timestamp, secret].map(str::trim))
}

/// Reads the answer of the token service. Its text is replaced by our own, because it may repeat what it was asked with.
fn granted(response: &Response<Bytes>, private: &[&str], now: Timestamp) -> Result<Grant, Verdict> {
    let (status, headers) = (response.status(), response.headers());
    let json = json(response.body());
    let token = json["authToken"].as_str().unwrap_or_default();
    let code = match result(&json) {
        Some(0) if status == 200 && !token.is_empty() => {
            return Ok(Grant::new(token, LIFE).renewed_after(RENEWAL));
        }
        Some(code) if code != 0 => code,
        _ => return Err(not_the_vendors(status, headers, now)),
    };
    let (kind, words) = refusal(code);
    let answer = vendor_answer(status, &code.to_string(), words, private);
    Err(with_retry_after(Verdict::new(kind, answer), headers, now))
}

/// What a code of the token service means.
fn refusal(code: i64) -> (VerdictKind, &'static str) {
    let words = match code {
        10202 => "`app_key` is not valid",
        10205 => "there is no app with this `app_id`",
        10206 => "the signature is wrong: `app_secret` is not that of `app_id` and `app_key`",
        10207 => "the time of the request is wrong; set this machine's clock",
        10200 | 10201 | 10203 | 10204 => "a value of the request is empty",
        10250 => {
            let words = "more than 10 requests a second for access tokens of this app";
            return (VerdictKind::RateLimited(Scope::Credential), words);
        }
        _ => {
            let words = "no access token was granted, with a code that is not known";
            return (VerdictKind::Unavailable(Scope::Credential), words);
        }
    };
    (VerdictKind::CredentialRefused, words)
}

#[cfg(test)]
mod tests {
    use push_testkit::sample;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_signature_on_record_is_made_byte_for_byte() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/fixtures/vectors.json"))
            .expect("the vectors are JSON");
        let cases = vectors["vivo"].as_array().expect("an array");
        assert_eq!(cases.len(), 6);
        for case in cases {
            let text = |at: usize| case[at].as_str().expect("text");
            let timestamp = text(2).parse().expect("milliseconds");
            assert_eq!(
                sign(text(0), text(1), timestamp, text(3)),
                text(4),
                "{case}"
            );
        }
    }

    #[test]
    fn every_code_of_the_token_service_has_its_class() {
        let answered = |status: u16, body: &str| {
            let response = Response::builder().status(status);
            let response = response.body(Bytes::from(body.to_owned()));
            granted(&response.expect("an answer"), &["s3cret"], sample::NOW)
        };
        let refused = VerdictKind::CredentialRefused;
        let limited = VerdictKind::RateLimited(Scope::Credential);
        let down = VerdictKind::Unavailable(Scope::Credential);
        for (code, kind) in [
            (10200, refused),
            (10201, refused),
            (10202, refused),
            (10203, refused),
            (10204, refused),
            (10205, refused),
            (10206, refused),
            (10207, refused),
            (10250, limited),
            (10299, down),
        ] {
            let body = format!(r#"{{"result":{code},"desc":"s3cret is wrong"}}"#);
            let verdict = answered(200, &body).expect_err("no token");
            assert_eq!(verdict.kind, kind, "{code}");
            assert_eq!(verdict.answer.code, code.to_string());
            assert!(!verdict.answer.text.contains("s3cret"), "{verdict:?}");
        }
        for (status, body) in [
            (200, r#"{"result":0,"desc":"ok"}"#),
            (200, r#"{"result":0,"desc":"ok","authToken":""}"#),
            (200, r#"{"result":0,"desc":"ok","authToken":7}"#),
            (500, r#"{"result":0,"desc":"ok","authToken":"t"}"#),
            (200, r#"{"result":10206}"#),
            (200, r#"{"authToken":"t"}"#),
            (500, "Internet server error!"),
        ] {
            let verdict = answered(status, body).expect_err("no token");
            assert_eq!(verdict.kind, down, "{status} {body}");
        }
        // Members that only some of vivo's answers have are ignored.
        let body = r#"{"result":0,"desc":"ok","authToken":"t","validTime":1e400}"#;
        assert!(answered(200, body).is_ok());
    }
}
