//! How an expression would be evaluated: what is asked of the source, and why.

use crate::ast::{Grouping, MetricExpr, RangeAggregation};
use crate::eval::engine;
use crate::eval::limits::{EvalError, EvalLimits};
use crate::eval::scan::Compiled;
use crate::value::Grid;
use serde::Serialize;

/// How an expression would be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The expression.
    pub query: String,
    /// At how many times it is evaluated.
    pub times: usize,
    /// What is asked of the source, in this order.
    pub scans: Vec<ScanPlan>,
}

/// One scan of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScanPlan {
    /// The aggregation that needs it.
    pub aggregation: String,
    /// How often the expression has it: it is carried out once.
    pub occurrences: usize,
    /// What streams must satisfy.
    pub matchers: Vec<String>,
    /// What lines must satisfy as they came: the store searches for it.
    pub filters: Vec<String>,
    /// Labels or metadata that records must have: the store may search for these too.
    pub equalities: Vec<(String, String)>,
    /// What happens to each line after that.
    pub stages: Vec<String>,
    /// By which labels records are counted.
    pub groups: String,
    /// The earliest time, in nanoseconds since 1970.
    pub start_ns: u64,
    /// The time before which records must be, in nanoseconds since 1970.
    pub end_ns: u64,
    /// How long each window is, in nanoseconds.
    pub window_ns: i64,
    /// Into how many buckets time is cut, so that each window is a run of them.
    pub buckets: usize,
    /// What of the records is read.
    pub reads: Reads,
    /// Which structured metadata can matter, where it is known: streams whose labels have all
    /// of these names, and blocks without any of them, are counted by times alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Vec<String>>,
}

/// What of the records is read, from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// How many there are, and when they were: from columns, without a line.
    Times,
    /// Also how long their lines are: from columns, without a line.
    TimesAndLengths,
    /// Records with their structured metadata, without a line.
    Metadata,
    /// Records with their lines.
    Lines,
    /// Records with their lines and structured metadata.
    LinesAndMetadata,
}

/// Says how an expression would be evaluated, without a source.
///
/// # Errors
/// [`EvalError::Query`] where the expression could not be evaluated at all.
pub fn explain(expr: &MetricExpr, grid: &Grid, limits: &EvalLimits) -> Result<Plan, EvalError> {
    let mut plan = Plan {
        query: expr.to_string(),
        times: grid.len(),
        scans: Vec::new(),
    };
    let mut seen: Vec<String> = Vec::new();
    let mut failed = None;
    super::each_scan(expr, &mut |range, outer| {
        let key = engine::scan_key(range, outer);
        if let Some(at) = seen.iter().position(|known| *known == key) {
            plan.scans[at].occurrences += 1;
            return;
        }
        seen.push(key);
        match scan(range, outer, grid, limits) {
            Ok(scan) => plan.scans.push(scan),
            Err(error) => failed = Some(error),
        }
    });
    failed.map_or(Ok(plan), Err)
}

fn scan(
    range: &RangeAggregation,
    outer: Option<&Grouping>,
    grid: &Grid,
    limits: &EvalLimits,
) -> Result<ScanPlan, EvalError> {
    let compiled = Compiled::new(range, outer, grid, &limits.pipeline)?;
    let (start, end) = compiled.lattice.bounds(grid, range.offset);
    let stages = &range.log.stages[compiled.filters.len()..];
    Ok(ScanPlan {
        aggregation: range.to_string(),
        occurrences: 1,
        matchers: range.log.matchers.iter().map(ToString::to_string).collect(),
        filters: compiled.filters.iter().map(ToString::to_string).collect(),
        equalities: compiled.pipeline.equalities().to_vec(),
        stages: stages
            .iter()
            .map(ToString::to_string)
            .chain(range.unwrap.iter().map(ToString::to_string))
            .collect(),
        groups: compiled.keep.to_string(),
        start_ns: start.0,
        end_ns: end.0,
        window_ns: range.range,
        buckets: compiled.lattice.buckets(),
        reads: Reads::new(&compiled),
        metadata: compiled.metadata,
    })
}

impl Reads {
    fn new(compiled: &Compiled<'_>) -> Self {
        let needs = compiled.needs;
        match (needs.lines, needs.metadata) {
            (true, true) => Self::LinesAndMetadata,
            (true, false) => Self::Lines,
            (false, true) => Self::Metadata,
            (false, false) if needs.lengths => Self::TimesAndLengths,
            (false, false) => Self::Times,
        }
    }
}
