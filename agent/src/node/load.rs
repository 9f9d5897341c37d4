//! Load averages, from `/proc/loadavg`: `0.20 0.18 0.12 1/80 11206`.

use super::host::Host;
use super::names;
use super::points::Points;

pub(super) fn collect(host: &mut Host, points: &mut Points) {
    let Some(text) = host.read("proc/loadavg") else {
        return;
    };
    let averages = text
        .split_ascii_whitespace()
        .map_while(|word| word.parse::<f64>().ok());
    for (name, average) in [&names::LOAD_1M, &names::LOAD_5M, &names::LOAD_15M]
        .into_iter()
        .zip(averages)
    {
        points.put(name, &[], average);
    }
}
