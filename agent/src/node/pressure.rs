//! Time lost to waiting (PSI), from `/proc/pressure/{cpu,memory,io,irq}`:
//!
//! ```text
//! some avg10=0.00 avg60=0.00 avg300=0.00 total=1234     microseconds
//! full avg10=0.00 avg60=0.00 avg300=0.00 total=12
//! ```
//!
//! Only the totals are sent: every average can be had from them. A whole node never waits
//! for a processor, so `full` of `cpu` is always 0 and left out.

use super::host::{Host, fields};
use super::names;
use super::points::Points;

pub(super) fn collect(host: &mut Host, points: &mut Points) {
    for resource in ["cpu", "memory", "io"] {
        if let Some(text) = host.read(&format!("proc/pressure/{resource}")) {
            put(resource, &text, points);
        }
    }
    // Not every kernel is built with it.
    if let Some(text) = host.read_optional("proc/pressure/irq") {
        put("irq", &text, points);
    }
}

fn put(resource: &str, text: &str, points: &mut Points) {
    for (kind, rest) in fields(text) {
        let total = rest
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix("total="))
            .and_then(|micros| micros.parse::<u64>().ok());
        let Some(micros) = total.filter(|_| (resource, kind) != ("cpu", "full")) else {
            continue;
        };
        let attributes = [
            (names::PSI_KIND, kind.into()),
            (names::PSI_RESOURCE, resource.into()),
        ];
        points.put(&names::PSI_TIME, &attributes, micros as f64 / 1e6);
    }
}
