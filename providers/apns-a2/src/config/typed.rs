//! The configuration as a program writes it in Rust.
use push_core::{Environment, Secret};

use super::{Config, twenty};
use crate::ApnsA2;

push_core::config_values!(Config for ApnsA2 {
    key,
    key_id,
    team_id,
    topic,
    environment,
    timeout_seconds,
} default Self {
    environment: String::new(),
    ..Self::new("", "", "", "", Environment::Sandbox)
});

impl Config {
    /// The `.p8` key of a team: its text, its id and the team's id, for the app with the bundle id `topic`.
    pub fn new(
        key: impl Into<String>,
        key_id: impl Into<String>,
        team_id: impl Into<String>,
        topic: impl Into<String>,
        environment: Environment,
    ) -> Self {
        Self {
            key: Secret::new(key),
            key_id: key_id.into(),
            team_id: team_id.into(),
            topic: topic.into(),
            environment: environment.as_str().to_owned(),
            timeout_seconds: twenty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use push_core::ConfigValue as _;

    use super::*;

    #[test]
    fn every_key_is_written_as_it_is_read() {
        let mut config = Config::new("a", "b", "c", "com.example", Environment::Sandbox);
        config.timeout_seconds = 1;
        let written = config.to_value().expect("a table");
        assert_eq!(
            written.as_object().map(serde_json::Map::len),
            Some(6),
            "{written}"
        );
        let read: Config = serde_json::from_value(written.clone()).expect("the same form");
        assert_eq!(read.to_value(), Some(written));
    }
}
