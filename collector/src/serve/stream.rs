//! A connection's bytes, which come and go, or the connection ends.

use super::Patience;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What a client of HTTP/2 sends first. Whether it is one is not known before it sends
/// something else, or all of this.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose writes fail when none was taken for a while, and whose reads fail when the
/// other side does not say soon which version of HTTP it speaks.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    unread_max: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
    /// Until the version is known.
    begins: Option<Begins>,
}

/// How much of [`PREFACE`] came, and when it is too late for the rest.
#[derive(Debug)]
struct Begins {
    matched: usize,
    within: Duration,
    too_late: Pin<Box<Sleep>>,
}

impl Begins {
    /// Takes what came; whether it is still open which version it is.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let rest = &PREFACE[self.matched..];
        self.matched += bytes.len();
        bytes.len() < rest.len() && rest.starts_with(bytes)
    }
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        let begins = Begins {
            matched: 0,
            within: patience.head,
            too_late: Box::pin(tokio::time::sleep(patience.head)),
        };
        Self {
            stream,
            unread_max: patience.unread,
            waits: None,
            begins: Some(begins),
        }
    }

    /// Ends the wait, or begins it and looks how long it has been.
    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let within = self.unread_max;
        let wait = self
            .waits
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        std::task::ready!(wait.as_mut().poll(cx));
        let why = format!("nothing was read for {} seconds", within.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let before = into.filled().len();
        let read = Pin::new(&mut own.stream).poll_read(cx, into);
        let Some(begins) = &mut own.begins else {
            return read;
        };
        if read.is_ready() {
            let came = into.filled().get(before..).unwrap_or_default();
            if came.is_empty() || !begins.take(came) {
                own.begins = None;
            }
            return read;
        }
        std::task::ready!(begins.too_late.as_mut().poll(cx));
        let why = format!("no request began within {:?}", begins.within);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let written = Pin::new(&mut own.stream).poll_write(cx, bytes);
        own.judge(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let written = Pin::new(&mut own.stream).poll_write_vectored(cx, bytes);
        own.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let flushed = Pin::new(&mut own.stream).poll_flush(cx);
        own.judge(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
