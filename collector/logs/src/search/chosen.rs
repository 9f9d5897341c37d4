//! The streams of a segment or a batch, as a question sees them.
//!
//! Those of a segment come in sections. What is known of a section's labels mostly says whether
//! its streams are asked for; they are read where it does not, or where something of them is
//! to be shown.

use super::Ask;
use crate::hidden::{StreamVeil, Veil, VeilsOf};
use crate::record::Key;
use crate::record::metadata::{self, StreamMetadata};
use crate::segment::{Damage, ReadError, Segment, StreamList, Summary, Values};
use crate::stream::Stream;
use sonde_logql::source::StreamView;
use sonde_proto::{MatchOp, Matcher};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Lists of no more sections are read at once where their labels do not say enough: blocks that
/// have nothing are then left out before they are looked at.
const SECTIONS_AT_ONCE: usize = 4;

/// Which streams are asked for, and what a pipeline needs to know of them.
#[derive(Debug)]
pub(crate) struct Chosen<'s> {
    ask: Ask<'s>,
    groups: Vec<Group<'s>>,
    /// Whether all streams are asked for, with all of their records.
    all: bool,
    veil: Veil,
    room: Option<Arc<Room>>,
}

/// Neighbouring streams.
#[derive(Debug)]
struct Group<'s> {
    ordinals: Range<u32>,
    /// Whether they are asked for.
    wanted: Wanted,
    known: OnceLock<Known<'s>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    No,
    /// Those of its records that have these equalities by themselves, a bit each.
    Lacking(u32),
    /// The streams themselves say.
    Open,
}

/// Streams that were read.
#[derive(Debug)]
struct Known<'s> {
    streams: List<'s>,
    /// Of each whether it is asked for, where that was open.
    wanted: Vec<Wanted>,
    /// Made when first needed, and that of each stream when that is.
    metadata: OnceLock<Box<[OnceLock<StreamMetadata>]>>,
    /// The same of what is hidden.
    veils: OnceLock<Box<[OnceLock<Option<StreamVeil>>]>>,
}

#[derive(Debug)]
enum List<'s> {
    OfBatch(&'s [Arc<Stream>]),
    OfSegment(StreamList),
}

/// Why it cannot be said which streams are asked for.
#[derive(Debug)]
pub(crate) enum ChooseError {
    Damaged(Damage),
    /// The query has too many streams in hand: what the answer says then.
    NoRoom(String),
}

impl From<Damage> for ChooseError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl ChooseError {
    /// Has the query stop where there is no room; damage is passed on.
    pub(crate) fn or_stop(self, stop: impl FnOnce(String)) -> Result<(), ReadError> {
        match self {
            Self::Damaged(damage) => Err(damage.into()),
            Self::NoRoom(why) => {
                stop(why);
                Ok(())
            }
        }
    }
}

impl<'s> Chosen<'s> {
    /// The streams of a batch. `veil` is what is hidden of it.
    pub(crate) fn of_batch(streams: &'s [Arc<Stream>], ask: Ask<'s>, veil: Veil) -> Self {
        let known = Known::new(List::OfBatch(streams), Some(&ask));
        let mut chosen = Self {
            ask,
            groups: vec![Group {
                ordinals: 0..u32::try_from(streams.len()).unwrap_or(u32::MAX),
                wanted: Wanted::Open,
                known: known.into(),
            }],
            all: false,
            veil,
            room: None,
        };
        chosen.all = chosen.groups.iter().all(Group::is_all);
        chosen
    }

    /// The streams of a segment. What of them is read is taken into `room`.
    pub(crate) fn of_segment(
        segment: &Segment,
        ask: Ask<'s>,
        veil: Veil,
        room: &Arc<Room>,
    ) -> Result<Self, ChooseError> {
        let mut chosen = Self {
            ask,
            groups: Vec::new(),
            all: false,
            veil,
            room: Some(Arc::clone(room)),
        };
        segment.sections_of_streams(|ordinals, summary| {
            chosen.groups.push(Group {
                ordinals,
                wanted: wanted(&ask, &summary).ok_or_else(Summary::damage)?,
                known: OnceLock::new(),
            });
            Ok(())
        })?;
        if chosen.groups.len() <= SECTIONS_AT_ONCE {
            for group in &chosen.groups {
                chosen.decide(group.ordinals.start, segment)?;
            }
        }
        chosen.all = chosen.groups.iter().all(Group::is_all);
        Ok(chosen)
    }

    /// Whether any stream may be asked for.
    pub(crate) fn any(&self) -> bool {
        self.groups.iter().any(Group::any)
    }

    /// Whether all records of all streams are asked for, for sure.
    pub(crate) fn all(&self) -> bool {
        self.all
    }

    /// Whether records of a stream may be asked for which have these equalities by themselves,
    /// a bit each, and no others.
    pub(crate) fn may_want(&self, stream: u32, may_have: u32) -> bool {
        match self.wanted(stream) {
            Wanted::No => false,
            Wanted::Lacking(lacking) => lacking & !may_have == 0,
            Wanted::Open => true,
        }
    }

    /// Reads a stream where nothing else says whether it is asked for.
    pub(crate) fn decide(&self, stream: u32, segment: &Segment) -> Result<(), ChooseError> {
        match self.wanted(stream) {
            Wanted::Open => self.know(stream, segment),
            Wanted::No | Wanted::Lacking(_) => Ok(()),
        }
    }

    /// Reads a stream, unless that was done.
    pub(crate) fn know(&self, stream: u32, segment: &Segment) -> Result<(), ChooseError> {
        let Some(section) = self.place(stream) else {
            return Ok(());
        };
        let group = &self.groups[section];
        if group.known.get().is_some() {
            return Ok(());
        }
        let list = segment.section_of_streams(u32::try_from(section).unwrap_or(u32::MAX))?;
        let ask = (group.wanted == Wanted::Open).then_some(&self.ask);
        let known = Known::new(List::OfSegment(list), ask);
        // Where another thread was quicker, its streams count.
        let is_first = group.known.set(known).is_ok();
        match (&self.room, group.known.get()) {
            (Some(room), Some(known)) if is_first => room
                .take(known, !self.veil.is_empty())
                .map_err(ChooseError::NoRoom),
            _ => Ok(()),
        }
    }

    /// The equalities, a bit each, that a stream's records must have by themselves; nothing
    /// where the stream is not asked for, or where that was not decided.
    pub(crate) fn lacking(&self, ordinal: usize) -> Option<u32> {
        match self.wanted(u32::try_from(ordinal).ok()?) {
            Wanted::No | Wanted::Open => None,
            Wanted::Lacking(equalities) => Some(equalities),
        }
    }

    fn wanted(&self, stream: u32) -> Wanted {
        let Some(group) = self.place(stream).map(|at| &self.groups[at]) else {
            return Wanted::No;
        };
        match (group.wanted, group.known.get()) {
            (Wanted::Open, Some(known)) => {
                let at = (stream - group.ordinals.start) as usize;
                known.wanted.get(at).copied().unwrap_or(Wanted::No)
            }
            (wanted, _) => wanted,
        }
    }

    /// The place of the group of a stream.
    fn place(&self, stream: u32) -> Option<usize> {
        let after = |group: &Group<'_>| group.ordinals.start <= stream;
        let at = self.groups.partition_point(after).checked_sub(1)?;
        self.groups[at].ordinals.contains(&stream).then_some(at)
    }

    /// What is hidden of the streams; nothing where all is to be seen.
    pub(crate) fn veils(&self) -> Option<&Self> {
        (!self.veil.is_empty()).then_some(self)
    }

    /// What of a stream, which is known, is hidden; nothing where all of it is to be seen.
    pub(crate) fn veil(&self, ordinal: u32) -> Option<&StreamVeil> {
        self.veils()?;
        let (known, at) = self.known(ordinal)?;
        let none = || {
            known
                .streams
                .all()
                .iter()
                .map(|_| OnceLock::new())
                .collect()
        };
        let veil = known.veils.get_or_init(none).get(at)?;
        let new = || self.veil.of(&known.streams.all()[at].labels);
        veil.get_or_init(new).as_ref()
    }

    /// Whether a record of a stream that is known is hidden.
    pub(crate) fn hides_record(&self, ordinal: usize, key: Key, body: &[u8]) -> bool {
        let veil = u32::try_from(ordinal).ok().and_then(|at| self.veil(at));
        veil.is_some_and(|veil| veil.hides(key.time, key.position, body))
    }

    /// The stream in this place, where it is known.
    pub(crate) fn stream(&self, ordinal: usize) -> Option<&Arc<Stream>> {
        let (known, at) = self.known(u32::try_from(ordinal).ok()?)?;
        known.streams.all().get(at)
    }

    /// The stream as a pipeline sees it, where it is known.
    pub(crate) fn view(&self, ordinal: usize) -> Option<StreamView<'_>> {
        let (known, at) = self.known(u32::try_from(ordinal).ok()?)?;
        Some(StreamView {
            labels: &known.streams.all().get(at)?.labels,
            metadata: known.metadata(at),
        })
    }

    fn known(&self, stream: u32) -> Option<(&Known<'s>, usize)> {
        let group = &self.groups[self.place(stream)?];
        Some((group.known.get()?, (stream - group.ordinals.start) as usize))
    }
}

impl VeilsOf for Chosen<'_> {
    fn of(&self, stream: u32) -> Option<&StreamVeil> {
        self.veil(stream)
    }
}

impl Group<'_> {
    fn any(&self) -> bool {
        match (self.wanted, self.known.get()) {
            (Wanted::Open, Some(known)) => known.wanted.iter().any(|w| *w != Wanted::No),
            (wanted, _) => wanted != Wanted::No,
        }
    }

    fn is_all(&self) -> bool {
        match (self.wanted, self.known.get()) {
            (Wanted::Open, Some(known)) => known.wanted.iter().all(|w| *w == Wanted::Lacking(0)),
            (wanted, _) => wanted == Wanted::Lacking(0),
        }
    }
}

impl<'s> Known<'s> {
    /// Streams, of which `ask` says whether they are asked for where that is open.
    fn new(streams: List<'s>, ask: Option<&Ask<'_>>) -> Self {
        let mut known = Self {
            streams,
            wanted: Vec::new(),
            metadata: OnceLock::new(),
            veils: OnceLock::new(),
        };
        if let Some(ask) = ask {
            let all = 0..known.streams.all().len();
            known.wanted = all.map(|at| known.wanted_at(at, ask)).collect();
        }
        known
    }

    fn wanted_at(&self, at: usize, ask: &Ask<'_>) -> Wanted {
        let labels = &self.streams.all()[at].labels;
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

    fn metadata(&self, at: usize) -> &[(String, String)] {
        let streams = self.streams.all();
        let none = || streams.iter().map(|_| OnceLock::new()).collect();
        let all = self.metadata.get_or_init(none);
        all[at].get_or_init(|| metadata::of_stream(&streams[at]))
    }
}

impl List<'_> {
    fn all(&self) -> &[Arc<Stream>] {
        match self {
            Self::OfBatch(streams) => streams,
            Self::OfSegment(streams) => streams,
        }
    }
}

/// Whether all streams of which there is only a summary are asked for; nothing where the summary
/// cannot be read.
fn wanted(ask: &Ask<'_>, summary: &Summary<'_>) -> Option<Wanted> {
    let Ask::Lines(lines) = ask else {
        return Some(Wanted::Lacking(0));
    };
    let (mut lacking, mut is_open) = (0, false);
    for matcher in lines.matchers() {
        match matched(matcher, &summary.values(&matcher.name)?) {
            Some(false) => return Some(Wanted::No),
            Some(true) => {}
            None => is_open = true,
        }
    }
    for (n, (name, value)) in lines.equalities.iter().enumerate() {
        let values = summary.values(name)?;
        let is_label = |value: &str| !value.is_empty();
        match &values {
            Values::Are(values) if values.iter().all(|own| own == value && is_label(own)) => {}
            Values::Are(values) if !values.iter().any(|own| is_label(own)) => {
                let may_have = name == metadata::DETECTED_LEVEL
                    || summary.may_have_resource(|own| metadata::name_of(own) == name.as_str())?;
                is_open |= may_have;
                lacking |= u32::from(!may_have) << n;
            }
            Values::Are(values) if values.iter().all(|own| own != value && is_label(own)) => {
                return Some(Wanted::No);
            }
            Values::Between(least, greatest, false)
                if !(*least..=*greatest).contains(&value.as_str()) =>
            {
                return Some(Wanted::No);
            }
            _ => is_open = true,
        }
    }
    Some(match is_open {
        true => Wanted::Open,
        false => Wanted::Lacking(lacking),
    })
}

/// Whether all streams with these values of a label satisfy a matcher, or none does.
fn matched(matcher: &Matcher, values: &Values<'_>) -> Option<bool> {
    match values {
        Values::Are(values) => {
            let count = values.iter().filter(|value| matcher.matches(value)).count();
            match count {
                0 => Some(false),
                count if count == values.len() => Some(true),
                _ => None,
            }
        }
        Values::Between(least, greatest, lacks) => {
            let value = matcher.value.as_str();
            let may_be = (*least..=*greatest).contains(&value) || (*lacks && value.is_empty());
            // What people write for any value at all.
            let is_any = value == ".*" || (value == ".+" && !lacks && !least.is_empty());
            match matcher.op {
                MatchOp::Equal if !may_be => Some(false),
                MatchOp::NotEqual if !may_be => Some(true),
                MatchOp::Regex if is_any => Some(true),
                MatchOp::NotRegex if is_any => Some(false),
                _ => None,
            }
        }
        Values::Unknown => None,
    }
}

/// What a veil of a stream takes, and its metadata.
const VEIL_BYTES: usize = 64;
const METADATA_BYTES: usize = 64;

/// How many bytes the streams of all segments take that one query has in hand. What was read
/// stays until it ends, for which block comes next is a matter of times.
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

    /// Takes the streams of another section in.
    ///
    /// # Errors
    /// What the answer says where there is no room for them.
    fn take(&self, known: &Known<'_>, is_veiled: bool) -> Result<(), String> {
        let streams = known.streams.all();
        // Those that another section has too, beside the pool and this one, are there anyway.
        let own = streams.iter().filter(|s| Arc::strong_count(s) <= 2);
        let own: u64 = own.map(|stream| stream.bytes()).sum();
        let of_stream = size_of::<Arc<Stream>>()
            + if is_veiled { VEIL_BYTES } else { 0 }
            + known.metadata.get().map_or(0, |_| METADATA_BYTES);
        let wanted = size_of_val(&known.wanted[..]);
        let more = own + (streams.len() * of_stream + wanted) as u64;
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
