//! The configuration as a program writes it in Rust.
use push_core::Secret;
use push_http::HttpConfig;

use super::{HuaweiConfig, category, endpoint, token_endpoint};
use crate::Huawei;

push_core::config_values!(HuaweiConfig for Huawei {
    app_id,
    app_secret,
    project_id,
    endpoint,
    token_endpoint,
    category,
    target_user_type,
    badge_class,
    intent,
    action,
    channel_id,
    receipt_id,
    receipt_user,
    receipt_key,
    high_urgency,
    http,
} default Self::new("", ""));

impl HuaweiConfig {
    /// The app's id and secret, and defaults for the rest; set `intent` or `action`.
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_secret: Secret::new(app_secret),
            project_id: String::new(),
            endpoint: endpoint(),
            token_endpoint: token_endpoint(),
            category: category(),
            target_user_type: 0,
            badge_class: String::new(),
            intent: String::new(),
            action: String::new(),
            channel_id: String::new(),
            receipt_id: String::new(),
            receipt_user: String::new(),
            receipt_key: None,
            high_urgency: false,
            http: HttpConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use push_core::ConfigValue as _;

    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = HuaweiConfig::new("a", "b");
        for (n, text) in [
            &mut config.project_id,
            &mut config.endpoint,
            &mut config.token_endpoint,
            &mut config.category,
            &mut config.badge_class,
            &mut config.intent,
            &mut config.action,
            &mut config.channel_id,
            &mut config.receipt_id,
            &mut config.receipt_user,
        ]
        .into_iter()
        .enumerate()
        {
            *text = n.to_string();
        }
        config.target_user_type = 1;
        config.receipt_key = Some(Secret::new("c"));
        config.high_urgency = true;
        config.http.max_streams = 1;
        let written = config.to_value().expect("a table");
        assert_eq!(
            written.as_object().map(serde_json::Map::len),
            Some(16),
            "{written}"
        );
        let read: HuaweiConfig = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.to_value(), Some(written));
    }
}
