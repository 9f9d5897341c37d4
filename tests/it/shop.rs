//! RED equals what was sent: a shop of five programs in five languages, each on the SDK of its
//! language and what OpenTelemetry has to instrument its HTTP and gRPC, is put under load, and
//! every count, trace and edge of the graph is compared with what the load was.

mod asked;
mod load;
mod plan;
mod programs;

use crate::harness::{PATIENCE, Sonde, free_address, list};
use asked::counts;
use load::{Load, Request};
use plan::{Operation, Span, shapes};
use programs::Shop;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ORDERS: u32 = 400;
/// Of which a slow bank takes more.
const SLOW_NANOS: u64 = 390_000_000;
/// What is searched for as long.
const LONG_NANOS: u64 = 300_000_000;
/// In the test that kills: how many spans are stored before each kill.
const KILLS: [u64; 3] = [200, 1_500, 3_000];
const ORDERS_MAX: u32 = 20_000;

const CALLS_BY: [&str; 4] = ["service", "span_name", "span_kind", "status_code"];
const REQUESTS_BY: [&str; 3] = ["client", "server", "connection_type"];
/// Nobody told how long a user waited.
const NOT_OF_USERS: &str = r#"{client!="user"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn red_graph_and_traces_of_five_languages_equal_what_the_load_was() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
    let sonde = Sonde::up(dir.path(), &settings).await;
    let doors = [sonde.address("otlp.grpc"), sonde.address("otlp.http")];
    let Some(shop) = Shop::open(dir.path(), doors).await else {
        return;
    };
    let mut load = Load::default();
    load.run(&shop, 0..ORDERS).await;
    load.is_what_was_planned();
    counted(&sonde, &load.planned()).await;
    let stored = traces_are_whole(&sonde, &load).await;
    timed(&sonde, &stored).await;
    searches_find_what_failed(&sonde, &load, &stored).await;
    requests_are_looked_up(&sonde, &load).await;
    pages_show_the_same(&sonde, &load.planned()).await;
    spans_are_counted_the_same(&sonde, &load.planned()).await;

    load.run(&shop, ORDERS..ORDERS + 10).await;
    counted(&sonde, &load.planned()).await;
    // Each side has found its other: none waits any more, and none waited in vain.
    asked::own_gauge_is(&sonde, "sonde_signals_edges_waiting", 0.0).await;
    for lost in ["expired", "dropped"] {
        let lost = format!("sonde_signals_edges_{lost}_total");
        assert_eq!(asked::own_counter(&sonde, &lost).await, 0.0, "{lost}");
    }

    let planned = load.planned();
    let planned = by_service(&planned);
    for (service, report) in &shop.close().await {
        assert_eq!(report["spans"], planned[service], "{service}: {report}");
        assert_eq!(report["spans_acknowledged"], report["spans"], "{service}");
        assert_eq!(report["logs_acknowledged"], report["logs"], "{service}");
    }
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn red_equals_the_spans_that_are_kept_though_the_collector_is_killed_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let doors = [free_address(), free_address()];
    let [grpc, http] = doors.map(|door| door.to_string());
    let settings = [
        ("otlp.grpc.listen", grpc.as_str()),
        ("otlp.http.listen", &http),
        // Small enough that it is killed between seals too.
        ("traces.seal_bytes", "200000"),
    ];
    let names = ["http", "otlp.grpc", "otlp.http"];
    let collector = || Sonde::start("collector", dir.path(), &settings, &names);
    let mut sonde = collector().await;
    let Some(shop) = Shop::open(dir.path(), doors).await else {
        return;
    };
    let mut load = Load::default();
    let done = AtomicBool::new(false);
    let killing = async {
        for spans in KILLS {
            let stored = |status: &Value| {
                let records = status["stores"]["traces"]["records"].as_u64();
                records.is_some_and(|records| records >= spans)
            };
            sonde.until("/sonde/v1/status", &[], stored).await;
            sonde.kill().await;
            sonde = collector().await;
        }
        done.store(true, Ordering::Relaxed);
        sonde
    };
    let loading = async {
        for first in (0..ORDERS_MAX).step_by(50) {
            load.run(&shop, first..first + 50).await;
            if done.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let (sonde, ()) = tokio::join!(killing, loading);
    load.is_what_was_planned();
    let reports = shop.close().await;
    let acknowledged = |service: &str| reports[service]["spans_acknowledged"].as_u64();
    let kept = kept(&sonde, &load, |kept| {
        let enough = |(service, kept): (&&str, &u64)| Some(*kept) >= acknowledged(service);
        kept.iter().all(enough)
    });
    let kept = kept.await;
    counted(&sonde, &kept).await;
    timed(&sonde, &kept).await;
    let planned = load.planned();
    let (kept, planned) = (by_service(&kept), by_service(&planned));
    for (service, report) in &reports {
        let (kept, planned) = (kept[service], planned[service]);
        println!("{service}: {report}, {kept} spans kept of {planned}");
        assert!(kept <= planned, "{service}: {report}, {kept} kept");
        // Programs try again, if not for ever.
        assert!(acknowledged(service) >= Some(planned / 2), "{report}");
    }
    assert!(sonde.stop().await.success());
}

/// RED and the graph count these traces: nothing less, nothing more, no edge but theirs.
async fn counted(sonde: &Sonde, traces: &[Vec<Span>]) {
    let calls = counts(&asked::calls(traces));
    for metric in ["calls_total", "latency_count"] {
        let metric = format!("traces_spanmetrics_{metric}");
        asked::has(sonde, &metric, &CALLS_BY, &calls).await;
    }
    let requests = asked::requests(traces);
    let (server, client) = (counts(&requests.server), counts(&requests.client));
    let graph = |metric| format!("traces_service_graph_request_{metric}");
    asked::has(sonde, &graph("total"), &REQUESTS_BY, &server).await;
    asked::has(
        sonde,
        &graph("failed_total"),
        &REQUESTS_BY,
        &requests.failed,
    )
    .await;
    let metric = graph("server_seconds_count");
    asked::has(sonde, &metric, &REQUESTS_BY, &server).await;
    let metric = graph("client_seconds_count") + NOT_OF_USERS;
    asked::has(sonde, &metric, &REQUESTS_BY, &client).await;
    let mut calls: BTreeMap<[String; 2], f64> = BTreeMap::new();
    for (labels, count) in server {
        *calls
            .entry([labels[0].clone(), labels[1].clone()])
            .or_default() += count;
    }
    assert_eq!(dependencies(sonde).await, calls);
}

/// How often services called one another, as Jaeger's pages ask for it.
async fn dependencies(sonde: &Sonde) -> BTreeMap<[String; 2], f64> {
    let answer = sonde.get("/jaeger/api/dependencies", &[]).await;
    let call = |one: &Value| {
        let name = |side: &str| one[side].as_str().unwrap().to_owned();
        let count = one["callCount"].as_f64().unwrap();
        ([name("parent"), name("child")], count)
    };
    list(&answer, "data").iter().map(call).collect()
}

/// Every bucket and every sum is that of the spans which are stored.
async fn timed(sonde: &Sonde, traces: &[Vec<Span>]) {
    let (calls, requests) = (asked::calls(traces), asked::requests(traces));
    let red = ("traces_spanmetrics_latency", "");
    asked::has_times(sonde, red, &CALLS_BY, &calls).await;
    let server = ("traces_service_graph_request_server_seconds", "");
    asked::has_times(sonde, server, &REQUESTS_BY, &requests.server).await;
    let client = ("traces_service_graph_request_client_seconds", NOT_OF_USERS);
    asked::has_times(sonde, client, &REQUESTS_BY, &requests.client).await;
}

/// How many spans each service has.
fn by_service(traces: &[Vec<Span>]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for span in traces.iter().flatten() {
        *counts.entry(&*span.service).or_default() += 1;
    }
    counts
}

/// Every trace has the spans that its order leads to, each below its parent, and no other.
async fn traces_are_whole(sonde: &Sonde, load: &Load) -> Vec<Vec<Span>> {
    let mut stored = Vec::new();
    for (request, planned) in load.requests().iter().zip(load.planned()) {
        let path = format!("/sonde/v1/trace/{}", request.trace_id);
        let whole = |trace: &Value| list(trace, "spans").len() >= planned.len();
        let trace = sonde.until(&path, &[], whole).await;
        let found = asked::spans(&trace);
        assert_eq!(shapes(&found), shapes(&planned), "{request:?}\n{trace:#}");
        assert_eq!(found.len(), planned.len(), "{trace:#}");
        stored.push(found);
    }
    let all = [("query", "{}"), ("limit", "10000")];
    let answer = sonde.get("/sonde/v1/traces", &all).await;
    assert_eq!(list(&answer, "traces").len(), load.requests().len());
    stored
}

/// Every span that is there of the load, trace by trace, once those are enough and RED counts
/// them and no others.
async fn kept(
    sonde: &Sonde,
    load: &Load,
    enough: impl Fn(&BTreeMap<&str, u64>) -> bool,
) -> Vec<Vec<Span>> {
    let begun = Instant::now();
    loop {
        let mut kept = Vec::new();
        for request in load.requests() {
            let path = format!("/sonde/v1/trace/{}", request.trace_id);
            kept.push(asked::spans(&sonde.get(&path, &[]).await));
        }
        let metric = "traces_spanmetrics_calls_total";
        let told = asked::read(sonde, metric, &CALLS_BY).await;
        if enough(&by_service(&kept)) && told == counts(&asked::calls(&kept)) {
            return kept;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "RED is\n{told:#?}\nand kept are\n{:#?}\n{}",
            counts(&asked::calls(&kept)),
            sonde.log()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// TraceQL over services and their order finds the traces that went wrong, each for its reason.
async fn searches_find_what_failed(sonde: &Sonde, load: &Load, stored: &[Vec<Span>]) {
    use Operation::{Browse, Look, Place};
    let place = |digits: &'static [u32]| {
        move |r: &Request| r.operation == Place && digits.contains(&(r.number % 10))
    };
    let broken = |operations: &'static [Operation]| {
        move |r: &Request| r.number % 10 == 6 && operations.contains(&r.operation)
    };
    // Those of a slow bank, and what else took so long.
    let charge_is_long = |span: &Span| span.name == "charge card" && span.nanos > LONG_NANOS;
    let charged_long: BTreeSet<&str> = load
        .requests()
        .iter()
        .zip(stored)
        .filter(|(_, spans)| spans.iter().any(charge_is_long))
        .map(|(request, _)| &*request.trace_id)
        .collect();
    let slow_bank = |r: &&Request| place(&[9])(r);
    let mut slow = load.requests().iter().filter(slow_bank);
    assert!(slow.all(|r| charged_long.contains(&*r.trace_id)));
    type Wanted<'a> = &'a dyn Fn(&Request) -> bool;
    let searches: [(&str, Wanted<'_>); 6] = [
        (
            r#"{ resource.service.name = "frontend" && kind = server && status = error }"#,
            &|r| place(&[7])(r) || broken(&[Place, Browse])(r),
        ),
        (
            r#"{ resource.service.name = "frontend" } >> { resource.service.name = "shipping" && status = error }"#,
            &place(&[7]),
        ),
        (
            r#"{ resource.service.name = "checkout" && kind = client && status = error } > { resource.service.name = "cart" && status != error }"#,
            &place(&[3]),
        ),
        (
            r#"{ resource.service.name = "payment" && event:name = "exception" }"#,
            &place(&[5]),
        ),
        (r#"{ name = "charge card" && duration > 300ms }"#, &|r| {
            charged_long.contains(&*r.trace_id)
        }),
        (
            r#"{ resource.service.name = "cart" && status = error }"#,
            &broken(&[Place, Browse, Look]),
        ),
    ];
    for (query, wanted) in searches {
        let parameters = [("q", query), ("limit", "1000")];
        let answer = sonde.get("/tempo/api/search", &parameters).await;
        let text = |trace: &Value, key: &str| trace[key].as_str().unwrap_or("").to_owned();
        let of = |trace: &Value| {
            let root = ["traceID", "rootServiceName", "rootTraceName"];
            root.map(|key| text(trace, key))
        };
        let found: BTreeSet<_> = list(&answer, "traces").iter().map(of).collect();
        let requests = load.requests().iter().zip(load.planned());
        let expected: BTreeSet<_> = requests
            .filter(|(request, _)| wanted(request))
            .map(|(request, spans)| {
                let root = &spans[0];
                let id = request.trace_id.clone();
                [id, root.service.clone(), root.name.clone()]
            })
            .collect();
        assert!(!expected.is_empty(), "{query} finds nothing by plan");
        assert_eq!(found, expected, "{query}");
    }
}

/// A request's own ID leads to its whole trace and to the log lines of every service that logs.
async fn requests_are_looked_up(sonde: &Sonde, load: &Load) {
    for (request, planned) in load.requests().iter().zip(load.planned()).take(40) {
        let services: BTreeSet<_> = planned.iter().map(|span| &*span.service).collect();
        let logging = ["frontend", "cart", "shipping"];
        let lines = logging.iter().filter(|name| services.contains(**name));
        let lines = lines.count();
        let path = format!("/sonde/v1/lookup/{}", request.request_id);
        let whole = |found: &Value| list(found, "logs").len() >= lines;
        let found = sonde.until(&path, &[], whole).await;
        assert_eq!(found["kind"], "request", "{found:#}");
        assert_eq!(list(&found, "traces").len(), 1, "{found:#}");
        let trace = &found["traces"][0];
        assert_eq!(trace["trace_id"], request.trace_id);
        assert_eq!(shapes(&asked::spans(trace)), shapes(&planned), "{found:#}");
        assert_eq!(list(&found, "logs").len(), lines, "{found:#}");
        let of_trace = |line: &Value| line["trace_id"] == request.trace_id;
        assert!(list(&found, "logs").iter().all(of_trace), "{found:#}");
        if request.operation == Operation::Place && request.number % 10 == 9 {
            let operations = list(&found["critical_paths"][0], "operations");
            let slow = operations.iter().find(|one| one["name"] == "charge card");
            let nanos = slow.and_then(|one| one["nanos"].as_u64());
            assert!(nanos >= Some(SLOW_NANOS), "{operations:#?}");
        }
    }
}

/// What the pages are made of has the same operations, calls and edges. It is made of rates,
/// which need a second sample.
async fn pages_show_the_same(sonde: &Sonde, planned: &[Vec<Span>]) {
    let texts = |answer: &Value, one: &str, keys: &[&str]| -> BTreeSet<Vec<String>> {
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or("").to_owned();
        let texts = |one: &Value| keys.iter().map(|key| text(one, key)).collect();
        list(answer, one).iter().map(texts).collect()
    };
    let calls = counts(&asked::calls(planned));
    let shown = |golden: &Value| -> BTreeMap<String, f64> {
        let count = |one: &Value| Some((one["name"].as_str()?.into(), one["calls"].as_f64()?));
        list(golden, "services").iter().filter_map(count).collect()
    };
    let golden = "/sonde/v1/signals/golden";
    let all = by_first(&calls);
    sonde
        .until(golden, &[], |golden| shown(golden) == all)
        .await;
    for service in all.keys() {
        let of_service = calls.keys().filter(|labels| labels[0] == *service);
        let names: BTreeSet<_> = of_service.map(|labels| labels[1..2].to_vec()).collect();
        let same = |red: &Value| {
            texts(red, "operations", &["name"]) == names && !list(red, "exemplars").is_empty()
        };
        let path = "/sonde/v1/signals/red";
        sonde.until(path, &[("service", service)], same).await;
    }
    let edges: BTreeSet<_> = asked::requests(planned).server.into_keys().collect();
    let same = |graph: &Value| texts(graph, "edges", &REQUESTS_BY) == edges;
    sonde.until("/sonde/v1/signals/graph", &[], same).await;
}

/// Sums by the first label.
fn by_first(series: &asked::Series) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (labels, value) in series {
        *sums.entry(labels[0].clone()).or_default() += value;
    }
    sums
}

/// TraceQL's numbers, which are of the stored spans, are the same.
async fn spans_are_counted_the_same(sonde: &Sonde, planned: &[Vec<Span>]) {
    let now = jiff::Timestamp::now().as_second();
    let (start, end) = ((now - 3_600).to_string(), (now + 60).to_string());
    let query = "{ kind = server } | count_over_time() by (resource.service.name)";
    let parameters = [("q", query), ("start", &start), ("end", &end)];
    let answer = sonde.get("/tempo/api/metrics/query", &parameters).await;
    let count = |one: &Value| {
        let service = &one["labels"][0]["value"]["stringValue"];
        Some((service.as_str()?.to_owned(), one["value"].as_f64()?))
    };
    let told: BTreeMap<_, _> = list(&answer, "series").iter().filter_map(count).collect();
    let calls = by_first(&counts(&asked::calls(planned)));
    assert_eq!(told, calls, "{answer:#}");
}
