//! The streams of a segment or a batch, as a question sees them.

use super::Ask;
use crate::hidden::{StreamVeil, Veils};
use crate::record::Key;
use crate::record::metadata::{self, StreamMetadata};
use crate::stream::Stream;
use sonde_logql::source::StreamView;
use std::sync::{Arc, OnceLock};

/// Which streams are asked for, and what a pipeline needs to know of them.
#[derive(Debug)]
pub(crate) struct Chosen<'s> {
    streams: &'s [Arc<Stream>],
    wanted: Vec<Wanted>,
    /// Made when first needed.
    metadata: Vec<OnceLock<StreamMetadata>>,
    /// Whether all streams are asked for, with all of their records.
    all: bool,
    /// What is hidden of them; nothing where all is to be seen.
    veils: Option<Veils>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    No,
    /// Those of its records that have these equalities by themselves, a bit each.
    Lacking(u32),
}

impl<'s> Chosen<'s> {
    pub(crate) fn new(streams: &'s [Arc<Stream>], ask: &Ask<'_>, veils: Option<Veils>) -> Self {
        let mut chosen = Self {
            streams,
            wanted: Vec::new(),
            metadata: streams.iter().map(|_| OnceLock::new()).collect(),
            all: false,
            veils,
        };
        chosen.wanted = (0..streams.len()).map(|at| chosen.ask(at, ask)).collect();
        chosen.all = chosen
            .wanted
            .iter()
            .all(|w| matches!(w, Wanted::Lacking(0)));
        chosen
    }

    fn ask(&self, at: usize, ask: &Ask<'_>) -> Wanted {
        let labels = &self.streams[at].labels;
        if !ask.wants_stream(labels) {
            return Wanted::No;
        }
        let Ask::Lines(lines) = ask else {
            return Wanted::Lacking(0);
        };
        let mut lacking = 0;
        for (n, (name, value)) in lines.equalities.iter().enumerate() {
            // A label covers metadata of its name.
            match labels.get(name) {
                "" => {
                    let own = self.metadata(at).iter().find(|(own, _)| own == name);
                    let has = own.is_some_and(|(_, own)| own == value);
                    lacking |= u32::from(!has) << n;
                }
                label if label != value => return Wanted::No,
                _ => {}
            }
        }
        Wanted::Lacking(lacking)
    }

    /// Whether any stream is asked for.
    pub(crate) fn any(&self) -> bool {
        self.wanted.iter().any(|w| matches!(w, Wanted::Lacking(_)))
    }

    /// Whether all records of all streams are asked for.
    pub(crate) fn all(&self) -> bool {
        self.all
    }

    /// The equalities, a bit each, that a stream's records must have by themselves; nothing
    /// where the stream is not asked for.
    pub(crate) fn lacking(&self, ordinal: usize) -> Option<u32> {
        match self.wanted.get(ordinal)? {
            Wanted::No => None,
            Wanted::Lacking(equalities) => Some(*equalities),
        }
    }

    /// What of the streams is hidden; nothing where all is to be seen.
    pub(crate) fn veils(&self) -> Option<&Veils> {
        self.veils.as_ref()
    }

    /// What of a stream is hidden; nothing where all of it is to be seen.
    pub(crate) fn veil(&self, ordinal: u32) -> Option<&StreamVeil> {
        self.veils.as_ref()?.of(ordinal)
    }

    /// Whether a record of a stream is hidden.
    pub(crate) fn hides_record(&self, ordinal: usize, key: Key, body: &[u8]) -> bool {
        let veil = u32::try_from(ordinal).ok().and_then(|at| self.veil(at));
        veil.is_some_and(|veil| veil.hides(key.time, key.position, body))
    }

    /// The stream in this place.
    pub(crate) fn stream(&self, ordinal: usize) -> Option<&'s Arc<Stream>> {
        self.streams.get(ordinal)
    }

    /// The stream as a pipeline sees it.
    pub(crate) fn view(&self, ordinal: usize) -> Option<StreamView<'_>> {
        Some(StreamView {
            labels: &self.streams.get(ordinal)?.labels,
            metadata: self.metadata(ordinal),
        })
    }

    fn metadata(&self, at: usize) -> &[(String, String)] {
        self.metadata[at].get_or_init(|| metadata::of_stream(&self.streams[at]))
    }
}
