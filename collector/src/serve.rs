//! Serves a router over HTTP, and gives up on clients that do not read their answers.
//!
//! An answer lies in memory until its client has read it. So all answers that wait together
//! have a bound: one that does not fit waits for others to be read, and is refused when that
//! takes too long. A client that reads nothing for a while loses its connection, so that
//! nobody waits for it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use hyper::body::{Body as _, Frame, SizeHint};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// How long a client may read nothing of what it is sent.
pub(crate) const UNREAD_MAX: Duration = Duration::from_secs(30);
/// How long an answer waits for others to be read.
const ROOM_WITHIN: Duration = Duration::from_secs(30);
/// Answers are counted in units of so many bytes.
const UNIT: usize = 1 << 10;
/// So much of an answer is handed on at once.
const PIECE: usize = 128 << 10;

/// Serves `router` until `stopped`.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(Impatient(listener), router)
        .with_graceful_shutdown(stopped)
        .await
}

/// `router`, whose answers of known size may together wait with so many bytes.
pub(crate) fn bounded(router: Router, bytes_max: u64) -> Router {
    let units = usize::try_from(bytes_max).unwrap_or(usize::MAX) / UNIT;
    let units = units.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
    let room = Room {
        free: Arc::new(Semaphore::new(units)),
        units,
    };
    router.layer(middleware::from_fn_with_state(room, hold))
}

#[derive(Clone, Debug)]
struct Room {
    free: Arc<Semaphore>,
    units: usize,
}

async fn hold(State(room): State<Room>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(bytes) = response.body().size_hint().exact() else {
        return response;
    };
    // The largest waits until it has all the room.
    let units = (usize::try_from(bytes).unwrap_or(usize::MAX) / UNIT).min(room.units);
    if units == 0 {
        return response;
    }
    let asked = room.free.acquire_many_owned(units as u32);
    let Ok(Ok(permit)) = tokio::time::timeout(ROOM_WITHIN, asked).await else {
        let why = "too many answers wait to be read; try again, or ask for less";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let (parts, body) = response.into_parts();
    let body = Held {
        body,
        piece: Bytes::new(),
        permit,
    };
    Response::from_parts(parts, Body::new(body))
}

/// A body that is handed on in pieces, and has its room until the last of them was taken.
struct Held {
    body: Body,
    piece: Bytes,
    permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let own = self.get_mut();
        if own.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut own.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => own.piece = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = own.piece.split_to(own.piece.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + self.piece.len() as u64),
            None => SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("units", &self.permit.num_permits())
            .finish_non_exhaustive()
    }
}

/// Connections that end when the other side takes nothing for a while.
struct Impatient(TcpListener);

impl Listener for Impatient {
    type Io = Unread<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, from) = Listener::accept(&mut self.0).await;
        (Unread::new(stream, UNREAD_MAX), from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A stream whose writes fail when none was taken for a while.
#[derive(Debug)]
struct Unread<S> {
    stream: S,
    within: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Unread<S> {
    fn new(stream: S, within: Duration) -> Self {
        Self {
            stream,
            within,
            waits: None,
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
        let within = self.within;
        let wait = self
            .waits
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        std::task::ready!(wait.as_mut().poll(cx));
        let why = format!("nothing was read for {} seconds", within.as_secs());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
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
