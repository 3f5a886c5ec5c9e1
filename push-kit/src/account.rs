//! Key files of service accounts: JSON that a vendor's console issues, with an RSA key in it.
use aws_lc_rs::signature::RsaKeyPair;
use push_core::{ConfigValue, Describe, Secret, Shape};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::{
    input::{self, trimmed},
    key::{self, KeyKind},
    pem::{self, PemFault},
};

/// A service account's key file as the value of a configuration key: its text, or its members as a table. Not checked yet; `Debug`
/// shows nothing of it.
///
/// Copies that editors, shells and secret stores changed are read, too, as far as [`input::json`] goes.
#[derive(Clone, Debug)]
pub struct KeyFile(Secret);

impl KeyFile {
    /// Takes over the text of a key file.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self(Secret::new(text))
    }

    /// Returns the members of the file.
    ///
    /// # Errors
    /// What is wrong with the file, as the end of a sentence that begins with its name; holds nothing of it.
    pub fn members(&self) -> Result<Map<String, Value>, &'static str> {
        let text = self.0.expose();
        input::json(text).ok_or_else(|| {
            if trimmed(text).starts_with('{') {
                "is damaged JSON: it is cut off or was changed"
            } else {
                "is not the JSON of a key file"
            }
        })
    }
}

/// Returns the text of the member `name` without what [`trimmed`] leaves out; a number as text, and empty for anything else.
pub fn text(members: &Map<String, Value>, name: &str) -> String {
    let value = members.get(name).map(crate::answer::text);
    trimmed(&value.unwrap_or_default()).to_owned()
}

/// Reads the RSA key of at least 2,048 bits in `pem`, as far as [`pem::private_key`] goes.
///
/// # Errors
/// What is wrong with it, as the end of the sentence "the key …"; holds nothing of it.
pub fn rsa_key(pem: &str) -> Result<RsaKeyPair, String> {
    let der = pem::private_key(pem).map_err(|fault| match fault {
        PemFault::Missing => "is not an RSA key in PEM: there is no BEGIN PRIVATE KEY".to_owned(),
        other => other.to_string(),
    })?;
    let der = der.expose();
    let read = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
    read.map_err(|_| match key::kind(der) {
        Err(fault) => fault.to_string(),
        Ok(KeyKind::Rsa { bits: 2048.. }) => {
            "is damaged: its numbers are not those of an RSA key".to_owned()
        }
        Ok(kind) => format!("is {kind}, where an RSA key of at least 2048 bits belongs"),
    })
}

impl Describe for KeyFile {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Secret, Shape::Map(Box::new(Shape::Any))])
    }
}

impl ConfigValue for KeyFile {
    fn to_value(&self) -> Option<Value> {
        self.0.to_value()
    }
}

impl<'de> Deserialize<'de> for KeyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = KeyFile;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the text of a service account's key file, or its members")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyFile, E> {
                Ok(KeyFile::from_json(text))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<KeyFile, A::Error> {
                let members = Map::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(KeyFile::from_json(Value::Object(members).to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der},
        rsa::{KeyPair, KeySize},
    };
    use serde_json::json;

    use super::*;
    use crate::pem::Der;

    /// A new RSA key of 2,048 bits in PEM.
    fn key() -> String {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
        let der = Der::new(der.as_ref().to_vec());
        pem::write("PRIVATE KEY", &der).expose().to_owned()
    }

    #[test]
    fn a_file_is_read_as_text_and_as_table_however_its_line_breaks_were_changed() {
        let file = json!({ "id": "a", "number": 7, "private_key": key() }).to_string();
        let quoted = Value::from(file.clone());
        let table: Value = serde_json::from_str(&file).expect("JSON");
        let texts = [
            file.replace("\\n", "\\\\n"),
            file.replace("\\n", "\n"),
            file.replace("\\n", " "),
            format!("\u{feff}{file}\r\n"),
            quoted.to_string(),
        ];
        for value in texts.into_iter().map(Value::from).chain([quoted, table]) {
            let file: KeyFile = serde_json::from_value(value).expect("a key file");
            let members = file.members().expect("JSON");
            assert_eq!(
                (
                    text(&members, "id").as_str(),
                    text(&members, "number").as_str()
                ),
                ("a", "7")
            );
            assert_eq!(text(&members, "other"), "");
            let read = rsa_key(&text(&members, "private_key")).map(drop);
            assert_eq!(read, Ok(()));
            let again = serde_json::from_value::<KeyFile>(file.to_value().expect("a value"));
            assert_eq!(again.expect("a key file").members(), Ok(members));
            assert!(!format!("{file:?}").contains("PRIVATE"));
        }
        assert!(serde_json::from_value::<KeyFile>(json!(7)).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_file_or_its_key_is_named_and_not_repeated() {
        for (text, words) in [
            ("", "not the JSON"),
            ("[1]", "not the JSON"),
            ("{\"a\":", "damaged JSON"),
        ] {
            let fault = KeyFile::from_json(text).members().expect_err(words);
            assert!(fault.contains(words), "{text}: {fault}");
        }
        let key = key();
        let lines: Vec<_> = key.lines().collect();
        let line = lines[5];
        for (text, words) in [
            (String::new(), "not an RSA key in PEM"),
            (
                key.replace("BEGIN PRIVATE", "BEGIN PUBLIC"),
                "not an RSA key in PEM",
            ),
            (key.replace("-----END PRIVATE KEY-----", ""), "cut off"),
            (
                key.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"),
                "encrypted",
            ),
            (key.replacen(line, &"!".repeat(line.len()), 1), "not base64"),
            (key.replacen(lines[1], "", 1), "is damaged"),
            (
                key.replacen(line, &"A".repeat(line.len()), 1),
                "is damaged: its numbers",
            ),
        ] {
            let fault = rsa_key(&text).map(drop).expect_err(words);
            assert!(fault.contains(words), "{words}: {fault}");
            assert!(!fault.contains("MII"), "{fault}");
        }
    }
}
