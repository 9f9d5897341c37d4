//! How full file systems are: `/proc/1/mounts`, and the system's answer for each.
//!
//! ```text
//! /dev/vda1 /srv/my\040data ext4 rw,relatime 0 0
//! ```
//!
//! A device mounted at several places (bind mounts) is one file system: its shortest mount
//! point stands for it.

use super::host::Host;
use super::measure::{Measure, Usage};
use super::names;
use super::points::Points;
use crate::config::NodeConfig;
use std::collections::BTreeMap;

/// What `/proc/1/mounts` says about one mount.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    read_only: bool,
}

/// The file systems of the node.
pub(super) struct Filesystem {
    types_exclude: Vec<String>,
    mountpoints_exclude: Vec<String>,
    measure: Measure,
}

impl Filesystem {
    pub(super) fn new(config: &NodeConfig) -> Self {
        Self {
            types_exclude: config.filesystem_types_exclude.clone(),
            mountpoints_exclude: config.mountpoints_exclude.clone(),
            measure: Measure::default(),
        }
    }

    pub(super) fn collect(&mut self, host: &mut Host, points: &mut Points) {
        let Some(text) = host.read_first(&["proc/1/mounts", "proc/self/mounts"]) else {
            return;
        };
        for mount in self.mounts(&text) {
            if let Some(usage) = self.measure.usage(&host.path(&mount.point))
                && usage.size > 0
            {
                put(&mount, &usage, points);
            }
        }
    }

    /// The mounts to measure, one for each file system.
    fn mounts(&self, text: &str) -> Vec<Mount> {
        let mut by_point: BTreeMap<String, Mount> = BTreeMap::new();
        for mount in text.lines().filter_map(mount) {
            // What is mounted over another hides it.
            by_point.insert(mount.point.clone(), mount);
        }
        let mut mounts: Vec<_> = by_point
            .into_values()
            .filter(|mount| !self.is_excluded(mount))
            .collect();
        mounts.sort_by_key(|mount| mount.point.len());
        let mut devices = std::collections::HashSet::new();
        mounts.retain(|m| !m.device.starts_with('/') || devices.insert(m.device.clone()));
        mounts
    }

    fn is_excluded(&self, mount: &Mount) -> bool {
        let below = |dir: &String| {
            mount
                .point
                .strip_prefix(dir.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.types_exclude.contains(&mount.kind) || self.mountpoints_exclude.iter().any(below)
    }
}

fn mount(line: &str) -> Option<Mount> {
    let mut words = line.split_ascii_whitespace();
    let (device, point, kind, options) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Mount {
        device: unescape(device),
        point: unescape(point),
        kind: kind.to_owned(),
        read_only: options.split(',').any(|option| option == "ro"),
    })
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 4);
        match digits.and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            _ => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn put(mount: &Mount, usage: &Usage, points: &mut Points) {
    let mode = if mount.read_only { "ro" } else { "rw" };
    let of = [
        (names::DEVICE, mount.device.as_str().into()),
        (names::FILESYSTEM_MODE, mode.into()),
        (names::FILESYSTEM_MOUNTPOINT, mount.point.as_str().into()),
    ];
    let kind = (names::FILESYSTEM_TYPE, mount.kind.as_str().into());
    let used = usage.size.saturating_sub(usage.free);
    let reserved = usage.free.saturating_sub(usage.available);
    let state = |name: &'static str| (names::FILESYSTEM_STATE, name.into());
    for (name, bytes) in [
        ("used", used),
        ("free", usage.available),
        ("reserved", reserved),
    ] {
        let attributes = [of[0], of[1], of[2], state(name), kind];
        points.put(&names::FILESYSTEM_USAGE, &attributes, bytes);
    }
    let attributes = [of[0], of[1], of[2], kind];
    points.put(&names::FILESYSTEM_LIMIT, &attributes, usage.size);
    let can_be_had = used.saturating_add(usage.available);
    if can_be_had > 0 {
        let attributes = [of[0], of[1], of[2], state("used"), kind];
        let share = used as f64 / can_be_had as f64;
        points.put(&names::FILESYSTEM_UTILIZATION, &attributes, share);
    }
}

#[cfg(test)]
mod tests;
