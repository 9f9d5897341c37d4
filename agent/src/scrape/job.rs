//! A checked job: what its targets have in common.

use super::Labels;
use super::config::{GlobalConfig, JobConfig, ProtocolName, ScrapeConfig, StaticConfig};
use super::fetch::{Access, Credentials};
use super::relabel::Rule;
use super::target::{Found, Target};
use super::text::Period;
use sonde_exposition::{Bounds, Escaping, Format, Options, Protocol, accept};
use std::collections::{BTreeMap, HashSet};

/// The most that is read of a body where no limit is set.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// The most targets of a job, whatever its limit says.
pub(super) const TARGETS_MAX: usize = 20_000;
/// How many dropped targets are remembered where no limit is set.
const DROPPED_MAX: usize = 10_000;

/// A checked job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) interval: Period,
    pub(crate) timeout: Period,
    pub(crate) metrics_path: String,
    pub(crate) scheme: &'static str,
    pub(crate) params: BTreeMap<String, Vec<String>>,
    pub(crate) relabel: Vec<Rule>,
    pub(crate) reading: Reading,
    pub(crate) access: Access,
    target_limit: usize,
    dropped_max: usize,
}

/// How a body becomes samples.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) honor_labels: bool,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_timestamps_staleness: bool,
    pub(crate) metric_relabel: Vec<Rule>,
    pub(crate) sample_limit: u64,
    pub(crate) label_limit: u64,
    pub(crate) name_length_limit: u64,
    pub(crate) value_length_limit: u64,
    pub(crate) native_histograms: bool,
    pub(crate) fallback: Option<Format>,
    pub(crate) options: Options,
}

/// What the configuration of a job's targets comes to.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) active: Vec<Target>,
    pub(crate) dropped: Vec<Labels>,
    pub(crate) dropped_count: usize,
    /// Why no target of the job can be scraped.
    pub(crate) refused: Option<String>,
}

/// Checks all jobs.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn jobs(config: &ScrapeConfig) -> Result<Vec<Job>, String> {
    let mut names = HashSet::new();
    let mut jobs = Vec::with_capacity(config.scrape_configs.len());
    for (at, job) in config.scrape_configs.iter().enumerate() {
        let place = |why: String| {
            format!(
                "scrape.scrape_configs[{at}] (job_name {:?}): {why}",
                job.job_name
            )
        };
        if !names.insert(job.job_name.as_str()) {
            return Err(place("another job has the same name".into()));
        }
        jobs.push(Job::new(job, &config.global).map_err(place)?);
    }
    Ok(jobs)
}

impl Job {
    fn new(config: &JobConfig, global: &GlobalConfig) -> Result<Self, String> {
        if config.job_name.is_empty() {
            return Err("job_name is missing".into());
        }
        let interval = config.scrape_interval.unwrap_or(global.scrape_interval);
        let timeout = match config.scrape_timeout {
            Some(timeout) if timeout > interval => {
                return Err(format!(
                    "scrape_timeout is {timeout} and must not be longer than the interval, {interval}"
                ));
            }
            Some(timeout) => timeout,
            None => global.scrape_timeout.min(interval),
        };
        if interval.is_zero() || timeout.is_zero() {
            return Err("scrape_interval and scrape_timeout must not be 0".into());
        }
        let rules = |key: &str, rules: &[super::config::RelabelConfig]| {
            let checked = rules
                .iter()
                .enumerate()
                .map(|(at, rule)| Rule::new(rule).map_err(|why| format!("{key}[{at}]: {why}")));
            checked.collect::<Result<Vec<_>, String>>()
        };
        let bytes = |set: u64| if set == 0 { BODY_BYTES_MAX } else { set };
        let body_bytes = bytes(config.body_size_limit.unwrap_or(global.body_size_limit).0);
        let body_bytes = usize::try_from(body_bytes).unwrap_or(usize::MAX);
        let set = |own: Option<bool>, all: bool| own.unwrap_or(all);
        let native_histograms = set(
            config.scrape_native_histograms,
            global.scrape_native_histograms,
        );
        let always_classic = set(
            config.always_scrape_classic_histograms,
            global.always_scrape_classic_histograms,
        );
        let protocols = protocols(config, global, native_histograms)?;
        let either = |own: Option<u64>, all: u64| own.unwrap_or(all);
        let count = |limit: u64, none: usize| match usize::try_from(limit) {
            Ok(0) | Err(_) => none,
            Ok(limit) => limit.min(none),
        };
        Ok(Self {
            name: config.job_name.clone(),
            interval,
            timeout,
            metrics_path: config.metrics_path.clone(),
            scheme: config.scheme.word(),
            params: config.params.clone(),
            relabel: rules("relabel_configs", &config.relabel_configs)?,
            reading: Reading {
                honor_labels: config.honor_labels,
                honor_timestamps: config.honor_timestamps,
                track_timestamps_staleness: config.track_timestamps_staleness,
                metric_relabel: rules("metric_relabel_configs", &config.metric_relabel_configs)?,
                sample_limit: either(config.sample_limit, global.sample_limit),
                label_limit: either(config.label_limit, global.label_limit),
                name_length_limit: either(
                    config.label_name_length_limit,
                    global.label_name_length_limit,
                ),
                value_length_limit: either(
                    config.label_value_length_limit,
                    global.label_value_length_limit,
                ),
                native_histograms,
                fallback: config
                    .fallback_scrape_protocol
                    .map(|name| protocol(name).format()),
                options: Options {
                    bounds: Bounds {
                        body_bytes,
                        ..Bounds::default()
                    },
                    created_as_samples: true,
                    classic_beside_native: always_classic || !native_histograms,
                },
            },
            access: Access {
                accept: accept(&protocols, Escaping::Utf8),
                compress: config.enable_compression,
                follow_redirects: config.follow_redirects,
                body_bytes,
                credentials: Credentials::new(config)?,
                tls: config.tls_config.clone(),
            },
            target_limit: count(
                either(config.target_limit, global.target_limit),
                TARGETS_MAX,
            ),
            dropped_max: count(
                either(config.keep_dropped_targets, global.keep_dropped_targets),
                DROPPED_MAX,
            ),
        })
    }

    /// The targets that static configuration names.
    ///
    /// # Errors
    /// The target that cannot be one, and why.
    pub(crate) fn targets(&self, groups: &[StaticConfig]) -> Result<Targets, String> {
        let mut targets = Targets::default();
        let mut seen = HashSet::new();
        for (group, address) in groups
            .iter()
            .flat_map(|group| group.targets.iter().map(move |address| (group, address)))
        {
            let mut labels: Labels = group.labels.clone();
            labels.insert("__address__".into(), address.clone());
            let found = Target::find(self, labels)
                .map_err(|why| format!("job {:?}, target {address:?}: {why}", self.name))?;
            match found {
                Found::Active(target) if seen.insert(target.id) => targets.active.push(*target),
                Found::Active(_) => {}
                Found::Dropped(labels) => {
                    targets.dropped_count += 1;
                    if targets.dropped.len() < self.dropped_max {
                        targets.dropped.push(labels);
                    }
                }
            }
        }
        if targets.active.len() > self.target_limit {
            targets.refused = Some(format!(
                "the job has {} targets and target_limit allows {}; none is scraped",
                targets.active.len(),
                self.target_limit
            ));
            targets.active.truncate(TARGETS_MAX);
        }
        Ok(targets)
    }
}

/// What is asked for. Only protobuf tells native histograms, so it is the dearest where they are
/// wanted and nobody says otherwise.
fn protocols(
    config: &JobConfig,
    global: &GlobalConfig,
    native_histograms: bool,
) -> Result<Vec<Protocol>, String> {
    let names = config.scrape_protocols.as_ref();
    let is_default =
        names.is_none() && global.scrape_protocols == GlobalConfig::default().scrape_protocols;
    let names = names.unwrap_or(&global.scrape_protocols);
    let first = (is_default && native_histograms).then_some(ProtocolName::PrometheusProto);
    let mut protocols: Vec<Protocol> = Vec::with_capacity(names.len() + 1);
    for name in first.iter().chain(names) {
        let protocol = protocol(*name);
        if protocols.contains(&protocol) {
            return Err(format!("scrape_protocols names {name:?} twice"));
        }
        protocols.push(protocol);
    }
    if protocols.is_empty() {
        return Err("scrape_protocols is empty; name one or leave it out".into());
    }
    Ok(protocols)
}

fn protocol(name: ProtocolName) -> Protocol {
    match name {
        ProtocolName::PrometheusProto => Protocol::Protobuf,
        ProtocolName::PrometheusText0_0_4 => Protocol::Text0,
        ProtocolName::PrometheusText1_0_0 => Protocol::Text1,
        ProtocolName::OpenMetricsText0_0_1 => Protocol::OpenMetrics0,
        ProtocolName::OpenMetricsText1_0_0 => Protocol::OpenMetrics1,
    }
}

#[cfg(test)]
mod tests;
