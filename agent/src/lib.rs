//! What runs on every node: tails logs, reads node metrics, scrapes targets, and forwards it
//! all.
//!
//! ```text
//! tail/ ──▶ enrich/ ──▶ export/ ──▶ collector
//! files     origin,     OTLP,         │
//!   ▲       severity    lanes         │ acknowledged
//!   └──────────── cursors ◀───────────┘
//! node/ ───┬▶ buffer/ ──▶ export/
//! scrape/ ─┘
//! ```
//!
//! A log file is its own buffer: a cursor moves when the collector has acknowledged what lies
//! before it, and while the collector is down nothing is read. What cannot be read again
//! waits in the buffer.

mod config;
mod tail;
mod node;
pub mod scrape;
mod enrich;
mod buffer;
mod export;
mod telemetry;
mod status;
mod agent;
#[doc(hidden)]
pub mod bench;

pub use agent::{Agent, StartError};
pub use config::{
    BufferConfig, Collector, Compression, Config, EnrichConfig, ExportConfig, Format, HttpConfig,
    NodeConfig, PathRule, TailConfig, TlsConfig,
};
pub use status::{Status, TargetDown};
