//! The rules' question, asked of the metric store.

use sonde_metrics::{Features, MetricStore, QueryError, QueryLimits, QueryValue, promql};
use sonde_proto::{Deadline, Labels, SampleValue, UnixNanos};
use sonde_rules::{ExprError, Query, Sample};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one rule's query may take.
const RULE_TIME_MAX: Duration = Duration::from_secs(10);

/// Answers rules from the metrics of their owner.
pub(crate) struct StoreQuery {
    store: Arc<MetricStore>,
    started: Instant,
}

impl StoreQuery {
    pub(crate) fn new(store: Arc<MetricStore>) -> Self {
        Self {
            store,
            started: Instant::now(),
        }
    }
}

impl Query for StoreQuery {
    fn instant(&self, expr: &str, time: UnixNanos) -> Result<Vec<Sample>, String> {
        let limits = QueryLimits {
            deadline: Deadline::within(RULE_TIME_MAX),
            ..self.store.config().query_limits()
        };
        let value = self.store.instant(&super::owner(), expr, time, &limits);
        let answer = value.map_err(|error: QueryError| error.to_string())?;
        match answer.value {
            QueryValue::Scalar(sample) => Ok(vec![Sample {
                labels: Labels::empty(),
                value: SampleValue::Float(sample.value),
            }]),
            QueryValue::Vector(samples) => {
                let samples = samples.into_iter().map(|sample| Sample {
                    labels: sample.labels,
                    value: sample.value,
                });
                Ok(samples.collect())
            }
            QueryValue::String { .. } | QueryValue::Matrix(_) => {
                Err("a rule's expression must yield an instant vector or a scalar".into())
            }
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn check(&self, expr: &str) -> Result<(), ExprError> {
        check(expr)
    }
}

/// Whether text is PromQL. What is an experiment passes; where it is not enabled, the
/// evaluation says so.
///
/// # Errors
/// What is wrong, and where in `expr`.
pub(crate) fn check(expr: &str) -> Result<(), ExprError> {
    let parsed = promql::parse(expr, &Features::all());
    parsed.map(drop).map_err(|error| ExprError {
        message: error.message.clone(),
        line: error.line,
        column: error.column,
    })
}
