//! What the store answers.

use super::MetricStore;
use crate::promql::source::TimeRange;
use crate::promql::{self, Answer, Ask, Features, QueryError, QueryLimits};
use crate::select::TenantSource;
use crate::tenant::{Metadata, TenantStore};
use crate::translate::exemplar::Exemplar;
use sonde_proto::{Labels, Matcher, Tenant, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl MetricStore {
    /// Evaluates a PromQL expression at one time.
    ///
    /// # Errors
    /// [`QueryError`] when the expression is wrong, or needs more than `limits` allow.
    pub fn instant(
        &self,
        tenant: &Tenant,
        query: &str,
        time: UnixNanos,
        limits: &QueryLimits,
    ) -> Result<Answer, QueryError> {
        self.with(tenant, |source| {
            promql::instant(source, &self.ask(query, limits), time)
        })
    }

    /// Evaluates a PromQL expression at every `step` from `start` to `end`, both included.
    ///
    /// # Errors
    /// [`QueryError`] when the expression is wrong, or needs more than `limits` allow.
    pub fn range(
        &self,
        tenant: &Tenant,
        query: &str,
        start: UnixNanos,
        end: UnixNanos,
        step: Duration,
        limits: &QueryLimits,
    ) -> Result<Answer, QueryError> {
        self.with(tenant, |source| {
            promql::range(source, &self.ask(query, limits), start, end, step)
        })
    }

    fn ask<'a>(&'a self, text: &'a str, limits: &'a QueryLimits) -> Ask<'a> {
        Ask {
            text,
            features: self.features(),
            limits,
        }
    }

    /// Which experimental parts of PromQL may be used.
    pub fn features(&self) -> &Features {
        &self.config.features
    }

    /// A tenant that sent nothing yet has an empty store.
    fn with<T>(&self, tenant: &Tenant, ask: impl FnOnce(&TenantSource<'_>) -> T) -> T {
        let empty = TenantStore::default();
        let tenant = self.tenant(tenant);
        ask(&TenantSource {
            tenant: tenant.as_deref().unwrap_or(&empty),
            indexes: &self.indexes,
        })
    }

    /// The series that satisfy any of the selectors and may have samples in the time range,
    /// both ends included.
    pub fn series(
        &self,
        tenant: &Tenant,
        selectors: &[Vec<Matcher>],
        start: UnixNanos,
        end: UnixNanos,
        limit: usize,
    ) -> Vec<Labels> {
        let mut found = BTreeSet::new();
        self.with(tenant, |source| {
            for selector in selectors {
                source.labels(selector, range(start, end), limit, &mut found);
            }
        });
        found.into_iter().collect()
    }

    /// The names of labels of the series that [`Self::series`] finds; of all without selectors.
    pub fn label_names(
        &self,
        tenant: &Tenant,
        selectors: &[Vec<Matcher>],
        start: UnixNanos,
        end: UnixNanos,
        limit: usize,
    ) -> Vec<String> {
        let mut names = BTreeSet::new();
        self.with(tenant, |source| {
            for selector in or_all(selectors) {
                source.label_names(selector, range(start, end), &mut names);
            }
        });
        names.into_iter().take(limit).collect()
    }

    /// The values of a label among the series that [`Self::series`] finds; among all without
    /// selectors.
    pub fn label_values(
        &self,
        tenant: &Tenant,
        name: &str,
        selectors: &[Vec<Matcher>],
        start: UnixNanos,
        end: UnixNanos,
        limit: usize,
    ) -> Vec<String> {
        let mut values = BTreeSet::new();
        self.with(tenant, |source| {
            for selector in or_all(selectors) {
                source.label_values(name, selector, range(start, end), &mut values);
            }
        });
        values.into_iter().take(limit).collect()
    }

    /// What the tenant's metrics mean, by name. Known for metrics that came since the start.
    pub fn metadata(&self, tenant: &Tenant) -> Vec<Metadata> {
        self.tenant(tenant)
            .map(|t| t.state.read().metadata.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Exemplars of the series that satisfy any of the selectors, in a time range with both
    /// ends included, by series and time.
    pub fn exemplars(
        &self,
        tenant: &Tenant,
        selectors: &[Vec<Matcher>],
        start: UnixNanos,
        end: UnixNanos,
    ) -> Vec<(Labels, Vec<Exemplar>)> {
        let Some(tenant) = self.tenant(tenant) else {
            return Vec::new();
        };
        let state = tenant.state.read();
        let mut found: BTreeMap<&Labels, Vec<Exemplar>> = BTreeMap::new();
        for (labels, exemplar) in state.head.exemplars.iter() {
            let wanted = selectors
                .iter()
                .any(|s| s.iter().all(|m| m.matches_labels(labels)));
            if wanted && (start..=end).contains(&exemplar.time) {
                found.entry(labels).or_default().push(exemplar.clone());
            }
        }
        found
            .into_iter()
            .map(|(labels, exemplars)| (labels.clone(), exemplars))
            .collect()
    }
}

fn range(start: UnixNanos, end: UnixNanos) -> TimeRange {
    TimeRange {
        start: start.as_millis(),
        end: end.as_millis(),
    }
}

/// Without selectors, every series is meant.
fn or_all(selectors: &[Vec<Matcher>]) -> &[Vec<Matcher>] {
    const ALL: &[Vec<Matcher>] = &[Vec::new()];
    if selectors.is_empty() { ALL } else { selectors }
}
