//! When a file is left for good: rotated, deleted or cut short, and quiet for a while.

use super::cri::Stream;
use super::disk::{Disk, Stat};
use super::follow::{Follow, Origin, Presence};
use super::identity::Tail;
use super::{FollowId, Tailer, Turn, read};
use crate::config::TailConfig;
use sonde_proto::UnixNanos;
use std::collections::HashSet;
use std::time::Duration;

/// Whether a file that is no longer written has been quiet long enough to be left.
pub(super) fn is_due<H>(follow: &Follow<H>, now: UnixNanos, config: &TailConfig) -> bool {
    let quiet = now.since(follow.active) >= Duration::from_millis(config.rotate_wait_ms);
    quiet && matches!(follow.presence, Presence::Rotated | Presence::Gone)
}

impl<D: Disk> Tailer<D> {
    /// Leaves a file that was read to its end; `rest` is a last line without a newline.
    pub(super) fn end(&mut self, id: FollowId, stat: &Stat, rest: &[u8], now: UnixNanos) -> Turn {
        self.looked(id, stat);
        let Some(follow) = self.follows.get_mut(&id) else {
            return Turn::AtEnd;
        };
        if !matches!(follow.origin, Origin::Known(_)) {
            self.remove(id);
            return Turn::AtEnd;
        }
        let lane = &mut self.lanes[follow.lane].next;
        if !rest.is_empty() {
            let offset = follow.pos;
            read::push_line(follow, lane, offset, rest, &self.telemetry, now);
            self.telemetry.lines.inc();
            self.telemetry.bytes.inc_by(rest.len() as u64);
            follow.pos += rest.len() as u64;
            follow.tail = Tail::of(rest);
        }
        self.close(id, now);
        Turn::AtEnd
    }

    /// Ends what its decoder still holds, closes it, and puts that into its lane's batch.
    pub(super) fn close(&mut self, id: FollowId, now: UnixNanos) {
        let Some(follow) = self.follows.get_mut(&id) else {
            return;
        };
        let lane = &mut self.lanes[follow.lane].next;
        let Follow {
            decoder,
            sent,
            origin,
            slots,
            resources,
            ..
        } = follow;
        if let Origin::Known(identity) = origin {
            for stream in Stream::ALL {
                if let Some(text) = decoder.flush(stream) {
                    let at = stream as usize;
                    self.telemetry.damage("record_unfinished");
                    read::push(
                        lane,
                        &mut slots[at],
                        &resources[at],
                        *identity,
                        &mut sent[at],
                        &text,
                        &self.telemetry,
                        now,
                    );
                }
            }
        }
        lane.touch(id, &mut follow.touched, now);
        follow.presence = Presence::Done;
        self.open -= usize::from(follow.handle.take().is_some());
    }

    /// Ends truncated files that no copy continued.
    pub(super) fn end_cut_short(&mut self, now: UnixNanos) {
        let wait = Duration::from_millis(self.config.rotate_wait_ms);
        // A file that is not looked at yet may be the copy.
        let undecided: HashSet<_> = self
            .follows
            .values()
            .filter(|f| f.is_candidate)
            .map(|f| f.base.clone())
            .collect();
        let due = |f: &Follow<D::Handle>| {
            f.presence == Presence::CutShort
                && now.since(f.active) >= wait
                && !undecided.contains(&f.base)
        };
        let ids: Vec<_> = self
            .follows
            .iter()
            .filter(|(_, f)| due(f))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let Some(follow) = self.follows.get_mut(&id) else {
                continue;
            };
            let unread = follow.unread();
            if unread > 0 && !follow.is_elsewhere {
                self.telemetry.drop("truncated", 1);
                tracing::warn!(
                    path = %follow.path.display(), unread_bytes = unread,
                    "the log file was truncated before it was read to its end, and no copy of it is there; the rest is lost"
                );
            }
            // What its cursor describes was never opened: there is nothing to end.
            if let Origin::Remembered(entry) = &follow.origin {
                follow.sent = entry.at.sent;
                follow.pos = entry.at.read;
                follow.origin = Origin::Known(entry.identity);
            }
            follow.looked = Some((follow.pos, 0));
            self.close(id, now);
        }
    }

    /// The collector does not take the content of deleted files fast enough for the space
    /// that they may hold: the oldest is given up.
    pub(super) fn give_up_oldest_deleted(&mut self) {
        let oldest = self
            .follows
            .iter()
            .find(|(_, f)| f.deleted && f.handle.is_some())
            .map(|(id, _)| *id);
        let Some(follow) = oldest.and_then(|id| self.remove(id)) else {
            return;
        };
        self.telemetry.drop("deleted_backlog", 1);
        tracing::warn!(
            path = %follow.path.display(), unread_bytes = follow.unread(),
            "deleted log files hold more than tail.deleted_bytes_max; the oldest is given up and the rest of it is lost"
        );
    }
}
