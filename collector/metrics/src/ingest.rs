//! One request into one tenant's head; OTLP here, what a Prometheus wrote in [`crate::remote`].

mod native;

use crate::admission::Offenders;
use crate::head::groups::{Group, Key, Keys};
use crate::head::{Outcome, Refusal, Room};
use crate::postings::Index as _;
use crate::remote::ahead::Unpacked;
use crate::segment::IndexCache;
use crate::telemetry::{Reason, Telemetry};
use crate::tenant::{Described, State};
use crate::translate::exemplar::Exemplar;
use crate::translate::labels::{self, LabelMap, Resource};
use crate::translate::names;
use crate::translate::point::Point;
use crate::translate::verbatim;
use crate::translate::wire::{Fields, Kind, Malformed, Metric, Value};
use crate::{Config, is_stale};
use parking_lot::Mutex;
use sonde_proto::remote_write::Version;
use sonde_proto::snappy::Unpacker;
use sonde_proto::{Entry, Format, UnixNanos};

/// Takes requests apart. One per batch of entries.
pub(crate) struct Ingest<'s> {
    pub(crate) config: &'s Config,
    pub(crate) keys: &'s Keys,
    pub(crate) telemetry: &'s Telemetry,
    pub(crate) indexes: &'s IndexCache,
    pub(crate) state: &'s mut State,
    pub(crate) room: Room,
    pub(crate) offenders: &'s Mutex<Offenders>,
    pub(crate) unpacker: &'s mut Unpacker,
    pub(crate) received_at: UnixNanos,
}

/// A resource on its way: read only when one of its series is new.
struct Source<'a> {
    message: &'a [u8],
    key: Key,
    read: Option<Resource>,
    newest: i64,
}

/// When a sample was taken, and since when it counts (0 where that is not known), in
/// milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) time: i64,
    pub(crate) start: i64,
}

impl Taken {
    fn at(time: i64) -> Self {
        Self { time, start: 0 }
    }

    /// Since when the sum of deltas counts that ends with this one. Of one that goes on it is
    /// not said: what is sealed of it is not asked for that.
    fn start_of_sum(self, is_first: bool) -> i64 {
        if is_first { self.start } else { 0 }
    }
}

/// The times that samples may have, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeBounds {
    earliest: i64,
    latest: i64,
}

impl TimeBounds {
    /// Those of what was received then.
    pub(crate) fn of(config: &Config, received_at: UnixNanos) -> Self {
        let received = received_at.as_millis();
        let millis = |s: u64| i64::try_from(s.saturating_mul(1000)).unwrap_or(i64::MAX);
        Self {
            earliest: received.saturating_sub(millis(config.late_max_seconds)),
            latest: received.saturating_add(millis(config.future_max_seconds)),
        }
    }

    /// Why a sample of that time is not kept.
    pub(crate) fn reason(&self, time: i64) -> Option<Reason> {
        if time > self.latest {
            Some(Reason::Future)
        } else if time < self.earliest {
            Some(Reason::TooLate)
        } else {
            None
        }
    }
}

/// An instrumentation scope on its way.
pub(crate) struct Scope<'a> {
    message: &'a [u8],
    schema_url: &'a [u8],
    pub(crate) key: Key,
}

impl<'a> Scope<'a> {
    /// What a scope is, which may stand behind its metrics.
    pub(crate) fn read(message: &'a [u8], parent: Key, keys: &Keys) -> Result<Self, Malformed> {
        let (mut scope, mut schema_url): (&[u8], &[u8]) = (&[], &[]);
        let mut fields = Fields::of(message);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Bytes(bytes)) => scope = bytes,
                (3, Value::Bytes(bytes)) => schema_url = bytes,
                _ => {}
            }
        }
        Ok(Scope {
            message: scope,
            schema_url,
            key: keys.key(parent, &[scope, schema_url]),
        })
    }

    /// The key of one of its metrics.
    pub(crate) fn key_of(&self, metric: &Metric<'_>, keys: &Keys) -> Key {
        let tag = [
            metric.kind as u8,
            u8::from(metric.delta),
            u8::from(metric.scraped.is_some()),
        ];
        keys.key(
            self.key,
            &[metric.name.as_bytes(), metric.unit.as_bytes(), &tag],
        )
    }

    /// The labels that all series of a point have.
    pub(crate) fn labels(
        &self,
        point: &Point<'_>,
        metric: &Metric<'_>,
        resource: &Resource,
        config: &Config,
    ) -> Result<LabelMap, Malformed> {
        if metric.scraped.is_some() {
            return verbatim::of_point(&point.attributes, resource);
        }
        let mut labels = labels::of_point(&point.attributes, resource)?;
        if config.scope_labels {
            labels.extend(labels::of_scope(self.message, self.schema_url)?);
        }
        Ok(labels)
    }
}

/// A metric on its way.
struct Current<'a> {
    scope: &'a Scope<'a>,
    metric: Metric<'a>,
    key: Key,
    name: Option<String>,
}

impl Ingest<'_> {
    /// Takes an entry's request, however it is written, and unpacked ahead or not.
    pub(crate) fn entry(&mut self, entry: &Entry, ahead: Option<&Unpacked>) {
        let version = match entry.format {
            Format::Otlp => return self.request(&entry.payload),
            Format::RemoteWrite1 => Version::V1,
            Format::RemoteWrite2 => Version::V2,
        };
        match ahead {
            Some(ahead) => self.written_ahead(version, &entry.payload, ahead),
            None => self.written(version, &entry.payload),
        }
    }

    /// Takes an `ExportMetricsServiceRequest`. What comes before a malformed place is kept.
    fn request(&mut self, payload: &[u8]) {
        if Fields::of(payload)
            .each(1, |resource| self.resource(resource))
            .is_err()
        {
            self.telemetry.refuse(Reason::Malformed, 1);
        }
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
            key,
            read: None,
            newest: i64::MIN,
        };
        let mut point = Point::default();
        let scopes = Fields::of(message);
        scopes.each(2, |message| {
            let scope = Scope::read(message, source.key, self.keys)?;
            Fields::of(message).each(2, |metric| {
                self.metric(metric, &scope, &mut source, &mut point)
            })
        })?;
        self.target_info(&mut source)
    }

    fn metric<'a>(
        &mut self,
        message: &'a [u8],
        scope: &Scope<'_>,
        source: &mut Source<'_>,
        point: &mut Point<'a>,
    ) -> Result<(), Malformed> {
        let Some(metric) = Metric::read(message)? else {
            return Ok(());
        };
        if metric.name.is_empty() {
            self.telemetry.refuse(Reason::NoName, 1);
            return Ok(());
        }
        let key = scope.key_of(&metric, self.keys);
        let mut current = Current {
            scope,
            metric,
            key,
            name: None,
        };
        Fields::of(metric.data).each(1, |message| {
            point.read(message, &metric)?;
            self.point(point, &mut current, source)
        })
    }

    fn point(
        &mut self,
        point: &Point<'_>,
        current: &mut Current<'_>,
        source: &mut Source<'_>,
    ) -> Result<(), Malformed> {
        if let Some(reason) = point.unfit {
            self.telemetry.refuse(reason, 1);
            return Ok(());
        }
        let Some(time) = self.time_of(point) else {
            return Ok(());
        };
        if point.samples() == 0 {
            self.telemetry.refuse(Reason::NoValue, 1);
            return Ok(());
        }
        source.newest = source.newest.max(time);
        let key = self.keys.key(current.key, &point.attributes);
        let shape = point.shape(self.keys.shapes());
        let known = self.state.head.groups.get(key);
        let group = match known.filter(|g| g.shape == shape || point.is_shapeless()) {
            Some(group) => group,
            None => self.new_group(key, shape, point, current, source)?,
        };
        let taken = Taken {
            time,
            start: point.start(&current.metric),
        };
        if let Some(histogram) = &point.histogram {
            self.exponential(&group, histogram, taken, current.metric.delta);
        } else if current.metric.delta && !point.is_stale {
            self.push_delta(&group, point, taken);
        } else {
            self.push(&group, point, taken);
        }
        self.exemplars(&group, point, current.metric.kind, time)
    }

    /// When the point counts, in milliseconds; `None` (and counted) when that is out of bounds.
    fn time_of(&self, point: &Point<'_>) -> Option<i64> {
        let time = point.time(self.received_at);
        let Some(reason) = self.time_bounds().reason(time) else {
            return Some(time);
        };
        self.telemetry.refuse(reason, point.samples());
        None
    }

    /// When samples of this request have to be.
    pub(crate) fn time_bounds(&self) -> TimeBounds {
        TimeBounds::of(self.config, self.received_at)
    }

    fn new_group(
        &mut self,
        key: Key,
        shape: u64,
        point: &Point<'_>,
        current: &mut Current<'_>,
        source: &mut Source<'_>,
    ) -> Result<Group, Malformed> {
        let metric = &current.metric;
        if current.name.is_none() {
            current.name = Some(self.name_and_describe(metric));
        }
        let name = current.name.as_deref().unwrap_or_default();
        let resource = self.read(source)?;
        let labels = current.scope.labels(point, metric, resource, self.config)?;
        let series = point.series(metric.kind, name, &labels);
        let series = series
            .iter()
            .map(|labels| self.series_of(labels, metric.delta))
            .collect();
        let group = Group { shape, series };
        let known = self.state.head.count() as usize;
        self.state.head.groups.insert(key, group.clone(), known);
        Ok(group)
    }

    /// What the series of a metric are called.
    fn name_and_describe(&mut self, metric: &Metric<'_>) -> String {
        let (name, max) = (name_of(metric), self.config.metadata_max);
        let described = match metric.scraped {
            Some(kind) => {
                let family = verbatim::family(metric.name, kind);
                self.state
                    .describe_as(family, kind, metric.help, metric.unit, max)
            }
            None => self.state.describe(&name, metric, max),
        };
        if described == Described::Conflict {
            self.telemetry.conflicts.inc();
        }
        name
    }

    fn read<'r>(&self, source: &'r mut Source<'_>) -> Result<&'r Resource, Malformed> {
        if source.read.is_none() {
            source.read = Some(Resource::read(
                source.message,
                &self.config.promote_resource_attributes,
            )?);
        }
        source.read.as_ref().ok_or(Malformed)
    }

    /// The series with these labels, or the number that says why not.
    pub(crate) fn series_of(&mut self, labels: &LabelMap, delta: bool) -> u32 {
        let taken =
            check(self.config, labels).and_then(|()| self.state.head.series_of(labels, &self.room));
        match taken {
            Ok((series, is_new)) => {
                if delta {
                    self.state.head.note_deltas(series);
                }
                if is_new && delta {
                    let labels = self.state.head.labels(series);
                    if let Some((time, value)) = self.state.last_sealed(&labels, self.indexes) {
                        self.state.head.continue_at(series, time, value);
                    }
                }
                series
            }
            Err(refusal) => {
                if refusal.is_of_number() {
                    self.offenders.lock().note(labels, self.keys.shapes());
                }
                refusal.number()
            }
        }
    }

    fn push(&mut self, group: &Group, point: &Point<'_>, taken: Taken) {
        let values = if point.is_shapeless() {
            &[]
        } else {
            point.values.as_slice()
        };
        for (at, series) in group.series.iter().enumerate() {
            // A histogram that ended without saying its bounds ends in all its series.
            let value = values.get(at).copied().unwrap_or_else(crate::stale_nan);
            self.push_one(*series, taken, value);
        }
    }

    /// Adds a delta to what its series came to so far.
    fn push_delta(&mut self, group: &Group, point: &Point<'_>, taken: Taken) {
        let time = taken.time;
        let newest = group
            .series
            .iter()
            .filter_map(|id| self.state.head.last(*id))
            .map(|(time, _)| time)
            .max();
        if newest.is_some_and(|newest| time <= newest) {
            self.telemetry
                .refuse(Reason::DeltaOutOfOrder, point.values.len() as u64);
            return;
        }
        for (series, value) in group.series.iter().zip(&point.values) {
            // A value that is no number must not spoil all that follow: it begins anew.
            let last = self.state.head.last(*series).map(|(_, value)| value);
            let start = taken.start_of_sum(last.is_none());
            let so_far = last.filter(|value| value.is_finite()).unwrap_or_default();
            self.push_one(*series, Taken { time, start }, so_far + value);
        }
    }

    pub(crate) fn push_one(&mut self, series: u32, taken: Taken, value: f64) {
        let Taken { time, start } = taken;
        if let Some(refusal) = Refusal::of(series) {
            self.telemetry.refuse(reason(refusal), 1);
            return;
        }
        let head = &mut self.state.head;
        let outcome = head.push(series, time, value);
        // The end of a series says nothing of when it began.
        if matches!(outcome, Outcome::Appended | Outcome::Late) && !is_stale(value) {
            head.note_start(series, time, start);
        }
        match outcome {
            Outcome::Appended | Outcome::Known => {}
            Outcome::Late => {
                self.telemetry.late.inc();
            }
            Outcome::Duplicate if self.is_known(series, time, value) => {}
            Outcome::Duplicate => self.telemetry.refuse(Reason::Duplicate, 1),
        }
    }

    /// Whether a sample says again what its series' newest says, or that it has ended: what a
    /// sender repeats is no fault.
    fn is_known(&self, series: u32, time: i64, value: f64) -> bool {
        let newest = self.state.head.last(series);
        newest.is_some_and(|(at, newest)| {
            at == time && (is_stale(value) || newest.to_bits() == value.to_bits())
        })
    }

    fn exemplars(
        &mut self,
        group: &Group,
        point: &Point<'_>,
        kind: Kind,
        time: i64,
    ) -> Result<(), Malformed> {
        for message in &point.exemplars {
            let Some(mut exemplar) = Exemplar::read(message)? else {
                continue;
            };
            // One without a time is of its point's; a later one would keep others out.
            let of_point = UnixNanos::from_millis(time.saturating_add(1));
            if exemplar.time == UnixNanos(0) || exemplar.time > of_point {
                exemplar.time = UnixNanos::from_millis(time);
            }
            let part = point.part_of(kind, exemplar.value);
            if let Some(series) = group
                .series
                .get(part)
                .filter(|id| Refusal::of(**id).is_none())
            {
                self.state
                    .head
                    .push_exemplar(*series, exemplar, self.config.exemplars_max);
            }
        }
        Ok(())
    }

    /// `target_info` of a resource, at the time of its newest point.
    fn target_info(&mut self, source: &mut Source<'_>) -> Result<(), Malformed> {
        if source.newest == i64::MIN {
            return Ok(());
        }
        let key = self.keys.key(source.key, &[b"target_info"]);
        let series = match self.state.head.groups.get(key) {
            Some(group) => group.series.first().copied(),
            None => {
                let target = self.read(source)?.target.clone();
                let series = target.map(|labels| self.series_of(&labels, false));
                let group = Group {
                    shape: 0,
                    series: series.into_iter().collect(),
                };
                let known = self.state.head.count() as usize;
                self.state.head.groups.insert(key, group, known);
                series
            }
        };
        // Several requests tell the same of one resource: what is not news is no refusal.
        let is_news = |id: &u32| {
            self.state
                .head
                .last(*id)
                .is_none_or(|(time, _)| time < source.newest)
        };
        if let Some(series) = series.filter(|id| is_news(id)) {
            self.push_one(series, Taken::at(source.newest), 1.0);
        }
        Ok(())
    }
}

/// Whether a series' labels are as they may be.
pub(crate) fn check(config: &Config, labels: &LabelMap) -> Result<(), Refusal> {
    if labels.len() > config.labels_max {
        return Err(Refusal::Labels);
    }
    let (name, value) = (config.label_name_bytes_max, config.label_value_bytes_max);
    let too_long = labels
        .iter()
        .any(|(n, v)| n.len() > name || v.len() > value);
    if too_long {
        Err(Refusal::LabelBytes)
    } else {
        Ok(())
    }
}

/// The name of a metric's series, but for what tells a histogram's parts apart.
pub(crate) fn name_of(metric: &Metric<'_>) -> String {
    match metric.scraped {
        Some(_) => metric.name.to_owned(),
        None => names::metric(metric.name, metric.unit, metric.kind),
    }
}

fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::SeriesMax => Reason::SeriesMax,
        Refusal::SeriesTotalMax => Reason::SeriesTotalMax,
        Refusal::SeriesOfMetricMax => Reason::SeriesOfMetricMax,
        Refusal::SymbolsMax => Reason::SymbolsMax,
        Refusal::Labels => Reason::Labels,
        Refusal::LabelBytes => Reason::LabelBytes,
    }
}
