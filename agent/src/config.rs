//! What can be set about the agent.

use crate::scrape::ScrapeConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The agent of one node.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// This host's name in telemetry (`host.name`). Unset: the name the system gives.
    pub host_name: Option<String>,
    /// Attributes set on everything the agent sends; they win over what paths say.
    pub resource: BTreeMap<String, String>,
    /// Log files to follow.
    pub tail: TailConfig,
    /// What the file names and configuration say about a log's origin.
    pub enrich: EnrichConfig,
    /// What is measured about the node itself.
    pub node: NodeConfig,
    /// What is scraped, in Prometheus' words.
    pub scrape: ScrapeConfig,
    /// Where everything is sent.
    pub export: ExportConfig,
    /// Where metrics wait while the collector cannot be reached.
    pub buffer: BufferConfig,
    /// The port of an agent that runs alone. Beside a collector, the collector's port shows it.
    pub http: HttpConfig,
}

/// The port of an agent that runs alone: `/metrics`, `/healthz`, `/readyz`, `/status`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The address to listen on; port 0 picks a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7071)),
        }
    }
}

/// How the lines of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Decided per file by its first line.
    #[default]
    Auto,
    /// Container runtime lines: `time stream P|F text`.
    Cri,
    /// Each line is a record.
    Plain,
}

/// Log files to follow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TailConfig {
    /// Whether files are followed at all.
    pub enabled: bool,
    /// Patterns of paths: `*`, `?`, `[…]`, and `**` for any number of directories.
    pub paths: Vec<String>,
    /// Patterns of paths that are left alone although `paths` names them.
    pub exclude: Vec<String>,
    /// How the lines are written.
    pub format: Format,
    /// Whether files that are there at the agent's very first start are read from their
    /// beginning. Files that appear later always are.
    pub from_beginning: bool,
    /// Whether rotated files beside a followed one (`<name>.*`, not compressed) are read to
    /// their end.
    pub rotated: bool,
    /// How often followed files are looked at for new lines, in milliseconds.
    pub poll_interval_ms: u64,
    /// How often the patterns are resolved, in milliseconds. Changes in a watched directory
    /// are noticed earlier.
    pub scan_interval_ms: u64,
    /// Whether the system is asked to report changes in directories. Only a hint:
    /// everything is found without it, up to `scan_interval_ms` later.
    pub watch: bool,
    /// The longest line, in bytes; the rest of a longer one is cut off and counted.
    pub line_bytes_max: usize,
    /// The longest record joined from partial container lines, in bytes; the rest is cut
    /// off and counted.
    pub record_bytes_max: usize,
    /// How many files are followed; further ones wait and are counted.
    pub files_max: usize,
    /// How many files are open at once.
    pub open_files_max: usize,
    /// After how long without a new line a file is closed until it grows, in milliseconds.
    pub idle_close_ms: u64,
    /// How long a rotated or deleted file is still watched after its last line, in
    /// milliseconds.
    pub rotate_wait_ms: u64,
    /// How many bytes of deleted files are kept on the disk by holding them open, while the
    /// collector does not take them. Beyond it the oldest file is given up and counted.
    pub deleted_bytes_max: u64,
    /// How often cursors are saved, in milliseconds.
    pub save_interval_ms: u64,
    /// How long the cursor of a file that is gone is kept, in seconds.
    pub forget_after_seconds: u64,
}

impl Default for TailConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            paths: vec![
                "/var/log/containers/*.log".into(),
                "/var/log/pods/*/*/*.log".into(),
            ],
            exclude: Vec::new(),
            format: Format::Auto,
            from_beginning: true,
            rotated: true,
            poll_interval_ms: 200,
            scan_interval_ms: 1000,
            watch: true,
            line_bytes_max: 256 << 10,
            record_bytes_max: 1 << 20,
            files_max: 16_384,
            open_files_max: 1024,
            idle_close_ms: 300_000,
            rotate_wait_ms: 5_000,
            deleted_bytes_max: 1 << 30,
            save_interval_ms: 1_000,
            forget_after_seconds: 86_400,
        }
    }
}

/// What the file names and configuration say about a log's origin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnrichConfig {
    /// Rules by path, first match wins. Without a match the service is the container's
    /// name, or the file's name without its extension.
    pub rules: Vec<PathRule>,
}

/// Attributes for the files of a pattern.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PathRule {
    /// The pattern of paths, as in `tail.paths`.
    pub path: String,
    /// `service.name` of their records.
    pub service: Option<String>,
    /// Further resource attributes of their records.
    pub resource: BTreeMap<String, String>,
}

/// What is measured about the node itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Whether the node is measured at all.
    pub enabled: bool,
    /// How often, in milliseconds.
    pub interval_ms: u64,
    /// Where the node's root directory is. In a container: where it is mounted.
    pub host_root: PathBuf,
    /// What is not measured.
    pub exclude: Vec<Collector>,
    /// Types of file systems that are not measured.
    pub filesystem_types_exclude: Vec<String>,
    /// Mount points that are not measured, nor what is mounted below them.
    pub mountpoints_exclude: Vec<String>,
    /// Patterns of network interfaces that are not measured.
    pub interfaces_exclude: Vec<String>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let list = |words: &str| words.split_whitespace().map(str::to_owned).collect();
        Self {
            enabled: true,
            interval_ms: 10_000,
            host_root: "/".into(),
            exclude: Vec::new(),
            filesystem_types_exclude: list(
                "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs \
                 erofs fusectl hugetlbfs iso9660 mqueue nsfs overlay proc pstore rpc_pipefs \
                 securityfs selinuxfs squashfs sysfs tracefs",
            ),
            mountpoints_exclude: list(
                "/dev /proc /sys /run/credentials /run/containerd /var/lib/containerd \
                 /var/lib/containers/storage /var/lib/docker /var/lib/kubelet/pods",
            ),
            interfaces_exclude: list("lo veth* cali* lxc*"),
        }
    }
}

/// A part of the node that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Collector {
    /// Processor time by mode.
    Cpu,
    /// Load averages.
    Load,
    /// Memory by its use.
    Memory,
    /// Swapping and page faults.
    Paging,
    /// Time lost to waiting for processors, memory and disks.
    Pressure,
    /// What disks did.
    Disk,
    /// How full file systems are.
    Filesystem,
    /// What network interfaces carried.
    Network,
    /// Uptime and processes.
    Process,
}

impl Collector {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Cpu,
        Self::Load,
        Self::Memory,
        Self::Paging,
        Self::Pressure,
        Self::Disk,
        Self::Filesystem,
        Self::Network,
        Self::Process,
    ];
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    None,
    /// gzip: every OTLP server takes it.
    Gzip,
    /// zstd: less work and smaller.
    #[default]
    Zstd,
}

/// Where everything is sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportConfig {
    /// The collector's OTLP gRPC endpoint, `http://host:port` or `https://host:port`.
    pub endpoint: String,
    /// How requests are compressed.
    pub compression: Compression,
    /// The tenant to send as (`X-Scope-OrgID`). Unset: the collector's default.
    pub tenant: Option<String>,
    /// A file that holds the bearer token to send.
    pub token_file: Option<PathBuf>,
    /// TLS, for an `https` endpoint.
    pub tls: TlsConfig,
    /// How long one request may take, in milliseconds.
    pub timeout_ms: u64,
    /// The pause after a first failed attempt, in milliseconds; it doubles with each.
    pub backoff_ms: u64,
    /// The longest pause between attempts, in milliseconds, unless the collector asks for
    /// a longer one.
    pub backoff_ms_max: u64,
    /// In how many lanes files are sent side by side. The records of one file stay in
    /// order: it has one lane, and a lane has one request in flight.
    pub lanes: usize,
    /// When a request is full, in bytes before compression.
    pub batch_bytes_max: usize,
    /// How long records wait for a fuller request, in milliseconds.
    pub batch_delay_ms: u64,
    /// How many bytes of records are in memory over all lanes, being gathered or unacknowledged.
    /// Files are not read on while it is used up.
    pub in_flight_bytes_max: usize,
    /// How long a stop waits for the collector to take what was read, in milliseconds.
    /// What it did not take is read again at the next start.
    pub stop_wait_ms: u64,
    /// How often an export that keeps failing is reported again, in milliseconds.
    pub report_interval_ms: u64,
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:4317".into(),
            compression: Compression::Zstd,
            tenant: None,
            token_file: None,
            tls: TlsConfig::default(),
            timeout_ms: 10_000,
            backoff_ms: 100,
            backoff_ms_max: 10_000,
            lanes: 2,
            batch_bytes_max: 1 << 20,
            batch_delay_ms: 200,
            in_flight_bytes_max: 8 << 20,
            stop_wait_ms: 5_000,
            report_interval_ms: 60_000,
        }
    }
}

impl ExportConfig {
    /// When a request of one lane is full: each lane gathers one while another is in flight.
    pub(crate) fn lane_batch_bytes(&self) -> usize {
        self.batch_bytes_max
            .min(self.in_flight_bytes_max / (2 * self.lanes.max(1)))
            .max(1)
    }
}

/// TLS towards the collector.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// A PEM file with the authorities to trust. Unset: the public ones.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the agent's own certificate, for mutual TLS.
    pub cert_file: Option<PathBuf>,
    /// A PEM file with the certificate's key.
    pub key_file: Option<PathBuf>,
    /// The name to expect in the collector's certificate, where the endpoint's differs.
    pub server_name: Option<String>,
}

/// Where metrics wait while the collector cannot be reached: they cannot be read again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BufferConfig {
    /// How much may wait, in bytes; the oldest are dropped and counted.
    pub bytes_max: u64,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
        }
    }
}
