//! Push certificates as Apple issues them.
use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey,
    PrivateKeyChain,
};
use push_core::{Environment, Timestamp};
use push_testkit::{
    Authority, Identity,
    rcgen::{CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, date_time_ymd},
};

const UID: [u64; 7] = [0, 9, 2342, 19_200_300, 100, 1, 1];
const APPLE: [u64; 7] = [1, 2, 840, 113_635, 100, 6, 3];

/// What a certificate is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CertificateRequest {
    /// The app's bundle id.
    pub bundle_id: String,
    /// The environments that it is good for.
    pub environments: Vec<Environment>,
    /// Further topics of the app, by Apple's word for their kind: `voip`, `complication`.
    pub also: Vec<&'static str>,
    /// From when to when it is valid.
    pub valid: (Timestamp, Timestamp),
}

impl CertificateRequest {
    /// A certificate for alerts of one app in these environments, valid from 2020 to 2040.
    pub fn new(bundle_id: impl Into<String>, environments: &[Environment]) -> Self {
        Self {
            bundle_id: bundle_id.into(),
            environments: environments.to_vec(),
            also: Vec::new(),
            valid: (
                Timestamp::from_unix_seconds(1_577_836_800),
                Timestamp::from_unix_seconds(2_208_988_800),
            ),
        }
    }

    /// Also good for `voip` or `complication`.
    #[must_use]
    pub fn with(mut self, kind: &'static str) -> Self {
        self.also.push(kind);
        self
    }

    /// Valid from then to then.
    #[must_use]
    pub const fn valid(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.valid = (from, until);
        self
    }
}

/// A push certificate with its private key. `Debug` shows neither.
pub struct PushCertificate(Identity);

impl PushCertificate {
    /// The certificate, as PEM.
    pub fn certificate_pem(&self) -> String {
        self.0.chain_pem()
    }

    /// The private key, as PEM.
    pub fn key_pem(&self) -> String {
        self.0.key_pem()
    }

    pub(super) fn der(&self) -> Vec<u8> {
        self.0.chain_der().remove(0).to_vec()
    }

    /// Both as the base64 of a `.p12` file; `legacy` encrypts it with RC2 of 40 bits, as old Keychains did.
    ///
    /// # Panics
    /// If no `.p12` file can be written, for which there is no reason.
    pub fn p12(&self, password: &str, legacy: bool) -> String {
        let chain = self.0.chain_der();
        let certificate = Certificate::from_der(&chain[0]).expect("our own certificate reads");
        let key = PrivateKey::from_der(&self.0.key_der()).expect("our own key reads");
        let mut store = KeyStore::new();
        let entry = PrivateKeyChain::new("1", key, [certificate]);
        store.add_entry("push", KeyStoreEntry::PrivateKeyChain(entry));
        let (encryption, mac) = if legacy {
            (
                EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc,
                MacAlgorithm::HmacSha1,
            )
        } else {
            (
                EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
                MacAlgorithm::HmacSha256,
            )
        };
        let file = store
            .writer(password)
            .encryption_algorithm(encryption)
            .mac_algorithm(mac)
            .mac_iterations(2048)
            .encryption_iterations(2048)
            .write()
            .expect("a .p12 file can be written");
        STANDARD.encode(file)
    }
}

impl fmt::Debug for PushCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushCertificate")
    }
}

/// What the service knows of a certificate that it issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issued {
    /// The topics it may send to, each as it is written there.
    pub(super) topics: Vec<String>,
    pub(super) environments: Vec<Environment>,
    pub(super) valid: (Timestamp, Timestamp),
}

pub(super) fn issue(
    authority: &Authority,
    request: &CertificateRequest,
) -> (PushCertificate, Issued) {
    let mut params = CertificateParams::default();
    let name = format!("Apple Push Services: {}", request.bundle_id);
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(
        DnType::CustomDnType(UID.to_vec()),
        request.bundle_id.as_str(),
    );
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut extension = |last: u64, content: Vec<u8>| {
        let oid: Vec<u64> = APPLE.into_iter().chain([last]).collect();
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&oid, content));
    };
    for environment in &request.environments {
        let last = match environment {
            Environment::Sandbox => 1,
            Environment::Production => 2,
        };
        extension(last, vec![0x05, 0x00]);
    }
    let mut topics = vec![(request.bundle_id.clone(), "app")];
    let also = request.also.iter();
    topics.extend(also.map(|kind| (format!("{}.{kind}", request.bundle_id), *kind)));
    if !request.also.is_empty() {
        extension(6, topic_list(&topics));
    }
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |it: Timestamp| epoch + Duration::from_secs(it.unix_seconds().max(0).unsigned_abs());
    params.not_before = at(request.valid.0);
    params.not_after = at(request.valid.1);
    let issued = Issued {
        topics: topics.into_iter().map(|(topic, _)| topic).collect(),
        environments: request.environments.clone(),
        valid: request.valid,
    };
    (PushCertificate(authority.issue(params)), issued)
}

/// `SEQUENCE { UTF8String topic, SEQUENCE { UTF8String kind }, … }`
fn topic_list(topics: &[(String, &str)]) -> Vec<u8> {
    let content: Vec<u8> = topics
        .iter()
        .flat_map(|(topic, kind)| {
            let kind = tlv(0x0c, kind.as_bytes());
            [tlv(0x0c, topic.as_bytes()), tlv(0x30, &kind)].concat()
        })
        .collect();
    tlv(0x30, &content)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => out.push(short),
        _ => {
            let length = u16::try_from(length).expect("a short list of topics");
            out.push(0x82);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}
