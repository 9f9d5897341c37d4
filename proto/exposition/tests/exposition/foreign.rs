//! Other people's programs beside: what node_exporter prints is read as a slow, obvious
//! reader reads it; what we write passes `promtool` and is scraped by a Prometheus, which
//! then has the same samples.
//!
//! Needs Debian's packages as `tests/setup` installs them. Without them the tests say that
//! they were skipped, or fail where `CI=true`.

use crate::collect::{Collected, Kept, Value, collect};
use crate::generate::{Made, MadeFamily, label, write};
use crate::messages;
use crate::programs::{Served, find, node_exporter, skipped};
use crate::slow;
use sonde_exposition::{
    Answer, Bounds, BucketSpan, Buckets, Escaping, Exemplar, Family, Format, Histogram, Kind,
    Options, Protocol, SampleValue, accept, format_of,
};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

fn text_of(exporter: &Served) -> String {
    String::from_utf8(exporter.get("/metrics", "text/plain;version=0.0.4")).unwrap()
}

#[test]
fn all_that_node_exporter_prints_is_read_as_a_slow_reader_reads_it() {
    let Some(exporter) = node_exporter() else {
        return skipped("prometheus-node-exporter");
    };
    let text = text_of(&exporter);
    let collected = collect(Format::Text, &text).unwrap();
    let (slow, types) = slow::read(&text);
    assert!(slow.len() > 200, "{text}");
    let fast: Vec<_> = collected.samples.into_iter().map(plain).collect();
    assert_eq!(fast, slow);
    let told = collected
        .families
        .iter()
        .filter(|family| family.kind != Kind::Unknown);
    let told: BTreeMap<_, _> = told
        .map(|f| (f.name.to_string(), f.kind.word().to_owned()))
        .collect();
    let types = types.into_iter().filter(|(_, kind)| kind != "untyped");
    assert_eq!(told, types.collect());
}

fn plain(kept: Kept) -> slow::Plain {
    slow::Plain {
        name: kept.name,
        labels: kept.labels,
        value: kept.value,
        time: kept.time,
    }
}

#[test]
fn node_exporters_protobuf_is_read_as_prost_reads_it() {
    let Some(exporter) = node_exporter() else {
        return skipped("prometheus-node-exporter");
    };
    let body = exporter.get("/metrics", &accept(&[Protocol::Protobuf], Escaping::Utf8));
    let collected = collect(Format::Protobuf, &body).unwrap();
    let mut expected = Vec::new();
    for family in messages::decode(&body) {
        let name = family.name.unwrap();
        for metric in &family.metric {
            let mut add = |suffix: &str, bound: Option<(&str, f64)>, value: f64| {
                let pair = |pair: &messages::LabelPair| {
                    (pair.name.clone().unwrap(), pair.value.clone().unwrap())
                };
                let mut labels: Vec<_> = metric.label.iter().map(pair).collect();
                labels.extend(bound.map(|(name, bound)| (name.to_owned(), format!("{bound:?}"))));
                expected.push((format!("{name}{suffix}"), labels, Value::float(value)));
            };
            if let Some(counter) = &metric.counter {
                add("", None, counter.value.unwrap());
            }
            for single in [&metric.gauge, &metric.untyped].into_iter().flatten() {
                add("", None, single.value.unwrap());
            }
            if let Some(summary) = &metric.summary {
                add("_count", None, summary.count.unwrap() as f64);
                add("_sum", None, summary.sum.unwrap());
                for quantile in &summary.quantile {
                    add(
                        "",
                        Some(("quantile", quantile.quantile.unwrap())),
                        quantile.value.unwrap(),
                    );
                }
            }
        }
    }
    assert!(expected.len() > 200);
    let got = collected
        .samples
        .into_iter()
        .map(|kept| (kept.name, kept.labels, kept.value));
    assert_eq!(got.collect::<Vec<_>>(), expected);
}

/// Families with everything that old programs know, beside what a node says.
pub(crate) fn families(text: Option<&str>) -> Vec<MadeFamily> {
    let mut made = vec![
        family(
            "test_requests_total",
            Kind::Counter,
            vec![counter(7.0), counter(2e9)],
        ),
        family("test_latency_seconds", Kind::Histogram, classic()),
        family("test_quantiles", Kind::Summary, summary()),
        family(
            "test_free",
            Kind::Unknown,
            vec![float("test_free", &[], f64::NAN)],
        ),
    ];
    let read = text.map_or_else(Collected::default, |text| {
        collect(Format::Text, text).unwrap()
    });
    let mut by_family: BTreeMap<String, Vec<Made>> = BTreeMap::new();
    for kept in read.samples {
        let Value::Float(bits) = kept.value else {
            continue;
        };
        let family = read
            .families
            .iter()
            .find(|family| family.has(&kept.name))
            .unwrap();
        by_family
            .entry(family.name.to_string())
            .or_default()
            .push(Made {
                name: kept.name,
                labels: kept.labels,
                time: None,
                start: None,
                value: SampleValue::Float(f64::from_bits(bits)),
                exemplars: vec![],
            });
    }
    for (name, samples) in by_family {
        let family = read
            .families
            .iter()
            .find(|family| family.name == name.as_str());
        made.push(MadeFamily {
            family: family.unwrap().clone(),
            samples,
        });
    }
    made
}

fn family(name: &str, kind: Kind, samples: Vec<Made>) -> MadeFamily {
    let family = Family {
        name: name.to_owned().into(),
        kind,
        help: "A \\ test.".into(),
        unit: "".into(),
    };
    MadeFamily { family, samples }
}

fn float(name: &str, labels: &[(&str, &str)], value: f64) -> Made {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Made {
        name: name.to_owned(),
        labels: labels.iter().map(owned).collect(),
        time: None,
        start: None,
        value: SampleValue::Float(value),
        exemplars: vec![],
    }
}

fn counter(value: f64) -> Made {
    let made = float(
        "test_requests_total",
        &[("path", "/a\"b\\c\nü"), ("n", &value.to_string())],
        value,
    );
    let id = ("trace_id".to_owned(), "4bf92f3577b34da6".to_owned());
    let exemplar = Exemplar {
        labels: vec![label(&id)],
        value: 0.25,
        time: None,
    };
    Made {
        exemplars: vec![exemplar],
        start: Some(1_600_000_000_123),
        ..made
    }
}

fn classic() -> Vec<Made> {
    let bucket = |bound, value| float("test_latency_seconds_bucket", &[("le", bound)], value);
    vec![
        bucket("0.1", 1.0),
        bucket("1.0", 3.0),
        bucket("+Inf", 4.0),
        float("test_latency_seconds_sum", &[], 6.5),
        float("test_latency_seconds_count", &[], 4.0),
    ]
}

fn summary() -> Vec<Made> {
    vec![
        float("test_quantiles", &[("quantile", "0.5")], 1.5),
        float("test_quantiles_sum", &[], 10.0),
        float("test_quantiles_count", &[], 5.0),
    ]
}

#[test]
fn what_we_write_passes_promtool() {
    let Some(promtool) = find("PROMTOOL", "promtool") else {
        return skipped("promtool");
    };
    let text = node_exporter().map(|exporter| text_of(&exporter));
    // What a node says has names that promtool finds unfitting; ours have none.
    for (text, is_ours) in [(None, true), (text, false)] {
        let mut made = families(text.as_deref());
        made.retain(|made| !is_ours || made.family.kind != Kind::Unknown);
        let body = write(Protocol::Text0, Escaping::Underscores, &made);
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&body).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("error while linting"), "{said}");
        // 3: the names could be better.
        let passes = output.status.success() || (!is_ours && output.status.code() == Some(3));
        assert!(passes, "{said}\n{}", String::from_utf8_lossy(&body));
    }
}

/// Serves bodies by path until the process ends; says which path was asked for.
fn serve(bodies: BTreeMap<String, (String, Vec<u8>)>) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, asks) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else {
                continue;
            };
            let rest = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            let accept = rest
                .filter_map(|line| line.strip_prefix("Accept: ").map(str::to_owned))
                .last();
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let (content_type, body) = &bodies[&path];
            let head = format!("HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\n\r\n");
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
            if asked.send((path, accept.unwrap_or_default())).is_err() {
                return;
            }
        }
    });
    (address, asks)
}

fn prometheus(program: &Path, dir: &Path, target: &str, jobs: &[&str]) -> Served {
    let job = |job: &&str| {
        format!(
            "  - job_name: {job}\n    metrics_path: /{job}\n    static_configs: [{{targets: ['{target}']}}]\n"
        )
    };
    let jobs: String = jobs.iter().map(job).collect();
    let config = dir.join("config.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}\nscrape_configs:\n{jobs}"
        ),
    )
    .unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ))
        .args([
            "--web.listen-address=127.0.0.1:0",
            "--enable-feature=native-histograms,exemplar-storage",
        ]);
    Served::start(&mut command, "Server is ready")
}

fn ask(prometheus: &Served, path: &str) -> serde_json::Value {
    let body = prometheus.get(path, "*/*");
    serde_json::from_slice::<serde_json::Value>(&body).unwrap()["data"].clone()
}

/// The instant vector of a job, without the labels of the scrape.
fn samples(prometheus: &Served, job: &str) -> BTreeMap<(String, BTreeMap<String, String>), String> {
    let data = ask(
        prometheus,
        &format!("/api/v1/query?query=%7Bjob%3D%22{job}%22%7D"),
    );
    let mut found = BTreeMap::new();
    for sample in data["result"].as_array().unwrap() {
        let labels = sample["metric"].as_object().unwrap();
        let mut labels: BTreeMap<_, _> = labels
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        labels.remove("job");
        labels.remove("instance");
        let name = labels.remove("__name__").unwrap();
        let Some(value) = sample["value"][1].as_str() else {
            continue;
        };
        if name != "up" && !name.starts_with("scrape_") {
            found.insert((name, labels), value.to_owned());
        }
    }
    found
}

#[test]
fn a_prometheus_scrapes_what_we_write_and_has_the_same_samples() {
    let Some(program) = find("PROMETHEUS", "prometheus") else {
        return skipped("prometheus");
    };
    let text = node_exporter().map(|exporter| text_of(&exporter));
    let mut made = families(text.as_deref());
    let native = Histogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: 2.0,
        count: 9.0,
        sum: 12.5,
        positive: Buckets {
            spans: vec![
                BucketSpan {
                    offset: 0,
                    length: 2,
                },
                BucketSpan {
                    offset: 3,
                    length: 1,
                },
            ],
            counts: vec![1.0, 2.0, 4.0],
        },
        ..Histogram::default()
    };
    let mut sample = float("test_native", &[("a", "b")], 0.0);
    sample.value = SampleValue::Histogram(Arc::new(native));
    made.push(family("test_native", Kind::Histogram, vec![sample]));
    let body = |protocol| {
        let escaping = Escaping::Underscores;
        let content_type = Answer { protocol, escaping }.content_type();
        (content_type, write(protocol, escaping, &made))
    };
    let jobs = ["text", "open", "protobuf"];
    let protocols = [Protocol::Text0, Protocol::OpenMetrics1, Protocol::Protobuf];
    let paths = jobs.iter().map(|job| format!("/{job}"));
    let (target, asks) = serve(paths.zip(protocols.map(body)).collect());
    let dir = tempfile::tempdir().unwrap();
    let prometheus = prometheus(&program, dir.path(), &target, &jobs);
    // Who is asked a second time has been stored the first time.
    let mut times = BTreeMap::<String, usize>::new();
    while times.len() < 3 || times.values().any(|times| *times < 2) {
        let (path, accept) = asks.recv().unwrap();
        assert!(
            format_of(accept.split(',').next(), None).is_ok(),
            "{accept}"
        );
        *times.entry(path).or_default() += 1;
    }
    for (job, protocol) in jobs.into_iter().zip(protocols) {
        let got = samples(&prometheus, job);
        let read = collect(
            protocol.format(),
            write(protocol, Escaping::Underscores, &made),
        )
        .unwrap();
        compare(job, &got, &read);
    }
    let native = "/api/v1/query?query=histogram_quantile(0.9%2Ctest_native)%2Bhistogram_sum(test_native)*0%2Bhistogram_count(test_native)";
    let answer = ask(&prometheus, native);
    let value: f64 = answer["result"][0]["value"][1]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    // The 8.1st of 9 lies in the last bucket, (2^2, 2^2.5], 2^-0.5 apart: 4 of 9 are in it.
    assert!((9.0 + 4.0..9.0 + 5.7).contains(&value), "{answer}");
    let exemplars = ask(
        &prometheus,
        "/api/v1/query_exemplars?query=test_requests_total&start=0&end=9999999999",
    );
    let jobs = exemplars.as_array().unwrap().iter().map(|series| {
        assert_eq!(
            series["exemplars"][0]["labels"]["trace_id"],
            "4bf92f3577b34da6"
        );
        series["seriesLabels"]["job"].as_str().unwrap().to_owned()
    });
    let jobs: std::collections::BTreeSet<_> = jobs.collect();
    assert_eq!(jobs, ["open".to_owned(), "protobuf".to_owned()].into());
}

/// Whether Prometheus has what our reader read; starts are samples to it.
fn compare(
    job: &str,
    got: &BTreeMap<(String, BTreeMap<String, String>), String>,
    read: &Collected,
) {
    let mut expected = BTreeMap::new();
    for kept in &read.samples {
        let Value::Float(bits) = kept.value else {
            continue;
        };
        let mut labels: BTreeMap<_, _> = kept.labels.iter().cloned().collect();
        // Prometheus before version 3 keeps bounds as they are written.
        labels.retain(|_, value| !value.is_empty());
        expected.insert((kept.name.clone(), labels), f64::from_bits(bits));
        if let Some(start) = kept.start.filter(|_| job == "open") {
            let stem = kept.name.trim_end_matches("_total");
            let labels = kept.labels.iter().cloned().collect();
            expected.insert((format!("{stem}_created"), labels), start as f64 / 1e3);
        }
    }
    let names = |keys: Vec<&(String, BTreeMap<String, String>)>| format!("{keys:#?}");
    let got_keys = || {
        got.keys()
            .filter(|key| !expected.contains_key(key))
            .collect()
    };
    let missing = || {
        expected
            .keys()
            .filter(|key| !got.contains_key(*key))
            .collect()
    };
    assert!(
        got.len() == expected.len() && expected.keys().all(|key| got.contains_key(key)),
        "{job}: only theirs {} only ours {}",
        names(got_keys()),
        names(missing())
    );
    for (key, value) in expected {
        let theirs = match got[&key].as_str() {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            text => text.parse().unwrap(),
        };
        assert!(
            theirs.to_bits() == value.to_bits() || (theirs.is_nan() && value.is_nan()),
            "{job}: {key:?} is {theirs}, not {value}"
        );
    }
}

#[test]
fn the_bounds_leave_room_for_a_large_node() {
    let Some(exporter) = node_exporter() else {
        return skipped("prometheus-node-exporter");
    };
    let text = text_of(&exporter);
    let (bounds, samples) = (Bounds::default(), slow::read(&text).0.len());
    assert!(text.len() * 100 < Options::default().bounds.body_bytes);
    assert!(samples * 100 < bounds.samples);
}
