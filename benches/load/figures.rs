//! How figures are shown.

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

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
