//! One service of the shop: an HTTP server that works a little, calls others, traces with
//! the OpenTelemetry SDK and logs as a container does.

use super::container_log::ContainerLog;
use crate::Failure;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{
    SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The header that carries a request's identifier through the shop.
pub(super) const REQUEST_ID: &str = "x-request-id";
const EXPORT_EVERY: Duration = Duration::from_millis(500);
const BROKEN_MS: Range<u64> = 300..1600;
const BROKEN_SHARE: f64 = 0.5;

/// Whether a service is to misbehave.
#[derive(Debug, Default)]
pub(super) struct Fault(AtomicBool);

impl Fault {
    /// From now on, it misbehaves.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn active(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Another service that is called for every request.
#[derive(Debug)]
pub(super) struct Call {
    peer: &'static str,
    url: String,
}

impl Call {
    pub(super) fn new(peer: &'static str, url: String) -> Self {
        Self { peer, url }
    }
}

/// What a service is and does.
pub(super) struct ServiceSpec {
    pub(super) name: &'static str,
    pub(super) route: &'static str,
    /// How long its own work takes.
    pub(super) work_ms: Range<u64>,
    pub(super) calls: Vec<Call>,
    pub(super) fault: Option<Arc<Fault>>,
}

/// A running service.
pub(super) struct Service {
    url: String,
    tracing: SdkTracerProvider,
    serving: JoinHandle<()>,
}

/// What the service's requests share.
struct Shared {
    spec: ServiceSpec,
    tracer: SdkTracer,
    http: reqwest::Client,
    log: ContainerLog,
    random: Mutex<StdRng>,
}

impl Service {
    /// Starts a service on a free port of this machine.
    pub(super) async fn start(
        spec: ServiceSpec,
        log_dir: &Path,
        otlp: &str,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}{}", listener.local_addr()?, spec.route);
        let tracing = tracer_provider(spec.name, otlp)?;
        let shared = Arc::new(Shared {
            tracer: tracing.tracer("shop"),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()?,
            log: ContainerLog::create(log_dir, spec.name)?,
            random: Mutex::new(StdRng::seed_from_u64(spec.name.len() as u64)),
            spec,
        });
        let router = Router::new()
            .route(shared.spec.route, any(serve))
            .with_state(shared);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("a service of the shop ended: {error}");
            }
        });
        Ok(Self {
            url,
            tracing,
            serving,
        })
    }

    /// Where it is called.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops it; what it has traced is exported first.
    pub(super) async fn stop(self) {
        self.serving.abort();
        let exported = tokio::task::spawn_blocking(move || self.tracing.shutdown()).await;
        if let Ok(Err(error)) = exported {
            tracing::warn!("a service could not export its last spans: {error}");
        }
    }
}

fn tracer_provider(service: &'static str, otlp: &str) -> Result<SdkTracerProvider, Failure> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(otlp)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_scheduled_delay(EXPORT_EVERY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.namespace", "shop"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource)
        .build())
}

async fn serve(State(service): State<Arc<Shared>>, request: Request) -> (StatusCode, String) {
    let parent = TraceContextPropagator::new().extract(&Extracted(request.headers()));
    let request_id = header(request.headers(), REQUEST_ID);
    let method = request.method().to_string();
    let route = service.spec.route;
    let span = service
        .tracer
        .span_builder(format!("{method} {route}"))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("url.path", route),
            KeyValue::new("http.request.header.x-request-id", list(&request_id)),
        ])
        .start_with_context(&service.tracer, &parent);
    let context = parent.with_span(span);
    let result = service.work(&context, &request_id).await;
    let status = if result.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let span = context.span();
    span.set_attribute(KeyValue::new(
        "http.response.status_code",
        i64::from(status.as_u16()),
    ));
    match &result {
        Ok(()) => service.log(&context, "info", &request_id, &format!("{route} done")),
        Err(error) => {
            span.set_status(Status::error(error.clone()));
            service.log(
                &context,
                "error",
                &request_id,
                &format!("{route} failed: {error}"),
            );
        }
    }
    span.end();
    (status, result.err().unwrap_or_else(|| "ok".into()))
}

impl Shared {
    async fn work(&self, context: &Context, request_id: &str) -> Result<(), String> {
        let broken = self.spec.fault.as_ref().is_some_and(|fault| fault.active());
        let (millis, fails) = {
            let mut random = self.random.lock();
            let range = if broken {
                BROKEN_MS
            } else {
                self.spec.work_ms.clone()
            };
            (
                random.random_range(range),
                broken && random.random_bool(BROKEN_SHARE),
            )
        };
        if broken {
            self.log(
                context,
                "warn",
                request_id,
                &format!("card processor is slow: {millis} ms so far"),
            );
        }
        tokio::time::sleep(Duration::from_millis(millis)).await;
        if fails {
            return Err(format!("card processor timed out after {millis} ms"));
        }
        for call in &self.spec.calls {
            self.call(context, call, request_id).await?;
        }
        Ok(())
    }

    async fn call(&self, context: &Context, call: &Call, request_id: &str) -> Result<(), String> {
        let span = self
            .tracer
            .span_builder(format!("POST {}", call.peer))
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("url.full", call.url.clone()),
                KeyValue::new("service.peer.name", call.peer),
            ])
            .start_with_context(&self.tracer, context);
        let context = context.with_span(span);
        let mut headers = HeaderMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut Injected(&mut headers));
        let sent = self
            .http
            .post(&call.url)
            .headers(headers)
            .header(REQUEST_ID, request_id)
            .send()
            .await;
        let result = match sent {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("{} answered {}", call.peer, response.status())),
            Err(error) => Err(format!("{} cannot be reached: {error}", call.peer)),
        };
        if let Err(error) = &result {
            context.span().set_status(Status::error(error.clone()));
        }
        context.span().end();
        result
    }

    fn log(&self, context: &Context, level: &str, request_id: &str, message: &str) {
        let span = context.span();
        let ids = span.span_context();
        let line = json!({
            "level": level,
            "msg": message,
            "request_id": request_id,
            "trace_id": ids.trace_id().to_string(),
            "span_id": ids.span_id().to_string(),
        });
        if let Err(error) = self.log.line(&line.to_string()) {
            tracing::error!("{} cannot log: {error}", self.spec.name);
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
        .into()
}

fn list(value: &str) -> Value {
    Value::Array(Array::String(vec![StringValue::from(value.to_owned())]))
}

/// Reads the trace context of an incoming request.
struct Extracted<'a>(&'a HeaderMap);

impl Extractor for Extracted<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

/// Writes the trace context of an outgoing request.
struct Injected<'a>(&'a mut HeaderMap);

impl Injector for Injected<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<axum::http::HeaderName>(), value.parse()) {
            self.0.insert(name, value);
        }
    }
}
