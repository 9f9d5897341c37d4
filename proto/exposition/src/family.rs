//! What a body holds: families of samples.

use sonde_proto::{Histogram, SampleValue};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// What a family measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Not said; `untyped` in the text format.
    #[default]
    Unknown,
    /// Only rises, or starts anew.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Observations in buckets that only rise.
    Histogram,
    /// Observations in buckets that rise and fall.
    GaugeHistogram,
    /// Quantiles computed by the sender.
    Summary,
    /// What does not change, as labels.
    Info,
    /// One of several states, or several.
    StateSet,
}

impl Kind {
    /// The word of OpenMetrics, which Prometheus' metadata uses as well.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// Whether start times are told by `_created` lines.
    pub(crate) const fn has_created(self) -> bool {
        matches!(self, Self::Counter | Self::Histogram | Self::Summary)
    }

    /// The label whose values are bounds, one for each sample of a group.
    pub(crate) const fn bound_label(self) -> Option<&'static str> {
        match self {
            Self::Histogram | Self::GaugeHistogram => Some("le"),
            Self::Summary => Some("quantile"),
            _ => None,
        }
    }
}

/// What is said of samples of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family<'a> {
    /// As the format gives it: OpenMetrics leaves out the `_total` of a counter.
    pub name: Cow<'a, str>,
    /// What it measures.
    pub kind: Kind,
    /// One line for people, or nothing.
    pub help: Cow<'a, str>,
    /// The unit, which the name ends with, or nothing.
    pub unit: Cow<'a, str>,
}

impl Family<'_> {
    /// Whether a sample of this name is one of the family's.
    #[must_use]
    pub fn has(&self, sample: &str) -> bool {
        let Some(suffix) = sample.strip_prefix(self.name.as_ref()) else {
            return self.kind == Kind::Counter && self.created_name_is(sample);
        };
        match self.kind {
            Kind::Unknown | Kind::Gauge | Kind::StateSet => suffix.is_empty(),
            Kind::Counter => matches!(suffix, "" | "_total" | "_created"),
            Kind::Histogram => matches!(suffix, "" | "_bucket" | "_sum" | "_count" | "_created"),
            Kind::GaugeHistogram => matches!(
                suffix,
                "" | "_bucket" | "_gsum" | "_gcount" | "_sum" | "_count"
            ),
            Kind::Summary => matches!(suffix, "" | "_sum" | "_count" | "_created"),
            Kind::Info => matches!(suffix, "" | "_info"),
        }
    }

    /// The name without a counter's `_total`.
    pub(crate) fn stem(&self) -> &str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// Whether the sample's value is the family's start.
    pub(crate) fn created_name_is(&self, sample: &str) -> bool {
        self.kind.has_created() && sample.strip_prefix(self.stem()) == Some("_created")
    }
}

/// One label of a sample or an exemplar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Any UTF-8 but nothing.
    pub name: Cow<'a, str>,
    /// Any UTF-8. An empty value is the same as no label, to Prometheus.
    pub value: Cow<'a, str>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// With the suffix: `_total`, `_bucket`.
    pub name: &'a str,
    /// In the order of the body, without the name; no two have one name. The bounds of classic
    /// histograms and summaries are written as OpenMetrics writes them (`1.0`, `+Inf`).
    pub labels: &'a [Label<'a>],
    /// Milliseconds since 1970, where the sender says when.
    pub time: Option<i64>,
    /// When counting began, in milliseconds since 1970, where the sender says so.
    pub start: Option<i64>,
    /// The value.
    pub value: SampleValue,
    /// Examples of what was counted.
    pub exemplars: &'a [Exemplar<'a>],
}

/// One thing that was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplar<'a> {
    /// A trace ID, mostly.
    pub labels: Vec<Label<'a>>,
    /// What was observed.
    pub value: f64,
    /// Milliseconds since 1970.
    pub time: Option<i64>,
}

/// What takes the content of a body, in its order.
pub trait Sink {
    /// The samples that follow are of this family. A family may come again, with more said of
    /// it; one of which nothing is said has the name of its sample and [`Kind::Unknown`].
    fn family(&mut self, family: &Family<'_>) -> ControlFlow<()>;

    /// Whether a native histogram is of use. Where it is not, it is given all the same, and the
    /// classic buckets that stand beside it too, whatever the options say.
    fn takes(&self, _: &Histogram) -> bool {
        true
    }

    /// A sample of the family that was told last.
    fn sample(&mut self, sample: &Sample<'_>) -> ControlFlow<()>;
}
