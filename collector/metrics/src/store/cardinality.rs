//! What makes a tenant's series so many: which metrics, labels and values have the most.

use super::MetricStore;
use crate::postings::{Clock, Index as _};
use crate::promql::QueryError;
use sonde_proto::{Deadline, METRIC_NAME, Tenant, UnixNanos};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The series of a tenant in memory, and what they are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cardinality {
    /// How many series there are.
    pub series: u64,
    /// How many of them have samples that are not sealed.
    pub open: u64,
    /// How many label names there are.
    pub labels: u64,
    /// How many different pairs of a label and a value there are.
    pub pairs: u64,
    /// The earliest sample that is not sealed.
    pub oldest: Option<UnixNanos>,
    /// The latest.
    pub newest: Option<UnixNanos>,
    /// Metrics by their series, the most first.
    pub series_by_metric: Vec<Counted>,
    /// Labels by their values.
    pub values_by_label: Vec<Counted>,
    /// Labels by the bytes of their values, over all series.
    pub bytes_by_label: Vec<Counted>,
    /// `label=value` by series.
    pub series_by_pair: Vec<Counted>,
}

/// How many there are of something.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// Of what.
    pub name: String,
    /// How many.
    pub value: u64,
}

impl MetricStore {
    /// What makes the tenant's series so many, at most `most` of each kind.
    ///
    /// # Errors
    /// [`QueryError::Timeout`] when it takes too long.
    pub fn cardinality(
        &self,
        tenant: &Tenant,
        most: usize,
        deadline: &Deadline,
    ) -> Result<Cardinality, QueryError> {
        let Some(tenant) = self.tenant(tenant) else {
            return Ok(Cardinality::default());
        };
        let state = tenant.state.read();
        let head = &state.head;
        let text = |symbol| head.symbols().text(symbol);
        let is_open = |series: &u32| head.overlaps(*series, i64::MIN, i64::MAX);
        let mut found = Cardinality {
            series: u64::from(head.count()),
            open: (0..head.count()).filter(is_open).count() as u64,
            ..Cardinality::default()
        };
        let span = head
            .span()
            .map(|(first, last)| (UnixNanos::from_millis(first), UnixNanos::from_millis(last)));
        (found.oldest, found.newest) = span.unzip();
        let (mut metrics, mut pairs) = (Top::new(most), Top::new(most));
        let (mut values_of, mut bytes_of) = (Top::new(most), Top::new(most));
        let mut clock = Clock::new(deadline);
        for (name, values) in head.postings().names() {
            let name = text(name);
            let mut bytes = 0;
            for (value, series) in values {
                clock.check()?;
                let (value, series) = (text(*value), series.len() as u64);
                bytes += value.len() as u64 * series;
                pairs.add(series, (name, value));
                if name == METRIC_NAME {
                    metrics.add(series, (value, ""));
                }
            }
            found.labels += 1;
            found.pairs += values.len() as u64;
            values_of.add(values.len() as u64, (name, ""));
            bytes_of.add(bytes, (name, ""));
        }
        found.series_by_metric = metrics.finish(|(name, _)| name.to_owned());
        found.values_by_label = values_of.finish(|(name, _)| name.to_owned());
        found.bytes_by_label = bytes_of.finish(|(name, _)| name.to_owned());
        found.series_by_pair = pairs.finish(|(name, value)| format!("{name}={value}"));
        Ok(found)
    }
}

/// The largest of what is counted; of equal ones the first by name.
struct Top<'t> {
    most: usize,
    found: BTreeSet<(Reverse<u64>, (&'t str, &'t str))>,
}

impl<'t> Top<'t> {
    fn new(most: usize) -> Self {
        Self {
            most,
            found: BTreeSet::new(),
        }
    }

    fn add(&mut self, count: u64, name: (&'t str, &'t str)) {
        let one = (Reverse(count), name);
        if self.found.len() < self.most || self.found.last().is_some_and(|last| one < *last) {
            self.found.insert(one);
        }
        if self.found.len() > self.most {
            self.found.pop_last();
        }
    }

    fn finish(self, name: impl Fn((&str, &str)) -> String) -> Vec<Counted> {
        let counted = |(Reverse(value), of)| Counted {
            name: name(of),
            value,
        };
        self.found.into_iter().map(counted).collect()
    }
}
