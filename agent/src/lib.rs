//! What runs on every node: tails logs, reads node metrics, and forwards it all.
//!
//! ```text
//! tail/ ──▶ enrich/ ──▶ export/ ──▶ collector
//! files     origin,     OTLP,         │
//!   ▲       severity    lanes         │ acknowledged
//!   └──────────── cursors ◀───────────┘
//! node/ ──▶ buffer/ ──▶ export/
//! ```
//!
//! A log file is its own buffer: a cursor moves when the collector has acknowledged what lies
//! before it, and while the collector is down nothing is read. What cannot be read again
//! waits in the buffer.

mod config;
mod tail;
mod enrich;
mod buffer;
mod export;
mod telemetry;
mod status;
mod agent;

pub use agent::{Agent, StartError};
pub use config::{
    BufferConfig, Compression, Config, EnrichConfig, ExportConfig, Format, PathRule, TailConfig,
    TlsConfig,
};
pub use status::Status;
