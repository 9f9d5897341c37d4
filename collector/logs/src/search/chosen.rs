//! The streams of a segment or a batch, as a question sees them.

use super::Ask;
use crate::hidden::{StreamVeil, Veils};
use crate::record::Key;
use crate::record::metadata::{self, StreamMetadata};
use crate::segment::StreamList;
use crate::stream::Stream;
use sonde_logql::source::StreamView;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Which streams are asked for, and what a pipeline needs to know of them.
#[derive(Debug)]
pub(crate) struct Chosen<'s> {
    streams: &'s [Arc<Stream>],
    wanted: Vec<Wanted>,
    /// Made when first needed, and that of each stream when that is.
    metadata: OnceLock<Box<[OnceLock<StreamMetadata>]>>,
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
            metadata: OnceLock::new(),
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
        let none = || self.streams.iter().map(|_| OnceLock::new()).collect();
        let all = self.metadata.get_or_init(none);
        all[at].get_or_init(|| metadata::of_stream(&self.streams[at]))
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> u64 {
        let of_stream = size_of::<Wanted>()
            + self.veils.as_ref().map_or(0, |_| VEIL_BYTES)
            + self.metadata.get().map_or(0, |_| METADATA_BYTES);
        (self.streams.len() * of_stream) as u64
    }
}

/// What a veil of a stream takes, and its metadata.
const VEIL_BYTES: usize = 64;
const METADATA_BYTES: usize = 64;

/// How many bytes the streams of all segments take that one query has in hand. They stay until
/// it ends, for which block comes next is a matter of times.
#[derive(Debug)]
pub(crate) struct Room {
    /// 0 is no limit.
    bytes_max: u64,
    bytes: AtomicU64,
}

impl Room {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            bytes: AtomicU64::new(0),
        }
    }

    /// Takes the streams of another segment in.
    ///
    /// # Errors
    /// What the answer says where there is no room for them.
    pub(crate) fn take(&self, streams: &StreamList, chosen: &Chosen<'_>) -> Result<(), String> {
        // Most lists are kept for all queries, and most streams for all segments.
        let own: u64 = match Arc::strong_count(streams) {
            0 | 1 => {
                let own = streams.iter().filter(|s| Arc::strong_count(s) == 1);
                let own: u64 = own.map(|stream| stream.bytes()).sum();
                own + size_of_val(&streams[..]) as u64
            }
            _ => 0,
        };
        let more = own + chosen.bytes();
        let bytes = self.bytes.fetch_add(more, Ordering::Relaxed) + more;
        match self.bytes_max {
            0 => Ok(()),
            max if bytes <= max => Ok(()),
            max => Err(format!(
                "the query stopped because the streams it has to choose from take more than {max} bytes; ask for a shorter time or fewer streams"
            )),
        }
    }
}
