//! What one request may cost.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn regular_expressions_are_bounded_wherever_they_stand() {
    let bed = Bed::pushed().await;
    // Each would take some fifty kilobytes.
    let stage = format!("|~ {}", vec![r#""(a.{9}){20}""#; 100].join(" or "));
    let bomb = format!(r#"{{app="shop"}} {stage} |~ "b.c""#);
    let metric = format!("count_over_time({bomb} [5m])");
    let query = [("query", bomb.as_str())];
    for path in [
        "/loki/api/v1/query",
        "/loki/api/v1/query_range",
        "/loki/api/v1/detected_fields",
        "/loki/api/v1/detected_labels",
        "/loki/api/v1/patterns",
        "/loki/api/v1/labels",
        "/loki/api/v1/index/volume",
        "/loki/api/v1/format_query",
        "/sonde/v1/logs",
        "/sonde/v1/logs/follow",
        "/sonde/v1/explain",
    ] {
        let answer = bed.get(path, &query).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        let reason = "at most 100 regular expressions";
        assert!(answer.text.contains(reason), "{path}: {}", answer.text);
    }
    let metric = [("query", metric.as_str())];
    let answer = bed.get("/loki/api/v1/query", &metric).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let selector = r#"{app=~"(s.{9}){20}|shop"}"#;
    let allowed = vec![("match[]", selector); 100];
    let found = bed.get("/loki/api/v1/series", &allowed).await.json();
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    let two = r#"{app=~"s.*", env=~"p.*"}"#;
    for refused in [vec![("match[]", "{}"); 101], vec![("match", two); 51]] {
        let answer = bed.get("/loki/api/v1/series", &refused).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(answer.text.contains("at most 100"), "{}", answer.text);
    }
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_byte_now_and_then_keeps_nobody_else_out() {
    let bed = Bed::with(|config| config.otlp.limits.requests_max = 1).await;
    let stalled = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{{"
        )
    };
    let addresses = bed.collector.addresses();
    let mut slow = Vec::new();
    for (address, path) in [
        (addresses.http, "/loki/api/v1/push"),
        (addresses.http, "/otlp/v1/logs"),
        (addresses.otlp_http, "/v1/logs"),
        (addresses.otlp_http, "/v1/traces"),
    ] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(stalled(path).as_bytes()).await.unwrap();
        slow.push(socket);
    }
    let body = json!({"streams": [{"stream": {"a": "b"}, "values": [[bed.time(0), "x"]]}]});
    for _ in 0..20 {
        let (status, text) = bed
            .post("/loki/api/v1/push", "application/json", &body.to_string())
            .await;
        assert_eq!((status, text.as_str()), (204, ""));
    }
    drop(slow);
    bed.collector.stop().await;
}
