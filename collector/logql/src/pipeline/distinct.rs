//! `| distinct a, b`: drops a record whose value of one of the labels was there before.
//!
//! The values are remembered for each label on its own, as Loki does: a record passes only if
//! each of its values is new, and a record without one of the labels does not pass.

use super::labels::{LabelSet, LabelsView, Mistake};
use super::limits::PipelineLimits;
use crate::source::Record;
use ahash::AHashSet;

/// What was seen, for each label of a stage.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<AHashSet<Box<str>>>);

impl Seen {
    /// Whether the record passes; its values are remembered as far as it was looked at. Where
    /// there are too many to remember, records pass and are marked.
    pub(super) fn passes(
        &mut self,
        names: &[String],
        record: &Record<'_>,
        labels: &mut LabelSet,
        limits: &PipelineLimits,
    ) -> bool {
        self.0.resize_with(names.len(), AHashSet::default);
        let mut is_full = false;
        for (name, seen) in names.iter().zip(&mut self.0) {
            let view = LabelsView {
                record: *record,
                set: labels,
            };
            let Some(value) = view.get(name) else {
                return false;
            };
            if seen.contains(value) {
                return false;
            }
            if seen.len() >= limits.distinct_max {
                is_full = true;
            } else {
                seen.insert(value.into());
            }
        }
        if is_full {
            let details = format!(
                "distinct remembers at most {} values; name a label with fewer",
                limits.distinct_max
            );
            labels.fail(Mistake::Limit, &details);
        }
        !names.is_empty()
    }
}
