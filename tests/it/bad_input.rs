//! What is wrong is said once and clearly, is counted, and harms nobody else.

use crate::harness::{Sonde, client, free_address, list, set, sonde};
use serde_json::{Value, json};
use std::io::Write as _;

async fn up(dir: &std::path::Path, extra: &[(&str, &str)]) -> Sonde {
    let mut all = vec![("agent.node.enabled", "false")];
    if !extra.iter().any(|(key, _)| *key == "agent.tail.paths") {
        all.push(("agent.tail.paths", "[]"));
    }
    all.extend(extra);
    Sonde::up(dir, &all).await
}

async fn counted(server: &Sonde, line: &str) -> bool {
    let metrics = client()
        .get(server.url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    metrics.lines().any(|found| found.starts_with(line))
}

/// A neighbour's record goes through as if nothing had happened.
async fn a_neighbour_is_served(server: &Sonde) {
    let body = json!({"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "neighbour"}}]},
        "scopeLogs": [{"logRecords": [{"body": {"stringValue": "still here"}}]}]}]});
    let url = format!("http://{}/v1/logs", server.address("otlp.http"));
    assert!(
        client()
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    let found = |answer: &Value| !list(answer, "records").is_empty();
    server
        .until(
            "/sonde/v1/logs",
            &[("query", "{service_name=\"neighbour\"}")],
            found,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_stops_the_start_with_its_place_and_the_nearest_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("sonde.yaml");
    std::fs::write(&config, "http:\n  lisen: 127.0.0.1:0\n").unwrap();
    let output = sonde(&["up", "--config", config.to_str().unwrap()]).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.contains("sonde.yaml:2:3: unknown key `lisen`") && text.contains("`listen`"),
        "{text}"
    );
    let output = sonde(&["up", "--config", "/no/such/file.yaml"]).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("cannot read /no/such/file.yaml"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_or_a_directory_in_use_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = up(dir.path(), &[]).await;
    let taken = server.address("otlp.grpc").to_string();
    let other = tempfile::tempdir().unwrap();
    let free = [
        ("http.listen", "127.0.0.1:0"),
        ("otlp.http.listen", "127.0.0.1:0"),
    ];
    let data = other.path().to_str().unwrap();
    let arguments = set(&[
        free[0],
        free[1],
        ("otlp.grpc.listen", &taken),
        ("data_dir", data),
    ]);
    let mut all = vec!["up"];
    all.extend(arguments.iter().map(String::as_str));
    let output = sonde(&all).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains(&taken) && text.contains("otlp.grpc.listen"),
        "{text}"
    );

    let used = dir.path().join("data");
    let arguments = set(&[
        free[0],
        free[1],
        ("otlp.grpc.listen", "127.0.0.1:0"),
        ("data_dir", used.to_str().unwrap()),
    ]);
    let mut all = vec!["up"];
    all.extend(arguments.iter().map(String::as_str));
    let output = sonde(&all).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("in use"),
        "{text}"
    );
    a_neighbour_is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_oversized_requests_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = up(dir.path(), &[]).await;
    let url = |path: &str| format!("http://{}/v1/{path}", server.address("otlp.http"));
    for path in ["logs", "traces", "metrics"] {
        let garbage = client()
            .post(url(path))
            .header("content-type", "application/x-protobuf")
            .body(vec![0xff; 100]);
        assert_eq!(garbage.send().await.unwrap().status(), 400, "{path}");
        let garbage = client()
            .post(url(path))
            .header("content-type", "application/json")
            .body("{\"resourceLogs\": 5");
        assert_eq!(garbage.send().await.unwrap().status(), 400, "{path}");
    }
    let unknown = client()
        .post(url("logs"))
        .header("content-type", "text/plain")
        .body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 415);
    let huge = client()
        .post(url("logs"))
        .header("content-type", "application/x-protobuf")
        .body(vec![0; 100 << 20]);
    // The door may close before all of it is sent, so an answer need not come back.
    if let Ok(response) = huge.send().await {
        assert_eq!(response.status(), 413);
    }
    assert!(
        counted(
            &server,
            "sonde_collector_refused_requests_total{signal=\"logs\",reason=\"too_large\"} 1"
        )
        .await
    );
    assert!(
        counted(
            &server,
            "sonde_collector_refused_requests_total{signal=\"logs\",reason=\"malformed\"} 3"
        )
        .await
    );
    a_neighbour_is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_100_mib_over_grpc_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = up(dir.path(), &[]).await;
    use sonde_proto::otlp::{logs, logs_service};
    let endpoint = format!("http://{}", server.address("otlp.grpc"));
    let mut sender = logs_service::logs_service_client::LogsServiceClient::connect(endpoint)
        .await
        .unwrap();
    let body = sonde_proto::otlp::common::any_value::Value::StringValue("x".repeat(100 << 20));
    let record = logs::LogRecord {
        body: Some(sonde_proto::otlp::common::AnyValue { value: Some(body) }),
        ..logs::LogRecord::default()
    };
    let scope = logs::ScopeLogs {
        log_records: vec![record],
        ..logs::ScopeLogs::default()
    };
    let resource = logs::ResourceLogs {
        scope_logs: vec![scope],
        ..logs::ResourceLogs::default()
    };
    let request = logs_service::ExportLogsServiceRequest {
        resource_logs: vec![resource],
    };
    let refused = sender.export(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted, "{refused}");
    assert!(
        counted(
            &server,
            "sonde_collector_refused_requests_total{signal=\"logs\",reason=\"too_large\"} 1"
        )
        .await
    );
    a_neighbour_is_served(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_utf8_and_a_file_that_vanishes_cost_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let pods = dir.path().join("pods");
    let folder = pods
        .join("it_odd-0_00000000-0000-4000-8000-000000000001")
        .join("odd");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::File::create(folder.join("0.log")).unwrap();
    let now = jiff::Timestamp::now();
    file.write_all(format!("{now:.9} stdout F before\n{now:.9} stdout F caf").as_bytes())
        .unwrap();
    file.write_all(b"\xff\xfe au lait\n").unwrap();
    file.write_all(format!("{now:.9} stdout F after\n").as_bytes())
        .unwrap();
    let paths = format!("[{}/*/*/*.log]", pods.display());
    let server = up(
        dir.path(),
        &[
            ("agent.tail.paths", &paths),
            ("agent.tail.from_beginning", "true"),
        ],
    )
    .await;
    let three = |answer: &Value| list(answer, "records").len() == 3;
    let answer = server
        .until(
            "/sonde/v1/logs",
            &[("query", "{service_name=\"odd\"}")],
            three,
        )
        .await;
    assert!(answer.to_string().contains("caf\u{fffd}"), "{answer:#}");
    std::fs::remove_file(folder.join("0.log")).unwrap();
    a_neighbour_is_served(&server).await;
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_collector_says_so_and_goes_on_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_address().to_string();
    let endpoint = format!("http://{port}");
    let file = dir.path().join("app.log");
    std::fs::write(&file, "first line\n").unwrap();
    let paths = format!("[{}]", file.display());
    let extra = [
        ("agent.export.endpoint", endpoint.as_str()),
        ("agent.tail.paths", &paths),
        ("agent.tail.from_beginning", "true"),
        ("agent.node.enabled", "false"),
    ];
    let mut agent = Sonde::start("agent", dir.path(), &extra, &[]).await;
    agent.logged(&port).await;
    let collector = Sonde::start(
        "collector",
        dir.path(),
        &[("otlp.grpc.listen", &port)],
        &["http"],
    )
    .await;
    let one = |answer: &Value| list(answer, "records").len() == 1;
    collector
        .until("/sonde/v1/logs", &[("query", "{} |= \"first line\"")], one)
        .await;
    assert!(agent.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_files_are_clean() {
    let file = |name: &str| {
        crate::tools::root()
            .join("deploy")
            .join(name)
            .display()
            .to_string()
    };
    let output = sonde(&["check", &file("sonde.example.yaml")]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// What is no span, at the doors for other formats and in the questions of other dialects.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_span_is_refused_in_the_senders_words_and_costs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = up(dir.path(), &[]).await;
    let deep = format!("[{{\"tags\":{}", "{\"a\":".repeat(100_000));
    let many = format!("[{}{{}}]", "{},".repeat(1 << 20));
    let zipkin = "/api/v2/spans";
    let thrift = "/api/traces?format=jaeger.thrift";
    for (path, kind, body, status, said) in [
        (
            zipkin,
            "application/json",
            "",
            400,
            "no list of Zipkin's spans",
        ),
        (
            zipkin,
            "application/json",
            "{\"traceId\":",
            400,
            "no list of Zipkin's spans",
        ),
        (
            zipkin,
            "application/json",
            "[{\"traceId\":1}]",
            400,
            "line 1",
        ),
        (
            zipkin,
            "application/json",
            "[{\"traceId\":\"zz\"}]",
            400,
            "span 1: traceId",
        ),
        (
            zipkin,
            "application/json",
            &deep,
            400,
            "no list of Zipkin's spans",
        ),
        (zipkin, "application/json", &many, 400, "smaller batches"),
        (zipkin, "text/plain", "[]", 415, "Content-Type"),
        (thrift, "application/x-thrift", "", 400, "cut off"),
        (
            thrift,
            "application/x-thrift",
            "\u{f}\0\u{2}\u{c}\u{7f}\u{7f}\u{7f}\u{7f}",
            400,
            "cut off",
        ),
        (thrift, "application/x-thrift", "nonsense", 400, "Thrift"),
        (thrift, "application/json", "{}", 415, "Content-Type"),
    ] {
        for port in ["http", "otlp.http"] {
            let url = format!("http://{}{path}", server.address(port));
            let request = client()
                .post(url)
                .header("Content-Type", kind)
                .body(body.to_owned());
            let answer = request.send().await.unwrap();
            let shown: String = body.chars().take(40).collect();
            assert_eq!(answer.status().as_u16(), status, "{path} {shown}");
            let text = answer.text().await.unwrap();
            assert!(text.contains(said), "{path} {shown}: {text}");
        }
    }
    for path in [
        "/tempo/api/traces/x",
        "/tempo/api/v2/traces/00000000000000000000000000000000",
        "/tempo/api/traces/1?start=x",
        "/tempo/api/traces/1?start=9&end=1",
        "/jaeger/api/traces/x",
        "/jaeger/api/traces/1?start=yesterday",
        "/jaeger/api/operations",
        "/jaeger/api/dependencies?endTs=x",
        "/jaeger/api/dependencies?lookback=-1",
    ] {
        let answer = client().get(server.url(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{path}");
        assert!(!answer.text().await.unwrap().trim().is_empty(), "{path}");
    }
    assert!(
        counted(
            &server,
            "sonde_collector_refused_requests_total{signal=\"spans\",reason=\"malformed\"} 22"
        )
        .await
    );
    a_neighbour_is_served(&server).await;
    assert!(server.stop().await.success());
}
