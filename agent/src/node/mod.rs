//! What the node itself is doing: processors, memory, disks, network, as OTLP metrics.
//!
//! ```text
//! every interval ─▶ collectors ─▶ Points ─▶ ExportMetricsServiceRequest ─▶ buffer/
//!                   one a file     names from names.rs
//! ```
//!
//! A collector cannot fail: what it cannot read is missing from its points, and is reported
//! once. Totals are sent as the kernel counts them, with the boot as their start, so that a
//! lost request costs resolution and never a count.

mod names;
mod points;
mod host;
mod cpu;
mod load;
mod memory;
mod paging;
mod pressure;
mod disk;
mod filesystem;
mod measure;
mod network;
mod process;

use crate::buffer::Buffer;
use crate::config::{Collector, NodeConfig};
use crate::telemetry::Telemetry;
use host::Host;
use points::Points;
use prost::Message as _;
use sonde_proto::otlp::{self, metrics, metrics_service::ExportMetricsServiceRequest};
use sonde_proto::{Clock, UnixNanos, otlp::resource::Resource, semconv};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How far the kernel's idea of the boot may move before it is believed: it is computed
/// from a clock that is being corrected.
const BOOT_SLACK: Duration = Duration::from_secs(10);

/// Everything that is asked about the node.
pub(crate) struct Node {
    host: Host,
    resource: Resource,
    exclude: Vec<Collector>,
    boot: Option<UnixNanos>,
    cpu: cpu::Cpu,
    filesystem: filesystem::Filesystem,
    network: network::Network,
}

impl Node {
    /// Prepares the collectors; nothing is read yet.
    ///
    /// # Errors
    /// The bad pattern and what is wrong with it.
    pub(crate) fn new(
        config: &NodeConfig,
        host_name: &str,
        resource: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let mut attributes: BTreeMap<&str, &str> =
            [(semconv::HOST_NAME, host_name), (names::OS_TYPE, "linux")].into();
        attributes.extend(resource.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        Ok(Self {
            host: Host::new(&config.host_root),
            resource: Resource {
                attributes: attributes
                    .into_iter()
                    .map(|(key, value)| otlp::kv(key, value))
                    .collect(),
                ..Resource::default()
            },
            exclude: config.exclude.clone(),
            boot: None,
            cpu: cpu::Cpu::default(),
            filesystem: filesystem::Filesystem::new(config),
            network: network::Network::new(config)?,
        })
    }

    /// Reads everything once.
    pub(crate) fn sample(&mut self, now: UnixNanos) -> Points {
        let boot = self.boot(now);
        let mut points = Points::new(now, boot);
        for collector in Collector::ALL {
            if !self.exclude.contains(&collector) {
                self.collect(collector, &mut points);
            }
        }
        points
    }

    fn collect(&mut self, collector: Collector, points: &mut Points) {
        let host = &mut self.host;
        match collector {
            Collector::Cpu => self.cpu.collect(host, points),
            Collector::Load => load::collect(host, points),
            Collector::Memory => memory::collect(host, points),
            Collector::Paging => paging::collect(host, points),
            Collector::Pressure => pressure::collect(host, points),
            Collector::Disk => disk::collect(host, points),
            Collector::Filesystem => self.filesystem.collect(host, points),
            Collector::Network => self.network.collect(host, points),
            Collector::Process => process::collect(host, points),
        }
    }

    /// When the node was booted: the start of every total. 0 where that cannot be told.
    fn boot(&mut self, now: UnixNanos) -> UnixNanos {
        let read = self.host.read("proc/stat").and_then(|text| {
            let seconds = host::fields(&text).find(|(key, _)| *key == "btime")?.1;
            seconds.trim().parse().ok().map(UnixNanos::from_secs)
        });
        let moved =
            |kept: UnixNanos, read: UnixNanos| kept.since(read).max(read.since(kept)) > BOOT_SLACK;
        match (self.boot, read) {
            (None, read) => self.boot = read,
            (Some(kept), Some(read)) if moved(kept, read) => self.boot = Some(read),
            (Some(_), _) => {}
        }
        self.boot.filter(|boot| *boot <= now).unwrap_or_default()
    }

    /// The request that carries `points`.
    fn request(&self, points: Points) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest {
            resource_metrics: vec![metrics::ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![metrics::ScopeMetrics {
                    // No scope: it would become labels of every series, new ones with each version.
                    metrics: points.into_metrics(),
                    ..metrics::ScopeMetrics::default()
                }],
                ..metrics::ResourceMetrics::default()
            }],
        }
    }

    /// Samples at every interval until `stop`'s other end is dropped. A sample that takes
    /// longer than the interval skips the ones it ran over.
    pub(crate) fn run(
        mut self,
        interval: Duration,
        clock: &Arc<dyn Clock>,
        buffer: &Buffer,
        telemetry: &Telemetry,
        stop: &mpsc::Receiver<()>,
    ) {
        let mut due = Instant::now();
        while stop.recv_timeout(due.saturating_duration_since(Instant::now()))
            == Err(RecvTimeoutError::Timeout)
        {
            let points = self.sample(clock.now());
            telemetry.metric_points.inc_by(points.count());
            buffer.push(self.request(points).encode_to_vec().into());
            due = (due + interval).max(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
