//! Streams: what the records of one source have in common, kept once.

mod labels;
mod level;
mod order;
mod pool;

pub(crate) use labels::{LabelRules, at_level, has_level};
pub(crate) use level::{LEVELS, Level};
pub(crate) use order::{FETCHED, Ordinals, fetch};
pub(crate) use pool::{KeptStreams, StreamPool};

use sonde_proto::Labels;
use std::sync::Arc;

/// What many records have in common. Their order puts similar ones next to one another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stream {
    /// What selectors look at, `level` among them.
    pub(crate) labels: Labels,
    /// The attributes of resource and scope that are no labels.
    pub(crate) resource: Arc<[(String, String)]>,
    /// How serious its records are; the label may say something else where a sender set it.
    pub(crate) level: Level,
}

impl Stream {
    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let labels: usize = self
            .labels
            .iter()
            .map(|(n, v)| n.len() + v.len() + 64)
            .sum();
        let resource: usize = self
            .resource
            .iter()
            .map(|(n, v)| n.len() + v.len() + 48)
            .sum();
        (labels + resource + size_of::<Self>()) as u64
    }
}

#[cfg(test)]
mod tests;
