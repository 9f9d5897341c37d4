//! What zstd alone makes of the same bytes.

use super::{ROUNDS_MAX, SECONDS_MIN, Text};
use crate::measure;
use std::io::Write as _;

/// 128 MB: over all of any file.
const WINDOW_LOG: u32 = 27;

/// Of the text's size.
pub(crate) struct Limits {
    /// At level 3.
    pub(crate) fast: f64,
    /// MB of text a second of processor time.
    pub(crate) fast_rate: f64,
    /// At level 19.
    pub(crate) small: f64,
}

pub(crate) fn of(text: &Text) -> Limits {
    let from = measure::cpu_seconds();
    let (mut spent, mut rounds, mut fast) = (0.0, 0, 0);
    while rounds < ROUNDS_MAX && spent < SECONDS_MIN {
        fast = packed(text, 3);
        spent = measure::cpu_seconds() - from;
        rounds += 1;
    }
    let bytes = text.bytes as f64;
    Limits {
        fast: fast as f64 / bytes,
        fast_rate: bytes * rounds as f64 / 1e6 / spent,
        small: packed(text, 19) as f64 / bytes,
    }
}

fn packed(text: &Text, level: i32) -> usize {
    let encoder = zstd::stream::Encoder::new(Vec::new(), level).and_then(|mut encoder| {
        encoder.window_log(WINDOW_LOG)?;
        encoder.long_distance_matching(true)?;
        for file in &text.files {
            encoder.write_all(file.text.as_bytes())?;
        }
        encoder.finish()
    });
    encoder.expect("zstd writes to memory").len()
}
