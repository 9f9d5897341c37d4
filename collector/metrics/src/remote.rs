//! What a Prometheus wrote, into one tenant's head.
//!
//! Names and labels are taken verbatim: the sender has already said what its series are
//! called. A series is found by a key over the bytes of its labels, so that those of one that was
//! seen before are not even read.

pub(crate) mod ahead;

use crate::head::Refusal;
use crate::head::groups::{Group, Key, Keys};
use crate::ingest::{Ingest, Taken, TimeBounds};
use crate::postings::Index as _;
use crate::telemetry::Reason;
use crate::tenant::Described;
use crate::translate::exemplar::{self, Exemplar};
use crate::translate::labels::LabelMap;
use crate::translate::verbatim;
use ahead::Unpacked;
use sonde_proto::UnixNanos;
use sonde_proto::remote_write::Version;
use sonde_proto::walk::WalkError;
use sonde_proto::walk::remote_write::{Fault, LabelBounds, Metadata, Request, Sample, Series};

/// The most that an entry's payload becomes. What was acknowledged was measured against the
/// limit of its day; this only keeps damage from taking all memory.
pub(crate) const REQUEST_BYTES_MAX: usize = 1 << 30;

impl Ingest<'_> {
    /// Takes a compressed request. What comes before a malformed place is kept.
    pub(crate) fn written(&mut self, version: Version, body: &[u8]) {
        let mut unpacker = std::mem::take(self.unpacker);
        let taken = unpacker
            .unpacked(body, REQUEST_BYTES_MAX)
            .map_err(drop)
            .and_then(|plain| self.unpacked(version, plain).map_err(drop));
        *self.unpacker = unpacker;
        if taken.is_err() {
            self.telemetry.refuse(Reason::Malformed, 1);
        }
    }

    /// Takes a request that was read ahead; one that could not be is tried again, to say so.
    pub(crate) fn written_ahead(&mut self, version: Version, body: &[u8], ahead: &Unpacked) {
        let Some(plain) = ahead.plain() else {
            return self.written(version, body);
        };
        if self.read_ahead(version, plain, ahead).is_err() {
            self.telemetry.refuse(Reason::Malformed, 1);
        }
    }

    fn unpacked(&mut self, version: Version, plain: &[u8]) -> Result<(), WalkError> {
        let request = Request::open(version, plain)?;
        let known_by = KnownBy::of(self.keys, version, &request);
        let (bounds, mut labels) = (self.time_bounds(), Vec::new());
        request.each_unread(|series| {
            let key = known_by.bytes(series)?;
            self.written_series(&known_by, key, bounds, series, &mut labels)
        })?;
        self.written_metadata(&request)
    }

    /// What the body says is only looked at where what was read of it is not enough.
    fn read_ahead(
        &mut self,
        version: Version,
        plain: &[u8],
        ahead: &Unpacked,
    ) -> Result<(), WalkError> {
        let (bounds, mut labels) = (self.time_bounds(), Vec::new());
        let mut opened = None;
        for ready in ahead.series() {
            let known = ready.key.and_then(|key| self.state.head.groups.first(key));
            if let Some(id) = known.filter(|_| ready.has_only_samples) {
                for sample in ready.samples {
                    self.written_sample(id, bounds, *sample);
                }
                continue;
            }
            let (request, known_by) = match &mut opened {
                Some(opened) => opened,
                None => {
                    let request = Request::open(version, plain)?;
                    let known_by = KnownBy::of(self.keys, version, &request);
                    opened.insert((request, known_by))
                }
            };
            let series = request.series_at(ready.place.clone())?;
            self.written_series(known_by, ready.key, bounds, &series, &mut labels)?;
        }
        if ahead.has_metadata() {
            self.written_metadata(&Request::open(version, plain)?)?;
        }
        Ok(())
    }

    fn written_metadata(&mut self, request: &Request<'_>) -> Result<(), WalkError> {
        request.each_metadata(|metadata| {
            if let Ok(name) = std::str::from_utf8(metadata.name) {
                self.meant(name, metadata);
            }
        })
    }

    fn written_sample(&mut self, id: u32, bounds: TimeBounds, sample: Sample) {
        match bounds.reason(sample.time) {
            None => {
                let (time, start) = (sample.time, sample.start);
                self.push_one(id, Taken { time, start }, sample.value);
            }
            Some(reason) => self.telemetry.refuse(reason, 1),
        }
    }

    fn written_series<'a>(
        &mut self,
        known_by: &KnownBy<'_>,
        key: Option<Key>,
        bounds: TimeBounds,
        series: &Series<'_, 'a>,
        labels: &mut Vec<&'a [u8]>,
    ) -> Result<(), WalkError> {
        let id = match key.and_then(|key| self.state.head.groups.first(key)) {
            Some(id) => id,
            None => match self.looked_up(known_by, key, &series.with_labels(labels)?)? {
                Ok(id) => id,
                Err(reason) => return self.refuse_series(reason, series),
            },
        };
        series.each_sample(|sample| self.written_sample(id, bounds, sample))?;
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

    /// The number of a series that the bytes of its labels do not tell, or why there is none.
    fn looked_up(
        &mut self,
        known_by: &KnownBy<'_>,
        bytes: Option<Key>,
        series: &Series<'_, '_>,
    ) -> Result<Result<u32, Reason>, WalkError> {
        if let (Some(key), Some(_)) = (bytes, series.label_bytes()) {
            return self.new_written(key, series);
        }
        // However often a sender changes the order, it is remembered once.
        let key = known_by.labels(series);
        match self.state.head.groups.first(key) {
            Some(id) => Ok(Ok(id)),
            None => self.new_written(key, series),
        }
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

/// What series of a request are known by.
pub(crate) struct KnownBy<'k> {
    keys: &'k Keys,
    version: Version,
    root: Key,
    /// The key of every symbol.
    symbols: Vec<Key>,
}

impl<'k> KnownBy<'k> {
    pub(crate) fn of(keys: &'k Keys, version: Version, request: &Request<'_>) -> Self {
        let root = keys.key(Key::ROOT, &[version.message().as_bytes()]);
        let symbols = request.symbols().iter();
        Self {
            keys,
            version,
            root,
            symbols: symbols.map(|text| keys.key(root, &[text])).collect(),
        }
    }

    /// The key of the labels as they lie; `None` where they do not lie together.
    pub(crate) fn bytes(&self, series: &Series<'_, '_>) -> Result<Option<Key>, WalkError> {
        let Some(bytes) = series.label_bytes() else {
            return Ok(None);
        };
        if self.version == Version::V1 {
            return Ok(Some(self.keys.key(self.root, &[bytes])));
        }
        let mut joined = self.keys.joined(self.root);
        series.each_label_symbol(|number| joined.add(self.symbols[number]))?;
        Ok(Some(joined.key()))
    }

    /// The key of the labels by name.
    pub(crate) fn labels(&self, series: &Series<'_, '_>) -> Key {
        let by_name = self.keys.key(Key::ROOT, &[b"by name"]);
        self.keys.key(by_name, series.label_parts())
    }
}

#[cfg(test)]
mod tests;
