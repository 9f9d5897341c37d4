//! What network interfaces carried, from `/proc/1/net/dev`, which is the node's even where the
//! agent has a network of its own:
//!
//! ```text
//!  eth0: bytes packets errs drop fifo frame compressed multicast  bytes packets errs drop …
//!        received                                                 transmitted
//! ```

use super::host::{Host, fields, numbers};
use super::names;
use super::points::Points;
use crate::config::NodeConfig;

/// The interfaces of the node.
pub(super) struct Network {
    exclude: Vec<glob::Pattern>,
}

impl Network {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// The bad pattern and what is wrong with it.
    pub(super) fn new(config: &NodeConfig) -> Result<Self, String> {
        let compile = |(at, text): (usize, &String)| {
            glob::Pattern::new(text)
                .map_err(|error| format!("node.interfaces_exclude[{at}] {text:?}: {error}"))
        };
        let exclude = config.interfaces_exclude.iter().enumerate().map(compile);
        Ok(Self {
            exclude: exclude.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn collect(&self, host: &mut Host, points: &mut Points) {
        let Some(text) = host.read_first(&["proc/1/net/dev", "proc/net/dev"]) else {
            return;
        };
        // The first two lines are headings: they have no numbers.
        for (name, rest) in fields(&text) {
            let counts: Vec<u64> = numbers(rest).collect();
            if let Some(counts) = counts.first_chunk::<16>()
                && !self.exclude.iter().any(|pattern| pattern.matches(name))
            {
                put(name, counts, points);
            }
        }
    }
}

fn put(name: &str, counts: &[u64; 16], points: &mut Points) {
    for (direction, counts) in [("receive", &counts[..4]), ("transmit", &counts[8..12])] {
        let direction = (names::NETWORK_DIRECTION, direction.into());
        let of_interface = [(names::INTERFACE, name.into()), direction];
        points.put(&names::NETWORK_IO, &of_interface, counts[0]);
        let of_device = [direction, (names::DEVICE, name.into())];
        points.put(&names::NETWORK_PACKETS, &of_device, counts[1]);
        points.put(&names::NETWORK_ERRORS, &of_interface, counts[2]);
        points.put(&names::NETWORK_DROPPED, &of_interface, counts[3]);
    }
}
