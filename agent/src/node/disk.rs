//! What disks did, from `/proc/diskstats`:
//!
//! ```text
//! major minor name  reads merged sectors ms  writes merged sectors ms  in_flight io_ms …
//! ```
//!
//! A sector is 512 bytes whatever the disk's own is. Partitions are parts of their disk, and
//! loop and memory devices are no disks: left out. So is a device that never did anything.

use super::host::{Host, numbers};
use super::names;
use super::points::Points;

const SECTOR_BYTES: u64 = 512;
const NO_DISKS: [&str; 5] = ["loop", "ram", "zram", "fd", "sr"];

pub(super) fn collect(host: &mut Host, points: &mut Points) {
    let Some(text) = host.read("proc/diskstats") else {
        return;
    };
    let has_block = host.has("sys/block");
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(2);
        let Some(name) = words.next() else { continue };
        if is_no_disk(name) || (has_block && !host.has(&block_path(name))) {
            continue;
        }
        let rest = words.collect::<Vec<_>>().join(" ");
        let counts: Vec<u64> = numbers(&rest).collect();
        if let Some(counts) = counts.first_chunk::<10>()
            && counts.iter().any(|count| *count > 0)
        {
            put(name, counts, points);
        }
    }
}

fn is_no_disk(name: &str) -> bool {
    NO_DISKS.iter().any(|prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The directory of a whole disk; partitions have none of their own here.
fn block_path(name: &str) -> String {
    format!("sys/block/{}", name.replace('/', "!"))
}

fn put(name: &str, counts: &[u64; 10], points: &mut Points) {
    let [
        reads,
        reads_merged,
        sectors_read,
        read_ms,
        writes,
        writes_merged,
        sectors_written,
        write_ms,
        _,
        io_ms,
    ] = *counts;
    for (direction, operations, merged, sectors, millis) in [
        ("read", reads, reads_merged, sectors_read, read_ms),
        ("write", writes, writes_merged, sectors_written, write_ms),
    ] {
        let attributes = [
            (names::DISK_DIRECTION, direction.into()),
            (names::DEVICE, name.into()),
        ];
        let bytes = sectors.saturating_mul(SECTOR_BYTES);
        points.put(&names::DISK_IO, &attributes, bytes);
        points.put(&names::DISK_OPERATIONS, &attributes, operations);
        points.put(&names::DISK_MERGED, &attributes, merged);
        points.put(
            &names::DISK_OPERATION_TIME,
            &attributes,
            millis as f64 / 1e3,
        );
    }
    points.put(
        &names::DISK_IO_TIME,
        &[(names::DEVICE, name.into())],
        io_ms as f64 / 1e3,
    );
}
