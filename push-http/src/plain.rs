//! Descriptions of errors of libraries and of the operating system. The errors' own texts name types, contain links to
//! documentation and change with every version.
use std::{borrow::Cow, io};

/// What `error` says of a connection. Completes "…: ".
pub(crate) fn io(error: &io::Error) -> Cow<'static, str> {
    use io::ErrorKind as Kind;
    // Without a stable `ErrorKind`: EMFILE and ENFILE, the same on Linux, the BSDs and macOS.
    if matches!(error.raw_os_error(), Some(23 | 24)) && cfg!(unix) {
        return "this process or machine has too many open files".into();
    }
    match error.kind() {
        Kind::ConnectionRefused => {
            "the peer refused the connection, nothing listens on this port".into()
        }
        Kind::ConnectionReset => "the peer reset the connection".into(),
        Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => {
            "the connection was closed".into()
        }
        Kind::UnexpectedEof => "the peer closed the connection without an orderly end".into(),
        Kind::TimedOut => "the network did not answer in time".into(),
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            "there is no route from this machine to the peer".into()
        }
        Kind::AddrNotAvailable | Kind::AddrInUse => {
            "this machine has no free local address or port".into()
        }
        Kind::PermissionDenied => "this machine's firewall or sandbox forbids it".into(),
        Kind::Other => "the transport failed".into(),
        kind => match error.raw_os_error() {
            Some(code) => format!("the operating system reported error {code}").into(),
            None => format!("{kind}").into(),
        },
    }
}

/// What `error` says of an HTTP/2 connection.
pub(crate) fn h2(error: &h2::Error) -> Cow<'static, str> {
    if let Some(error) = error.get_io() {
        return io(error);
    }
    match error.reason() {
        Some(reason) => format!("HTTP/2 error {}", reason_name(reason.into())).into(),
        None => "the connection was closed".into(),
    }
}

/// What `error` says of an HTTP/1.1 connection.
pub(crate) fn hyper(error: &hyper::Error) -> Cow<'static, str> {
    if error.is_parse() {
        return "the peer sent something that is not HTTP/1.1".into();
    }
    if error.is_incomplete_message() {
        return "the peer closed the connection in the middle of a response".into();
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return io(error);
        }
        source = cause.source();
    }
    "the connection was closed".into()
}

/// The name of an HTTP/2 error code (RFC 9113 §7), or its number.
pub(crate) fn reason_name(code: u32) -> Cow<'static, str> {
    let names = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|code| names.get(code));
    match name {
        Some(name) => (*name).into(),
        None => format!("code {code}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_have_the_names_of_the_rfc() {
        for code in 0..14 {
            let expected = format!("{:?}", h2::Reason::from(code));
            assert_eq!(reason_name(code), expected);
        }
        assert_eq!(reason_name(14), "code 14");
        assert_eq!(reason_name(u32::MAX), "code 4294967295");
    }

    #[test]
    fn no_text_of_a_library_or_of_the_system_is_repeated() {
        for kind in [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::InvalidData,
            io::ErrorKind::Other,
        ] {
            let text = io(&io::Error::new(kind, "see https://docs.rs/rustls"));
            assert!(!text.contains("docs.rs"), "{text}");
        }
        let text = io(&io::Error::from_raw_os_error(111));
        assert!(!text.contains("os error"), "{text}");
    }
}
