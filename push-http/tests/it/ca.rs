//! A throw-away certificate authority and servers with its certificates.
use std::{ops::Range, sync::Arc};

use push_core::Secret;
use push_http::ClientCertificate;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion, crypto::aws_lc_rs,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "throw-away CA");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        self.issue_for(name, usage, 2000..4000)
    }

    /// A certificate that is valid from the first day of one year to that of another.
    fn issue_for(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        years: Range<i32>,
    ) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.extended_key_usages.push(usage);
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }

    pub(crate) fn client_certificate(&self) -> ClientCertificate {
        let (certificate, key) = self.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
        ClientCertificate::from_pem(&certificate.pem(), &Secret::new(key.serialize_pem()))
            .expect("a client certificate")
    }

    pub(crate) fn server(&self, name: &str) -> ServerTls {
        self.server_for(name, 2000..4000)
    }

    pub(crate) fn server_for(&self, name: &str, years: Range<i32>) -> ServerTls {
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        Self::server_tls(self.issue_for(name, usage, years))
    }

    /// A server with a certificate that was made for clients.
    pub(crate) fn server_with_the_purpose_of_a_client(&self, name: &str) -> ServerTls {
        Self::server_tls(self.issue(name, ExtendedKeyUsagePurpose::ClientAuth))
    }

    fn server_tls((certificate, key): (rcgen::Certificate, KeyPair)) -> ServerTls {
        ServerTls {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            alpn: vec![b"h2".to_vec()],
            versions: rustls::ALL_VERSIONS.to_vec(),
            clients: None,
        }
    }
}

pub(crate) struct ServerTls {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    alpn: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    clients: Option<CertificateDer<'static>>,
}

impl ServerTls {
    pub(crate) fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        self
    }

    pub(crate) fn only(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    pub(crate) fn into_chain(self) -> Vec<CertificateDer<'static>> {
        self.chain
    }

    /// Demands a certificate of `ca`.
    pub(crate) fn clients_of(mut self, ca: &Ca) -> Self {
        self.clients = Some(ca.certificate.der().clone());
        self
    }

    pub(crate) fn acceptor(self) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .expect("versions");
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca).expect("a root");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .expect("a verifier");
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(self.chain, self.key)
            .expect("a certificate with its key");
        config.alpn_protocols = self.alpn;
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Completes the TLS handshake, or returns nothing if it fails, which the client reports.
pub(crate) async fn accept(acceptor: &TlsAcceptor, tcp: TcpStream) -> Option<TlsStream<TcpStream>> {
    acceptor.accept(tcp).await.ok()
}
