//! One scan: what of which records is asked of the source for an aggregation over a range.

use crate::ast::{Grouping, LabelFilter, LabelFormatValue, RangeAggregation, RangeOp, Stage};
use crate::eval::lattice::Lattice;
use crate::eval::limits::EvalError;
use crate::eval::slide::Wanted as Windows;
use crate::filter::LineFilter;
use crate::pipeline::{ERROR, Pipeline, PipelineLimits, Unwrapper, Wanted};
use crate::source::Needs;
use crate::value::Grid;

/// What the series of an aggregation are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// By these labels, by name.
    Only(Vec<String>),
    /// By all but these.
    AllBut(Vec<String>),
}

/// An aggregation over a range, ready to be carried out.
#[derive(Debug)]
pub(crate) struct Compiled<'q> {
    pub(crate) aggregation: &'q RangeAggregation,
    pub(crate) lattice: Lattice,
    pub(crate) windows: Windows,
    pub(crate) filters: Vec<LineFilter>,
    pub(crate) pipeline: Pipeline,
    pub(crate) unwrapper: Option<Unwrapper>,
    pub(crate) keep: Keep,
    /// Lines that a parser could not read count as others do: the query looks at mistakes, and
    /// its series are told apart by names.
    pub(crate) keeps_unreadable: bool,
    /// A stage keeps the first record of its kind.
    pub(crate) needs_order: bool,
    pub(crate) needs: Needs,
    /// Which names of structured metadata can matter, where it is known.
    pub(crate) metadata: Option<Vec<String>>,
}

impl<'q> Compiled<'q> {
    /// `outer` is the grouping of an aggregation over series that is carried out at once.
    pub(crate) fn new(
        aggregation: &'q RangeAggregation,
        outer: Option<&Grouping>,
        grid: &Grid,
        limits: &PipelineLimits,
    ) -> Result<Self, EvalError> {
        let Some(lattice) = Lattice::new(grid, aggregation.range, aggregation.offset) else {
            return Err(EvalError::Query(
                "the range must be above zero, and range and time together below 292 years; ask for a shorter time".to_owned(),
            ));
        };
        let keep = Keep::new(aggregation, outer);
        let unwrapper = match &aggregation.unwrap {
            Some(unwrap) => Some(Unwrapper::compile(unwrap).map_err(query)?),
            None if needs_value(aggregation.op) => {
                return Err(EvalError::Query(format!(
                    "{} needs a number of each line: add | unwrap label",
                    name(aggregation.op)
                )));
            }
            None => None,
        };
        let mut wanted = match &keep {
            Keep::Only(names) => Wanted::Only(names.clone()),
            Keep::AllBut(_) => Wanted::All,
        };
        if let Some(unwrapper) = &unwrapper {
            unwrapper.wants(&mut wanted);
        }
        let (filters, rest) = leading_filters(&aggregation.log.stages)?;
        let pipeline = Pipeline::compile_wanted(rest, limits, &wanted).map_err(query)?;
        let mut compiled = Self {
            aggregation,
            lattice,
            windows: Windows {
                op: aggregation.op,
                parameter: aggregation.parameter.unwrap_or(f64::NAN),
                range: aggregation.range,
            },
            filters,
            keeps_unreadable: mentions_errors(aggregation, &keep),
            pipeline,
            needs_order: rest.iter().any(|stage| matches!(stage, Stage::Distinct(_))),
            unwrapper,
            keep,
            needs: Needs::default(),
            metadata: None,
        };
        compiled.needs = compiled.needed();
        compiled.metadata = compiled.metadata_names();
        Ok(compiled)
    }

    /// Whether records count as they come: no stage, and no value.
    pub(crate) fn counts_only(&self) -> bool {
        self.pipeline.is_empty() && self.unwrapper.is_none()
    }

    /// What a record must come with where its stream says nothing more.
    fn needed(&self) -> Needs {
        let bytes = self.counts_bytes();
        let by_metadata = self.keep != Keep::Only(Vec::new());
        if self.counts_only() {
            return Needs {
                lengths: bytes,
                lines: bytes && by_metadata,
                metadata: by_metadata,
            };
        }
        let needs = self.pipeline.needs();
        let lines = needs.lines || bytes;
        Needs {
            lengths: false,
            lines,
            // Stages run on records: one of the two makes the source give these.
            metadata: needs.metadata || by_metadata || self.unwrapper.is_some() || !lines,
        }
    }

    /// Whether lines' lengths are what is added up.
    pub(crate) fn counts_bytes(&self) -> bool {
        matches!(self.aggregation.op, RangeOp::Bytes | RangeOp::BytesRate)
    }

    /// Only where no stage could look at others.
    fn metadata_names(&self) -> Option<Vec<String>> {
        match &self.keep {
            Keep::Only(names) if self.counts_only() && self.needs.metadata => {
                let bases = names.iter().filter_map(|name| name.strip_suffix(SUFFIX));
                let bases: Vec<String> = bases.map(str::to_owned).collect();
                Some(names.iter().cloned().chain(bases).collect())
            }
            _ => None,
        }
    }
}

/// What is put behind the name of metadata that is the name of a label of the stream too.
const SUFFIX: &str = "_extracted";

impl Keep {
    fn new(aggregation: &RangeAggregation, outer: Option<&Grouping>) -> Self {
        if aggregation.op == RangeOp::Absent {
            return Self::Only(Vec::new());
        }
        let grouping = outer.or(aggregation.grouping.as_ref());
        // The label that holds the number tells nothing apart, unless it is asked for by name.
        let number = aggregation.unwrap.iter().map(|unwrap| unwrap.label.clone());
        match grouping {
            None => Self::AllBut(number.collect()),
            Some(Grouping {
                is_without: true,
                labels,
            }) => Self::AllBut(labels.iter().cloned().chain(number).collect()),
            Some(Grouping { labels, .. }) => {
                let mut labels = labels.clone();
                labels.sort_unstable();
                labels.dedup();
                Self::Only(labels)
            }
        }
    }

    /// Whether metadata of a record may change its series, where its stream has these labels.
    pub(crate) fn looks_at_metadata(&self, stream: &sonde_proto::Labels) -> bool {
        match self {
            Self::AllBut(_) => true,
            // A label of the stream keeps its name; metadata of the same name gets another.
            Self::Only(names) => names.iter().any(|name| stream.get(name).is_empty()),
        }
    }
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Only(names) => write!(f, "by ({})", names.join(", ")),
            Self::AllBut(names) if names.is_empty() => f.write_str("all labels"),
            Self::AllBut(names) => write!(f, "without ({})", names.join(", ")),
        }
    }
}

/// The line filters that see lines as they came, and the stages behind them.
fn leading_filters(stages: &[Stage]) -> Result<(Vec<LineFilter>, &[Stage]), EvalError> {
    let patterns = crate::filter::patterns(stages);
    let mut filters = Vec::new();
    let mut rest = stages;
    while let [Stage::Line(filter), behind @ ..] = rest {
        filters.push(LineFilter::compile_beside(filter, patterns).map_err(query)?);
        rest = behind;
    }
    Ok((filters, rest))
}

fn query(error: impl std::fmt::Display) -> EvalError {
    EvalError::Query(error.to_string())
}

fn needs_value(op: RangeOp) -> bool {
    match op {
        RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Absent => {
            false
        }
        RangeOp::RateCounter
        | RangeOp::Avg
        | RangeOp::Sum
        | RangeOp::Min
        | RangeOp::Max
        | RangeOp::Stddev
        | RangeOp::Stdvar
        | RangeOp::Quantile
        | RangeOp::First
        | RangeOp::Last => true,
    }
}

/// The function as it is written.
fn name(op: RangeOp) -> &'static str {
    match op {
        RangeOp::Count => "count_over_time",
        RangeOp::Rate => "rate",
        RangeOp::RateCounter => "rate_counter",
        RangeOp::Bytes => "bytes_over_time",
        RangeOp::BytesRate => "bytes_rate",
        RangeOp::Avg => "avg_over_time",
        RangeOp::Sum => "sum_over_time",
        RangeOp::Min => "min_over_time",
        RangeOp::Max => "max_over_time",
        RangeOp::Stddev => "stddev_over_time",
        RangeOp::Stdvar => "stdvar_over_time",
        RangeOp::Quantile => "quantile_over_time",
        RangeOp::First => "first_over_time",
        RangeOp::Last => "last_over_time",
        RangeOp::Absent => "absent_over_time",
    }
}

/// Whether the query looks at mistakes of its stages, and so says what to do with them.
fn mentions_errors(aggregation: &RangeAggregation, keep: &Keep) -> bool {
    let Keep::Only(names) = keep else {
        return false;
    };
    let stages = aggregation.log.stages.iter().any(stage_mentions_errors);
    let mut filters = aggregation.unwrap.iter().flat_map(|unwrap| &unwrap.filters);
    stages || filters.any(filter_mentions_errors) || names.iter().any(|name| name == ERROR)
}

fn stage_mentions_errors(stage: &Stage) -> bool {
    match stage {
        Stage::Label(filter) => filter_mentions_errors(filter),
        Stage::LineFormat(template) => template.contains(ERROR),
        Stage::LabelFormat(formats) => formats.iter().any(|format| match &format.value {
            LabelFormatValue::Rename(name) => name == ERROR,
            LabelFormatValue::Template(text) => text.contains(ERROR),
        }),
        _ => false,
    }
}

fn filter_mentions_errors(filter: &LabelFilter) -> bool {
    match filter {
        LabelFilter::And(a, b) | LabelFilter::Or(a, b) => {
            filter_mentions_errors(a) || filter_mentions_errors(b)
        }
        LabelFilter::Text(matcher) => matcher.name == ERROR,
        LabelFilter::Number(c) | LabelFilter::Duration(c) | LabelFilter::Bytes(c) => {
            c.name == ERROR
        }
        LabelFilter::Ip { name, .. } => name == ERROR,
    }
}
