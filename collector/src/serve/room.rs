//! Answers that wait for their clients within a bound of all their bytes.

use super::UNREAD_MAX;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, Version};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long an answer waits for others to be read.
const ROOM_WITHIN: Duration = Duration::from_secs(30);
/// Answers are counted in units of so many bytes.
const UNIT: usize = 1 << 10;
/// So much of an answer is handed on at once.
const PIECE: usize = 128 << 10;

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

/// How many bytes of memory an answer holds until it is read, where that is not its length: put
/// among a response's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holds(pub(crate) u64);

/// Notes an answer's length before something changes it.
pub(crate) async fn weigh(mut response: Response) -> Response {
    if let Some(bytes) = response.body().size_hint().exact() {
        response.extensions_mut().insert(Holds(bytes));
    }
    response
}

async fn hold(State(room): State<Room>, request: Request, next: Next) -> Response {
    let shares_connection = request.version() == Version::HTTP_2;
    let response = next.run(request).await;
    let told = response.extensions().get::<Holds>().map(|holds| holds.0);
    let bytes = response.body().size_hint().exact().or(told);
    // The largest waits until it has all the room.
    let units =
        bytes.map(|bytes| (usize::try_from(bytes).unwrap_or(usize::MAX) / UNIT).min(room.units));
    let permit = match units {
        Some(0) => return response,
        None if !shares_connection => return response,
        None => None,
        Some(units) => {
            let asked = room.free.acquire_many_owned(units as u32);
            let Ok(Ok(permit)) = tokio::time::timeout(ROOM_WITHIN, asked).await else {
                let why = "too many answers wait to be read; try again, or ask for less";
                return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
            };
            Some(permit)
        }
    };
    let (parts, body) = response.into_parts();
    let answer = Answer {
        body,
        piece: Bytes::new(),
        _permit: permit,
    };
    Response::from_parts(parts, Body::new(Held::new(answer, shares_connection)))
}

/// A body that is handed on in pieces, and has its room until the last of them was taken.
///
/// A client of HTTP/2 may read one answer and leave another, so its connection says nothing of
/// either: an answer of which nothing is taken for a while is given up by itself.
struct Held {
    kept: Arc<Mutex<Kept>>,
    watch: Option<AbortHandle>,
}

struct Kept {
    /// Until it is given up.
    answer: Option<Answer>,
    /// Since when it is for the client to take the next piece; nothing while there is none.
    waits: Option<Instant>,
}

struct Answer {
    body: Body,
    piece: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    fn new(answer: Answer, is_watched: bool) -> Self {
        let kept = Arc::new(Mutex::new(Kept {
            answer: Some(answer),
            waits: Some(Instant::now()),
        }));
        let watched = is_watched.then(|| tokio::spawn(watch(Arc::downgrade(&kept))));
        Self {
            kept,
            watch: watched.map(|task| task.abort_handle()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

/// Gives an answer up when its client has taken nothing for too long.
async fn watch(kept: Weak<Mutex<Kept>>) {
    let mut look_at = Instant::now() + UNREAD_MAX;
    loop {
        tokio::time::sleep_until(look_at).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = kept.lock();
        let now = Instant::now();
        let given_up_at = kept.waits.unwrap_or(now) + UNREAD_MAX;
        if given_up_at <= now {
            let answer = kept.answer.take();
            drop((kept, answer));
            return;
        }
        look_at = given_up_at;
    }
}

impl Answer {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.piece.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.piece = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.piece.split_to(self.piece.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut kept = self.kept.lock();
        let Some(answer) = &mut kept.answer else {
            let why = format!("nothing was read for {} seconds", UNREAD_MAX.as_secs());
            let error = io::Error::new(io::ErrorKind::TimedOut, why);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        };
        let frame = answer.poll_frame(cx);
        kept.waits = frame.is_ready().then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        let kept = self.kept.lock();
        let answer = kept.answer.as_ref();
        answer.is_some_and(|answer| answer.piece.is_empty() && answer.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept.lock();
        let Some(answer) = &kept.answer else {
            return SizeHint::default();
        };
        match answer.body.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + answer.piece.len() as u64),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests;
