//! What explains that requests are slow or fail comes first in a comparison, among attributes
//! that say nothing, that say it by chance and that go along with it most of the time.

use crate::harness::{Sonde, client, list};
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use std::time::{SystemTime, UNIX_EPOCH};

const TRACES: u64 = 600;
const MS: u64 = 1_000_000;

/// What is true of a request.
#[derive(Clone, Copy)]
struct Request {
    number: u64,
    is_slow: bool,
    has_failed: bool,
}

impl Request {
    fn of(number: u64) -> Self {
        Self {
            number,
            // Every tenth, at no even distances.
            is_slow: noise(number / 10, 1) % 10 == number % 10,
            has_failed: noise(number / 15, 2) % 15 == number % 15,
        }
    }

    /// A number below `of` that has nothing to do with what became of the request.
    fn chance(self, what: u64, of: u64) -> u64 {
        noise(self.number, what) % of
    }

    /// The gateway's span and, within it, that of the shop, which asks a database.
    fn spans(self, begun: u64) -> [(&'static str, String, Vec<Span>); 2] {
        let start = begun + self.number * MS;
        let jitter = self.chance(3, 3_000) * 1_000;
        let asked = if self.is_slow { 180 * MS } else { 6 * MS } + jitter;
        let trace_id = [self.number.to_be_bytes(), [7; 8]].concat();
        let span = |id: u64, parent: u64, (from, to): (u64, u64), name: &str, kind: i32| Span {
            trace_id: trace_id.clone(),
            span_id: (self.number * 8 + id).to_be_bytes().to_vec(),
            parent_span_id: match parent {
                0 => Vec::new(),
                parent => (self.number * 8 + parent).to_be_bytes().to_vec(),
            },
            name: name.into(),
            kind,
            start_time_unix_nano: from,
            end_time_unix_nano: to,
            ..Span::default()
        };
        let end = start + 20 * MS + asked;
        let mut outer = span(1, 0, (start, end), "POST /buy", 2);
        outer.attributes = vec![
            kv(
                "region",
                ["north", "south", "east"][self.chance(4, 3) as usize],
            ),
            kv("user.id", &self.number.to_string()),
        ];
        let mut inner = span(2, 1, (start + 2 * MS, end - 2 * MS), "POST /order", 2);
        let mut query = span(
            3,
            2,
            (start + 8 * MS, start + 8 * MS + asked),
            "SELECT orders",
            3,
        );
        // The shard is to blame; most of its users have the new basket, and others too.
        let shard = if self.is_slow { 3 } else { self.chance(5, 3) };
        query
            .attributes
            .push(kv("db.shard", &format!("shard-{shard}")));
        if self.chance(6, 10) < if self.is_slow { 8 } else { 2 } {
            inner.attributes.push(kv("feature", "new-basket"));
        }
        if self.has_failed {
            inner.status = Some(Status {
                code: 2,
                message: "no stock".into(),
            });
        }
        let version = if self.has_failed || self.chance(7, 50) == 0 {
            "2.0.1"
        } else {
            "2.0.0"
        };
        [
            ("gateway", "1.0".into(), vec![outer]),
            ("shop", version.into(), vec![inner, query]),
        ]
    }
}

fn noise(number: u64, what: u64) -> u64 {
    let mixed = (number ^ what.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

async fn send(sonde: &Sonde) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let begun = u64::try_from(since.as_nanos()).unwrap() - 60_000 * MS;
    let all = (0..TRACES).flat_map(|number| Request::of(number).spans(begun));
    let resource_spans = all.map(|(service, version, spans)| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![kv("service.name", service), kv("service.version", &version)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    });
    let body = ExportTraceServiceRequest {
        resource_spans: resource_spans.collect(),
    };
    let request = client()
        .post(format!("http://{}/v1/traces", sonde.address("otlp.http")))
        .header("Content-Type", "application/x-protobuf")
        .body(body.encode_to_vec());
    assert!(request.send().await.unwrap().status().is_success());
}

/// What one that is compared has: how many of all requests.
fn share(of: impl Fn(Request) -> bool) -> usize {
    (0..TRACES).map(Request::of).filter(|r| of(*r)).count()
}

fn first(answer: &Value) -> (&str, &str, f64, f64) {
    let first = &list(answer, "attributes")[0];
    (
        first["name"].as_str().unwrap(),
        first["value"].as_str().unwrap(),
        first["slow"].as_f64().unwrap(),
        first["others"].as_f64().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_explains_slow_and_failed_requests_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(dir.path(), &[]).await;
    let (slow, failed) = (share(|r| r.is_slow), share(|r| r.has_failed));
    assert_eq!((slow, failed), (60, 40), "a tenth and a fifteenth");
    send(&sonde).await;

    let path = "/sonde/v1/signals/compare";
    let is_whole = |answer: &Value| answer["found"] == TRACES;
    let shop = ("service", "shop");
    let answer = sonde.until(path, &[shop], is_whole).await;
    assert_eq!(
        (&answer["slow"], &answer["others"]),
        (&60.into(), &100.into()),
        "{answer:#}"
    );
    assert!(answer["slow_nanos"].as_u64().unwrap() >= 200 * MS);
    assert!(answer["others_nanos"].as_u64().unwrap() < 30 * MS);
    assert_eq!(
        first(&answer),
        ("span.db.shard", "shard-3", 1.0, 0.0),
        "{answer:#}"
    );
    let second = &list(&answer, "attributes")[1];
    assert_eq!(second["value"], "new-basket", "{answer:#}");
    let waited = &list(&answer, "operations")[0];
    assert_eq!(
        (&waited["service"], &waited["name"]),
        (&"shop".into(), &"SELECT orders".into())
    );
    let longer = waited["difference_nanos"].as_f64().unwrap() / MS as f64;
    assert!((171.0..177.0).contains(&longer), "{longer} ms");

    let of_failed = [shop, ("of", "failed"), ("operation", "POST /order")];
    let answer = sonde.get(path, &of_failed).await;
    assert_eq!(
        (&answer["slow"], &answer["of"]),
        (&40.into(), &"failed".into()),
        "{answer:#}"
    );
    let (name, value, slow, others) = first(&answer);
    assert_eq!(
        (name, value, slow),
        ("resource.service.version", "2.0.1", 1.0)
    );
    assert!(others < 0.1, "{answer:#}");
    assert!(answer.get("slow_nanos").is_none());

    let unknown = sonde.get(path, &[("service", "nobody")]).await;
    assert_eq!(
        (&unknown["found"], &unknown["slow"]),
        (&0.into(), &0.into())
    );
    sonde.kill().await;
}
