//! What can be set about the file journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The durable log of everything that arrives.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileConfig {
    /// The size of a full-grown journal file, in bytes.
    pub file_bytes: u64,
    /// The space that one partition may take, in bytes. When it is used up, appends are
    /// refused until the consumer has sealed what it read.
    pub bytes_max: u64,
    /// The largest entry, in bytes.
    pub entry_bytes_max: usize,
    /// Space set aside on the disk, in bytes, and given back when it is full, so that
    /// consumers can still seal and the journal can be trimmed.
    pub reserve_bytes: u64,
    /// How many appends may wait for the disk per partition; further ones wait before it.
    pub appends_max: usize,
    /// How much is written between two syncs at most, in bytes.
    pub commit_bytes_max: usize,
}

impl Default for FileConfig {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            bytes_max: 4 << 30,
            entry_bytes_max: 32 << 20,
            reserve_bytes: 16 << 20,
            appends_max: 1024,
            commit_bytes_max: 1 << 20,
        }
    }
}
