//! `query` and `query_range`.

use super::envelope::{TRUNCATED, answer, put, query_failed};
use super::parameters::{Moment, Parameters};
use super::pieces::Listed;
use super::{Api, Failure, tenant};
use crate::api::ApiError;
use crate::api::samples::{
    Either, HistogramPoints, Mixed, SamplePoints, one_sample, point, seconds,
};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sonde_metrics::{
    Answer, InstantSample, QueryError, QueryLimits, QueryValue, Question, RangeSeries, Reads,
};
use sonde_proto::{Deadline, Labels, UnixNanos};
use std::time::{Duration, Instant};

/// Prometheus' own limit on the points of one series.
const POINTS_MAX: i64 = 11_000;

pub(super) async fn instant(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let asked = Asked::read(&parameters)?;
    let now = api.now();
    let time = parameters.time("time", now.into(), now)?;
    let query = parameters.text("query").to_owned();
    let data = api.of(&tenant).ask(move |sources, deadline| {
        let metrics = &sources.stores.metrics;
        let limits = metrics.config().query_limits();
        let value = asked.run(&query, deadline, limits, |question| {
            metrics.instant_of(&tenant, question, time.clamped())
        });
        let mut data = value.map_err(|error| match error {
            QueryError::Parse { .. } => {
                ApiError::bad_request(format!("invalid parameter \"query\": {error}"))
            }
            error => query_failed(&error),
        })?;
        if !time.is_kept() {
            data.beyond(time);
        }
        Ok(data)
    });
    Ok(data.await?.into_answer())
}

pub(super) async fn range(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    let (start, end) = (
        parameters.required_time("start", now)?,
        parameters.required_time("end", now)?,
    );
    if end < start {
        return Err(Failure::parameter(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let step = parameters
        .duration("step")?
        .ok_or_else(|| Failure::parameter("step", "cannot parse \"\" to a valid duration"))?;
    let step_millis = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if step_millis == 0 {
        return Err(Failure::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if end.0.saturating_sub(start.0) / step_millis > POINTS_MAX {
        return Err(Failure::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)".into(),
        ));
    }
    let asked = Asked::read(&parameters)?;
    let period = kept(start, end, step_millis);
    let query = parameters.text("query").to_owned();
    let data = api.of(&tenant).ask(move |sources, deadline| {
        let metrics = &sources.stores.metrics;
        let (from, to) = period.unwrap_or_default();
        let limits = metrics.config().query_limits();
        let value = asked.run(&query, deadline, limits, |question| {
            metrics.range_of(&tenant, question, (from, to), step)
        });
        let mut data = value.map_err(|error| query_failed(&error))?;
        if period.is_none() {
            data.value = QueryValue::Matrix(Vec::new());
        }
        Ok(data)
    });
    Ok(data.await?.into_answer())
}

/// The steps at which samples can lie.
fn kept(start: Moment, end: Moment, step: i64) -> Option<(UnixNanos, UnixNanos)> {
    let late = start.0.checked_neg().filter(|late| *late > 0);
    let first = match late {
        Some(late) => start
            .0
            .checked_add(step.checked_mul(late.checked_add(step - 1)? / step)?)?,
        None => start.0,
    };
    let first = Moment(first);
    (first.is_kept() && first <= end).then(|| (first.clamped(), end.clamped()))
}

/// What is asked for besides the expression.
struct Asked {
    limit: usize,
    /// Whether it is told what the answer took.
    stats: bool,
    timeout: Option<Duration>,
    lookback: Option<Duration>,
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self, Failure> {
        let lookback = parameters.duration("lookback_delta")?;
        Ok(Self {
            limit: parameters.limit()?,
            stats: !parameters.text("stats").is_empty(),
            timeout: parameters.duration("timeout")?,
            lookback: lookback.filter(|lookback| !lookback.is_zero()),
        })
    }

    fn run(
        &self,
        query: &str,
        deadline: &Deadline,
        mut limits: QueryLimits,
        evaluate: impl FnOnce(&Question<'_>) -> Result<Answer, QueryError>,
    ) -> Result<Data, QueryError> {
        limits.deadline = deadline.at_most(self.timeout.unwrap_or(Duration::MAX));
        limits.lookback = self.lookback.unwrap_or(limits.lookback);
        let reads = Reads::default();
        let begun = Instant::now();
        let Answer {
            mut value,
            mut warnings,
            infos,
        } = evaluate(&Question {
            text: query,
            limits: &limits,
            reads: &reads,
        })?;
        let stats = self.stats.then(|| stats(begun.elapsed(), &reads));
        let is_cut = match &mut value {
            QueryValue::Vector(samples) => cut(samples, self.limit),
            QueryValue::Matrix(series) => cut(series, self.limit),
            QueryValue::Scalar(_) | QueryValue::String { .. } => false,
        };
        if is_cut {
            warnings.push(TRUNCATED.to_owned());
        }
        Ok(Data {
            value,
            time: None,
            stats,
            warnings,
            infos,
        })
    }
}

fn cut<T>(all: &mut Vec<T>, limit: usize) -> bool {
    let is_cut = all.len() > limit;
    all.truncate(limit);
    is_cut
}

/// In the shape of Prometheus. Expressions are evaluated series by series, so there is one time
/// for all of it, and samples are those that were read, whichever steps used them.
fn stats(took: Duration, reads: &Reads) -> Value {
    let took = took.as_secs_f64();
    json!({
        "timings": {
            "evalTotalTime": took,
            "resultSortTime": 0,
            "queryPreparationTime": 0,
            "innerEvalTime": took,
            "execQueueTime": 0,
            "execTotalTime": took,
        },
        "samples": {
            "totalQueryableSamples": reads.samples(),
            "peakSamples": reads.most(),
        },
    })
}

/// A query's value as the API writes it.
struct Data {
    value: QueryValue,
    /// What the value is said to be of, where that is no time of a sample.
    time: Option<Moment>,
    stats: Option<Value>,
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Data {
    /// The same at a time that no sample can have.
    fn beyond(&mut self, time: Moment) {
        self.time = Some(time);
        match &mut self.value {
            QueryValue::Vector(samples) => samples.clear(),
            QueryValue::Matrix(series) => series.clear(),
            QueryValue::Scalar(_) | QueryValue::String { .. } => {}
        }
    }

    fn into_answer(mut self) -> Response {
        let beside = Beside {
            stats: self.stats.take(),
            warnings: std::mem::take(&mut self.warnings),
            infos: std::mem::take(&mut self.infos),
        };
        match std::mem::replace(&mut self.value, QueryValue::Matrix(Vec::new())) {
            QueryValue::Vector(samples) => {
                let write = |one: &InstantSample, out: &mut Vec<u8>| {
                    let value = one_sample(one.time, &one.value);
                    let metric = &one.labels;
                    put(out, &Either { metric, value });
                };
                let bytes = |one: &InstantSample| labels_bytes(&one.labels) + SAMPLE_BYTES;
                listed("vector", samples, write, bytes, &beside)
            }
            QueryValue::Matrix(series) => {
                let write = |one: &RangeSeries, out: &mut Vec<u8>| {
                    let mixed = Mixed {
                        metric: &one.labels,
                        values: SamplePoints(&one.samples),
                        histograms: HistogramPoints(&one.histograms),
                    };
                    put(out, &mixed);
                };
                let bytes = |one: &RangeSeries| {
                    let samples = one.samples.len() + 64 * one.histograms.len();
                    labels_bytes(&one.labels) + samples * SAMPLE_BYTES
                };
                listed("matrix", series, write, bytes, &beside)
            }
            value => {
                (self.value, self.stats) = (value, beside.stats);
                answer(&self, beside.warnings, beside.infos)
            }
        }
    }

    fn seconds(&self, time: UnixNanos) -> Box<RawValue> {
        let beyond = self.time.map(|time| time.0 as f64 / 1e3);
        let beyond = beyond.and_then(|seconds| serde_json::value::to_raw_value(&seconds).ok());
        beyond.unwrap_or_else(|| seconds(time))
    }
}

/// About what a sample and the labels of a series take until they are written.
const SAMPLE_BYTES: usize = 16;

fn labels_bytes(labels: &Labels) -> usize {
    let text = |(name, value): (&str, &str)| name.len() + value.len() + 32;
    64 + labels.iter().map(text).sum::<usize>()
}

/// What the items of a list make of an answer: they are written while it is read.
fn listed<T: Send + 'static>(
    kind: &str,
    items: Vec<T>,
    write: fn(&T, &mut Vec<u8>),
    bytes: fn(&T) -> usize,
    beside: &Beside,
) -> Response {
    let open = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":["#);
    let bytes = items.iter().map(bytes).sum::<usize>() as u64;
    Listed {
        open: open.into_bytes(),
        count: items.len(),
        write: move |at: usize, out: &mut Vec<u8>| write(&items[at], out),
        close: beside.close(),
        bytes,
    }
    .into_response()
}

/// What stands beside a list.
struct Beside {
    stats: Option<Value>,
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Beside {
    /// From the end of the list to the end of the answer.
    fn close(&self) -> Vec<u8> {
        let mut out = b"]".to_vec();
        if let Some(stats) = &self.stats {
            out.extend(b",\"stats\":");
            put(&mut out, stats);
        }
        out.push(b'}');
        for (name, all) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if !all.is_empty() {
                out.extend(format!(",\"{name}\":").bytes());
                put(&mut out, all);
            }
        }
        out.push(b'}');
        out
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        match &self.value {
            QueryValue::Scalar(sample) => {
                map.serialize_entry("resultType", "scalar")?;
                let (_, value) = point(sample.time, sample.value);
                map.serialize_entry("result", &(self.seconds(sample.time), value))?;
            }
            QueryValue::String { time, value } => {
                map.serialize_entry("resultType", "string")?;
                map.serialize_entry("result", &(self.seconds(*time), value))?;
            }
            // These are written one by one.
            QueryValue::Vector(_) | QueryValue::Matrix(_) => {}
        }
        if let Some(stats) = &self.stats {
            map.serialize_entry("stats", stats)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_steps_beyond_all_samples_those_are_kept_that_are_not() {
        let check = |start, end, step, expected: Option<(i64, i64)>| {
            let found = kept(Moment(start), Moment(end), step);
            let found = found.map(|(from, to)| (from.as_millis(), to.as_millis()));
            assert_eq!(found, expected, "{start} {end} {step}");
        };
        check(5, 9, 2, Some((5, 9)));
        check(-5, 9, 2, Some((1, 9)));
        check(-4, 9, 2, Some((0, 9)));
        check(-4, -1, 2, None);
        check(-4, 1, 100, None);
        let last = Moment::LAST.0;
        check(last - 1, last + 9, 1, Some((last - 1, last)));
        check(last + 1, last + 9, 1, None);
        check(i64::MIN, i64::MAX, i64::MAX, None);
    }
}
