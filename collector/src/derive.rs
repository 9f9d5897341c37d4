//! What the collector computes itself, written where everything that arrives is written.
//!
//! RED, the service graph and rule results become OTLP metrics in the journal's metrics
//! partition, so they are as durable, replayable and queryable as what applications send.

use crate::telemetry::Telemetry;
use prost::Message as _;
use sonde_journal::Journal;
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::{Clock, Entry, Partition, Signal, Tenant};
use std::sync::Arc;

/// Appends derived metrics to the journal, from a thread outside the runtime.
#[derive(Clone)]
pub(crate) struct Derived {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    runtime: tokio::runtime::Handle,
}

impl Derived {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self {
            journal,
            clock,
            telemetry,
            runtime,
        }
    }

    /// Appends and waits until it is durable. A failure is counted and logged, not
    /// repeated: what is derived is cumulative or comes again at the next evaluation.
    pub(crate) fn append(&self, tenant: Tenant, request: &ExportMetricsServiceRequest) {
        let entry = Entry::otlp(
            tenant,
            Signal::Metrics,
            self.clock.now(),
            request.encode_to_vec().into(),
        );
        self.append_entry(entry);
    }

    /// The same of an entry of metrics that is made already.
    pub(crate) fn append_entry(&self, entry: Entry) {
        let appended = self
            .journal
            .append(Partition::first(Signal::Metrics), entry);
        if let Err(error) = self.runtime.block_on(appended) {
            self.telemetry.derived_failures.inc();
            tracing::warn!("cannot write derived metrics to the journal: {error}");
        }
    }
}
