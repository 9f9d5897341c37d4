//! Targets that are scraped, as Prometheus scrapes them.
//!
//! ```text
//! configuration ─▶ job ─▶ target ─▶ run: at its turn  fetch ─▶ take ─▶ buffer/
//!                  checked  relabel        HTTP, TLS    samples, stale markers
//! ```
//!
//! Samples leave as OTLP whose metrics say `prometheus.type`: their names and labels stay as
//! they are. Time, network and buffer are in `run` and `fetch`; what becomes of a body is
//! decided by `take` without any.

mod text;
mod config;
mod relabel;
mod target;
mod job;
mod fetch;
mod take;
mod run;
#[cfg(test)]
mod testing;

pub use config::{
    Authorization, BasicAuth, GlobalConfig, JobConfig, ProtocolName, RelabelConfig, Scheme,
    ScrapeConfig, ScrapeTlsConfig, StaticConfig,
};
pub use sonde_proto::Secret;
pub use sonde_proto::period::Period;
pub use text::Size;

pub(crate) use run::{Outlet, Scraper};

/// Labels by name; none is empty.
pub(crate) type Labels = std::collections::BTreeMap<String, String>;

/// Checks what is configured about scraping.
///
/// # Errors
/// What is wrong, and where.
pub fn check(config: &ScrapeConfig) -> Result<(), String> {
    for (job, config) in job::jobs(config)?.iter().zip(&config.scrape_configs) {
        job.targets(&config.static_configs)?;
    }
    Ok(())
}
