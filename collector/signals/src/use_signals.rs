//! USE: utilisation, saturation and errors of the resources of nodes, containers and pods, in
//! one table.
//!
//! Every row names the metric that [`crate::USE_RULES`] records; a test keeps them together.

use serde::Serialize;

/// What can be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Processors.
    Cpu,
    /// Memory.
    Memory,
    /// Disks and file systems.
    Disk,
    /// Network interfaces.
    Network,
}

/// What is asked of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// How much of it is in use.
    Utilization,
    /// How much work waits for it.
    Saturation,
    /// How often it fails.
    Errors,
}

/// Whose resource it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A node: series have `host_name`.
    Node,
    /// A container: series have `namespace`, `pod` and `container`.
    Container,
    /// A pod: series have `namespace` and `pod`.
    Pod,
}

/// One signal of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UseSignal {
    /// The resource.
    pub resource: Resource,
    /// The question.
    pub method: Method,
    /// The recorded metric that answers it.
    pub metric: &'static str,
    /// `ratio` (0 to 1 unless the help says otherwise), `bytes/s`, `1/s` or `operations`.
    pub unit: &'static str,
    /// What it says.
    pub help: &'static str,
}

impl Resource {
    /// The name: `cpu`, `memory`, `disk` or `network`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Network => "network",
        }
    }
}

impl Method {
    /// The name: `utilization`, `saturation` or `errors`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utilization => "utilization",
            Self::Saturation => "saturation",
            Self::Errors => "errors",
        }
    }
}

impl UseSignal {
    /// Whose resource it is, as the metric's name says.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.metric.split_once(':') {
            Some(("container", _)) => Scope::Container,
            Some(("pod", _)) => Scope::Pod,
            _ => Scope::Node,
        }
    }
}

/// All USE signals, in the order people read them.
#[must_use]
pub fn use_table() -> &'static [UseSignal] {
    &TABLE
}

const fn row(
    resource: Resource,
    method: Method,
    metric: &'static str,
    unit: &'static str,
    help: &'static str,
) -> UseSignal {
    UseSignal {
        resource,
        method,
        metric,
        unit,
        help,
    }
}

static TABLE: [UseSignal; 22] = [
    row(
        Resource::Cpu,
        Method::Utilization,
        "node:cpu_utilization:ratio",
        "ratio",
        "Share of processor time that was not idle.",
    ),
    row(
        Resource::Cpu,
        Method::Saturation,
        "node:cpu_saturation:ratio",
        "ratio",
        "Share of time in which some task waited for a processor.",
    ),
    row(
        Resource::Cpu,
        Method::Saturation,
        "node:cpu_load:ratio",
        "ratio",
        "Load average of one minute per processor; above 1, tasks wait.",
    ),
    row(
        Resource::Memory,
        Method::Utilization,
        "node:memory_utilization:ratio",
        "ratio",
        "Share of memory in use.",
    ),
    row(
        Resource::Memory,
        Method::Saturation,
        "node:memory_saturation:ratio",
        "ratio",
        "Share of time in which some task waited for memory.",
    ),
    row(
        Resource::Memory,
        Method::Saturation,
        "node:memory_paging:rate",
        "1/s",
        "Pages read from or written to disk a second.",
    ),
    row(
        Resource::Disk,
        Method::Utilization,
        "node:disk_utilization:ratio",
        "ratio",
        "Share of time in which the disk was busy.",
    ),
    row(
        Resource::Disk,
        Method::Utilization,
        "node:filesystem_utilization:ratio",
        "ratio",
        "Share of the file system that is full.",
    ),
    row(
        Resource::Disk,
        Method::Saturation,
        "node:disk_saturation:ratio",
        "ratio",
        "Share of time in which some task waited for a disk.",
    ),
    row(
        Resource::Disk,
        Method::Saturation,
        "node:disk_queue:operations",
        "operations",
        "Operations under way or waiting at the disk, on average.",
    ),
    row(
        Resource::Network,
        Method::Utilization,
        "node:network_throughput:bytes_rate",
        "bytes/s",
        "Bytes sent and received a second, by interface and direction.",
    ),
    row(
        Resource::Network,
        Method::Saturation,
        "node:network_drops:rate",
        "1/s",
        "Packets dropped a second.",
    ),
    row(
        Resource::Network,
        Method::Errors,
        "node:network_errors:rate",
        "1/s",
        "Packets that failed a second.",
    ),
    row(
        Resource::Cpu,
        Method::Utilization,
        "container:cpu_utilization:ratio",
        "ratio",
        "Share of its processor limit that a container used.",
    ),
    row(
        Resource::Cpu,
        Method::Saturation,
        "container:cpu_saturation:ratio",
        "ratio",
        "Share of scheduling periods in which a container was held back at its limit.",
    ),
    row(
        Resource::Memory,
        Method::Utilization,
        "container:memory_utilization:ratio",
        "ratio",
        "Share of its memory limit that a container used.",
    ),
    row(
        Resource::Memory,
        Method::Saturation,
        "container:memory_saturation:ratio",
        "ratio",
        "Share of time in which some task of a container waited for memory; 0 without cgroup v2.",
    ),
    row(
        Resource::Memory,
        Method::Errors,
        "container:memory_failures:rate",
        "1/s",
        "Processes of a container that were killed for lack of memory, a second.",
    ),
    row(
        Resource::Disk,
        Method::Saturation,
        "container:disk_saturation:ratio",
        "ratio",
        "Share of time in which some task of a container waited for a disk; 0 without cgroup v2.",
    ),
    row(
        Resource::Network,
        Method::Utilization,
        "pod:network_throughput:bytes_rate",
        "bytes/s",
        "Bytes that a pod sent and received a second.",
    ),
    row(
        Resource::Network,
        Method::Saturation,
        "pod:network_drops:rate",
        "1/s",
        "Packets of a pod that were dropped a second.",
    ),
    row(
        Resource::Network,
        Method::Errors,
        "pod:network_errors:rate",
        "1/s",
        "Packets of a pod that failed a second.",
    ),
];
