//! Swapping and page faults, from `/proc/vmstat` and `/proc/swaps`.
//!
//! `pgpgin` and `pgpgout` are left out: they count all reads and writes of files, so they
//! say nothing about a want of memory.

use super::host::{Host, fields, numbers};
use super::names;
use super::points::Points;
use std::collections::HashMap;

pub(super) fn collect(host: &mut Host, points: &mut Points) {
    if let Some(text) = host.read("proc/vmstat") {
        let read: HashMap<&str, u64> = fields(&text)
            .filter_map(|(key, rest)| Some((key, numbers(rest).next()?)))
            .collect();
        faults(&read, points);
        operations(&read, points);
    }
    if let Some(text) = host.read("proc/swaps") {
        text.lines().skip(1).for_each(|line| usage(line, points));
    }
}

fn faults(read: &HashMap<&str, u64>, points: &mut Points) {
    let (Some(all), Some(major)) = (read.get("pgfault"), read.get("pgmajfault")) else {
        return;
    };
    for (kind, count) in [("major", *major), ("minor", all.saturating_sub(*major))] {
        points.put(
            &names::PAGING_FAULTS,
            &[(names::PAGING_FAULT_TYPE, kind.into())],
            count,
        );
    }
}

fn operations(read: &HashMap<&str, u64>, points: &mut Points) {
    for (direction, key) in [("in", "pswpin"), ("out", "pswpout")] {
        if let Some(pages) = read.get(key) {
            let attributes = [
                (names::PAGING_DIRECTION, direction.into()),
                (names::PAGING_FAULT_TYPE, "major".into()),
            ];
            points.put(&names::PAGING_OPERATIONS, &attributes, *pages);
        }
    }
}

/// `/dev/vda2 partition 2097148 1024 -2`: size and use in KiB.
fn usage(line: &str, points: &mut Points) {
    let mut words = line.split_ascii_whitespace();
    let (Some(device), Some(_kind)) = (words.next(), words.next()) else {
        return;
    };
    let mut kibibytes = words.map_while(|word| word.parse::<u64>().ok());
    let (Some(size), Some(used)) = (kibibytes.next(), kibibytes.next()) else {
        return;
    };
    for (state, kibibytes) in [("used", used), ("free", size.saturating_sub(used))] {
        let attributes = [
            (names::DEVICE, device.into()),
            (names::PAGING_STATE, state.into()),
        ];
        points.put(
            &names::PAGING_USAGE,
            &attributes,
            kibibytes.saturating_mul(1024),
        );
    }
}
