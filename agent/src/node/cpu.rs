//! Processor time by mode, from `/proc/stat`:
//!
//! ```text
//! cpu0 user nice system idle iowait irq softirq steal guest guest_nice
//! ```
//!
//! in hundredths of a second. Guests' time is part of user and nice.

use super::host::{Host, fields, numbers};
use super::names;
use super::points::{Points, Text};
use std::collections::BTreeMap;

/// The unit of `/proc/stat` on every architecture this runs on, whatever the kernel's own
/// tick is.
const TICKS_PER_SECOND: f64 = 100.0;
/// A processor whose idle time falls by more than this was taken away and came back.
const CAME_BACK_TICKS: u64 = 300;

const MODES: [&str; 7] = [
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "interrupt",
    "steal",
];
const IDLE: usize = 3;

/// Ticks of one processor by mode.
type Ticks = [u64; MODES.len()];

/// The highest totals seen: the kernel's idle and iowait may step back a little, which would
/// read as a processor that began anew.
#[derive(Debug, Default)]
pub(super) struct Cpu {
    seen: BTreeMap<u32, Ticks>,
}

impl Cpu {
    pub(super) fn collect(&mut self, host: &mut Host, points: &mut Points) {
        let Some(text) = host.read("proc/stat") else {
            return;
        };
        let read: BTreeMap<u32, Ticks> = fields(&text).filter_map(processor).collect();
        if !read.is_empty() {
            points.put(&names::CPU_LOGICAL_COUNT, &[], read.len() as u64);
        }
        self.seen.retain(|number, _| read.contains_key(number));
        for (number, ticks) in read {
            let seen = self.seen.entry(number).or_insert(ticks);
            *seen = never_back(seen, &ticks);
            for (mode, ticks) in MODES.iter().zip(seen) {
                let attributes = [
                    (names::CPU_MODE, Text::Word(mode)),
                    (names::CPU_NUMBER, Text::Number(number)),
                ];
                points.put(
                    &names::CPU_TIME,
                    &attributes,
                    *ticks as f64 / TICKS_PER_SECOND,
                );
            }
        }
    }
}

fn processor((key, rest): (&str, &str)) -> Option<(u32, Ticks)> {
    let number = key.strip_prefix("cpu")?.parse().ok()?;
    let read: Vec<u64> = numbers(rest).collect();
    // Old kernels have fewer columns; user to idle were always there.
    let at = |n: usize| read.get(n).copied().unwrap_or(0);
    let interrupt = at(5).saturating_add(at(6));
    (read.len() > IDLE).then(|| {
        (
            number,
            [at(0), at(1), at(2), at(3), at(4), interrupt, at(7)],
        )
    })
}

fn never_back(seen: &Ticks, read: &Ticks) -> Ticks {
    if seen[IDLE].saturating_sub(read[IDLE]) > CAME_BACK_TICKS {
        return *read;
    }
    std::array::from_fn(|mode| seen[mode].max(read[mode]))
}
