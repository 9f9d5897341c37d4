//! `metadata` and `query_exemplars`, written while they are read.

use super::envelope::{no_expression, put, query_failed};
use super::parameters::{Moment, Parameters};
use super::pieces::Listed;
use super::{Api, Failure, tenant};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use sonde_metrics::{Exemplar, Metadata};
use sonde_proto::Labels;

pub(super) async fn metadata(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let limit = count(&parameters, "limit")?.unwrap_or(usize::MAX);
    let per_metric = count(&parameters, "limit_per_metric")?.filter(|limit| *limit > 0);
    let per_metric = per_metric.unwrap_or(usize::MAX);
    let wanted = Some(parameters.text("metric").to_owned()).filter(|wanted| !wanted.is_empty());
    let named = api.of(&tenant).ask(move |sources, _| {
        let mut all = sources.stores.metrics.metadata(&tenant);
        all.retain(|one| wanted.as_ref().is_none_or(|wanted| *wanted == one.name));
        Ok(all)
    });
    Ok(meanings(named.await?, limit, per_metric))
}

/// A metric's meaning, as the API has it.
#[derive(Serialize)]
struct Meaning<'a> {
    r#type: &'static str,
    help: &'a str,
    unit: &'a str,
}

impl<'a> Meaning<'a> {
    fn of(one: &'a Metadata) -> Self {
        Self {
            r#type: one.kind,
            help: &one.help,
            unit: &one.unit,
        }
    }
}

/// The meanings of the first names, some of each; those of one name stand together.
fn meanings(all: Vec<Metadata>, limit: usize, per_metric: usize) -> Response {
    let mut ends = Vec::new();
    let mut end = 0;
    for of_name in all.chunk_by(|one, next| one.name == next.name).take(limit) {
        end += of_name.len();
        ends.push(end);
    }
    let bytes = |one: &Metadata| size_of::<Metadata>() + one.name.len() + one.help.len();
    Listed {
        open: br#"{"status":"success","data":{"#.to_vec(),
        count: ends.len(),
        bytes: all.iter().map(bytes).sum::<usize>() as u64,
        write: move |at: usize, out: &mut Vec<u8>| {
            let begin = at.checked_sub(1).map_or(0, |before| ends[before]);
            let of_name = &all[begin..ends[at]];
            put(out, &of_name[0].name);
            out.push(b':');
            let told = of_name.iter().take(per_metric).map(Meaning::of);
            put(out, &told.collect::<Vec<_>>());
        },
        close: b"}}".to_vec(),
    }
    .into_response()
}

/// A number that may be left out, in Prometheus' words; less than none is no limit.
fn count(parameters: &Parameters, name: &str) -> Result<Option<usize>, Failure> {
    match parameters.text(name) {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(count) => Ok(usize::try_from(count).ok()),
            Err(_) => Err(Failure::bad_data(format!("{name} must be a number"))),
        },
    }
}

pub(super) async fn exemplars(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    let query = parameters.text("query").to_owned();
    let features = *api.sources.stores.metrics.features();
    let read = api
        .of(&tenant)
        .read(move || sonde_metrics::promql::selectors(&query, &features));
    let selectors = read.await?.map_err(|error| no_expression("query", error))?;
    let (start, end) = (
        parameters.time("start", Moment(0), now)?,
        parameters.time("end", now.into(), now)?,
    );
    if end < start {
        return Err(Failure::bad_data(
            "end timestamp must not be before start timestamp".into(),
        ));
    }
    let (start, end) = (start.clamped(), end.clamped());
    let found = api.of(&tenant).ask(move |sources, deadline| {
        let metrics = &sources.stores.metrics;
        let found = metrics.exemplars(&tenant, &selectors, start, end, deadline);
        found.map_err(|error| query_failed(&error))
    });
    Ok(examples(found.await?))
}

/// An exemplar, as the API has it.
#[derive(Serialize)]
struct Example<'a> {
    labels: &'a Labels,
    value: String,
    timestamp: f64,
}

/// The exemplars of each series. One series may have all that there are, so they are written
/// one by one, the first with what stands before and the last with what stands behind.
fn examples(found: Vec<(Labels, Vec<Exemplar>)>) -> Response {
    let all = found.iter().enumerate();
    let places = all.flat_map(|(series, (_, all))| (0..all.len()).map(move |at| (series, at)));
    let places: Vec<(usize, usize)> = places.collect();
    Listed {
        open: br#"{"status":"success","data":["#.to_vec(),
        count: places.len(),
        bytes: (places.len() * EXEMPLAR_BYTES) as u64,
        write: move |place: usize, out: &mut Vec<u8>| {
            let (series, at) = places[place];
            let (labels, exemplars) = &found[series];
            if at == 0 {
                out.extend(br#"{"seriesLabels":"#);
                put(out, labels);
                out.extend(br#","exemplars":["#);
            }
            let one = &exemplars[at];
            let example = Example {
                labels: &one.labels,
                value: one.value.to_string(),
                timestamp: one.time.as_millis() as f64 / 1e3,
            };
            put(out, &example);
            if at + 1 == exemplars.len() {
                out.extend(b"]}");
            }
        },
        close: b"]}".to_vec(),
    }
    .into_response()
}

/// About what an exemplar takes beside texts that the store has too.
const EXEMPLAR_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use sonde_proto::UnixNanos;

    async fn data(response: Response) -> Value {
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        let whole: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(whole["status"], "success");
        whole["data"].clone()
    }

    fn of_names(names: &[&str]) -> Vec<Metadata> {
        let one = |(at, name): (usize, &&str)| Metadata {
            name: (*name).into(),
            kind: "gauge",
            help: format!("\"{at}\""),
            unit: String::new(),
        };
        names.iter().enumerate().map(one).collect()
    }

    #[tokio::test]
    async fn meanings_stand_under_their_names_as_many_as_are_wanted() {
        let meaning = |at: usize| json!({"type": "gauge", "help": format!("\"{at}\""), "unit": ""});
        let all = || of_names(&["a", "b", "b", "c"]);
        for (limit, per_metric, wanted) in [
            (
                9,
                9,
                json!({"a": [meaning(0)], "b": [meaning(1), meaning(2)], "c": [meaning(3)]}),
            ),
            (2, 1, json!({"a": [meaning(0)], "b": [meaning(1)]})),
            (0, 1, json!({})),
        ] {
            assert_eq!(data(meanings(all(), limit, per_metric)).await, wanted);
        }
        assert_eq!(data(meanings(Vec::new(), 9, 9)).await, json!({}));
    }

    #[tokio::test]
    async fn exemplars_stand_with_their_series_however_many_there_are() {
        let labels = |name: &str, value: &str| [(name, value)].into_iter().collect::<Labels>();
        for counts in [vec![], vec![1], vec![1, 3, 2], vec![2000, 1, 3000]] {
            let exemplar = |at: usize| Exemplar {
                labels: labels("trace_id", &at.to_string()),
                value: at as f64 / 2.0,
                time: UnixNanos::from_millis(1500 + at as i64),
            };
            let of_series = |(n, count): (usize, &usize)| {
                let series = labels("n", &n.to_string());
                (series, (0..*count).map(exemplar).collect::<Vec<_>>())
            };
            let all: Vec<_> = counts.iter().enumerate().map(of_series).collect();
            let wanted: Vec<Value> = all
                .iter()
                .map(|(series, all)| {
                    let all = all.iter().map(|one| {
                        let seconds = one.time.as_millis() as f64 / 1e3;
                        json!({ "labels": one.labels, "value": one.value.to_string(), "timestamp": seconds })
                    });
                    json!({ "seriesLabels": series, "exemplars": all.collect::<Vec<_>>() })
                })
                .collect();
            assert_eq!(data(examples(all)).await, json!(wanted));
        }
    }
}
