//! The shipping of the shop: HTTP in, with spans and log records made by hand on the SDK.
//!
//! `OTEL_*` as the specification says. Prints `listening HOST:PORT`, serves until its standard
//! input ends, then prints one JSON line of what it sent: spans and log records, and how many of
//! each were acknowledged.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::routing::post;
use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry_otlp::{LogExporter, RetryPolicy, SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogBatch, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// How many were handed to an exporter, and how many of them were acknowledged.
#[derive(Debug, Default)]
struct Sent {
    all: AtomicUsize,
    acknowledged: AtomicUsize,
}

impl Sent {
    fn count(&self, size: usize, result: &OTelSdkResult) {
        self.all.fetch_add(size, Relaxed);
        if result.is_ok() {
            self.acknowledged.fetch_add(size, Relaxed);
        }
    }
}

/// The SDK's own exporter, with what it sends counted.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    sent: Arc<Sent>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let size = batch.len();
        let result = self.inner.export(batch).await;
        self.sent.count(size, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl opentelemetry_sdk::logs::LogExporter for Counted<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let size = batch.iter().count();
        let result = self.inner.export(batch).await;
        self.sent.count(size, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// What its requests share.
#[derive(Clone)]
struct Shipping {
    tracer: SdkTracer,
    logger: SdkLogger,
}

impl Shipping {
    /// Some parcels cannot be sent: there is no courier.
    fn send(&self, number: u32, request_id: &str) -> Result<String, &'static str> {
        let failed = number % 10 == 7;
        let mut line = self.logger.create_log_record();
        let (severity, what) = match failed {
            true => (Severity::Error, "has no courier"),
            false => (Severity::Info, "is on its way"),
        };
        line.set_severity_number(severity);
        line.set_severity_text(severity.name());
        let body = format!("parcel {number} {what} request_id={request_id}");
        line.set_body(AnyValue::String(body.into()));
        self.logger.emit(line);
        match failed {
            true => Err("there is no courier"),
            false => Ok(format!("parcel-{number}")),
        }
    }
}

async fn parcels(
    State(shipping): State<Shipping>,
    headers: HeaderMap,
    number: String,
) -> (StatusCode, String) {
    let request_id = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let parent = TraceContextPropagator::new().extract(&Extracted(&headers));
    let span = shipping
        .tracer
        .span_builder("POST /parcels")
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", "/parcels"),
            KeyValue::new("request.id", request_id.to_owned()),
        ])
        .start_with_context(&shipping.tracer, &parent);
    let context = parent.with_span(span);
    // The log record takes the trace of the context that it is made in.
    let result = {
        let _current = context.clone().attach();
        shipping.send(number.parse().unwrap_or_default(), request_id)
    };
    let status = match &result {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let span = context.span();
    let code = i64::from(status.as_u16());
    span.set_attribute(KeyValue::new("http.response.status_code", code));
    if let Err(error) = result {
        span.set_status(Status::error(error));
    }
    span.end();
    (status, result.unwrap_or_else(str::to_owned))
}

/// Reads the trace context of a request.
struct Extracted<'a>(&'a HeaderMap);

impl Extractor for Extracted<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (spans, lines) = (Arc::new(Sent::default()), Arc::new(Sent::default()));
    let exporter = Counted {
        inner: SpanExporter::builder()
            .with_tonic()
            .with_retry_policy(RetryPolicy::default())
            .build()?,
        sent: spans.clone(),
    };
    let traces = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .build();
    let exporter = Counted {
        inner: LogExporter::builder()
            .with_tonic()
            .with_retry_policy(RetryPolicy::default())
            .build()?,
        sent: lines.clone(),
    };
    let logs = SdkLoggerProvider::builder()
        .with_log_processor(BatchLogProcessor::builder(exporter).build())
        .build();
    let shipping = Shipping {
        tracer: traces.tracer("shipping"),
        logger: logs.logger("shipping"),
    };
    let router = Router::new()
        .route("/parcels", post(parcels))
        .with_state(shipping);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    serving.abort();
    let ended = tokio::task::spawn_blocking(move || (traces.shutdown(), logs.shutdown())).await?;
    for error in [ended.0.err(), ended.1.err()].into_iter().flatten() {
        eprintln!("shipping: {error}");
    }
    println!(
        r#"{{"spans": {}, "spans_acknowledged": {}, "logs": {}, "logs_acknowledged": {}}}"#,
        spans.all.load(Relaxed),
        spans.acknowledged.load(Relaxed),
        lines.all.load(Relaxed),
        lines.acknowledged.load(Relaxed)
    );
    Ok(())
}
