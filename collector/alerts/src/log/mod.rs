//! The durable log: what must survive a crash, appended and synced before it counts.
//!
//! ```text
//! alerts.log   = "SONDEALT" version u8 = 1, then frames
//! frame        = ┌──────────────────┬────────┬────────┬─────────────────┐
//!                │ 0xff 'A' 'L' 0xff│ len u32│ crc u32│ record, as JSON │   little endian
//!                └──────────────────┴────────┴────────┴─────────────────┘   crc = CRC-32C of len and record
//! alerts.log.new  a rewritten log, until it is renamed over the old one
//! alerts.lock     locked by the process that writes
//! ```
//!
//! 0xff never occurs in JSON, so the start of the next frame can be found behind a damaged
//! one: the damaged frame is skipped and counted. What follows the last whole frame is a torn
//! write and is cut off. Records replace earlier ones, so the log is rewritten from a snapshot
//! when it has grown to a multiple of it.

mod frame;
mod file;

pub use file::OpenError;
pub(crate) use file::{Log, Recovery};

#[cfg(test)]
mod tests;
