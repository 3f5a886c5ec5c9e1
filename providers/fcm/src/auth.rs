//! The access token: a signed assertion is exchanged for it (RFC 7523).
use std::{sync::Arc, time::Duration};

use aws_lc_rs::{rand::SystemRandom, signature::RSA_PKCS1_SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, Uri, header};
use push_core::{Clock, Timestamp, Verdict, async_trait};
use push_http::HttpClient;
use push_kit::{
    access::{Grant, TokenService},
    form, verdict,
};
use serde_json::json;

use crate::config::Account;

/// What the access token permits: sending messages, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long an assertion is valid: the longest that Google allows.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);

/// Google's token endpoint for one service account.
pub(crate) struct GoogleTokens {
    pub(crate) account: Account,
    pub(crate) url: Uri,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl TokenService for GoogleTokens {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let unsigned =
            || Verdict::unavailable("the assertion for the access token cannot be signed");
        let assertion = assertion(&self.account, self.clock.now()).ok_or_else(unsigned)?;
        let body = form::encode([
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ]);
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, form::CONTENT_TYPE)
            .body(body.expose().to_owned().into())
            .map_err(|_| unsigned())?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| verdict::unprepared("no access token from Google", &error))?;
        Grant::from_oauth(&response, self.clock.now(), &[&assertion])
    }
}

/// The assertion of RFC 7523 §3, signed with RS256; `None` if the key cannot sign.
fn assertion(account: &Account, now: Timestamp) -> Option<String> {
    // Written out, because the order of members matters for comparison with known assertions.
    let header = format!(
        r#"{{"alg":"RS256","typ":"JWT","kid":{}}}"#,
        json!(account.private_key_id)
    );
    let claims = format!(
        r#"{{"iss":{},"scope":"{SCOPE}","aud":{},"iat":{},"exp":{}}}"#,
        json!(account.client_email),
        json!(account.token_uri),
        now.unix_seconds(),
        (now + ASSERTION_LIFE).unix_seconds(),
    );
    let mut jwt = URL_SAFE_NO_PAD.encode(header);
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut jwt);
    let mut signature = vec![0; account.key.public_modulus_len()];
    account
        .key
        .sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            jwt.as_bytes(),
            &mut signature,
        )
        .ok()?;
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Some(jwt)
}

#[cfg(test)]
mod tests {
    use push_core::Faults;
    use push_testkit::fixtures;
    use serde_json::Value;

    use super::*;
    use crate::config::ServiceAccount;

    #[test]
    fn an_assertion_is_byte_for_byte_the_one_of_the_vectors() {
        let file = json!({
            "type": "service_account",
            "project_id": "demo-project",
            "private_key_id": "0123456789abcdef0123456789abcdef01234567",
            "private_key": fixtures::rsa_key(),
            "client_email": "push@demo-project.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        });
        let account = ServiceAccount::from_json(file.to_string())
            .check(&mut Faults::new())
            .unwrap();
        let vectors = fixtures::vectors();
        let mut compared = 0;
        for vector in vectors["fcm_jwt"].as_array().unwrap() {
            let claims = &vector["claims"];
            let iat = claims["iat"].as_i64().unwrap();
            // The others ask for another scope, or for longer than Google grants.
            if claims["scope"] == SCOPE && claims["exp"] == iat + 3600 {
                let jwt = assertion(&account, Timestamp::from_unix_seconds(iat)).unwrap();
                assert_eq!(Value::from(jwt), vector["jwt"]);
                compared += 1;
            }
        }
        assert_eq!(compared, 2);
    }
}
