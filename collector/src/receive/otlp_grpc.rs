//! OTLP over gRPC (<https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>).
//!
//! The three services take the request's bytes as they came: the journal keeps them
//! unchanged, so nothing is decoded into types and encoded again on the way. They arrive as
//! over HTTP ([`arrived`]): whoever sends slowly has no turn while others wait.

use super::arrive::arrived;
use super::jaeger;
use super::partial::ExportResponse;
use super::translated::{self, Translated};
use crate::admit::{Admission, Refusal, TAKEN_WITHIN, Taken};
use crate::config::GrpcConfig;
use axum::body::Body;
use bytes::{Buf as _, Bytes};
use http::{Request, Response};
use sonde_proto::otlp::{logs_service, metrics_service, trace_service};
use sonde_proto::{Signal, Tenant};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Before a message stands in a byte whether it is compressed, and in four its length.
const PREFIX: usize = 5;

/// Serves the export services until `stop` resolves.
pub(crate) async fn serve(
    listener: tokio::net::TcpListener,
    tls: Option<tonic::transport::ServerTlsConfig>,
    streams_max: u32,
    admission: Arc<Admission>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let mut server = tonic::transport::Server::builder()
        .max_concurrent_streams(streams_max)
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(30)));
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    server
        .add_routes(routes(&admission))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop)
        .await
}

/// Reads the certificate and key that the configuration names.
pub(crate) fn tls(
    config: &GrpcConfig,
) -> Result<Option<tonic::transport::ServerTlsConfig>, String> {
    let (cert, key) = match (&config.tls_cert_file, &config.tls_key_file) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        _ => return Err("otlp.grpc: tls_cert_file and tls_key_file must be set together".into()),
    };
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let identity = tonic::transport::Identity::from_pem(read(cert)?, read(key)?);
    Ok(Some(
        tonic::transport::ServerTlsConfig::new().identity(identity),
    ))
}

fn routes(admission: &Arc<Admission>) -> tonic::service::Routes {
    let logs = Export::<logs_service::ExportLogsServiceResponse>::new(Signal::Logs, admission);
    let spans = Export::<trace_service::ExportTraceServiceResponse>::new(Signal::Spans, admission);
    let metrics =
        Export::<metrics_service::ExportMetricsServiceResponse>::new(Signal::Metrics, admission);
    let jaeger = Export::<PostSpansResponse>::translated(jaeger::read_protobuf, admission);
    axum::Router::new()
        .route_service("/jaeger.api_v2.CollectorService/PostSpans", jaeger)
        .route_service(
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            logs,
        )
        .route_service(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            spans,
        )
        .route_service(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            metrics,
        )
        .fallback(unimplemented_method)
        .into()
}

async fn unimplemented_method() -> Response<tonic::body::Body> {
    Status::unimplemented(
        "this port serves OTLP's LogsService, TraceService and MetricsService, and Jaeger's CollectorService",
    )
    .into_http()
}

/// A request's turn, as long as anything of it is kept.
#[derive(Clone, Debug)]
struct Turn {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The `Export` method of one signal.
struct Export<R> {
    signal: Signal,
    admission: Arc<Admission>,
    /// What makes OTLP of the message, where it is none.
    translate: Option<Translate>,
    /// Whether the method was called, in the clone that serves one request.
    called: Arc<AtomicBool>,
    response: PhantomData<fn() -> R>,
}

impl<R> Export<R> {
    fn new(signal: Signal, admission: &Arc<Admission>) -> Self {
        Self {
            signal,
            admission: Arc::clone(admission),
            translate: None,
            called: Arc::default(),
            response: PhantomData,
        }
    }

    /// A method that takes spans of another format.
    fn translated(translate: Translate, admission: &Arc<Admission>) -> Self {
        Self {
            translate: Some(translate),
            ..Self::new(Signal::Spans, admission)
        }
    }
}

type Translate = fn(&[u8]) -> Result<Translated, String>;

/// What Jaeger answers: nothing.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct PostSpansResponse {}

impl ExportResponse for PostSpansResponse {
    fn of(_: Taken) -> Self {
        Self {}
    }
}

impl<R> Clone for Export<R> {
    fn clone(&self) -> Self {
        Self {
            translate: self.translate,
            ..Self::new(self.signal, &self.admission)
        }
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<R: ExportResponse> tower::Service<Request<Body>> for Export<R> {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move {
            let limit = method.admission.request_bytes_max();
            let mut grpc = tonic::server::Grpc::new(RawCodec::<R>(PhantomData))
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .max_decoding_message_size(limit);
            let (signal, admission) = (method.signal, Arc::clone(&method.admission));
            let called = Arc::clone(&method.called);
            let (mut head, body) = request.into_parts();
            let (turn, message) = match arrived(&admission, signal, body, limit + PREFIX).await {
                Ok(arrived) => arrived,
                Err(refusal) => return Ok(status(&refusal).into_http()),
            };
            // Whoever leaves while its request is read on another thread has its turn until then.
            let turn = Turn {
                _permit: Arc::new(turn),
            };
            head.extensions.insert(turn.clone());
            let request = Request::from_parts(head, Body::from(message));
            let taken = tokio::time::timeout(TAKEN_WITHIN, grpc.unary(method, request)).await;
            drop(turn);
            let Ok(response) = taken else {
                let reason = format!("it took more than {TAKEN_WITHIN:?}");
                let refusal = Refusal::Unavailable { reason };
                admission.refused(signal, &refusal);
                return Ok(status(&refusal).into_http());
            };
            let code = response.headers().get("grpc-status").map(code_of);
            match code.filter(|_| !called.load(Ordering::Relaxed)) {
                None | Some(Code::Ok | Code::Unimplemented) => Ok(response),
                Some(code) => {
                    let refusal = unread(signal, code, limit);
                    admission.refused(signal, &refusal);
                    Ok(status(&refusal).into_http())
                }
            }
        })
    }
}

impl<R: ExportResponse> tonic::server::UnaryService<Bytes> for Export<R> {
    type Response = R;
    type Future = BoxFuture<Result<tonic::Response<R>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        self.called.store(true, Ordering::Relaxed);
        let method = self.clone();
        Box::pin(async move {
            let (metadata, mut extensions, payload) = request.into_parts();
            let turn = extensions.remove::<Turn>();
            let tenant = super::tenant(&metadata.into_headers())
                .map_err(Refusal::from)
                .map_err(|refusal| {
                    method.admission.refused(method.signal, &refusal);
                    status(&refusal)
                })?;
            if let Some(translate) = method.translate {
                let taken = method.take_translated(turn, translate, tenant, payload);
                taken.await?;
                return Ok(tonic::Response::new(R::of(Taken::default())));
            }
            let admitted = method.admission.admit(tenant, method.signal, payload).await;
            let taken = admitted.map_err(|refusal| status(&refusal))?;
            Ok(tonic::Response::new(R::of(taken)))
        })
    }
}

impl<R> Export<R> {
    async fn take_translated(
        &self,
        turn: Option<Turn>,
        translate: Translate,
        tenant: Tenant,
        payload: Bytes,
    ) -> Result<(), Status> {
        let read = translated::read_apart(turn, payload, translate).await;
        let read = read.map_err(|refusal| {
            self.admission.refused(self.signal, &refusal);
            status(&refusal)
        });
        let (_turn, read) = read?;
        let faults = read.admit(&self.admission, tenant).await;
        match faults.map_err(|refusal| status(&refusal))? {
            None => Ok(()),
            Some(faults) => Err(Status::invalid_argument(faults)),
        }
    }
}

fn code_of(header: &http::HeaderValue) -> Code {
    Code::from_bytes(header.as_bytes())
}

/// Why a message did not reach the method: tonic says OUT_OF_RANGE or RESOURCE_EXHAUSTED of
/// one that is too large, before or after decompression. OTLP lets senders try again after
/// the first, which would be in vain.
fn unread(signal: Signal, code: Code, limit: usize) -> Refusal {
    match code {
        Code::OutOfRange | Code::ResourceExhausted => Refusal::TooLarge { limit },
        _ => Refusal::Malformed {
            signal,
            reason: "the message cannot be read or decompressed".into(),
        },
    }
}

/// The status that tells a sender whether a retry helps (OTLP, "Failures").
fn status(refusal: &Refusal) -> Status {
    let code = match refusal {
        Refusal::Malformed { .. } => Code::InvalidArgument,
        // Nothing is wrong with what was sent but whose it is said to be: an agent that is
        // configured wrongly must keep its lines, not leave them one by one as malformed.
        Refusal::Tenant(_) | Refusal::TooManyTenants { .. } => Code::PermissionDenied,
        Refusal::TooLarge { .. } | Refusal::Rate { .. } | Refusal::TooManyStreams { .. } => {
            Code::ResourceExhausted
        }
        Refusal::Unavailable { .. } => Code::Unavailable,
    };
    match refusal.retry_after() {
        None => Status::new(code, refusal.to_string()),
        Some(delay) => {
            let details = ErrorDetails::with_retry_info(Some(delay));
            Status::with_error_details(code, refusal.to_string(), details)
        }
    }
}

/// Hands over a request's bytes as they came and encodes the response.
struct RawCodec<R>(PhantomData<fn() -> R>);

impl<R: prost::Message + 'static> Codec for RawCodec<R> {
    type Encode = R;
    type Decode = Bytes;
    type Encoder = RawEncoder<R>;
    type Decoder = RawDecoder;

    fn encoder(&mut self) -> RawEncoder<R> {
        RawEncoder(PhantomData)
    }

    fn decoder(&mut self) -> RawDecoder {
        RawDecoder
    }
}

struct RawEncoder<R>(PhantomData<fn() -> R>);

impl<R: prost::Message> Encoder for RawEncoder<R> {
    type Item = R;
    type Error = Status;

    fn encode(&mut self, item: R, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = source.remaining();
        Ok(Some(source.copy_to_bytes(len)))
    }
}

#[cfg(test)]
mod tests;
