//! One request, looked at as it will be applied, without applying it.

use super::{Offenders, Verdict};
use crate::Config;
use crate::head::groups::{Key, Keys};
use crate::head::{Head, Refusal, Room};
use crate::ingest::{Scope, TimeBounds, check, name_of};
use crate::postings::Index as _;
use crate::remote::{self, KnownBy};
use crate::telemetry::Reason;
use crate::translate::labels::{LabelMap, NAME, Resource};
use crate::translate::point::Point;
use crate::translate::wire::{Fields, Malformed, Metric};
use ahash::{AHashMap, AHashSet};
use parking_lot::Mutex;
use sonde_proto::remote_write::Version;
use sonde_proto::walk::WalkError;
use sonde_proto::walk::remote_write::{LabelBounds, Request, Series};
use sonde_proto::{Format, UnixNanos, snappy};

/// Looks at one request.
pub(crate) struct Look<'s> {
    config: &'s Config,
    keys: &'s Keys,
    head: &'s Head,
    room: Room,
    offenders: &'s Mutex<Offenders>,
    received_at: UnixNanos,
    /// Hashes of the new series that there was room for, and how many of each metric.
    new: AHashSet<u64>,
    new_of_metric: AHashMap<String, usize>,
    /// Bytes of their labels' texts.
    new_texts: u64,
    found: Verdict,
}

/// A resource on its way: read only when one of its series is new.
struct Source<'a> {
    message: &'a [u8],
    read: Option<Resource>,
    has_points: bool,
}

impl<'s> Look<'s> {
    pub(crate) fn new(
        config: &'s Config,
        keys: &'s Keys,
        head: &'s Head,
        room: Room,
        offenders: &'s Mutex<Offenders>,
        received_at: UnixNanos,
    ) -> Self {
        Self {
            config,
            keys,
            head,
            room,
            offenders,
            received_at,
            new: AHashSet::new(),
            new_of_metric: AHashMap::new(),
            new_texts: 0,
            found: Verdict::default(),
        }
    }

    /// Looks at a request. What comes before a malformed place counts, as it will be kept.
    pub(crate) fn at(mut self, format: Format, payload: &[u8]) -> Verdict {
        match format {
            Format::Otlp => {
                let resources = Fields::of(payload);
                resources.each(1, |resource| self.resource(resource)).ok();
            }
            Format::RemoteWrite1 => self.written(Version::V1, payload),
            Format::RemoteWrite2 => self.written(Version::V2, payload),
        }
        self.found.new_series = self.new.len() as u64;
        self.found
    }

    fn resource<'a>(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        let mut resource: &'a [u8] = &[];
        Fields::of(message).each(1, |bytes| {
            resource = bytes;
            Ok(())
        })?;
        let key = self.keys.key(Key::ROOT, &[resource]);
        let mut source = Source {
            message: resource,
            read: None,
            has_points: false,
        };
        let mut point = Point::default();
        Fields::of(message).each(2, |message| {
            let scope = Scope::read(message, key, self.keys)?;
            Fields::of(message).each(2, |metric| {
                self.metric(metric, &scope, &mut source, &mut point)
            })
        })?;
        let info = self.keys.key(key, &[b"target_info"]);
        if source.has_points && self.head.groups.peek(info).is_none() {
            let target = self.read(&mut source)?.target.clone();
            if let Some(labels) = target {
                self.decide(&labels);
            }
        }
        Ok(())
    }

    fn metric<'a>(
        &mut self,
        message: &'a [u8],
        scope: &Scope<'_>,
        source: &mut Source<'_>,
        point: &mut Point<'a>,
    ) -> Result<(), Malformed> {
        let Some(metric) = Metric::read(message)?.filter(|metric| !metric.name.is_empty()) else {
            return Ok(());
        };
        let key = scope.key_of(&metric, self.keys);
        let bounds = TimeBounds::of(self.config, self.received_at);
        Fields::of(metric.data).each(1, |message| {
            point.read(message, &metric)?;
            let is_kept = bounds.reason(point.time(self.received_at)).is_none();
            if point.unfit.is_some() || point.samples() == 0 || !is_kept {
                return Ok(());
            }
            source.has_points = true;
            if let Some(refusal) = self.point(point, key, &metric, scope, source)? {
                self.found.add(refusal, 1);
            }
            Ok(())
        })
    }

    /// Why one of the point's series is refused.
    fn point(
        &mut self,
        point: &Point<'_>,
        metric_key: Key,
        metric: &Metric<'_>,
        scope: &Scope<'_>,
        source: &mut Source<'_>,
    ) -> Result<Option<Refusal>, Malformed> {
        let key = self.keys.key(metric_key, &point.attributes);
        let shape = point.shape(self.keys.shapes());
        let known = self.head.groups.peek(key);
        if let Some(group) = known.filter(|g| g.shape == shape || point.is_shapeless()) {
            let mut refusals = group.series.iter().map(|id| Refusal::of(*id));
            self.found.has_room |= refusals.any(|refusal| refusal.is_none());
            return Ok(group.series.iter().find_map(|id| Refusal::of(*id)));
        }
        let labels = scope.labels(point, metric, self.read(source)?, self.config)?;
        let name = name_of(metric);
        let series = point.series(metric.kind, &name, &labels);
        let mut first = None;
        for labels in &series {
            let refusal = self.decide(labels);
            self.found.has_room |= refusal.is_none();
            first = first.or(refusal);
        }
        Ok(first)
    }

    fn read<'r>(&self, source: &'r mut Source<'_>) -> Result<&'r Resource, Malformed> {
        if source.read.is_none() {
            let promoted = &self.config.promote_resource_attributes;
            source.read = Some(Resource::read(source.message, promoted)?);
        }
        source.read.as_ref().ok_or(Malformed)
    }

    /// Why a series with these labels is refused; takes room for one that is new.
    fn decide(&mut self, labels: &LabelMap) -> Option<Refusal> {
        if let Err(refusal) = check(self.config, labels) {
            return Some(refusal);
        }
        let hash = self.keys.shapes().hash_one(labels);
        if self.new.contains(&hash) || self.head.known(labels).is_some() {
            return None;
        }
        let name = labels.get(NAME).map_or("", String::as_str);
        let limits_metrics = self.room.metric > 0;
        let of_metric = if limits_metrics {
            let new = self.new_of_metric.get(name).copied().unwrap_or_default();
            self.head.of_metric(name) + new
        } else {
            0
        };
        let texts = self.head.symbol_bytes_with(labels) + self.new_texts;
        let series = self.head.count() as usize + self.new.len();
        if let Some(refusal) = self.room.refusal(series, of_metric, texts) {
            self.offenders.lock().note(labels, self.keys.shapes());
            return Some(refusal);
        }
        self.new.insert(hash);
        self.new_texts = texts - self.head.symbol_bytes();
        if limits_metrics {
            *self.new_of_metric.entry(name.to_owned()).or_default() += 1;
        }
        None
    }

    fn written(&mut self, version: Version, body: &[u8]) {
        let Ok(plain) = snappy::unpacked(body, remote::REQUEST_BYTES_MAX) else {
            return;
        };
        if let Ok(request) = Request::open(version, &plain) {
            let known_by = KnownBy::of(self.keys, version, &request);
            request
                .each_series(|series| self.written_series(&known_by, series))
                .ok();
        }
    }

    fn written_series(
        &mut self,
        known_by: &KnownBy<'_>,
        series: &Series<'_, '_>,
    ) -> Result<(), WalkError> {
        let by_bytes = known_by.bytes(series)?;
        let known = by_bytes.and_then(|key| self.head.groups.peek(key));
        let known = known.or_else(|| self.head.groups.peek(known_by.labels(series)));
        let refusal = match known.and_then(|group| group.series.first().copied()) {
            Some(id) => Refusal::of(id),
            None => self.new_written(series),
        };
        let Some(refusal) = refusal else {
            return Ok(());
        };
        let bounds = TimeBounds::of(self.config, self.received_at);
        let (mut samples, mut histograms, mut exemplars) = (0, 0, 0);
        let is_kept = |time| bounds.reason(time).is_none();
        series.each_sample(|sample| samples += u64::from(is_kept(sample.time)))?;
        series
            .each_histogram(|at| histograms += u64::from(is_kept(at.time) && at.value.is_ok()))?;
        // Those from the future are told of elsewhere.
        series.each_exemplar(|exemplar| {
            let is_future = bounds.reason(exemplar.time) == Some(Reason::Future);
            exemplars += u64::from(!is_future);
        })?;
        self.found.add(refusal, samples + histograms);
        self.found.histograms += histograms;
        self.found.exemplars += exemplars;
        Ok(())
    }

    /// Why a series that was not seen before is refused. One with a fault of its own is told
    /// of elsewhere.
    fn new_written(&mut self, series: &Series<'_, '_>) -> Option<Refusal> {
        let bounds = LabelBounds {
            labels_max: self.config.labels_max,
            name_bytes_max: self.config.label_name_bytes_max,
            value_bytes_max: self.config.label_value_bytes_max,
        };
        if series.fault(&bounds).is_some() {
            return None;
        }
        let own = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let labels: LabelMap = series.labels().map(|(n, v)| (own(n), own(v))).collect();
        self.decide(&labels)
    }
}
