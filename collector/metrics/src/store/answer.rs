//! What the store answers.

use super::MetricStore;
use crate::config::Config;
use crate::promql::source::{Stop, TimeRange};
use crate::promql::{self, Answer, Ask, Features, QueryError, QueryLimits};
use crate::select::{Limited, Reads, Smallest, TenantSource};
use crate::tenant::{Metadata, TenantStore};
use crate::translate::exemplar::Exemplar;
use sonde_proto::{Deadline, Labels, Matcher, Tenant, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is looked up of labels.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Series that satisfy any of these are meant.
    pub selectors: &'a [Vec<Matcher>],
    /// They may have samples from here on,
    pub start: UnixNanos,
    /// up to here.
    pub end: UnixNanos,
    /// How many are wanted: the first ones, in their order.
    pub limit: usize,
    /// When to give up.
    pub deadline: &'a Deadline,
}

/// A PromQL expression and what its answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The expression.
    pub text: &'a str,
    /// What it may take.
    pub limits: &'a QueryLimits,
    /// Where it is counted what was read.
    pub reads: &'a Reads,
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// At one time.
    At(UnixNanos),
    /// At every step of a period.
    Over {
        /// From here on,
        start: UnixNanos,
        /// up to here.
        end: UnixNanos,
        /// How far apart two steps are.
        step: Duration,
    },
}

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
        let reads = Reads::default();
        let question = Question {
            text: query,
            limits,
            reads: &reads,
        };
        self.instant_of(tenant, &question, time)
    }

    /// The same, counting what was read.
    ///
    /// # Errors
    /// As [`Self::instant`].
    pub fn instant_of(
        &self,
        tenant: &Tenant,
        question: &Question<'_>,
        time: UnixNanos,
    ) -> Result<Answer, QueryError> {
        let (deadline, reads) = (&question.limits.deadline, question.reads);
        self.with(tenant, deadline, reads, |source| {
            promql::instant(source, &self.ask(question), time)
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
        let reads = Reads::default();
        let question = Question {
            text: query,
            limits,
            reads: &reads,
        };
        self.range_of(tenant, &question, (start, end), step)
    }

    /// The same, counting what was read.
    ///
    /// # Errors
    /// As [`Self::range`].
    pub fn range_of(
        &self,
        tenant: &Tenant,
        question: &Question<'_>,
        (start, end): (UnixNanos, UnixNanos),
        step: Duration,
    ) -> Result<Answer, QueryError> {
        let (deadline, reads) = (&question.limits.deadline, question.reads);
        self.with(tenant, deadline, reads, |source| {
            promql::range(source, &self.ask(question), start, end, step)
        })
    }

    /// Evaluates a PromQL expression and says what each part of it took.
    ///
    /// # Errors
    /// As [`Self::instant`] and [`Self::range`].
    pub fn explain(
        &self,
        tenant: &Tenant,
        question: &Question<'_>,
        when: When,
        clock: promql::Clock<'_>,
    ) -> Result<(Answer, Vec<promql::Node>), QueryError> {
        let (deadline, reads) = (&question.limits.deadline, question.reads);
        let ask = self.ask(question);
        self.with(tenant, deadline, reads, |source| match when {
            When::At(time) => promql::explain_instant(source, &ask, time, clock),
            When::Over { start, end, step } => {
                promql::explain_range(source, &ask, (start, end), step, clock)
            }
        })
    }

    fn ask<'a>(&'a self, question: &Question<'a>) -> Ask<'a> {
        Ask {
            text: question.text,
            features: self.features(),
            limits: question.limits,
        }
    }

    /// What is configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which experimental parts of PromQL may be used.
    pub fn features(&self) -> &Features {
        &self.config.features
    }

    /// A tenant that sent nothing yet has an empty store.
    pub(super) fn with<T>(
        &self,
        tenant: &Tenant,
        deadline: &Deadline,
        reads: &Reads,
        ask: impl FnOnce(&TenantSource<'_>) -> T,
    ) -> T {
        let empty = TenantStore::default();
        let tenant = self.tenant(tenant);
        ask(&TenantSource {
            tenant: tenant.as_deref().unwrap_or(&empty),
            indexes: &self.indexes,
            deadline,
            reads,
        })
    }

    /// The series that satisfy any of the selectors and may have samples in the time range,
    /// both ends included.
    ///
    /// # Errors
    /// [`QueryError`] when it takes too long, or more memory than it may.
    pub fn series(
        &self,
        tenant: &Tenant,
        lookup: &Lookup<'_>,
    ) -> Result<Limited<Labels>, QueryError> {
        self.look_up(
            tenant,
            lookup,
            lookup.selectors,
            labels_bytes,
            |source, selector, out| source.labels(selector, range(lookup.start, lookup.end), out),
        )
    }

    /// The names of labels of the series that [`Self::series`] finds; of all without selectors.
    ///
    /// # Errors
    /// As [`Self::series`].
    pub fn label_names(
        &self,
        tenant: &Tenant,
        lookup: &Lookup<'_>,
    ) -> Result<Limited<String>, QueryError> {
        let selectors = or_all(lookup.selectors);
        self.look_up(
            tenant,
            lookup,
            selectors,
            text_bytes,
            |source, selector, out| {
                source.label_names(selector, range(lookup.start, lookup.end), out)
            },
        )
    }

    /// The values of a label among the series that [`Self::series`] finds; among all without
    /// selectors.
    ///
    /// # Errors
    /// As [`Self::series`].
    pub fn label_values(
        &self,
        tenant: &Tenant,
        name: &str,
        lookup: &Lookup<'_>,
    ) -> Result<Limited<String>, QueryError> {
        let selectors = or_all(lookup.selectors);
        self.look_up(
            tenant,
            lookup,
            selectors,
            text_bytes,
            |source, selector, out| {
                source.label_values(name, selector, range(lookup.start, lookup.end), out)
            },
        )
    }

    fn look_up<T: Ord>(
        &self,
        tenant: &Tenant,
        lookup: &Lookup<'_>,
        selectors: &[Vec<Matcher>],
        weigh: fn(&T) -> u64,
        find: impl Fn(&TenantSource<'_>, &[Matcher], &mut Smallest<T>) -> Result<(), Stop>,
    ) -> Result<Limited<T>, QueryError> {
        let mut found = Smallest::new(lookup.limit, weigh);
        self.with(tenant, lookup.deadline, &Reads::default(), |source| {
            selectors
                .iter()
                .try_for_each(|selector| find(source, selector, &mut found))
        })?;
        Ok(found.finish())
    }

    /// What the tenant's metrics mean, by name; several where one name came with several types or
    /// units, the first that came first. Known for metrics that came since the start.
    pub fn metadata(&self, tenant: &Tenant) -> Vec<Metadata> {
        self.tenant(tenant)
            .map(|t| {
                t.state
                    .read()
                    .metadata
                    .values()
                    .flatten()
                    .cloned()
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Exemplars of the series that satisfy any of the selectors, in a time range with both
    /// ends included, by series and time. What is matched is copied first: a pattern may take
    /// long, and who writes waits for whoever reads.
    ///
    /// # Errors
    /// [`QueryError`] when it takes too long.
    pub fn exemplars(
        &self,
        tenant: &Tenant,
        selectors: &[Vec<Matcher>],
        start: UnixNanos,
        end: UnixNanos,
        deadline: &Deadline,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, QueryError> {
        let Some(tenant) = self.tenant(tenant) else {
            return Ok(Vec::new());
        };
        let mut found: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
        for (labels, exemplar) in in_period(&tenant, start, end) {
            found.entry(labels).or_default().push(exemplar);
        }
        let mut wanted = Vec::new();
        for (labels, exemplars) in found {
            if is_selected(&labels, selectors, deadline)? {
                wanted.push((labels, exemplars));
            }
        }
        Ok(wanted)
    }

    /// The exemplars of traces in a time range with both ends included, each with its series,
    /// in the order in which they came. Nothing else is copied.
    pub fn exemplars_of_traces(
        &self,
        tenant: &Tenant,
        trace_ids: &BTreeSet<String>,
        start: UnixNanos,
        end: UnixNanos,
    ) -> Vec<(Labels, Exemplar)> {
        let Some(tenant) = self.tenant(tenant) else {
            return Vec::new();
        };
        let state = tenant.state.read();
        let all = state.head.exemplars.iter();
        all.filter(|(_, exemplar)| {
            (start..=end).contains(&exemplar.time)
                && trace_ids.contains(exemplar.labels.get("trace_id"))
        })
        .cloned()
        .collect()
    }
}

/// The exemplars of a period, of which texts are shared.
fn in_period(tenant: &TenantStore, start: UnixNanos, end: UnixNanos) -> Vec<(Labels, Exemplar)> {
    let state = tenant.state.read();
    let all = state.head.exemplars.iter();
    all.filter(|(_, exemplar)| (start..=end).contains(&exemplar.time))
        .cloned()
        .collect()
}

/// Whether labels satisfy any of the selectors. The clock is looked at for each.
fn is_selected(
    labels: &Labels,
    selectors: &[Vec<Matcher>],
    deadline: &Deadline,
) -> Result<bool, Stop> {
    for selector in selectors {
        if deadline.has_passed() {
            return Err(Stop::Deadline);
        }
        if selector.iter().all(|m| m.matches_labels(labels)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// About how many bytes a label set takes.
pub(super) fn labels_bytes(labels: &Labels) -> u64 {
    let text = |(name, value): (&str, &str)| name.len() + value.len() + 64;
    64 + labels.iter().map(text).sum::<usize>() as u64
}

#[expect(clippy::ptr_arg, reason = "it weighs what is kept")]
fn text_bytes(text: &String) -> u64 {
    48 + text.len() as u64
}

pub(super) fn range(start: UnixNanos, end: UnixNanos) -> TimeRange {
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
