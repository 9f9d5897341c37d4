//! Labels that hold numbers: `| unwrap duration(took) | __error__=""`.

use super::condition::Condition;
use super::convert;
use super::labels::{LabelsView, Mistake};
use super::{Pipeline, Processed, Scratch, Wanted};
use crate::ast::{Conversion, Unwrap};
use crate::filter::CompileError;
use crate::source::Record;

/// Why a label's text is no number: the details of `SampleExtractionErr`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SampleError(pub String);

/// The number that a label holds; `None` where the record has no such label or an empty one.
///
/// # Errors
/// [`SampleError`] where its text is no number of the kind.
pub fn unwrap_value(unwrap: &Unwrap, labels: LabelsView<'_>) -> Result<Option<f64>, SampleError> {
    let Some(text) = labels.get(&unwrap.label).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = match unwrap.conversion {
        Conversion::None => convert::number(text),
        Conversion::Duration | Conversion::DurationSeconds => convert::seconds(text),
        Conversion::Bytes => convert::bytes(text),
    };
    number.map(Some).map_err(SampleError)
}

/// An `unwrap` with the label filters behind it, compiled.
#[derive(Clone, Debug)]
pub struct Unwrapper {
    unwrap: Unwrap,
    filters: Vec<Condition>,
}

impl Unwrapper {
    /// Compiles it.
    ///
    /// # Errors
    /// Which of its label filters cannot be carried out, and why.
    pub fn compile(unwrap: &Unwrap) -> Result<Self, CompileError> {
        let filters = unwrap.filters.iter().map(Condition::compile);
        Ok(Self {
            filters: filters.collect::<Result<_, _>>()?,
            unwrap: unwrap.clone(),
        })
    }

    /// Adds the labels it looks at to those that are wanted from the pipeline.
    pub fn wants(&self, wanted: &mut Wanted) {
        wanted.add([self.unwrap.label.as_str()]);
        for filter in &self.filters {
            wanted.add(filter.names());
        }
    }

    /// Runs the pipeline and takes the number out: `None` where the record is dropped or has
    /// no such label. Where its text is no number, the value is 0 and the record is marked
    /// with `SampleExtractionErr`, which the filters see.
    pub fn sample<'s>(
        &self,
        pipeline: &Pipeline,
        record: &Record<'s>,
        scratch: &'s mut Scratch,
    ) -> Option<(f64, Processed<'s>)> {
        let is_own = pipeline.carry_out(record, scratch)?;
        let view = LabelsView {
            record: *record,
            set: &scratch.labels,
        };
        let value = match unwrap_value(&self.unwrap, view) {
            Ok(value) => value?,
            Err(SampleError(reason)) => {
                scratch.labels.fail(Mistake::SampleExtraction, &reason);
                0.0
            }
        };
        let mut filters = self.filters.iter();
        let passes = filters.all(|filter| filter.holds(record, &mut scratch.labels));
        passes.then(|| (value, Processed::new(record, scratch, is_own)))
    }
}
