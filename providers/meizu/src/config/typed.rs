//! The configuration as a program writes it in Rust.
use push_core::{ConfigValue, Secret};
use push_http::HttpConfig;
use serde_json::Value;

use super::{MeizuConfig, StatisticsMethod, batch, endpoint, max_message, redirect_domains};
use crate::{Meizu, render::NoticeType};

push_core::config_values!(MeizuConfig for Meizu {
    app_id,
    app_secret,
    activity,
    notice_type,
    vip,
    packages,
    batch,
    save_from,
    receipts,
    receipt_url,
    receipt_token,
    max_message,
    statistics_method,
    redirect_domains,
    endpoint,
    http,
} default Self::new("", ""));

impl ConfigValue for NoticeType {
    fn to_value(&self) -> Option<Value> {
        Some(Value::from(match self {
            Self::Public => "public",
            Self::Private => "private",
        }))
    }
}

impl ConfigValue for StatisticsMethod {
    fn to_value(&self) -> Option<Value> {
        Some(Value::from(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }))
    }
}

impl MeizuConfig {
    /// The id and the secret that the console shows for an app, and defaults for the rest.
    pub fn new(app_id: impl Into<String>, app_secret: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_secret: Secret::new(app_secret),
            activity: String::new(),
            notice_type: NoticeType::default(),
            vip: false,
            packages: Vec::new(),
            batch: batch(),
            save_from: 0,
            receipts: false,
            receipt_url: String::new(),
            receipt_token: None,
            max_message: max_message(),
            statistics_method: StatisticsMethod::default(),
            redirect_domains: redirect_domains(),
            endpoint: endpoint(),
            http: HttpConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = MeizuConfig::new("a", "b");
        config.activity = "c".to_owned();
        config.notice_type = NoticeType::Public;
        config.vip = true;
        config.packages = vec!["d".to_owned()];
        config.batch = 1;
        config.save_from = 2;
        config.receipts = true;
        config.receipt_url = "https://localhost".to_owned();
        config.receipt_token = Some(Secret::new("e"));
        config.max_message = 2048;
        config.statistics_method = StatisticsMethod::Get;
        config.redirect_domains = vec!["f".to_owned()];
        config.endpoint = "https://localhost".to_owned();
        config.http.max_streams = 1;
        let written = config.to_value().expect("a table");
        let keys = written.as_object().map(serde_json::Map::len);
        assert_eq!(keys, Some(16), "{written}");
        let read: MeizuConfig = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.to_value(), Some(written));
    }
}
