//! A tap between the `h2` server and the transport, for what that server cannot say: a stream limit that moves, and a
//! GOAWAY with words in it.
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: usize = 24;
const HEADER: usize = 9;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const MAX_CONCURRENT_STREAMS: u16 = 3;
/// Beyond this the transport must take something before more is written.
const MAX_BUFFERED: usize = 64 * 1024;

/// What is said on a connection beside what the `h2` server says.
#[derive(Debug, Default)]
pub(super) struct Voice {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Frames to be written at the next frame boundary.
    pending: BytesMut,
    /// Limits that were announced and not yet acknowledged.
    announced: VecDeque<u32>,
    /// The limit that the client has acknowledged.
    limit: u32,
    waker: Option<Waker>,
    /// The transport has not taken everything yet.
    buffered: bool,
}

impl Voice {
    /// A connection that begins with this limit.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            state: Mutex::new(State {
                limit,
                announced: VecDeque::from([limit]),
                ..State::default()
            }),
        }
    }

    /// Announces another limit; returns whether it is another one.
    pub(super) fn announce(&self, limit: u32) -> bool {
        let mut state = self.lock();
        if *state.announced.back().unwrap_or(&state.limit) == limit {
            return false;
        }
        state.announced.push_back(limit);
        put_header(&mut state.pending, 6, SETTINGS);
        state.pending.put_u16(MAX_CONCURRENT_STREAMS);
        state.pending.put_u32(limit);
        state.wake();
        true
    }

    /// Says GOAWAY with these words. Streams above `last_stream` are none of ours any more.
    pub(super) fn go_away(&self, last_stream: u32, words: &[u8]) {
        let mut state = self.lock();
        put_header(&mut state.pending, 8 + words.len(), GOAWAY);
        state.pending.put_u32(last_stream);
        state.pending.put_u32(0);
        state.pending.put_slice(words);
        state.wake();
    }

    /// How many streams the client may have open. A lower limit counts once the client has acknowledged it, a higher one
    /// at once: it may use it before its acknowledgement arrives.
    pub(super) fn limit(&self) -> u32 {
        let state = self.lock();
        state.announced.iter().copied().fold(state.limit, u32::max)
    }

    /// Whether everything that was to be said, here or by the server, has been taken by the transport.
    pub(super) fn is_on_the_wire(&self) -> bool {
        let state = self.lock();
        state.pending.is_empty() && !state.buffered
    }

    fn acknowledged(&self) -> bool {
        let mut state = self.lock();
        match state.announced.pop_front() {
            Some(limit) => {
                state.limit = limit;
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Frames are written when the connection is polled.
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn put_header(to: &mut BytesMut, length: usize, kind: u8) {
    to.put_uint(length as u64, 3);
    to.put_u8(kind);
    to.put_u8(0);
    to.put_u32(0);
}

/// The transport with a [`Voice`] mixed in.
#[derive(Debug)]
pub(super) struct Tap<T> {
    io: T,
    voice: Arc<Voice>,
    outgoing: Outgoing,
    incoming: Incoming,
}

#[derive(Debug, Default)]
struct Outgoing {
    buffer: BytesMut,
    header: Vec<u8>,
    /// Bytes of the current frame's payload that are still to come.
    payload: usize,
    begun: bool,
}

impl Outgoing {
    fn at_boundary(&self) -> bool {
        self.begun && self.header.is_empty() && self.payload == 0
    }

    /// Takes what the server writes. The first frame, its SETTINGS, gets the limit as one more setting.
    fn take(&mut self, mut bytes: &[u8], limit: u32) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let some = self.payload.min(bytes.len());
                self.buffer.put_slice(&bytes[..some]);
                self.payload -= some;
                bytes = &bytes[some..];
                continue;
            }
            let some = (HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..some]);
            bytes = &bytes[some..];
            if self.header.len() < HEADER {
                return;
            }
            let length = length_of(&self.header);
            self.payload = length;
            if self.begun {
                self.buffer.put_slice(&self.header);
            } else {
                self.begun = true;
                put_header(&mut self.buffer, length + 6, SETTINGS);
                self.buffer.put_u16(MAX_CONCURRENT_STREAMS);
                self.buffer.put_u32(limit);
            }
            self.header.clear();
        }
    }
}

fn length_of(header: &[u8]) -> usize {
    header[..3]
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte))
}

#[derive(Debug)]
struct Incoming {
    /// Bytes that are passed on without looking at them.
    blind: usize,
    header: Vec<u8>,
    ready: BytesMut,
    acknowledgements: u64,
}

impl Incoming {
    /// Takes what the client wrote, without its acknowledgements of settings that the server knows nothing of.
    fn take(&mut self, mut bytes: &[u8], voice: &Voice) {
        while !bytes.is_empty() {
            if self.blind > 0 {
                let some = self.blind.min(bytes.len());
                self.ready.put_slice(&bytes[..some]);
                self.blind -= some;
                bytes = &bytes[some..];
                continue;
            }
            let some = (HEADER - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..some]);
            bytes = &bytes[some..];
            if self.header.len() < HEADER {
                return;
            }
            let is_acknowledgement = self.header[3] == SETTINGS && self.header[4] & ACK != 0;
            let known = if is_acknowledgement {
                self.acknowledgements += 1;
                // The first is for the server's own settings, which carried the first limit.
                !voice.acknowledged() || self.acknowledgements == 1
            } else {
                true
            };
            if known {
                self.ready.put_slice(&self.header);
                self.blind = length_of(&self.header);
            }
            self.header.clear();
        }
    }
}

impl<T> Tap<T> {
    pub(super) fn new(io: T, voice: Arc<Voice>) -> Self {
        Self {
            io,
            voice,
            outgoing: Outgoing::default(),
            incoming: Incoming {
                blind: PREFACE,
                header: Vec::with_capacity(HEADER),
                ready: BytesMut::new(),
                acknowledgements: 0,
            },
        }
    }
}

impl<T: AsyncWrite + Unpin> Tap<T> {
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.buffer.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.outgoing.buffer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.buffer.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.incoming.ready.is_empty() {
                let some = this.incoming.ready.len().min(into.remaining());
                into.put_slice(&this.incoming.ready[..some]);
                this.incoming.ready.advance(some);
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; 16 * 1024];
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.incoming.take(buffer.filled(), &this.voice);
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.outgoing.buffer.len() > MAX_BUFFERED {
            ready!(this.drain(cx))?;
        }
        let limit = {
            let mut state = this.voice.lock();
            state.buffered = true;
            state.limit
        };
        this.outgoing.take(bytes, limit);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        {
            let mut state = this.voice.lock();
            if this.outgoing.at_boundary() && !state.pending.is_empty() {
                this.outgoing.buffer.unsplit(state.pending.split());
            }
            state.waker = Some(cx.waker().clone());
        }
        let drained = this.drain(cx);
        this.voice.lock().buffered = drained.is_pending();
        ready!(drained)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
