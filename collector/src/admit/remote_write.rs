//! What a Prometheus wrote: unpacked within bounds, read once, and kept as it came.
//!
//! What the store will leave out is found out here, by the same rules, because the sender is
//! told before anything of the request is stored. The rest of the request is taken.

use super::unkept::{self, told};
use super::{Admission, Refusal};
use crate::telemetry::SignalLabel;
use bytes::Bytes;
use sonde_metrics::Verdict;
use sonde_proto::remote_write::Version;
use sonde_proto::snappy::{self, SnappyError};
use sonde_proto::walk::remote_write::{Bounds, Known, LabelBounds, Look, Refused, look};
use sonde_proto::{Entry, Signal, Tenant};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// What was taken of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// How many samples are kept.
    pub(crate) samples: u64,
    /// How many native histograms are kept.
    pub(crate) histograms: u64,
    /// How many exemplars are kept.
    pub(crate) exemplars: u64,
    /// What is left out, why, and what to do; empty where everything is kept.
    pub(crate) message: String,
}

impl Admission {
    /// Takes one compressed request, for which `turn` was waited. When this returns `Ok`, what it says is kept is durable.
    ///
    /// # Errors
    /// [`Refusal`], already counted, when nothing of it was made durable.
    pub(crate) async fn admit_written(
        self: &Arc<Self>,
        tenant: Tenant,
        version: Version,
        body: Bytes,
        labels: LabelBounds,
        turn: OwnedSemaphorePermit,
    ) -> Result<Written, Refusal> {
        let bytes = body.len() as u64;
        let admitted = self.try_written(tenant, version, body, labels, turn).await;
        let (look, verdict, message) =
            admitted.inspect_err(|refusal| self.refused(Signal::Metrics, refusal))?;
        let label = SignalLabel::from(Signal::Metrics);
        let records = self.telemetry.received_records.get_or_create(&label);
        records.inc_by(look.samples + look.histograms + look.refused.count());
        self.left_out_series(&verdict);
        let received = self.telemetry.received_bytes.get_or_create(&label);
        received.inc_by(bytes);
        self.left_out(Signal::Metrics, "unkept", look.refused.count());
        Ok(Written {
            samples: look
                .samples
                .saturating_sub(verdict.count() - verdict.histograms),
            histograms: look.histograms.saturating_sub(verdict.histograms),
            exemplars: look.exemplars.saturating_sub(verdict.exemplars),
            message,
        })
    }

    async fn try_written(
        self: &Arc<Self>,
        tenant: Tenant,
        version: Version,
        body: Bytes,
        labels: LabelBounds,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Look, Verdict, String), Refusal> {
        let now = self.clock.now();
        let bounds = Bounds {
            times: self.point_times.at(now),
            labels,
        };
        let bytes_max = self.request_bytes_max();
        let known = Arc::clone(&self.known);
        // Unpacking and reading megabytes would keep others on this thread waiting. The turn
        // goes along: whoever leaves now does not begin another.
        let looking = tokio::task::spawn_blocking(move || {
            let found = looked(version, &body, bytes_max, &bounds, &known);
            (found, body, turn)
        });
        let (found, body, _turn) = looking.await.map_err(|_| Refusal::Unavailable {
            reason: "reading the request failed inside".into(),
        })?;
        let look = found?;
        let mut told = message(&look.refused);
        let most = look.samples + look.histograms + look.exemplars + look.metadata;
        if most == 0 {
            return Ok((look, Verdict::default(), told));
        }
        self.know(&tenant)?;
        let entry = Entry::remote_write(tenant, version, now, body);
        let Some(gate) = &self.series else {
            self.append(entry).await?;
            return Ok((look, Verdict::default(), told));
        };
        let (verdict, passing) = gate.pass(&entry, most, false).await;
        let message = gate.message(&entry.tenant, &verdict, "samples");
        unkept::add(&mut told, &message);
        if most > verdict.count() + verdict.exemplars {
            passing.durable(self.append(entry).await?);
        }
        Ok((look, verdict, told))
    }
}

fn looked(
    version: Version,
    body: &[u8],
    bytes_max: usize,
    bounds: &Bounds,
    known: &Known,
) -> Result<Look, Refusal> {
    let malformed = |reason: String| Refusal::Malformed {
        signal: Signal::Metrics,
        reason,
    };
    let plain = snappy::unpacked(body, bytes_max).map_err(|error| match error {
        SnappyError::Malformed(_) => malformed(error.to_string()),
        SnappyError::TooLarge { .. } => Refusal::TooLarge { limit: bytes_max },
    })?;
    look(version, &plain, bounds, known).map_err(|error| {
        let (what, at) = (error.message, error.offset);
        let name = version.message();
        malformed(format!("it is no {name}: {what} at byte {at}"))
    })
}

fn message(refused: &Refused) -> String {
    let bad = refused.first_bad.map(|fault| {
        format!(
            "samples are of series with labels that are none, the first with {}; correct what makes the labels",
            fault.as_str()
        )
    });
    let bad_histograms = refused.first_bad_histogram.map(|error| {
        format!("native histograms contradict themselves, the first so: {error}; correct what makes them")
    });
    let reasons = [
        (
            refused.too_old,
            "samples are older than metrics.late_max_seconds allows; send them sooner or raise it",
        ),
        (
            refused.too_new,
            "samples lie further in the future than metrics.future_max_seconds allows; set the sender's clock",
        ),
        (
            refused.too_many_labels,
            "samples are of series with more labels than metrics.labels_max; drop labels or raise it",
        ),
        (
            refused.label_bytes,
            "samples are of series with a label longer than metrics.label_name_bytes_max or metrics.label_value_bytes_max; shorten it or raise them",
        ),
        (refused.bad_labels, bad.as_deref().unwrap_or_default()),
        (
            refused.bad_histograms,
            bad_histograms.as_deref().unwrap_or_default(),
        ),
    ];
    told(&reasons)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_proto::HistogramError;
    use sonde_proto::walk::remote_write::Fault;

    #[test]
    fn every_reason_is_told_with_its_number_and_nothing_where_all_is_kept() {
        assert_eq!(message(&Refused::default()), "");
        let refused = Refused {
            too_old: 2,
            bad_labels: 3,
            first_bad: Some(Fault::DuplicateLabel),
            bad_histograms: 7,
            first_bad_histogram: Some(HistogramError::Schema(9)),
            ..Refused::default()
        };
        let text = message(&refused);
        assert!(text.starts_with("2 samples are older"), "{text}");
        assert!(
            text.contains(
                "; 3 samples are of series with labels that are none, the first with a label twice;"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "; 7 native histograms contradict themselves, the first so: the schema is 9"
            ),
            "{text}"
        );
    }
}
