//! TLS: roots, our certificate, ALPN, and what a failed handshake means.
use std::{io, sync::Arc};

use push_core::{Error, ErrorKind, Result};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};

use crate::{
    config::{HttpConfig, Protocols, bad},
    error::{HttpError, HttpErrorKind},
};

/// The TLS configuration that `config` describes. Pure: it reads no file and no environment.
pub(crate) fn client_config(config: &HttpConfig) -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").because(error))?
        .with_root_certificates(roots(config)?);
    let mut tls = match &config.client_certificate {
        None => builder.with_no_client_auth(),
        Some(it) => builder
            .with_client_auth_cert(it.chain.clone(), it.key.clone_key())
            .map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    "the client certificate cannot be used with its private key",
                )
                .because(error)
                .advise("give the certificate and the key that were made for each other")
            })?,
    };
    tls.alpn_protocols = match config.protocols {
        Protocols::H2Only => vec![b"h2".to_vec()],
        Protocols::Negotiate => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(Arc::new(tls))
}

fn roots(config: &HttpConfig) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if !config.only_extra_ca {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(pem) = &config.extra_ca_pem {
        let advice = "give the text of one or more BEGIN CERTIFICATE blocks";
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| {
                bad(
                    "extra_ca_pem",
                    format!("it is not PEM: {error}"),
                    advice.into(),
                )
            })?;
        if certificates.is_empty() {
            return Err(bad(
                "extra_ca_pem",
                "it holds no certificate".into(),
                advice.into(),
            ));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| {
                bad(
                    "extra_ca_pem",
                    format!("a certificate in it cannot be trusted: {error}"),
                    advice.into(),
                )
            })?;
        }
    }
    if roots.is_empty() {
        return Err(bad(
            "only_extra_ca",
            "no certificate authority is left to trust".into(),
            "give extra_ca_pem too, or leave only_extra_ca out".into(),
        ));
    }
    Ok(roots)
}

/// The name that the peer's certificate must bear.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, HttpError> {
    ServerName::try_from(host.to_owned()).map_err(|_| {
        HttpError::never(
            HttpErrorKind::InvalidRequest,
            "the host is neither a DNS name nor an address",
        )
    })
}

/// If `error` is TLS's, what it says about the connection attempt.
pub(crate) fn explain(error: &io::Error) -> Option<HttpError> {
    use rustls::{AlertDescription, CertificateError, Error as Tls};
    let error = error.get_ref()?.downcast_ref::<Tls>()?;
    let tls = |message: String| HttpError::never(HttpErrorKind::Tls, message);
    Some(match error {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => tls(
            "the peer's certificate was issued by an authority that is not trusted".into(),
        )
        .advise("if the peer is yours, give its authority in http.extra_ca_pem; if not, somebody is in between"),
        Tls::InvalidCertificate(why) => tls(format!("the peer's certificate is not acceptable: {why:?}")),
        Tls::AlertReceived(AlertDescription::NoApplicationProtocol) => no_h2(),
        Tls::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied),
        ) => tls(format!("the peer refused our client certificate, or the lack of one: {alert:?}"))
            .advise("check that the certificate of this credential is valid and belongs to this peer and environment"),
        Tls::NoCertificatesPresented => tls("the peer presented no certificate".into()),
        other => tls(format!("the TLS handshake failed: {other}")),
    })
}

/// The peer does not agree to HTTP/2.
pub(crate) fn no_h2() -> HttpError {
    HttpError::never(
        HttpErrorKind::Protocol,
        "the peer does not speak HTTP/2: it did not agree to `h2` by ALPN",
    )
    .advise(
        "check the address; a TLS-intercepting proxy or a load balancer may have taken HTTP/2 away",
    )
}
