//! What instruments of other people's OpenTelemetry SDKs are called in PromQL: the names that
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/> says,
//! whatever the language, the protocol and the temporality.

use crate::harness::{PATIENCE, Sonde, list};
use crate::tools::{root, tool};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

/// An instrument with its unit, and the series that it becomes with their values.
///
/// Dots become underscores; a unit is a suffix in words unless the name ends with it already,
/// `{…}` is none, and `1` is `ratio` of a gauge; what only rises ends with `_total`.
const EXPECTED: [(&str, &str, f64); 14] = [
    // names.counter in {request}
    (
        r#"names_counter_total{http_route="/a"}"#,
        "names_counter_total",
        1.0,
    ),
    // names.bytes in By
    ("names_bytes_total", "names_bytes_total", 2.0),
    // names.up_down in By
    ("names_up_down_bytes", "names_up_down_bytes", 3.0),
    // names.gauge in Cel
    ("names_gauge_celsius", "names_gauge_celsius", 4.0),
    // names.share in 1
    ("names_share_ratio", "names_share_ratio", 0.5),
    // names.histogram in s, with the bounds 1 and 2
    (
        r#"names_histogram_seconds_bucket{le=~"1|1\\.0"}"#,
        "names_histogram_seconds_bucket",
        1.0,
    ),
    (
        r#"names_histogram_seconds_bucket{le=~"2|2\\.0"}"#,
        "names_histogram_seconds_bucket",
        2.0,
    ),
    (
        r#"names_histogram_seconds_bucket{le="+Inf"}"#,
        "names_histogram_seconds_bucket",
        3.0,
    ),
    (
        "names_histogram_seconds_sum",
        "names_histogram_seconds_sum",
        8.0,
    ),
    (
        "names_histogram_seconds_count",
        "names_histogram_seconds_count",
        3.0,
    ),
    // names.exponential in ms: native, or with buckets of its own
    (
        "(names_exponential_milliseconds_count or histogram_count(names_exponential_milliseconds))",
        "names_exponential_milliseconds",
        3.0,
    ),
    // names.observable.counter in s
    (
        "names_observable_counter_seconds_total",
        "names_observable_counter_seconds_total",
        11.0,
    ),
    // names.observable.up_down without a unit
    (
        "names_observable_up_down",
        "names_observable_up_down",
        -12.0,
    ),
    // names.observable.gauge in m/s
    (
        "names_observable_gauge_meters_per_second",
        "names_observable_gauge_meters_per_second",
        13.0,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn instruments_of_python_have_the_names_of_the_specification() {
    let Some(python) = tool("PYTHON") else { return };
    let app = root().join("tests/sdk/python/names.py");
    check(
        "python",
        &[python.into(), app.into()],
        &["grpc", "http/protobuf"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_of_node_have_the_names_of_the_specification() {
    if tool("NODE_SDK_DIR").is_none() {
        return;
    }
    let command = [
        "node".into(),
        root().join("tests/sdk/node/names.mjs").into(),
    ];
    check("node", &command, &["grpc", "http/protobuf", "http/json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_of_go_have_the_names_of_the_specification() {
    let Some(program) = tool("NAMES_GO") else {
        return;
    };
    check("go", &[program.into()], &["grpc", "http/protobuf"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_of_java_have_the_names_of_the_specification() {
    let Some(jars) = tool("NAMES_JAVA") else {
        return;
    };
    let jars: PathBuf = jars.join("*");
    let command = [
        "java".into(),
        "-cp".into(),
        jars.into(),
        "names.Names".into(),
    ];
    check("java", &command, &["grpc", "http/protobuf"]).await;
}

/// Runs the program with each protocol and temporality, and finds what it sent.
async fn check(language: &str, command: &[OsString], protocols: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let quiet = [
        ("agent.tail.paths", "[]"),
        ("agent.node.enabled", "false"),
        ("rules.use_rules", "false"),
        ("rules.default_alerts", "false"),
    ];
    let sonde = Sonde::up(dir.path(), &quiet).await;
    for protocol in protocols {
        for temporality in ["cumulative", "delta"] {
            let service = format!("{language}-{}-{temporality}", protocol.replace('/', "-"));
            run(command, protocol, temporality, &service, &sonde).await;
            for (query, _, expected) in EXPECTED {
                let of_service = format!("sum by (job, instance) ({query})");
                found(&sonde, &of_service, &service, expected).await;
            }
            nothing_else(&sonde, &service).await;
        }
    }
    assert!(sonde.stop().await.success());
}

async fn run(
    command: &[OsString],
    protocol: &str,
    temporality: &str,
    service: &str,
    sonde: &Sonde,
) {
    let door = match protocol {
        "grpc" => "otlp.grpc",
        _ => "otlp.http",
    };
    let endpoint = format!("http://{}", sonde.address(door));
    let mut program = tokio::process::Command::new(&command[0]);
    program.args(&command[1..]).args([
        "--protocol",
        protocol,
        "--endpoint",
        &endpoint,
        "--temporality",
        temporality,
        "--service",
        service,
    ]);
    let output = tokio::time::timeout(PATIENCE, program.kill_on_drop(true).output())
        .await
        .expect("the program ends")
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{service}: {errors}\n{}",
        sonde.log()
    );
}

/// The value of the service's series, under its `job` and `instance`.
async fn found(sonde: &Sonde, query: &str, service: &str, expected: f64) {
    let is_it = |one: &&Value| {
        let labels = &one["metric"];
        labels["job"] == service && labels["instance"] == format!("{service}-1")
    };
    let equal = |answer: &Value| {
        let one = list(&answer["data"], "result").iter().find(is_it);
        let value = one.and_then(|one| one["value"][1].as_str()?.parse::<f64>().ok());
        value == Some(expected)
    };
    sonde
        .until("/api/v1/query", &[("query", query)], equal)
        .await;
}

/// The service has no series of another name. `target_info` is of its resource, and what an SDK
/// measures of itself begins with `otel_sdk_`.
async fn nothing_else(sonde: &Sonde, service: &str) {
    let selector = format!("{{job=\"{service}\"}}");
    let path = "/api/v1/label/__name__/values";
    let answer = sonde.get(path, &[("match[]", &selector)]).await;
    let names = list(&answer, "data").iter().filter_map(Value::as_str);
    let exponential = "names_exponential_milliseconds";
    let whole = |name: &str| match name.starts_with(exponential) {
        true => exponential.to_owned(),
        false => name.to_owned(),
    };
    let is_own = |name: &&str| *name == "target_info" || name.starts_with("otel_sdk_");
    let names: BTreeSet<String> = names.filter(|n| !is_own(n)).map(whole).collect();
    let expected: BTreeSet<String> = EXPECTED.iter().map(|(_, n, _)| (*n).to_owned()).collect();
    assert_eq!(names, expected, "{service}");
}
