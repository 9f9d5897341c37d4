//! Between a door and the journal: is it whole, is it small enough, is there room.
//!
//! Invariant: [`Admission::admit`] returns `Ok` only when the payload is durable, and
//! whatever it refuses is counted by reason and never in the journal.

mod validate;

use crate::telemetry::{RefusedLabels, SignalLabel, Telemetry};
use bytes::Bytes;
use sonde_journal::{AppendError, Journal};
use sonde_proto::{Clock, Entry, Partition, Signal, Tenant};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

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
        "the request has more than the allowed {limit} bytes; send smaller batches or raise otlp.limits.request_bytes_max"
    )]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The tenant's name is no name.
    #[error("{0}")]
    Tenant(#[from] sonde_proto::TenantError),
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
    in_flight: Semaphore,
}

impl Admission {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
        limits: &crate::config::OtlpLimits,
    ) -> Self {
        Self {
            journal,
            clock,
            telemetry,
            request_bytes_max: limits.request_bytes_max,
            in_flight: Semaphore::new(limits.requests_max),
        }
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
        let _permit = self
            .in_flight
            .acquire()
            .await
            .map_err(|_| Refusal::Unavailable {
                reason: "the collector is stopping".into(),
            })?;
        let records = validate::records(signal, &payload)
            .map_err(|reason| Refusal::Malformed { signal, reason })?;
        if records == 0 {
            return Ok(0);
        }
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
                AppendError::TooLarge { .. } => Refusal::Malformed {
                    signal,
                    reason: error.to_string(),
                },
                other => Refusal::Unavailable {
                    reason: other.to_string(),
                },
            })?;
        Ok(records)
    }
}
