//! The configuration as a program writes it in Rust.
use std::collections::BTreeMap;

use push_core::{ConfigValue, Secret};
use push_http::HttpConfig;
use serde_json::Value;

use super::{HonorConfig, ReceiptMeaning, batch, endpoint, success_codes, token_endpoint, yes};
use crate::{Honor, render::Importance};

push_core::config_values!(HonorConfig for Honor {
    app_id,
    client_id,
    client_secret,
    intent,
    badge_class,
    importance,
    target_user_type,
    batch,
    send_timestamp,
    success_codes,
    receipt_codes,
    endpoint,
    token_endpoint,
    http,
} default Self::new("", "", ""));

impl ConfigValue for Importance {
    fn to_value(&self) -> Option<Value> {
        Some(Value::from(match self {
            Self::Low => "LOW",
            Self::Normal => "NORMAL",
        }))
    }
}

impl ConfigValue for ReceiptMeaning {
    fn to_value(&self) -> Option<Value> {
        Some(Value::from(match self {
            Self::Delivered => "delivered",
            Self::NotShown => "not-shown",
            Self::Muted => "muted",
            Self::Inactive => "inactive",
            Self::Uninstalled => "uninstalled",
        }))
    }
}

impl HonorConfig {
    /// The ids and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(
        app_id: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        Self {
            app_id: app_id.into(),
            client_id: client_id.into(),
            client_secret: Secret::new(client_secret),
            intent: String::new(),
            badge_class: String::new(),
            importance: Importance::default(),
            target_user_type: 0,
            batch: batch(),
            send_timestamp: yes(),
            success_codes: success_codes(),
            receipt_codes: BTreeMap::new(),
            endpoint: endpoint(),
            token_endpoint: token_endpoint(),
            http: HttpConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = HonorConfig::new("a", "b", "c");
        config.intent = "d".to_owned();
        config.badge_class = "e".to_owned();
        config.importance = Importance::Low;
        config.target_user_type = 1;
        config.batch = 1;
        config.send_timestamp = false;
        config.success_codes = vec![1];
        config.receipt_codes = [
            ReceiptMeaning::Delivered,
            ReceiptMeaning::NotShown,
            ReceiptMeaning::Muted,
            ReceiptMeaning::Inactive,
            ReceiptMeaning::Uninstalled,
        ]
        .into_iter()
        .enumerate()
        .map(|(n, meaning)| (n.to_string(), meaning))
        .collect();
        config.endpoint = "https://localhost".to_owned();
        config.token_endpoint = "https://localhost".to_owned();
        config.http.max_streams = 1;
        let written = config.to_value().expect("a table");
        assert_eq!(
            written.as_object().map(serde_json::Map::len),
            Some(14),
            "{written}"
        );
        let read: HonorConfig = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.to_value(), Some(written));
    }
}
