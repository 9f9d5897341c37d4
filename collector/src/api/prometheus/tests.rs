//! What the endpoints of the language answer, and how wrong expressions are refused.

mod endpoints;
mod targets;

use crate::{Collector, Config};
use serde_json::{Value, json};
use sonde_proto::SystemClock;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Bed {
    collector: Collector,
    _dir: tempfile::TempDir,
}

impl Bed {
    async fn new(set: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: dir.path().into(),
            ..Config::default()
        };
        config.http.listen.set_port(0);
        config.otlp.grpc.listen.set_port(0);
        config.otlp.http.listen.set_port(0);
        config.journal.reserve_bytes = 0;
        config.rules.use_rules = false;
        config.rules.default_alerts = false;
        set(&mut config);
        let collector = Collector::start(&config, Arc::new(SystemClock)).await;
        let collector = collector.unwrap();
        collector.ready().await;
        Self {
            collector,
            _dir: dir,
        }
    }

    /// By GET, or by POST with a form.
    async fn ask(&self, method: &str, endpoint: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let pairs = form.iter().map(|(name, value)| {
            let escaped: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
            format!("{name}={escaped}")
        });
        let form = pairs.collect::<Vec<_>>().join("&");
        let path = format!("/api/v1/{endpoint}");
        let request = if method == "GET" {
            format!("GET {path}?{form} HTTP/1.0\r\nHost: localhost\r\n\r\n")
        } else {
            format!(
                "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            )
        };
        let address = self.collector.addresses().http;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    async fn data(&self, endpoint: &str, query: &str) -> Value {
        let (status, body) = self.ask("GET", endpoint, &[("query", query)]).await;
        assert_eq!(
            (status, &body["status"]),
            (200, &json!("success")),
            "{body}"
        );
        let posted = self.ask("POST", endpoint, &[("query", query)]).await.1;
        if endpoint != "query" {
            assert_eq!(posted, body);
        }
        body["data"].clone()
    }

    async fn refused(&self, endpoint: &str, form: &[(&str, &str)], error: &str) {
        let (status, body) = self.ask("GET", endpoint, form).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(
            body,
            json!({"status": "error", "errorType": "bad_data", "error": error})
        );
    }
}

#[tokio::test]
async fn an_expression_is_formatted_and_taken_apart() {
    let bed = Bed::new(|_| {}).await;
    let written = bed.data("format_query", "sum( rate(m[ 5m ])) by(a)").await;
    assert_eq!(written, "sum by (a) (rate(m[5m]))");
    let tree = bed.data("parse_query", "-1 + time()").await;
    assert_eq!(tree["type"], "binaryExpr");
    assert_eq!(tree["lhs"], json!({"type": "numberLiteral", "val": "-1"}));
    assert_eq!(tree["rhs"]["func"]["returnType"], "scalar");
}

#[tokio::test]
async fn a_wrong_expression_is_refused_in_prometheus_words() {
    let bed = Bed::new(|_| {}).await;
    let wrong = "1:4: parse error: unexpected end of input";
    let framed = format!("invalid parameter \"query\": {wrong}");
    for endpoint in ["query", "format_query", "parse_query", "query_exemplars"] {
        bed.refused(endpoint, &[("query", "1 +")], &framed).await;
    }
    let range = [
        ("query", "1 +"),
        ("start", "0"),
        ("end", "9"),
        ("step", "1"),
    ];
    bed.refused("query_range", &range, wrong).await;
    bed.refused(
        "series",
        &[("match[]", "{}")],
        "invalid parameter \"match[]\": 1:1: parse error: vector selector must contain at least one non-empty matcher",
    )
    .await;
    bed.refused(
        "format_query",
        &[],
        "invalid parameter \"query\": 1:1: parse error: no expression found in input",
    )
    .await;
}

#[tokio::test]
async fn numbers_are_written_as_prometheus_writes_them() {
    let bed = Bed::new(|_| {}).await;
    let scalar = bed.data("query", "1e21").await;
    assert_eq!(scalar["result"][1], "1000000000000000000000");
    let vector = bed.data("query", "vector(1e21)").await;
    assert_eq!(vector["result"][0]["value"][1], "1e+21");
    let range = [
        ("query", "vector(1e-7)"),
        ("start", "0"),
        ("end", "1"),
        ("step", "1"),
    ];
    let (_, matrix) = bed.ask("GET", "query_range", &range).await;
    assert_eq!(matrix["data"]["result"][0]["values"][1][1], "1e-07");
}

#[tokio::test]
async fn warnings_and_infos_stand_beside_the_data() {
    let bed = Bed::new(|_| {}).await;
    let query = [("query", "histogram_quantile(2, vector(1))")];
    let (status, body) = bed.ask("GET", "query", &query).await;
    assert_eq!(status, 200, "{body}");
    let wanted = json!([
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)",
        "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"\" (1:23)",
    ]);
    assert_eq!(body["warnings"], wanted);
    assert_eq!(body.get("infos"), None);
    let query = [("query", "vector(1)")];
    let (_, body) = bed.ask("GET", "query", &query).await;
    assert_eq!((body.get("warnings"), body.get("infos")), (None, None));
}

#[tokio::test]
async fn what_a_query_may_take_is_configured() {
    let bed = Bed::new(|config| config.metrics.query_samples_max = 10).await;
    let (status, body) = bed.ask("GET", "query", &[("query", "vector(1)")]).await;
    assert_eq!(status, 200, "{body}");
    let range = [
        ("query", "vector(1)"),
        ("start", "0"),
        ("end", "10"),
        ("step", "1"),
    ];
    let (status, body) = bed.ask("GET", "query_range", &range).await;
    assert_eq!(status, 422, "{body}");
    let told = body["error"].as_str().unwrap();
    assert!(told.contains("raise metrics.query_samples_max"), "{told}");
}

#[tokio::test]
async fn experiments_are_behind_switches() {
    let bed = Bed::new(|_| {}).await;
    let refused =
        "invalid parameter \"query\": 1:1: parse error: function \"start\" is not enabled";
    bed.refused("query", &[("query", "start()")], refused).await;
    let bed = Bed::new(|config| config.metrics.features.experimental_functions = true).await;
    let form = [("query", "start()"), ("time", "5")];
    let (status, body) = bed.ask("GET", "query", &form).await;
    assert_eq!((status, &body["data"]["result"][1]), (200, &json!("5")));
}
