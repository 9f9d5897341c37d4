//! The loop that moves a consumer along its partition.

use super::Consumer;
use crate::telemetry::{SignalLabel, Telemetry};
use sonde_journal::{Journal, Reader};
use sonde_proto::{Clock, Partition, Position, UnixNanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const BATCH_BYTES_MAX: usize = 4 << 20;
const WAIT: Duration = Duration::from_millis(50);
const MAINTAIN_EVERY: Duration = Duration::from_millis(250);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How far a pump has come, for whoever waits for it or shows it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    applied_to: AtomicU64,
    caught_up: AtomicBool,
}

impl Progress {
    /// Everything before this position has been applied.
    pub(crate) fn applied_to(&self) -> Position {
        Position(self.applied_to.load(Ordering::Acquire))
    }

    /// Whether everything that was in the journal at the start has been applied.
    pub(crate) fn caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
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
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || run.run())?;
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

    /// Applies what the journal still holds, seals, and ends. Blocks until then.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!(
                "a consumer panicked; what it had not sealed is replayed at the next start"
            );
        }
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
        if let Err(error) = self.consumer.seal(self.clock.now()) {
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
                    self.failed("take more", "its store has no room until it can seal");
                    *next = applied;
                    *reader = None;
                    std::thread::park_timeout(RETRY_AFTER);
                    return false;
                }
                !batch.is_empty()
            }
            Err(error) => {
                self.failed("read the journal", &error.to_string());
                *reader = None;
                std::thread::park_timeout(RETRY_AFTER);
                false
            }
        }
    }

    fn advance(&self, to: Position) {
        self.progress.applied_to.store(to.0, Ordering::Release);
        if to >= self.goal {
            self.progress.caught_up.store(true, Ordering::Release);
        }
    }

    fn maintain_if_due(&mut self, maintained: UnixNanos) -> UnixNanos {
        let now = self.clock.now();
        if now.since(maintained) < MAINTAIN_EVERY {
            return maintained;
        }
        match self.consumer.maintain(now, self.progress.caught_up()) {
            Ok(covered) => {
                if let Err(error) = self.journal.trim(self.partition, covered) {
                    self.failed("trim the journal", &error.to_string());
                }
            }
            Err(error) => self.failed("maintain its store", &error),
        }
        now
    }

    fn failed(&self, what: &str, error: &str) {
        let label = SignalLabel::from(self.partition.signal);
        self.telemetry.consumer_failures.get_or_create(&label).inc();
        tracing::error!(signal = %self.partition.signal, "the consumer cannot {what}, and will try again: {error}");
    }
}
