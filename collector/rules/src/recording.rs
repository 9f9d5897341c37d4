//! A recording rule: the answer to its expression under a new name.

use crate::file::RecordingSpec;
use crate::group::Turn;
use crate::query::{Query, RuleSample, Sample};
use crate::series::{self, NAME};
use sonde_proto::Labels;
use std::collections::BTreeSet;

/// A recording rule and the series it has made.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) spec: RecordingSpec,
    /// The series of the last evaluation that succeeded.
    pub(crate) series: BTreeSet<Labels>,
}

impl Recording {
    pub(crate) fn new(spec: RecordingSpec) -> Self {
        Self {
            spec,
            series: BTreeSet::new(),
        }
    }

    /// The samples of one evaluation, and the markers of series that it no longer yields.
    /// When it fails, what there was stays as it was.
    pub(crate) fn evaluate(
        &mut self,
        turn: &Turn<'_>,
        query: &dyn Query,
    ) -> Result<Vec<RuleSample>, String> {
        let answer = query.instant(&self.spec.expr, turn.sampled_at)?;
        let mut samples: Vec<_> = answer
            .iter()
            .map(|sample| RuleSample {
                labels: self.labels(sample),
                time: turn.sampled_at,
                value: sample.value.clone(),
            })
            .collect();
        let series = series::of(&samples);
        if series.len() < samples.len() {
            return Err(
                "several results have the same labels under this rule's name and labels; aggregate them or drop fewer labels"
                    .into(),
            );
        }
        turn.check_limit(series.len(), "series")?;
        samples.extend(series::ended(&self.series, &series, turn.sampled_at));
        self.series = series;
        Ok(samples)
    }

    fn labels(&self, sample: &Sample) -> Labels {
        let mut labels = sample.labels.to_builder();
        labels.set(NAME, &self.spec.record);
        for (name, value) in &self.spec.labels {
            labels.set(name, value);
        }
        labels.build()
    }
}
