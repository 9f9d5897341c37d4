//! What should not be, over the whole way from its door to its page: it is shown, or refused with a
//! reason, and neighbours are served. And what is long gone.

use crate::api::testing::{Bed, TRACE_ID, of_service};
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::trace::{Span, TracesData};
use sonde_proto::otlp::trace_service::ExportTraceServiceResponse;
use sonde_proto::remote_write::Series;
use std::time::Duration;

const HOUR: u64 = 3_600_000_000_000;

fn id(trace: u128) -> String {
    format!("{trace:032x}")
}

fn span(trace: u128, number: u64, parent: u64, start: u64) -> Span {
    let of_parent = (parent > 0).then(|| parent.to_be_bytes().to_vec());
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id: of_parent.unwrap_or_default(),
        name: format!("op {number}"),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000,
        ..Span::default()
    }
}

fn of(service: &str, spans: Vec<Span>) -> TracesData {
    let mut resource_spans = of_service(service, Span::default());
    resource_spans.scope_spans[0].spans = spans;
    TracesData {
        resource_spans: vec![resource_spans],
    }
}

/// Asks again and again until an answer is as wanted: what was acknowledged is applied soon after.
async fn until(bed: &Bed, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let answer = bed.get(path, &[]).await;
        if answer.status == 200 {
            let json = answer.json();
            if is_wanted(&json) {
                return json;
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn trace(bed: &Bed, trace: u128, spans: usize) -> Vec<Value> {
    let path = format!("/sonde/v1/trace/{}", id(trace));
    let has_all = |found: &Value| found["spans"].as_array().unwrap().len() == spans;
    let found = until(bed, &path, has_all).await;
    assert_eq!(found["cut"], Value::Null);
    found["spans"].as_array().unwrap().clone()
}

#[tokio::test]
async fn spans_without_ids_are_refused_with_a_reason_and_those_beside_them_are_kept() {
    let bed = Bed::new().await;
    let good = span(1, 1, 0, bed.begin);
    let bad = [
        Span {
            trace_id: vec![0; 16],
            ..good.clone()
        },
        Span {
            trace_id: b"abc".to_vec(),
            ..good.clone()
        },
        Span {
            span_id: vec![0; 8],
            ..good.clone()
        },
    ];
    let answer = bed.send(&of("odd", [&bad[..], &[good]].concat())).await;
    let told = ExportTraceServiceResponse::decode(&answer.body[..]).unwrap();
    let told = told.partial_success.unwrap();
    assert_eq!(told.rejected_spans, 3, "{told:?}");
    assert!(told.error_message.contains("not all zero"), "{told:?}");
    assert_eq!(trace(&bed, 1, 1).await[0]["span_id"], "0000000000000001");
    for zero in ["0".repeat(32), "0".repeat(16)] {
        let answer = bed.get(&format!("/sonde/v1/lookup/{zero}"), &[]).await;
        assert_eq!(answer.status, 404, "{zero}");
    }
    let zeros = format!("/sonde/v1/trace/{}", "0".repeat(32));
    assert_eq!(bed.get(&zeros, &[]).await.status, 400);
}

#[tokio::test]
async fn circles_orphans_and_clocks_hours_apart_are_shown_as_they_were_sent() {
    let bed = Bed::new().await;
    let begin = bed.begin;
    let circle = vec![
        span(1, 1, 2, begin),
        span(1, 2, 1, begin),
        span(1, 3, 3, begin),
    ];
    let orphans = vec![span(2, 1, 99, begin), span(2, 2, 98, begin)];
    let mut root = span(3, 1, 0, begin);
    root.end_time_unix_nano = begin + 900_000_000;
    let skewed = vec![
        root,
        span(3, 2, 1, begin - 3 * HOUR),
        span(3, 3, 1, begin + 5 * HOUR),
    ];
    let mut backwards = span(4, 1, 0, begin);
    backwards.end_time_unix_nano = begin - HOUR;
    bed.send(&of(
        "odd",
        [circle, orphans, skewed, vec![backwards]].concat(),
    ))
    .await;
    for (number, spans) in [(1, 3), (2, 2), (3, 3), (4, 1)] {
        trace(&bed, number, spans).await;
        let path = format!("/sonde/v1/lookup/{}", id(number));
        let found = bed.get(&path, &[]).await.json();
        assert_eq!(found["kind"], "trace");
        let told = found["timeline"].as_array().unwrap();
        let told = told.iter().filter(|moment| moment["kind"] == "span");
        assert_eq!(told.count(), spans, "{found:#}");
        let waited = &found["critical_paths"][0]["duration_nanos"];
        match number {
            3 => assert_eq!(waited, 900_000_000, "clocks of others say nothing about it"),
            4 => assert_eq!(*waited, Value::Null, "it took no time"),
            _ => assert_eq!(waited, 1_000_000),
        }
    }
}

#[tokio::test]
async fn very_many_attributes_and_very_long_ones_are_kept_whole() {
    let bed = Bed::new().await;
    let many = Span {
        attributes: (0..10_000)
            .map(|n| kv(&format!("a.{n}"), format!("{n}")))
            .collect(),
        ..span(1, 1, 0, bed.begin)
    };
    let long = "x".repeat(4 << 20);
    let large = Span {
        attributes: vec![kv("blob", long.clone()), kv("request.id", "req-large")],
        ..span(2, 1, 0, bed.begin)
    };
    let named = Span {
        name: long.clone(),
        ..span(3, 1, 0, bed.begin)
    };
    for span in [many, large, named] {
        bed.send(&of("odd", vec![span])).await;
    }
    let attributes = trace(&bed, 1, 1).await[0]["attributes"].clone();
    assert_eq!(attributes.as_array().unwrap().len(), 10_000);
    assert_eq!(trace(&bed, 2, 1).await[0]["attributes"][0][1], long);
    assert_eq!(trace(&bed, 3, 1).await[0]["name"], long);
    let found = bed.get("/sonde/v1/lookup/req-large", &[]).await.json();
    assert_eq!(found["traces"][0]["trace_id"], id(2));
}

#[tokio::test]
async fn a_span_that_comes_a_day_late_joins_its_trace_and_is_found_by_its_request() {
    let bed = Bed::new().await;
    let yesterday = bed.begin - 24 * HOUR;
    bed.send(&of("web", vec![span(1, 1, 0, yesterday)])).await;
    trace(&bed, 1, 1).await;
    let late = Span {
        attributes: vec![kv("request.id", "req-late")],
        ..span(1, 2, 1, yesterday + 1_000)
    };
    bed.send(&of("pay", vec![late])).await;
    trace(&bed, 1, 2).await;
    let found = bed.get("/sonde/v1/lookup/req-late", &[]).await.json();
    assert_eq!(found["traces"][0]["spans"].as_array().unwrap().len(), 2);
    assert_eq!(found["kind"], "request");
}

#[tokio::test]
async fn a_service_of_very_many_operations_leaves_the_golden_signals_of_others() {
    let bed = Bed::with_traces().await;
    for first in (0..20_000).step_by(5_000) {
        let spans =
            (first..first + 5_000).map(|n| span(1_000 + u128::from(n), n + 1, 0, bed.begin));
        bed.send(&of("many", spans.collect())).await;
    }
    let calls = |found: &Value, service: &str| {
        let all = found["services"].as_array().unwrap().iter();
        let own = all.filter(|one| one["name"] == service);
        own.filter_map(|one| one["calls"].as_f64()).sum::<f64>()
    };
    let has_both = |found: &Value| calls(found, "many") >= 20_000.0 && calls(found, "web") >= 2.0;
    let found = until(&bed, "/sonde/v1/signals/golden", has_both).await;
    assert_eq!(
        (calls(&found, "many"), calls(&found, "web")),
        (20_000.0, 2.0)
    );
    let red = bed
        .get("/sonde/v1/signals/red?service=many", &[])
        .await
        .json();
    assert!(red["cut"].as_str().unwrap().contains("operations"), "{red}");
    let found = bed
        .get(&format!("/sonde/v1/lookup/{TRACE_ID}"), &[])
        .await
        .json();
    assert_eq!(found["kind"], "trace");
}

#[tokio::test]
async fn a_pod_that_had_metrics_alone_is_found_when_it_is_long_gone() {
    let bed = Bed::new().await;
    let ago = Duration::from_secs(30 * 3600).as_nanos() as u64;
    let at = i64::try_from((bed.begin - ago) / 1_000_000).unwrap();
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let labels = [
        ("__name__", "container:memory_utilization:ratio"),
        ("container", "app"),
        ("namespace", "shop"),
        ("pod", "cart-7f9d"),
    ];
    bed.write(&[Series {
        labels: labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        samples: vec![(at - 15_000, 0.25), (at, 0.75), (at + 15_000, stale)],
        ..Series::default()
    }])
    .await;
    for name in ["cart-7f9d", "shop%2Fcart-7f9d"] {
        let found = until(&bed, &format!("/sonde/v1/lookup/{name}"), |_| true).await;
        assert_eq!(found["kind"], "pod");
        assert_eq!(found["load"][0]["value"], 0.75, "{found:#}");
        assert_eq!(found["ran"][0]["namespace"], "shop");
        assert_eq!(found["ran"][0]["containers"][0], "app");
    }
    for name in ["cart-7f9e", "test%2Fcart-7f9d"] {
        let answer = bed.get(&format!("/sonde/v1/lookup/{name}"), &[]).await;
        assert_eq!(answer.status, 404, "{name}");
    }
}
