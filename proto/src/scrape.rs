//! What is told of targets that are scraped: by the agent that scrapes them, to the APIs.

use crate::UnixNanos;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All that is told of scraping.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scraped {
    /// The jobs, in the order of the configuration.
    pub pools: Vec<String>,
    /// Targets that are scraped, by job.
    pub active: Vec<ScrapedTarget>,
    /// Targets that relabelling dropped, as far as they are remembered.
    pub dropped: Vec<DroppedTarget>,
    /// How many were dropped of each job.
    pub dropped_counts: BTreeMap<String, usize>,
}

/// A target that is scraped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScrapedTarget {
    /// The job's name.
    pub pool: String,
    /// Its labels before relabelling.
    pub discovered: BTreeMap<String, String>,
    /// What its series carry.
    pub labels: BTreeMap<String, String>,
    /// What is asked for.
    pub url: String,
    /// How often, as configured.
    pub interval: String,
    /// How long it may take, as configured.
    pub timeout: String,
    /// How it is.
    pub health: Health,
    /// Why the last scrape failed; empty where it did not.
    pub error: String,
    /// When the last scrape began.
    pub last: Option<UnixNanos>,
    /// How long it took.
    pub took: Duration,
    /// What the target says of its metrics.
    #[serde(skip)]
    pub metadata: Arc<[ScrapedMetadata]>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It was not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DroppedTarget {
    /// The job's name.
    pub pool: String,
    /// Its labels before relabelling.
    pub discovered: BTreeMap<String, String>,
}

/// What a target says of one metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScrapedMetadata {
    /// The name, as the target gives it.
    pub metric: String,
    /// The kind, in Prometheus' words.
    pub kind: String,
    /// What it tells.
    pub help: String,
    /// Its unit.
    pub unit: String,
}
