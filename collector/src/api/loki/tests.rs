//! Every endpoint of a whole collector, over lines that were pushed to it: the shapes that
//! clients read.

mod bounds;
mod delete;
mod strangers;
mod tail;

use crate::{Collector, Config};
use serde_json::{Value, json};
use sonde_proto::{Clock as _, Position, SystemClock};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Bed {
    collector: Collector,
    /// A second in the past, in nanoseconds; lines are 10 ms apart from there on.
    begin: u64,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Bed {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut Config)) -> Self {
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
        let clock = Arc::new(SystemClock);
        let begin = clock.now().0 - 1_000_000_000;
        let collector = Collector::start(&config, clock).await.unwrap();
        collector.ready().await;
        Self {
            collector,
            begin,
            _dir: dir,
        }
    }

    async fn pushed() -> Self {
        Self::pushed_with(|_| {}).await
    }

    async fn pushed_with(set: impl FnOnce(&mut Config)) -> Self {
        let bed = Self::with(set).await;
        let time = |n: u64| (bed.begin + n * 10_000_000).to_string();
        let body = json!({"streams": [
            {
                "stream": {"app": "shop", "env": "prod", "level": "info"},
                "values": [
                    [time(0), r#"{"method": "GET", "status": 200, "took": "5ms"}"#, {"pod": "p-1"}],
                    [time(1), r#"{"method": "GET", "status": 200, "took": "7ms"}"#, {"pod": "p-2"}],
                    [time(2), r#"{"method": "POST", "status": 500, "took": "9ms"}"#, {"pod": "p-1", "trace_id": "0af7651916cd43dd8448eb211c80319c"}],
                ],
            },
            {"stream": {"app": "pay", "env": "prod"}, "values": [[time(3), "level=error user=17 it broke"]]},
        ]});
        let (status, text) = bed
            .post("/loki/api/v1/push", "application/json", &body.to_string())
            .await;
        assert_eq!((status, text.as_str()), (204, ""));
        let mut applied = bed.collector.logs_applied();
        applied.wait_for(|to| *to >= Position(1)).await.unwrap();
        bed
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.get_with(path, parameters, "").await
    }

    async fn get_with(&self, path: &str, parameters: &[(&str, &str)], headers: &str) -> Answer {
        let query = form(parameters);
        let head = format!("GET {path}?{query} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        let (status, text) = self.exchange(head).await;
        Answer { status, text }
    }

    async fn post(&self, path: &str, content_type: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.exchange(request).await
    }

    async fn exchange(&self, request: String) -> (u16, String) {
        let mut socket = TcpStream::connect(self.collector.addresses().http)
            .await
            .unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn time(&self, n: u64) -> String {
        (self.begin + n * 10_000_000).to_string()
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        let one = |b: u8| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        };
        text.bytes().map(one).collect()
    };
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_as_streams_with_labels_folded_or_apart() {
    let bed = Bed::pushed().await;
    let all = [("query", r#"{app="shop"}"#), ("direction", "forward")];
    let folded = bed.get("/loki/api/v1/query_range", &all).await.json();
    assert_eq!(folded["status"], "success");
    assert_eq!(folded["data"]["resultType"], "streams");
    assert_eq!(folded["data"]["result"][0]["stream"]["pod"], "p-1");
    assert_eq!(folded["data"]["result"][0]["values"][0][0], bed.time(0));
    assert_eq!(
        folded["data"]["result"][0]["values"][0]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(
        folded["data"]["stats"]["summary"]["totalLinesProcessed"]
            .as_u64()
            .unwrap()
            >= 3
    );
    assert_eq!(folded["data"]["encodingFlags"], Value::Null);
    let flags = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";
    let apart = bed
        .get_with("/loki/api/v1/query_range", &all, flags)
        .await
        .json();
    assert_eq!(apart["data"]["encodingFlags"], json!(["categorize-labels"]));
    let streams = apart["data"]["result"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "{apart:#}");
    assert_eq!(
        streams[0]["stream"],
        json!({"app": "shop", "env": "prod", "level": "info", "service_name": "shop"})
    );
    let third = &streams[0]["values"][2];
    assert_eq!(third[0], bed.time(2));
    assert_eq!(
        third[2]["structuredMetadata"]["trace_id"],
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(third[2]["structuredMetadata"]["detected_level"], "info");
    let parsed = [("query", r#"{app="shop"} | json | status=500"#)];
    let parsed = bed
        .get_with("/loki/api/v1/query_range", &parsed, flags)
        .await
        .json();
    let value = &parsed["data"]["result"][0]["values"][0];
    assert_eq!(value[2]["parsed"]["method"], "POST");
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_limit_and_period_are_as_asked() {
    let bed = Bed::pushed().await;
    let times = async |more: &[(&str, &str)]| {
        let mut parameters = vec![(
            "query",
            r#"{env="prod"} | drop pod, trace_id, severity_text, detected_level"#,
        )];
        parameters.extend_from_slice(more);
        let answer = bed
            .get("/loki/api/v1/query_range", &parameters)
            .await
            .json();
        let streams = answer["data"]["result"].as_array().unwrap().clone();
        let values = streams
            .iter()
            .flat_map(|s| s["values"].as_array().unwrap().clone());
        values
            .map(|v| v[0].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let (first, third) = (bed.time(0), bed.time(2));
    assert_eq!(times(&[("limit", "1")]).await, [bed.time(3)]);
    assert_eq!(
        times(&[("limit", "1"), ("direction", "FORWARD")]).await,
        std::slice::from_ref(&first)
    );
    let period = [
        ("start", first.as_str()),
        ("end", third.as_str()),
        ("direction", "forward"),
    ];
    assert_eq!(times(&period).await, [first.clone(), bed.time(1)]);
    let (status, text) = bed
        .post(
            "/loki/api/v1/query_range",
            "application/x-www-form-urlencoded",
            &form(&[("query", r#"{app="pay"}"#)]),
        )
        .await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("it broke"), "{text}");
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_come_as_vectors_and_matrices() {
    let bed = Bed::pushed().await;
    let health = [("query", "vector(1)+vector(1)")];
    let health = bed.get("/loki/api/v1/query", &health).await.json();
    assert_eq!(health["data"]["resultType"], "vector");
    let result = health["data"]["result"].as_array().unwrap();
    assert_eq!(result.len(), 1);
    assert_eq!(result[0]["metric"], json!({}));
    assert_eq!(result[0]["value"][1], "2");
    assert!(result[0]["value"][0].is_number());
    let count = [(
        "query",
        r#"sum by (app) (count_over_time({env="prod"}[1m]))"#,
    )];
    let count = bed.get("/loki/api/v1/query", &count).await.json();
    let mut found: Vec<_> = count["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["metric"]["app"].clone(), s["value"][1].clone()))
        .collect();
    found.sort_by_key(|(app, _)| app.to_string());
    assert_eq!(
        found,
        [(json!("pay"), json!("1")), (json!("shop"), json!("3"))]
    );
    let volume = [
        (
            "query",
            r#"sum by (level, detected_level) (count_over_time({app="shop"} | drop __error__[1s]))"#,
        ),
        ("step", "1000ms"),
        ("start", &bed.time(0)),
        ("end", &bed.time(200)),
    ];
    let volume = bed.get("/loki/api/v1/query_range", &volume).await.json();
    assert_eq!(volume["data"]["resultType"], "matrix");
    let series = &volume["data"]["result"][0];
    assert_eq!(
        series["metric"],
        json!({"level": "info", "detected_level": "info"})
    );
    assert!(series["values"][0][0].is_number() && series["values"][0][1].is_string());
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_series_and_index_say_what_there_is() {
    let bed = Bed::pushed().await;
    let data = async |path: &str, parameters: &[(&str, &str)]| {
        bed.get(path, parameters).await.json()["data"].clone()
    };
    assert_eq!(
        data("/loki/api/v1/labels", &[]).await,
        json!(["app", "env", "level", "service_name"])
    );
    assert_eq!(
        data("/loki/api/v1/label/app/values", &[]).await,
        json!(["pay", "shop"])
    );
    let query = [("query", r#"{level="error"}"#)];
    assert_eq!(
        data("/loki/api/v1/label/app/values", &query).await,
        json!(["pay"])
    );
    let matched = [
        ("match[]", r#"{app="pay"}"#),
        ("match[]", r#"{app="none"}"#),
    ];
    assert_eq!(
        data("/loki/api/v1/series", &matched).await,
        json!([{"app": "pay", "env": "prod", "level": "error", "service_name": "pay"}])
    );
    let stats = [("query", r#"{app="shop"}"#)];
    let stats = bed.get("/loki/api/v1/index/stats", &stats).await.json();
    assert_eq!(
        (&stats["streams"], &stats["entries"]),
        (&json!(1), &json!(3))
    );
    let bytes = stats["bytes"].as_u64().unwrap();
    assert!(bytes > 100, "{stats}");
    let volume = [("query", "{}"), ("targetLabels", "app")];
    let volume = data("/loki/api/v1/index/volume", &volume).await;
    assert_eq!(volume["resultType"], "vector");
    assert_eq!(volume["result"][0]["metric"], json!({"app": "shop"}));
    assert_eq!(volume["result"][0]["value"][1], bytes.to_string());
    let by_label = [("query", r#"{app=~".+"}"#), ("aggregateBy", "labels")];
    let by_label = data("/loki/api/v1/index/volume", &by_label).await;
    assert_eq!(by_label["result"][0]["metric"], json!({"app": ""}));
    let range = [("query", r#"{app="shop"}"#), ("step", "60s")];
    let range = data("/loki/api/v1/index/volume_range", &range).await;
    assert_eq!(range["resultType"], "matrix");
    let sum: f64 = range["result"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v[1].as_str().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(sum as u64, bytes);
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_labels_and_patterns_are_detected() {
    let bed = Bed::pushed().await;
    let shop = [("query", r#"{app="shop"}"#)];
    let fields = bed.get("/loki/api/v1/detected_fields", &shop).await.json();
    assert_eq!(fields["limit"], 1000);
    let field = |name: &str| {
        let fields = fields["fields"].as_array().unwrap();
        fields.iter().find(|f| f["label"] == name).cloned().unwrap()
    };
    assert_eq!(
        field("status"),
        json!({"label": "status", "type": "int", "cardinality": 2, "parsers": ["json"], "jsonPath": ["status"]})
    );
    assert_eq!(field("took")["type"], "duration");
    assert_eq!(field("pod")["parsers"], json!([]));
    let values = bed
        .get("/loki/api/v1/detected_field/method/values", &shop)
        .await
        .json();
    assert_eq!(values["values"], json!(["GET", "POST"]));
    let labels = bed.get("/loki/api/v1/detected_labels", &[]).await.json();
    let labels = labels["detectedLabels"].as_array().unwrap().clone();
    assert!(
        labels.contains(&json!({"label": "app", "cardinality": 2})),
        "{labels:?}"
    );
    let patterns = bed.get("/loki/api/v1/patterns", &shop).await.json();
    let first = &patterns["data"][0];
    assert!(
        first["pattern"].is_string() && first["samples"][0][0].is_u64(),
        "{patterns}"
    );
    let counted = first["samples"].as_array().unwrap().iter();
    let counted: u64 = counted.map(|sample| sample[1].as_u64().unwrap()).sum();
    assert_eq!(counted, 3, "{patterns}");
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_endpoints_answer() {
    let bed = Bed::new().await;
    let query = [("query", r#"sum(rate({app="x"}|="y"[5m]))by(a)"#)];
    let formatted = bed.get("/loki/api/v1/format_query", &query).await.json();
    let expected = r#"sum by (a) (rate({app="x"} |= "y" [5m]))"#;
    assert_eq!(formatted["data"], expected);
    let version = bed.get("/loki/api/v1/status/buildinfo", &[]).await.json();
    assert!(version["version"].is_string());
    assert_eq!(bed.get("/ready", &[]).await.status, 200);
    assert_eq!(bed.get("/loki/api/v1/rules", &[]).await.text, "{}\n");
    let nothing = bed
        .get("/loki/api/v1/query_range", &[("query", "{}")])
        .await
        .json();
    assert_eq!(nothing["data"]["result"], json!([]));
    let explained = [(
        "query",
        r#"sum(count_over_time({app="x"} |= "needle" [5m]))"#,
    )];
    let explained = bed.get("/sonde/v1/explain", &explained).await.json();
    assert_eq!(
        explained["scans"][0]["line_filters"][0]["narrows_by_one_of"],
        json!(["needle"]),
        "{explained:#}"
    );
    assert!(
        explained["read"]["segments_visited"].is_u64(),
        "{explained:#}"
    );
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_refused_in_plain_text() {
    let bed = Bed::new().await;
    let check = async |path: &str, parameters: &[(&str, &str)], status: u16, text: &str| {
        let answer = bed.get(path, parameters).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(text), "{}", answer.text);
        assert!(!answer.text.starts_with('{'), "{}", answer.text);
    };
    let range = "/loki/api/v1/query_range";
    check(
        range,
        &[("query", r#"{app="x"} |= "#)],
        400,
        "parse error at line 1, col ",
    )
    .await;
    check(range, &[], 400, "\"query\" is missing").await;
    let long = [("query", "{}"), ("limit", "5001")];
    check(range, &long, 400, "max entries limit per query exceeded").await;
    let fine = [("query", "rate({}[1m])"), ("step", "1ms")];
    check(range, &fine, 400, "exceeded maximum resolution").await;
    let turned = [
        ("query", "{}"),
        ("start", "2000000000"),
        ("end", "1000000000"),
    ];
    check(range, &turned, 400, "must not be before").await;
    let bad = [("query", r#"{app="x"} |~ "(""#)];
    check(range, &bad, 400, "(").await;
    check(
        "/loki/api/v1/patterns",
        &[("query", "vector(1)")],
        400,
        "numbers",
    )
    .await;
    check("/loki/api/v1/nothing", &[], 404, "no such endpoint").await;
    bed.collector.stop().await;
}
