//! Sends requests over several connections and remembers what became of each.

use crate::Failure;
use crate::corpus::{Corpus, Encoded};
use bytes::{Buf as _, BufMut as _, Bytes};
use parking_lot::Mutex;
use prost::Message as _;
use sonde_proto::otlp::logs_service::ExportLogsServiceResponse;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const CONNECTIONS: usize = 4;
const IN_FLIGHT_PER_CONNECTION: usize = 4;
/// How many requests are under way at once.
pub(crate) const IN_FLIGHT: usize = CONNECTIONS * IN_FLIGHT_PER_CONNECTION;
const RETRY_AFTER: Duration = Duration::from_millis(50);
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was not sent.
    #[default]
    Unsent,
    /// It was sent and there was no answer: it may be stored or not.
    Unknown,
    Acknowledged,
}

/// What became of all requests.
#[derive(Default)]
pub(crate) struct Ledger {
    fates: Mutex<Vec<Fate>>,
    acknowledged: AtomicU64,
    body_bytes: AtomicU64,
    wire_bytes: AtomicU64,
    retries: AtomicU64,
}

impl Ledger {
    pub(crate) fn fate(&self, request: u64) -> Fate {
        let fates = self.fates.lock();
        fates.get(request as usize).copied().unwrap_or_default()
    }

    /// The first request of those of which none was sent.
    pub(crate) fn first_unsent(&self) -> u64 {
        self.fates.lock().len() as u64
    }

    fn set(&self, request: u64, fate: Fate) {
        let mut fates = self.fates.lock();
        let at = request as usize;
        if fates.len() <= at {
            fates.resize(at + 1, Fate::Unsent);
        }
        fates[at] = fate;
    }

    fn acknowledge(&self, request: u64, encoded: &Encoded) {
        self.set(request, Fate::Acknowledged);
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let wire = encoded.bytes.len() as u64;
        self.wire_bytes.fetch_add(wire, Ordering::Relaxed);
        self.body_bytes
            .fetch_add(encoded.body_bytes, Ordering::Relaxed);
    }

    /// How many requests were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many bytes the bodies of these have.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes these were on the wire.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.wire_bytes.load(Ordering::Relaxed)
    }

    /// How often a request was refused for the moment, and sent again.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}

/// Makes requests and says when each is due.
pub(crate) trait Load: Send + Sync + 'static {
    /// The method that takes them. Those of all signals answer alike.
    const METHOD: &'static str = LOGS;

    fn encoded(&self, request: u64) -> Encoded;

    /// When it is to be sent; at once where it is not said.
    fn due(&self, _request: u64) -> Option<Instant> {
        None
    }

    /// When no more are sent, however many are left.
    fn over(&self) -> Option<Instant> {
        None
    }
}

/// Made when they are sent.
impl Load for Corpus {
    fn encoded(&self, request: u64) -> Encoded {
        self.encoded(request)
    }
}

/// Sends requests, all of them or until one fails.
///
/// # Errors
/// Why one failed. Those under way are [`Fate::Unknown`] then.
pub(crate) async fn send<L: Load>(
    to: SocketAddr,
    requests: Range<u64>,
    load: Arc<L>,
    ledger: &Arc<Ledger>,
) -> Result<(), Failure> {
    let next = Arc::new(AtomicU64::new(requests.start));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let channel = Endpoint::from_shared(format!("http://{to}"))?
            .connect()
            .await?;
        for _ in 0..IN_FLIGHT_PER_CONNECTION {
            let (channel, next) = (channel.clone(), Arc::clone(&next));
            let (load, ledger) = (Arc::clone(&load), Arc::clone(ledger));
            workers.spawn(async move {
                loop {
                    let request = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = load.over().is_some_and(|over| Instant::now() > over);
                    if is_over || request >= requests.end {
                        return Ok(());
                    }
                    if let Some(due) = load.due(request) {
                        tokio::time::sleep_until(due.into()).await;
                    }
                    let encoded = load.encoded(request);
                    deliver(&channel, L::METHOD, request, &encoded, &ledger).await?;
                }
            });
        }
    }
    while let Some(ended) = workers.join_next().await {
        let ended: Result<(), Failure> = ended?;
        // The others are dropped, and end.
        ended?;
    }
    Ok(())
}

async fn deliver(
    channel: &Channel,
    method: &'static str,
    request: u64,
    encoded: &Encoded,
    ledger: &Ledger,
) -> Result<(), Failure> {
    ledger.set(request, Fate::Unknown);
    loop {
        let refused = match export(channel, method, encoded.bytes.clone()).await {
            Ok(response) => {
                if let Some(partial) = response.partial_success {
                    return Err(format!("request {request} was taken in part: {partial:?}").into());
                }
                ledger.acknowledge(request, encoded);
                return Ok(());
            }
            Err(refused) => refused,
        };
        // An answer, and not the want of one: it is not stored.
        let is_answer = std::error::Error::source(&refused).is_none();
        let is_for_now = matches!(refused.code(), Code::ResourceExhausted | Code::Unavailable);
        if !is_answer || !is_for_now {
            return Err(format!("request {request} failed: {refused}").into());
        }
        ledger.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn export(
    channel: &Channel,
    method: &'static str,
    bytes: Bytes,
) -> Result<ExportLogsServiceResponse, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(method);
    let response = grpc
        .unary(tonic::Request::new(bytes), path, RawCodec)
        .await?;
    let response = ExportLogsServiceResponse::decode(response.into_inner());
    response.map_err(|error| Status::internal(format!("the answer is no OTLP response: {error}")))
}

/// Requests that are already encoded, so that encoding costs nothing while the clock runs.
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, bytes: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(bytes.len());
        out.put(bytes);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(64 << 10, 64 << 10)
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = source.remaining();
        Ok(Some(source.copy_to_bytes(len)))
    }
}
