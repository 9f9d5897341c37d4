//! Who may not ask: pages of other sites, and other tenants.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_follow_logs() {
    let bed = Bed::new().await;
    let tail = async |headers: &str| bed.tail("{}", headers).await.0;
    assert_eq!(tail("").await, 101);
    assert_eq!(tail("Origin: http://localhost:1\r\n").await, 101);
    assert_eq!(tail("Origin: https://evil.example\r\n").await, 403);
    let other = "Origin: http://localhost:1\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(tail(other).await, 403);
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_push_logs() {
    let bed = Bed::new().await;
    // What a page may send anywhere without being asked: bytes of no type.
    let message = snap::raw::Encoder::new().compress_vec(b"").unwrap();
    let message = String::from_utf8(message).unwrap();
    let push = async |path: &str, headers: &str| {
        let length = message.len();
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{message}"
        );
        bed.exchange(request).await.0
    };
    for path in ["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"] {
        let other = "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n";
        assert_eq!(push(path, other).await, 403, "{path}");
        assert_eq!(push(path, "Origin: null\r\n").await, 403, "{path}");
        let typed = "Content-Type: application/json\r\nSec-Fetch-Site: same-site\r\n";
        assert_eq!(push(path, typed).await, 403, "{path}");
        // Nothing is in the message that could be kept, but it is read.
        let own = if path == "/otlp/v1/logs" { 415 } else { 204 };
        assert_eq!(push(path, "").await, own, "{path}");
        assert_eq!(
            push(path, "Origin: http://localhost\r\n").await,
            own,
            "{path}"
        );
    }
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_made_to_lead_here_is_refused_on_every_path() {
    let bed = Bed::with(|config| config.http.external_url = "https://logs.example".into()).await;
    let status = async |path: &str, host: &str| {
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        bed.begin(&request).await.0
    };
    for path in [
        "/",
        "/ready",
        "/metrics",
        "/loki/api/v1/labels",
        "/loki/api/v1/push",
        "/sonde/v1/status",
        "/api/v1/labels",
    ] {
        assert_eq!(status(path, "evil.example").await, 421, "{path}");
        for host in ["localhost", "127.0.0.1:1", "logs.example"] {
            assert_ne!(status(path, host).await, 421, "{path} of {host}");
        }
    }
    bed.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_nothing_of_others_unless_who_asks_runs_the_collector() {
    for operator in [Some(false), None] {
        let bed = Bed::pushed_with(|config| config.http.operator = operator).await;
        let path = "/sonde/v1/status/logs";
        let other = "X-Scope-OrgID: other\r\n";
        let seen = bed.get_with(path, &[], other).await.json();
        assert_eq!(seen["tenant"], "other");
        let is_operator = operator.is_none();
        let tells_of_default = seen.to_string().contains("\"default\"");
        assert_eq!(tells_of_default, is_operator, "{seen:#}");
        assert_eq!(seen["store"].is_object(), is_operator, "{seen:#}");
        assert_eq!(seen["dropped"].is_object(), is_operator, "{seen:#}");
        let own = bed.get(path, &[]).await.json();
        assert_eq!(own["tenants"].as_array().unwrap().len(), 1, "{own:#}");
        assert_eq!(own["tenants"][0]["records"], 4, "{own:#}");
        assert_eq!(own["usage"][0]["tenant"], "default", "{own:#}");
        assert_eq!(own["streams"].as_array().unwrap().len(), 2, "{own:#}");
        bed.collector.stop().await;
    }
}
