//! The tail with everything around it that the agent has: cursors on a disk, lanes, a
//! collector that counts what it gets.

use super::world::{FakeDisk, Shared};
use crate::config::{Config, ExportConfig, TailConfig};
use crate::enrich::Enricher;
use crate::export::batch::{self, Batch};
use crate::tail::Tailer;
use crate::tail::cursors::{Ledger, Saved};
use crate::telemetry::Telemetry;
use prost::Message as _;
use sonde_proto::otlp::{self, logs_service::ExportLogsServiceRequest};
use sonde_proto::{UnixNanos, semconv};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What arrived, judged as the collector judges it: by `log.record.uid`.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// Text by uid.
    by_uid: HashMap<String, String>,
    /// How many uids brought each text.
    pub(super) texts: BTreeMap<String, u32>,
    /// The highest offset of each identity with its stream.
    highest: HashMap<String, String>,
}

impl Collector {
    /// Takes a batch; it may have taken it before.
    pub(super) fn take(&mut self, batch: &Batch) {
        let bytes = batch::request(&batch.sections).concat();
        let request = ExportLogsServiceRequest::decode(&bytes[..]).expect("a request");
        for record in request
            .resource_logs
            .iter()
            .flat_map(|r| &r.scope_logs)
            .flat_map(|s| &s.log_records)
        {
            let uid = otlp::attribute_text(&record.attributes, semconv::LOG_RECORD_UID);
            let text = record.body.as_ref().map(otlp::text).unwrap_or_default();
            self.take_record(&uid.expect("a uid"), &text);
        }
    }

    fn take_record(&mut self, uid: &str, text: &str) {
        if let Some(before) = self.by_uid.insert(uid.to_owned(), text.to_owned()) {
            assert_eq!(before, text, "{uid} came again with another text");
            return;
        }
        let (sequence, offset) = uid.split_once('-').expect("a dash");
        let highest = self.highest.entry(sequence.to_owned()).or_default();
        assert!(
            highest.as_str() < offset,
            "{text:?} came as {uid} after {highest}: the collector would drop it"
        );
        *highest = offset.to_owned();
        *self.texts.entry(text.to_owned()).or_default() += 1;
    }
}

/// The agent's tail, and what outlives its crashes.
pub(super) struct Agent {
    world: Shared,
    tail: TailConfig,
    export: ExportConfig,
    pub(super) telemetry: Telemetry,
    pub(super) tailer: Tailer<FakeDisk>,
    saved: Saved,
    in_flight: Vec<Batch>,
    pub(super) collector: Collector,
    scanned: u64,
}

pub(super) fn limits() -> (TailConfig, ExportConfig) {
    let tail = TailConfig {
        line_bytes_max: 200,
        record_bytes_max: 1000,
        idle_close_ms: 2_000,
        rotate_wait_ms: 5_000,
        ..TailConfig::default()
    };
    let export = ExportConfig {
        lanes: 2,
        batch_bytes_max: 1 << 10,
        batch_delay_ms: 100,
        ..ExportConfig::default()
    };
    (tail, export)
}

impl Agent {
    pub(super) fn new(world: &Shared, (tail, export): (TailConfig, ExportConfig)) -> Self {
        let telemetry = Telemetry::default();
        let saved = Saved::default();
        Self {
            tailer: tailer(world, &tail, &export, &telemetry, &saved),
            world: world.clone(),
            tail,
            export,
            telemetry,
            saved,
            in_flight: Vec::new(),
            collector: Collector::default(),
            scanned: 0,
        }
    }

    fn now(&self) -> UnixNanos {
        UnixNanos(self.world.borrow().now)
    }

    /// As the agent's thread: a scan each second, a look and turns, a save before sending.
    pub(super) fn step(&mut self, can_save: bool) {
        let now = self.now();
        if now.since(UnixNanos(self.scanned)) >= Duration::from_secs(1) {
            self.scanned = now.0;
            self.tailer.scan(now);
        }
        self.tailer.look(now);
        for _ in 0..100 {
            if !self.tailer.turn(now) {
                break;
            }
            self.seal(can_save);
        }
        self.seal(can_save);
    }

    fn seal(&mut self, can_save: bool) {
        if can_save && self.tailer.ledger().is_urgent() {
            self.save();
        }
        let now = self.now();
        self.in_flight.extend(self.tailer.sealed(now, false));
    }

    pub(super) fn save(&mut self) {
        // What is saved has been text in between.
        let text = serde_json::to_vec(&self.tailer.ledger().to_saved()).expect("cursors");
        self.saved = serde_json::from_slice(&text).expect("cursors");
        self.tailer.ledger().saved();
    }

    /// The oldest batch reaches the collector; the acknowledgement may be lost.
    pub(super) fn deliver(&mut self, acknowledge: bool) {
        let Some(batch) = self.in_flight.first() else {
            return;
        };
        self.collector.take(batch);
        if acknowledge {
            let batch = self.in_flight.remove(0);
            self.tailer.acknowledged(batch.lane, &batch.progress);
        }
    }

    /// Ends at once; what was in flight may have arrived. Starts from the saved cursors.
    pub(super) fn crash(&mut self, in_flight_arrives: bool) {
        for batch in std::mem::take(&mut self.in_flight) {
            if in_flight_arrives {
                self.collector.take(&batch);
            }
        }
        self.tailer = tailer(
            &self.world,
            &self.tail,
            &self.export,
            &self.telemetry,
            &self.saved,
        );
        self.scanned = 0;
    }

    /// Goes on without any fault until nothing was left to do for longer than files wait.
    pub(super) fn settle(&mut self) {
        let (mut quiet, mut rounds) = (0, 0);
        while quiet < 30 {
            self.world.borrow_mut().now += 250_000_000;
            self.step(true);
            quiet += 1;
            while !self.in_flight.is_empty() || !self.tailer.is_settled() {
                quiet = 0;
                rounds += 1;
                assert!(rounds < 2_000, "it never comes to rest");
                self.deliver(true);
                self.world.borrow_mut().now += 50_000_000;
                self.step(true);
            }
        }
        self.save();
    }
}

fn tailer(
    world: &Shared,
    tail: &TailConfig,
    export: &ExportConfig,
    telemetry: &Telemetry,
    saved: &Saved,
) -> Tailer<FakeDisk> {
    let enricher = Enricher::new(&Config::default(), "node-1").expect("no rules");
    let ledger = Ledger::restore(saved.clone());
    let disk = FakeDisk(world.clone());
    Tailer::new(disk, tail, export, enricher, telemetry.clone(), ledger)
}
