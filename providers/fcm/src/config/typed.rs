//! The configuration as a program writes it in Rust.
use push_core::ConfigValue;
use push_http::HttpConfig;

use super::{FcmConfig, ServiceAccount, endpoint};
use crate::Fcm;

push_core::config_values!(FcmConfig for Fcm {
    service_account,
    channel_id,
    click_action,
    endpoint,
    token_endpoint,
    http,
} default Self::new(ServiceAccount::from_json("")));

impl ConfigValue for ServiceAccount {
    fn to_value(&self) -> Option<serde_json::Value> {
        self.0.to_value()
    }
}

impl FcmConfig {
    /// The key file of a service account, and defaults for the rest.
    pub fn new(service_account: ServiceAccount) -> Self {
        Self {
            service_account,
            channel_id: String::new(),
            click_action: String::new(),
            endpoint: endpoint(),
            token_endpoint: None,
            http: HttpConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = FcmConfig::new(ServiceAccount::from_json("{}"));
        config.channel_id = "a".to_owned();
        config.click_action = "b".to_owned();
        config.endpoint = "https://localhost".to_owned();
        config.token_endpoint = Some("https://localhost".to_owned());
        config.http.only_extra_ca = true;
        let written = config.to_value().expect("a table");
        assert_eq!(
            written.as_object().map(serde_json::Map::len),
            Some(6),
            "{written}"
        );
        let read: FcmConfig = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.to_value(), Some(written));
    }
}
