//! What was deleted and still lies in segments.
//!
//! A deletion names series and times. It is for what the store held when it was asked for, and
//! for nothing that comes later: before it comes into force everything is sealed, and it counts
//! for the segments whose numbers were taken by then. Every reader leaves out what it names;
//! merging does not write it again, and when no segment is left that it is for, it is forgotten.
//!
//! ```text
//! manifest.extra  { "deletions": [ { "tenant", "selector": [[label, op, value], …],
//!                   "start", "end" (ms, both included), "before" (a segment's number) }, … ] }
//! ```

use crate::Samples;
use crate::postings::Index as _;
use crate::segment::{Segment, SegmentIndex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sonde_proto::{Labels, MatchOp, Matcher, Tenant};
use sonde_segment::{Manifest, SegmentMeta};
use std::sync::Arc;

/// Times that were deleted of a series: sorted, both ends included, apart from one another.
pub(crate) type Gone = Arc<[(i64, i64)]>;

/// One deletion of one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub(crate) tenant: String,
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub(crate) selector: Vec<Matcher>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// It is for the segments with smaller numbers.
    pub(crate) before: u64,
}

impl Deletion {
    fn is_for(&self, meta: &SegmentMeta) -> bool {
        let (first, last) = (meta.start.as_millis(), meta.end.as_millis());
        meta.id < self.before && first <= self.end && last >= self.start
    }

    fn matches(&self, labels: &Labels) -> bool {
        self.selector.iter().all(|m| m.matches_labels(labels))
    }
}

/// What the store keeps in its manifest beside segments.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Extra {
    deletions: Vec<Deletion>,
}

/// The deletions that a manifest lists.
pub(crate) fn listed(manifest: &Manifest) -> serde_json::Result<Vec<Deletion>> {
    if manifest.extra.is_null() {
        return Ok(Vec::new());
    }
    Ok(Extra::deserialize(&manifest.extra)?.deletions)
}

/// Lists deletions, but for those that are for no segment any more.
pub(crate) fn list(manifest: &mut Manifest, mut deletions: Vec<Deletion>) {
    deletions.retain(|deletion| {
        let mut segments = manifest.segments.iter();
        segments.any(|meta| meta.tenant.as_str() == deletion.tenant && deletion.is_for(meta))
    });
    manifest.extra = match deletions.is_empty() {
        true => serde_json::Value::Null,
        false => serde_json::json!(Extra { deletions }),
    };
}

/// The deletions of one tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletions(Arc<[Deletion]>);

/// Those that are for one segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holes(Vec<Deletion>);

impl Deletions {
    pub(crate) fn of(all: &[Deletion], tenant: &Tenant) -> Self {
        let own = all.iter().filter(|d| d.tenant == tenant.as_str());
        Self(own.cloned().collect())
    }

    /// What they leave out of a segment.
    pub(crate) fn in_segment(&self, segment: &Segment) -> Holes {
        let own = self.0.iter().filter(|d| d.is_for(&segment.meta));
        Holes(own.cloned().collect())
    }
}

impl Holes {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they leave out of a series of the segment; its labels are only read where there is
    /// anything to leave out.
    pub(crate) fn of(&self, index: &SegmentIndex, series: u32) -> Option<Gone> {
        if self.is_empty() {
            return None;
        }
        self.in_series(&index.labels(series))
    }

    /// What they leave out of a series; `None` where that is nothing.
    pub(crate) fn in_series(&self, labels: &Labels) -> Option<Gone> {
        let own = self.0.iter().filter(|d| d.matches(labels));
        let mut ranges: Vec<(i64, i64)> = own.map(|d| (d.start, d.end)).collect();
        if ranges.is_empty() {
            return None;
        }
        ranges.sort_unstable();
        let mut apart: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match apart.last_mut() {
                Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
                _ => apart.push((start, end)),
            }
        }
        Some(apart.into())
    }
}

/// Whether all of a chunk is gone.
pub(crate) fn covers(gone: &[(i64, i64)], first: i64, last: i64) -> bool {
    gone.iter()
        .any(|(start, end)| *start <= first && *end >= last)
}

/// How many floats, histograms and rests there are, to say later what was added.
pub(crate) fn mark(samples: &Samples) -> (usize, usize, usize) {
    let rests = samples.rests.len();
    (samples.times.len(), samples.histograms.len(), rests)
}

/// Removes what is gone of the samples that were added since a mark. What is known of dropped
/// ones goes where any of them may be gone.
pub(crate) fn remove(
    samples: &mut Samples,
    (floats, histograms, rests): (usize, usize, usize),
    gone: &[(i64, i64)],
) {
    let is_gone = |time: i64| {
        gone.iter()
            .any(|(start, end)| (*start..=*end).contains(&time))
    };
    samples.retain_from(floats, |time, _| !is_gone(time));
    let mut at = 0;
    samples.histograms.retain(|sample| {
        at += 1;
        at <= histograms || !is_gone(sample.time)
    });
    let mut at = 0;
    samples.rests.retain(|rest| {
        at += 1;
        let is_touched = |(start, end): &(i64, i64)| *start <= rest.end && *end >= rest.start;
        at <= rests || !gone.iter().any(is_touched)
    });
}

fn write<S: Serializer>(selector: &[Matcher], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(selector.iter().map(|m| (&m.name, m.op.as_str(), &m.value)))
}

fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Matcher>, D::Error> {
    let all = Vec::<(String, String, String)>::deserialize(from)?;
    let matcher = |(name, op, value): (String, String, String)| {
        let known = [
            MatchOp::Equal,
            MatchOp::NotEqual,
            MatchOp::Regex,
            MatchOp::NotRegex,
        ];
        let op = known.into_iter().find(|known| known.as_str() == op);
        let op = op.ok_or_else(|| serde::de::Error::custom("an operator is not known"))?;
        Matcher::new(&name, op, &value).map_err(serde::de::Error::custom)
    };
    all.into_iter().map(matcher).collect()
}
