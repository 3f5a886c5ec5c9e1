//! Entry points to everything that parses bytes from outside, for fuzzing and property tests. Not public API.
use crate::{config::split_host_port, frame::Frame, proxy, proxy::Proxy, wire::Wire};

/// Reads `bytes` as HTTP/2 frames of a peer, in pieces of `piece` bytes, and returns what was learned: whether SETTINGS
/// arrived, the stream limit, the connection's window, and the GOAWAY as text.
pub fn frames(bytes: &[u8], piece: usize) -> (bool, u32, i64, Option<String>) {
    let wire = Wire::new();
    let mut frame = Frame::new();
    for piece in bytes.chunks(piece.max(1)) {
        wire.read(&mut frame, piece);
    }
    let go_away = wire.go_away().map(|go_away| format!("{go_away:?}"));
    (wire.settled(), wire.stream_limit(), wire.room(), go_away)
}

/// The status in the head of a proxy's response to CONNECT.
pub fn connect_status(head: &[u8]) -> Option<u16> {
    proxy::connect_status(head)
}

/// Host and port of an entry of `http.resolve`.
pub fn host_port(text: &str) -> Option<(&str, u16)> {
    split_host_port(text)
}

/// Host and port of a proxy URL.
///
/// # Errors
/// If it is not one.
pub fn proxy_url(text: &str) -> push_core::Result<(String, u16)> {
    let proxy = Proxy::parse(&push_core::Secret::new(text))?;
    Ok((proxy.host().to_owned(), proxy.port()))
}
