//! One request until it is taken: tried again, cut in halves, or refused for good.
//!
//! | answer | then |
//! |---|---|
//! | OK | taken; what a partial success rejects is counted, never sent again |
//! | INVALID_ARGUMENT | cut in halves until the one bad record stands alone; that one is counted and left |
//! | RESOURCE_EXHAUSTED without a delay, OUT_OF_RANGE | too large: cut in halves; a single large record is counted and left, anything small is tried again |
//! | anything else | tried again after a pause, or after the delay the collector asks for |
//!
//! So nothing is skipped because the collector is down, misconfigured, or says no to us:
//! the log files wait.

use super::batch::{self, Section};
use super::client::{Client, Taken};
use super::health::Health;
use crate::config::ExportConfig;
use crate::telemetry::{Answer, Telemetry};
use bytes::Bytes;
use std::time::Duration;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A request of at most this many bytes is too large for no server: one that says so has
/// other troubles.
const SMALL_BYTES: usize = 16 << 10;

/// Which service takes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Logs,
    Metrics,
}

impl Kind {
    pub(super) fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        })
    }
}

/// How requests reach the collector. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) client: Client,
    pub(crate) health: Health,
    pub(crate) telemetry: Telemetry,
    pub(crate) backoff: Duration,
    pub(crate) backoff_max: Duration,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Taken(Taken),
    /// Sending it again cannot help; a smaller request may.
    Refused {
        reason: &'static str,
        message: String,
    },
    /// Try again, not before the delay where one is given.
    Retry {
        after: Option<Duration>,
    },
}

impl Delivery {
    pub(crate) fn new(
        client: Client,
        health: Health,
        telemetry: Telemetry,
        config: &ExportConfig,
    ) -> Self {
        let backoff = Duration::from_millis(config.backoff_ms.max(1));
        Self {
            client,
            health,
            telemetry,
            backoff,
            backoff_max: Duration::from_millis(config.backoff_ms_max).max(backoff),
        }
    }

    /// Sends log records until each is taken or refused for good.
    pub(crate) async fn logs(&self, sections: Vec<Section>) {
        // Halves are sent in order, so a file's records stay in theirs.
        let mut waiting = vec![sections];
        while let Some(sections) = waiting.pop() {
            let records: u64 = sections.iter().map(|s| s.count).sum();
            match self
                .attempt_until_answered(Kind::Logs, || batch::request(&sections))
                .await
            {
                Ok(taken) => {
                    self.note_rejected(&taken);
                    self.telemetry
                        .acked
                        .inc_by(records.saturating_sub(taken.rejected));
                }
                Err((reason, message)) => match batch::halves(&sections) {
                    Some((first, second)) => waiting.extend([second, first]),
                    None => self.note_refused(reason, &message, &sections),
                },
            }
        }
    }

    /// Sends one metrics request until it is taken or refused for good.
    pub(crate) async fn metrics(&self, request: Bytes) {
        match self
            .attempt_until_answered(Kind::Metrics, || vec![request.clone()])
            .await
        {
            Ok(taken) => self.note_rejected(&taken),
            Err((reason, message)) => {
                self.telemetry.drop(reason, 1);
                tracing::error!(
                    message,
                    "the collector refuses a metrics request for good; it is left"
                );
            }
        }
    }

    fn note_rejected(&self, taken: &Taken) {
        if taken.rejected > 0 {
            self.telemetry.drop("rejected", taken.rejected);
            tracing::warn!(
                rejected = taken.rejected,
                message = taken.message,
                "the collector rejected a part of a request"
            );
        }
    }

    fn note_refused(&self, reason: &'static str, message: &str, sections: &[Section]) {
        self.telemetry.drop(reason, 1);
        let place = sections
            .first()
            .and_then(|s| batch::uid(&s.records))
            .unwrap_or_default();
        tracing::error!(
            record = place,
            message,
            "the collector refuses a log record for good; it is left"
        );
    }

    async fn attempt_until_answered(
        &self,
        kind: Kind,
        request: impl Fn() -> Vec<Bytes>,
    ) -> Result<Taken, (&'static str, String)> {
        let mut pause = self.backoff;
        loop {
            let pieces = request();
            let is_small = pieces.iter().map(Bytes::len).sum::<usize>() <= SMALL_BYTES;
            let result = self.client.export(kind, pieces).await;
            if let Err(status) = &result {
                self.telemetry
                    .export_errors
                    .get_or_create(&Answer {
                        code: code_name(status.code()),
                    })
                    .inc();
            }
            match verdict(result.as_ref(), is_small) {
                Verdict::Taken(taken) => {
                    self.health.succeeded();
                    return Ok(taken);
                }
                Verdict::Refused { reason, message } => return Err((reason, message)),
                Verdict::Retry { after } => {
                    if let Err(status) = &result {
                        self.health.failed(&format!(
                            "{}: {}",
                            code_name(status.code()),
                            status.message()
                        ));
                    }
                    tokio::time::sleep(after.unwrap_or(pause).max(pause.min(self.backoff))).await;
                    pause = (pause * 2).min(self.backoff_max);
                }
            }
        }
    }
}

fn verdict(result: Result<&Taken, &Status>, is_small: bool) -> Verdict {
    let status = match result {
        Ok(taken) => return Verdict::Taken(taken.clone()),
        Err(status) => status,
    };
    let after = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    match status.code() {
        Code::InvalidArgument => Verdict::Refused {
            reason: "refused",
            message: status.message().to_owned(),
        },
        Code::ResourceExhausted | Code::OutOfRange if after.is_none() && !is_small => {
            Verdict::Refused {
                reason: "too_large",
                message: status.message().to_owned(),
            }
        }
        _ => Verdict::Retry { after },
    }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests;
