//! Between a door and the journal: is it whole, is it small enough, is there room.
//!
//! Invariant: [`Admission::admit`] returns `Ok` only when the payload is durable, and
//! whatever it refuses is counted by reason and never in the journal.

mod remote_write;
mod series;
mod unkept;
mod usage;
mod validate;

pub(crate) use remote_write::Written;
pub(crate) use series::SeriesGate;
pub(crate) use unkept::{PointTimes, Taken};

use crate::config::OtlpLimits;
use crate::telemetry::{RefusedLabels, SignalLabel, Telemetry};
use bytes::Bytes;
use parking_lot::Mutex;
use sonde_journal::{AppendError, Journal};
use sonde_metrics::Verdict;
use sonde_proto::walk::remote_write::Known;
use sonde_proto::{Clock, Entry, Partition, Position, Signal, Tenant, UnixNanos};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use usage::{Exceeded, Shared, Usage};

/// How long a sender waits for its turn before it is told to come back.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// How long a request may take to arrive and become durable, once it is its turn.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// What a series takes of an OTLP request, at least, in bytes.
const SERIES_BYTES_MIN: u64 = 8;

/// Why a request was not taken. The sender learns whether a retry helps.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The payload is no valid request: sending it again cannot help.
    #[error("malformed OTLP {signal} request: {reason}")]
    Malformed {
        /// What the payload was to be.
        signal: Signal,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The request is larger than allowed: smaller ones would pass.
    #[error(
        "the request has more than the allowed {limit} bytes; send smaller batches, or raise otlp.limits.request_bytes_max and, where it is smaller, journal.entry_bytes_max"
    )]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The tenant's name is no name.
    #[error("{0}")]
    Tenant(#[from] sonde_proto::TenantError),
    /// There are as many tenants as there may be.
    #[error(
        "tenant {tenant} is new, and there are {limit} already; correct X-Scope-OrgID or raise otlp.limits.tenants_max"
    )]
    TooManyTenants {
        /// The tenant that would be one too many.
        tenant: Tenant,
        /// The limit.
        limit: usize,
    },
    /// The tenant sends faster than it may.
    #[error(
        "tenant {tenant} sends more than its {limit} bytes of logs per second; retry in {} s, send less, or raise otlp.limits.tenant.logs_bytes_per_second",
        wait.as_secs()
    )]
    Rate {
        /// The tenant.
        tenant: Tenant,
        /// What it may send.
        limit: u64,
        /// When it may send again.
        wait: Duration,
    },
    /// The tenant uses more streams than it may.
    #[error(
        "tenant {tenant} would have more than {limit} streams of logs in use; give resources fewer distinct attributes, or raise otlp.limits.tenant.log_streams_max"
    )]
    TooManyStreams {
        /// The tenant.
        tenant: Tenant,
        /// The limit.
        limit: u64,
        /// When to ask again.
        wait: Duration,
    },
    /// There is no room now; the same request may pass later.
    #[error("cannot make the request durable now: {reason}; retry later")]
    Unavailable {
        /// What is in the way.
        reason: String,
    },
}

impl Refusal {
    /// The word under which the refusal is counted.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::Tenant(_) => "tenant",
            Self::TooManyTenants { .. } => "tenants_max",
            Self::Rate { .. } => "rate",
            Self::TooManyStreams { .. } => "streams_max",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// How long a sender should wait before it sends the same again, if that can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { .. } => Some(Duration::from_secs(1)),
            Self::Rate { wait, .. } | Self::TooManyStreams { wait, .. } => Some(*wait),
            Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Tenant(_)
            | Self::TooManyTenants { .. } => None,
        }
    }
}

/// Checks what arrives and makes it durable.
pub(crate) struct Admission {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    limits: OtlpLimits,
    point_times: PointTimes,
    series: Option<SeriesGate>,
    requests: Arc<Semaphore>,
    tenants: Mutex<HashMap<Tenant, Arc<Usage>>>,
    usage: Shared,
    /// Labels of what a Prometheus writes, all held against the same bounds.
    known: Arc<Known>,
}

impl Admission {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
        limits: &OtlpLimits,
        point_times: PointTimes,
        series: Option<SeriesGate>,
        tenants: HashSet<Tenant>,
    ) -> Self {
        let used = |tenant: Tenant| {
            let usage = Arc::new(Usage::new(limits.of(&tenant)));
            (tenant, usage)
        };
        Self {
            journal,
            clock,
            telemetry,
            limits: limits.clone(),
            point_times,
            series,
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            tenants: Mutex::new(tenants.into_iter().map(used).collect()),
            usage: Shared::default(),
            known: Arc::default(),
        }
    }

    /// Waits for its turn: whoever has it may read one request into memory.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it does not come in time.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let busy = |reason: &str| Refusal::Unavailable {
            reason: reason.into(),
        };
        let turn = Arc::clone(&self.requests).acquire_owned();
        match tokio::time::timeout(TURN_WITHIN, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(busy("the collector is stopping")),
            Err(_) => Err(busy("otlp.limits.requests_max requests are in flight")),
        }
    }

    /// What a tenant has used, if it is known or may become so.
    fn know(&self, tenant: &Tenant) -> Result<Arc<Usage>, Refusal> {
        let mut tenants = self.tenants.lock();
        if let Some(usage) = tenants.get(tenant) {
            return Ok(Arc::clone(usage));
        }
        if tenants.len() >= self.limits.tenants_max {
            return Err(Refusal::TooManyTenants {
                tenant: tenant.clone(),
                limit: self.limits.tenants_max,
            });
        }
        let usage = Arc::new(Usage::new(self.limits.of(tenant)));
        tenants.insert(tenant.clone(), Arc::clone(&usage));
        Ok(usage)
    }

    /// When a request arrives that arrives now.
    pub(crate) fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    /// The largest request, in bytes after decompression.
    pub(crate) fn request_bytes_max(&self) -> usize {
        self.limits.request_bytes_max
    }

    /// Takes one OTLP `Export…ServiceRequest`. When this returns `Ok`, it is durable; it says
    /// what of it the store will leave out nevertheless.
    ///
    /// # Errors
    /// [`Refusal`], already counted, when the payload was not made durable.
    pub(crate) async fn admit(
        &self,
        tenant: Tenant,
        signal: Signal,
        payload: Bytes,
    ) -> Result<Taken, Refusal> {
        let bytes = payload.len() as u64;
        match self.try_admit(tenant, signal, payload).await {
            Ok((records, taken)) => {
                let label = SignalLabel::from(signal);
                self.telemetry
                    .received_records
                    .get_or_create(&label)
                    .inc_by(records);
                self.telemetry
                    .received_bytes
                    .get_or_create(&label)
                    .inc_by(bytes);
                Ok(taken)
            }
            Err(refusal) => {
                self.refused(signal, &refusal);
                Err(refusal)
            }
        }
    }

    /// Counts records that their sender is told are not kept while the rest of its request is.
    pub(crate) fn left_out(&self, signal: Signal, reason: &'static str, records: u64) {
        if records == 0 {
            return;
        }
        let labels = RefusedLabels {
            signal: signal.as_str(),
            reason,
        };
        let counter = self.telemetry.refused_records.get_or_create(&labels);
        counter.inc_by(records);
    }

    /// Counts a request that a door itself had to refuse.
    pub(crate) fn refused(&self, signal: Signal, refusal: &Refusal) {
        tracing::debug!(%signal, %refusal, "request refused");
        let labels = RefusedLabels {
            signal: signal.as_str(),
            reason: refusal.reason(),
        };
        self.telemetry.refused_requests.get_or_create(&labels).inc();
    }

    async fn try_admit(
        &self,
        tenant: Tenant,
        signal: Signal,
        payload: Bytes,
    ) -> Result<(u64, Taken), Refusal> {
        let limit = self.limits.request_bytes_max;
        if payload.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        let measure = validate::measured(signal, &payload)
            .map_err(|reason| Refusal::Malformed { signal, reason })?;
        let records = measure.records;
        if records == 0 {
            return Ok((0, Taken::default()));
        }
        let usage = self.know(&tenant)?;
        let now = self.clock.now();
        if signal == Signal::Logs {
            self.take_logs(&tenant, &usage, &payload, now)?;
        }
        let mut taken = unkept::look(signal, &payload, &measure, now, self.point_times);
        let bytes = payload.len();
        let entry = Entry::otlp(tenant, signal, now, payload);
        if let Some(gate) = self.series.as_ref().filter(|_| signal == Signal::Metrics) {
            let (most, odd) = (
                bytes as u64 / SERIES_BYTES_MIN,
                gate.may_have_odd_labels(&measure),
            );
            let (verdict, passing) = gate.pass(&entry, most, odd).await;
            let message = gate.message(&entry.tenant, &verdict, "data points");
            if verdict.count() < records || verdict.has_room {
                passing.durable(self.append(entry).await?);
            }
            self.left_out_series(&verdict);
            self.left_out(signal, "unkept", taken.rejected);
            taken.add(verdict.count(), &message);
            return Ok((records, taken));
        }
        if let Err(refusal) = self.append(entry).await {
            if signal == Signal::Logs {
                usage.give_back(bytes);
            }
            return Err(refusal);
        }
        self.left_out(signal, "unkept", taken.rejected);
        Ok((records, taken))
    }

    /// Counts what there was no room for.
    fn left_out_series(&self, verdict: &Verdict) {
        for (reason, count) in series::reasons(verdict) {
            self.left_out(Signal::Metrics, reason, count);
        }
    }

    /// Makes an entry durable.
    async fn append(&self, entry: Entry) -> Result<Position, Refusal> {
        let partition = Partition::first(entry.signal);
        let appended = self.journal.append(partition, entry).await;
        appended.map_err(|error| match error {
            AppendError::TooLarge { limit, .. } => Refusal::TooLarge { limit },
            other => Refusal::Unavailable {
                reason: other.to_string(),
            },
        })
    }

    fn take_logs(
        &self,
        tenant: &Tenant,
        usage: &Usage,
        payload: &[u8],
        now: UnixNanos,
    ) -> Result<(), Refusal> {
        let taken = usage.take_logs(payload, now, &self.usage);
        taken.map_err(|exceeded| match exceeded {
            Exceeded::Rate(wait) => Refusal::Rate {
                tenant: tenant.clone(),
                limit: usage.limits().logs_bytes_per_second,
                wait,
            },
            Exceeded::Streams(wait) => Refusal::TooManyStreams {
                tenant: tenant.clone(),
                limit: usage.limits().log_streams_max,
                wait,
            },
        })
    }
}
