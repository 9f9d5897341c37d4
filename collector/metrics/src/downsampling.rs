//! How coarse samples may become as they get old.
//!
//! ```yaml
//! downsampling:
//!   - { after: 30d, resolution: 5m }
//!   - { after: 180d, resolution: 1h }
//! ```

use crate::segment::resolution;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use sonde_proto::period::Period;
use sonde_segment::SegmentMeta;
use std::collections::BTreeMap;

/// There may be so many steps.
const STEPS_MAX: usize = 8;
/// The coarsest resolution: a query reads so much more on each side of what it is about.
const RESOLUTION_MAX: Period = Period::of_seconds(24 * 3600);

/// The steps, the first the youngest; none: samples stay as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Step>", into = "Vec<Step>")]
#[schemars(with = "Vec<Step>")]
pub struct Downsampling(Vec<Step>);

/// From which age on samples are kept by interval, and by which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How old the samples of a segment are then at least, as Prometheus writes it: `30d`.
    pub after: Period,
    /// How long an interval is: `5m`, `1h`.
    pub resolution: Period,
}

impl TryFrom<Vec<Step>> for Downsampling {
    type Error = String;

    fn try_from(steps: Vec<Step>) -> Result<Self, String> {
        if steps.len() > STEPS_MAX {
            return Err(format!(
                "{} steps of downsampling are more than {STEPS_MAX}; leave some out",
                steps.len()
            ));
        }
        for step in &steps {
            let Step { after, resolution } = step;
            if resolution.is_zero() || *resolution > RESOLUTION_MAX {
                return Err(format!(
                    "a resolution of {resolution} is not possible; give more than 0 and at most {RESOLUTION_MAX}"
                ));
            }
            if after < resolution {
                return Err(format!(
                    "samples cannot be downsampled to {resolution} after {after} already; give as much or more"
                ));
            }
        }
        for pair in steps.windows(2) {
            let [young, old] = [pair[0], pair[1]];
            if old.after <= young.after {
                return Err(format!(
                    "the step after {} stands behind the one after {}; put the youngest first",
                    old.after, young.after
                ));
            }
            let (fine, coarse) = (young.resolution, old.resolution);
            if coarse <= fine || !coarse.millis().is_multiple_of(fine.millis()) {
                return Err(format!(
                    "the resolution {coarse} is no multiple of {fine}, the one before; intervals must fit into one another"
                ));
            }
        }
        Ok(Self(steps))
    }
}

impl From<Downsampling> for Vec<Step> {
    fn from(downsampling: Downsampling) -> Self {
        downsampling.0
    }
}

impl Downsampling {
    /// What a segment is to be thinned to, where it is not yet.
    pub(crate) fn due(&self, segment: &SegmentMeta, newest: UnixNanos) -> Option<i64> {
        let is_over = |step: &&Step| segment.end <= newest.minus(step.after.duration());
        let step = self.0.iter().rfind(is_over)?;
        let wanted = i64::try_from(step.resolution.millis()).ok()?;
        (wanted > resolution(segment)).then_some(wanted)
    }

    /// What segments are merged by: only those that are thinned alike and whose newest samples
    /// lie in the same stretch of time, a quarter of the age at which they are thinned next. A
    /// segment with samples of all ages would never be old.
    pub(crate) fn group(&self, segment: &SegmentMeta) -> (i64, u64) {
        let resolution = resolution(segment);
        let is_next = |step: &&Step| i128::from(step.resolution.millis()) > i128::from(resolution);
        let next = self.0.iter().find(is_next);
        let stretch = next.map(|step| (step.after.millis() / 4).max(1));
        let end = segment.end.0 / 1_000_000;
        (resolution, stretch.map_or(0, |stretch| end / stretch))
    }

    /// The next segments that are to be thinned, and to what: of one tenant, one that arrived
    /// after the other, together within `bytes_max` unless it is one.
    pub(crate) fn next(
        &self,
        segments: &[SegmentMeta],
        newest: UnixNanos,
        bytes_max: u64,
        is_barred: impl Fn(u64) -> bool,
    ) -> Option<(Vec<u64>, i64)> {
        if self.0.is_empty() {
            return None;
        }
        let mut tenants: BTreeMap<&str, Vec<&SegmentMeta>> = BTreeMap::new();
        for segment in segments {
            tenants
                .entry(segment.tenant.as_str())
                .or_default()
                .push(segment);
        }
        tenants.into_values().find_map(|mut all| {
            all.sort_unstable_by_key(|s| (s.positions.0, s.id));
            let state = |s: &SegmentMeta| {
                let due = self.due(s, newest).filter(|_| !is_barred(s.id));
                due.map(|wanted| (wanted, resolution(s)))
            };
            let first = all.iter().position(|s| state(s).is_some())?;
            let (wanted, _) = state(all[first])?;
            let mut bytes = 0;
            let alike = all[first..].iter().take_while(|s| {
                bytes += s.bytes;
                state(s) == state(all[first]) && (bytes <= bytes_max || s.id == all[first].id)
            });
            Some((alike.map(|s| s.id).collect(), wanted))
        })
    }
}

#[cfg(test)]
mod tests;
