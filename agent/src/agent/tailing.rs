//! The thread that follows log files: the tailer, its clock, its cursors file, its lanes.

use crate::config::TailConfig;
use crate::export::batch::Batch;
use crate::tail::cursors::{CursorFile, Progress};
use crate::tail::disk::RealDisk;
use crate::tail::{Tailer, Watch};
use sonde_proto::{Clock, UnixNanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What wakes the thread.
#[derive(Debug)]
pub(super) enum Event {
    /// A lane's batch is taken, or refused for good.
    Acknowledged {
        lane: usize,
        progress: Vec<Progress>,
    },
    /// Something changed in a watched directory.
    Changed,
    /// Read what is there, send it, save the cursors and end, by the deadline at the latest.
    Stop { deadline: Instant },
    /// End at once.
    Abort,
}

/// How soon after one scan the next may follow when the system reports changes.
const HINTED_SCAN_INTERVAL: Duration = Duration::from_millis(20);

/// The thread's state.
pub(super) struct Tailing {
    tailer: Tailer<RealDisk>,
    file: CursorFile,
    lanes: Vec<tokio::sync::mpsc::Sender<Batch>>,
    clock: Arc<dyn Clock>,
    watch: Watch,
    hinted: Arc<AtomicBool>,
    poll_interval: Duration,
    scan_interval: Duration,
    save_interval: Duration,
    scanned: Option<Instant>,
    looked: Option<Instant>,
    saved: Instant,
    save_failed: bool,
    stopping: Option<Instant>,
}

impl Tailing {
    pub(super) fn new(
        tailer: Tailer<RealDisk>,
        file: CursorFile,
        lanes: Vec<tokio::sync::mpsc::Sender<Batch>>,
        config: &TailConfig,
        clock: Arc<dyn Clock>,
        events: mpsc::SyncSender<Event>,
    ) -> Self {
        let hinted = Arc::new(AtomicBool::new(false));
        let hint = Arc::clone(&hinted);
        let watch = Watch::new(config.watch, move || {
            if !hint.swap(true, Ordering::Relaxed) {
                // A full queue wakes the thread as well.
                drop(events.try_send(Event::Changed));
            }
        });
        Self {
            tailer,
            file,
            lanes,
            clock,
            watch,
            hinted,
            poll_interval: Duration::from_millis(config.poll_interval_ms.max(1)),
            scan_interval: Duration::from_millis(config.scan_interval_ms.max(1)),
            save_interval: Duration::from_millis(config.save_interval_ms),
            scanned: None,
            looked: None,
            saved: Instant::now(),
            save_failed: false,
            stopping: None,
        }
    }

    /// Follows files until told to end.
    pub(super) fn run(mut self, events: &mpsc::Receiver<Event>) {
        loop {
            let now = self.clock.now();
            self.scan_if_due(now);
            self.look_if_due(now);
            let progressed = self.tailer.turn(now);
            self.save_if_due();
            self.send(now);
            if self.is_done(progressed) {
                self.save();
                return;
            }
            let wait = if progressed {
                Duration::ZERO
            } else {
                self.wait(now)
            };
            if !self.receive(events, wait) {
                return;
            }
        }
    }

    fn scan_if_due(&mut self, now: UnixNanos) {
        let since = self.scanned.map_or(Duration::MAX, |at| at.elapsed());
        let hinted = since >= HINTED_SCAN_INTERVAL && self.hinted.swap(false, Ordering::Relaxed);
        if hinted || since >= self.scan_interval {
            self.scanned = Some(Instant::now());
            self.tailer.scan(now);
            self.watch.set(self.tailer.directories());
            self.looked = None;
        }
    }

    fn look_if_due(&mut self, now: UnixNanos) {
        if self
            .looked
            .is_none_or(|at| at.elapsed() >= self.poll_interval)
        {
            self.looked = Some(Instant::now());
            self.tailer.look(now);
        }
    }

    fn send(&mut self, now: UnixNanos) {
        for batch in self.tailer.sealed(now, self.stopping.is_some()) {
            // A lane has one batch at a time, and room for it.
            if self.lanes[batch.lane].try_send(batch).is_err() {
                tracing::error!(
                    "a lane to the collector has ended; its files wait for the next start"
                );
            }
        }
    }

    fn save_if_due(&mut self) {
        let ledger = self.tailer.ledger();
        let due = ledger.is_dirty() && self.saved.elapsed() >= self.save_interval;
        // While the disk refuses, an urgent save is tried at the interval, not at every turn.
        let urgent =
            ledger.is_urgent() && (!self.save_failed || self.saved.elapsed() >= self.save_interval);
        if due || urgent {
            self.save();
        }
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        let saved = self.tailer.ledger().to_saved();
        match self.file.save(&saved) {
            Ok(()) => {
                self.tailer.ledger().saved();
                if std::mem::take(&mut self.save_failed) {
                    tracing::info!("recovered: the cursors are saved again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.save_failed, true) {
                    tracing::error!(%error, "cannot save the cursors; after a restart files are read from older ones. Free space in the data directory");
                }
            }
        }
    }

    /// Whether a stop has nothing more to wait for.
    fn is_done(&mut self, progressed: bool) -> bool {
        let Some(deadline) = self.stopping else {
            return false;
        };
        Instant::now() >= deadline || (!progressed && self.tailer.is_settled())
    }

    /// How long nothing is due.
    fn wait(&self, now: UnixNanos) -> Duration {
        let due = self
            .tailer
            .next_due()
            .map_or(Duration::MAX, |at| at.since(now));
        let look = self
            .poll_interval
            .saturating_sub(self.looked.map_or(Duration::MAX, |at| at.elapsed()));
        let stopping = self
            .stopping
            .map_or(Duration::MAX, |_| Duration::from_millis(5));
        due.min(look).min(stopping).max(Duration::from_millis(1))
    }

    /// Takes what has arrived, waiting up to `wait` for the first. Returns whether to go on.
    fn receive(&mut self, events: &mpsc::Receiver<Event>, wait: Duration) -> bool {
        let mut event = if wait.is_zero() {
            events.try_recv().ok()
        } else {
            match events.recv_timeout(wait) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        };
        while let Some(next) = event {
            match next {
                Event::Acknowledged { lane, progress } => self.tailer.acknowledged(lane, &progress),
                Event::Changed => {}
                Event::Abort => return false,
                Event::Stop { deadline } => {
                    self.stopping = Some(deadline);
                    self.scanned = None;
                }
            }
            event = events.try_recv().ok();
        }
        true
    }
}
