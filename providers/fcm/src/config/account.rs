//! The key file of a service account.
use aws_lc_rs::signature::RsaKeyPair;
use push_core::{ConfigValue, Describe, Faults, Secret, Shape};
use push_kit::{
    input::{self, trimmed},
    key::{self, KeyKind},
    pem::{self, PemFault},
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

const ADVICE: &str = "use the key file as Google issued it: Firebase console > Project settings > \
                      Service accounts > Generate new private key";

/// A service account's key file, not checked yet. `Debug` shows nothing of it.
///
/// Copies that editors, shells and secret stores changed are read, too, as far as [`input::json`] and [`pem::private_key`] go.
#[derive(Clone, Debug)]
pub struct ServiceAccount(pub(super) Secret);

impl ServiceAccount {
    /// Takes over the text of a key file.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self(Secret::new(text))
    }

    /// Reads the fields that are needed, and adds every fault that there is.
    pub(crate) fn check(&self, faults: &mut Faults) -> Option<Account> {
        let Some(map) = input::json(self.0.expose()) else {
            let what = if trimmed(self.0.expose()).starts_with('{') {
                "is damaged JSON: it is cut off or was changed"
            } else {
                "is not the JSON of a key file"
            };
            faults.add("service_account", what, ADVICE);
            return None;
        };
        // `google-services.json`, which belongs in the app, and a user's own credentials have similar names.
        let kind = map.get("type").and_then(Value::as_str);
        if map.contains_key("project_info") || kind.is_some_and(|kind| kind != "service_account") {
            faults.add(
                "service_account",
                "is another file of Google's, not the key of a service account (`type` is not `service_account`)",
                ADVICE,
            );
            return None;
        }
        let mut field = |name: &str| {
            let text = map.get(name).and_then(Value::as_str).unwrap_or_default();
            let key = format!("service_account.{name}");
            let text = trimmed(text);
            faults.check(!text.is_empty(), key, "is missing", ADVICE);
            text.to_owned()
        };
        let account = (
            field("project_id"),
            field("private_key_id"),
            field("client_email"),
            field("token_uri"),
        );
        let pem = Secret::new(field("private_key"));
        let key = match pem.expose() {
            "" => None,
            text => match signing_key(text) {
                Ok(key) => Some(key),
                Err(what) => {
                    faults.add("service_account.private_key", what, ADVICE);
                    None
                }
            },
        };
        let (project_id, private_key_id, client_email, token_uri) = account;
        if !project_id.is_empty() {
            faults.check(
                is_project(&project_id),
                "service_account.project_id",
                "is not a project id",
                ADVICE,
            );
        }
        Some(Account {
            project_id,
            private_key_id,
            client_email,
            token_uri,
            key: key?,
        })
    }
}

/// A service account with its key. Fields are empty only if a fault was reported.
pub(crate) struct Account {
    pub(crate) project_id: String,
    pub(crate) private_key_id: String,
    pub(crate) client_email: String,
    /// The token endpoint, and the audience of what is signed for it.
    pub(crate) token_uri: String,
    pub(crate) key: RsaKeyPair,
}

/// Reads the RSA key in `text`.
///
/// # Errors
/// What is wrong with it, as the end of the sentence "the key …".
fn signing_key(text: &str) -> Result<RsaKeyPair, String> {
    let der = pem::private_key(text).map_err(|fault| match fault {
        PemFault::Unfinished => "is cut off: the line END PRIVATE KEY is missing",
        PemFault::Damaged => "is damaged: the text between BEGIN and END is not base64",
        PemFault::Encrypted => "is encrypted",
        _ => "is not an RSA key in PEM: there is no BEGIN PRIVATE KEY",
    })?;
    RsaKeyPair::from_pkcs8(der.expose())
        .or_else(|_| RsaKeyPair::from_der(der.expose()))
        .map_err(|_| match key::kind(der.expose()) {
            Err(fault) => fault.to_string(),
            Ok(KeyKind::Rsa { bits: 2048.. }) => {
                "is damaged: its numbers are not those of an RSA key".to_owned()
            }
            Ok(kind) => format!("is {kind}, where an RSA key of at least 2048 bits belongs"),
        })
}

/// Whether `id` is an id or number of a project, perhaps with a domain in front, as in `example.com:chat`.
fn is_project(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let (domain, name) = id.split_once(':').unwrap_or(("", id));
    !name.is_empty() && domain.bytes().chain(name.bytes()).all(plain)
}

impl ConfigValue for ServiceAccount {
    fn to_value(&self) -> Option<Value> {
        self.0.to_value()
    }
}

impl Describe for ServiceAccount {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Secret, Shape::Map(Box::new(Shape::Any))])
    }
}

impl<'de> Deserialize<'de> for ServiceAccount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ServiceAccount;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the text of a service account's key file, or its fields")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ServiceAccount, E> {
                Ok(ServiceAccount::from_json(text))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ServiceAccount, A::Error> {
                let map = Map::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(ServiceAccount::from_json(Value::Object(map).to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use push_testkit::fixtures;
    use serde_json::json;

    use super::*;

    fn file() -> String {
        json!({
            "type": "service_account",
            "project_id": "demo-project",
            "private_key_id": "0123",
            "private_key": fixtures::rsa_key(),
            "client_email": "push@demo-project.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        })
        .to_string()
    }

    fn faults(text: &str) -> String {
        let mut faults = Faults::new();
        let account = ServiceAccount::from_json(text).check(&mut faults);
        faults
            .finish(account.map(drop))
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_key_file_is_read_however_editors_and_shells_changed_its_line_breaks() {
        let file = file();
        let pretty = serde_json::from_str::<Value>(&file).expect("JSON");
        let pretty = serde_json::to_string_pretty(&pretty).expect("JSON");
        for text in [
            file.clone(),
            format!("\u{feff}{file}\r\n"),
            file.replace(",\"", ",\r\n\""),
            file.replace("\\n", "\\r\\n"),
            file.replace("\\n", "\\\\n"),
            file.replace("\\n", "\\\\\\\\n"),
            file.replace("\\n", "\n"),
            file.replace("\\n", "\r\n"),
            file.replace("\\n", " "),
            file.replace("\\n", ""),
            file.replace("\\n", "\\n    "),
            pretty.replace('\n', " "),
            pretty.replace('\n', "\\n"),
            Value::from(pretty.clone()).to_string(),
            file.replace('\\', "\\\\").replace('"', "\\\""),
        ] {
            assert_eq!(faults(&text), "", "{}", &text[..60]);
        }
    }

    #[test]
    fn a_damaged_key_is_named_as_what_it_is() {
        let file = file();
        let key = fixtures::rsa_key();
        let key: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        let ec = fixtures::apns_key(1).replace('\n', "\\n");
        // In one line, so that parts of it can be found.
        let file = file.replace(
            &fixtures::rsa_key().replace('\n', "\\n"),
            &format!("-----BEGIN PRIVATE KEY-----{key}-----END PRIVATE KEY-----"),
        );
        for (text, words) in [
            (file.replace("-----END PRIVATE KEY-----", ""), "cut off"),
            (file.replace("MIIE", "M!IE"), "not base64"),
            (
                file.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"),
                "encrypted",
            ),
            (file.replace("MIIE", ""), "is damaged"),
            // The first line of the key, and one letter in its middle.
            (file.replacen(&key[..64], "", 1), "is damaged"),
            (
                file.replacen(&key[800..808], "AAAAAAAA", 1),
                "is damaged: its numbers",
            ),
            (
                file.replace(
                    &format!("-----BEGIN PRIVATE KEY-----{key}-----END PRIVATE KEY-----"),
                    &ec,
                ),
                "an EC key on the curve P-256, where an RSA key",
            ),
        ] {
            let error = faults(&text);
            assert!(error.contains("service_account.private_key: "), "{error}");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn every_missing_field_is_named_at_once() {
        let error = faults(r#"{"type":"service_account","client_email":"","token_uri":7}"#);
        for field in [
            "project_id",
            "private_key_id",
            "private_key",
            "client_email",
            "token_uri",
        ] {
            let named = format!("service_account.{field}: is missing");
            assert!(error.contains(&named), "{field}: {error}");
        }
    }

    #[test]
    fn another_file_of_googles_and_a_damaged_key_are_recognised_and_not_repeated() {
        let file = file();
        for (text, words) in [
            (r#"{"project_info":{}}"#.to_owned(), "another file"),
            (r#"{"type":"authorized_user"}"#.to_owned(), "another file"),
            ("not json MIIE".to_owned(), "not the JSON"),
            ("[]".to_owned(), "not the JSON"),
            (file[..file.len() / 2].to_owned(), "damaged JSON"),
            (file.replacen(',', ";", 1), "damaged JSON"),
            (file.replace("BEGIN PRIVATE", "BEGIN PUBLIC"), "RSA key"),
            (file.replace("demo-project\"", "../x\""), "project id"),
        ] {
            let error = faults(&text);
            assert!(error.contains(words), "{words}: {error}");
            assert!(!error.contains("MIIE"), "{error}");
        }
    }
}
