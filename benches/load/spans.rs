//! How fast spans are acknowledged and searchable with RED and the service graph counted, and
//! what that costs; beside a plain file that is synced for each request. Then how soon a trace
//! and a request are found.

use crate::Failure;
use crate::corpus::Encoded;
use crate::figures::{Figures, megabytes};
use crate::limit;
use crate::process::{PATIENCE, QUIET, QUIET_WITHIN, Sonde, disk_bytes};
use crate::send::{self, Ledger, Load};
use crate::shop::{SPANS_PER_REQUEST, SPANS_PER_TRACE, Shop, request_id, trace_id};
use crate::signals;
use crate::times::Times;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sonde_proto::otlp::trace::{ResourceSpans, TracesData};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is asked how far it has come; more often would use processor time of its.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many traces are read back, and how often each kind of question is asked.
const LOOKUPS: u64 = 1000;

/// Requests that were made before the clock runs.
struct Ready(Vec<Encoded>);

impl Load for Ready {
    const METHOD: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    fn encoded(&self, request: u64) -> Encoded {
        self.0[request as usize].clone()
    }
}

/// How far it has come with spans.
struct Status {
    journal_end: u64,
    applied: u64,
    spans: u64,
    tail_bytes: u64,
    segments: u64,
    stored_bytes: u64,
}

pub(crate) async fn run(spans: u64) -> Result<(), Failure> {
    let shop = Shop::of_an_hour(spans);
    let ready = (0..shop.requests()).map(|n| shop.encoded(n)).collect();
    let ready = Arc::new(Ready(ready));
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let sonde = Sonde::start(&data).await?;
    let idle = sonde.used()?;
    let ledger = Arc::new(Ledger::default());

    let begun = Instant::now();
    let all = 0..shop.requests();
    send::send(sonde.grpc(), all, Arc::clone(&ready), &ledger).await?;
    let acknowledged = begun.elapsed();
    let used_acknowledged = sonde.used()?;
    let goal = status(&sonde).await?.journal_end;
    until(&sonde, LOOK_EVERY, |status| status.applied >= goal).await?;
    let searchable = begun.elapsed();
    let used_searchable = sonde.used()?;
    until(&sonde, QUIET / 20, |status| status.tail_bytes == 0).await?;
    let used_sealed = sonde.used()?;
    let at_rest = merged(&sonde).await?;
    let used_merged = sonde.used()?;
    let disk = disk_bytes(&data);
    let counted = signals::counted(&sonde, &shop.signals()).await;
    if at_rest.spans != shop.spans() {
        return Err(format!("{} spans are stored of {}", at_rest.spans, shop.spans()).into());
    }
    let by_id = traces(&sonde, &shop).await?;
    let by_request = requests(&sonde, &shop).await?;
    sonde.complain();
    drop(sonde);
    let plain = limit::append(dir.path(), &ready.0, 1)?;
    let grouped = limit::append(dir.path(), &ready.0, send::IN_FLIGHT)?;

    let sent = shop.spans() as f64;
    let bytes = ledger.wire_bytes() as f64;
    let rate = |time: Duration| sent / time.as_secs_f64() / 1e3;
    let cpu = |until: f64| sent / (until - idle.cpu_seconds) / 1e3;
    let mut figures = Figures::new();
    figures.add("spans, millions", sent / 1e6);
    figures.add("spans a request", SPANS_PER_REQUEST as f64);
    figures.add("bytes a span, as OTLP", bytes / sent);
    figures.add("to acknowledged, thousands/s", rate(acknowledged));
    figures.add("to searchable and counted, thousands/s", rate(searchable));
    let name = "per core (processor time), until acknowledged, thousands/s";
    figures.add(name, cpu(used_acknowledged.cpu_seconds));
    figures.add("  until searchable", cpu(used_searchable.cpu_seconds));
    let name = "  until sealed, what was merged meanwhile included";
    figures.add(name, cpu(used_sealed.cpu_seconds));
    let name = "  until merged, counters written";
    figures.add_beside(name, cpu(used_merged.cpu_seconds), "≥ 150");
    let lag = searchable.saturating_sub(acknowledged);
    figures.add("last acknowledgement to searchable, s", lag.as_secs_f64());
    figures.add("requests sent again", ledger.retries() as f64);
    figures.add("memory before, MB", megabytes(idle.rss_bytes));
    let name = "most memory, MB, mapped files included";
    figures.add(name, megabytes(used_merged.rss_peak_bytes));
    let name = "memory at the end, MB, without mapped files";
    figures.add(name, megabytes(used_merged.anonymous_bytes));
    let stored = at_rest.stored_bytes as f64;
    figures.add_beside("bytes a span, trace store, merged", stored / sent, "");
    figures.add("  of OTLP", stored / bytes);
    figures.add("bytes a span on disk, all included", disk as f64 / sent);
    figures.add("segments, merged", at_rest.segments as f64);
    let name = "limit: append, fdatasync for each request, thousands/s";
    figures.add(name, rate(plain));
    let name = "limit: append, fdatasync for each 16 requests, thousands/s";
    figures.add(name, rate(grouped));
    for (name, times, budget) in [
        ("trace by ID over HTTP, ms", &by_id, "≤ 5"),
        (
            "everything of a request ID over HTTP, ms",
            &by_request,
            "≤ 20",
        ),
    ] {
        figures.add(format!("{name}, p50"), times.quantile_ms(0.5));
        figures.add_beside(format!("{name}, p99"), times.quantile_ms(0.99), budget);
    }
    figures.print("spans: OTLP over gRPC, stored, RED and service graph");
    println!(
        "counters as sent {:.1} s after the last merge",
        counted?.as_secs_f64()
    );
    Ok(())
}

async fn status(sonde: &Sonde) -> Result<Status, Failure> {
    let said = sonde.said().await?;
    let number = |place: &str| {
        let found = said.pointer(place).and_then(Value::as_u64);
        found.ok_or_else(|| format!("its status has no number at {place}"))
    };
    Ok(Status {
        journal_end: number("/journal/spans/end")?,
        applied: number("/journal/spans/applied")?,
        spans: number("/stores/traces/records")?,
        tail_bytes: number("/stores/traces/tail_bytes")?,
        segments: number("/stores/traces/segments")?,
        stored_bytes: number("/stores/traces/bytes")?,
    })
}

async fn until(
    sonde: &Sonde,
    look_every: Duration,
    satisfied: impl Fn(&Status) -> bool,
) -> Result<(), Failure> {
    let begun = Instant::now();
    while !satisfied(&status(sonde).await?) {
        if begun.elapsed() > PATIENCE {
            return Err("the spans it took did not come on any further".into());
        }
        tokio::time::sleep(look_every).await;
    }
    Ok(())
}

/// Waits until it merges no more.
async fn merged(sonde: &Sonde) -> Result<Status, Failure> {
    let begun = Instant::now();
    let (mut last, mut since) = (status(sonde).await?, Instant::now());
    while since.elapsed() < QUIET && begun.elapsed() < QUIET_WITHIN {
        tokio::time::sleep(QUIET / 20).await;
        let now = status(sonde).await?;
        if (now.segments, now.stored_bytes) != (last.segments, last.stored_bytes) {
            since = Instant::now();
        }
        last = now;
    }
    Ok(last)
}

/// Reads traces by their IDs and compares them with what was sent.
async fn traces(sonde: &Sonde, shop: &Shop) -> Result<Times, Failure> {
    let (http, mut times) = (sonde.http(), Times::default());
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..LOOKUPS {
        let trace = rng.random_range(0..shop.traces());
        let id = u128::from_be_bytes(trace_id(trace));
        let request = http.get(sonde.url(&format!("/tempo/api/traces/{id:032x}")));
        let begun = Instant::now();
        let response = request
            .header("accept", "application/protobuf")
            .send()
            .await?;
        let body = response.error_for_status()?.bytes().await?;
        times.push(begun.elapsed());
        let found = TracesData::decode(body)?.resource_spans;
        if by_service(found) != by_service(shop.trace(trace)) {
            return Err(format!("trace {id:032x} is another than was sent").into());
        }
    }
    Ok(times)
}

/// A trace in the order of its services.
fn by_service(mut trace: Vec<ResourceSpans>) -> Vec<ResourceSpans> {
    let spans = |one: &mut ResourceSpans| {
        for scope in &mut one.scope_spans {
            scope.spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
        }
    };
    trace.iter_mut().for_each(spans);
    let first = |one: &ResourceSpans| Some(one.scope_spans.first()?.spans.first()?.span_id.clone());
    trace.sort_by_key(first);
    trace
}

/// Asks for all that belongs to a request's own ID.
async fn requests(sonde: &Sonde, shop: &Shop) -> Result<Times, Failure> {
    let (http, mut times) = (sonde.http(), Times::default());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..LOOKUPS {
        let trace = rng.random_range(0..shop.traces());
        let request = request_id(trace);
        let asked = http.get(sonde.url(&format!("/sonde/v1/lookup/{request}")));
        let begun = Instant::now();
        let body = asked.send().await?.error_for_status()?.bytes().await?;
        times.push(begun.elapsed());
        let found: Value = serde_json::from_slice(&body)?;
        let traces = found["traces"].as_array().map_or(&[][..], Vec::as_slice);
        let id = format!("{:032x}", u128::from_be_bytes(trace_id(trace)));
        let is_it = |found: &Value| {
            let spans = found["spans"].as_array().map_or(0, Vec::len) as u64;
            found["trace_id"] == *id && spans == SPANS_PER_TRACE
        };
        if traces.len() != 1 || !is_it(&traces[0]) {
            return Err(format!("{request} is of trace {id}, and not what was found").into());
        }
    }
    Ok(times)
}
