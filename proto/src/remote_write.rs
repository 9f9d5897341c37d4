//! Prometheus' remote write, written: the messages of
//! [1.0](https://prometheus.io/docs/specs/prw/remote_write_spec/) and
//! [2.0](https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/), as far as Sonde keeps
//! what they hold. They are read in place by [`crate::walk::remote_write`].

mod histogram;

pub use histogram::{HistogramMessage, Span};

use crate::histogram::Histogram;
use crate::snappy::{self, SnappyError};
use prost::Message as _;
use std::collections::HashMap;

/// Which of the two protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// `prometheus.WriteRequest`: every series with its labels' texts.
    V1,
    /// `io.prometheus.write.v2.Request`: every text once, labels as numbers of texts.
    V2,
}

impl Version {
    /// Both, the older first.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// The full name of the protocol's message, as in `Content-Type`.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::V1 => "prometheus.WriteRequest",
            Self::V2 => "io.prometheus.write.v2.Request",
        }
    }
}

/// Names and values of labels.
pub type Pairs = Vec<(String, String)>;

/// A series to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Names and values; the protocol wants them sorted by name.
    pub labels: Pairs,
    /// Times in milliseconds, and values.
    pub samples: Vec<(i64, f64)>,
    /// Labels, time and value of each.
    pub exemplars: Vec<(Pairs, i64, f64)>,
    /// Times in milliseconds, and native histograms.
    pub histograms: Vec<(i64, Histogram)>,
    /// Times, and since when samples and histograms at them count. 1.0 does not write it.
    pub starts: Vec<(i64, i64)>,
    /// What the series' metric means.
    pub metadata: Option<Metadata>,
}

/// What a metric means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The number of its kind: 1 counter, 2 gauge, 3 histogram, 5 summary.
    pub kind: i32,
    /// The metric's name. 2.0 does not write it: it is the series'.
    pub name: String,
    /// What it tells.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

/// A request with these series, as its protobuf.
#[must_use]
pub fn request(version: Version, series: &[Series]) -> Vec<u8> {
    match version {
        Version::V1 => v1::WriteRequest::of(series).encode_to_vec(),
        Version::V2 => v2::Request::of(series).encode_to_vec(),
    }
}

/// A request with these series, as it is sent.
///
/// # Errors
/// [`SnappyError::TooLarge`] for 4 GiB and more.
pub fn body(version: Version, series: &[Series]) -> Result<Vec<u8>, SnappyError> {
    snappy::packed(&request(version, series))
}

/// The messages of 1.0.
pub mod v1 {
    #![expect(missing_docs, reason = "the protocol describes its fields")]

    /// What is sent.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub metadata: Vec<MetricMetadata>,
    }

    /// Samples with the same labels.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub exemplars: Vec<Exemplar>,
        #[prost(message, repeated, tag = "4")]
        pub histograms: Vec<super::HistogramMessage>,
    }

    /// A label.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Label {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }

    /// A value at a time.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(double, tag = "1")]
        pub value: f64,
        #[prost(int64, tag = "2")]
        pub timestamp: i64,
    }

    /// A value with labels of its own.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub labels: Vec<Label>,
        #[prost(double, tag = "2")]
        pub value: f64,
        #[prost(int64, tag = "3")]
        pub timestamp: i64,
    }

    /// What a metric means.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub r#type: i32,
        #[prost(string, tag = "2")]
        pub metric_family_name: String,
        #[prost(string, tag = "4")]
        pub help: String,
        #[prost(string, tag = "5")]
        pub unit: String,
    }

    fn labels(pairs: &[(String, String)]) -> Vec<Label> {
        let label = |(name, value): &(String, String)| Label {
            name: name.clone(),
            value: value.clone(),
        };
        pairs.iter().map(label).collect()
    }

    impl WriteRequest {
        /// A request with these series.
        #[must_use]
        pub fn of(series: &[super::Series]) -> Self {
            let metadata = series.iter().filter_map(|s| s.metadata.as_ref());
            let metadata = metadata.map(|m| MetricMetadata {
                r#type: m.kind,
                metric_family_name: m.name.clone(),
                help: m.help.clone(),
                unit: m.unit.clone(),
            });
            Self {
                timeseries: series.iter().map(TimeSeries::of).collect(),
                metadata: metadata.collect(),
            }
        }
    }

    impl TimeSeries {
        fn of(series: &super::Series) -> Self {
            let samples = series.samples.iter();
            let exemplars = series.exemplars.iter();
            Self {
                labels: labels(&series.labels),
                samples: samples
                    .map(|&(timestamp, value)| Sample { value, timestamp })
                    .collect(),
                exemplars: exemplars
                    .map(|(pairs, timestamp, value)| Exemplar {
                        labels: labels(pairs),
                        value: *value,
                        timestamp: *timestamp,
                    })
                    .collect(),
                histograms: super::messages(&series.histograms),
            }
        }
    }
}

/// The messages of 2.0.
pub mod v2 {
    #![expect(missing_docs, reason = "the protocol describes its fields")]

    use super::Symbols;

    /// What is sent.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Request {
        #[prost(string, repeated, tag = "4")]
        pub symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub timeseries: Vec<TimeSeries>,
    }

    /// Samples with the same labels.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TimeSeries {
        #[prost(uint32, repeated, tag = "1")]
        pub labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub histograms: Vec<super::HistogramMessage>,
        #[prost(message, repeated, tag = "4")]
        pub exemplars: Vec<Exemplar>,
        #[prost(message, optional, tag = "5")]
        pub metadata: Option<Metadata>,
        /// Of all samples that have no start of their own; from before these could.
        #[prost(int64, tag = "6")]
        pub created_timestamp: i64,
    }

    /// A value at a time.
    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(double, tag = "1")]
        pub value: f64,
        #[prost(int64, tag = "2")]
        pub timestamp: i64,
        #[prost(int64, tag = "3")]
        pub start_timestamp: i64,
    }

    /// A value with labels of its own.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Exemplar {
        #[prost(uint32, repeated, tag = "1")]
        pub labels_refs: Vec<u32>,
        #[prost(double, tag = "2")]
        pub value: f64,
        #[prost(int64, tag = "3")]
        pub timestamp: i64,
    }

    /// What the series' metric means.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Metadata {
        #[prost(int32, tag = "1")]
        pub r#type: i32,
        #[prost(uint32, tag = "3")]
        pub help_ref: u32,
        #[prost(uint32, tag = "4")]
        pub unit_ref: u32,
    }

    impl Request {
        /// A request with these series.
        #[must_use]
        pub fn of(series: &[super::Series]) -> Self {
            let mut symbols = Symbols::default();
            symbols.of("");
            let timeseries = series.iter().map(|one| TimeSeries::of(one, &mut symbols));
            Self {
                timeseries: timeseries.collect(),
                symbols: symbols.texts,
            }
        }
    }

    impl TimeSeries {
        fn of(series: &super::Series, symbols: &mut Symbols) -> Self {
            let samples = series.samples.iter();
            let labels_refs = symbols.pairs(&series.labels);
            let metadata = series.metadata.as_ref().map(|m| Metadata {
                r#type: m.kind,
                help_ref: symbols.of(&m.help),
                unit_ref: symbols.of(&m.unit),
            });
            let exemplars = series.exemplars.iter();
            let exemplars = exemplars.map(|(pairs, timestamp, value)| Exemplar {
                labels_refs: symbols.pairs(pairs),
                value: *value,
                timestamp: *timestamp,
            });
            let start = |time: i64| {
                let known = series.starts.iter().find(|(at, _)| *at == time);
                known.map_or(0, |(_, start)| *start)
            };
            let samples = samples.map(|&(timestamp, value)| Sample {
                value,
                timestamp,
                start_timestamp: start(timestamp),
            });
            let mut histograms = super::messages(&series.histograms);
            for histogram in &mut histograms {
                histogram.start_timestamp = start(histogram.timestamp);
            }
            Self {
                exemplars: exemplars.collect(),
                labels_refs,
                samples: samples.collect(),
                histograms,
                metadata,
                created_timestamp: 0,
            }
        }
    }
}

fn messages(histograms: &[(i64, Histogram)]) -> Vec<HistogramMessage> {
    let messages = histograms.iter();
    messages
        .map(|(time, histogram)| HistogramMessage::of(*time, histogram))
        .collect()
}

/// Every text once.
#[derive(Default)]
struct Symbols {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Symbols {
    fn of(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    fn pairs(&mut self, pairs: &[(String, String)]) -> Vec<u32> {
        let both = pairs.iter().flat_map(|(name, value)| [name, value]);
        both.map(|text| self.of(text)).collect()
    }
}
