//! The configuration of a credential, and what is checked of it without asking Apple.
use push_core::{Describe, Environment, Error, ErrorKind, Faults, Result, Secret};
use push_kit::{
    input::{self, trimmed},
    key::{self, KeyKind},
    pem::{self, PemFault},
};
use serde::Deserialize;

/// What this engine or the gateway adds to a topic itself.
const SUFFIXES: [&str; 8] = [
    ".voip",
    ".voip-ptt",
    ".complication",
    ".location-query",
    ".pushkit.fileprovider",
    ".push-type.liveactivity",
    ".push-type.widgets",
    ".push-type.controls",
];

/// What a credential consists of: the key of a team, and the app it is used for.
#[derive(Clone, Debug, Deserialize, Describe)]
#[serde(deny_unknown_fields)]
#[describe(plugin = crate::ApnsA2)]
#[non_exhaustive]
pub struct Config {
    /// The text of the `.p8` file. Lost or escaped line breaks do not matter.
    #[describe(example_file = "AuthKey_ABC123DEFG.p8")]
    pub key: Secret,
    /// The key's id, ten characters: in the file's name, `AuthKey_<key id>.p8`.
    #[describe(example = "ABC123DEFG")]
    pub key_id: String,
    /// The team's id, ten characters: in the membership details of the developer account.
    #[describe(example = "DEF123GHIJ")]
    pub team_id: String,
    /// The app's bundle id, without a suffix and without the team id.
    #[describe(example = "com.example.im")]
    pub topic: String,
    /// Which of Apple's hosts it sends to: `sandbox` (or `development`), or `production`.
    #[describe(words("production", "sandbox", "development"), example = "production")]
    pub environment: String,
    /// How long to wait for an answer, in seconds.
    #[serde(default = "twenty")]
    #[describe(unit = "seconds")]
    pub timeout_seconds: u64,
}

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

const fn twenty() -> u64 {
    20
}

/// A configuration without faults.
pub(crate) struct Settings {
    /// In the one form of PEM that `a2` reads.
    pub(crate) key: Secret,
    pub(crate) key_id: String,
    pub(crate) team_id: String,
    pub(crate) topic: String,
    pub(crate) environment: Environment,
    pub(crate) timeout_seconds: u64,
}

impl Config {
    /// Checks everything that can be checked without asking Apple.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with every fault.
    pub(crate) fn check(&self) -> Result<Settings> {
        let mut faults = Faults::new();
        let key_id = faults.take(
            "key_id",
            id(
                &self.key_id,
                "it is in the name of the file, AuthKey_<key id>.p8",
            ),
        );
        let team_id = faults.take(
            "team_id",
            id(
                &self.team_id,
                "it is in the membership details of the developer account",
            ),
        );
        let key = faults.take("key", key(&self.key));
        let topic = faults.take("topic", topic(&self.topic, trimmed(&self.team_id)));
        let environment = faults.take("environment", input::environment(&self.environment));
        let checked = match (key, key_id, team_id, topic, environment) {
            (Some(key), Some(key_id), Some(team_id), Some(topic), Some(environment)) => {
                Some(Settings {
                    key,
                    key_id,
                    team_id,
                    topic,
                    environment,
                    timeout_seconds: self.timeout_seconds,
                })
            }
            _ => None,
        };
        faults.finish(checked)
    }
}

fn fault(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what)
}

fn key(text: &Secret) -> Result<Secret> {
    let der = pem::private_key(text.expose()).map_err(|what| {
        let advice = match what {
            PemFault::Encrypted => "use the .p8 file as Apple's site provided it",
            _ => "use the whole .p8 file, from BEGIN PRIVATE KEY to END PRIVATE KEY",
        };
        fault(what.to_string()).advise(advice)
    })?;
    match key::kind(der.expose()) {
        Ok(KeyKind::P256) => Ok(pem::write("PRIVATE KEY", &der)),
        Ok(kind) => Err(fault(format!(
            "is {kind}, where an EC key on the curve P-256 belongs"
        ))
        .advise("use the .p8 file as Apple's site provided it for APNs")),
        Err(what) => {
            Err(fault(what.to_string()).advise("use the .p8 file as Apple's site provided it"))
        }
    }
}

fn id(text: &str, place: &str) -> Result<String> {
    let id = trimmed(text);
    if id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(id.to_owned());
    }
    Err(fault(format!(
        "has {} characters, and Apple's have 10 letters and digits",
        id.chars().count()
    ))
    .advise(place))
}

/// Checks that the topic can be a bundle id and nothing was put around it.
fn topic(text: &str, team_id: &str) -> Result<String> {
    let topic = trimmed(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if topic.is_empty() || !topic.bytes().all(is_plain) {
        return Err(
            fault("is not a bundle id, which has letters, digits, dots and hyphens")
                .advise("write the app's bundle id, as in com.example.chat"),
        );
    }
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| topic.ends_with(*suffix)) {
        return Err(fault(format!(
            "ends in {suffix}, which belongs to a push type and not to the app"
        ))
        .advise(format!("write the bundle id without {suffix}")));
    }
    let (first, rest) = topic.split_once('.').unwrap_or((topic, ""));
    let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if !rest.is_empty()
        && (first == team_id || (first.len() == 10 && first.bytes().all(is_capital)))
    {
        return Err(fault("begins with a team id")
            .advise(format!("write the bundle id alone, which is {rest}")));
    }
    Ok(topic.to_owned())
}

#[cfg(test)]
mod tests {
    use push_testkit::fixtures;
    use serde_json::{Value, json};

    use super::*;

    fn right() -> Value {
        json!({
            "key": fixtures::apns_key(1),
            "key_id": "ABC123DEFG",
            "team_id": "DEF123GHIJ",
            "topic": "com.example.im",
            "environment": "production",
        })
    }

    fn check(config: Value) -> Result<Settings> {
        let config: Config = serde_json::from_value(config).expect("a configuration");
        config.check()
    }

    #[test]
    fn values_are_read_however_editors_and_shells_changed_them() {
        let pem = fixtures::apns_key(1);
        let strict = check(right()).expect("it is right").key;
        for text in [
            format!("\u{feff}{}", pem.replace('\n', "\r\n")),
            pem.replace('\n', " "),
            pem.replace('\n', ""),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\\\n"),
            pem.replace('\n', "\n    "),
        ] {
            let mut config = right();
            config["key"] = json!(text);
            config["key_id"] = json!(" ABC123DEFG\n");
            config["topic"] = json!("com.example.im\r\n");
            config["environment"] = json!("Development");
            let settings = check(config).unwrap_or_else(|error| panic!("{error}: {text:?}"));
            assert_eq!(settings.key, strict);
            assert_eq!(settings.key_id, "ABC123DEFG");
            assert_eq!(settings.topic, "com.example.im");
            assert_eq!(settings.environment, Environment::Sandbox);
        }
    }

    #[test]
    fn every_fault_is_named_at_once_in_our_words() {
        let wrong = json!({
            "key": "AuthKey_ABC123DEFG.p8", "key_id": "short", "team_id": "DEF-123-GH",
            "topic": "com.example.im.voip", "environment": "staging",
        });
        let text = check(wrong).err().expect("it is wrong").to_string();
        for words in [
            "key: is not in PEM",
            "key_id: has 5 characters",
            "team_id: has 10 characters",
            "topic: ends in .voip",
            "environment: is not one of the words",
            "\"sandbox\"",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
        let mut config = right();
        config["key"] = json!(fixtures::rsa_key());
        let text = check(config).err().expect("it is wrong").to_string();
        assert!(text.contains("key: is an RSA key of 2048 bits"), "{text}");
        let mut config = right();
        let cut: Vec<_> = fixtures::apns_key(1).lines().map(str::to_owned).collect();
        config["key"] = json!([&cut[..1], &cut[2..]].concat().join("\n"));
        let text = check(config).err().expect("it is wrong").to_string();
        assert!(text.contains("key: is damaged"), "{text}");
        let mut config = right();
        config["topic"] = json!("DEF123GHIJ.com.example.im");
        let text = check(config).err().expect("it is wrong").to_string();
        assert!(text.contains("which is com.example.im"), "{text}");
    }
}
