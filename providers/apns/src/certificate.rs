//! Certificate authentication: what a `.p12` file or PEM text holds, and what Apple wrote into it.
use std::fmt;

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use p12_keystore::{Pkcs12Archive, error::Error as Pkcs12Error};
use push_core::{Environment, Secret, Timestamp};
use push_http::ClientCertificate;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

const UID: &str = "0.9.2342.19200300.100.1.1";
const COMMON_NAME: &str = "2.5.4.3";
const SANDBOX: &str = "1.2.840.113635.100.6.3.1";
const PRODUCTION: &str = "1.2.840.113635.100.6.3.2";
const VOIP: &str = "1.2.840.113635.100.6.3.4";
const TOPICS: &str = "1.2.840.113635.100.6.3.6";

/// What Apple wrote into a push certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// The common name, as in `Apple Push Services: com.example.chat`.
    pub name: String,
    /// The topics it may send to, the bundle id first where there is one.
    pub topics: Vec<CertificateTopic>,
    /// The environments it is good for; empty where it does not say.
    pub environments: Vec<Environment>,
    /// The first moment of its validity.
    pub valid_from: Timestamp,
    /// The last moment of its validity.
    pub valid_until: Timestamp,
}

/// A topic of a push certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateTopic {
    /// The topic, as in `com.example.chat.voip`.
    pub topic: String,
    /// Apple's word for what it is for: `app`, `voip`, `complication`.
    pub kind: String,
}

impl CertificateFacts {
    /// Reads the facts out of a certificate in DER.
    pub(crate) fn read(der: &[u8]) -> Result<Self, String> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| "is damaged: it is not X.509".to_owned())?;
        let attribute = |oid: &str| {
            certificate
                .subject()
                .iter_attributes()
                .find(|it| it.attr_type().to_id_string() == oid)
                .and_then(|it| it.as_str().ok())
                .map(str::to_owned)
        };
        let extension = |oid: &str| {
            certificate
                .extensions()
                .iter()
                .find(|it| it.oid.to_id_string() == oid)
                .map(|it| it.value)
        };
        let name = attribute(COMMON_NAME).unwrap_or_default();
        let mut topics = extension(TOPICS).map(read_topics).unwrap_or_default();
        if let Some(uid) = attribute(UID)
            && !topics.iter().any(|it| it.topic == uid)
        {
            let kind = if name.starts_with("VoIP Services:") {
                "voip"
            } else {
                "app"
            };
            topics.insert(0, topic(uid, kind));
        }
        for voip in extension(VOIP).map(strings).unwrap_or_default() {
            if voip.contains('.') && !topics.iter().any(|it| it.topic == voip) {
                topics.push(topic(voip, "voip"));
            }
        }
        let environments = [
            (SANDBOX, Environment::Sandbox),
            (PRODUCTION, Environment::Production),
        ]
        .into_iter()
        .filter_map(|(oid, environment)| extension(oid).map(|_| environment))
        .collect();
        Ok(Self {
            name,
            topics,
            environments,
            valid_from: Timestamp::from_unix_seconds(certificate.validity().not_before.timestamp()),
            valid_until: Timestamp::from_unix_seconds(certificate.validity().not_after.timestamp()),
        })
    }

    /// The app's bundle id: the topic without a suffix.
    pub fn bundle_id(&self) -> Option<&str> {
        let app = self.topics.iter().find(|it| it.kind == "app");
        match app {
            Some(app) => Some(&app.topic),
            None => self.topics.iter().find_map(|it| {
                it.topic
                    .strip_suffix(".voip")
                    .or_else(|| it.topic.strip_suffix(".complication"))
            }),
        }
    }

    /// Whether it may send to `topic`, as far as it says.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.topics.iter().any(|it| it.topic == topic)
    }
}

fn topic(topic: impl Into<String>, kind: impl Into<String>) -> CertificateTopic {
    CertificateTopic {
        topic: topic.into(),
        kind: kind.into(),
    }
}

/// `SEQUENCE { UTF8String topic, SEQUENCE { UTF8String kind }, … }`: each topic is followed by its kinds.
fn read_topics(der: &[u8]) -> Vec<CertificateTopic> {
    let Some((_, list, _)) = tlv(der) else {
        return Vec::new();
    };
    let (mut topics, mut rest) = (Vec::new(), list);
    while let Some((_, name, after)) = tlv(rest) {
        let kinds = tlv(after);
        if let Ok(name) = std::str::from_utf8(name) {
            let kind = kinds.and_then(|(_, content, _)| strings_in(content).into_iter().next());
            topics.push(topic(name, kind.unwrap_or_default()));
        }
        match kinds {
            Some((_, _, next)) => rest = next,
            None => break,
        }
    }
    topics
}

/// Every string of a value that is a string or a sequence of them.
fn strings(der: &[u8]) -> Vec<String> {
    match tlv(der) {
        Some((SEQUENCE, content, _)) => strings_in(content),
        _ => strings_in(der),
    }
}

fn strings_in(mut der: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((tag, content, rest)) = tlv(der) {
        if matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING)
            && let Ok(text) = std::str::from_utf8(content)
        {
            found.push(text.to_owned());
        }
        der = rest;
    }
    found
}

const SEQUENCE: u8 = 0x30;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;

/// Tag, content and what follows, of a DER value with a length below 64 KiB (X.690 §8.1).
fn tlv(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (
            usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
            &rest[2..],
        ),
        _ => return None,
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

/// A certificate chain with its private key, and what Apple wrote into it. `Debug` shows nothing of the key.
pub(crate) struct Identity {
    pub(crate) facts: CertificateFacts,
    pub(crate) client: ClientCertificate,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads `certificate`: PEM text with its private key in the same text or in `key`, or the base64 of a `.p12` file
    /// with `password`.
    ///
    /// # Errors
    /// What is wrong, as the end of the sentence "the certificate …".
    pub(crate) fn read(
        certificate: &Secret,
        key: Option<&Secret>,
        password: Option<&Secret>,
    ) -> Result<Self, String> {
        let text = Secret::new(certificate.expose().replace("\\n", "\n"));
        if text.expose().contains("-----BEGIN ") {
            Self::from_pem(&text, key)
        } else {
            Self::from_p12(&text, password)
        }
    }

    fn from_pem(text: &Secret, key: Option<&Secret>) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(text.expose().as_bytes())
            .map(|it| it.map(|it| it.to_vec()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "is damaged: a PEM block of it does not read".to_owned())?;
        let key = match key {
            Some(key) => Secret::new(key.expose().replace("\\n", "\n")),
            None => text.clone(),
        };
        if key.expose().contains("ENCRYPTED") {
            return Err(
                "has an encrypted private key; decrypt it with `openssl pkey -in key.pem`, or give the .p12 file".into(),
            );
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
            "has no private key; put its PEM text beside the certificate's, or into `key`"
                .to_owned()
        })?;
        Self::of(chain, key.secret_der())
    }

    fn from_p12(text: &Secret, password: Option<&Secret>) -> Result<Self, String> {
        let compact: String = text.expose().split_ascii_whitespace().collect();
        let compact = Secret::new(compact);
        let file = STANDARD.decode(compact.expose()).map_err(|_| {
            "is neither PEM nor the base64 of a .p12 file; `base64 -w0 push.p12` prints the latter"
                .to_owned()
        })?;
        let password = password.map_or("", Secret::expose);
        let archive = Pkcs12Archive::from_pkcs12(&file, password).map_err(|error| match error {
            Pkcs12Error::MacError(_) if password.is_empty() => {
                "needs the password that was chosen when the .p12 file was exported".to_owned()
            }
            Pkcs12Error::MacError(_) => {
                "does not open: the password is not the one of this .p12 file".to_owned()
            }
            Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => {
                "is encrypted in a way that is not supported; export it again from Keychain Access"
                    .to_owned()
            }
            other => format!("does not read as a .p12 file ({other})"),
        })?;
        let Some(key) = archive.keys.first() else {
            return Err(
                "comes without its private key; in Keychain Access, export the entry that has a key below it".into(),
            );
        };
        let chain = archive
            .certs
            .iter()
            .map(|it| it.cert.as_der().to_vec())
            .collect();
        Self::of(chain, key.key.as_der())
    }

    /// Puts the certificate of `key` first: exports come in any order.
    fn of(mut chain: Vec<Vec<u8>>, key: &[u8]) -> Result<Self, String> {
        if chain.is_empty() {
            return Err("is missing: there is only a private key".into());
        }
        let public = public_key(key).ok_or(
            "has a private key of a kind that is not supported; Apple's are RSA of 2048 bits",
        )?;
        let leaf = chain
            .iter()
            .position(|der| {
                X509Certificate::from_der(der)
                    .is_ok_and(|(_, it)| it.public_key().subject_public_key.data == public)
            })
            .ok_or("does not belong to the private key; export both together")?;
        chain.swap(0, leaf);
        let facts = CertificateFacts::read(&chain[0])?;
        let client = ClientCertificate::from_der(chain, key.to_vec())
            .map_err(|error| format!("cannot be used: {}", error.message()))?;
        Ok(Self { facts, client })
    }
}

/// The public half of a private key in DER, as it stands in a certificate's `subjectPublicKey`.
fn public_key(key: &[u8]) -> Option<Vec<u8>> {
    let rsa = rsa::KeyPair::from_pkcs8(key).or_else(|_| rsa::KeyPair::from_der(key));
    if let Ok(pair) = rsa {
        return Some(pair.public_key().as_ref().to_vec());
    }
    [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
    ]
    .into_iter()
    .find_map(|kind| EcdsaKeyPair::from_private_key_der(kind, key).ok())
    .map(|pair| pair.public_key().as_ref().to_vec())
}
