//! A socket that reports to its [`Tracker`] what is read and written, and a body that reports when an answer is written.
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tracker::{RequestGuard, Tracker};

/// A socket whose reads and writes are reported.
pub(super) struct Stream<S> {
    socket: S,
    tracker: Arc<Tracker>,
}

impl<S> Stream<S> {
    pub(super) const fn new(socket: S, tracker: Arc<Tracker>) -> Self {
        Self { socket, tracker }
    }

    /// Reports whether a write made progress.
    fn reported<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.tracker.wrote(poll.is_ready());
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.tracker.received(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.reported(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.reported(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The body of an answer. The request counts as being answered until the body and all its parts are dropped.
pub(super) struct Answering<B> {
    body: B,
    request: Arc<RequestGuard>,
}

impl<B> Answering<B> {
    pub(super) fn new(body: B, request: RequestGuard) -> Self {
        request.answered();
        Self {
            body,
            request: Arc::new(request),
        }
    }
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = Part<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let part = |data| Part {
            data,
            request: Arc::clone(&self.request),
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part of an answer's body, which reports what of it is written: HTTP/2 keeps parts that the client's window does not admit.
pub(super) struct Part<D> {
    data: D,
    request: Arc<RequestGuard>,
}

impl<D: Buf> Buf for Part<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, bytes: usize) {
        self.data.advance(bytes);
        self.request.wrote(bytes);
    }
}
