//! What the system knows of a process.

use crate::Failure;

/// What it has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    /// Pages of mapped files included, which the system takes back when it needs them.
    pub(crate) rss_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
    /// Without these.
    pub(crate) anonymous_bytes: u64,
}

/// What the process has used so far.
pub(crate) fn used(pid: u32) -> Result<Used, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.filter_map(|n| n.parse::<f64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kilobytes.map_or(0, |n: u64| n * 1024)
    };
    Ok(Used {
        // Ticks are hundredths of a second on every Linux.
        cpu_seconds: ticks / 100.0,
        rss_bytes: bytes("VmRSS:"),
        rss_peak_bytes: bytes("VmHWM:"),
        anonymous_bytes: bytes("RssAnon:"),
    })
}
