//! A flood of series: whoever sends it is told, whoever was there before goes on, and the status
//! names what to look at.

use crate::harness::{Sonde, client, list, sonde};
use serde_json::{Value, json};
use sonde_proto::remote_write::{Series, Version, body};

const SERIES_MAX: u64 = 50;

/// Sends points of `flood` with these users as OTLP, and returns the answer.
async fn send(sonde: &Sonde, users: std::ops::Range<u64>) -> Value {
    let now = jiff::Timestamp::now().as_nanosecond().to_string();
    let points = users.map(|user| {
        let value = json!({"stringValue": user.to_string()});
        json!({
            "attributes": [{"key": "user", "value": value}],
            "timeUnixNano": now,
            "asDouble": 1,
        })
    });
    let points: Vec<Value> = points.collect();
    let metric = json!({"name": "flood", "gauge": {"dataPoints": points}});
    let request = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]});
    let url = format!("http://{}/v1/metrics", sonde.address("otlp.http"));
    let answer = client().post(url).json(&request).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.unwrap()
}

/// The same from a Prometheus: the status and what is said.
async fn write(sonde: &Sonde, users: std::ops::Range<u64>) -> (u16, String) {
    let now = jiff::Timestamp::now().as_millisecond();
    let series = users.map(|user| Series {
        labels: vec![
            ("__name__".into(), "flood".into()),
            ("user".into(), user.to_string()),
        ],
        samples: vec![(now, 1.0)],
        ..Series::default()
    });
    let body = body(Version::V1, &series.collect::<Vec<_>>()).unwrap();
    let request = client()
        .post(sonde.url("/api/v1/write"))
        .header("Content-Type", "application/x-protobuf")
        .header("Content-Encoding", "snappy")
        .body(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until so many series of `flood` are there.
async fn applied(server: &Sonde, series: u64) {
    let series = series.to_string();
    let all = |answer: &Value| {
        let result = list(&answer["data"], "result");
        result.first().is_some_and(|one| one["value"][1] == *series)
    };
    let count = [("query", "count(flood)")];
    server.until("/api/v1/query", &count, all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_series_is_refused_to_its_sender_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = [
        ("agent.tail.paths", "[]"),
        ("agent.node.enabled", "false"),
        ("rules.use_rules", "false"),
        ("rules.default_alerts", "false"),
        ("metrics.series_max", &SERIES_MAX.to_string()),
    ];
    let server = Sonde::up(dir.path(), &config).await;
    assert_eq!(send(&server, 0..40).await, json!({}));
    // Whoever sends near a limit waits for what came before, if not for long.
    applied(&server, 40).await;
    let answer = send(&server, 30..500).await;
    let partial = &answer["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "450", "{answer:#}");
    let message = partial["errorMessage"].as_str().unwrap();
    assert!(message.contains("metrics.series_max"), "{message}");
    applied(&server, SERIES_MAX).await;
    assert_eq!(send(&server, 0..50).await, json!({}));
    assert_eq!(write(&server, 0..50).await, (204, String::new()));
    let (status, told) = write(&server, 49..60).await;
    assert_eq!(status, 400);
    assert!(told.starts_with("1 samples were taken"), "{told}");
    assert!(told.contains("10 samples are of new series"), "{told}");

    applied(&server, SERIES_MAX).await;
    let url = server.url("");
    let output = sonde(&["status", "metrics", "--url", &url]).await;
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("whose new series had no room"), "{shown}");
    let row = shown
        .lines()
        .find(|line| line.contains("~") && line.contains("flood"));
    assert!(row.unwrap().contains("user"), "{shown}");
    assert!(server.stop().await.success());
}
