//! An alert reaches people in the forms that Slack, PagerDuty, webhooks and mail servers
//! expect, once, and is taken back when it resolves.

use crate::harness::{PATIENCE, Sonde};
use crate::tools::{root, tool};
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Paths and the bodies posted to them.
type Posted = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that records what is posted to it and answers as each service does.
struct Recorder {
    url: String,
    posted: Posted,
}

impl Recorder {
    async fn open() -> Self {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .fallback(record)
            .with_state(Arc::clone(&posted));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, posted }
    }

    /// The bodies posted to a path.
    fn to(&self, path: &str) -> Vec<Value> {
        self.posted
            .lock()
            .iter()
            .filter(|(to, _)| to == path)
            .map(|(_, body)| body.clone())
            .collect()
    }

    async fn until(&self, path: &str, count: usize, sonde: &Sonde) -> Vec<Value> {
        let begun = Instant::now();
        while self.to(path).len() < count {
            assert!(
                begun.elapsed() < PATIENCE,
                "{path}: {:#?}\n{}",
                self.to(path),
                sonde.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        self.to(path)
    }
}

async fn record(
    State(posted): State<Posted>,
    uri: Uri,
    axum::Json(body): axum::Json<Value>,
) -> (axum::http::StatusCode, &'static str) {
    posted.lock().push((uri.path().to_owned(), body));
    if uri.path().starts_with("/v2/enqueue") {
        return (axum::http::StatusCode::ACCEPTED, r#"{"status":"success"}"#);
    }
    (axum::http::StatusCode::OK, "ok")
}

/// A rule that fires while `shop_open` is 0, and routing that tells everyone.
fn files(dir: &Path, receivers: &str) -> (String, String) {
    let rules = dir.join("rules.yaml");
    let text = "groups:\n- name: it\n  interval: 1s\n  rules:\n  - alert: ShopClosed\n    expr: last_over_time(shop_open[1h]) == 0\n    \
                labels: {severity: critical, service: shop}\n    annotations: {summary: 'shop {{ $labels.branch }} is closed'}\n";
    std::fs::write(&rules, text).unwrap();
    let routing = dir.join("alerts.yaml");
    let text = format!(
        "route:\n  receiver: everyone\n  group_by: [alertname]\n  group_wait: 100ms\n  group_interval: 1s\n  repeat_interval: 1h\n\
         receivers:\n- name: everyone\n{receivers}"
    );
    std::fs::write(&routing, text).unwrap();
    (
        format!("[{}]", rules.display()),
        routing.display().to_string(),
    )
}

async fn start(dir: &Path, receivers: &str) -> Sonde {
    let (rules, routing) = files(dir, receivers);
    let extra = [
        ("rules.files", rules.as_str()),
        ("rules.default_alerts", "false"),
        ("rules.use_rules", "false"),
        ("alerts.config_file", &routing),
        ("agent.tail.paths", "[]"),
        ("agent.node.enabled", "false"),
    ];
    Sonde::up(dir, &extra).await
}

/// Says by OTLP whether the shop is open.
async fn say_open(sonde: &Sonde, open: u8) {
    let now = jiff::Timestamp::now().as_nanosecond().to_string();
    let point = json!({"asInt": open.to_string(), "timeUnixNano": now, "attributes": [{"key": "branch", "value": {"stringValue": "north"}}]});
    let metric = json!({"name": "shop_open", "gauge": {"dataPoints": [point]}});
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]});
    let url = format!("http://{}/v1/metrics", sonde.address("otlp.http"));
    let response = crate::harness::client()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(response.status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_pagerduty_and_webhooks_are_told_and_told_again_when_it_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Recorder::open().await;
    let url = &recorder.url;
    let receivers = format!(
        "  slack_configs:\n  - {{api_url: {url}/slack, channel: '#shop', send_resolved: true}}\n  \
         pagerduty_configs:\n  - {{routing_key: r0uting, url: {url}/v2/enqueue}}\n  \
         webhook_configs:\n  - {{url: {url}/hook}}\n"
    );
    let sonde = start(dir.path(), &receivers).await;
    say_open(&sonde, 0).await;

    let slack = recorder.until("/slack", 1, &sonde).await;
    assert_eq!(slack[0]["channel"], "#shop");
    let attachment = &slack[0]["attachments"][0];
    assert!(
        attachment["title"].as_str().unwrap().contains("ShopClosed"),
        "{slack:#?}"
    );
    assert_eq!(attachment["color"], "danger");
    assert!(
        attachment["title_link"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:"),
        "{slack:#?}"
    );

    let duty = recorder.until("/v2/enqueue", 1, &sonde).await;
    let (key, payload) = (&duty[0]["dedup_key"], &duty[0]["payload"]);
    assert_eq!(
        (&duty[0]["routing_key"], &duty[0]["event_action"]),
        (&json!("r0uting"), &json!("trigger"))
    );
    assert_eq!(key.as_str().map(str::len), Some(64));
    assert!(
        payload["summary"].as_str().unwrap().contains("ShopClosed"),
        "{duty:#?}"
    );
    assert_eq!(payload["severity"], "error");

    let hook = recorder.until("/hook", 1, &sonde).await;
    let body = &hook[0];
    assert_eq!(
        (&body["version"], &body["status"], &body["receiver"]),
        (&json!("4"), &json!("firing"), &json!("everyone"))
    );
    assert_eq!(body["groupKey"], "{}:{alertname=\"ShopClosed\"}");
    assert_eq!(body["truncatedAlerts"], 0);
    assert_eq!(body["groupLabels"], json!({"alertname": "ShopClosed"}));
    let labels = json!({"alertname": "ShopClosed", "branch": "north", "service": "shop", "severity": "critical"});
    assert_eq!(body["commonLabels"], labels);
    assert_eq!(
        body["commonAnnotations"],
        json!({"summary": "shop north is closed"})
    );
    let alert = &body["alerts"][0];
    assert_eq!(
        (&alert["status"], &alert["labels"]),
        (&json!("firing"), &labels)
    );
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(alert["fingerprint"].as_str().map(str::len), Some(16));
    assert!(
        alert["generatorURL"]
            .as_str()
            .unwrap()
            .contains("/graph?g0.expr="),
        "{body:#}"
    );

    say_open(&sonde, 1).await;
    let duty = recorder.until("/v2/enqueue", 2, &sonde).await;
    assert_eq!(
        (&duty[1]["event_action"], &duty[1]["dedup_key"]),
        (&json!("resolve"), key)
    );
    let hook = recorder.until("/hook", 2, &sonde).await;
    assert_eq!(
        (&hook[1]["status"], &hook[1]["alerts"][0]["status"]),
        (&json!("resolved"), &json!("resolved"))
    );
    let slack = recorder.until("/slack", 2, &sonde).await;
    assert_eq!(slack[1]["attachments"][0]["color"], "good");
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_sent_once_though_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Recorder::open().await;
    let receivers = format!("  webhook_configs:\n  - {{url: {}/hook}}\n", recorder.url);
    let mut sonde = start(dir.path(), &receivers).await;
    say_open(&sonde, 0).await;
    recorder.until("/hook", 1, &sonde).await;
    let sent = |status: &Value| status["alerts"]["notifications_sent"] == 1;
    sonde.until("/sonde/v1/status", &[], sent).await;
    // That it was sent is noted durably before anything else is done. A kill before could only
    // be followed by another page.
    sonde.signal("HUP").await;
    sonde.logged("alert routing reloaded").await;
    sonde.kill().await;

    let sonde = start(dir.path(), &receivers).await;
    let firing = |answer: &Value| {
        answer["alerts"]
            .as_array()
            .is_some_and(|alerts| !alerts.is_empty())
    };
    sonde.until("/sonde/v1/alerts", &[], firing).await;
    // The resolve is the next message: a second page would stand before it.
    say_open(&sonde, 1).await;
    let hook = recorder.until("/hook", 2, &sonde).await;
    assert_eq!(
        hook.iter().map(|body| &body["status"]).collect::<Vec<_>>(),
        ["firing", "resolved"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_files_are_followed_at_sighup_and_wrong_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Recorder::open().await;
    let hook = |path: &str| format!("  webhook_configs:\n  - {{url: {}{path}}}\n", recorder.url);
    let mut sonde = start(dir.path(), &hook("/old")).await;
    say_open(&sonde, 0).await;
    recorder.until("/old", 1, &sonde).await;

    files(dir.path(), "  webhook_configs:\n  - {ulr: x}\n");
    sonde.signal("HUP").await;
    sonde.logged("not reloaded").await;
    sonde.logged("unknown key `ulr`").await;

    let (rules, _) = files(dir.path(), &hook("/new"));
    let rules = rules.trim_matches(['[', ']']);
    let mut text = std::fs::read_to_string(rules).unwrap();
    text += "  - {alert: ShopDark, expr: 'last_over_time(shop_open[1h]) == 0'}\n";
    std::fs::write(rules, text).unwrap();
    sonde.signal("HUP").await;
    sonde.logged("reloaded the rule files").await;
    let told = recorder.until("/new", 1, &sonde).await;
    assert_eq!(
        told[0]["commonLabels"]["alertname"], "ShopDark",
        "{told:#?}"
    );
    assert_eq!(recorder.to("/old").len(), 1);
    // The alert that was firing before went on: nobody was told that it ended.
    let alerts = sonde.get("/sonde/v1/alerts", &[]).await;
    assert_eq!(
        alerts["alerts"].as_array().map(Vec::len),
        Some(2),
        "{alerts:#}"
    );
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_receives_the_alert_over_an_encrypted_connection() {
    let Some(python) = tool("PYTHON") else { return };
    let dir = tempfile::tempdir().unwrap();
    let certificate = dir.path().join("certificate.pem");
    let mut server = tokio::process::Command::new(python);
    server
        .arg(root().join("tests/sdk/smtp/server.py"))
        .arg("--certificate")
        .arg(&certificate);
    server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut server = server.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let listening: Value =
        serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let receivers = format!(
        "  email_configs:\n  - {{to: night@example.org, from: sonde@example.org, smarthost: 'localhost:{}', auth_username: sonde, \
         auth_password: s3cret, tls_config: {{ca_file: {}}}}}\n",
        listening["listening"],
        certificate.display()
    );
    let sonde = start(dir.path(), &receivers).await;
    say_open(&sonde, 0).await;
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line
        .unwrap_or_else(|_| panic!("no mail came\n{}", sonde.log()))
        .unwrap()
        .unwrap();
    let mail: Value = serde_json::from_str(&line).unwrap();
    assert!(
        mail["to"].to_string().contains("night@example.org"),
        "{mail:#}"
    );
    assert!(
        mail["from"].to_string().contains("sonde@example.org"),
        "{mail:#}"
    );
    assert_eq!(
        (&mail["tls"], &mail["user"]),
        (&json!(true), &json!("sonde")),
        "{mail:#}"
    );
    let data = mail["data"].as_str().unwrap();
    for part in [
        "Subject: ",
        "ShopClosed",
        "multipart/alternative",
        "Message-I",
    ] {
        assert!(
            data.to_lowercase().contains(&part.to_lowercase()),
            "{part:?} is not in\n{data}"
        );
    }
    assert!(!sonde.log().contains("s3cret"));
}
