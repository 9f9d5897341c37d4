//! How figures are shown, and what stands between many times and two of them.

use std::time::Duration;

/// Figures, each beside its budget where it has one.
pub(crate) struct Figures(Vec<(String, f64, &'static str)>);

impl Figures {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value, ""));
    }

    pub(crate) fn add_beside(&mut self, name: impl Into<String>, value: f64, budget: &'static str) {
        self.0.push((name.into(), value, budget));
    }

    pub(crate) fn print(&self, title: &str) {
        println!("\n{title}");
        for (name, value, budget) in &self.0 {
            println!("{value:>14.3}  {budget:>8}  {name}");
        }
    }
}

/// How long things took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time within which this share of all was done, in milliseconds; NaN of nothing.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let found = sorted.get(rank.saturating_sub(1));
        found.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
