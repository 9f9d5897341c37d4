//! Whether a file found under a rotated name is the copy of another, or one of its own.
//!
//! A file that was read by its own name is known by its inode wherever it is renamed to. What
//! is left to decide here was never read under its name: a copy made before a truncation, or
//! a file that was created and rotated between two scans. Beginnings prove little (every
//! start of a program writes the same first line), and taking one file for the copy of
//! another loses it, so a copy must also agree with the other at its end.

use super::cursors::Entry;
use super::disk::{Disk, Stat};
use super::follow::{Follow, Origin, Presence};
use super::identity::{Print, TAIL_BYTES_MAX};
use super::{FollowId, Tailer};
use sonde_proto::UnixNanos;
use std::path::Path;
use std::time::Duration;

/// What a file found under a rotated name turned out to be.
pub(super) enum Lineage {
    /// The copy of a file that was truncated: it goes on here.
    Continues(FollowId),
    /// The copy of a file that is gone, known from its cursor: it goes on here.
    Resumes(Box<Entry>),
    /// The copy of a file that is followed where it is.
    Copy,
    /// That depends on a file that was not opened yet: the next scan asks again.
    Later,
    /// A file of its own.
    New,
}

impl<D: Disk> Tailer<D> {
    /// Compares a file found under a rotated name with the files of the same origin.
    pub(super) fn lineage(
        &mut self,
        id: FollowId,
        stat: &Stat,
        head: Print,
        start: &[u8],
        now: UnixNanos,
    ) -> Lineage {
        let Some(base) = self.follows.get(&id).map(|f| f.base.clone()) else {
            return Lineage::New;
        };
        if self.waits_for_base(&base, now) {
            return Lineage::Later;
        }
        let rotate_wait = Duration::from_millis(self.config.rotate_wait_ms);
        let may_grow = now.since(UnixNanos(stat.modified)) < rotate_wait;
        for entry in self.ledger.with_head(&base, head) {
            let is_short = start.len() < entry.known.shown_by();
            if !is_short && !entry.known.begins(start) {
                continue;
            }
            let follower = self
                .follows
                .iter()
                .find(|(_, f)| f.identity() == Some(entry.identity))
                .map(|(id, _)| *id);
            let lineage = match follower {
                Some(other) => self.compared_with(id, stat, other, now),
                None => self.compared_with_entry(id, stat, entry),
            };
            match lineage {
                // Too short to tell: a copy that is being made, or one of its own.
                Lineage::Continues(_) | Lineage::Resumes(_) if is_short && may_grow => {
                    return Lineage::Later;
                }
                Lineage::Continues(_) | Lineage::Resumes(_) if is_short => {}
                Lineage::New => {}
                found => return found,
            }
        }
        Lineage::New
    }

    /// Whether the file at `base` was not looked at yet, as it is now: this may be its copy.
    fn waits_for_base(&mut self, base: &Path, now: UnixNanos) -> bool {
        let is_open = |f: &Follow<D::Handle>| {
            let is_base = f.base == base && !f.is_candidate && f.presence == Presence::Present;
            is_base && !matches!(f.origin, Origin::Known(_)) && !f.reported
        };
        let ids: Vec<_> = self
            .follows
            .iter()
            .filter(|(_, f)| is_open(f))
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter().any(|id| self.has_news_now(id, now))
    }

    /// Whether there is something in a file that was not looked at, perhaps only just now.
    fn has_news_now(&mut self, id: FollowId, now: UnixNanos) -> bool {
        match self.stat(id) {
            Some(stat) => {
                if let Some(follow) = self.follows.get_mut(&id) {
                    follow.update(&stat, now);
                }
            }
            // Opening it says how large it is.
            None => drop(self.open_now(id, now)),
        }
        self.follows.get(&id).is_some_and(Follow::has_news)
    }

    /// The file of `entry` is not followed: it is finished, or nowhere to be found.
    fn compared_with_entry(&mut self, id: FollowId, stat: &Stat, entry: Entry) -> Lineage {
        let at = entry.at;
        if !self.ends_so(id, at.read, at.before) {
            Lineage::New
        } else if entry.finished.is_none() {
            Lineage::Resumes(Box::new(entry))
        } else if stat.size <= at.read {
            Lineage::Copy
        } else {
            Lineage::New
        }
    }

    /// Whether the open file `id` begins with what was read of `other`, or is a part of it.
    fn compared_with(
        &mut self,
        id: FollowId,
        stat: &Stat,
        other: FollowId,
        now: UnixNanos,
    ) -> Lineage {
        let Some(follow) = self.follows.get(&other) else {
            return Lineage::New;
        };
        let cut_short = follow.presence == Presence::CutShort;
        let (pos, tail, is_closed) = (follow.pos, follow.tail, follow.handle.is_none());
        if let Origin::Remembered(entry) = &follow.origin {
            let at = entry.at;
            return match (self.ends_so(id, at.read, at.before), cut_short) {
                (true, true) => Lineage::Continues(other),
                (true, false) => Lineage::Later,
                (false, _) => Lineage::New,
            };
        }
        if cut_short {
            let begins_so = stat.size >= pos && self.has(id, pos, tail.as_bytes());
            return match begins_so {
                true => Lineage::Continues(other),
                false => Lineage::New,
            };
        }
        if is_closed && !self.open_now(other, now) {
            return Lineage::Later;
        }
        if self.agree_at(stat.size, id, other) {
            return Lineage::Copy;
        }
        // Where the other lost what was read of it, perhaps only just now, this may be what it
        // lost. That is found out when the other is read, and then this is looked at again.
        if pos > 0 && !self.has(other, pos, tail.as_bytes()) {
            return Lineage::Later;
        }
        if let Some(follow) = self.follows.get_mut(&other) {
            follow.is_elsewhere |= follow.pos == 0;
        }
        Lineage::New
    }

    /// Whether the open file has `bytes` before `at`.
    fn has(&mut self, id: FollowId, at: u64, bytes: &[u8]) -> bool {
        self.before(id, at, bytes.len())
            .is_some_and(|found| found == bytes)
    }

    /// Whether both open files have the same bytes before `at`.
    fn agree_at(&mut self, at: u64, one: FollowId, other: FollowId) -> bool {
        let len = usize::try_from(at).map_or(TAIL_BYTES_MAX, |at| at.min(TAIL_BYTES_MAX));
        let found = self.before(one, at, len);
        found.is_some() && found == self.before(other, at, len)
    }
}
