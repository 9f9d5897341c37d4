//! Targets and scrape pools: of the agent of the same process, for the tenant it scrapes for. A
//! collector alone scrapes nothing: its metrics are sent to it. And what it has none of at all,
//! Alertmanagers: it notifies itself. Clients that list them find nothing, in the right shape.

use super::parameters::Parameters;
use super::{Api, Failure, success, tenant};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use sonde_proto::scrape::{Scraped, ScrapedTarget};
use sonde_proto::{Labels, Matcher};

/// When a target was scraped that was not: Go's time that is none.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// An answer tells of no more metrics than this, over all targets.
const METADATA_MAX: usize = 100_000;

pub(super) async fn targets(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let mut scraped = scraped(&api, &headers)?;
    let state = parameters.text("state").to_lowercase();
    let shows = |which: &str| state.is_empty() || state == "any" || state == which;
    let pool = parameters.text("scrapePool");
    let is_in = |name: &str| pool.is_empty() || pool == name;
    scraped.active.sort_by(|a, b| a.pool.cmp(&b.pool));
    let active = scraped.active.iter().filter(|one| is_in(&one.pool));
    let active: Vec<_> = active.filter(|_| shows("active")).map(target).collect();
    let dropped = scraped.dropped.iter().filter(|one| is_in(&one.pool));
    let dropped: Vec<_> = dropped
        .filter(|_| shows("dropped"))
        .map(|one| json!({ "discoveredLabels": one.discovered, "scrapePool": one.pool }))
        .collect();
    scraped
        .dropped_counts
        .retain(|name, _| is_in(name) && shows("dropped"));
    Ok(success(json!({
        "activeTargets": active,
        "droppedTargets": dropped,
        "droppedTargetCounts": scraped.dropped_counts,
    })))
}

fn target(one: &ScrapedTarget) -> Value {
    let last = one.last.and_then(|at| {
        let at = i128::from(at.0);
        jiff::Timestamp::from_nanosecond(at).ok()
    });
    json!({
        "discoveredLabels": one.discovered,
        "labels": one.labels,
        "scrapePool": one.pool,
        "scrapeUrl": one.url,
        "globalUrl": one.url,
        "lastError": one.error,
        "lastScrape": last.map_or_else(|| NEVER.to_owned(), |at| at.to_string()),
        "lastScrapeDuration": one.took.as_secs_f64(),
        "health": one.health,
        "scrapeInterval": one.interval,
        "scrapeTimeout": one.timeout,
    })
}

pub(super) async fn metadata(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let matchers = match parameters.text("match_target") {
        "" => Vec::new(),
        text => {
            let text = text.to_owned();
            let asker = api.of(&tenant(&headers)?);
            let read = asker.read(move || sonde_metrics::parse_selector(&text));
            read.await?
                .map_err(|error| Failure::bad_data(format!("match_target: {error}")))?
        }
    };
    let limit = match parameters.text("limit") {
        "" => usize::MAX,
        text => text
            .parse::<i64>()
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
            .map_err(|_| Failure::bad_data("limit must be a number".into()))?,
    };
    let limit = limit.min(METADATA_MAX);
    let metric = parameters.text("metric");
    let mut found = Vec::new();
    for target in scraped(&api, &headers)?.active {
        if found.len() >= limit {
            break;
        }
        if !is_matched(&target, &matchers) {
            continue;
        }
        for one in target.metadata.iter() {
            if !metric.is_empty() && one.metric != metric {
                continue;
            }
            let mut told = json!({
                "target": target.labels,
                "type": one.kind,
                "help": one.help,
                "unit": one.unit,
            });
            if metric.is_empty() {
                told["metric"] = one.metric.as_str().into();
            }
            found.push(told);
        }
    }
    found.truncate(limit);
    Ok(success(found))
}

fn is_matched(target: &ScrapedTarget, matchers: &[Matcher]) -> bool {
    let labels = target.labels.iter();
    let labels: Labels = labels.map(|(n, v)| (n.as_str(), v.as_str())).collect();
    matchers
        .iter()
        .all(|matcher| matcher.matches_labels(&labels))
}

pub(super) async fn scrape_pools(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let pools = scraped(&api, &headers)?.pools;
    Ok(success(json!({ "scrapePools": pools })))
}

/// What is scraped for the tenant that asks.
fn scraped(api: &Api, headers: &HeaderMap) -> Result<Scraped, Failure> {
    let asks = tenant(headers)?;
    let observed = api.sources.observed.lock();
    let own = observed.scraper.as_ref().filter(|(of, _)| *of == asks);
    Ok(own.map(|(_, view)| view()).unwrap_or_default())
}

pub(super) async fn alertmanagers() -> Response {
    success(json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }))
}

/// The notices that Prometheus 3 shows on its page.
pub(super) async fn notifications() -> Response {
    success([(); 0])
}
