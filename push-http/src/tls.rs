//! TLS: roots, the client's certificate, ALPN, and what a failed handshake means.
use std::{io, sync::Arc};

use push_core::{Error, ErrorKind, Result};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};

use crate::{
    config::{HttpConfig, Protocols, bad},
    error::{HttpError, HttpErrorKind},
    plain,
};

/// The TLS configuration that `config` describes. Pure: it reads no file and no environment.
pub(crate) fn client_config(config: &HttpConfig) -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").because(error))?
        .with_root_certificates(roots(config)?);
    let mut tls = match &config.client_certificate {
        None => builder.with_no_client_auth(),
        Some(client) => builder
            .with_client_auth_cert(client.chain.clone(), client.key.clone_key())
            .map_err(|_| {
                Error::new(
                    ErrorKind::Config,
                    "the client certificate cannot be used with its private key",
                )
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
            .map_err(|_| bad("extra_ca_pem", "it is not PEM".into(), advice.into()))?;
        if certificates.is_empty() {
            return Err(bad(
                "extra_ca_pem",
                "it holds no certificate".into(),
                advice.into(),
            ));
        }
        for (number, certificate) in (1..).zip(certificates) {
            roots.add(certificate).map_err(|_| {
                bad(
                    "extra_ca_pem",
                    format!("certificate {number} in it is damaged or of an unsupported kind"),
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

/// The name that the peer's certificate must be issued for.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, HttpError> {
    ServerName::try_from(host.to_owned()).map_err(|_| {
        HttpError::never(
            HttpErrorKind::InvalidRequest,
            "the host is neither a DNS name nor an address",
        )
        .advise("check the address")
    })
}

/// What the handshake error `error` says about the connection attempt.
pub(crate) fn handshake_failed(error: &io::Error) -> HttpError {
    explain(error).unwrap_or_else(|| {
        failed(format!(
            "the connection ended in the TLS handshake: {}",
            plain::io(error)
        ))
        .advise("check that the address and port are those of a TLS service")
    })
}

/// What `error` says about the connection attempt, if it is an error of TLS.
pub(crate) fn explain(error: &io::Error) -> Option<HttpError> {
    use rustls::Error as Tls;
    let error = error.get_ref()?.downcast_ref::<Tls>()?;
    Some(match error {
        Tls::InvalidCertificate(why) => bad_certificate(why),
        Tls::AlertReceived(alert) => alerted(*alert),
        Tls::NoCertificatesPresented => failed("the peer presented no certificate")
            .advise("check that the address and port are those of a TLS service"),
        Tls::PeerIncompatible(_) => nothing_in_common(),
        Tls::NoApplicationProtocol => no_h2(),
        Tls::InvalidMessage(_)
        | Tls::InappropriateMessage { .. }
        | Tls::PeerSentOversizedRecord => {
            failed("the peer answered with something that is not TLS").advise(
                "check that the address and port are those of a TLS service, and not of plain http",
            )
        }
        Tls::InappropriateHandshakeMessage { .. } | Tls::PeerMisbehaved(_) => {
            failed("the peer violated the TLS protocol")
                .advise("check the address; a device that intercepts TLS may be in between")
        }
        Tls::DecryptError => failed("the peer's TLS records were changed on the way")
            .advise("check the network and devices that intercept TLS"),
        Tls::FailedToGetCurrentTime => {
            failed("this machine's clock cannot be read").advise("set this machine's clock")
        }
        _ => failed("the TLS handshake failed")
            .advise("check that the peer supports TLS 1.2 or 1.3 with common ciphers"),
    })
}

fn failed(message: impl Into<String>) -> HttpError {
    HttpError::never(HttpErrorKind::Tls, message)
}

fn nothing_in_common() -> HttpError {
    failed("the peer supports no TLS version or cipher that this client supports")
        .advise("enable TLS 1.2 or 1.3 at the peer")
}

/// The peer's certificate is not accepted.
fn bad_certificate(why: &rustls::CertificateError) -> HttpError {
    use rustls::CertificateError as Why;
    match why {
        // A bad signature is what another authority under the name of a trusted one leads to.
        Why::UnknownIssuer | Why::BadSignature => failed(
            "the peer's certificate was issued by a certificate authority that is not trusted",
        )
        .advise("if the peer is yours, put its certificate authority into http.extra_ca_pem; otherwise a device may be intercepting TLS"),
        Why::Expired | Why::ExpiredContext { .. } => failed("the peer's certificate has expired")
            .advise("check this machine's clock; if it is right, the peer needs a new certificate"),
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            failed("the peer's certificate is not valid yet")
                .advise("check this machine's clock; it may be slow")
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            failed("the peer's certificate was issued for other host names than the one connected to")
                .advise("check the host in the address, and http.resolve")
        }
        Why::Revoked => failed("the peer's certificate was revoked")
            .advise("the peer needs a new certificate"),
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
            failed("the peer's certificate was not issued for servers")
                .advise("the peer needs a certificate for server authentication")
        }
        _ => failed("the peer's certificate is damaged or of an unsupported kind")
            .advise("check the address; the peer may need a new certificate"),
    }
}

/// The peer ended the connection with a TLS alert (RFC 8446 §6).
fn alerted(alert: rustls::AlertDescription) -> HttpError {
    use rustls::AlertDescription as Alert;
    let number = u8::from(alert);
    match alert {
        Alert::NoApplicationProtocol => no_h2(),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::CertificateRequired
        | Alert::UnknownCA
        | Alert::DecryptError
        | Alert::AccessDenied => failed(format!(
            "the peer refused the client certificate, or that there is none (TLS alert {number})"
        ))
        .advise("check that the certificate of this credential is valid and belongs to this peer and environment"),
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            nothing_in_common()
        }
        Alert::UnrecognisedName => failed("the peer does not serve this host name")
            .advise("check the host in the address, and http.resolve"),
        _ => failed(format!(
            "the peer ended the connection with TLS alert {number}"
        ))
        .advise("look at the peer's log; TLS alerts are listed in RFC 8446 section 6"),
    }
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
