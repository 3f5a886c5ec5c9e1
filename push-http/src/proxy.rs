//! HTTP CONNECT (RFC 9110 §9.3.6): a tunnel through a proxy.
use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use push_core::{Result, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    config::{bad, split_host_port},
    error::{HttpError, HttpErrorKind},
    plain,
};

/// The longest answer to CONNECT that is read, in bytes.
const MAX_ANSWER: usize = 8 * 1024;

/// A proxy and the credentials for it.
#[derive(Clone)]
pub(crate) struct Proxy {
    host: String,
    port: u16,
    authorization: Option<Secret>,
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`.
    pub(crate) fn parse(url: &Secret) -> Result<Self> {
        // The URL itself is never repeated in an error: it may hold a password.
        let wrong = |what: &str| {
            bad(
                "proxy",
                what.into(),
                "write http://[user:password@]host:port; reserved characters in user and password percent-encoded".into(),
            )
        };
        let rest = url
            .expose()
            .strip_prefix("http://")
            .ok_or_else(|| wrong("only proxies with an http:// URL are supported"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (userinfo, address) = match rest.rsplit_once('@') {
            Some((userinfo, address)) => (Some(userinfo), address),
            None => (None, rest),
        };
        let (host, port) = split_host_port(address)
            .or_else(|| (!address.contains([':', '/'])).then_some((address, 80)))
            .filter(|(host, _)| !host.is_empty())
            .ok_or_else(|| wrong("the proxy's address is not host:port"))?;
        let authorization = userinfo
            .map(|userinfo| {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                let mut plain = percent_encoding::percent_decode_str(user).collect::<Vec<u8>>();
                if plain.contains(&b':') {
                    return Err(wrong("the proxy user may not contain a colon"));
                }
                plain.push(b':');
                plain.extend(percent_encoding::percent_decode_str(password));
                Ok(Secret::new(format!("Basic {}", STANDARD.encode(plain))))
            })
            .transpose()?;
        Ok(Self {
            host: host.to_owned(),
            port,
            authorization,
        })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Asks for a tunnel to `host:port` over `io`, which is that tunnel afterwards.
    pub(crate) async fn tunnel<T>(&self, io: &mut T, host: &str, port: u16) -> Result<(), HttpError>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let target = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization.expose());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let failed = |error: std::io::Error| {
            let why = plain::io(&error);
            self.error(format!("did not answer to CONNECT {target}: {why}"))
                .advise("check http.proxy")
        };
        io.write_all(request.as_bytes()).await.map_err(failed)?;
        io.flush().await.map_err(failed)?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the empty line belongs to the tunnel. These are a few hundred bytes for each connection.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER {
                return Err(self.error("answered to CONNECT with more than 8 KiB of headers"));
            }
            let byte = io.read_u8().await.map_err(failed)?;
            answer.push(byte);
        }
        let status = connect_status(&answer)
            .ok_or_else(|| self.error("answered to CONNECT with something that is not HTTP/1.x"))?;
        match status {
            200..=299 => Ok(()),
            407 => Err(self
                .error("asks for another user and password (407)")
                .advise("put them into http.proxy: http://user:password@host:port")),
            _ => Err(self
                .error(format!("refused to connect to {target} ({status})"))
                .advise("allow this host and port in the proxy's rules")),
        }
    }

    fn error(&self, what: impl fmt::Display) -> HttpError {
        HttpError::never(
            HttpErrorKind::Proxy,
            format!("the proxy {}:{} {what}", self.host, self.port),
        )
    }
}

/// The status in the head of a response to CONNECT.
pub(crate) fn connect_status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let (version, rest) = line.split_at_checked(9)?;
    if !matches!(version, b"HTTP/1.0 " | b"HTTP/1.1 ") {
        return None;
    }
    let (code, rest) = rest.split_first_chunk::<3>()?;
    let valid = code.iter().all(u8::is_ascii_digit) && matches!(rest.first(), None | Some(b' '));
    std::str::from_utf8(code)
        .ok()
        .filter(|_| valid)?
        .parse()
        .ok()
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_percent_decoded() {
        let proxy = Proxy::parse(&Secret::new("http://al%20ice:p%40ss:w@[::1]:3128/")).unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("::1", 3128));
        let expected = format!("Basic {}", STANDARD.encode("al ice:p@ss:w"));
        assert_eq!(proxy.authorization.unwrap().expose(), expected);
    }

    #[test]
    fn a_proxy_url_that_cannot_be_read_is_refused_without_repeating_it() {
        for url in [
            "https://user:hunter2@p:1",
            "hunter2",
            "http://hunter2:hunter2@",
            "http://a:hunter2@b:port",
            "http://a:hunter2@b/path",
            "http://a%3Ab:hunter2@c:1",
        ] {
            let error = Proxy::parse(&Secret::new(url)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(error.to_string().contains("http.proxy"), "{error}");
        }
    }
}
