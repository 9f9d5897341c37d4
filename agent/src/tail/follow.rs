//! One file being followed.

use super::cri::STREAMS;
use super::cursors::{At, Entry};
use super::decode::Decoder;
use super::disk::{FileKey, Found, Stat};
use super::identity::{Identity, Print, Tail};
use crate::enrich::Resources;
use crate::export::batch::Slot;
use sonde_proto::UnixNanos;
use std::path::PathBuf;

/// Where the file is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Under the path it is followed by.
    Present,
    /// Under a rotated name: it is read to its end, then left.
    Rotated,
    /// Under no name that we look at: what is open is read to its end.
    Gone,
    /// Its content was truncated away; only a copy of it can be read on.
    CutShort,
    /// Read to its end for good; the acknowledgement may be outstanding.
    Done,
}

/// What a file is, as far as that is decided.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Its head is not complete yet: nothing of it was sent.
    Undecided {
        /// The generation it will be, when it is not a copy.
        generation: u64,
    },
    /// It should be what a cursor describes; its bytes are not compared yet.
    Remembered(Box<Entry>),
    /// Its identity is established.
    Known(Identity),
}

/// A file being followed.
#[derive(Debug)]
pub(crate) struct Follow<H> {
    pub(crate) key: FileKey,
    /// Where it is now.
    pub(crate) path: PathBuf,
    /// The path it is followed by; its rotated names begin with it.
    pub(crate) base: PathBuf,
    /// What it would be followed by, were it new: by where discovery saw it last.
    pub(crate) named: PathBuf,
    pub(crate) aliases: Vec<PathBuf>,
    /// Found under a rotated name, before it is decided whether it is a copy.
    pub(crate) is_candidate: bool,
    /// Nothing of it was read, and a file that begins like it is read by itself.
    pub(crate) is_elsewhere: bool,
    pub(crate) presence: Presence,
    pub(crate) origin: Origin,
    pub(crate) handle: Option<H>,
    /// The offset of the next byte to read: the start of a line, except inside a cut one.
    pub(crate) pos: u64,
    /// The bytes before `pos`.
    pub(crate) tail: Tail,
    /// Inside a line whose beginning was cut off and sent.
    pub(crate) in_cut_line: bool,
    /// Starts at the end that the file had when it was found.
    pub(crate) at_end: bool,
    pub(crate) decoder: Decoder,
    /// The offset of the last line of the last record of each stream.
    pub(crate) sent: [Option<u64>; STREAMS],
    /// What discovery or the open file said last: size and change time.
    pub(crate) now: (u64, u64),
    /// The size it had when it was seen to shrink.
    pub(crate) shrunk_from: u64,
    /// What it said when everything up to the end was looked at.
    pub(crate) looked: Option<(u64, u64)>,
    /// When it last grew or moved.
    pub(crate) active: UnixNanos,
    pub(crate) deleted: bool,
    /// How many scans in a row did not see it.
    pub(crate) missed: u32,
    /// Whether a failed open was reported.
    pub(crate) reported: bool,
    pub(crate) lane: usize,
    pub(crate) resources: Resources,
    pub(crate) slots: [Option<Slot>; STREAMS],
    pub(crate) touched: Option<u64>,
}

impl<H> Follow<H> {
    pub(crate) fn new(
        found: &Found,
        base: PathBuf,
        origin: Origin,
        decoder: Decoder,
        resources: Resources,
    ) -> Self {
        Self {
            key: found.stat.key,
            path: found.path.clone(),
            base,
            named: found.followed_by().to_path_buf(),
            aliases: found.aliases.clone(),
            is_candidate: false,
            is_elsewhere: false,
            presence: if found.base.is_some() {
                Presence::Rotated
            } else {
                Presence::Present
            },
            origin,
            handle: None,
            pos: 0,
            tail: Tail::NONE,
            in_cut_line: false,
            at_end: false,
            decoder,
            sent: [None; STREAMS],
            now: (found.stat.size, found.stat.modified),
            shrunk_from: 0,
            looked: None,
            active: UnixNanos::default(),
            deleted: false,
            missed: 0,
            reported: false,
            lane: 0,
            resources,
            slots: [None; STREAMS],
            touched: None,
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        match &self.origin {
            Origin::Known(identity) => Some(*identity),
            Origin::Remembered(entry) => Some(entry.identity),
            Origin::Undecided { .. } => None,
        }
    }

    /// Takes over what the system says; says whether that is news.
    pub(crate) fn update(&mut self, stat: &Stat, now: UnixNanos) {
        if self.now != (stat.size, stat.modified) {
            self.active = now;
        }
        if stat.size < self.now.0 {
            self.shrunk_from = self.shrunk_from.max(self.now.0);
        }
        self.now = (stat.size, stat.modified);
    }

    /// Whether it was seen to shrink: what it holds now is not what it held.
    pub(crate) fn has_shrunk(&self) -> bool {
        self.shrunk_from > 0
    }

    /// Whether there may be something that was not looked at.
    pub(crate) fn has_news(&self) -> bool {
        self.looked != Some(self.now)
    }

    /// How far it is read, for the cursors.
    pub(crate) fn at(&self) -> At {
        At {
            resume: self.decoder.oldest().unwrap_or(self.pos),
            read: self.pos,
            before: Print::of(self.tail.as_bytes()),
            in_cut_line: self.in_cut_line && self.decoder.oldest().is_none(),
            sent: self.sent,
        }
    }

    /// How many bytes are known and not read.
    pub(crate) fn unread(&self) -> u64 {
        let pos = match &self.origin {
            Origin::Remembered(entry) => entry.at.resume,
            Origin::Undecided { .. } | Origin::Known(_) => self.pos,
        };
        self.now.0.saturating_sub(pos)
    }
}
