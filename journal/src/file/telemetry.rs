//! What the journal counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use sonde_proto::Signal;

/// The label `signal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabel {
    signal: &'static str,
}

/// The counters of all partitions.
#[derive(Debug, Default)]
pub(super) struct Telemetry {
    appended_entries: Family<SignalLabel, Counter>,
    appended_bytes: Family<SignalLabel, Counter>,
    syncs: Family<SignalLabel, Counter>,
    write_errors: Family<SignalLabel, Counter>,
    quarantined: Family<SignalLabel, Counter>,
}

/// The counters of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    appended_entries: Counter,
    appended_bytes: Counter,
    syncs: Counter,
    pub(super) write_errors: Counter,
    pub(super) quarantined: Counter,
}

impl Counters {
    /// Counts a group that has become durable.
    pub(super) fn synced(&self, entries: usize, bytes: u64) {
        self.appended_entries.inc_by(entries as u64);
        self.appended_bytes.inc_by(bytes);
        self.syncs.inc();
    }
}

impl Telemetry {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        let families = [
            (
                "appended_entries",
                "Entries made durable",
                &own.appended_entries,
            ),
            (
                "appended_bytes",
                "Bytes of frames made durable",
                &own.appended_bytes,
            ),
            ("syncs", "Groups of entries written and synced", &own.syncs),
            (
                "write_errors",
                "Groups that the disk refused; their senders were told",
                &own.write_errors,
            ),
            (
                "quarantined",
                "Damaged pieces skipped and copied to quarantine",
                &own.quarantined,
            ),
        ];
        for (name, help, family) in families {
            registry.register(format!("sonde_journal_{name}"), help, family.clone());
        }
        own
    }

    pub(super) fn of(&self, signal: Signal) -> Counters {
        let label = SignalLabel {
            signal: signal.as_str(),
        };
        let counter = |family: &Family<SignalLabel, Counter>| family.get_or_create(&label).clone();
        Counters {
            appended_entries: counter(&self.appended_entries),
            appended_bytes: counter(&self.appended_bytes),
            syncs: counter(&self.syncs),
            write_errors: counter(&self.write_errors),
            quarantined: counter(&self.quarantined),
        }
    }
}
