//! When a file is not, or no longer, what it was: established, truncated, copied, replaced.

use super::cursors::{At, Entry};
use super::disk::{Disk, Stat};
use super::follow::{Follow, Origin, Presence};
use super::identity::{HEAD_BYTES_MAX, Identity, Known, Print, TAIL_BYTES_MAX, Tail};
use super::{FollowId, Tailer, Turn};
use sonde_proto::UnixNanos;

/// What a file found under a rotated name turned out to be.
enum Lineage {
    /// The copy of a file that was truncated: it goes on here.
    Continues(FollowId),
    /// The copy of a file that is gone, known from its cursor: it goes on here.
    Resumes(Box<Entry>),
    /// The copy of a file that is followed where it is.
    Copy,
    /// A file of its own.
    New,
}

impl<D: Disk> Tailer<D> {
    /// Establishes that an opened file is what its cursor describes; a file that is not
    /// begins a new generation. Returns whether it can be read on.
    pub(super) fn established(&mut self, id: FollowId, now: UnixNanos) -> bool {
        let Some(follow) = self.follows.get(&id) else {
            return false;
        };
        let Origin::Remembered(entry) = &follow.origin else {
            return true;
        };
        let entry = entry.clone();
        match self.matches(id, &entry) {
            Some(head) => self.resume(id, &entry, &head),
            None => {
                self.truncated(id, now);
                false
            }
        }
    }

    /// The head of the open file, if head and read bytes are those that `entry` describes.
    fn matches(&mut self, id: FollowId, entry: &Entry) -> Option<Vec<u8>> {
        let handle = self.follows.get(&id)?.handle.as_ref()?;
        let mut head = vec![0; entry.known.head.len().min(HEAD_BYTES_MAX)];
        let n = self.disk.read_at(handle, 0, &mut head).ok()?;
        let same_head = n == head.len() && Print::of(&head) == entry.known.head;
        (same_head && self.ends_so(id, entry.at.read, entry.at.before)).then_some(head)
    }

    /// Whether the bytes of the open file before `at` are those of `print`.
    fn ends_so(&mut self, id: FollowId, at: u64, print: Print) -> bool {
        let bytes = self.before(id, at, print.len());
        bytes.is_some_and(|bytes| Print::of(&bytes) == print)
    }

    /// The `len` bytes of the open file before `at`, if it has them.
    fn before(&mut self, id: FollowId, at: u64, len: usize) -> Option<Vec<u8>> {
        let handle = self.follows.get(&id)?.handle.as_ref()?;
        let mut bytes = vec![0; len.min(TAIL_BYTES_MAX)];
        let from = at.checked_sub(bytes.len() as u64)?;
        let n = self.disk.read_at(handle, from, &mut bytes).ok()?;
        let size = self.disk.stat(handle).ok()?.size;
        (n == bytes.len() && size >= at).then_some(bytes)
    }

    /// Goes on where the cursor says.
    fn resume(&mut self, id: FollowId, entry: &Entry, head: &[u8]) -> bool {
        let at = entry.at.resume;
        let len = usize::try_from(at)
            .unwrap_or(usize::MAX)
            .min(TAIL_BYTES_MAX);
        let Some(before) = self.before(id, at, len) else {
            return false;
        };
        let lane = self.lane_of(entry.identity);
        let Some(follow) = self.follows.get_mut(&id) else {
            return false;
        };
        follow.decoder.decide(head);
        follow.origin = Origin::Known(entry.identity);
        follow.lane = lane;
        follow.pos = at;
        follow.tail = Tail::of(&before);
        follow.in_cut_line = entry.at.in_cut_line;
        follow.sent = entry.at.sent;
        true
    }

    fn lane_of(&self, identity: Identity) -> usize {
        (identity.0 >> 2) as usize % self.lanes.len()
    }

    /// The file lost what was read of it. What it holds now is a new generation; what it
    /// held may go on in a copy.
    pub(super) fn truncated(&mut self, id: FollowId, now: UnixNanos) -> Turn {
        let Some(old) = self.follows.get_mut(&id) else {
            return Turn::AtEnd;
        };
        if old.identity().is_none() {
            (old.pos, old.tail, old.looked) = (0, Tail::NONE, None);
            return Turn::More;
        }
        self.truncations += 1;
        tracing::info!(path = %old.path.display(), read_bytes = old.pos, "the log file was truncated or replaced; reading it from its start");
        let generation = old
            .identity()
            .and_then(|i| self.ledger.get(i))
            .map_or(0, |e| e.known.generation)
            + 1;
        let aliases = Vec::new();
        let stat = Stat {
            key: old.key,
            size: old.now.0,
            modified: old.now.1,
            born: 0,
            links: 1,
        };
        let base = (old.presence == Presence::Rotated).then(|| old.base.clone());
        let found = super::disk::Found {
            path: old.path.clone(),
            aliases,
            base,
            matched: true,
            stat,
        };
        let origin = Origin::Undecided { generation };
        let mut new = Follow::new(
            &found,
            old.base.clone(),
            origin,
            super::Decoder::new(self.config.format, self.config.record_bytes_max),
            old.resources.clone(),
        );
        new.presence = old.presence;
        new.handle = old.handle.take();
        new.deleted = old.deleted;
        new.active = now;
        old.now = old.looked.unwrap_or((old.pos, 0));
        old.presence = Presence::CutShort;
        old.active = now;
        let new = self.insert(new);
        self.ready.push(new);
        Turn::AtEnd
    }

    /// Decides what a file with this head is. Returns whether it is to be read as `id`.
    pub(super) fn decide(
        &mut self,
        id: FollowId,
        stat: &Stat,
        head: &[u8],
        now: UnixNanos,
    ) -> bool {
        let is_candidate = self.follows.get(&id).is_some_and(|f| f.is_candidate);
        let lineage = if is_candidate {
            self.lineage(id, stat, Print::of(head))
        } else {
            Lineage::New
        };
        match lineage {
            Lineage::New => {
                self.establish(id, stat, head, now);
                true
            }
            Lineage::Copy => {
                self.copies
                    .insert(stat.key, (stat.size, stat.modified, self.truncations));
                self.remove(id);
                false
            }
            Lineage::Continues(cut_short) => {
                self.continue_in(cut_short, id, now);
                false
            }
            Lineage::Resumes(entry) => {
                self.ledger.moved(entry.identity, stat.key);
                if let Some(follow) = self.follows.get_mut(&id) {
                    follow.is_candidate = false;
                    follow.origin = Origin::Remembered(entry);
                }
                self.ready.push(id);
                false
            }
        }
    }

    /// Gives a file its identity and its cursor.
    fn establish(&mut self, id: FollowId, stat: &Stat, head: &[u8], now: UnixNanos) {
        let Some(follow) = self.follows.get(&id) else {
            return;
        };
        let Origin::Undecided { generation } = follow.origin else {
            return;
        };
        let identity = Identity::new(stat, generation, head);
        let known = Known {
            key: stat.key,
            head: Print::of(head),
            generation,
        };
        let base = follow.base.clone();
        self.ledger.add(Entry {
            identity,
            known,
            base,
            at: At::default(),
            finished: None,
            seen: now,
        });
        let lane = self.lane_of(identity);
        let start = follow
            .at_end
            .then(|| {
                self.before(
                    id,
                    stat.size,
                    usize::try_from(stat.size)
                        .unwrap_or(usize::MAX)
                        .min(TAIL_BYTES_MAX),
                )
            })
            .flatten();
        let Some(follow) = self.follows.get_mut(&id) else {
            return;
        };
        follow.origin = Origin::Known(identity);
        follow.is_candidate = false;
        follow.decoder.decide(head);
        follow.lane = lane;
        if let Some(before) = start {
            follow.pos = stat.size;
            follow.tail = Tail::of(&before);
            follow.in_cut_line = before.last().is_some_and(|byte| *byte != b'\n');
        }
    }

    /// Compares a file found under a rotated name with the files of the same origin.
    fn lineage(&mut self, id: FollowId, stat: &Stat, head: Print) -> Lineage {
        let Some(base) = self.follows.get(&id).map(|f| f.base.clone()) else {
            return Lineage::New;
        };
        for entry in self.ledger.with_head(&base, head) {
            let follower = self
                .follows
                .iter()
                .find(|(_, f)| f.identity() == Some(entry.identity))
                .map(|(id, _)| *id);
            let Some(other) = follower else {
                if self.ends_so(id, entry.at.read, entry.at.before) {
                    let elsewhere =
                        self.by_key.contains_key(&entry.known.key) || entry.finished.is_some();
                    return if elsewhere {
                        Lineage::Copy
                    } else {
                        Lineage::Resumes(Box::new(entry))
                    };
                }
                continue;
            };
            if self.is_copy_of(id, stat, other) {
                let cut_short = self
                    .follows
                    .get(&other)
                    .is_some_and(|f| f.presence == Presence::CutShort);
                return if cut_short {
                    Lineage::Continues(other)
                } else {
                    Lineage::Copy
                };
            }
        }
        Lineage::New
    }

    /// Whether the open file `id` begins with what was read of `other`, or is a part of it.
    fn is_copy_of(&mut self, id: FollowId, stat: &Stat, other: FollowId) -> bool {
        let Some(follow) = self.follows.get(&other) else {
            return false;
        };
        match &follow.origin {
            Origin::Remembered(entry) => {
                let at = entry.at;
                self.ends_so(id, at.read, at.before)
            }
            Origin::Undecided { .. } => false,
            Origin::Known(_) if stat.size >= follow.pos => {
                let (pos, tail) = (follow.pos, follow.tail);
                self.before(id, pos, tail.as_bytes().len())
                    .is_some_and(|bytes| bytes == tail.as_bytes())
            }
            // It is closed, so it was quiet: a shorter file is a copy still being written.
            Origin::Known(_) if follow.handle.is_none() => true,
            Origin::Known(_) => {
                let end = self.before(
                    id,
                    stat.size,
                    usize::try_from(stat.size).unwrap_or(usize::MAX),
                );
                let same = self.before(
                    other,
                    stat.size,
                    usize::try_from(stat.size).unwrap_or(usize::MAX),
                );
                end.is_some() && end == same
            }
        }
    }

    /// A truncated file goes on in its copy, which `copy` has open.
    fn continue_in(&mut self, cut_short: FollowId, copy: FollowId, now: UnixNanos) {
        let Some(copy) = self.remove(copy) else {
            return;
        };
        let Some(follow) = self.follows.get_mut(&cut_short) else {
            return;
        };
        self.open += usize::from(copy.handle.is_some());
        follow.handle = copy.handle;
        follow.key = copy.key;
        follow.path = copy.path;
        follow.presence = Presence::Rotated;
        follow.now = copy.now;
        follow.looked = None;
        follow.active = now;
        let identity = follow.identity();
        self.by_key.insert(copy.key, cut_short);
        if let Some(identity) = identity {
            self.ledger.moved(identity, copy.key);
        }
        self.ready.push(cut_short);
    }

    /// After a start: generations that a truncation had cut short before the agent stopped.
    pub(super) fn take_up_what_was_cut_short(&mut self, now: UnixNanos) {
        if !self.follows.is_empty() {
            return;
        }
        for entry in self.ledger.cut_short() {
            let stat = Stat {
                key: entry.known.key,
                size: entry.at.read,
                modified: 0,
                born: 0,
                links: 1,
            };
            let found = super::disk::Found {
                path: entry.base.clone(),
                aliases: Vec::new(),
                base: None,
                matched: true,
                stat,
            };
            let mut follow = self.remembered(&found, entry);
            follow.presence = Presence::CutShort;
            follow.active = now;
            self.insert(follow);
        }
    }
}
