//! Times, memory, and how figures are shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Figures beside their budgets.
#[derive(Default)]
pub(crate) struct Figures(Vec<(String, f64, String)>);

impl Figures {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, budget: impl Into<String>) {
        self.0.push((name.into(), value, budget.into()));
    }

    pub(crate) fn print(&self, title: &str) {
        println!("\n{title}");
        for (name, value, budget) in &self.0 {
            println!("{value:>12.3}  {budget:>8}  {name}");
        }
    }
}

pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let from = Instant::now();
    work();
    from.elapsed().as_secs_f64()
}

/// The middle of what is sorted.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The processor time of all threads so far.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse().ok())
        .collect();
    // Ticks are hundredths of a second on every Linux.
    fields.iter().sum::<f64>() / 100.0
}

/// The most memory since the last reset, in bytes.
pub(crate) fn peak_memory() -> f64 {
    status("VmHWM:")
}

/// Forgets the most memory so far; how much is in use now, in bytes.
pub(crate) fn reset_peak_memory() -> f64 {
    // Where that is not allowed, the figure is that of the whole run.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0
}

/// The bytes of a store's segments by what holds them.
pub(crate) fn bytes_by_file(dir: &Path) -> BTreeMap<String, u64> {
    let mut bytes = BTreeMap::new();
    let mut left = vec![(dir.join("segments"), String::new())];
    while let Some((dir, room)) = left.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                left.push((
                    entry.path(),
                    if name == "words" { name } else { room.clone() },
                ));
            } else {
                let name = if room.is_empty() { name } else { room.clone() };
                *bytes.entry(name).or_default() += meta.len();
            }
        }
    }
    bytes
}
