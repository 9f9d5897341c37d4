//! `query` and `query_range`.

use super::answer::{LokiError, Took, eval_failed, read_failed, success_with};
use super::parameters::{Parameters, QUERY_PERIOD};
use super::stream::{CATEGORIZE, streams, wants_categories};
use super::{Api, tenant};
use crate::api::samples::{Each, Instantly, Points, Ranged, point};
use crate::api::{ApiError, Sources};
use crate::logs::{LineSearch, Lines};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;
use sonde_logql::ast::{Expr, LogExpr, MetricExpr};
use sonde_logql::eval::{self, EvalLimits, Evaluated};
use sonde_logql::{LogQuery, Value};
use sonde_logs::Direction;
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::time::{Duration, Instant};

/// The most points of one series, as Loki has it.
const POINTS_MAX: u128 = 11_000;

pub(super) async fn instant(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let tenant = tenant(&headers)?;
    let expr = parameters.query(&api, &tenant).await?;
    let now = api.now();
    let time = parameters.time("time", now, now)?;
    match expr {
        // The lines up to a time; what instant queries for lines are is left open by others.
        Expr::Log(log) => {
            let period = (time.minus(QUERY_PERIOD), after(time));
            lines(&api, &tenant, &headers, &parameters, log, period).await
        }
        Expr::Metric(metric) => numbers(&api, tenant, metric, At::Time(time)).await,
    }
}

pub(super) async fn range(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let tenant = tenant(&headers)?;
    let expr = parameters.query(&api, &tenant).await?;
    let period = parameters.period(api.now(), QUERY_PERIOD)?;
    match expr {
        Expr::Log(log) => lines(&api, &tenant, &headers, &parameters, log, period).await,
        Expr::Metric(metric) => {
            let step = parameters.step(period)?;
            if period.1.since(period.0).as_nanos() / step.as_nanos() > POINTS_MAX {
                return Err(LokiError::bad_request(format!(
                    "exceeded maximum resolution of {POINTS_MAX} points per time series; ask for a longer step"
                )));
            }
            numbers(&api, tenant, metric, At::Range(period, step)).await
        }
    }
}

/// The first time that is after `time`.
pub(super) fn after(time: UnixNanos) -> UnixNanos {
    UnixNanos(time.0.saturating_add(1))
}

async fn lines(
    api: &Api,
    tenant: &Tenant,
    headers: &HeaderMap,
    parameters: &Parameters,
    log: LogExpr,
    (start, end): (UnixNanos, UnixNanos),
) -> Result<Response, LokiError> {
    let search = LineSearch {
        query: compiled(api, tenant, log).await?,
        start,
        end,
        limit: parameters.lines(api.sources.logs.lines_max())?,
        direction: parameters.direction()?,
        interval: parameters.interval()?,
        deadline: Deadline::never(),
    };
    let categorize = wants_categories(headers);
    let of = tenant.clone();
    // The answer is written within its turn, and where it keeps no socket waiting.
    let answer = api.of(tenant).ask(move |sources, deadline| {
        let begun = Instant::now();
        let found = found(sources, &of, search, deadline)?;
        let took = Took::reading(&found.reading, begun.elapsed(), found.lines.len());
        let mut data = json!({
            "resultType": "streams",
            "stats": took.stats(),
        });
        if categorize {
            data["encodingFlags"] = json!([CATEGORIZE]);
        }
        let data = Data {
            rest: data,
            result: streams(found.lines, categorize),
        };
        Ok(success_with(data, found.reading.cut))
    });
    Ok(answer.await?)
}

/// Compiles a query for lines.
pub(super) async fn compiled(
    api: &Api,
    tenant: &Tenant,
    log: LogExpr,
) -> Result<LogQuery, LokiError> {
    let compiled = api.of(tenant).read(move || LogQuery::compile(&log));
    Ok(compiled.await??)
}

/// The lines of a search, until a deadline.
pub(super) fn found(
    sources: &Sources,
    tenant: &Tenant,
    search: LineSearch,
    deadline: &Deadline,
) -> Result<Lines, ApiError> {
    let search = LineSearch {
        deadline: deadline.clone(),
        ..search
    };
    let found = sources.logs.search(tenant, &search);
    found.map_err(|error| read_failed(&error))
}

/// The data of an answer with lines.
#[derive(serde::Serialize)]
struct Data<T> {
    #[serde(flatten)]
    rest: serde_json::Value,
    result: T,
}

/// When numbers are asked for.
enum At {
    Time(UnixNanos),
    Range((UnixNanos, UnixNanos), Duration),
}

async fn numbers(
    api: &Api,
    tenant: Tenant,
    metric: MetricExpr,
    at: At,
) -> Result<Response, LokiError> {
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let begun = Instant::now();
        let source = sources.logs.source(&tenant, deadline);
        let limits = EvalLimits::default();
        let evaluated = match &at {
            At::Time(time) => eval::instant(&metric, *time, &source, &limits, deadline),
            At::Range(period, step) => {
                let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
                eval::range(&metric, *period, step, &source, &limits, deadline)
            }
        };
        let evaluated = evaluated.map_err(|error| eval_failed(&error))?;
        let time = match at {
            At::Time(time) => time,
            At::Range((_, end), _) => end,
        };
        let Evaluated { value, scanned, .. } = evaluated;
        let stats = Took::scanned(&scanned, begun.elapsed(), series(&value)).stats();
        let data = Numbers { value, time, stats };
        Ok(success_with(data, scanned.cut))
    });
    Ok(answer.await?)
}

fn series(value: &Value) -> usize {
    match value {
        Value::Scalar(_) => 1,
        Value::Vector(samples) => samples.len(),
        Value::Matrix(series) => series.len(),
    }
}

/// The data of an answer with numbers.
struct Numbers {
    value: Value,
    /// Of the values of an instant query.
    time: UnixNanos,
    stats: serde_json::Value,
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(3))?;
        match &self.value {
            Value::Scalar(value) => {
                map.serialize_entry("resultType", "scalar")?;
                map.serialize_entry("result", &point(self.time, *value))?;
            }
            Value::Vector(samples) => {
                map.serialize_entry("resultType", "vector")?;
                let samples: Vec<_> = samples
                    .iter()
                    .map(|sample| Instantly {
                        metric: &sample.labels,
                        value: point(self.time, sample.value),
                    })
                    .collect();
                map.serialize_entry("result", &samples)?;
            }
            Value::Matrix(series) => {
                map.serialize_entry("resultType", "matrix")?;
                let series = Each(series, |series| Ranged {
                    metric: &series.labels,
                    values: Points(&series.points),
                });
                map.serialize_entry("result", &series)?;
            }
        }
        map.serialize_entry("stats", &self.stats)?;
        map.end()
    }
}

/// A search for the newest lines of a query, for questions about what lines hold.
pub(super) fn newest(
    query: LogQuery,
    (start, end): (UnixNanos, UnixNanos),
    limit: usize,
) -> LineSearch {
    LineSearch {
        query,
        start,
        end,
        limit,
        direction: Direction::Backward,
        interval: Duration::ZERO,
        deadline: Deadline::never(),
    }
}
