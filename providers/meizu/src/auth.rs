//! The signature of a request: MD5 over its parameters and the app's secret.
use std::fmt;

use push_core::Secret;
use push_kit::{form, md5};

/// Signs requests as one app.
pub(crate) struct Signer {
    app_id: String,
    secret: Secret,
}

impl Signer {
    pub(crate) fn new(app_id: &str, secret: Secret) -> Self {
        Self {
            app_id: app_id.to_owned(),
            secret,
        }
    }

    pub(crate) fn app_id(&self) -> &str {
        &self.app_id
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// Returns `parameters` as a form, with the app's id before them and the signature behind.
    pub(crate) fn form(&self, parameters: &[(&str, &str)]) -> String {
        let mut all = vec![("appId", self.app_id.as_str())];
        all.extend(parameters);
        let sign = sign(&all, self.secret());
        all.push(("sign", &sign));
        form::encode(all).expose().to_owned()
    }
}

/// The signature of `parameters`: the MD5 digest of `name=value` for each, sorted by name, without separators and not
/// percent-encoded, and then the secret.
pub(crate) fn sign(parameters: &[(&str, &str)], secret: &str) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let parts = sorted.iter().flat_map(|(name, value)| [*name, "=", *value]);
    md5::hex(parts.chain([secret]))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.app_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        let text = include_str!("../tests/fixtures/vectors.json");
        serde_json::from_str(text).expect("the vectors are JSON")
    }

    #[test]
    fn requests_are_signed_as_on_record() {
        let vectors = vectors();
        let signatures = vectors["signatures"].as_array().expect("an array");
        assert_eq!(signatures.len(), 10);
        for case in signatures {
            let parameters = case[0].as_object().expect("an object");
            let mut parameters: Vec<_> = parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().expect("text")))
                .collect();
            let secret = case[1].as_str().expect("text");
            for _ in 0..2 {
                assert_eq!(sign(&parameters, secret), case[2], "{case}");
                // The order in which they are given is of no consequence.
                parameters.reverse();
            }
        }
    }

    #[test]
    fn a_form_has_the_bytes_on_record() {
        let vectors = vectors();
        let case = &vectors["form"];
        let text = |key: &str| case[key].as_str().expect("text");
        let signer = Signer::new(text("appId"), Secret::new(text("secret")));
        let parameters = [
            ("pushIds", text("pushIds")),
            ("messageJson", text("messageJson")),
        ];
        assert_eq!(signer.form(&parameters), text("body"));
    }
}
