//! The commands that answer: lookup, query, status, check.

use crate::harness::{Sonde, client, sonde};
use serde_json::{Value, json};

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

/// One trace of two services with a log line, as OTLP's JSON.
async fn send_one_request(sonde: &Sonde) {
    let now = jiff::Timestamp::now().as_nanosecond() as u64;
    let resource = |service: &str| json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]});
    let span = |id: &str, parent: &str, name: &str, kind: u8, status: u8| {
        json!({"traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": name, "kind": kind,
            "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 30_000_000).to_string(),
            "attributes": [{"key": "http.request.header.x-request-id", "value": {"arrayValue": {"values": [{"stringValue": "req-7f3a"}]}}}],
            "status": {"code": status}})
    };
    let scope = |span: Value| json!([{"spans": [span]}]);
    let traces = json!({"resourceSpans": [
        {"resource": resource("web"), "scopeSpans": scope(span("00000000000000a1", "", "GET /cart", 2, 0))},
        {"resource": resource("cart"), "scopeSpans": scope(span("00000000000000b2", "00000000000000a1", "load", 2, 2))},
    ]});
    let record = json!({"timeUnixNano": now.to_string(), "severityNumber": 17, "severityText": "ERROR",
        "body": {"stringValue": "cannot load cart: timeout"}, "traceId": TRACE, "spanId": "00000000000000b2"});
    let logs = json!({"resourceLogs": [{"resource": resource("cart"), "scopeLogs": [{"logRecords": [record]}]}]});
    for (path, body) in [("traces", traces), ("logs", logs)] {
        let url = format!("http://{}/v1/{path}", sonde.address("otlp.http"));
        let response = client().post(url).json(&body).send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{}",
            response.text().await.unwrap()
        );
    }
    let whole =
        |found: &Value| found["logs"][0].is_object() && found["traces"][0]["spans"][1].is_object();
    sonde
        .until(&format!("/sonde/v1/lookup/{TRACE}"), &[], whole)
        .await;
}

async fn ask(server: &Sonde, arguments: &[&str]) -> (bool, String) {
    let url = server.url("");
    let mut all = arguments.to_vec();
    all.extend(["--url", &url]);
    let output = sonde(&all).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_looked_up_queried_and_counted_from_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(
        dir.path(),
        &[("agent.tail.paths", "[]"), ("agent.node.enabled", "false")],
    )
    .await;
    send_one_request(&server).await;
    for id in [TRACE, "req-7f3a", "00000000000000b2"] {
        let (ok, text) = ask(&server, &["lookup", id]).await;
        assert!(ok, "{text}");
        for part in [
            "web GET /cart",
            "    cart load",
            "cannot load cart: timeout",
            "█",
        ] {
            assert!(text.contains(part), "{id}: {part:?} is not in\n{text}");
        }
    }
    let (ok, text) = ask(&server, &["lookup", "no-such-id"]).await;
    assert!(!ok && text.contains("nothing carries this ID"), "{text}");
    let (ok, text) = ask(&server, &["lookup", TRACE, "--json"]).await;
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(ok && found["traces"][0]["trace_id"] == TRACE, "{text}");

    let (ok, text) = ask(
        &server,
        &["query", "logs", "{service_name=\"cart\"} |= \"timeout\""],
    )
    .await;
    assert!(
        ok && text.contains("error cart cannot load cart: timeout"),
        "{text}"
    );
    let (ok, text) = ask(
        &server,
        &[
            "query",
            "traces",
            "{ resource.service.name = \"cart\" && status = error }",
        ],
    )
    .await;
    assert!(
        ok && text.contains(TRACE) && text.contains("web GET /cart"),
        "{text}"
    );
    let counted = |answer: &Value| answer["data"]["result"][0].is_object();
    let calls = "sum by (service) (traces_spanmetrics_calls_total)";
    server
        .until("/api/v1/query", &[("query", calls)], counted)
        .await;
    let (ok, text) = ask(&server, &["query", "metrics", calls]).await;
    assert!(ok && text.contains("service=\"web\""), "{text}");
    let (ok, text) = ask(&server, &["status"]).await;
    assert!(ok && text.contains("stores.logs"), "{text}");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_query_is_answered_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(
        dir.path(),
        &[("agent.tail.paths", "[]"), ("agent.node.enabled", "false")],
    )
    .await;
    for query in [
        ["query", "logs", "{service=}"],
        ["query", "metrics", "sum(rate(x[5m])"],
        ["query", "traces", "{ duration > soon }"],
    ] {
        let (ok, text) = ask(&server, &query).await;
        assert!(!ok, "{query:?}: {text}");
        assert!(text.contains('1') && text.len() > 20, "{query:?}: {text}");
    }
    let (ok, text) = ask(
        &server,
        &[
            "query",
            "logs",
            "{service=\"a\"} |~ \"((a{100}){100}){100}\"",
        ],
    )
    .await;
    assert!(!ok, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_named() {
    let output = sonde(&["lookup", "x", "--url", "http://127.0.0.1:1"]).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.contains("cannot reach the collector at http://127.0.0.1:1"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_lists_every_problem_of_every_file_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let config = write(
        "sonde.yaml",
        "http:\n  listne: 127.0.0.1:0\njournal:\n  bytes_max: lots\n",
    );
    let rules = write(
        "rules.yaml",
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n    fro: 1m\n",
    );
    let routing = write(
        "alerts.yaml",
        "route:\n  receiver: nobody\nreceivers:\n- name: somebody\n",
    );
    let output = sonde(&["check", &config, &rules, &routing]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    for part in [
        format!("{config}:2:3:"),
        "listen".into(),
        format!("{config}:4:"),
        format!("{rules}:5:"),
        format!("{rules}:6:5:"),
        format!("{routing}:2:"),
        "nobody".into(),
    ] {
        assert!(text.contains(&part), "{part:?} is not in\n{text}");
    }
    let good = write("good.yaml", "http:\n  listen: 127.0.0.1:0\n");
    let output = sonde(&["check", &good]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
