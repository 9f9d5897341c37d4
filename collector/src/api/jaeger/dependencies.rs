//! `GET /api/dependencies`: which service calls which, by the service graph's counters.

use super::answer::{JaegerError, list};
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::ApiError;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use sonde_metrics::{MetricStore, QueryError, Samples, Selection, is_stale};
use sonde_proto::{Deadline, Labels, METRIC_NAME, MatchOp, Matcher, Tenant, UnixNanos};
use sonde_signals::graph;
use std::collections::BTreeMap;
use std::time::Duration;

const LOOKBACK_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// Counters are told every few seconds: what one had come to by a moment mostly stands so shortly
/// before it.
const AROUND: Duration = Duration::from_secs(300);

pub(super) async fn dependencies(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let end = parameters.time("endTs")?.unwrap_or(api.now());
    let lookback = parameters.millis("lookback")?;
    let calls = calls(&api, &headers, end, lookback).await?;
    let dependency =
        |call: Call| json!({ "parent": call.parent, "child": call.child, "callCount": call.count });
    Ok(list(calls.into_iter().map(dependency).collect::<Vec<_>>()))
}

/// How often one service called another.
pub(super) struct Call {
    pub(super) parent: String,
    pub(super) child: String,
    pub(super) count: u64,
}

/// The calls of the time before `end`.
pub(super) async fn calls(
    api: &Api,
    headers: &HeaderMap,
    end: UnixNanos,
    lookback: Option<Duration>,
) -> Result<Vec<Call>, JaegerError> {
    let tenant = tenant(headers)?;
    let start = end.minus(lookback.unwrap_or(LOOKBACK_DEFAULT));
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let asked = Asked {
            store: &sources.stores.metrics,
            tenant: &tenant,
            start,
            end,
            deadline,
        };
        let counts = asked.counts();
        counts.map_err(|error| ApiError::unprocessable(error.to_string()))
    });
    let counts = answer.await?.into_iter();
    let call = |((parent, child), count): ((String, String), f64)| Call {
        parent,
        child,
        count: whole(count),
    };
    Ok(counts.map(call).filter(|call| call.count > 0).collect())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and not negative"
)]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

/// Calls by who asked and who answered.
type Counts = BTreeMap<(String, String), f64>;

/// What is asked of the counters.
struct Asked<'a> {
    store: &'a MetricStore,
    tenant: &'a Tenant,
    start: UnixNanos,
    end: UnixNanos,
    deadline: &'a Deadline,
}

impl Asked<'_> {
    /// What the counters counted after the start, up to the end. Nothing is estimated, as
    /// `increase` does between samples and at the edges: it is what the last samples say, less
    /// what had been counted by the start.
    fn counts(&self) -> Result<Counts, QueryError> {
        let start = self.start.as_millis();
        let (mut counts, mut earlier) = (Counts::new(), BTreeMap::new());
        self.each(
            self.start.minus(AROUND),
            self.end,
            &mut |labels, samples| match began_before(samples, start) {
                Some(since) => {
                    earlier.insert(labels.clone(), (since, samples.clone()));
                }
                None => add(&mut counts, labels, counted(samples, start, None)),
            },
        )?;
        // Nobody told these for a while before the start: what they had counted stands before.
        let since = earlier.values().map(|(since, _)| *since).min();
        let mut known = BTreeMap::new();
        if let Some(since) = since {
            let since = UnixNanos::from_millis(since);
            self.each(since, self.start, &mut |labels, samples| {
                if let Some(last) = earlier.contains_key(labels).then(|| last(samples)) {
                    known.insert(labels.clone(), last);
                }
            })?;
        }
        for (labels, (_, samples)) in earlier {
            let before = known.get(&labels).copied().flatten();
            add(&mut counts, &labels, counted(&samples, start, before));
        }
        Ok(counts)
    }

    /// The samples of every counter from `start` to `end`.
    fn each(
        &self,
        start: UnixNanos,
        end: UnixNanos,
        take: &mut dyn FnMut(&Labels, &Samples),
    ) -> Result<(), QueryError> {
        let named = Matcher::new(METRIC_NAME, MatchOp::Equal, graph::REQUESTS);
        let selection = Selection {
            selectors: &[vec![named.expect("no pattern is compiled")]],
            start,
            end,
            samples_max: self.store.config().query_limits().samples_max,
            deadline: self.deadline,
        };
        self.store
            .raw(self.tenant, &selection, &mut |labels, samples| {
                take(labels, samples);
                Ok(())
            })
    }
}

fn add(counts: &mut Counts, labels: &Labels, count: f64) {
    let name = |label| labels.get(label).to_owned();
    *counts
        .entry((name(graph::CLIENT), name(graph::SERVER)))
        .or_default() += count;
}

/// Since when a counter counts whose first sample lies after `start` and says that it had counted
/// before; since ever, where it does not say.
fn began_before(samples: &Samples, start: i64) -> Option<i64> {
    let mut all = samples.iter().enumerate();
    let (at, (time, value)) = all.find(|(_, (_, value))| !is_stale(*value))?;
    let since = samples.start(at);
    (time > start && value > 0.0 && since < start).then_some(since)
}

/// The last value of a counter that did not end.
fn last(samples: &Samples) -> Option<f64> {
    let value = samples.values.last().copied()?;
    (!is_stale(value)).then_some(value)
}

/// What a counter counted after `start`, where `before` is what it had come to by the first
/// sample. One that fell, or ended, began again at zero.
fn counted(samples: &Samples, start: i64, before: Option<f64>) -> f64 {
    let (mut last, mut sum) = (before.unwrap_or(0.0), 0.0);
    for (time, value) in samples.iter() {
        let value = if is_stale(value) { 0.0 } else { value };
        if time > start {
            sum += if value >= last { value - last } else { value };
        }
        last = value;
    }
    let lost = samples.rests.iter().filter(|rest| rest.end > start);
    sum + lost.map(|rest| rest.lost).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_metrics::stale_nan;

    fn samples(all: &[(i64, f64)], since: i64) -> Samples {
        let mut samples = Samples::default();
        for (time, value) in all {
            samples.push_since(*time, *value, since);
        }
        samples
    }

    #[test]
    fn what_was_counted_after_the_start_is_counted_over_resets_and_ends() {
        let check = |all: &[(i64, f64)], start: i64, before: Option<f64>, expected: f64| {
            assert_eq!(
                counted(&samples(all, 0), start, before),
                expected,
                "{all:?}"
            );
        };
        check(&[], 0, None, 0.0);
        check(&[(1, 0.0), (5, 350.0)], 0, None, 350.0);
        check(&[(1, 3.0), (5, 350.0)], 1, None, 347.0);
        check(&[(1, 3.0), (5, 350.0)], 0, Some(1.0), 349.0);
        check(&[(1, 3.0), (5, 2.0), (6, 2.0), (7, 4.0)], 1, None, 4.0);
        let ended = stale_nan();
        check(&[(1, 3.0), (5, ended), (6, 0.0), (7, 4.0)], 1, None, 4.0);
        check(&[(1, 3.0), (5, ended), (6, 4.0)], 1, None, 4.0);
    }

    #[test]
    fn what_had_been_counted_is_looked_for_where_it_stands_before() {
        let check = |all: &[(i64, f64)], since: i64, expected: Option<i64>| {
            assert_eq!(began_before(&samples(all, since), 10), expected, "{all:?}");
        };
        check(&[], 1, None);
        check(&[(9, 4.0), (12, 5.0)], 1, None);
        check(&[(12, 5.0)], 1, Some(1));
        check(&[(12, 5.0)], 0, Some(0));
        check(&[(12, 5.0)], 11, None);
        check(&[(12, 0.0), (13, 5.0)], 1, None);
        check(&[(11, stale_nan()), (12, 5.0)], 11, None);
        assert_eq!(last(&samples(&[(1, 2.0)], 0)), Some(2.0));
        assert_eq!(last(&samples(&[(1, 2.0), (2, stale_nan())], 0)), None);
    }
}
