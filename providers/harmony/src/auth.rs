//! The JWT that each request carries: signed here with the service account's key, not exchanged for another token.
//!
//! Source: the guide "push-jwt-token" (September 2026). `alg` is fixed to PS256; a client in use signs with RS256, so that the
//! real service probably takes both.
use std::{sync::Arc, time::Duration};

use aws_lc_rs::{rand::SystemRandom, signature::RSA_PSS_SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use push_core::{Clock, Timestamp, Verdict, async_trait};
use push_kit::access::{Grant, TokenService};
use serde_json::json;

use crate::config::Account;

/// The audience, which is the same for every account and every endpoint.
const AUDIENCE: &str = "https://oauth-login.cloud.huawei.com/oauth2/v3/token";

/// How long a JWT is valid, as Push Kit recommends. More than a day gets code 80300036.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// Signs for one service account.
pub(crate) struct Issuer {
    pub(crate) account: Account,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl TokenService for Issuer {
    async fn fetch(&self) -> Result<Grant, Verdict> {
        let jwt = jwt(&self.account, self.clock.now());
        let jwt = jwt.ok_or_else(|| Verdict::unavailable("the JWT cannot be signed"))?;
        Ok(Grant::new(jwt, LIFE))
    }
}

/// Returns the JWT of `account` as of `now`; `None` if the key cannot sign.
fn jwt(account: &Account, now: Timestamp) -> Option<String> {
    // Written out, so that the order of the members is that of the known JWTs.
    let header = format!(
        r#"{{"alg":"PS256","typ":"JWT","kid":{}}}"#,
        json!(account.key_id)
    );
    let claims = format!(
        r#"{{"iss":{},"aud":"{AUDIENCE}","iat":{},"exp":{}}}"#,
        json!(account.sub_account),
        now.unix_seconds(),
        (now + LIFE).unix_seconds(),
    );
    let signed = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let mut signature = vec![0; account.key.public_modulus_len()];
    let random = SystemRandom::new();
    // The salt is as long as the hash: 32 bytes.
    let key = &account.key;
    key.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature)
        .ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests;
