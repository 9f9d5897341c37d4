//! What of the log store can be set.

mod retention;

pub use retention::{RetentionConfig, StreamRetention, TenantRetention};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_proto::semconv;

/// Less is no use for [`Config::mapped_bytes_max`].
const MAPPED_BYTES_MIN: u64 = 1 << 20;
/// Less is no use for [`Config::memory_bytes_max`].
const MEMORY_BYTES_MIN: u64 = 4 << 20;

/// How the bodies of records lie in segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BodyEncoding {
    /// As they are, compressed.
    Plain,
    /// As templates and their variables where that is smaller: counts of words and searches
    /// mostly do without the text.
    #[default]
    Templated,
}

/// The log store's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long records stay in memory before they are sealed into a segment. They are
    /// searchable from the start; this bounds what is replayed after a crash.
    pub seal_interval_ms: u64,
    /// How many bytes of records may wait in memory for their segment. At half of it a
    /// segment is sealed early; at all of it no more is taken until one is written.
    pub tail_bytes_max: u64,
    /// How many bytes of records (uncompressed) merging lets a segment grow to. Writing a
    /// segment takes about an eighth of this memory.
    pub segment_bytes_max: u64,
    /// How bodies lie in segments that are written from now on. Those that there are stay
    /// readable, and take it over when they are merged.
    pub bodies: BodyEncoding,
    /// How many segments of about one size are merged into one.
    pub merge_factor: u64,
    /// How many bytes of records (uncompressed) merging takes in a second. 0 is no limit.
    pub merge_bytes_per_second_max: u64,
    /// How long a time small segments are merged over: retention drops whole segments, so
    /// this is how much longer than asked a record may be kept.
    pub merge_span_seconds_max: u64,
    /// How long records are kept, counted from their own time, or from their arrival where
    /// their own time lies after it, until the newest record that is sealed: a clock that runs
    /// ahead lets nothing go, and neither does time in which nothing comes in. 0 keeps them for
    /// ever.
    pub retention_seconds: u64,
    /// How many bytes of segments are kept on disk, of all tenants that have no limit of
    /// their own; 0 is no limit. The oldest of the tenant that has the most go first, so no
    /// tenant pushes out one that has less.
    pub retention_bytes_max: u64,
    /// Where tenants or streams are kept for another time.
    pub retention: RetentionConfig,
    /// How long a delete request can be cancelled: what it deletes is hidden at once, and
    /// removed from disk after that.
    pub delete_cancel_seconds: u64,
    /// How many delete requests of a tenant may wait at once.
    pub deletes_max: u64,
    /// The resource attributes that become labels, dots as underscores. A name that ends
    /// in `*` stands for all names that start so. The rest is kept with the record.
    pub labels: Vec<String>,
    /// How many labels a stream may have; further ones are kept as resource attributes.
    pub labels_max: u64,
    /// How long a label's value may be; a longer one is cut and counted.
    pub label_value_bytes_max: u64,
    /// How many attributes of a record, and of its resource, are kept; further ones are
    /// dropped and counted.
    pub attributes_max: u64,
    /// How many bytes of attributes, names and values, are kept of a record, and of its
    /// resource; attributes beyond are dropped and counted.
    pub attributes_bytes_max: u64,
    /// How many log files (by `log.record.uid`) are remembered to recognise records that
    /// were sent twice. The files that were silent longest are forgotten first.
    pub uid_files_max: u64,
    /// How many records one answer may have, whatever limit was asked for.
    pub records_max: u64,
    /// How many bytes of records one answer may have.
    pub answer_bytes_max: u64,
    /// How many bytes of records one query may look at before it is cut short.
    pub scan_bytes_max: u64,
    /// How many threads one query may use: its own, and at most half of the helpers that are idle.
    /// There are helpers for two such queries. 0 is one for each processor.
    pub query_threads_max: u64,
    /// How many bytes of segments stay open, which means mapped into memory: those that were
    /// read last, beside what queries and merges read just now. 0 is no limit.
    pub mapped_bytes_max: u64,
    /// How many bytes of memory have what is remembered because it is likely to be wanted
    /// again: half of them the streams of what comes in, a quarter streams of segments, and a
    /// quarter templates of bodies. A thread of a query has up to another quarter for the texts
    /// that it looks for in templates.
    pub memory_bytes_max: u64,
    /// Whether the checksums of all segments are verified at the start. Off, the start is
    /// quicker and each piece is verified whenever it is read.
    pub verify_at_open: bool,
}

impl Config {
    /// Of [`Config::memory_bytes_max`], for the streams of what comes in.
    pub(crate) fn known_bytes_max(&self) -> usize {
        usize::try_from(self.memory_bytes_max / 2).unwrap_or(usize::MAX)
    }

    /// For each of what is remembered of segments, and for what a thread of a query looks for.
    pub(crate) fn kept_bytes_max(&self) -> u64 {
        self.memory_bytes_max / 4
    }

    /// Whether a store can be opened with it.
    ///
    /// # Errors
    /// Which selector or tenant of `retention` cannot be read, and why; or which number makes
    /// no sense.
    pub fn check(&self) -> Result<(), String> {
        if (1..MAPPED_BYTES_MIN).contains(&self.mapped_bytes_max) {
            return Err(format!(
                "mapped_bytes_max: with {} bytes every query would open its segments anew; give {MAPPED_BYTES_MIN} or more, or 0 for no limit",
                self.mapped_bytes_max
            ));
        }
        if self.memory_bytes_max < MEMORY_BYTES_MIN {
            return Err(format!(
                "memory_bytes_max: with {} bytes hardly anything would be remembered; give {MEMORY_BYTES_MIN} or more",
                self.memory_bytes_max
            ));
        }
        crate::store::check_retention(self)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seal_interval_ms: 15_000,
            tail_bytes_max: 64 << 20,
            segment_bytes_max: 512 << 20,
            bodies: BodyEncoding::default(),
            merge_factor: 8,
            merge_bytes_per_second_max: 64 << 20,
            merge_span_seconds_max: 24 * 3600,
            retention_seconds: 14 * 24 * 3600,
            retention_bytes_max: 20 << 30,
            retention: RetentionConfig::default(),
            delete_cancel_seconds: 3600,
            deletes_max: 100,
            labels: default_labels(),
            labels_max: 40,
            label_value_bytes_max: 2048,
            attributes_max: 256,
            attributes_bytes_max: 256 << 10,
            uid_files_max: 10_000,
            records_max: 5_000,
            answer_bytes_max: 64 << 20,
            scan_bytes_max: 64 << 30,
            query_threads_max: 0,
            mapped_bytes_max: 512 << 20,
            memory_bytes_max: 256 << 20,
            verify_at_open: false,
        }
    }
}

fn default_labels() -> Vec<String> {
    [
        semconv::SERVICE_NAME,
        semconv::SERVICE_NAMESPACE,
        semconv::SERVICE_INSTANCE_ID,
        semconv::HOST_NAME,
        semconv::LOG_FILE_NAME,
        semconv::LOG_FILE_PATH,
        semconv::LOG_IOSTREAM,
        "deployment.environment.name",
        "container.name",
        "k8s.*",
    ]
    .map(str::to_owned)
    .to_vec()
}
