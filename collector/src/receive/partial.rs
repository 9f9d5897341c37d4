//! OTLP's partial success: what of an accepted request is not kept, as each signal's
//! response says it (<https://opentelemetry.io/docs/specs/otlp/#partial-success>).

use crate::admit::Taken;
use sonde_proto::otlp::logs_service::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use sonde_proto::otlp::metrics_service::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use sonde_proto::otlp::trace_service::{ExportTracePartialSuccess, ExportTraceServiceResponse};

/// The response to an accepted request.
pub(super) trait ExportResponse: prost::Message + Default + PartialEq + 'static {
    /// Says what was taken; the empty message where that is everything.
    fn of(taken: Taken) -> Self;
}

impl ExportResponse for ExportLogsServiceResponse {
    fn of(taken: Taken) -> Self {
        let partial_success = rejected(&taken).map(|count| ExportLogsPartialSuccess {
            rejected_log_records: count,
            error_message: taken.message,
        });
        Self { partial_success }
    }
}

impl ExportResponse for ExportTraceServiceResponse {
    fn of(taken: Taken) -> Self {
        let partial_success = rejected(&taken).map(|count| ExportTracePartialSuccess {
            rejected_spans: count,
            error_message: taken.message,
        });
        Self { partial_success }
    }
}

impl ExportResponse for ExportMetricsServiceResponse {
    fn of(taken: Taken) -> Self {
        let partial_success = rejected(&taken).map(|count| ExportMetricsPartialSuccess {
            rejected_data_points: count,
            error_message: taken.message,
        });
        Self { partial_success }
    }
}

fn rejected(taken: &Taken) -> Option<i64> {
    (taken.rejected > 0).then(|| i64::try_from(taken.rejected).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_taken_is_the_empty_message_and_the_rest_is_told() {
        let all = ExportTraceServiceResponse::of(Taken::default());
        assert_eq!(all, ExportTraceServiceResponse::default());
        let taken = Taken {
            rejected: 3,
            message: "3 spans".into(),
        };
        let some = ExportTraceServiceResponse::of(taken);
        let partial = some.partial_success.unwrap();
        assert_eq!(
            (partial.rejected_spans, partial.error_message.as_str()),
            (3, "3 spans")
        );
    }
}
