//! Pumps over journals that are moved away and consumers that fail.

use super::{Consumer, Progress, Pump, SpanConsumer};
use crate::derive::Derived;
use crate::telemetry::{SignalLabel, Telemetry};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_journal::{
    AppendError, BoxFuture, FileConfig, FileJournal, Journal, ReadError, Reader, TrimError,
};
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Clock, Entry, Partition, Position, Signal, SystemClock, Tenant, UnixNanos};
use sonde_signals::SpanSignals;
use sonde_traces::TraceStore;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const SPANS: Partition = partition(Signal::Spans);
const METRICS: Partition = partition(Signal::Metrics);

const fn partition(signal: Signal) -> Partition {
    Partition { signal, number: 0 }
}

/// A clock at which it is always time to maintain.
#[derive(Default)]
struct Hurried(AtomicU64);

impl Clock for Hurried {
    fn now(&self) -> UnixNanos {
        UnixNanos::from_secs(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// A clock that is set back by a day when it was looked at for the first time.
#[derive(Default)]
struct SetBack(AtomicU64);

impl Clock for SetBack {
    fn now(&self) -> UnixNanos {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => UnixNanos::from_secs(200_000),
            _ => UnixNanos::from_secs(100_000),
        }
    }
}

/// A journal that tells what it was told to forget.
struct Told {
    journal: FileJournal,
    trimmed: mpsc::SyncSender<Position>,
}

impl Journal for Told {
    fn append(&self, to: Partition, entry: Entry) -> BoxFuture<Result<Position, AppendError>> {
        self.journal.append(to, entry)
    }

    fn read(&self, partition: Partition, from: Position) -> Result<Box<dyn Reader>, ReadError> {
        self.journal.read(partition, from)
    }

    fn trim(&self, partition: Partition, before: Position) -> Result<(), TrimError> {
        let _ = self.trimmed.try_send(before);
        self.journal.trim(partition, before)
    }

    fn first(&self, partition: Partition) -> Position {
        self.journal.first(partition)
    }

    fn durable_end(&self, partition: Partition) -> Position {
        self.journal.durable_end(partition)
    }
}

/// What a consumer does that is not to do everything right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Maintain,
    HoldBack,
    Panic,
}

/// A consumer that keeps nothing, and tells what happens to it.
struct Faulty {
    fault: Fault,
    covered: Position,
    applied_to: Position,
    events: mpsc::SyncSender<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Offered,
    Maintained { caught_up: bool },
    Sealed { caught_up: bool },
}

impl Faulty {
    fn new(fault: Fault) -> (Box<Self>, mpsc::Receiver<Event>) {
        let (events, seen) = mpsc::sync_channel(1000);
        let faulty = Self {
            fault,
            covered: Position(0),
            applied_to: Position(0),
            events,
        };
        (Box::new(faulty), seen)
    }
}

impl Consumer for Faulty {
    fn resume_from(&self) -> Position {
        self.covered
    }

    fn applied_to(&self) -> Position {
        self.applied_to
    }

    fn apply(&mut self, entries: &[(Position, Entry)]) {
        let _ = self.events.try_send(Event::Offered);
        assert!(self.fault != Fault::Panic, "as the test wants it");
        if let (Some((last, _)), true) = (entries.last(), self.fault != Fault::HoldBack) {
            self.applied_to = last.next();
        }
    }

    fn maintain(&mut self, _now: UnixNanos, caught_up: bool) -> Result<(), String> {
        let _ = self.events.try_send(Event::Maintained { caught_up });
        if self.fault != Fault::Maintain {
            return Ok(());
        }
        self.covered = self.applied_to;
        Err("the disk is full".into())
    }

    fn seal(&mut self, _now: UnixNanos, caught_up: bool) -> Result<(), String> {
        let _ = self.events.try_send(Event::Sealed { caught_up });
        Ok(())
    }
}

struct Bed {
    journal: Arc<Told>,
    trimmed: mpsc::Receiver<Position>,
    telemetry: Arc<Telemetry>,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Bed {
    /// A journal whose spans begin at a position.
    fn new(from: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (trimmed, told) = mpsc::sync_channel(1000);
        let config = FileConfig {
            reserve_bytes: 0,
            ..FileConfig::default()
        };
        let covered = [(SPANS, Position(from))].into();
        let path = dir.path().join("journal");
        let journal = FileJournal::open_at(&path, &config, &mut Registry::default(), &covered);
        Self {
            journal: Arc::new(Told {
                journal: journal.unwrap(),
                trimmed,
            }),
            trimmed: told,
            telemetry: Arc::default(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            dir,
        }
    }

    fn append(&self) -> Position {
        let appended = self.journal.append(SPANS, span());
        self.runtime.block_on(appended).unwrap()
    }

    fn start(&self, consumer: Box<dyn Consumer>) -> Pump {
        self.start_at(consumer, Arc::new(Hurried::default()))
    }

    fn start_at(&self, consumer: Box<dyn Consumer>, clock: Arc<dyn Clock>) -> Pump {
        let journal = Arc::clone(&self.journal) as Arc<dyn Journal>;
        let telemetry = Arc::clone(&self.telemetry);
        Pump::start(SPANS, journal, consumer, clock, telemetry).unwrap()
    }

    fn failures(&self) -> u64 {
        let label = SignalLabel::from(Signal::Spans);
        self.telemetry.consumer_failures.get_or_create(&label).get()
    }

    fn span_consumer(&self, snapshot_file: &Path) -> SpanConsumer {
        self.span_consumer_of(self.trace_store(), snapshot_file)
    }

    fn trace_store(&self) -> Arc<TraceStore> {
        let (dir, mut registry) = (self.dir.path().join("traces"), Registry::default());
        let store = TraceStore::open(&dir, &Default::default(), &mut registry, UnixNanos(0));
        Arc::new(store.unwrap())
    }

    fn span_consumer_of(&self, store: Arc<TraceStore>, snapshot_file: &Path) -> SpanConsumer {
        let mut registry = Registry::default();
        let journal = Arc::clone(&self.journal) as Arc<dyn Journal>;
        let derived = Derived::new(
            journal,
            Arc::new(SystemClock),
            Arc::clone(&self.telemetry),
            self.runtime.handle().clone(),
        );
        let signals = SpanSignals::new(&Default::default(), &mut registry, UnixNanos(0));
        SpanConsumer::new(store, signals, snapshot_file.into(), derived)
    }
}

/// An entry of one server span.
fn span() -> Entry {
    let span = Span {
        trace_id: vec![7; 16],
        span_id: vec![7; 8],
        name: "GET /".into(),
        kind: 2,
        ..Span::default()
    };
    let scope_spans = ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    };
    let resource_spans = ResourceSpans {
        scope_spans: vec![scope_spans],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![resource_spans],
    };
    Entry::otlp(
        Tenant::default(),
        Signal::Spans,
        UnixNanos::from_secs(1),
        request.encode_to_vec().into(),
    )
}

/// Waits for what is wanted, whatever comes before.
fn wait_for<T: PartialEq + std::fmt::Debug>(events: &mpsc::Receiver<T>, wanted: &T) {
    loop {
        let event = events.recv_timeout(Duration::from_secs(240));
        if event.unwrap_or_else(|error| panic!("{wanted:?} did not come: {error}")) == *wanted {
            return;
        }
    }
}

#[test]
fn the_journal_is_trimmed_also_while_the_store_cannot_be_maintained() {
    let bed = Bed::new(0);
    bed.append();
    let (consumer, _events) = Faulty::new(Fault::Maintain);
    let pump = bed.start(consumer);
    wait_for(&bed.trimmed, &Position(1));
    pump.finish();
    assert!(bed.failures() > 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_maintenance() {
    let bed = Bed::new(0);
    let (consumer, events) = Faulty::new(Fault::None);
    let pump = bed.start_at(consumer, Arc::new(SetBack::default()));
    wait_for(&events, &Event::Maintained { caught_up: true });
    pump.finish();
}

#[test]
fn a_consumer_behind_a_journal_that_begins_later_has_caught_up_when_nothing_is_left() {
    let bed = Bed::new(100);
    assert_eq!(bed.journal.durable_end(SPANS), Position(100));
    let (consumer, events) = Faulty::new(Fault::None);
    let pump = bed.start(consumer);
    wait_for(&events, &Event::Maintained { caught_up: true });
    let progress = pump.progress();
    assert!(progress.caught_up());
    assert_eq!(bed.append(), Position(100));
    wait_for(&events, &Event::Offered);
    pump.finish();
    assert_eq!(progress.applied_to(), Position(101));
    assert!(!progress.failed());
}

#[test]
fn a_consumer_that_holds_back_has_not_caught_up_at_the_stop_either() {
    let bed = Bed::new(0);
    bed.append();
    let (consumer, events) = Faulty::new(Fault::HoldBack);
    let pump = bed.start(consumer);
    wait_for(&events, &Event::Offered);
    let progress = pump.progress();
    pump.finish();
    wait_for(&events, &Event::Sealed { caught_up: false });
    assert!(!progress.caught_up() && !progress.failed());
}

#[test]
fn a_consumer_that_panics_is_known_to_have_failed_before_the_stop() {
    let bed = Bed::new(0);
    let (consumer, _events) = Faulty::new(Fault::Panic);
    let pump = bed.start(consumer);
    let progress: Arc<Progress> = pump.progress();
    assert!(!progress.failed());
    bed.append();
    pump.join().unwrap_err();
    assert!(progress.failed());
    assert_eq!(bed.failures(), 1);
}

#[test]
fn counters_are_not_emitted_at_a_stop_before_the_replay_has_caught_up() {
    let bed = Bed::new(0);
    let mut consumer = bed.span_consumer(&bed.dir.path().join("signals"));
    consumer.apply(&[(Position(0), span())]);
    consumer.seal(UnixNanos::from_secs(9), false).unwrap();
    assert_eq!(bed.journal.durable_end(METRICS), Position(0));
    assert_eq!(consumer.resume_from(), Position(1));
    consumer.seal(UnixNanos::from_secs(9), true).unwrap();
    assert!(bed.journal.durable_end(METRICS) > Position(0));
}

#[test]
fn spans_are_covered_only_when_the_snapshot_of_their_signals_is_on_disk() {
    let bed = Bed::new(0);
    let file = bed.dir.path().join("missing/signals");
    let mut consumer = bed.span_consumer(&file);
    consumer.apply(&[(Position(0), span())]);
    let error = consumer.seal(UnixNanos::from_secs(9), true).unwrap_err();
    assert!(error.contains("missing"), "{error}");
    assert_eq!(
        (consumer.applied_to(), consumer.resume_from()),
        (Position(1), Position(0))
    );
    std::fs::create_dir(bed.dir.path().join("missing")).unwrap();
    consumer.maintain(UnixNanos::from_secs(9), true).unwrap();
    assert_eq!(consumer.resume_from(), Position(1));
}

#[test]
fn a_snapshot_lasts_a_while_and_covers_no_more_until_the_next() {
    let bed = Bed::new(0);
    let store = bed.trace_store();
    let mut consumer = bed.span_consumer_of(Arc::clone(&store), &bed.dir.path().join("signals"));
    consumer.apply(&[(Position(0), span())]);
    consumer.seal(UnixNanos::from_secs(9), false).unwrap();
    consumer.apply(&[(Position(1), span())]);
    store.seal(UnixNanos::from_secs(9)).unwrap();
    for (seconds, expected) in [(9, 1), (18, 1), (19, 2)] {
        let now = UnixNanos::from_secs(seconds);
        consumer.maintain(now, false).unwrap();
        assert_eq!(consumer.resume_from(), Position(expected), "{seconds}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_leaves_its_neighbours_and_none_is_taken_twice() {
    let bed = Bed::new(0);
    let store = bed.trace_store();
    let mut consumer = bed.span_consumer_of(Arc::clone(&store), &bed.dir.path().join("signals"));
    let mut cut_off = span();
    cut_off.payload.truncate(cut_off.payload.len() - 1);
    let entries = [span(), cut_off, span()];
    let entries: Vec<_> = (0..).map(Position).zip(entries).collect();
    // The store is ahead, as it is where the last snapshot of the signals is older.
    store.apply(&entries[..1]);
    consumer.apply(&entries);
    consumer.apply(&entries);
    assert_eq!(consumer.applied_to(), Position(3));
    assert_eq!(store.stats().records, 2);
}
