//! Between a door and the journal: is it whole, is it small enough, is there room.
//!
//! Invariant: [`Admission::admit`] returns `Ok` only when the payload is durable, and
//! whatever it refuses is counted by reason and never in the journal.

mod validate;

use crate::telemetry::{RefusedLabels, SignalLabel, Telemetry};
use bytes::Bytes;
use parking_lot::Mutex;
use sonde_journal::{AppendError, Journal};
use sonde_proto::{Clock, Entry, Partition, Signal, Tenant};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a sender waits for its turn before it is told to come back.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// How long a request may take to arrive and become durable, once it is its turn.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// Why a request was not taken. The sender learns whether a retry helps.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The payload is no valid OTLP: sending it again cannot help.
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
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// How long a sender should wait before it sends the same again, if that can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Unavailable { .. }).then_some(Duration::from_secs(1))
    }
}

/// Checks what arrives and makes it durable.
pub(crate) struct Admission {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    request_bytes_max: usize,
    requests: Semaphore,
    tenants: Mutex<HashSet<Tenant>>,
    tenants_max: usize,
}

impl Admission {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
        limits: &crate::config::OtlpLimits,
        tenants: HashSet<Tenant>,
    ) -> Self {
        Self {
            journal,
            clock,
            telemetry,
            request_bytes_max: limits.request_bytes_max,
            requests: Semaphore::new(limits.requests_max),
            tenants: Mutex::new(tenants),
            tenants_max: limits.tenants_max,
        }
    }

    /// Waits for its turn: whoever has it may read one request into memory.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it does not come in time.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        let busy = |reason: &str| Refusal::Unavailable {
            reason: reason.into(),
        };
        match tokio::time::timeout(TURN_WITHIN, self.requests.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(busy("the collector is stopping")),
            Err(_) => Err(busy("otlp.limits.requests_max requests are in flight")),
        }
    }

    /// Whether a tenant is known, or may become so.
    fn know(&self, tenant: &Tenant) -> Result<(), Refusal> {
        let mut tenants = self.tenants.lock();
        if tenants.contains(tenant) {
            return Ok(());
        }
        if tenants.len() >= self.tenants_max {
            return Err(Refusal::TooManyTenants {
                tenant: tenant.clone(),
                limit: self.tenants_max,
            });
        }
        tenants.insert(tenant.clone());
        Ok(())
    }

    /// The largest request, in bytes after decompression.
    pub(crate) fn request_bytes_max(&self) -> usize {
        self.request_bytes_max
    }

    /// Takes one OTLP `Export…ServiceRequest`. When this returns `Ok`, it is durable.
    ///
    /// # Errors
    /// [`Refusal`], already counted, when the payload was not made durable.
    pub(crate) async fn admit(
        &self,
        tenant: Tenant,
        signal: Signal,
        payload: Bytes,
    ) -> Result<(), Refusal> {
        let bytes = payload.len() as u64;
        match self.try_admit(tenant, signal, payload).await {
            Ok(records) => {
                let label = SignalLabel::from(signal);
                self.telemetry
                    .received_records
                    .get_or_create(&label)
                    .inc_by(records);
                self.telemetry
                    .received_bytes
                    .get_or_create(&label)
                    .inc_by(bytes);
                Ok(())
            }
            Err(refusal) => {
                self.refused(signal, &refusal);
                Err(refusal)
            }
        }
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
    ) -> Result<u64, Refusal> {
        if payload.len() > self.request_bytes_max {
            return Err(Refusal::TooLarge {
                limit: self.request_bytes_max,
            });
        }
        let records = validate::records(signal, &payload)
            .map_err(|reason| Refusal::Malformed { signal, reason })?;
        if records == 0 {
            return Ok(0);
        }
        self.know(&tenant)?;
        let entry = Entry {
            tenant,
            signal,
            received_at: self.clock.now(),
            payload,
        };
        self.journal
            .append(Partition::first(signal), entry)
            .await
            .map_err(|error| match error {
                AppendError::TooLarge { limit, .. } => Refusal::TooLarge { limit },
                other => Refusal::Unavailable {
                    reason: other.to_string(),
                },
            })?;
        Ok(records)
    }
}
