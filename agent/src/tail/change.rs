//! When a file is not, or no longer, what it was: established, truncated, copied, replaced.

use super::cursors::{At, Entry};
use super::disk::{Disk, Stat};
use super::follow::{Follow, Origin, Presence};
use super::identity::{Identity, Known, Print, TAIL_BYTES_MAX, Tail};
use super::lineage::Lineage;
use super::{FollowId, Tailer, Turn};
use sonde_proto::UnixNanos;

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
        let stat = self.disk.stat(handle).ok()?;
        if entry.known.was_given_away(&stat) {
            return None;
        }
        let mut head = vec![0; entry.known.shown_by()];
        let n = self.disk.read_at(handle, 0, &mut head).ok()?;
        let begins_so = entry.known.begins(&head[..n]);
        head.truncate(entry.known.head.len());
        (begins_so && self.ends_so(id, entry.at.read, entry.at.before)).then_some(head)
    }

    /// Whether the bytes of the open file before `at` are those of `print`.
    pub(super) fn ends_so(&mut self, id: FollowId, at: u64, print: Print) -> bool {
        let bytes = self.before(id, at, print.len());
        bytes.is_some_and(|bytes| Print::of(&bytes) == print)
    }

    /// The `len` bytes of the open file before `at`, if it has them.
    pub(super) fn before(&mut self, id: FollowId, at: u64, len: usize) -> Option<Vec<u8>> {
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
        // The size that was seen last may be the old generation's: what was seen of it and not
        // read is counted, and the new one does not seem to shrink.
        let stat = self.stat(id);
        let Some(old) = self.follows.get_mut(&id) else {
            return Turn::AtEnd;
        };
        if let Some(stat) = stat {
            old.update(&stat, now);
        }
        if old.identity().is_none() {
            (old.pos, old.tail, old.looked) = (0, Tail::NONE, None);
            old.shrunk_from = 0;
            return Turn::More;
        }
        self.truncations += 1;
        tracing::info!(path = %old.path.display(), read_bytes = old.pos, "the log file was truncated or replaced; reading it from its start");
        let generation = old
            .identity()
            .and_then(|i| self.ledger.get(i))
            .map_or(0, |e| e.known.generation)
            + 1;
        let stat = Stat {
            key: old.key,
            size: old.now.0,
            modified: old.now.1,
            born: 0,
            links: 1,
        };
        // An inode may have been given to a file of another log.
        let base = (old.presence == Presence::Rotated).then(|| old.named.clone());
        let resources = self.enricher.resources(&old.named, &old.aliases);
        let found = super::disk::Found {
            path: old.path.clone(),
            aliases: old.aliases.clone(),
            base,
            matched: true,
            stat,
        };
        let origin = Origin::Undecided { generation };
        let mut new = Follow::new(
            &found,
            old.named.clone(),
            origin,
            super::Decoder::new(self.config.format, self.config.record_bytes_max),
            resources,
        );
        new.presence = old.presence;
        new.is_candidate = old.presence == Presence::Rotated;
        new.handle = old.handle.take();
        new.deleted = old.deleted;
        new.active = now;
        let end = old.looked.map_or(0, |(size, _)| size);
        old.now = (end.max(old.shrunk_from).max(old.pos), 0);
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
        start: &[u8],
        now: UnixNanos,
    ) -> bool {
        let is_candidate = self.follows.get(&id).is_some_and(|f| f.is_candidate);
        let lineage = if is_candidate {
            self.lineage(id, stat, Print::of(head), start, now)
        } else {
            Lineage::New
        };
        match lineage {
            Lineage::New => {
                self.establish(id, stat, head, start, now);
                true
            }
            Lineage::Copy => {
                self.copies
                    .insert(stat.key, (stat.size, stat.modified, self.truncations));
                self.remove(id);
                false
            }
            Lineage::Continues(cut_short) => {
                self.continue_in(cut_short, id, stat, now);
                false
            }
            Lineage::Later => {
                self.remove(id);
                false
            }
            Lineage::Resumes(entry) => {
                self.ledger.moved(entry.identity, stat.key, stat.born);
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
    fn establish(&mut self, id: FollowId, stat: &Stat, head: &[u8], start: &[u8], now: UnixNanos) {
        let Some(follow) = self.follows.get(&id) else {
            return;
        };
        let Origin::Undecided { mut generation } = follow.origin else {
            return;
        };
        let mut identity = Identity::new(stat, generation, head);
        // What was here before may go on in a copy: its identity is taken.
        while self.ledger.get(identity).is_some() {
            generation += 1;
            identity = Identity::new(stat, generation, head);
        }
        let known = Known {
            key: stat.key,
            born: stat.born,
            head: Print::of(head),
            start: Print::of(start),
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
        // A size from before the head was read may be that of what was here before it.
        let size_now = self.stat(id);
        let Some(follow) = self.follows.get_mut(&id) else {
            return;
        };
        if let Some(stat) = size_now {
            follow.now = (stat.size, stat.modified);
            follow.shrunk_from = 0;
        }
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

    /// A truncated file goes on in its copy, which `copy` has open.
    fn continue_in(&mut self, cut_short: FollowId, copy: FollowId, stat: &Stat, now: UnixNanos) {
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
        (follow.looked, follow.shrunk_from) = (None, 0);
        follow.active = now;
        let identity = follow.identity();
        self.by_key.insert(copy.key, cut_short);
        if let Some(identity) = identity {
            self.ledger.moved(identity, stat.key, stat.born);
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
