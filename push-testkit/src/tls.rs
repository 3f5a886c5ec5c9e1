//! A throw-away certificate authority, and TLS for servers on loopback.
use std::{fmt, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that lives as long as a test. Put [`Authority::pem`] where the program under test reads the
/// authorities it trusts (`http.extra_ca_pem` of every provider).
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new authority with a key of its own (ECDSA P-256).
    ///
    /// # Panics
    /// If no key can be made.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "offline-push test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a P-256 key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority can sign itself"))
    }

    /// The authority's certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for these host names and IP addresses.
    ///
    /// # Panics
    /// If a name is no host name.
    pub fn server(&self, names: &[&str]) -> Identity {
        let names = names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("host names are ASCII");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A client's certificate with this common name.
    pub fn client(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// A certificate of any shape: for extensions, validity and subjects of a vendor's own.
    ///
    /// # Panics
    /// If `params` cannot be signed.
    pub fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params
            .signed_by(&key, &self.0)
            .expect("the authority can sign a certificate");
        Identity { certificate, key }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.0.der().clone())
            .expect("an authority's certificate is a trust anchor");
        Arc::new(roots)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// A certificate and its private key. `Debug` shows neither.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    /// The certificate, as PEM.
    pub fn chain_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The private key, as PKCS#8 PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate, as DER.
    pub fn chain_der(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    /// The private key, as PKCS#8 DER.
    pub fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Which protocols a server agrees to by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alpn {
    /// HTTP/2 and HTTP/1.1, as the client likes.
    #[default]
    Both,
    /// HTTP/2 only.
    H2,
    /// HTTP/1.1 only.
    Http1,
}

/// Whether a server asks for a client's certificate.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ClientAuth<'a> {
    /// It does not.
    None,
    /// It does, takes those of this authority, and serves clients that have none.
    Optional(&'a Authority),
    /// It does, and serves no client without one of this authority.
    Required(&'a Authority),
}

/// TLS 1.2 and 1.3 for a server.
///
/// # Panics
/// If `identity` does not fit together, which [`Authority`] never makes.
pub fn server_config(
    identity: &Identity,
    alpn: Alpn,
    clients: ClientAuth<'_>,
) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = |authority: &Authority, optional: bool| -> Arc<dyn ClientCertVerifier> {
        let builder =
            WebPkiClientVerifier::builder_with_provider(authority.roots(), Arc::clone(&provider));
        let builder = if optional {
            builder.allow_unauthenticated()
        } else {
            builder
        };
        builder.build().expect("one root is enough")
    };
    let verifier = match clients {
        ClientAuth::None => Arc::new(NoClientAuth),
        ClientAuth::Optional(authority) => verifier(authority, true),
        ClientAuth::Required(authority) => verifier(authority, false),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            identity.chain_der(),
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_der())),
        )
        .expect("the key belongs to the certificate");
    config.alpn_protocols = match alpn {
        Alpn::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Alpn::H2 => vec![b"h2".to_vec()],
        Alpn::Http1 => vec![b"http/1.1".to_vec()],
    };
    Arc::new(config)
}
