//! Methods of gRPC on this port, by HTTP/2 without TLS, and answers that are told in parts
//! while the question goes on.
//!
//! A client finds the port by host and number alone: a method's path has nothing before it.
//! Nobody's search waits for a client that reads slowly: what cannot be told now is told with
//! what comes next, and what comes last waits as long as a query may take.

use super::{Api, ApiError, Asker, Sources, failed_inside};
use crate::serve::Holds;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodRouter, post};
use futures::Stream;
use prost::Message;
use sonde_proto::{Deadline, GiveUp};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// How long a question may be.
const QUESTION_BYTES_MAX: usize = 1 << 20;
/// The least time between two parts.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Clients take messages of 4 MiB; a part ends with the item that makes it as large as this.
const PART_BYTES: usize = 1 << 20;

/// A service by its name, with a fallback for the methods that it has not.
pub(super) fn service(name: &str, methods: Router<Api>) -> Router<Api> {
    let unknown = async || {
        let why = "this method is not served here; ask the same over HTTP";
        Status::unimplemented(why).into_http::<tonic::body::Body>()
    };
    Router::new().nest(&format!("/{name}"), methods.fallback(unknown))
}

/// A method that answers with one message.
pub(super) fn one<Q, A, F>(
    answer: impl Fn(Api, HeaderMap, Q) -> F + Copy + Send + Sync + 'static,
) -> MethodRouter<Api>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>> + Send + 'static,
{
    post(move |State(api): State<Api>, request: Request| async move {
        let method = tower::service_fn(move |request: tonic::Request<Q>| {
            let (metadata, _, question) = request.into_parts();
            let answer = answer(api.clone(), metadata.into_headers(), question);
            async move {
                let answer = answer.await?;
                let bytes = Some(answer.encoded_len());
                Ok(holding(answer, bytes))
            }
        });
        called(ProstCodec::<A, Q>::default())
            .unary(method, request)
            .await
    })
}

/// A method that answers with many.
pub(super) fn many<Q, A, F>(
    answer: impl Fn(Api, HeaderMap, Q) -> F + Copy + Send + Sync + 'static,
) -> MethodRouter<Api>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<Parts<A>, Status>> + Send + 'static,
{
    post(move |State(api): State<Api>, request: Request| async move {
        let method = tower::service_fn(move |request: tonic::Request<Q>| {
            let (metadata, _, question) = request.into_parts();
            let answer = answer(api.clone(), metadata.into_headers(), question);
            async move {
                let parts = answer.await?;
                let bytes = parts.known_bytes;
                Ok(holding(parts, bytes))
            }
        });
        called(ProstCodec::<A, Q>::default())
            .server_streaming(method, request)
            .await
    })
}

/// An answer that counts among those that wait to be read: its body does not tell its length.
fn holding<A>(answer: A, bytes: Option<usize>) -> tonic::Response<A> {
    let mut response = tonic::Response::new(answer);
    if let Some(bytes) = bytes {
        response.extensions_mut().insert(Holds(bytes as u64));
    }
    response
}

fn called<C: tonic::codec::Codec>(codec: C) -> tonic::server::Grpc<C> {
    tonic::server::Grpc::new(codec)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(QUESTION_BYTES_MAX)
}

/// A refusal as gRPC says it.
pub(super) fn status(code: StatusCode, message: String) -> Status {
    let code = match code.as_u16() {
        400..=403 | 405..=428 | 430..=499 => Code::InvalidArgument,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    };
    Status::new(code, message)
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        status(error.status, error.message)
    }
}

/// An answer in parts. Who drops it gives the question up.
#[derive(Debug)]
pub(super) struct Parts<A> {
    parts: mpsc::Receiver<Result<A, Status>>,
    /// Whether all parts there are were handed on.
    is_whole: Arc<AtomicBool>,
    /// How many bytes all of it has, where it keeps no turn while it waits.
    known_bytes: Option<usize>,
    _waits: GiveUp,
}

impl<A: Message> Parts<A> {
    /// An answer that is known.
    pub(super) fn one(part: A, cut: Option<String>) -> Self {
        let known_bytes = Some(part.encoded_len());
        let (sender, parts) = mpsc::channel(2);
        let end = cut.map(|cut| Err(whole_but(&cut)));
        for part in [Some(Ok(part)), end].into_iter().flatten() {
            // There is room for both.
            drop(sender.try_send(part));
        }
        let waits = Deadline::never().give_up_on_drop();
        Self {
            parts,
            is_whole: Arc::new(AtomicBool::new(true)),
            known_bytes,
            _waits: waits,
        }
    }
}

impl<A> Stream for Parts<A> {
    type Item = Result<A, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let part = std::task::ready!(self.parts.poll_recv(cx));
        // Without an error, what was told would pass for all there is.
        let is_short = part.is_none() && !self.is_whole.swap(true, Ordering::Relaxed);
        Poll::Ready(if is_short {
            Some(Err(not_taken()))
        } else {
            part
        })
    }
}

fn not_taken() -> Status {
    Status::deadline_exceeded(
        "the answer was not read in time, and parts of it are missing; read faster, or ask for less",
    )
}

/// Tells parts while a question goes on.
pub(super) struct Telling<A> {
    parts: mpsc::Sender<Result<A, Status>>,
    told: Option<Instant>,
    /// How long there is nothing to tell.
    rest: Duration,
}

impl<A> Telling<A> {
    /// Whether it is time to tell something, and somebody listens.
    pub(super) fn is_due(&self) -> bool {
        let rested = self.told.is_none_or(|told| told.elapsed() >= self.rest);
        rested && self.parts.capacity() > 0
    }

    /// Tells what takes a while to make: no more than a tenth of the time goes into it. Whether
    /// it is on its way.
    pub(super) fn tell(&mut self, part: impl FnOnce() -> A) -> bool {
        let begun = Instant::now();
        let is_told = self.parts.try_send(Ok(part())).is_ok();
        self.told = Some(Instant::now());
        self.rest = TELL_EVERY.max(begun.elapsed() * 9);
        is_told
    }
}

/// What ends an answer.
pub(super) struct Last<A> {
    pub(super) parts: Vec<A>,
    /// Why there may be more, for messages that have no place for it.
    pub(super) cut: Option<String>,
}

impl Asker {
    /// Runs a question on a thread of its own, with its deadline, when it is its turn; what it
    /// tells on the way is there at once, and what it ends with after that.
    pub(super) async fn tell<A: Send + 'static>(
        self,
        question: impl FnOnce(&Sources, &Deadline, &mut Telling<A>) -> Result<Last<A>, ApiError>
        + Send
        + 'static,
    ) -> Result<Parts<A>, ApiError> {
        let Self { api, tenant } = self;
        let within = api.query_time_max;
        let turn = api.queries.wait(&tenant, within).await?;
        let sources = api.sources;
        Ok(told(turn, within, move |deadline, telling| {
            question(&sources, deadline, telling)
        }))
    }
}

/// The turn ends when the last part was taken: answers that wait are as many as questions may be.
fn told<A: Send + 'static>(
    turn: impl Send + 'static,
    within: Duration,
    question: impl FnOnce(&Deadline, &mut Telling<A>) -> Result<Last<A>, ApiError> + Send + 'static,
) -> Parts<A> {
    let deadline = Deadline::within(within);
    let waits = deadline.give_up_on_drop();
    let (sender, parts) = mpsc::channel(1);
    let is_whole = Arc::new(AtomicBool::new(false));
    let all_told = Arc::clone(&is_whole);
    let mut telling = Telling {
        parts: sender.clone(),
        told: None,
        rest: TELL_EVERY,
    };
    tokio::spawn(async move {
        let asked = tokio::task::spawn_blocking(move || question(&deadline, &mut telling));
        let end = asked.await.unwrap_or_else(|_| Err(failed_inside()));
        // Who does not take it in time, or is gone, is told no more.
        let told = tokio::time::timeout(within, tell_last(&sender, end)).await;
        all_told.store(told.is_ok(), Ordering::Relaxed);
        drop(turn);
        // The channel closes after that is known.
        drop(sender);
    });
    Parts {
        parts,
        is_whole,
        known_bytes: None,
        _waits: waits,
    }
}

async fn tell_last<A>(to: &mpsc::Sender<Result<A, Status>>, end: Result<Last<A>, ApiError>) {
    let (parts, end) = match end {
        Ok(Last { parts, cut }) => (parts, cut.map(|cut| whole_but(&cut))),
        Err(error) => (Vec::new(), Some(Status::from(error))),
    };
    let parts = parts.into_iter().map(Ok).chain(end.map(Err));
    for part in parts {
        if to.send(part).await.is_err() {
            return;
        }
    }
}

/// The end of an answer that is not all there is: nothing failed, and a `warning` beside says why.
fn whole_but(cut: &str) -> Status {
    let shown = |c: char| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    };
    let text: String = cut.chars().map(shown).collect();
    let mut beside = MetadataMap::new();
    if let Ok(text) = text.parse() {
        beside.insert("warning", text);
    }
    Status::with_metadata(Code::Ok, "", beside)
}

/// Puts items together to parts that a client takes; one part at least.
pub(super) fn in_parts<T: Message>(items: impl IntoIterator<Item = T>) -> Vec<Vec<T>> {
    let mut items = items.into_iter();
    let mut parts = vec![part_of(&mut items)];
    loop {
        let part = part_of(&mut items);
        if part.is_empty() {
            return parts;
        }
        parts.push(part);
    }
}

/// As many of the items as make one part.
pub(super) fn part_of<T: Message>(items: &mut impl Iterator<Item = T>) -> Vec<T> {
    let (mut part, mut bytes) = (Vec::new(), 0);
    while bytes < PART_BYTES
        && let Some(item) = items.next()
    {
        bytes += item.encoded_len();
        part.push(item);
    }
    part
}

#[cfg(test)]
mod tests;
