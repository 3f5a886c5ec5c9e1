//! The configuration as a program writes it in Rust.
use push_core::{Environment, Secret};

use super::ApnsConfig;
use crate::Apns;

push_core::config_values!(ApnsConfig for Apns {
    key,
    key_id,
    team_id,
    certificate,
    password,
    topic,
    environment,
    endpoint,
    http,
} default Self::default());

impl ApnsConfig {
    /// The `.p8` key of a team: its text, its id and the team's id, for the app with the bundle id `topic`.
    pub fn of_key(
        key: impl Into<String>,
        key_id: impl Into<String>,
        team_id: impl Into<String>,
        topic: impl Into<String>,
        environment: Environment,
    ) -> Self {
        Self {
            key: Some(Secret::new(key)),
            key_id: Some(key_id.into()),
            team_id: Some(team_id.into()),
            topic: Some(topic.into()),
            environment: Some(environment.as_str().to_owned()),
            ..Self::default()
        }
    }

    /// A `.p12` file in base64, with its password. Set [`ApnsConfig::environment`] if the certificate is for both.
    pub fn of_certificate(certificate: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            certificate: Some(Secret::new(certificate)),
            password: Some(Secret::new(password)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use push_core::ConfigValue as _;

    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = ApnsConfig::of_key("a", "b", "c", "com.example", Environment::Sandbox);
        config.certificate = Some(Secret::new("d"));
        config.password = Some(Secret::new("e"));
        config.endpoint = Some("https://localhost".to_owned());
        config.http.extra_ca_pem = Some("f".to_owned());
        let written = config.to_value().expect("a table");
        assert_eq!(
            written.as_object().map(serde_json::Map::len),
            Some(9),
            "{written}"
        );
        let read: ApnsConfig = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.to_value(), Some(written));
    }
}
