//! Which files there are now: new ones, moved ones, vanished ones.

use super::cursors::Entry;
use super::disk::{Disk, FileKey, Found};
use super::follow::{Follow, Origin, Presence};
use super::{FollowId, Tailer};
use sonde_proto::UnixNanos;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file system's clock may lag behind ours.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
/// A rename between two steps of one listing can hide a file from it once.
const MISSED_SCANS_MAX: u32 = 2;

impl<D: Disk> Tailer<D> {
    /// Resolves the patterns and compares what is there with what is followed.
    pub(crate) fn scan(&mut self, now: UnixNanos) {
        let known: Vec<PathBuf> = self.ledger.bases.keys().cloned().collect();
        let found = self
            .disk
            .list(&known.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        self.take_up_what_was_cut_short(now);
        self.note_bases(&found, now);
        let mut seen = HashSet::new();
        self.over_files_max = false;
        for file in &found {
            seen.insert(file.stat.key);
            self.ledger.saw(file.stat.key, now);
            match self.by_key.get(&file.stat.key).copied() {
                Some(id) => self.meet_again(id, file, now),
                None => self.meet(file, now),
            }
        }
        if self.over_files_max {
            tracing::warn!(
                limit = self.config.files_max,
                "more log files than tail.files_max: the rest waits"
            );
        }
        self.miss(&seen, now);
        self.leave_old_generations();
        self.end_cut_short(now);
        self.forget(&seen, now);
        self.ledger.scanned = Some(now);
        self.first_scan = false;
    }

    /// Notes since when each path is followed: rotated siblings that changed later are ours.
    fn note_bases(&mut self, found: &[Found], now: UnixNanos) {
        let scanned = self.ledger.scanned.map(|at| at.minus(CLOCK_SLACK).0);
        for file in found.iter().filter(|f| f.base.is_none()) {
            let since = scanned.unwrap_or(file.stat.modified);
            self.ledger.follow_base(&file.path, since, now);
        }
    }

    /// A followed file: where is it now, and has it changed?
    fn meet_again(&mut self, id: FollowId, file: &Found, now: UnixNanos) {
        let finished = self.is_finished(id);
        let Some(follow) = self.follows.get_mut(&id) else {
            return;
        };
        let presence = if file.base.is_some() {
            Presence::Rotated
        } else {
            Presence::Present
        };
        follow.missed = 0;
        if follow.handle.is_none() {
            follow.update(&file.stat, now);
        }
        if follow.presence == Presence::Done {
            if !follow.has_news() {
                // Its cursor says so durably: nothing more to remember here.
                if finished {
                    self.remove(id);
                }
                return;
            }
            follow.active = now;
        } else if follow.presence != presence {
            follow.active = now;
        }
        follow.presence = presence;
        follow.path.clone_from(&file.path);
        follow.named = file.followed_by().to_path_buf();
        follow.aliases.clone_from(&file.aliases);
    }

    /// Whether a file was left, and its cursor says so.
    fn is_finished(&self, id: FollowId) -> bool {
        let Some(follow) = self.follows.get(&id) else {
            return false;
        };
        let entry = follow
            .identity()
            .and_then(|identity| self.ledger.get(identity));
        follow.presence == Presence::Done
            && entry.is_none_or(|e| e.finished.is_some() && e.finished == follow.looked)
    }

    /// A file that is not followed: is it known from before, new, or none of ours?
    fn meet(&mut self, file: &Found, now: UnixNanos) {
        let state = (file.stat.size, file.stat.modified);
        if file.base.is_some() && (file.stat.size == 0 || self.is_left_copy(file)) {
            return;
        }
        let known = self.ledger.newest(file.stat.key).cloned();
        if known
            .as_ref()
            .is_some_and(|entry| entry.finished == Some(state))
        {
            return;
        }
        if self.follows.len() >= self.config.files_max {
            self.over_files_max = true;
            return;
        }
        // What was here is still followed, as cut short or in its copy: this came after it.
        let taken = |e: &Entry| {
            self.follows
                .values()
                .any(|f| f.identity() == Some(e.identity))
        };
        let after = known
            .as_ref()
            .filter(|e| taken(e))
            .map(|e| e.known.generation);
        let known = known.filter(|_| after.is_none());
        let base = file.followed_by().to_path_buf();
        let mut follow = match known {
            Some(entry) => self.remembered(file, entry),
            None => {
                let is_rotated = file.base.is_some();
                if is_rotated && after.is_none() && !self.is_ours(&base, file) {
                    return;
                }
                let resources = self.enricher.resources(&base, &file.aliases);
                let generation = after.map_or(0, |generation| generation + 1);
                let origin = Origin::Undecided { generation };
                let mut follow = Follow::new(file, base, origin, self.decoder(), resources);
                follow.is_candidate = is_rotated;
                follow.at_end = self.first_scan && !self.config.from_beginning;
                follow
            }
        };
        follow.active = now;
        self.insert(follow);
    }

    /// Whether a rotated file was written under our eyes, or is named by a pattern.
    fn is_ours(&self, base: &Path, file: &Found) -> bool {
        let since = self.ledger.bases.get(base).map(|base| base.since);
        file.matched || since.is_some_and(|since| file.stat.modified >= since)
    }

    fn is_left_copy(&self, file: &Found) -> bool {
        let state = (file.stat.size, file.stat.modified, self.truncations);
        self.copies.get(&file.stat.key) == Some(&state)
    }

    /// Follows what a cursor describes; its bytes are compared when it is opened.
    pub(super) fn remembered(&self, file: &Found, entry: Entry) -> Follow<D::Handle> {
        let resources = self.enricher.resources(&entry.base, &file.aliases);
        let base = entry.base.clone();
        Follow::new(
            file,
            base,
            Origin::Remembered(Box::new(entry)),
            self.decoder(),
            resources,
        )
    }

    /// Followed files that are no longer there.
    fn miss(&mut self, seen: &HashSet<FileKey>, now: UnixNanos) {
        let missing: Vec<_> = self
            .follows
            .iter()
            .filter(|(_, f)| !seen.contains(&f.key))
            .map(|(id, _)| *id)
            .collect();
        for id in missing {
            let finished = self.is_finished(id);
            let Some(follow) = self.follows.get_mut(&id) else {
                continue;
            };
            follow.missed += 1;
            match follow.presence {
                Presence::CutShort | Presence::Gone => {}
                Presence::Done => {
                    if finished {
                        self.remove(id);
                    }
                }
                Presence::Present | Presence::Rotated if follow.handle.is_some() => {
                    follow.presence = Presence::Gone;
                    follow.active = now;
                }
                Presence::Present | Presence::Rotated if follow.missed >= MISSED_SCANS_MAX => {
                    self.vanished(id, now);
                }
                Presence::Present | Presence::Rotated => {}
            }
        }
    }

    /// Truncated generations that are ended: their file is followed as the next one.
    fn leave_old_generations(&mut self) {
        let old = |(id, f): &(&FollowId, &Follow<D::Handle>)| {
            self.by_key.get(&f.key) != Some(id) && self.is_finished(**id)
        };
        let ids: Vec<_> = self.follows.iter().filter(old).map(|(id, _)| *id).collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// A closed file is gone, and what was not read of it. What was read is ended.
    fn vanished(&mut self, id: FollowId, now: UnixNanos) {
        let Some(follow) = self.follows.get_mut(&id) else {
            return;
        };
        let unread = follow.unread();
        if unread > 0 && !follow.is_candidate {
            self.telemetry.drop("vanished", 1);
            tracing::warn!(
                path = %follow.path.display(), unread_bytes = unread,
                "the log file is gone before it could be opened; what was not read of it is lost"
            );
        }
        if matches!(follow.origin, Origin::Known(_)) {
            follow.looked = Some(follow.now);
            self.close(id, now);
        } else {
            self.remove(id);
        }
    }

    fn forget(&mut self, seen: &HashSet<FileKey>, now: UnixNanos) {
        self.copies.retain(|key, _| seen.contains(key));
        let before = now.minus(Duration::from_secs(self.config.forget_after_seconds));
        let followed: HashSet<_> = self.follows.values().filter_map(Follow::identity).collect();
        self.ledger
            .forget(before, |identity| followed.contains(&identity));
    }
}
