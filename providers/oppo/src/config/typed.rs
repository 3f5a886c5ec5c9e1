//! The configuration as a program writes it in Rust.
use push_core::Secret;
use push_http::HttpConfig;

use super::{OppoConfig, batch, endpoint, feedback_endpoint, min_ttl, overseas_endpoint, yes};
use crate::Oppo;

push_core::config_values!(OppoConfig for Oppo {
    app_key,
    master_secret,
    channel_id,
    category,
    notify_level,
    template,
    title_parameter,
    content_parameter,
    activity,
    action,
    long_text,
    badge,
    min_ttl,
    receipts,
    batch,
    saved_from,
    endpoint,
    overseas_endpoint,
    feedback_endpoint,
    http,
} default Self::new("", ""));

impl OppoConfig {
    /// The key and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(app_key: impl Into<String>, master_secret: impl Into<String>) -> Self {
        Self {
            app_key: app_key.into(),
            master_secret: Secret::new(master_secret),
            channel_id: String::new(),
            category: String::new(),
            notify_level: 0,
            template: String::new(),
            title_parameter: String::new(),
            content_parameter: String::new(),
            activity: String::new(),
            action: String::new(),
            long_text: false,
            badge: yes(),
            min_ttl: min_ttl(),
            receipts: yes(),
            batch: batch(),
            saved_from: 0,
            endpoint: endpoint(),
            overseas_endpoint: overseas_endpoint(),
            feedback_endpoint: feedback_endpoint(),
            http: HttpConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = OppoConfig::new("a", "b");
        for text in [
            &mut config.channel_id,
            &mut config.category,
            &mut config.template,
            &mut config.title_parameter,
            &mut config.content_parameter,
            &mut config.activity,
            &mut config.action,
            &mut config.endpoint,
            &mut config.overseas_endpoint,
            &mut config.feedback_endpoint,
        ] {
            "another".clone_into(text);
        }
        config.notify_level = 2;
        config.long_text = true;
        config.badge = false;
        config.min_ttl = Duration::from_secs(3600);
        config.receipts = false;
        config.batch = 7;
        config.saved_from = 8;
        config.http.max_streams = 1;
        let written = push_core::ConfigValue::to_value(&config).expect("a table");
        let keys = written.as_object().map(serde_json::Map::len);
        assert_eq!(keys, Some(20), "{written}");
        let read: OppoConfig = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(push_core::ConfigValue::to_value(&read), Some(written));
    }
}
