//! Sonde scrapes native histograms and starts. A real Prometheus that scrapes the same target has
//! to store the same histograms.

use crate::harness::Sonde;
use crate::prometheus_api::Prometheus;
use crate::scrape::{INTERVAL, QUIET, alike, values};
use crate::tools::tool;
use serde_json::{Value, json};
use sonde_exposition::{
    Answer, BucketSpan, Buckets, Escaping, Family, Histogram, Kind, Label, Protocol, Sample,
    SampleValue, Writer,
};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// When the target says that its counters began, in milliseconds since 1970.
const CREATED: i64 = 1_700_000_000_250;

/// What the target shows, in protobuf.
fn body() -> Vec<u8> {
    let mut body = Vec::new();
    let answer = Answer {
        protocol: Protocol::Protobuf,
        escaping: Escaping::Utf8,
    };
    let mut writer = Writer::new(answer, &mut body);
    type Shown<'a> = (&'a str, &'a [(&'a str, &'a str)], SampleValue);
    let mut family = |kind, name: &str, samples: &[Shown<'_>]| {
        let family = Family {
            name: Cow::Borrowed(name),
            kind,
            help: Cow::Borrowed("Shown."),
            ..Family::default()
        };
        writer.family(&family).unwrap();
        for (name, labels, value) in samples {
            let label = |(name, value): &(&str, &str)| Label {
                name: Cow::Owned((*name).to_owned()),
                value: Cow::Owned((*value).to_owned()),
            };
            let labels: Vec<_> = labels.iter().map(label).collect();
            let sample = Sample {
                name,
                labels: &labels,
                time: None,
                start: Some(CREATED),
                value: value.clone(),
                exemplars: &[],
            };
            writer.sample(&sample).unwrap();
        }
    };
    let spans = |spans: &[(i32, u32)], counts: &[f64]| Buckets {
        spans: spans
            .iter()
            .map(|&(offset, length)| BucketSpan { offset, length })
            .collect(),
        counts: counts.to_vec(),
    };
    // Some bounds below 1 differ in the last bit between the two, as 2^-0.5 does; these do not.
    let latency = Histogram {
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 2.0,
        count: 25.0,
        sum: 18.25,
        positive: spans(&[(-6, 2), (4, 3)], &[4.0, 1.0, 0.0, 7.0, 8.0]),
        negative: spans(&[(2, 1)], &[3.0]),
        ..Histogram::default()
    };
    let other = Histogram {
        schema: -2,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 9.0,
        sum: f64::NAN,
        positive: spans(&[(0, 2)], &[4.0, 5.0]),
        ..Histogram::default()
    };
    let native = |h: &Histogram| SampleValue::Histogram(Arc::new(h.clone()));
    let float = SampleValue::Float;
    let latencies: [(&str, &[(&str, &str)], _); 2] = [
        ("page_latency", &[("path", "/a")], native(&latency)),
        ("page_latency", &[("path", "/b")], native(&other)),
    ];
    family(Kind::Histogram, "page_latency", &latencies);
    let sizes = ("page_sizes", &[("job", "own")][..], native(&latency));
    family(Kind::GaugeHistogram, "page_sizes", &[sizes]);
    let classic: [(&str, &[(&str, &str)], _); 4] = [
        ("page_classic_bucket", &[("le", "0.5")], float(3.0)),
        ("page_classic_bucket", &[("le", "+Inf")], float(4.0)),
        ("page_classic_sum", &[], float(2.5)),
        ("page_classic_count", &[], float(4.0)),
    ];
    family(Kind::Histogram, "page_classic", &classic);
    let total = ("page_requests_total", &[][..], float(12.0));
    family(Kind::Counter, "page_requests_total", &[total]);
    writer.end().unwrap();
    body
}

async fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while let Ok(1..) = stream.read_line(&mut head).await {
                    if !head.ends_with("\r\n\r\n") {
                        continue;
                    }
                    // Only who asks for protobuf before all else is shown native histograms.
                    let accept = head.to_lowercase();
                    let accept = accept.split("\r\naccept: ").nth(1).unwrap_or_default();
                    assert!(
                        accept.starts_with("application/vnd.google.protobuf"),
                        "{accept}"
                    );
                    head.clear();
                    let body = body();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    let answer = [answer.as_bytes(), &body].concat();
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn native_histograms_are_those_that_a_prometheus_stores_of_the_same_target() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    let target = target().await;
    let jobs = json!([{"job_name": "page", "static_configs": [{"targets": [target.to_string()]}]}]);
    let global = json!({"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL});
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"global": global, "scrape_configs": jobs}).to_string();
    let flags = ["--enable-feature=native-histograms"];
    let theirs = Prometheus::start(&program, &dir.path().join("theirs"), &config, &flags).await;
    let (global, jobs) = (global.to_string(), jobs.to_string());
    let mut extra = QUIET.to_vec();
    extra.extend([
        ("agent.scrape.global", global.as_str()),
        ("agent.scrape.global.scrape_native_histograms", "true"),
        ("agent.scrape.scrape_configs", jobs.as_str()),
        ("metrics.features.experimental_functions", "true"),
        ("metrics.features.start_timestamps", "true"),
    ]);
    let sonde = Sonde::up(dir.path(), &extra).await;
    let (own, their) = (sonde.url(""), theirs.url.clone());
    let both = async |query: &str, count: usize| {
        let (ours, theirs) = (|| values(&own, query), || values(&their, query));
        alike(query, ours, theirs, |all| all.len() == count).await
    };
    let natives = both("{__name__=~\"page_(latency|sizes)\"}", 3).await;
    let has = |part: &str| natives.iter().any(|line| line.contains(part));
    assert!(
        has(r#""count":"25""#) && has(r#""sum":"NaN""#),
        "{natives:#?}"
    );
    both(
        "{__name__=~\"page_classic_(sum|count)|page_requests_total\"}",
        3,
    )
    .await;
    both(
        "{__name__=~\"page_.*_(bucket|sum|count)\",__name__!~\"page_classic.*\"}",
        0,
    )
    .await;
    both(
        "histogram_sum(page_latency) > 0 or histogram_count(page_latency)",
        2,
    )
    .await;
    both("scrape_samples_scraped", 1).await;

    // What they say of their beginning comes all the way, also of the parts of a histogram.
    for (name, count) in [
        ("page_latency", "2"),
        ("page_requests_total", "1"),
        ("page_classic_sum", "1"),
        ("page_classic_bucket", "2"),
    ] {
        let began = format!("count_values(\"at\", start_timestamp({name}))");
        // One scrape that takes too long ends all series until the next.
        let is_told = |answer: &Value| {
            let told = &answer["data"]["result"][0];
            told["metric"]["at"] == "1700000000.25" && told["value"][1] == count
        };
        sonde
            .until("/api/v1/query", &[("query", &began)], is_told)
            .await;
    }
    assert!(sonde.stop().await.success());
}
