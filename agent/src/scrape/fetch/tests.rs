//! Against a server that says what it is told to say.

use super::*;
use crate::scrape::config::ScrapeConfig;
use crate::scrape::job::{Job, jobs};
use crate::scrape::testing::{TargetServer, page};
use std::io::Write as _;

const SOON: Duration = Duration::from_secs(30);

fn job(config: &str) -> Job {
    let config = format!(r#"{{"scrape_configs": [{{"job_name": "j"{config}}}]}}"#);
    let config: ScrapeConfig = serde_json::from_str(&config).unwrap();
    jobs(&config).unwrap().remove(0)
}

fn uri(server: &TargetServer, path: &str) -> Uri {
    format!("http://{}{path}", server.address).parse().unwrap()
}

async fn body(server: &TargetServer, job: &Job, path: &str) -> Result<String, String> {
    let mut fetcher = Fetcher::default();
    let fetched = fetcher.fetch(&uri(server, path), &job.access, SOON).await?;
    let body = fetched.body(job.access.body_bytes)?;
    Ok(String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_target_is_asked_as_prometheus_asks_on_a_connection_that_is_kept() {
    let server = TargetServer::start(|_| page("a 1\n")).await;
    let job = job(r#", "authorization": {"credentials": "a-token"}"#);
    let mut fetcher = Fetcher::default();
    for _ in 0..3 {
        let at = uri(&server, "/metrics?x=y");
        let fetched = fetcher.fetch(&at, &job.access, SOON).await.unwrap();
        assert_eq!(
            fetched.content_type.as_deref(),
            Some("text/plain; version=0.0.4")
        );
        assert_eq!(fetched.body(100).unwrap(), b"a 1\n");
    }
    assert_eq!(server.connections(), 1);
    let head = server.requests()[0].to_lowercase();
    for line in [
        "get /metrics?x=y http/1.1",
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,",
        "accept-encoding: gzip",
        "authorization: bearer a-token",
        "user-agent: sonde/",
        "x-prometheus-scrape-timeout-seconds: 30",
        &format!("host: {}", server.address),
    ] {
        assert!(head.contains(line), "{line:?} is not in {head}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_again() {
    let server = TargetServer::start(|_| {
        let mut page = page("a 1\n");
        let at = page.windows(2).position(|two| two == b"\r\n").unwrap();
        page.splice(at..at, *b"\r\nConnection: close");
        page
    })
    .await;
    let job = job("");
    let mut fetcher = Fetcher::default();
    for _ in 0..3 {
        let fetched = fetcher.fetch(&uri(&server, "/"), &job.access, SOON).await;
        assert!(fetched.is_ok(), "{fetched:?}");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn gzip_is_unpacked_and_a_bomb_is_not() {
    let server = TargetServer::start(|head| {
        let size = if head.contains("/bomb") { 1 << 20 } else { 10 };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![b'#'; size]).unwrap();
        let body = gzip.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    })
    .await;
    let job = job(r#", "body_size_limit": "100KB""#);
    assert_eq!(body(&server, &job, "/").await.unwrap(), "##########");
    let error = body(&server, &job, "/bomb").await.unwrap_err();
    assert!(error.contains("body_size_limit"), "{error}");
}

#[tokio::test]
async fn a_body_that_never_ends_or_is_too_large_or_missing_is_an_error() {
    let server = TargetServer::start(|head| {
        if head.contains("/slow") {
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na".to_vec()
        } else if head.contains("/none") {
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            page(&"#".repeat(2000))
        }
    })
    .await;
    let job = job(r#", "body_size_limit": "1KB""#);
    let mut fetcher = Fetcher::default();
    let short = Duration::from_millis(200);
    let slow = fetcher
        .fetch(&uri(&server, "/slow"), &job.access, short)
        .await;
    assert!(slow.unwrap_err().contains("scrape_timeout"));
    let error = body(&server, &job, "/none").await.unwrap_err();
    assert!(error.contains("404 Not Found"), "{error}");
    let error = body(&server, &job, "/large").await.unwrap_err();
    assert!(error.contains("1024 bytes (body_size_limit)"), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_without_credentials_for_others() {
    let other = TargetServer::start(|_| page("other 1\n")).await;
    let to = format!("http://{}/m", other.address);
    let server = TargetServer::start(move |head| {
        let place = if head.contains("/away") {
            to.as_str()
        } else if head.contains("/loop") {
            "/loop"
        } else if head.contains("/near") {
            "/metrics"
        } else {
            return page("own 1\n");
        };
        format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    })
    .await;
    let auth = r#", "authorization": {"credentials": "a-token"}"#;
    assert_eq!(body(&server, &job(auth), "/near").await.unwrap(), "own 1\n");
    assert_eq!(
        body(&server, &job(auth), "/away").await.unwrap(),
        "other 1\n"
    );
    assert!(!other.requests()[0].contains("a-token"));
    assert!(
        server
            .requests()
            .iter()
            .all(|head| head.contains("a-token"))
    );
    assert!(
        body(&server, &job(auth), "/loop")
            .await
            .unwrap_err()
            .contains("redirects")
    );
    let stay = job(r#", "follow_redirects": false"#);
    assert!(
        body(&server, &stay, "/near")
            .await
            .unwrap_err()
            .contains("302")
    );
}

#[tokio::test]
async fn a_target_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let at = format!("http://{address}/").parse().unwrap();
    let error = Fetcher::default()
        .fetch(&at, &job("").access, SOON)
        .await
        .unwrap_err();
    assert!(
        error.starts_with(&format!("cannot connect to {address}: ")),
        "{error}"
    );
}
