//! API keys as they are configured.
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use push_core::{AppId, Describe, Error, ErrorKind, Faults, Result, Secret};
use serde::Deserialize;

use crate::seal::hex;

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Describe)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyScope {
    /// What an IM server does: messages, presence, tickets, traces.
    Server,
    /// What an operator does: credentials, metrics.
    Admin,
}

/// An API key in the configuration. A key belongs to exactly one app.
#[derive(Clone, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiKey {
    /// A name for logs.
    #[describe(example = "im-server")]
    pub name: String,
    /// The app.
    #[describe(example = "demo")]
    pub app: AppId,
    /// What it may be used for: `server` is what an IM server needs, `admin` uploads credentials.
    #[describe(example = ["server", "admin"], min_len = 1)]
    pub scopes: Vec<KeyScope>,
    /// The key itself, at least 16 characters.
    #[serde(default)]
    #[describe(example_file = "im-server.key", shown)]
    pub key: Option<Secret>,
    /// Instead of the key, its SHA-256, 64 hexadecimal digits: the output of `printf %s KEY | sha256sum`. The configuration then holds
    /// no secret.
    #[serde(default)]
    #[describe(example = "64 hexadecimal digits")]
    pub sha256: Option<String>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("app", &self.app)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// The shortest key, in characters.
const SHORTEST: usize = 16;

impl ApiKey {
    /// A key of `app` that is good for `scopes`.
    pub fn new(name: impl Into<String>, app: AppId, scopes: Vec<KeyScope>, key: Secret) -> Self {
        Self {
            name: name.into(),
            app,
            scopes,
            sha256: None,
            key: Some(key),
        }
    }

    /// SHA-256 of the key.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with the key of the table that is wrong.
    fn digest(&self) -> Result<Vec<u8>> {
        let wrong = |what: &str, advice: &str| {
            Err(Error::new(ErrorKind::Config, what).advise(advice.to_owned()))
        };
        match (&self.sha256, &self.key) {
            (Some(sha256), None) => match hex(sha256.trim()).filter(|it| it.len() == 32) {
                Some(digest) => Ok(digest),
                None => wrong(
                    "is not 64 hexadecimal digits",
                    "write the output of `printf %s KEY | sha256sum`",
                )
                .map_err(|error| error.at("sha256")),
            },
            (None, Some(key)) if key.expose().len() >= SHORTEST => Ok(sha256_of(key.expose())),
            (None, Some(_)) => wrong(
                "is shorter than 16 characters",
                "make one with `openssl rand -base64 32`",
            )
            .map_err(|error| error.at("key")),
            (Some(_), Some(_)) => wrong(
                "has both `sha256` and `key`",
                "keep one of them; with `sha256` the configuration holds no secret",
            ),
            (None, None) => wrong(
                "has neither `sha256` nor `key`",
                "write `sha256`, `key` or `key_file`",
            ),
        }
    }
}

/// SHA-256 of each key, after all were checked.
///
/// # Errors
/// [`ErrorKind::Config`], with everything that is wrong; also a key that is there twice, since it would not be certain whose app
/// and scopes count.
pub(super) fn digests(keys: &[ApiKey]) -> Result<Vec<Vec<u8>>> {
    let mut faults = Faults::default();
    let mut digests: Vec<Vec<u8>> = Vec::new();
    let mut known: Vec<(usize, Vec<u8>)> = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        let here = format!("keys[{n}]");
        let Some(digest) = faults.keep(key.digest().map_err(|error| error.under(&here))) else {
            continue;
        };
        // The configuration is compared with itself, before any caller can measure the time.
        if let Some((other, _)) = known.iter().find(|(_, known)| *known == digest) {
            let first = &keys[*other];
            let what = if first.app == key.app {
                format!("is the same key as keys[{other}]")
            } else {
                format!(
                    "is the same key as keys[{other}], which belongs to app {}",
                    first.app
                )
            };
            let advice = if first.app == key.app {
                "write all its scopes into one entry"
            } else {
                "make a key of its own for each app, with `openssl rand -hex 24`"
            };
            faults.push(Error::new(ErrorKind::Config, what).at(here).advise(advice));
        }
        known.push((n, digest.clone()));
        digests.push(digest);
    }
    faults.result()?;
    Ok(digests)
}

pub(super) fn sha256_of(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpSettings;

    fn keys(json: &str) -> Vec<ApiKey> {
        serde_json::from_str(json).expect("keys")
    }

    #[test]
    fn a_key_of_two_apps_is_refused_however_it_is_written() {
        let sha256 = sha256_of("0123456789abcdef")
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect::<String>();
        let twice = keys(&format!(
            r#"[{{"name":"a","app":"a","scopes":["server"],"key":"0123456789abcdef"}},
                {{"name":"c","app":"c","scopes":["server"],"key":"0123456789abcdeX"}},
                {{"name":"b","app":"b","scopes":["admin"],"sha256":"{sha256}"}}]"#
        ));
        let error = digests(&twice).expect_err("one key for two apps");
        assert_eq!(error.place(), Some("keys[2]"));
        let text = error.to_string();
        assert!(text.contains("keys[0], which belongs to app a"), "{text}");
        assert!(!text.contains("0123456789abcdef"), "{text}");
        assert_eq!(digests(&twice[..2]).expect("two keys").len(), 2);
    }

    #[test]
    fn all_that_is_wrong_with_the_keys_is_reported_at_once() {
        let wrong = keys(
            r#"[{"name":"a","app":"a","scopes":[],"key":"short"},
                {"name":"b","app":"a","scopes":["server"],"sha256":"12"},
                {"name":"c","app":"a","scopes":["server"]}]"#,
        );
        let settings = HttpSettings {
            keys: wrong,
            ..HttpSettings::default()
        };
        let errors = settings.check().expect_err("four mistakes").each();
        let places: Vec<_> = errors.iter().filter_map(Error::place).collect();
        assert_eq!(
            places,
            ["keys[0].scopes", "keys[0].key", "keys[1].sha256", "keys[2]"]
        );
    }
}
