//! Answers that wait for their clients within a bound of all their bytes.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    let response = next.run(request).await;
    let told = response.extensions().get::<Holds>().map(|holds| holds.0);
    let Some(bytes) = response.body().size_hint().exact().or(told) else {
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

#[cfg(test)]
mod tests;
