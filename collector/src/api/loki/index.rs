//! `index/stats`, `index/volume` and `index/volume_range`: how much there is.

use super::answer::{LokiError, Took, read_failed, success_with};
use super::labels;
use super::parameters::{Parameters, QUERY_PERIOD};
use super::{Api, tenant};
use crate::api::samples::{Each, Instantly, Points, Ranged, point};
use crate::logs::{StreamUse, Streams};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use sonde_proto::{MatchOp, Matcher, UnixNanos};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const VOLUMES_DEFAULT: usize = 100;
pub(super) const VOLUMES_MAX: usize = 10_000;
const PARTS_MAX: u128 = 11_000;

/// Not in an envelope, as Loki has it. There are no chunks here: a stream counts as one.
pub(super) async fn stats(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, LokiError> {
    let selector = parameters.selector(&api, &tenant(&headers)?).await?;
    let period = parameters.period(api.now(), QUERY_PERIOD)?;
    let found = labels::streams(&api, &headers, selector, period).await?;
    let sum = |of: fn(&StreamUse) -> u64| found.streams.iter().map(of).sum::<u64>();
    Ok(Json(json!({
        "streams": found.streams.len(),
        "chunks": found.streams.len(),
        "entries": sum(|stream| stream.entries),
        "bytes": sum(|stream| stream.bytes),
    })))
}

pub(super) async fn volume(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let wanted = Wanted::read(&api, &headers, &parameters, None).await?;
    let end = wanted.period.1;
    let (found, volumes, time) = volumes(&api, &headers, wanted).await?;
    let samples: Vec<_> = volumes
        .iter()
        .map(|volume| Instantly {
            metric: &volume.metric,
            value: point(end, volume.bytes as f64),
        })
        .collect();
    let took = Took::reading(&found.reading, time, samples.len());
    let data = json!({ "resultType": "vector", "result": samples, "stats": took.stats() });
    Ok(success_with(data, found.reading.cut))
}

pub(super) async fn volume_range(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let period = parameters.period(api.now(), QUERY_PERIOD)?;
    let step = parameters.step(period)?;
    if period.1.since(period.0).as_nanos() / step.as_nanos() > PARTS_MAX {
        return Err(LokiError::bad_request(format!(
            "exceeded maximum resolution of {PARTS_MAX} points per time series; ask for a longer step"
        )));
    }
    let wanted = Wanted::read(&api, &headers, &parameters, Some(step)).await?;
    let (found, volumes, time) = volumes(&api, &headers, wanted).await?;
    let points: Vec<_> = volumes
        .into_iter()
        .map(|volume| (volume.metric, points(&volume.parts, period, step)))
        .collect();
    let series = Each(&points, |(metric, points)| Ranged {
        metric,
        values: Points(points),
    });
    let took = Took::reading(&found.reading, time, points.len());
    let data = json!({ "resultType": "matrix", "result": series, "stats": took.stats() });
    Ok(success_with(data, found.reading.cut))
}

/// The bytes of each part, at its end.
fn points(
    parts: &BTreeMap<u64, u64>,
    (start, end): (UnixNanos, UnixNanos),
    step: Duration,
) -> Vec<(UnixNanos, f64)> {
    let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
    let at = |number: u64| {
        let after = step.saturating_mul(number.saturating_add(1));
        UnixNanos(start.0.saturating_add(after)).min(end)
    };
    parts
        .iter()
        .map(|(number, bytes)| (at(*number), *bytes as f64))
        .collect()
}

/// Which volumes are asked for.
struct Wanted {
    selector: Vec<Matcher>,
    period: (UnixNanos, UnixNanos),
    part: Option<Duration>,
    /// By which labels volumes are summed; by all where there is none.
    labels: Vec<String>,
    /// Whether each label has a volume, whatever its value.
    by_label: bool,
    limit: usize,
}

impl Wanted {
    async fn read(
        api: &Api,
        headers: &HeaderMap,
        parameters: &Parameters,
        part: Option<Duration>,
    ) -> Result<Self, LokiError> {
        let mut selector = parameters.selector(api, &tenant(headers)?).await?;
        let targets = parameters.get("targetLabels").unwrap_or_default();
        let targets = targets.split(',').map(str::trim).filter(|t| !t.is_empty());
        let mut labels: Vec<String> = targets.map(str::to_owned).collect();
        if labels.is_empty() {
            labels.extend(selector.iter().map(|matcher| matcher.name.clone()));
        } else {
            let present = labels
                .iter()
                .map(|n| Matcher::new(n, MatchOp::NotEqual, ""));
            selector.extend(present.filter_map(Result::ok));
        }
        let by_label = match parameters.get("aggregateBy") {
            None | Some("series") => false,
            Some("labels") => true,
            Some(_) => {
                return Err(LokiError::bad_request(
                    "aggregateBy must be \"series\" or \"labels\"",
                ));
            }
        };
        Ok(Self {
            selector,
            period: parameters.period(api.now(), QUERY_PERIOD)?,
            part,
            labels,
            by_label,
            limit: parameters
                .number("limit", VOLUMES_DEFAULT)?
                .min(VOLUMES_MAX),
        })
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.labels.is_empty() || self.labels.iter().any(|label| label == name)
    }
}

/// What is shown of the labels that a volume is of.
type Metric = BTreeMap<String, String>;

/// How many bytes of lines there are of some labels.
struct Volume {
    metric: Metric,
    bytes: u64,
    parts: BTreeMap<u64, u64>,
}

async fn volumes(
    api: &Api,
    headers: &HeaderMap,
    wanted: Wanted,
) -> Result<(Streams, Vec<Volume>, Duration), LokiError> {
    let tenant = tenant(headers)?;
    let asked = api.of(&tenant).ask(move |sources, deadline| {
        let begun = Instant::now();
        let found = sources.logs.streams_by_parts(
            &tenant,
            &wanted.selector,
            wanted.period,
            wanted.part,
            deadline,
        );
        let found = found.map_err(|error| read_failed(&error))?;
        let volumes = sum(&found.streams, &wanted);
        Ok((found, volumes, begun.elapsed()))
    });
    Ok(asked.await?)
}

/// The largest volumes first.
fn sum(streams: &[StreamUse], wanted: &Wanted) -> Vec<Volume> {
    let mut by_metric: BTreeMap<Metric, Volume> = BTreeMap::new();
    let mut add = |metric: Metric, stream: &StreamUse| {
        let volume = by_metric.entry(metric).or_insert_with_key(|metric| Volume {
            metric: metric.clone(),
            bytes: 0,
            parts: BTreeMap::new(),
        });
        volume.bytes += stream.bytes;
        for (number, bytes) in &stream.parts {
            *volume.parts.entry(*number).or_default() += bytes;
        }
    };
    for stream in streams {
        let labels = stream.labels.iter();
        let chosen = labels.filter(|(name, _)| wanted.is_wanted(name));
        let chosen = chosen.map(|(name, value)| (name.to_owned(), value.to_owned()));
        if wanted.by_label {
            // A label's volume over all its values has its name, and an empty value.
            for (name, _) in chosen {
                add([(name, String::new())].into(), stream);
            }
        } else {
            add(chosen.collect(), stream);
        }
    }
    let mut volumes: Vec<Volume> = by_metric.into_values().collect();
    volumes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.metric.cmp(&b.metric)));
    volumes.truncate(wanted.limit);
    volumes
}
