//! The log store: segments, the unsealed tail, search, and LogQL.
//!
//! One record's way through it:
//!
//! ```text
//! apply ─▶ intake ─▶ tail (in memory, searchable at once) ─▶ seal ─▶ segments ─▶ merge ─▶ retention
//!           │ decode, labels, level,                         │        blocks of columns,
//!           │ dedup by log.record.uid                        │        listed by the manifest
//!           ▼                                                ▼
//!         search: one compiled predicate over tail and segments alike
//! ```
//!
//! Invariants:
//! - A query sees segments and tail of one instant: what is sealed leaves the tail in the
//!   same step in which its segment appears, so no record is seen twice or not at all.
//! - Words only narrow; the bytes of the body decide. `|= "text"` is exact substring.
//! - Everything before [`LogStore::resume_from`] lies in segments that the manifest lists;
//!   the rest is replayed from the journal after a crash.
//! - Labels say what a record is; small streams share blocks, so that thousands of them
//!   cost a row in a table each.
//! - What is read of a segment is held against its checksum first. Damage is reported and
//!   moved aside; it never becomes an answer.

mod config;
mod telemetry;
mod words;
mod record;
mod stream;
mod intake;
mod dedup;
mod tail;
mod hidden;
mod segment;
mod search;
mod store;
#[cfg(test)]
mod testing;

pub use config::{BodyEncoding, Config, RetentionConfig, StreamRetention, TenantRetention};
pub use intake::each_error;
pub use record::{Line, LogRecord};
pub use search::{
    Belonging, Direction, LogAnswer, Reading, Search, SearchError, StreamVolume, StreamVolumes,
    TenantSource,
};
pub use store::{
    DeleteError, DeleteRequest, DeleteStatus, LinePatterns, LogStore, NewDelete, OpenError,
    RetentionInForce, Stats, StoreError, StreamUsage, TenantUsage,
};
