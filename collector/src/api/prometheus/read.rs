//! `read`: remote read, with which another Prometheus asks for series as they are stored.
//!
//! ```text
//! ReadRequest  { queries: Query[] = 1, accepted_response_types: enum[] = 2 }
//! Query        { start_timestamp_ms: int64 = 1, end_timestamp_ms: int64 = 2, matchers: Matcher[] = 3 }
//! Matcher      { type: = != =~ !~ = 1, name: string = 2, value: string = 3 }
//! ReadResponse { results: { timeseries: { labels: Label[] = 1, samples: Sample[] = 2,
//!                                         histograms: Histogram[] = 4 }[] = 1 }[] = 1 }
//! ```
//!
//! Both are compressed with snappy's block format. Of the two kinds of answers this is
//! `SAMPLES`; `STREAMED_XOR_CHUNKS` would be Prometheus' own chunks, which are not kept here,
//! and every client that asks for them takes samples as well.

use super::envelope::query_failed;
use super::parameters::Moment;
use super::{Api, Failure, tenant};
use crate::api::ApiError;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use prost::Message;
use sonde_metrics::promql::source::Stop;
use sonde_metrics::{MetricStore, QueryError, Samples, Selection};
use sonde_proto::re2::PatternBudget;
use sonde_proto::remote_write::HistogramMessage;
use sonde_proto::snappy::{self, SnappyError};
use sonde_proto::{Deadline, Labels, MatchOp, Matcher, Tenant};

/// The largest request, before compression. It is matchers only, and decoded it may take thirty
/// times as much.
const REQUEST_BYTES_MAX: usize = 256 << 10;
/// The most queries of a request.
const QUERIES_MAX: usize = 64;
/// The most samples of an answer, of which a native histogram is as many as it has numbers,
/// and the most bytes of its labels.
const SAMPLES_MAX: u64 = 4_000_000;
const LABEL_BYTES_MAX: u64 = 64 << 20;

const SAMPLES: i32 = 0;

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    queries: Vec<Query>,
    #[prost(int32, repeated, tag = "2")]
    accepted_response_types: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct Query {
    #[prost(int64, tag = "1")]
    start_timestamp_ms: i64,
    #[prost(int64, tag = "2")]
    end_timestamp_ms: i64,
    #[prost(message, repeated, tag = "3")]
    matchers: Vec<LabelMatcher>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelMatcher {
    #[prost(int32, tag = "1")]
    op: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    results: Vec<QueryResult>,
}

#[derive(Clone, PartialEq, Message)]
struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<HistogramMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    /// Always there: a zero below zero would be left out as if it were zero.
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

pub(super) async fn read(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    match answered(&api, &headers, body).await {
        Ok(body) => {
            let kind = [
                (header::CONTENT_TYPE, "application/x-protobuf"),
                (header::CONTENT_ENCODING, "snappy"),
            ];
            (kind, body).into_response()
        }
        Err(failure) => failure.into_text(),
    }
}

async fn answered(api: &Api, headers: &HeaderMap, body: Bytes) -> Result<Vec<u8>, Failure> {
    let tenant = tenant(headers)?;
    let read = api.of(&tenant).read(move || asked(&decoded(&body)?));
    let queries = read.await?.map_err(Failure::bad_data)?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let store = &sources.stores.metrics;
        let found = found(store, &tenant, &queries, deadline).map_err(|error| match error {
            // Asking for more than is answered is the client's mistake.
            QueryError::TooLarge(why) => ApiError::bad_request(why),
            error => query_failed(&error),
        })?;
        let packed = snappy::packed(&found.encode_to_vec());
        packed.map_err(|error| ApiError::internal(error.to_string()))
    });
    Ok(answer.await?)
}

fn decoded(body: &[u8]) -> Result<ReadRequest, String> {
    let bytes = snappy::unpacked(body, REQUEST_BYTES_MAX).map_err(|error| match error {
        SnappyError::TooLarge { allowed, .. } => {
            format!("the request has more than {allowed} bytes; ask in parts")
        }
        SnappyError::Malformed(why) => format!("the request cannot be read: {why}"),
    })?;
    let request = ReadRequest::decode(bytes.as_slice())
        .map_err(|error| format!("the request is no ReadRequest in protobuf: {error}"))?;
    if request.queries.len() > QUERIES_MAX {
        return Err(format!(
            "the request has more than {QUERIES_MAX} queries; ask in parts"
        ));
    }
    let types = &request.accepted_response_types;
    if !types.is_empty() && !types.contains(&SAMPLES) {
        return Err(format!(
            "none of the response types {types:?} is answered here; accept SAMPLES (0)"
        ));
    }
    Ok(request)
}

/// A period and its matchers.
type Asked = (Moment, Moment, Vec<Matcher>);

fn asked(request: &ReadRequest) -> Result<Vec<Asked>, String> {
    let mut patterns = PatternBudget::default();
    let queries = request.queries.iter();
    queries
        .map(|query| selector(query, &mut patterns))
        .collect()
}

fn selector(query: &Query, patterns: &mut PatternBudget) -> Result<Asked, String> {
    let mut matcher = |one: &LabelMatcher| {
        let op = match one.op {
            0 => MatchOp::Equal,
            1 => MatchOp::NotEqual,
            2 => MatchOp::Regex,
            3 => MatchOp::NotRegex,
            other => return Err(format!("there is no matcher of type {other}")),
        };
        Matcher::within(patterns, &one.name, op, &one.value).map_err(|error| error.to_string())
    };
    let matchers = query.matchers.iter().map(&mut matcher);
    Ok((
        Moment(query.start_timestamp_ms),
        Moment(query.end_timestamp_ms),
        matchers.collect::<Result<_, _>>()?,
    ))
}

fn found(
    store: &MetricStore,
    tenant: &Tenant,
    queries: &[Asked],
    deadline: &Deadline,
) -> Result<ReadResponse, QueryError> {
    let (mut samples_left, mut label_bytes) = (SAMPLES_MAX, 0);
    let mut results = Vec::new();
    for (start, end, matchers) in queries {
        let mut result = QueryResult::default();
        if start <= end && end.0 >= 0 && *start <= Moment::LAST {
            let selection = Selection {
                selectors: std::slice::from_ref(matchers),
                start: start.clamped(),
                end: end.clamped(),
                samples_max: samples_left,
                deadline,
            };
            store.raw(tenant, &selection, &mut |labels, samples| {
                let left = samples_left.checked_sub(weight(samples));
                samples_left = left.ok_or(Stop::SamplesMax(SAMPLES_MAX))?;
                let text = |(name, value): (&str, &str)| name.len() + value.len() + 64;
                label_bytes += labels.iter().map(text).sum::<usize>() as u64;
                if label_bytes > LABEL_BYTES_MAX {
                    return Err(Stop::LabelBytesMax(LABEL_BYTES_MAX));
                }
                result.timeseries.push(series(labels, samples));
                Ok(())
            })?;
        }
        results.push(result);
    }
    Ok(ReadResponse { results })
}

fn weight(samples: &Samples) -> u64 {
    let numbers = samples.histograms.iter().map(|sample| {
        let sides = [&sample.value.positive, &sample.value.negative];
        let counts = sides
            .iter()
            .map(|side| side.spans.len() + side.counts.len());
        8 + counts.sum::<usize>() + sample.value.bounds.len()
    });
    (samples.times.len() + numbers.sum::<usize>()) as u64
}

fn series(labels: &Labels, samples: &Samples) -> TimeSeries {
    let label = |(name, value): (&str, &str)| Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let sample = |(timestamp, value)| Sample {
        value: Some(value),
        timestamp,
    };
    TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: samples.iter().map(sample).collect(),
        histograms: samples
            .histograms
            .iter()
            .map(|sample| HistogramMessage::of(sample.time, &sample.value))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(request: &ReadRequest) -> Vec<u8> {
        let bytes = request.encode_to_vec();
        snap::raw::Encoder::new().compress_vec(&bytes).unwrap()
    }

    #[test]
    fn what_is_no_request_or_too_much_of_one_is_refused() {
        let refused = |body: &[u8], why: &str| {
            let error = decoded(body).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        refused(b"", "snappy");
        refused(b"\xff\xff\xff\xff\xff", "snappy");
        // Says that it is 4 GiB.
        refused(b"\xff\xff\xff\xff\x0f", "more than 262144 bytes");
        let bytes = snap::raw::Encoder::new()
            .compress_vec(b"\x0a\x05ab")
            .unwrap();
        refused(&bytes, "protobuf");
        let request = |queries, types: &[i32]| ReadRequest {
            queries: vec![Query::default(); queries],
            accepted_response_types: types.to_vec(),
        };
        refused(&packed(&request(65, &[])), "more than 64 queries");
        refused(&packed(&request(1, &[1])), "accept SAMPLES");
        for types in [&[][..], &[0], &[1, 0]] {
            decoded(&packed(&request(64, types))).unwrap();
        }
    }

    #[test]
    fn histograms_stand_beside_the_floats_of_their_series() {
        let mut samples = Samples::default();
        samples.push(1, 2.0);
        let histogram = sonde_proto::Histogram {
            count: 3.0,
            ..Default::default()
        };
        samples.push_histogram(5, histogram.clone().into());
        let labels: Labels = [("__name__", "h")].into_iter().collect();
        let told = series(&labels, &samples);
        let times: Vec<i64> = told.samples.iter().map(|s| s.timestamp).collect();
        assert_eq!(times, [1]);
        assert_eq!(told.histograms, [HistogramMessage::of(5, &histogram)]);
        assert_eq!(weight(&samples), 1 + 8);
    }

    #[test]
    fn a_matcher_that_cannot_be_is_refused() {
        let query = |op, value: &str| Query {
            matchers: vec![LabelMatcher {
                op,
                name: "a".into(),
                value: value.into(),
            }],
            ..Query::default()
        };
        let selector = |query: &Query| selector(query, &mut PatternBudget::default());
        assert!(selector(&query(3, "a.*")).is_ok());
        assert!(selector(&query(4, "a")).is_err());
        assert!(selector(&query(2, "(")).is_err());
    }

    #[test]
    fn the_patterns_of_all_queries_have_one_budget() {
        let request = |queries: usize, matchers: usize| {
            let matcher = LabelMatcher {
                op: 2,
                name: "a".into(),
                value: "x".into(),
            };
            let query = Query {
                matchers: vec![matcher; matchers],
                ..Query::default()
            };
            let queries = vec![query; queries];
            let types = Vec::new();
            asked(&ReadRequest {
                queries,
                accepted_response_types: types,
            })
        };
        assert_eq!(request(50, 20).unwrap().len(), 50);
        let error = request(50, 21).unwrap_err();
        assert!(error.contains("may be 1000"), "{error}");
    }
}
