//! A layer between HTTP/2 and the transport that records what was written and what the peer allows.
//!
//! The `h2` crate hides three things on which a push depends: which streams were ever written (only those can have been
//! processed), the last stream and debug data of a GOAWAY, and how much of the connection's flow-control window is left.
//! All three can be read from the frames that pass through, at the cost of looking at nine bytes of each.
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    error::{GoAway, HttpError},
    frame::{ACK, Frame, GOAWAY, HEADERS, SETTINGS, WINDOW_UPDATE},
    tls,
};

/// A byte stream in both directions.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

const DATA_WINDOW: i64 = 65_535;
const PREFACE_BYTES: usize = 24;
const SETTINGS_MAX_CONCURRENT_STREAMS: u16 = 3;

/// What the frames of one connection have shown. Shared between its driver, its requests and the pool.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Set with the peer's first SETTINGS: nothing may be sent before.
    settled: AtomicBool,
    /// The peer's stream limit as of its last SETTINGS.
    stream_limit: AtomicU32,
    /// DATA bytes that may still be sent on the whole connection.
    window: AtomicI64,
    /// Body bytes reserved on this connection and not yet taken by its codec.
    promised: AtomicI64,
    /// The highest stream whose HEADERS were handed to the transport.
    written: AtomicU32,
    bytes_written: AtomicU64,
    /// Counts reads that returned bytes.
    heard: AtomicU64,
    go_away: Mutex<Option<GoAway>>,
    going_away: AtomicBool,
    /// The TLS error that ended the connection; `h2` keeps only its text.
    tls_failure: OnceLock<HttpError>,
    /// Nothing more is written, so "not written" is final.
    closed: AtomicBool,
    /// Something changed that may add or remove room for waiting requests.
    changed: AtomicBool,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            settled: AtomicBool::new(false),
            stream_limit: AtomicU32::new(u32::MAX),
            window: AtomicI64::new(DATA_WINDOW),
            promised: AtomicI64::new(0),
            written: AtomicU32::new(0),
            bytes_written: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            go_away: Mutex::new(None),
            going_away: AtomicBool::new(false),
            tls_failure: OnceLock::new(),
            closed: AtomicBool::new(false),
            changed: AtomicBool::new(false),
        }
    }

    pub(crate) fn settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    pub(crate) fn stream_limit(&self) -> u32 {
        self.stream_limit.load(Ordering::Acquire)
    }

    /// Bytes of DATA that may be sent and are not reserved.
    pub(crate) fn room(&self) -> i64 {
        self.window.load(Ordering::Acquire) - self.promised.load(Ordering::Acquire)
    }

    /// Returns `true` if no body waits for the window.
    pub(crate) fn nothing_promised(&self) -> bool {
        self.promised.load(Ordering::Acquire) <= 0
    }

    pub(crate) fn promise(&self, bytes: usize) {
        self.promised.fetch_add(signed(bytes), Ordering::AcqRel);
    }

    pub(crate) fn take_back(&self, bytes: usize) {
        self.promised.fetch_sub(signed(bytes), Ordering::AcqRel);
    }

    /// Returns `true` if it is certain that the request on `stream` never reached the transport.
    pub(crate) fn certainly_not_written(&self, stream: u32) -> bool {
        // The order matters: the highest stream is final only once nothing more is written.
        self.closed.load(Ordering::Acquire) && stream > self.written.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn is_going_away(&self) -> bool {
        self.going_away.load(Ordering::Acquire)
    }

    /// Returns `true` if it takes no more requests, because the peer sent GOAWAY or the connection has ended.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_going_away() || self.is_closed()
    }

    /// Refuses every further write.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Acquire)
    }

    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    pub(crate) fn go_away(&self) -> Option<GoAway> {
        self.go_away
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn tls_failure(&self) -> Option<&HttpError> {
        self.tls_failure.get()
    }

    /// Returns `true` if something changed since the last call.
    pub(crate) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    /// Reads `bytes` that the peer sent, from where `frame` is.
    pub(crate) fn read(&self, frame: &mut Frame, bytes: &[u8]) {
        let capture = |kind| matches!(kind, SETTINGS | GOAWAY | WINDOW_UPDATE);
        frame.feed(bytes, capture, |_| {}, |frame| self.received(frame));
    }

    fn received(&self, frame: &Frame) {
        let payload = frame.captured();
        match frame.kind() {
            SETTINGS if frame.flags() & ACK == 0 => {
                for setting in payload.chunks_exact(6) {
                    if let [a, b, c, d, e, f] = *setting
                        && u16::from_be_bytes([a, b]) == SETTINGS_MAX_CONCURRENT_STREAMS
                    {
                        self.stream_limit
                            .store(u32::from_be_bytes([c, d, e, f]), Ordering::Release);
                    }
                }
                self.settled.store(true, Ordering::Release);
            }
            GOAWAY => {
                if let Some((last, rest)) = payload.split_first_chunk::<4>()
                    && let Some((code, debug_data)) = rest.split_first_chunk::<4>()
                {
                    let mut known = self.go_away.lock().unwrap_or_else(PoisonError::into_inner);
                    let last = u32::from_be_bytes(*last) & 0x7fff_ffff;
                    *known = Some(GoAway {
                        // A second GOAWAY may only lower it; a peer that raises it gets no more trust than before.
                        last_stream: known
                            .as_ref()
                            .map_or(last, |known| known.last_stream.min(last)),
                        code: u32::from_be_bytes(*code),
                        debug_data: Bytes::copy_from_slice(debug_data),
                    });
                    self.going_away.store(true, Ordering::Release);
                }
            }
            WINDOW_UPDATE if frame.stream() == 0 => {
                if let Some(by) = payload.first_chunk::<4>() {
                    let by = u32::from_be_bytes(*by) & 0x7fff_ffff;
                    self.window.fetch_add(i64::from(by), Ordering::AcqRel);
                }
            }
            _ => return,
        }
        self.changed.store(true, Ordering::Release);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A request body that reports to its connection how much of it was taken, and releases the rest when it is dropped.
pub(crate) struct Body {
    bytes: Bytes,
    wire: Arc<Wire>,
}

impl Body {
    /// Takes over a reservation of `bytes.len()` bytes made by [`Wire::promise`].
    pub(crate) fn promised(bytes: Bytes, wire: Arc<Wire>) -> Self {
        Self { bytes, wire }
    }
}

impl Buf for Body {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        // Window first: for a moment there seems to be too little room rather than too much.
        self.wire.window.fetch_sub(signed(count), Ordering::AcqRel);
        self.wire.take_back(count);
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.wire.take_back(self.bytes.len());
            self.wire.changed.store(true, Ordering::Release);
        }
    }
}

/// How the bytes that pass are read.
enum Scan {
    Frames { inbound: Frame, outbound: Outbound },
    Nothing,
}

struct Outbound {
    preface_left: usize,
    frame: Frame,
}

/// The transport `io`, recorded in a [`Wire`].
pub(crate) struct Tap<T> {
    io: T,
    wire: Arc<Wire>,
    scan: Scan,
}

impl<T> Tap<T> {
    /// Records an HTTP/2 connection from its first byte.
    pub(crate) fn frames(io: T, wire: Arc<Wire>) -> Self {
        let scan = Scan::Frames {
            inbound: Frame::new(),
            outbound: Outbound {
                preface_left: PREFACE_BYTES,
                frame: Frame::new(),
            },
        };
        Self { io, wire, scan }
    }

    /// Only counts bytes.
    pub(crate) fn bytes(io: T, wire: Arc<Wire>) -> Self {
        Self {
            io,
            wire,
            scan: Scan::Nothing,
        }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        if let Scan::Frames { outbound, .. } = &mut self.scan {
            let preface = outbound.preface_left.min(bytes.len());
            outbound.preface_left -= preface;
            let on_header = |frame: &Frame| {
                if frame.kind() == HEADERS {
                    self.wire
                        .written
                        .fetch_max(frame.stream(), Ordering::AcqRel);
                }
            };
            let bytes = &bytes[preface..];
            outbound.frame.feed(bytes, |_| false, on_header, |_| {});
        }
    }

    fn end(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(count)) => {
                self.wire
                    .bytes_written
                    .fetch_add(u64::try_from(*count).unwrap_or(0), Ordering::AcqRel);
            }
            Poll::Ready(Err(_)) => self.wire.close(),
            Poll::Pending => {}
        }
        result
    }

    fn check_open(&self) -> io::Result<()> {
        if self.wire.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        let new = buf.filled().get(before..).unwrap_or_default();
        if let Some(failure) = result.as_ref().err().and_then(tls::explain) {
            this.wire.tls_failure.get_or_init(|| failure);
        }
        if result.is_err() || new.is_empty() {
            // A peer that has closed its side may still read; writing on would make "not written" untrue later.
            this.wire.close();
        } else {
            this.wire.heard.fetch_add(1, Ordering::AcqRel);
            if let Scan::Frames { inbound, .. } = &mut this.scan {
                this.wire.read(inbound, new);
            }
        }
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = result {
            self.wrote(&buf[..count]);
        }
        self.end(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(mut left)) = result {
            for buf in bufs {
                let count = left.min(buf.len());
                self.wrote(&buf[..count]);
                left -= count;
            }
        }
        self.end(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_open()?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a short payload");
        let mut out = length.to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    fn go_away(last: u32, debug_data: &[u8]) -> Vec<u8> {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend(2_u32.to_be_bytes());
        payload.extend(debug_data);
        frame(GOAWAY, 0, 0, &payload)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
            .block_on(future)
    }

    /// What a wire knows after `bytes` arrived in pieces of `piece` bytes.
    fn received(bytes: &[u8], piece: usize) -> Arc<Wire> {
        let wire = Arc::new(Wire::new());
        run(async {
            let (mut far, near) = duplex(bytes.len().max(1));
            far.write_all(bytes).await.expect("room for all");
            let mut tap = Tap::frames(near, Arc::clone(&wire));
            let mut left = bytes.len();
            while left > 0 {
                let mut buffer = vec![0; piece.min(left)];
                left -= tap.read(&mut buffer).await.expect("more to read");
            }
        });
        wire
    }

    #[test]
    fn frames_are_understood_however_they_are_cut() {
        let mut bytes = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0, 0, 3, 0, 0, 0, 9]);
        bytes.extend(frame(0, 0, 1, &[7; 300]));
        bytes.extend(frame(SETTINGS, ACK, 0, &[]));
        bytes.extend(frame(WINDOW_UPDATE, 0, 0, &[0x80, 0, 0, 35]));
        bytes.extend(frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]));
        bytes.extend(go_away(0x8000_0005, b"why"));
        for piece in [1, 2, 3, 8, 9, 10, 64, 1000] {
            let wire = received(&bytes, piece);
            assert!(wire.settled());
            assert_eq!(wire.stream_limit(), 9);
            assert_eq!(wire.room(), 65_535 + 35);
            let known = wire.go_away().unwrap();
            assert_eq!((known.last_stream(), known.code()), (5, 2));
            assert_eq!(known.debug_data(), &b"why"[..]);
            assert!(wire.take_changed() && !wire.take_changed());
            assert!(wire.is_going_away() && !wire.is_closed());
        }
    }

    #[test]
    fn an_acknowledgement_is_not_the_peers_settings() {
        assert!(!received(&frame(SETTINGS, ACK, 0, &[]), 100).settled());
        let wire = received(&frame(SETTINGS, 0, 0, &[]), 100);
        assert!(wire.settled());
        assert_eq!(wire.stream_limit(), u32::MAX, "no limit was given");
    }

    #[test]
    fn a_second_goaway_never_makes_more_streams_count_as_seen() {
        let mut bytes = go_away(3, b"");
        bytes.extend(go_away(7, b"later"));
        let known = received(&bytes, 100).go_away().unwrap();
        assert_eq!(known.last_stream(), 3);
        assert_eq!(known.debug_data(), &b"later"[..]);
    }

    #[test]
    fn endless_debug_data_is_cut() {
        let known = received(&go_away(1, &[b'x'; 10_000]), 777)
            .go_away()
            .unwrap();
        assert_eq!(known.debug_data().len(), 1024);
    }

    #[test]
    fn a_stream_counts_as_unwritten_only_once_nothing_more_can_be_written() {
        run(async {
            let wire = Arc::new(Wire::new());
            let (far, near) = duplex(10_000);
            let mut tap = Tap::frames(near, Arc::clone(&wire));
            let mut bytes = vec![b'p'; PREFACE_BYTES];
            bytes.extend(frame(SETTINGS, 0, 0, &[]));
            bytes.extend(frame(HEADERS, 4, 1, &[1; 50]));
            bytes.extend(frame(0, 1, 1, &[2; 50]));
            bytes.extend(frame(HEADERS, 5, 3, &[3; 50]));
            for byte in &bytes {
                tap.write_all(&[*byte]).await.unwrap();
            }
            assert!(!wire.certainly_not_written(5), "it may still be written");
            drop(far);
            assert_eq!(tap.read(&mut [0; 9]).await.unwrap(), 0);
            assert!(!wire.certainly_not_written(1));
            assert!(!wire.certainly_not_written(3));
            assert!(wire.certainly_not_written(5));
            let headers = frame(HEADERS, 5, 5, &[1]);
            assert!(tap.write_all(&headers).await.is_err(), "and stays so");
        });
    }

    #[test]
    fn the_part_of_a_body_that_was_not_taken_is_released() {
        let wire = Arc::new(Wire::new());
        wire.promise(100);
        assert_eq!(wire.room(), 65_435);
        let mut body = Body::promised(Bytes::from(vec![0; 100]), Arc::clone(&wire));
        body.advance(30);
        assert_eq!(
            wire.room(),
            65_435,
            "bytes count whether they are reserved or sent"
        );
        assert!(!wire.nothing_promised());
        drop(body);
        assert!(wire.nothing_promised());
        assert_eq!(wire.room(), 65_505);
        assert!(wire.take_changed(), "waiting requests are checked again");
    }
}
