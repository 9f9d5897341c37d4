//! Everything between a firing rule and a person.
//!
//! ```text
//! rules, clients ─▶ Alerts ─▶ core: join, route, group, inhibit, decide ─▶ log ─▶ notify ─▶ Slack, mail, …
//! alerts.yaml ─▶ config ─▶ plan and integrations ───┘
//! ```
//!
//! The core decides without doing anything, the log makes its decisions durable, the shell
//! performs them. The configuration is Alertmanager's file, read as it is.

mod alert;
mod secret;
mod matchers;
mod interval;
mod route;
mod inhibit;
mod record;
mod core;
mod log;
mod text;
mod notify;
mod config;
mod shell;

#[cfg(test)]
mod fixture;

pub use alert::{Alert, AlertState, AlertStatus};
pub use config::{AlertConfig, read_config};
pub use core::{CoreLimits, GroupStatus, Refused};
pub use log::OpenError;
pub use record::{Notification, Outcome};
pub use shell::{Alerts, ReceiveError, Settings};
