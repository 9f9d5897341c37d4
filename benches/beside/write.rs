//! Prometheus' remote write 1.0, from the sender's side: the messages of
//! `prompb/remote.proto` and the headers of its specification.

use crate::Failure;
use crate::data::{Host, SERIES_PER_HOST, STEP, Series, Size, instance};
use crate::otlp;
use crate::program::{Program, Which};
use prost::Message;

/// How many samples Prometheus sends at once, unless told otherwise.
pub(crate) const SAMPLES_PER_REQUEST: usize = 2_000;
/// How many requests are under way at once; a series is always sent by the same one.
pub(crate) const SENDERS: usize = 4;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
}

/// Sends one request and waits for its acknowledgement.
pub(crate) async fn send(program: &Program, request: &WriteRequest) -> Result<(), Failure> {
    let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec())?;
    let answer = program
        .http()
        .post(program.url("/api/v1/write"))
        .header("content-encoding", "snappy")
        .header("content-type", "application/x-protobuf")
        .header("x-prometheus-remote-write-version", "0.1.0")
        .body(body)
        .send()
        .await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let why = answer.text().await.unwrap_or_default();
    Err(format!("{} refused samples: {status} {why}", program.name()).into())
}

/// The labels of each of a host's series, as they are sent.
pub(crate) fn labels_of(host: &Host) -> Vec<Vec<Label>> {
    let label = |(name, value): &(&str, String)| Label {
        name: (*name).to_owned(),
        value: value.clone(),
    };
    let of_series = |series: &Series| series.labels.iter().map(label).collect();
    host.series.iter().map(of_series).collect()
}

/// By which door samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    RemoteWrite,
    Otlp,
}

impl Door {
    /// Who is compared by which, ours first.
    pub(crate) fn all() -> Vec<(Which, Self)> {
        let others = Which::all().into_iter().skip(1);
        let others = others.map(|which| (which, Self::RemoteWrite));
        let ours = [Self::RemoteWrite, Self::Otlp].map(|door| (Which::Sonde, door));
        ours.into_iter().chain(others).collect()
    }

    pub(crate) fn title(self, which: Which) -> String {
        match self {
            Self::RemoteWrite => which.name().to_owned(),
            Self::Otlp => format!("{} by OTLP", which.name()),
        }
    }

    /// Sends all samples up to `last`, and waits until they can be found.
    pub(crate) async fn send_all(
        self,
        program: &Program,
        size: Size,
        last: i64,
    ) -> Result<(), Failure> {
        match self {
            Self::RemoteWrite => send_all(program, size, last).await?,
            Self::Otlp => otlp::send_all(program, size, last).await?,
        }
        until_newest(program, size, last).await
    }
}

/// Waits until the samples that each sender sent last can be found. To ask for all of them again
/// and again would be more work than to take them.
pub(crate) async fn until_newest(program: &Program, size: Size, last: i64) -> Result<(), Failure> {
    let hosts = size.hosts();
    let newest = hosts.saturating_sub(SENDERS)..hosts;
    let names: Vec<_> = newest.map(instance).collect();
    let query = format!("count(up{{instance=~\"{}\"}})", names.join("|"));
    program
        .until(&query, last as f64 / 1e3, names.len() as f64)
        .await
}

/// Waits until every series can be found that was sent.
pub(crate) async fn until_all(program: &Program, size: Size, last: i64) -> Result<(), Failure> {
    let every = r#"count({__name__=~".+",instance=~"host-.+"})"#;
    let series = (size.hosts() * SERIES_PER_HOST) as f64;
    program.until(every, last as f64 / 1e3, series).await
}

/// Sends all samples up to `last`, a step of all hosts after the other as scrapes come.
async fn send_all(program: &Program, size: Size, last: i64) -> Result<(), Failure> {
    let senders = (0..SENDERS).map(|sender| send_share(program, size, last, sender));
    futures::future::try_join_all(senders).await?;
    Ok(())
}

async fn send_share(
    program: &Program,
    size: Size,
    last: i64,
    sender: usize,
) -> Result<(), Failure> {
    let mut hosts: Vec<_> = (sender..size.hosts())
        .step_by(SENDERS)
        .map(Host::new)
        .collect();
    let labels: Vec<_> = hosts.iter().map(labels_of).collect();
    let (mut request, mut values) = (WriteRequest::default(), Vec::new());
    for step in 0..size.steps {
        let timestamp = last - (size.steps - 1 - step) as i64 * STEP;
        for (host, labels) in hosts.iter_mut().zip(&labels) {
            host.step(&mut values);
            for (labels, value) in labels.iter().zip(&values) {
                request.timeseries.push(TimeSeries {
                    labels: labels.clone(),
                    samples: vec![Sample {
                        value: *value,
                        timestamp,
                    }],
                });
                if request.timeseries.len() == SAMPLES_PER_REQUEST {
                    send(program, &request).await?;
                    request.timeseries.clear();
                }
            }
        }
        if !request.timeseries.is_empty() {
            send(program, &request).await?;
            request.timeseries.clear();
        }
    }
    Ok(())
}
