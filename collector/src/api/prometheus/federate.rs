//! `/federate`: the newest sample of each series that is asked for, as a scrape answers it, for
//! a Prometheus, an agent or another collector above.
//!
//! As Prometheus does: a series whose newest sample is older than the lookback, or that ended,
//! is left out; kinds are not told, because the metric may be known here by parts of it only,
//! but for native histograms, which only protobuf can say;
//! and who has no `instance` gets an empty one, so that the scraper does not set its own.

use super::envelope::query_failed;
use super::parameters::Parameters;
use super::{Api, Failure, tenant};
use crate::api::ApiError;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use sonde_exposition::{Answer, Family, Kind, Label, Sample, Writer, negotiate};
use sonde_metrics::{NewestSample, Selection};
use sonde_proto::{METRIC_NAME, ResetHint, SampleValue};
use std::borrow::Cow;
use std::io;

pub(super) async fn federate(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let asked = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let format = negotiate(asked);
    match newest(&api, &headers, &parameters, format).await {
        Ok(body) => ([(header::CONTENT_TYPE, format.content_type())], body).into_response(),
        Err(failure) => failure.into_text(),
    }
}

async fn newest(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
    format: Answer,
) -> Result<Vec<u8>, Failure> {
    let tenant = tenant(headers)?;
    let selectors = parameters.selectors(api, headers).await?;
    let now = api.now();
    let body = api.of(&tenant).ask(move |sources, deadline| {
        let limits = sources.stores.metrics.config().query_limits();
        let selection = Selection {
            selectors: &selectors,
            start: now.minus(limits.lookback),
            end: now,
            samples_max: limits.samples_max,
            deadline,
        };
        let newest = sources.stores.metrics.newest(&tenant, &selection);
        let newest = newest.map_err(|error| query_failed(&error))?;
        write(&newest, format).map_err(|error| ApiError::internal(error.to_string()))
    });
    Ok(body.await?)
}

/// A body of samples that stand by name.
fn write(samples: &[NewestSample], format: Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut writer = Writer::new(format, &mut body);
    let mut family = ("", Kind::Unknown);
    let mut labels: Vec<Label<'_>> = Vec::new();
    for one in samples {
        let name = one.labels.get(METRIC_NAME);
        if name.is_empty() {
            continue;
        }
        if (name, kind(&one.value)) != family {
            family = (name, kind(&one.value));
            writer.family(&Family {
                name: Cow::Borrowed(name),
                kind: family.1,
                ..Family::default()
            })?;
        }
        labels.clear();
        let label = |name, value| Label {
            name: Cow::Borrowed(name),
            value: Cow::Borrowed(value),
        };
        let told = one.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        labels.extend(told.map(|(name, value)| label(name, value)));
        if one.labels.get("instance").is_empty() {
            labels.push(label("instance", ""));
        }
        writer.sample(&Sample {
            name,
            labels: &labels,
            time: Some(one.time),
            start: None,
            value: one.value.clone(),
            exemplars: &[],
        })?;
    }
    writer.end()?;
    Ok(body)
}

fn kind(value: &SampleValue) -> Kind {
    match value {
        SampleValue::Float(_) => Kind::Unknown,
        SampleValue::Histogram(histogram) if histogram.hint == ResetHint::Gauge => {
            Kind::GaugeHistogram
        }
        SampleValue::Histogram(_) => Kind::Histogram,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    fn sample(labels: &[(&str, &str)], time: i64, value: f64) -> NewestSample {
        NewestSample {
            labels: labels.iter().copied().collect(),
            time,
            value: SampleValue::Float(value),
        }
    }

    /// A native histogram with one bucket above zero.
    fn histogram(name: &str, hint: ResetHint) -> NewestSample {
        let histogram = sonde_proto::Histogram {
            hint,
            schema: 3,
            count: 4.0,
            sum: 2.5,
            positive: sonde_proto::Buckets {
                spans: vec![sonde_proto::BucketSpan {
                    offset: -2,
                    length: 1,
                }],
                counts: vec![4.0],
            },
            ..Default::default()
        };
        NewestSample {
            labels: [("__name__", name), ("job", "x")].into_iter().collect(),
            time: 1500,
            value: SampleValue::Histogram(histogram.into()),
        }
    }

    #[derive(Default)]
    struct Found(Vec<Kind>, Vec<SampleValue>);

    impl sonde_exposition::Sink for Found {
        fn family(&mut self, family: &Family<'_>) -> ControlFlow<()> {
            self.0.push(family.kind);
            ControlFlow::Continue(())
        }

        fn sample(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
            self.1.push(sample.value.clone());
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn native_histograms_are_told_in_protobuf_only() {
        let samples = [
            sample(&[("__name__", "a")], 1, 1.0),
            histogram("a", ResetHint::Unknown),
            histogram("b", ResetHint::Gauge),
        ];
        let text = write(&samples, negotiate(None)).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "# TYPE a untyped\na{instance=\"\"} 1 1\n");
        let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let answer = negotiate(Some(accept));
        let body = write(&samples, answer).unwrap();
        let mut found = Found::default();
        let options = sonde_exposition::Options::default();
        let format = answer.protocol.format();
        sonde_exposition::read(format, &body, &options, &mut found).unwrap();
        let kinds = [Kind::Unknown, Kind::Histogram, Kind::GaugeHistogram];
        let values = samples.iter().map(|one| one.value.clone());
        assert_eq!((found.0, found.1), (kinds.to_vec(), values.collect()));
    }

    #[test]
    fn samples_are_written_in_the_format_that_is_asked_for() {
        let samples = [
            sample(&[("job", "nameless")], 1, 1.0),
            sample(
                &[("__name__", "a"), ("instance", "h"), ("Z", "1")],
                1500,
                2.0,
            ),
            sample(&[("__name__", "a"), ("job", "x\"y")], 1500, f64::INFINITY),
            sample(&[("__name__", "b.c")], -1, 1e21),
        ];
        let check = |accept: Option<&str>, expected: &str| {
            let written = write(&samples, negotiate(accept)).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        };
        check(
            None,
            "# TYPE a untyped\na{Z=\"1\",instance=\"h\"} 2 1500\n\
             a{job=\"x\\\"y\",instance=\"\"} +Inf 1500\n\
             # TYPE b_c untyped\nb_c{instance=\"\"} 1e+21 -1\n",
        );
        check(
            Some("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"),
            "# TYPE a unknown\na{Z=\"1\",instance=\"h\"} 2.0 1.500\n\
             a{job=\"x\\\"y\",instance=\"\"} +Inf 1.500\n\
             # TYPE \"b.c\" unknown\n{\"b.c\",instance=\"\"} 1e+21 -0.001\n# EOF\n",
        );
    }
}
