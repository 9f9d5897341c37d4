//! A histogram in one line, as Prometheus writes it: `{count:3, sum:4.5, (1,2]:3}`.

use super::buckets;
use crate::number::short_number;
use sonde_proto::Histogram;
use std::fmt::Write as _;

/// Count, sum, and the buckets with observations, lowest first.
#[must_use]
pub fn text(histogram: &Histogram) -> String {
    let number = short_number;
    let mut text = format!(
        "{{count:{}, sum:{}",
        number(histogram.count),
        number(histogram.sum)
    );
    for bucket in buckets(histogram) {
        let open = if bucket.has_lower { '[' } else { '(' };
        let close = if bucket.has_upper { ']' } else { ')' };
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            ", {open}{},{}{close}:{}",
            number(bucket.lower),
            number(bucket.upper),
            number(bucket.count)
        );
    }
    text.push('}');
    text
}
