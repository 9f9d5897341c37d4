//! Targets that come, fail, go, and the turns of their scrapes.

use super::*;
use crate::scrape::testing::{TargetServer, page};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::SystemClock;
use sonde_proto::otlp::metrics::metric;
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

fn outlet() -> Outlet {
    let telemetry = Telemetry::new(&mut Registry::default());
    Outlet {
        buffer: Buffer::new(1 << 20, telemetry.clone()),
        telemetry,
        clock: Arc::new(SystemClock),
        report_every: Duration::from_secs(60),
    }
}

fn config(targets: &[String]) -> ScrapeConfig {
    let targets = serde_json::to_string(targets).unwrap();
    serde_json::from_str(&format!(
        r#"{{"global": {{"scrape_interval": "500ms", "scrape_timeout": "500ms"}},
            "scrape_configs": [{{"job_name": "j", "static_configs": [{{"targets": {targets}}}]}}]}}"#
    ))
    .unwrap()
}

/// The values of the next request by name; `None` where it says that the series ended.
async fn next(buffer: &Buffer) -> BTreeMap<String, Option<u64>> {
    let request = tokio::time::timeout(Duration::from_secs(240), buffer.next()).await;
    let request = ExportMetricsServiceRequest::decode(request.unwrap()).unwrap();
    buffer.sent();
    let mut found = BTreeMap::new();
    for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
        let Some(metric::Data::Gauge(gauge)) = &metric.data else {
            continue;
        };
        for point in &gauge.data_points {
            let value = (point.flags == 0).then_some(point.time_unix_nano);
            found.insert(metric.name.clone(), value);
        }
    }
    found
}

/// Whether each of the series has a value.
fn told(found: &BTreeMap<String, Option<u64>>, names: [&str; 2]) -> [Option<bool>; 2] {
    names.map(|name| found.get(name).map(Option::is_some))
}

#[tokio::test]
async fn a_target_is_scraped_seen_failing_and_ended_when_it_is_gone() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let server = TargetServer::start(move |_| {
        if fails.load(Ordering::Relaxed) {
            b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            page("a 1\n")
        }
    })
    .await;
    let outlet = outlet();
    let config = config(&[server.address.to_string()]);
    let mut scraper = Scraper::start(&config, outlet.clone()).unwrap();
    let values = ["a", "up"];
    // On a slow machine an answer may come too late, and the next one in time.
    while told(&next(&outlet.buffer).await, values) != [Some(true); 2] {}

    failing.store(true, Ordering::Relaxed);
    let ended = loop {
        let found = next(&outlet.buffer).await;
        if told(&found, values) != [Some(true); 2] {
            break found;
        }
    };
    assert_eq!(told(&ended, values), [Some(false), Some(true)]);
    let seen = loop {
        let seen = scraper.view();
        if seen.active[0].error.contains("500") {
            break seen;
        }
        next(&outlet.buffer).await;
    };
    assert_eq!(seen.active[0].health, Health::Down, "{seen:?}");
    assert_eq!(seen.pools, ["j"]);

    failing.store(false, Ordering::Relaxed);
    while told(&next(&outlet.buffer).await, values) != [Some(true); 2] {}
    scraper.set(0, Targets::default());
    assert!(scraper.view().active.is_empty());
    let mut last = [Some(true); 2];
    while last[1] == Some(true) {
        let now = told(&next(&outlet.buffer).await, values);
        last = [now[0].or(last[0]), now[1].or(last[1])];
    }
    assert_eq!(last, [Some(false); 2]);
}

#[tokio::test]
async fn targets_beyond_the_limit_are_not_asked_and_say_why() {
    let server = TargetServer::start(|_| page("a 1\n")).await;
    let outlet = outlet();
    let mut config = config(&[server.address.to_string(), "127.0.0.1:1".into()]);
    config.scrape_configs[0].target_limit = Some(1);
    let scraper = Scraper::start(&config, outlet.clone()).unwrap();
    assert_eq!(
        told(&next(&outlet.buffer).await, ["a", "up"]),
        [None, Some(true)]
    );
    while scraper
        .view()
        .active
        .iter()
        .any(|one| one.health != Health::Down)
    {
        next(&outlet.buffer).await;
    }
    assert!(scraper.view().active[0].error.contains("target_limit"));
    assert!(server.requests().is_empty());
}

#[test]
fn a_scrape_close_to_its_turn_is_said_to_have_been_at_it() {
    let mut turns = Turns::new(Duration::from_secs(10));
    let start = 1_700_000_000_000_000_000;
    let millis = |n: i64| UnixNanos((start + n * 1_000_000) as u64);
    assert_eq!(turns.turn(millis(0)), millis(0));
    assert_eq!(turns.turn(millis(10_001)), millis(10_000));
    assert_eq!(turns.turn(millis(19_999)), millis(20_000));
    // Late once: the time is true, and the turns go on.
    assert_eq!(turns.turn(millis(30_007)), millis(30_007));
    assert_eq!(turns.turn(millis(50_002)), millis(50_000));
    // The clock was set: other turns.
    assert_eq!(turns.turn(millis(4_000)), millis(4_000));
    assert_eq!(turns.turn(millis(14_001)), millis(14_000));
}
