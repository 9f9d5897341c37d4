//! What a Prometheus wrote, into one tenant's head.
//!
//! Names and labels are taken verbatim: the sender has already said what its series are
//! called. A series is found by a key over its labels, so that for one that was seen before
//! neither text nor map is made.

use crate::head::Refusal;
use crate::head::groups::{Group, Key, Keys};
use crate::ingest::Ingest;
use crate::postings::Index as _;
use crate::telemetry::Reason;
use crate::tenant::Described;
use crate::translate::exemplar::{self, Exemplar};
use crate::translate::labels::LabelMap;
use crate::translate::verbatim;
use sonde_proto::remote_write::Version;
use sonde_proto::walk::WalkError;
use sonde_proto::walk::remote_write::{Fault, LabelBounds, Metadata, Request, Series};
use sonde_proto::{UnixNanos, snappy};

/// The most that an entry's payload becomes. What was acknowledged was measured against the
/// limit of its day; this only keeps damage from taking all memory.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 30;

impl Ingest<'_> {
    /// Takes a compressed request. What comes before a malformed place is kept.
    pub(crate) fn written(&mut self, version: Version, body: &[u8]) {
        let taken = snappy::unpacked(body, REQUEST_BYTES_MAX)
            .map_err(drop)
            .and_then(|plain| self.unpacked(version, &plain).map_err(drop));
        if taken.is_err() {
            self.telemetry.refuse(Reason::Malformed, 1);
        }
    }

    fn unpacked(&mut self, version: Version, plain: &[u8]) -> Result<(), WalkError> {
        let root = root(self.keys);
        let request = Request::open(version, plain)?;
        request.each_series(|series| self.written_series(root, series))?;
        request.each_metadata(|metadata| {
            if let Ok(name) = std::str::from_utf8(metadata.name) {
                self.meant(name, metadata);
            }
        })
    }

    fn written_series(&mut self, root: Key, series: &Series<'_, '_>) -> Result<(), WalkError> {
        let key = self.keys.key(root, series.label_parts());
        let known = self.state.head.groups.get(key);
        let id = match known.and_then(|group| group.series.first().copied()) {
            Some(id) => id,
            None => match self.new_written(key, series)? {
                Ok(id) => id,
                Err(reason) => return self.refuse_series(reason, series),
            },
        };
        let bounds = self.time_bounds();
        series.each_sample(|sample| match bounds.reason(sample.time) {
            None => self.push_one(id, sample.time, sample.value),
            Some(reason) => self.telemetry.refuse(reason, 1),
        })?;
        if Refusal::of(id).is_none() {
            series.each_exemplar(|exemplar| {
                // One from the future would keep all later ones out.
                if bounds.reason(exemplar.time) == Some(Reason::Future) {
                    self.telemetry.refuse(Reason::Future, 1);
                    return;
                }
                let exemplar = Exemplar {
                    labels: exemplar::bounded(exemplar.labels()),
                    value: exemplar.value,
                    time: UnixNanos::from_millis(exemplar.time),
                };
                let max = self.config.exemplars_max;
                self.state.head.push_exemplar(id, exemplar, max);
            })?;
        }
        series.each_histogram(|histogram| self.written_histogram(id, bounds, histogram))
    }

    /// The number of a series that was not seen before, or why there is none.
    fn new_written(
        &mut self,
        key: Key,
        series: &Series<'_, '_>,
    ) -> Result<Result<u32, Reason>, WalkError> {
        let bounds = LabelBounds {
            labels_max: self.config.labels_max,
            name_bytes_max: self.config.label_name_bytes_max,
            value_bytes_max: self.config.label_value_bytes_max,
        };
        if let Some(fault) = series.fault(&bounds) {
            return Ok(Err(match fault {
                Fault::TooManyLabels => Reason::Labels,
                Fault::LabelBytes => Reason::LabelBytes,
                Fault::NoName | Fault::EmptyLabelName | Fault::DuplicateLabel | Fault::NotUtf8 => {
                    Reason::BadLabels
                }
            }));
        }
        // Borrowed where it is UTF-8, which was made sure of.
        let own = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let labels: LabelMap = series.labels().map(|(n, v)| (own(n), own(v))).collect();
        if let Some(metadata) = series.metadata()? {
            let name = own(series.name());
            self.meant(verbatim::family(&name, metadata.kind), &metadata);
        }
        let id = self.series_of(&labels, false);
        let group = Group {
            shape: 0,
            series: [id].into_iter().collect(),
        };
        let known = self.state.head.count() as usize;
        self.state.head.groups.insert(key, group, known);
        Ok(Ok(id))
    }

    fn meant(&mut self, name: &str, metadata: &Metadata<'_>) {
        let text = |bytes| String::from_utf8_lossy(bytes);
        let (help, unit) = (text(metadata.help), text(metadata.unit));
        let max = self.config.metadata_max;
        let described = self
            .state
            .describe_as(name, metadata.kind, &help, &unit, max);
        if described == Described::Conflict {
            self.telemetry.conflicts.inc();
        }
    }

    fn refuse_series(&mut self, reason: Reason, series: &Series<'_, '_>) -> Result<(), WalkError> {
        let mut samples = 0;
        series.each_sample(|_| samples += 1)?;
        series.each_histogram(|_| samples += 1)?;
        self.telemetry.refuse(reason, samples);
        Ok(())
    }
}

/// The key that those of all series that a Prometheus wrote start from.
pub(crate) fn root(keys: &Keys) -> Key {
    keys.key(Key::ROOT, &[b"remote write"])
}

#[cfg(test)]
mod tests;
