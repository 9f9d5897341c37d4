//! What makes everything that arrives durable, searchable, and into alerts.
//!
//! Follow one record down this list: it comes through a door (`receive`), is checked and
//! appended to the journal (`admit`), is read back by the consumer of its signal
//! (`consume`) into a store (`stores`; `logs` shows it in LogQL's words), is watched by rules
//! (`evaluate`, whose results go back through `derive`), and is found again (`lookup`, `api`).
//! `run` wires the rooms together.

pub mod config;
mod receive;
mod admit;
mod consume;
mod stores;
mod logs;
mod derive;
mod evaluate;
mod load;
mod at_once;
mod lookup;
mod api;
mod run;
mod serve;
mod durable;
mod telemetry;

pub use config::Config;
pub use load::{alerts_from_file, rules_from_file};
pub use run::{Addresses, Collector, StartError};
