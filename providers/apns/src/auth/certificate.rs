//! Certificate authentication: reads `.p12` files and PEM text, and what Apple wrote into the certificate.
use std::{collections::BTreeSet, fmt};

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    },
};
use p12_keystore::{Pkcs12Archive, error::Error as Pkcs12Error};
use push_core::{Environment, Secret, Timestamp};
use push_http::ClientCertificate;
use push_kit::{
    input,
    key::{self, KeyKind, value as tlv},
    pem::{self, Der, PemFault},
};
use x509_parser::prelude::{FromDer, X509Certificate};

const UID: &str = "0.9.2342.19200300.100.1.1";
const COMMON_NAME: &str = "2.5.4.3";
const SANDBOX: &str = "1.2.840.113635.100.6.3.1";
const PRODUCTION: &str = "1.2.840.113635.100.6.3.2";
const VOIP: &str = "1.2.840.113635.100.6.3.4";
const TOPICS: &str = "1.2.840.113635.100.6.3.6";

/// How the names of push certificates begin that were issued before Apple's extensions, or without them.
const PUSH_NAMES: [&str; 6] = [
    "Apple Push Services:",
    "Apple Development IOS Push Services:",
    "Apple Production IOS Push Services:",
    "Apple Sandbox Push Services:",
    "VoIP Services:",
    "APSP:",
];

/// What Apple wrote into a push certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// The common name, as in `Apple Push Services: com.example.chat`.
    pub name: String,
    /// The topics it may send to, the bundle id first where there is one.
    pub topics: Vec<CertificateTopic>,
    /// The environments it is good for; empty if it does not say.
    pub environments: Vec<Environment>,
    /// Whether it is a push certificate: it has one of Apple's push extensions, or the name of one.
    pub is_push: bool,
    /// When its validity begins.
    pub valid_from: Timestamp,
    /// When its validity ends.
    pub valid_until: Timestamp,
}

/// A topic of a push certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateTopic {
    /// The topic, as in `com.example.chat.voip`.
    pub topic: String,
    /// What it is for, in Apple's terms: `app`, `voip`, `complication`.
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
                .find(|attribute| attribute.attr_type().to_id_string() == oid)
                .and_then(|attribute| attribute.as_str().ok())
                .map(str::to_owned)
        };
        let extension = |oid: &str| {
            certificate
                .extensions()
                .iter()
                .find(|extension| extension.oid.to_id_string() == oid)
                .map(|extension| extension.value)
        };
        let name = attribute(COMMON_NAME).unwrap_or_default();
        let mut topics = extension(TOPICS).map(read_topics).unwrap_or_default();
        if let Some(uid) = attribute(UID)
            && !topics.iter().any(|topic| topic.topic == uid)
        {
            let kind = if name.starts_with("VoIP Services:") {
                "voip"
            } else {
                "app"
            };
            topics.insert(0, topic(uid, kind));
        }
        for voip in extension(VOIP).map(strings).unwrap_or_default() {
            if voip.contains('.') && !topics.iter().any(|topic| topic.topic == voip) {
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
        let is_push = [SANDBOX, PRODUCTION, VOIP, TOPICS]
            .into_iter()
            .any(|oid| extension(oid).is_some())
            || PUSH_NAMES.iter().any(|start| name.starts_with(start));
        Ok(Self {
            name,
            topics,
            environments,
            is_push,
            valid_from: Timestamp::from_unix_seconds(certificate.validity().not_before.timestamp()),
            valid_until: Timestamp::from_unix_seconds(certificate.validity().not_after.timestamp()),
        })
    }

    /// Returns the app's bundle id: the topic without a suffix.
    pub fn bundle_id(&self) -> Option<&str> {
        let app = self.topics.iter().find(|topic| topic.kind == "app");
        match app {
            Some(app) => Some(&app.topic),
            None => self.topics.iter().find_map(|topic| {
                topic
                    .topic
                    .strip_suffix(".voip")
                    .or_else(|| topic.topic.strip_suffix(".complication"))
            }),
        }
    }

    /// Returns `true` if the certificate names `topic`.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.topics.iter().any(|named| named.topic == topic)
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
    /// with `password`. Of several certificates with a private key, takes the push certificate of `topic`, the one that
    /// is valid longest.
    ///
    /// # Errors
    /// What is wrong, as the end of the sentence "the certificate …".
    pub(crate) fn read(
        certificate: &Secret,
        key: Option<&Secret>,
        password: Option<&Secret>,
        topic: Option<&str>,
    ) -> Result<Self, String> {
        let (chain, keys) = if pem::is_pem(certificate.expose()) {
            read_pem(certificate, key)?
        } else {
            read_p12(certificate, password)?
        };
        if chain.is_empty() {
            return Err("is missing: there is only a private key".into());
        }
        Self::choose(chain, &keys, topic)
    }

    fn choose(chain: Vec<Vec<u8>>, keys: &[Der], topic: Option<&str>) -> Result<Self, String> {
        // A certificate that cannot be read belongs to no key, for another reason than that.
        for der in &chain {
            if !is_certificate(der) {
                return Err(
                    "is damaged: a part of it is missing or was changed; export it again".into(),
                );
            }
        }
        let mut found = Vec::new();
        let mut is_readable = false;
        for key in keys {
            let Some(public) = public_key(key.expose()) else {
                continue;
            };
            is_readable = true;
            for (position, der) in chain.iter().enumerate() {
                if is_of_key(der, &public) {
                    found.push((CertificateFacts::read(der)?, position, key));
                }
            }
        }
        if !is_readable {
            if let Some(fault) = keys.iter().find_map(|key| damaged(key.expose())) {
                return Err(format!("has a private key that {fault}; export it again"));
            }
            return Err(
                "has a private key of a kind that is not supported; Apple's are RSA of 2048 bits"
                    .into(),
            );
        }
        if found.is_empty() {
            return Err("does not belong to the private key; export both together".into());
        }
        if !found.iter().any(|(facts, ..)| facts.is_push) {
            let name = &found[0].0.name;
            return Err(format!(
                "is not a push certificate: its name is `{name}`, and Apple's push extensions are missing; export the one whose name begins with `Apple Push Services:`"
            ));
        }
        found.retain(|(facts, ..)| facts.is_push);
        match topic {
            Some(topic) => {
                let is_of_topic = |facts: &CertificateFacts| {
                    facts.bundle_id() == Some(topic) || facts.has_topic(topic)
                };
                // If none is of this topic, the configuration's check of the topic names the difference.
                if found.iter().any(|(facts, ..)| is_of_topic(facts)) {
                    found.retain(|(facts, ..)| is_of_topic(facts));
                }
            }
            None => {
                let apps: BTreeSet<_> = found
                    .iter()
                    .filter_map(|(facts, ..)| facts.bundle_id())
                    .collect();
                if apps.len() > 1 {
                    let apps: Vec<_> = apps.into_iter().collect();
                    return Err(format!(
                        "is one of several apps ({}); set `topic` to the bundle id of the app to send for",
                        apps.join(", ")
                    ));
                }
            }
        }
        let newest = found
            .into_iter()
            .max_by_key(|(facts, ..)| facts.valid_until);
        let Some((facts, leaf, key)) = newest else {
            return Err("is missing".into());
        };
        let mut chain = chain;
        // The leaf goes first: exports come in any order.
        chain.swap(0, leaf);
        let client = ClientCertificate::from_der(chain, key.expose().to_vec())
            .map_err(|error| format!("cannot be used: {}", error.message()))?;
        Ok(Self { facts, client })
    }
}

type Parts = (Vec<Vec<u8>>, Vec<Der>);

fn read_pem(text: &Secret, key: Option<&Secret>) -> Result<Parts, String> {
    let chain = pem::certificates(text.expose()).map_err(|fault| fault.to_string())?;
    let keys = pem::private_keys(key.unwrap_or(text).expose()).map_err(|fault| match fault {
        PemFault::Encrypted => {
            "has an encrypted private key; decrypt it with `openssl pkey -in key.pem`, or use the .p12 file".to_owned()
        }
        PemFault::Missing => {
            "has no private key; append its PEM text to the certificate's, or set `key`".to_owned()
        }
        fault => format!("has a private key that {fault}"),
    })?;
    Ok((chain, keys))
}

fn read_p12(text: &Secret, password: Option<&Secret>) -> Result<Parts, String> {
    let file = pem::binary(text.expose()).ok_or(
        "is neither PEM nor the base64 of a .p12 file; `base64 -w0 push.p12` prints the latter",
    )?;
    if X509Certificate::from_der(file.expose()).is_ok() {
        return Err("comes without its private key: this is a .cer file; export the .p12 file from Keychain Access, from the entry that has a key below it".into());
    }
    let passwords = match password {
        Some(password) => input::passwords(password),
        None => vec![Secret::new("")],
    };
    let archive = open_p12(&file, &passwords).map_err(|error| match error {
            Pkcs12Error::MacError(_) if passwords.iter().all(|password| password.expose().is_empty()) => {
                "needs the password that was chosen when the .p12 file was exported"
            }
            Pkcs12Error::MacError(_) => {
                "does not open: the password is not the one of this .p12 file"
            }
            Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => {
                "is encrypted in a way that is not supported; export it again from Keychain Access"
            }
            _ => "does not read as a .p12 file: it is another kind of file, or damaged; export it again from Keychain Access",
        })?;
    let keys: Vec<_> = archive
        .keys
        .iter()
        .map(|bag| Der::new(bag.key.as_der().to_vec()))
        .collect();
    if keys.is_empty() {
        return Err(
            "comes without its private key; in Keychain Access, export the entry that has a key below it".into(),
        );
    }
    let chain = archive
        .certs
        .iter()
        .map(|bag| bag.cert.as_der().to_vec())
        .collect();
    Ok((chain, keys))
}

/// Opens a `.p12` file with the first of `passwords` that fits.
///
/// # Errors
/// Why it does not open with the last of them.
fn open_p12(file: &Der, passwords: &[Secret]) -> Result<Pkcs12Archive, Pkcs12Error> {
    let mut fault = Pkcs12Error::InvalidData;
    for password in passwords {
        match Pkcs12Archive::from_pkcs12(file.expose(), password.expose()) {
            Ok(archive) => return Ok(archive),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

/// What is wrong with a private key that cannot be used, if it is not its kind.
fn damaged(key: &[u8]) -> Option<String> {
    match key::kind(key) {
        Err(fault) => Some(fault.to_string()),
        // Shorter ones are refused for their length.
        Ok(KeyKind::P256 | KeyKind::Rsa { bits: 2048.. }) => {
            Some("is damaged: its numbers are not those of a key".to_owned())
        }
        Ok(_) => None,
    }
}

fn is_certificate(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
}

fn is_of_key(certificate: &[u8], public: &[u8]) -> bool {
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, certificate)| certificate.public_key().subject_public_key.data == public)
}

/// Returns the public half of a private key in DER, in the form of a certificate's `subjectPublicKey`.
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
