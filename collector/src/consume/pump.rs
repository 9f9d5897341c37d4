//! The loop that moves a consumer along its partition.

use super::Consumer;
use crate::telemetry::{SignalLabel, Telemetry};
use parking_lot::Mutex;
use sonde_journal::{Journal, Reader};
use sonde_proto::{Clock, Partition, Position, UnixNanos};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

const BATCH_BYTES_MAX: usize = 4 << 20;
const WAIT: Duration = Duration::from_millis(50);
const MAINTAIN_EVERY: Duration = Duration::from_millis(250);
const MAINTAIN: &str = "maintain its store";
const TRIM: &str = "trim the journal";
const TAKE: &str = "take more";
const READ: &str = "read the journal";
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How far a pump has come, for whoever waits for it or shows it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    applied_to: watch::Sender<Position>,
    caught_up: watch::Sender<bool>,
    failed: AtomicBool,
    /// What cannot be done just now, and why.
    troubles: Mutex<BTreeMap<&'static str, String>>,
}

impl Progress {
    /// Everything before this position has been applied.
    pub(crate) fn applied_to(&self) -> Position {
        *self.applied_to.borrow()
    }

    /// The same, for whoever waits for more.
    pub(crate) fn follow(&self) -> watch::Receiver<Position> {
        self.applied_to.subscribe()
    }

    /// Whether everything that was in the journal at the start has been applied.
    pub(crate) fn caught_up(&self) -> bool {
        *self.caught_up.borrow()
    }

    /// Returns once everything that was in the journal at the start has been applied.
    #[cfg(test)]
    pub(crate) async fn until_caught_up(&self) {
        let mut caught_up = self.caught_up.subscribe();
        // Its sender lives as long as `self`.
        let _ = caught_up.wait_for(|caught_up| *caught_up).await;
    }

    /// Whether its thread has ended without being told to: nothing moves it on any more.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// What cannot be done just now, and why: each is tried again until it works.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let troubles = self.troubles.lock();
        let told = troubles
            .iter()
            .map(|(what, why)| format!("cannot {what}: {why}"));
        told.collect()
    }

    #[cfg(test)]
    pub(crate) fn of(caught_up: bool, failed: bool) -> Arc<Self> {
        Arc::new(Self {
            caught_up: watch::Sender::new(caught_up),
            failed: failed.into(),
            ..Self::default()
        })
    }
}

/// Lives on a pump's thread, and notices when it ends.
struct EndOfThread {
    partition: Partition,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
    telemetry: Arc<Telemetry>,
}

impl Drop for EndOfThread {
    fn drop(&mut self) {
        if self.stop.load(Ordering::Acquire) && !std::thread::panicking() {
            return;
        }
        self.progress.failed.store(true, Ordering::Release);
        let signal = self.partition.signal;
        let label = SignalLabel::from(signal);
        self.telemetry.consumer_failures.get_or_create(&label).inc();
        tracing::error!(%signal, "the consumer panicked, which is a defect; please report it, and restart: what it had not sealed is replayed");
    }
}

/// One consumer's thread.
pub(crate) struct Pump {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
    progress: Arc<Progress>,
}

impl Pump {
    /// Starts a thread that feeds `consumer` from `partition`.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start(
        partition: Partition,
        journal: Arc<dyn Journal>,
        consumer: Box<dyn Consumer>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let run = Run {
            partition,
            goal: journal.durable_end(partition),
            journal,
            consumer,
            clock,
            telemetry,
            stop: Arc::clone(&stop),
            progress: Arc::clone(&progress),
        };
        let name = format!("consume-{}", partition.signal);
        let work = move || {
            let _end = EndOfThread {
                partition,
                stop: Arc::clone(&run.stop),
                progress: Arc::clone(&run.progress),
                telemetry: Arc::clone(&run.telemetry),
            };
            run.run();
        };
        let thread = std::thread::Builder::new().name(name).spawn(work)?;
        Ok(Self {
            stop,
            thread,
            progress,
        })
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Waits until its thread ends, which it is not told to.
    #[cfg(test)]
    pub(crate) fn join(self) -> std::thread::Result<()> {
        self.thread.join()
    }

    /// Applies what the journal still holds, seals, and ends. Blocks until then.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // That it panicked was said when it did.
        let _ = self.thread.join();
    }
}

struct Run {
    partition: Partition,
    /// The end of the journal at the start: beyond it, a consumer sees live data.
    goal: Position,
    journal: Arc<dyn Journal>,
    consumer: Box<dyn Consumer>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

impl Run {
    fn run(mut self) {
        let mut next = self.consumer.resume_from();
        self.advance(next);
        let mut reader = None;
        let mut maintained = self.clock.now();
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let read = self.step(&mut reader, &mut next, stopping);
            if stopping && !read {
                break;
            }
            maintained = self.maintain_if_due(maintained);
        }
        let caught_up = self.progress.caught_up();
        if let Err(error) = self.consumer.seal(self.clock.now(), caught_up) {
            self.failed("seal", &error);
        }
    }

    /// Reads and applies one batch. False when there was nothing to read.
    fn step(
        &mut self,
        reader: &mut Option<Box<dyn Reader>>,
        next: &mut Position,
        stopping: bool,
    ) -> bool {
        let wait = if stopping { Duration::ZERO } else { WAIT };
        let batch = match reader {
            Some(reader) => reader.next_batch(BATCH_BYTES_MAX, wait),
            None => self
                .journal
                .read(self.partition, *next)
                .and_then(|opened| reader.insert(opened).next_batch(BATCH_BYTES_MAX, wait)),
        };
        match batch {
            Ok(batch) => {
                if let Some((last, _)) = batch.last() {
                    *next = last.next();
                    self.consumer.apply(&batch);
                }
                let applied = self.consumer.applied_to();
                self.advance(applied);
                if applied < *next {
                    self.failed(TAKE, "its store has no room until it can seal");
                    *next = applied;
                    *reader = None;
                    self.wait_to_retry();
                    return false;
                }
                self.worked(READ);
                self.worked(TAKE);
                if batch.is_empty() {
                    // The journal's end may be a position that was lost, or never given:
                    // no entry takes anyone there, and nothing is left to be applied.
                    self.progress.caught_up.send_replace(true);
                }
                !batch.is_empty()
            }
            Err(error) => {
                self.failed(READ, &error.to_string());
                *reader = None;
                self.wait_to_retry();
                false
            }
        }
    }

    /// Until it is time to try again, or to stop.
    fn wait_to_retry(&self) {
        if !self.stop.load(Ordering::Acquire) {
            std::thread::park_timeout(RETRY_AFTER);
        }
    }

    fn advance(&self, to: Position) {
        self.progress.applied_to.send_if_modified(|applied| {
            let moved = *applied != to;
            *applied = to;
            moved
        });
        if to >= self.goal {
            self.progress.caught_up.send_replace(true);
        }
    }

    fn maintain_if_due(&mut self, maintained: UnixNanos) -> UnixNanos {
        let now = self.clock.now();
        // Where the clock stepped back, nobody knows how long it has been.
        let is_recent = now >= maintained && now.since(maintained) < MAINTAIN_EVERY;
        if is_recent {
            return maintained;
        }
        match self.consumer.maintain(now, self.progress.caught_up()) {
            Ok(()) => self.worked(MAINTAIN),
            Err(error) => self.failed(MAINTAIN, &error),
        }
        // Also after a failure: a full disk needs the room.
        let covered = self.consumer.resume_from();
        match self.journal.trim(self.partition, covered) {
            Ok(()) => self.worked(TRIM),
            Err(error) => self.failed(TRIM, &error.to_string()),
        }
        now
    }

    /// Counts every failure, and says the first of each kind until it works again.
    fn failed(&self, what: &'static str, error: &str) {
        let label = SignalLabel::from(self.partition.signal);
        self.telemetry.consumer_failures.get_or_create(&label).inc();
        let mut troubles = self.progress.troubles.lock();
        if troubles.insert(what, error.to_owned()).is_none() {
            tracing::error!(signal = %self.partition.signal, "the consumer cannot {what}, and tries again until it can: {error}");
        }
    }

    fn worked(&self, what: &'static str) {
        if self.progress.troubles.lock().remove(what).is_some() {
            tracing::info!(signal = %self.partition.signal, "recovered: the consumer can {what} again");
        }
    }
}
