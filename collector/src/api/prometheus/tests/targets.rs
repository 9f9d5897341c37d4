//! Targets, as an agent of the same process tells them.

use super::*;
use sonde_proto::scrape::{DroppedTarget, Health, Scraped, ScrapedMetadata, ScrapedTarget};
use sonde_proto::{Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::time::Duration;

impl Bed {
    async fn asked(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Value {
        let (status, body) = self.ask("GET", endpoint, parameters).await;
        assert_eq!(status, 200, "{endpoint}: {body}");
        body["data"].clone()
    }
}

#[tokio::test]
async fn what_an_agent_scrapes_is_listed_for_its_tenant_in_prometheus_words() {
    let bed = Bed::new(|_| {}).await;
    let pairs = |pairs: &[(&str, &str)]| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect::<BTreeMap<_, _>>()
    };
    let target = ScrapedTarget {
        pool: "api".into(),
        discovered: pairs(&[("__address__", "h:1")]),
        labels: pairs(&[("instance", "h:1"), ("job", "api")]),
        url: "http://h:1/metrics".into(),
        interval: "15s".into(),
        timeout: "10s".into(),
        health: Health::Up,
        error: String::new(),
        last: Some(UnixNanos::from_millis(1_700_000_000_500)),
        took: Duration::from_millis(250),
        metadata: [("up_total", "counter"), ("used", "gauge")]
            .into_iter()
            .map(|(metric, kind)| ScrapedMetadata {
                metric: metric.into(),
                kind: kind.into(),
                help: "Help".into(),
                unit: String::new(),
            })
            .collect(),
    };
    let scraped = Scraped {
        pools: vec!["api".into(), "db".into()],
        active: vec![target],
        dropped: vec![DroppedTarget {
            pool: "db".into(),
            discovered: pairs(&[("__address__", "h:2")]),
        }],
        dropped_counts: [("api".to_owned(), 0), ("db".to_owned(), 1)].into(),
    };
    let shown = scraped.clone();
    bed.collector
        .observe_scraper(Tenant::default(), move || shown.clone());
    let active = json!([{
        "discoveredLabels": {"__address__": "h:1"},
        "labels": {"instance": "h:1", "job": "api"},
        "scrapePool": "api",
        "scrapeUrl": "http://h:1/metrics",
        "globalUrl": "http://h:1/metrics",
        "lastError": "",
        "lastScrape": "2023-11-14T22:13:20.5Z",
        "lastScrapeDuration": 0.25,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }]);
    let dropped = json!([{"discoveredLabels": {"__address__": "h:2"}, "scrapePool": "db"}]);
    let counts = json!({"api": 0, "db": 1});
    let all =
        json!({"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts});
    assert_eq!(bed.asked("targets", &[]).await, all);
    assert_eq!(
        bed.asked("targets", &[("state", "active")]).await["droppedTargets"],
        json!([])
    );
    assert_eq!(
        bed.asked("targets", &[("state", "dropped")]).await["activeTargets"],
        json!([])
    );
    assert_eq!(
        bed.asked("targets", &[("scrapePool", "db")]).await["activeTargets"],
        json!([])
    );
    assert_eq!(
        bed.asked("scrape_pools", &[]).await,
        json!({"scrapePools": ["api", "db"]})
    );
    let labels = json!({"instance": "h:1", "job": "api"});
    let told = |metric: &str, kind: &str| json!({"target": labels, "metric": metric, "type": kind, "help": "Help", "unit": ""});
    let both = json!([told("up_total", "counter"), told("used", "gauge")]);
    assert_eq!(bed.asked("targets/metadata", &[]).await, both);
    assert_eq!(
        bed.asked("targets/metadata", &[("match_target", "{job=\"db\"}")])
            .await,
        json!([])
    );
    let one = json!([{"target": labels, "type": "gauge", "help": "Help", "unit": ""}]);
    assert_eq!(
        bed.asked(
            "targets/metadata",
            &[("metric", "used"), ("match_target", "{job=\"api\"}")]
        )
        .await,
        one
    );
    assert_eq!(
        bed.asked("targets/metadata", &[("limit", "1")]).await,
        json!([told("up_total", "counter")])
    );
    // Another tenant's are nobody else's business.
    bed.collector
        .observe_scraper(Tenant::new("other").unwrap(), move || scraped.clone());
    assert_eq!(
        bed.asked("scrape_pools", &[]).await,
        json!({"scrapePools": []})
    );
}
