//! Access tokens and what surrounds them: random text, forms.
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::percent_decode;
use push_core::Timestamp;

/// How many access tokens may be valid at once; the next one invalidates the others.
const MAX_TOKENS: usize = 100_000;

/// Access tokens that a simulated token endpoint granted, each with its holder.
pub struct AccessTokens<H>(Mutex<HashMap<String, (H, Timestamp)>>);

/// Why an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// Closed: every simulator answers both.
pub enum NotGranted {
    /// It was never granted, or was forgotten.
    Unknown,
    /// It was granted and has expired.
    Expired,
}

impl<H> Default for AccessTokens<H> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<H: Clone> AccessTokens<H> {
    /// Grants `token` to `holder` from `now` for `life`. Tokens that expired more than a day ago are forgotten.
    pub fn grant(&self, token: &str, holder: H, now: Timestamp, life: Duration) {
        const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
        let mut tokens = self.lock();
        tokens.retain(|_, (_, until)| now.since(*until) < REMEMBERED);
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.insert(token.to_owned(), (holder, now + life));
    }

    /// The holder of `token`.
    ///
    /// # Errors
    /// Why it is not valid at `now`.
    pub fn holder(&self, token: &str, now: Timestamp) -> Result<H, NotGranted> {
        match self.lock().get(token) {
            None => Err(NotGranted::Unknown),
            Some((_, until)) if *until <= now => Err(NotGranted::Expired),
            Some((holder, _)) => Ok(holder.clone()),
        }
    }

    /// Makes every token expire at `now`.
    pub fn expire(&self, now: Timestamp) {
        for (_, until) in self.lock().values_mut() {
            *until = now;
        }
    }

    /// Makes every token unknown.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (H, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H> fmt::Debug for AccessTokens<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens")
    }
}

/// The token of an `Authorization: Bearer …` header; the scheme may be in any case (RFC 9110, section 11.1).
pub fn bearer(headers: &http::HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start())
}

/// The fields of an `application/x-www-form-urlencoded` body; of a field given twice, the last.
pub fn form(body: &[u8]) -> HashMap<String, String> {
    let decode = |bytes: &[u8]| {
        let spaced: Vec<u8> = bytes
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    body.split(|byte| *byte == b'&')
        .filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            Some((decode(&pair[..equals]), decode(&pair[equals + 1..])))
        })
        .collect()
}

/// `N` random bytes.
///
/// # Panics
/// If the system has no random numbers.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// Random text of base64url without padding, made of `bytes` bytes.
///
/// # Panics
/// If the system has no random numbers.
pub fn random_text(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    rand::fill(&mut buffer).expect("the system has random numbers");
    URL_SAFE_NO_PAD.encode(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn an_access_token_is_valid_until_it_expires_and_is_then_expired_not_unknown() {
        let tokens = AccessTokens::default();
        let life = Duration::from_secs(60);
        tokens.grant("one", 1, sample::NOW, life);
        assert_eq!(tokens.holder("one", sample::NOW), Ok(1));
        let over = sample::NOW + life;
        assert_eq!(tokens.holder("one", over), Err(NotGranted::Expired));
        assert_eq!(tokens.holder("two", over), Err(NotGranted::Unknown));
        tokens.grant("two", 2, over, life);
        tokens.expire(over);
        assert_eq!(tokens.holder("two", over), Err(NotGranted::Expired));
        tokens.forget();
        assert_eq!(tokens.holder("two", over), Err(NotGranted::Unknown));
    }

    #[test]
    fn a_form_is_decoded_and_a_scheme_read_in_any_case() {
        let fields = form(b"a=x+y%2Fz&b=&c");
        assert_eq!(fields["a"], "x y/z");
        assert_eq!((fields["b"].as_str(), fields.get("c")), ("", None));
        let mut headers = http::HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bEARER abc", Some("abc")),
            ("Basic abc", None),
        ] {
            headers.insert("authorization", value.parse().unwrap());
            assert_eq!(bearer(&headers), token, "{value}");
        }
    }
}
