//! Memory by its use, from `/proc/meminfo`.
//!
//! The states add up to the limit. What is cached can be had back, so it is page cache and
//! reclaimable kernel objects without shared memory: that (tmpfs, shared segments) lies in
//! the page cache but goes nowhere, and is used.

use super::host::{Host, fields, numbers};
use super::names;
use super::points::{Points, Text};
use std::collections::HashMap;

pub(super) fn collect(host: &mut Host, points: &mut Points) {
    let Some(text) = host.read("proc/meminfo") else {
        return;
    };
    let read: HashMap<&str, u64> = fields(&text)
        .filter_map(|(key, rest)| Some((key, numbers(rest).next()?.saturating_mul(1024))))
        .collect();
    let get = |key: &str| read.get(key).copied();
    if let (Some(limit), Some(free)) = (get("MemTotal"), get("MemFree")) {
        points.put(&names::MEMORY_LIMIT, &[], limit);
        let part = |key: &str| get(key).unwrap_or(0);
        let cached =
            (part("Cached").saturating_add(part("SReclaimable"))).saturating_sub(part("Shmem"));
        let buffers = part("Buffers");
        let used = [free, buffers, cached]
            .iter()
            .fold(limit, |rest, part| rest.saturating_sub(*part));
        for (state, bytes) in [
            ("used", used),
            ("free", free),
            ("buffers", buffers),
            ("cached", cached),
        ] {
            let attributes = [(names::MEMORY_STATE, Text::Word(state))];
            points.put(&names::MEMORY_USAGE, &attributes, bytes);
        }
    }
    for (name, key) in [
        (&names::MEMORY_AVAILABLE, "MemAvailable"),
        (&names::MEMORY_SHARED, "Shmem"),
    ] {
        if let Some(bytes) = get(key) {
            points.put(name, &[], bytes);
        }
    }
    for (state, key) in [
        ("reclaimable", "SReclaimable"),
        ("unreclaimable", "SUnreclaim"),
    ] {
        if let Some(bytes) = get(key) {
            points.put(
                &names::MEMORY_SLAB,
                &[(names::SLAB_STATE, state.into())],
                bytes,
            );
        }
    }
}
