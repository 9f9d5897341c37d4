//! USE of containers and pods, from what a real cAdvisor told, and the lookup of a pod.
//!
//! `cadvisor/scrapes.txt` holds thirteen answers of cAdvisor 0.53, ten seconds apart, of cgroups
//! as a kubelet makes and labels them, as far as USE asks for them:
//!
//! ```text
//! shop/cart-7f9d   app      0.2 processors, 64 MiB: counts without end, in 48 MB
//!                  proxy    no limits, asleep
//! shop/pay-55c1    app      0.5 processors, 32 MiB: asks for 100 MB again and again, and is killed
//! edge/gateway-0            the network of the machine
//! ```
//!
//! What they did goes on for minutes after, as it was, and is written ahead: however late the
//! rules are evaluated, there is something to evaluate.

use crate::harness::{Sonde, client, list, sonde};
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::remote_write::{Series, Version, body};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

const SCRAPES: &str = include_str!("cadvisor/scrapes.txt");
const QUIET: [(&str, &str); 2] = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
/// The window of the rules, in seconds.
const WINDOW: f64 = 120.0;
/// How often what was told comes again: for less than the ten minutes that samples may be ahead.
const AGAIN: u32 = 4;

type LabelPairs = BTreeMap<String, String>;
/// Each series with its samples: seconds since 1970, value.
type Told = BTreeMap<LabelPairs, Vec<(f64, f64)>>;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// What was told, moved so that the last answer came at a time, and on from there.
fn told(last_ms: i64) -> Told {
    let scraped = |line: &str| line.strip_prefix("# scraped ")?.parse::<i64>().ok();
    let scrapes: Vec<i64> = SCRAPES.lines().filter_map(scraped).collect();
    let (first, last) = (scrapes[0], scrapes[scrapes.len() - 1]);
    let moved_by = last_ms - last;
    let apart = (last - first) / (scrapes.len() as i64 - 1);
    let period = (last + apart - first) as f64 / 1e3;
    let (mut told, mut at) = (Told::new(), 0);
    for line in SCRAPES.lines() {
        if let Some(time) = scraped(line) {
            at = time;
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, rest) = rest.split_once("} ").unwrap();
        let mut labels: LabelPairs = labels
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        labels.insert("__name__".into(), name.into());
        let mut numbers = rest.split(' ');
        let value = numbers.next().unwrap().parse().unwrap();
        let time = numbers.next().map_or(at, |time| time.parse().unwrap()) + moved_by;
        let samples = told.entry(labels).or_default();
        let time = time as f64 / 1e3;
        // What cAdvisor has not looked at since is told again, with its old time.
        if samples.last().is_none_or(|(last, _)| *last < time) {
            samples.push((time, value));
        }
    }
    for (labels, samples) in &mut told {
        go_on(samples, period, labels["__name__"].ends_with("_total"));
    }
    told
}

/// Lets the same happen again, period after period. What only rises goes on from where it was.
fn go_on(samples: &mut Vec<(f64, f64)>, period: f64, rises: bool) {
    let once = samples.clone();
    let (first, last) = (once[0], once[once.len() - 1]);
    let risen = if rises {
        (last.1 - first.1) * period / (last.0 - first.0)
    } else {
        0.0
    };
    for again in (1..=AGAIN).map(f64::from) {
        let later = |(time, value)| {
            // Whole milliseconds, as they are written.
            let time: f64 = time + again * period;
            ((time * 1e3).round() / 1e3, value + again * risen)
        };
        samples.extend(once.iter().copied().map(later));
    }
}

async fn write(sonde: &Sonde, told: &Told) {
    let series: Vec<_> = told
        .iter()
        .map(|(labels, samples)| Series {
            labels: labels.clone().into_iter().collect(),
            samples: samples
                .iter()
                .map(|(time, value)| ((time * 1e3).round() as i64, *value))
                .collect(),
            ..Series::default()
        })
        .collect();
    let request = client()
        .post(sonde.url("/api/v1/write"))
        .header("Content-Encoding", "snappy")
        .header(
            "Content-Type",
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        )
        .body(body(Version::V2, &series).unwrap());
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

/// Prometheus' `rate` at a time, as its documentation describes it.
fn rate(samples: &[(f64, f64)], at: f64) -> f64 {
    let within: Vec<_> = samples
        .iter()
        .filter(|(time, _)| *time > at - WINDOW && *time <= at)
        .collect();
    let (first, last) = (within[0], within[within.len() - 1]);
    let sampled = last.0 - first.0;
    let apart = sampled / (within.len() - 1) as f64;
    let to_edge = |gap: f64| if gap < apart * 1.1 { gap } else { apart / 2.0 };
    let increase = last.1 - first.1;
    let mut before = to_edge(first.0 - (at - WINDOW));
    if increase > 0.0 && first.1 >= 0.0 {
        // No counter was below zero.
        before = before.min(sampled * first.1 / increase);
    }
    let after = to_edge(at - last.0);
    increase * (sampled + before + after) / sampled / WINDOW
}

/// What cAdvisor told of a container or of a pod's network at a time.
struct At<'a> {
    told: &'a Told,
    labels: [(&'static str, &'a str); 3],
    time: f64,
}

impl At<'_> {
    fn samples(&self, name: &str) -> &[(f64, f64)] {
        let is_it = |labels: &&LabelPairs| {
            let has = |name: &str, value: &str| labels.get(name).map_or("", |v| v) == value;
            has("__name__", name) && self.labels.iter().all(|(name, value)| has(name, value))
        };
        let mut found = self.told.iter().filter(|(labels, _)| is_it(labels));
        let (_, samples) = found
            .next()
            .unwrap_or_else(|| panic!("{name} {:?}", self.labels));
        assert!(found.next().is_none(), "{name} {:?}", self.labels);
        samples
    }

    fn rate(&self, name: &str) -> f64 {
        rate(self.samples(name), self.time)
    }

    fn last(&self, name: &str) -> f64 {
        let before = |(time, _): &&(f64, f64)| *time <= self.time;
        self.samples(name).iter().rfind(before).unwrap().1
    }

    fn network(&self, what: &str) -> f64 {
        self.rate(&format!("container_network_receive_{what}_total"))
            + self.rate(&format!("container_network_transmit_{what}_total"))
    }

    fn expected(&self, metric: &str) -> f64 {
        match metric {
            "container:cpu_utilization:ratio" => {
                let limit =
                    self.last("container_spec_cpu_quota") / self.last("container_spec_cpu_period");
                self.rate("container_cpu_usage_seconds_total") / limit
            }
            "container:cpu_saturation:ratio" => {
                self.rate("container_cpu_cfs_throttled_periods_total")
                    / self.rate("container_cpu_cfs_periods_total")
            }
            "container:memory_utilization:ratio" => {
                self.last("container_memory_working_set_bytes")
                    / self.last("container_spec_memory_limit_bytes")
            }
            "container:memory_failures:rate" => self.rate("container_oom_events_total"),
            "container:memory_saturation:ratio" => {
                self.rate("container_pressure_memory_waiting_seconds_total")
            }
            "container:disk_saturation:ratio" => {
                self.rate("container_pressure_io_waiting_seconds_total")
            }
            "pod:network_throughput:bytes_rate" => self.network("bytes"),
            "pod:network_drops:rate" => self.network("packets_dropped"),
            "pod:network_errors:rate" => self.network("errors"),
            other => panic!("{other} is new; say here what is expected of it"),
        }
    }
}

/// Every value that was recorded, with its labels and when.
async fn recorded(sonde: &Sonde) -> Vec<(LabelPairs, f64, f64)> {
    let query = [("query", r#"{__name__=~"(container|pod):.+"}[10m]"#)];
    let answer = sonde.get("/api/v1/query", &query).await;
    let mut all = Vec::new();
    for series in list(&answer["data"], "result") {
        let labels: LabelPairs = serde_json::from_value(series["metric"].clone()).unwrap();
        for value in list(series, "values") {
            let time = value[0].as_f64().unwrap();
            let value = value[1].as_str().unwrap().parse().unwrap();
            all.push((labels.clone(), time, value));
        }
    }
    all
}

/// A span and a line of a container, in one trace.
async fn send_requests(sonde: &Sonde, pod: &'static str, begun_ms: i64) {
    let nanos = u64::try_from(begun_ms).unwrap() * 1_000_000;
    let resource = || {
        Some(Resource {
            attributes: vec![
                kv("service.name", "cart"),
                kv("k8s.namespace.name", "shop"),
                kv("k8s.pod.name", pod),
                kv("k8s.pod.uid", "0f9a1b2c-1111-2222-3333-444455556666"),
                kv("k8s.container.name", "app"),
                kv("k8s.node.name", "node-1"),
            ],
            ..Resource::default()
        })
    };
    let span = |trace: u8| Span {
        trace_id: vec![trace; 16],
        span_id: vec![trace; 8],
        name: "GET /cart".into(),
        kind: 2,
        start_time_unix_nano: nanos + u64::from(trace),
        end_time_unix_nano: nanos + 5_000_000,
        ..Span::default()
    };
    let traces = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans {
                spans: (1..=25).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let line = |n: u8| LogRecord {
        time_unix_nano: nanos + u64::from(n),
        severity_number: 9,
        body: kv("", format!("line {n} of order-{n}")).value,
        ..LogRecord::default()
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                log_records: (0..250).map(line).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    for (signal, body) in [
        ("traces", traces.encode_to_vec()),
        ("logs", logs.encode_to_vec()),
    ] {
        let url = format!("http://{}/v1/{signal}", sonde.address("otlp.http"));
        let request = client()
            .post(url)
            .header("Content-Type", "application/x-protobuf")
            .body(body);
        assert!(request.send().await.unwrap().status().is_success());
    }
}

fn metrics(load: &[Value]) -> BTreeSet<&str> {
    load.iter()
        .map(|one| one["metric"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_and_pods_have_the_use_that_cadvisor_measured_and_a_pod_is_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(dir.path(), &QUIET).await;
    let told = told(now_ms() - 1_000);
    write(&sonde, &told).await;

    // The last of the rules of the group.
    let is_recorded = |answer: &Value| !list(&answer["data"], "result").is_empty();
    let query = [("query", "pod:network_errors:rate")];
    sonde.until("/api/v1/query", &query, is_recorded).await;
    let all = recorded(&sonde).await;
    let mut seen: BTreeMap<(String, String), f64> = BTreeMap::new();
    for (labels, time, value) in &all {
        let of = |name: &str| labels.get(name).map_or("", |value| value);
        let at = At {
            told: &told,
            labels: [
                ("namespace", of("namespace")),
                ("pod", of("pod")),
                ("container", of("container")),
            ],
            time: *time,
        };
        let expected = at.expected(of("__name__"));
        let tolerance = 1e-6 * expected.abs().max(1e-3);
        assert!(
            (value - expected).abs() <= tolerance,
            "{labels:?}: {value}, expected {expected}"
        );
        let place = format!("{}/{} {}", of("namespace"), of("pod"), of("container"));
        let name = of("__name__").to_owned();
        seen.insert((name, place.trim().to_owned()), *value);
    }
    let value =
        |metric: &str, place: &str| seen.get(&(metric.to_owned(), place.to_owned())).copied();
    // What was done to the containers, as it was.
    let (cart, pay) = ("shop/cart-7f9d app", "shop/pay-55c1 app");
    let used = value("container:cpu_utilization:ratio", cart).unwrap();
    assert!((0.9..1.1).contains(&used), "it counts at its limit: {used}");
    assert!(value("container:cpu_saturation:ratio", cart).unwrap() > 0.5);
    assert_eq!(value("container:cpu_saturation:ratio", pay), Some(0.0));
    assert!(value("container:memory_failures:rate", pay).unwrap() > 0.1);
    assert_eq!(value("container:memory_failures:rate", cart), Some(0.0));
    let memory = value("container:memory_utilization:ratio", cart).unwrap();
    assert!((0.7..0.8).contains(&memory), "{memory}");
    let unlimited = "shop/cart-7f9d proxy";
    assert_eq!(value("container:cpu_utilization:ratio", unlimited), None);
    assert_eq!(value("container:memory_utilization:ratio", unlimited), None);
    assert!(value("pod:network_throughput:bytes_rate", "edge/gateway-0").unwrap() > 0.0);

    for (scope, metric) in [
        ("container", "container:cpu_saturation:ratio"),
        ("pod", "pod:network_throughput:bytes_rate"),
    ] {
        let answer = sonde
            .get("/sonde/v1/signals/use", &[("scope", scope)])
            .await;
        let signals = list(&answer, "signals");
        assert!(metrics(signals).contains(metric), "{answer:#}");
        let pods = signals.iter().map(|one| &one["labels"]["pod"]);
        assert!(pods.clone().all(Value::is_string) && pods.count() > 0);
    }
    // The load is that of the time of a request, before which it has to be recorded.
    send_requests(&sonde, "cart-7f9d", now_ms()).await;
    lookups(&sonde).await;
    sonde.kill().await;
}

async fn lookups(sonde: &Sonde) {
    let whole =
        |found: &Value| list(found, "logs").len() == 200 && list(found, "traces").len() == 20;
    for id in [
        "cart-7f9d",
        "shop%2Fcart-7f9d",
        "0f9a1b2c-1111-2222-3333-444455556666",
    ] {
        let path = format!("/sonde/v1/lookup/{id}");
        let found = sonde.until(&path, &[], whole).await;
        let is_uid = id.starts_with("0f9a");
        assert_eq!(
            found["kind"],
            if is_uid { "pod_uid" } else { "pod" },
            "{id}"
        );
        // The newest of each.
        let first = &list(&found, "logs")[0];
        assert_eq!(first["body"], "line 50 of order-50", "{id}");
        assert_eq!(
            list(&found, "traces")[0]["trace_id"],
            "19".repeat(16),
            "{id}"
        );
        let cuts = found["cuts"].as_object().unwrap();
        assert!(
            cuts.contains_key("logs") && cuts.contains_key("traces"),
            "{cuts:?}"
        );
        let ran = &list(&found, "ran")[0];
        assert_eq!(
            (&ran["namespace"], &ran["pod"]),
            (&"shop".into(), &"cart-7f9d".into())
        );
        assert_eq!(
            (&ran["containers"][0], &ran["nodes"][0]),
            (&"app".into(), &"node-1".into())
        );
        let load = list(&found, "load");
        let metrics = metrics(load);
        assert!(
            metrics.contains("container:cpu_saturation:ratio"),
            "{id}: {load:?}"
        );
        assert!(
            load.iter().all(|one| one["labels"]["pod"] == "cart-7f9d"),
            "{load:?}"
        );
    }
    // What only a line has is no place, and ran where the line says.
    let found = sonde.get("/sonde/v1/lookup/order-77", &[]).await;
    assert_eq!(found["kind"], "request", "{found:#}");
    assert_eq!(list(&found, "logs").len(), 1, "{found:#}");
    assert_eq!(list(&found, "ran")[0]["pod"], "cart-7f9d", "{found:#}");
    assert!(metrics(list(&found, "load")).contains("container:cpu_saturation:ratio"));
    // One that has nothing but metrics, and one of another namespace.
    let found = sonde.get("/sonde/v1/lookup/gateway-0", &[]).await;
    assert_eq!(found["kind"], "pod", "{found:#}");
    assert!(metrics(list(&found, "load")).contains("pod:network_errors:rate"));
    assert_eq!(list(&found, "ran")[0]["namespace"], "edge", "{found:#}");
    for id in ["test%2Fcart-7f9d", "test%2Fgateway-0", "cart-7f9"] {
        let found = sonde.get(&format!("/sonde/v1/lookup/{id}"), &[]).await;
        assert_eq!(found["kind"], "none", "{id}: {found:#}");
        assert!(list(&found, "ran").is_empty(), "{id}");
    }
    let url = format!("--url=http://{}", sonde.address("http"));
    let printed = sonde_lookup(&url, "shop/cart-7f9d").await;
    for text in [
        "pod shop/cart-7f9d  node node-1  container app  service cart",
        "newest traces (20)",
        "cart GET /cart",
        "logs (200)",
        "container:cpu_saturation:ratio",
        "logs were cut: these are the newest 200 lines",
    ] {
        assert!(printed.contains(text), "{text}:\n{printed}");
    }
}

async fn sonde_lookup(url: &str, id: &str) -> String {
    let printed = sonde(&["lookup", url, id]).await;
    String::from_utf8_lossy(&printed.stdout).into_owned()
}
