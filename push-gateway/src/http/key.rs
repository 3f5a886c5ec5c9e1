//! API keys as they are configured.
use std::fmt;

use push_core::{AppId, Secret};
use serde::Deserialize;

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyScope {
    /// What an IM server does: messages, presence, tickets, traces.
    Server,
    /// What an operator does: credentials, metrics.
    Admin,
}

/// An API key in the configuration. A key belongs to exactly one app.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// A name for logs.
    pub name: String,
    /// The app.
    pub app: AppId,
    /// What it may be used for.
    pub scopes: Vec<KeyScope>,
    /// SHA-256 of the key, 64 hexadecimal digits. Better than `key`: the configuration then holds no secret.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The key itself, at least 16 characters.
    #[serde(default)]
    pub key: Option<Secret>,
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
