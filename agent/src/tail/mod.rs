//! From log files to batches of records: nothing lost at rotation, nothing twice.
//!
//! ```text
//! Disk ── list ──▶ scan      which files are there, which moved, which are new      (scan.rs)
//!      ── stat ──▶ look      which have grown                                       (here)
//!      ── read ──▶ turn      whole lines → records → the lane's batch               (read.rs)
//!                  ├ truncated, copied, replaced                                    (change.rs, lineage.rs)
//!                  └ ended                                                          (end.rs)
//! sealed ──▶ collector ──▶ acknowledged ──▶ cursors
//! ```
//!
//! The tailer decides; it does I/O only through [`Disk`] and is told the time, so that a
//! simulation can drive it through any schedule of writes, rotations and crashes.
//!
//! Polling is the truth. A file that is followed and open is read to its end before it is
//! left, whatever happens to its name. Where reading stands is always the start of a line,
//! so nothing is kept in memory per file but joined partial lines; the bytes before it are
//! read again with every read and compared, so a file that was truncated and grew past
//! that place again is noticed.

pub(crate) mod cri;
pub(crate) mod cursors;
pub(crate) mod disk;
pub(crate) mod discover;
pub(crate) mod identity;
mod decode;
mod follow;
mod scan;
mod read;
mod change;
mod lineage;
mod end;
mod watch;

pub(crate) use watch::Watch;

use crate::config::{ExportConfig, TailConfig};
use crate::enrich::Enricher;
use crate::export::batch::{Batch, Builder};
use crate::telemetry::Telemetry;
use cursors::{Ledger, Progress};
use decode::Decoder;
use disk::{Disk, FileKey};
use follow::{Follow, Presence};
use sonde_proto::UnixNanos;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A number for a followed file, in the order they were found.
type FollowId = u64;

/// How many bytes of one file are read before the next file's turn.
const QUANTUM_BYTES: usize = 256 << 10;

/// Everything the tail decides and remembers.
pub(crate) struct Tailer<D: Disk> {
    disk: D,
    config: TailConfig,
    batch_bytes: usize,
    batch_delay: Duration,
    enricher: Enricher,
    telemetry: Telemetry,
    ledger: Ledger,
    follows: BTreeMap<FollowId, Follow<D::Handle>>,
    by_key: HashMap<FileKey, FollowId>,
    next_id: FollowId,
    /// Files that may have something to read.
    ready: Vec<FollowId>,
    lanes: Vec<Lane>,
    buffer: Vec<u8>,
    open: usize,
    /// Copies of followed files: left alone until something is truncated again.
    copies: HashMap<FileKey, (u64, u64, u64)>,
    truncations: u64,
    /// Whether files found now were there before the agent's very first start.
    first_scan: bool,
    over_files_max: bool,
}

/// One lane's batches.
#[derive(Debug, Default)]
struct Lane {
    next: Builder,
    in_flight: bool,
}

impl<D: Disk> Tailer<D> {
    pub(crate) fn new(
        disk: D,
        config: &TailConfig,
        export: &ExportConfig,
        enricher: Enricher,
        telemetry: Telemetry,
        ledger: Ledger,
    ) -> Self {
        let first_scan = ledger.is_empty();
        Self {
            disk,
            batch_bytes: export.lane_batch_bytes(),
            batch_delay: Duration::from_millis(export.batch_delay_ms),
            enricher,
            telemetry,
            ledger,
            follows: BTreeMap::new(),
            by_key: HashMap::new(),
            next_id: 0,
            ready: Vec::new(),
            lanes: (0..export.lanes.max(1)).map(|_| Lane::default()).collect(),
            buffer: vec![
                0;
                identity::TAIL_BYTES_MAX + QUANTUM_BYTES.max(config.line_bytes_max + 1)
            ],
            open: 0,
            copies: HashMap::new(),
            truncations: 0,
            first_scan,
            over_files_max: false,
            config: config.clone(),
        }
    }

    /// Looks which followed files have something to read.
    pub(crate) fn look(&mut self, now: UnixNanos) {
        self.ready.clear();
        let (mut backlog, mut deleted) = (0, 0);
        let idle = Duration::from_millis(self.config.idle_close_ms);
        for (id, follow) in &mut self.follows {
            if let Some(handle) = &follow.handle
                && let Ok(stat) = self.disk.stat(handle)
            {
                follow.update(&stat, now);
                follow.deleted = stat.links == 0;
            }
            let news = follow.has_news()
                && !matches!(follow.presence, Presence::CutShort | Presence::Done);
            if news || end::is_due(follow, now, &self.config) {
                self.ready.push(*id);
            } else if follow.presence == Presence::Present
                && now.since(follow.active) > idle
                && follow.handle.take().is_some()
            {
                self.open -= 1;
            }
            backlog += follow.unread();
            let is_held = follow.deleted && follow.handle.is_some();
            deleted += if is_held { follow.now.0 } else { 0 };
        }
        self.telemetry
            .backlog_bytes
            .set(i64::try_from(backlog).unwrap_or(i64::MAX));
        self.telemetry.files.set(self.follows.len() as i64);
        self.telemetry.files_open.set(self.open as i64);
        if deleted > self.config.deleted_bytes_max {
            self.give_up_oldest_deleted();
        }
    }

    /// Reads on, once in each file that has something, as far as the lanes have room.
    /// Returns whether anything was read.
    pub(crate) fn turn(&mut self, now: UnixNanos) -> bool {
        let mut progressed = false;
        for id in std::mem::take(&mut self.ready) {
            match self.read(id, now) {
                Turn::More => {
                    progressed = true;
                    self.ready.push(id);
                }
                Turn::Blocked => self.ready.push(id),
                Turn::AtEnd => {}
            }
        }
        progressed
    }

    /// Takes the batches that are due, of lanes that have none in flight. None while a new
    /// generation's cursor is not durable.
    pub(crate) fn sealed(&mut self, now: UnixNanos, flush: bool) -> Vec<Batch> {
        if self.ledger.is_urgent() {
            return Vec::new();
        }
        let lanes = 0..self.lanes.len();
        lanes
            .filter_map(|lane| self.seal(lane, now, flush))
            .collect()
    }

    fn seal(&mut self, lane: usize, now: UnixNanos, flush: bool) -> Option<Batch> {
        let state = &mut self.lanes[lane];
        let since = state.next.since()?;
        let due =
            flush || state.next.bytes() >= self.batch_bytes || now.since(since) >= self.batch_delay;
        if state.in_flight || !due {
            return None;
        }
        let nothing_to_send = state.next.records() == 0;
        let (sections, touched) = state.next.take();
        let progress = touched.iter().filter_map(|id| self.progress(*id)).collect();
        let batch = Batch {
            lane,
            sections,
            progress,
        };
        if nothing_to_send {
            self.apply(&batch.progress);
            return None;
        }
        self.lanes[lane].in_flight = true;
        Some(batch)
    }

    fn progress(&self, id: FollowId) -> Option<Progress> {
        let follow = self.follows.get(&id)?;
        let finished = (follow.presence == Presence::Done)
            .then_some(follow.looked)
            .flatten();
        Some(Progress {
            identity: follow.identity()?,
            at: follow.at(),
            finished,
        })
    }

    /// The collector has taken, or refused for good, the lane's batch.
    pub(crate) fn acknowledged(&mut self, lane: usize, progress: &[Progress]) {
        self.lanes[lane].in_flight = false;
        self.apply(progress);
    }

    fn apply(&mut self, progress: &[Progress]) {
        progress.iter().for_each(|p| self.ledger.apply(p));
    }

    /// Whether everything that was read is acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.lanes
            .iter()
            .all(|lane| !lane.in_flight && lane.next.since().is_none())
    }

    /// When the next batch is due by its age.
    pub(crate) fn next_due(&self) -> Option<UnixNanos> {
        let idle = self.lanes.iter().filter(|lane| !lane.in_flight);
        idle.filter_map(|lane| lane.next.since())
            .min()
            .map(|since| since.plus(self.batch_delay))
    }

    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The directories to watch for changes.
    pub(crate) fn directories(&self) -> std::collections::BTreeSet<std::path::PathBuf> {
        let present = self
            .follows
            .values()
            .filter(|f| f.presence == Presence::Present);
        discover::directories(present.map(|f| f.base.as_path()))
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(self.config.format, self.config.record_bytes_max)
    }

    fn insert(&mut self, follow: Follow<D::Handle>) -> FollowId {
        let id = self.next_id;
        self.next_id += 1;
        if follow.presence != Presence::CutShort {
            self.by_key.insert(follow.key, id);
        }
        self.follows.insert(id, follow);
        id
    }

    fn remove(&mut self, id: FollowId) -> Option<Follow<D::Handle>> {
        let follow = self.follows.remove(&id)?;
        if self.by_key.get(&follow.key) == Some(&id) {
            self.by_key.remove(&follow.key);
        }
        self.open -= usize::from(follow.handle.is_some());
        Some(follow)
    }
}

/// What one file's turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There may be more to read at once.
    More,
    /// Its lane is full, or too many files are open.
    Blocked,
    /// Everything there is was read.
    AtEnd,
}

#[cfg(test)]
mod tests;
