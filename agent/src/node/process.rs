//! Uptime, and how many processes there are and were: `/proc/uptime`, `/proc/stat`,
//! `/proc/<pid>/stat`.

use super::host::{Host, fields, numbers};
use super::names;
use super::points::Points;

pub(super) fn collect(host: &mut Host, points: &mut Points) {
    let uptime = host
        .read("proc/uptime")
        .and_then(|text| text.split_ascii_whitespace().next()?.parse::<f64>().ok());
    if let Some(seconds) = uptime {
        points.put(&names::UPTIME, &[], seconds);
    }
    if let Some(text) = host.read("proc/stat")
        && let Some((_, rest)) = fields(&text).find(|(key, _)| *key == "processes")
        && let Some(started) = numbers(rest).next()
    {
        points.put(&names::PROCESS_CREATED, &[], started);
    }
    let counts = count(host);
    if counts.iter().any(|(_, count)| *count > 0) {
        for (state, count) in counts {
            points.put(
                &names::PROCESS_COUNT,
                &[(names::PROCESS_STATE, state.into())],
                count,
            );
        }
    }
}

/// Processes by their state. One that ends meanwhile is not counted.
fn count(host: &Host) -> [(&'static str, u64); 4] {
    let mut counts = ["running", "sleeping", "stopped", "defunct"].map(|state| (state, 0));
    let Ok(entries) = std::fs::read_dir(host.path("proc")) else {
        return counts;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let state = host
            .read_optional(&format!("proc/{pid}/stat"))
            .and_then(|text| state(&text));
        if let Some(at) = state {
            counts[at].1 += 1;
        }
    }
    counts
}

/// `12 (a name) with (brackets)) S 1 …`: the state is the letter behind the last bracket.
fn state(text: &str) -> Option<usize> {
    let (_, rest) = text.rsplit_once(") ")?;
    match rest.as_bytes().first()? {
        b'R' => Some(0),
        // Interruptible, for a disk, idle kernel threads, parked ones.
        b'S' | b'D' | b'I' | b'P' => Some(1),
        b'T' | b't' => Some(2),
        b'Z' | b'X' | b'x' => Some(3),
        _ => None,
    }
}
