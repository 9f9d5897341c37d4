//! From an expression to its columns.

use crate::ast::{
    Binary, BinaryOp, Grouping, MetricExpr, RangeAggregation, RangeOp, VectorAggregation, VectorOp,
};
use crate::eval::cell::{State, Tally};
use crate::eval::column::{ABSENT, Column, is_absent, label_bytes};
use crate::eval::limits::{Budget, EvalError, Work};
use crate::eval::pick::Order;
use crate::eval::scan::Compiled;
use crate::eval::sink::RangeSink;
use crate::eval::slide::Windowed;
use crate::eval::table::Table;
use crate::eval::{aggregate, binary, held, pick, replace, set};
use crate::source::{Scan, Scanned, Source};
use crate::value::Grid;
use ahash::AHashMap;
use sonde_proto::{Labels, MatchOp, Matcher};

/// What an expression is.
pub(crate) enum Operand {
    Number(f64),
    Columns(Vec<Column>),
}

/// Evaluates expressions against one source, within one budget.
pub(crate) struct Engine<'q, S> {
    pub(crate) source: &'q S,
    pub(crate) grid: &'q Grid,
    pub(crate) budget: &'q Budget,
    pub(crate) scanned: Scanned,
    pub(crate) scans: usize,
    /// How often each scan of the expression occurs, and what it gave where it is asked again.
    pub(crate) shared: AHashMap<String, Shared>,
}

/// A scan that occurs more than once.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) uses: usize,
    pub(crate) columns: Option<Vec<Column>>,
}

impl<S: Source> Engine<'_, S> {
    pub(crate) fn eval(&mut self, expr: &MetricExpr) -> Result<Operand, EvalError> {
        self.budget.look()?;
        Ok(Operand::Columns(match expr {
            MetricExpr::Number(number) => return Ok(Operand::Number(*number)),
            MetricExpr::Vector(number) => {
                self.budget.keep_results(self.grid.len())?;
                vec![Column {
                    labels: Labels::empty(),
                    values: vec![*number; self.grid.len()],
                }]
            }
            MetricExpr::Range(range) => self.range(range, None)?,
            MetricExpr::Aggregate(aggregation) => self.aggregate(aggregation)?,
            MetricExpr::Binary(b) => return self.binary(b),
            MetricExpr::LabelReplace(call) => {
                let columns = self.columns(&call.expr)?;
                replace::replace(call, columns, self.budget)?
            }
        }))
    }

    fn columns(&mut self, expr: &MetricExpr) -> Result<Vec<Column>, EvalError> {
        match self.eval(expr)? {
            Operand::Columns(columns) => Ok(columns),
            Operand::Number(number) => Err(EvalError::Query(format!(
                "{number} is a number where series are needed; vector({number}) makes a series of it"
            ))),
        }
    }

    fn aggregate(&mut self, aggregation: &VectorAggregation) -> Result<Vec<Column>, EvalError> {
        if let Some((range, grouping)) = merged(aggregation) {
            return self.range(range, Some(grouping));
        }
        let columns = self.columns(&aggregation.expr)?;
        let grouping = aggregation.grouping.as_ref();
        let count = aggregation.parameter.unwrap_or(0);
        let budget = self.budget;
        Ok(match aggregation.op {
            VectorOp::Topk | VectorOp::ApproxTopk => {
                pick::pick(Order::Descending, count, columns, grouping, budget)?
            }
            VectorOp::Bottomk => pick::pick(Order::Ascending, count, columns, grouping, budget)?,
            VectorOp::Sort => sorted(Order::Ascending, columns),
            VectorOp::SortDesc => sorted(Order::Descending, columns),
            VectorOp::Sum
            | VectorOp::Avg
            | VectorOp::Min
            | VectorOp::Max
            | VectorOp::Count
            | VectorOp::Stddev
            | VectorOp::Stdvar => aggregate::fold(aggregation.op, columns, grouping, budget)?,
        })
    }

    fn binary(&mut self, b: &Binary) -> Result<Operand, EvalError> {
        let (left, right) = (self.eval(&b.left)?, self.eval(&b.right)?);
        let is_set = matches!(b.op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless);
        Ok(Operand::Columns(match (left, right) {
            (Operand::Columns(left), Operand::Columns(right)) if is_set => {
                set::combine(b.op, &b.matching, left, right, self.budget)?
            }
            (Operand::Columns(left), Operand::Columns(right)) => {
                binary::vectors(b, left, right, self.budget)?
            }
            (_, _) if is_set => {
                return Err(EvalError::Query(
                    "and, or and unless go between series only; vector(n) makes a series of a number".to_owned(),
                ));
            }
            (Operand::Number(left), Operand::Number(right)) => {
                return Ok(Operand::Number(binary::apply(b.op, left, right)));
            }
            (Operand::Number(number), Operand::Columns(columns)) => {
                binary::with_number(b, number, binary::Side::Left, columns)
            }
            (Operand::Columns(columns), Operand::Number(number)) => {
                binary::with_number(b, number, binary::Side::Right, columns)
            }
        }))
    }

    /// An aggregation over a range, from its own scan or from that of an equal one.
    fn range(
        &mut self,
        range: &RangeAggregation,
        outer: Option<&Grouping>,
    ) -> Result<Vec<Column>, EvalError> {
        let key = scan_key(range, outer);
        let shared = self.shared.get(&key);
        if let Some(columns) = shared.and_then(|shared| shared.columns.as_ref()) {
            for column in columns {
                self.budget.keep_results(column.values.len())?;
            }
            return Ok(columns.clone());
        }
        let compiled = Compiled::new(range, outer, self.grid, &self.budget.limits.pipeline)?;
        let columns = if compiled.unwrapper.is_some() && range.op != RangeOp::Absent {
            self.scan::<State>(&compiled)?
        } else {
            self.scan::<Tally>(&compiled)?
        };
        let columns = match range.op {
            RangeOp::Absent => self.absent(range, &columns)?,
            _ => columns,
        };
        if let Some(shared) = self.shared.get_mut(&key).filter(|shared| shared.uses > 1) {
            for column in &columns {
                self.budget.keep_results(column.values.len())?;
            }
            shared.columns = Some(columns.clone());
        }
        Ok(columns)
    }

    fn scan<C: Windowed>(&mut self, compiled: &Compiled<'_>) -> Result<Vec<Column>, EvalError> {
        let aggregation = compiled.aggregation;
        let (start, end) = compiled.lattice.bounds(self.grid, aggregation.offset);
        let mut table = Table::<C>::new(compiled.lattice.buckets());
        self.scans += 1;
        if start < end {
            let scan = Scan {
                matchers: &aggregation.log.matchers,
                filters: &compiled.filters,
                start,
                end,
                needs: compiled.needs,
                metadata: compiled.metadata.as_deref(),
                equalities: compiled.pipeline.equalities(),
            };
            let budget = self.budget;
            let make = || RangeSink::<C>::new(compiled, budget);
            let (sinks, scanned) = self.source.scan(&scan, make)?;
            self.scanned.records += scanned.records;
            self.scanned.bytes += scanned.bytes;
            self.scanned.cut = self.scanned.cut.take().or(scanned.cut);
            let mut held = Vec::new();
            for (at, mut sink) in sinks.into_iter().enumerate() {
                held.extend(sink.held.take());
                let found = sink.finish()?;
                if at == 0 {
                    table = found;
                } else {
                    table.merge(budget, found)?;
                }
            }
            if compiled.needs_order {
                let mut sink = make();
                sink.held = None;
                held::release(&held, &mut sink)?;
                table = sink.finish()?;
            }
        }
        self.windows(compiled, table)
    }

    fn windows<C: Windowed>(
        &self,
        compiled: &Compiled<'_>,
        table: Table<C>,
    ) -> Result<Vec<Column>, EvalError> {
        let mut work = Work::default();
        let mut columns = Vec::new();
        for mut series in table.into_series() {
            self.budget.keep_results(self.grid.len())?;
            let mut values = vec![ABSENT; self.grid.len()];
            C::windows(
                &mut series,
                &compiled.lattice,
                &compiled.windows,
                &mut values,
                self.budget,
                &mut work,
            )?;
            columns.push(Column {
                labels: series.labels,
                values,
            });
        }
        columns.retain(|column| !column.is_blank());
        columns.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(columns)
    }

    /// One where there is nothing, nothing where there is something.
    fn absent(
        &self,
        range: &RangeAggregation,
        columns: &[Column],
    ) -> Result<Vec<Column>, EvalError> {
        let labels = absent_labels(&range.log.matchers);
        self.budget.keep_labels(label_bytes(&labels))?;
        self.budget.keep_results(self.grid.len())?;
        let mut values = vec![1.0; self.grid.len()];
        for column in columns {
            for (value, present) in values.iter_mut().zip(&column.values) {
                if !is_absent(*present) {
                    *value = ABSENT;
                }
            }
        }
        let column = Column { labels, values };
        Ok(if column.is_blank() {
            Vec::new()
        } else {
            vec![column]
        })
    }
}

fn sorted(order: Order, mut columns: Vec<Column>) -> Vec<Column> {
    pick::sort(order, &mut columns);
    columns
}

/// What tells scans apart.
pub(crate) fn scan_key(range: &RangeAggregation, outer: Option<&Grouping>) -> String {
    format!("{range:?} {outer:?}")
}

/// One group.
static ONE_GROUP: Grouping = Grouping {
    is_without: false,
    labels: Vec::new(),
};

/// Where an aggregation over series can be carried out while records come in: sums of what is
/// added up anyway, the most of the most, the least of the least.
pub(crate) fn merged(aggregation: &VectorAggregation) -> Option<(&RangeAggregation, &Grouping)> {
    let MetricExpr::Range(range) = &aggregation.expr else {
        return None;
    };
    let grouping = aggregation.grouping.as_ref().unwrap_or(&ONE_GROUP);
    let names_number = range
        .unwrap
        .iter()
        .any(|unwrap| !grouping.is_without && grouping.labels.contains(&unwrap.label));
    let fits = match (aggregation.op, range.op) {
        (
            VectorOp::Sum,
            RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum,
        ) => true,
        (VectorOp::Max, RangeOp::Max) | (VectorOp::Min, RangeOp::Min) => !names_number,
        _ => false,
    };
    (fits && range.grouping.is_none()).then_some((range, grouping))
}

/// The labels that the selector demands, where it says so once only.
fn absent_labels(matchers: &[Matcher]) -> Labels {
    let certain = |matcher: &&Matcher| {
        matcher.op == MatchOp::Equal
            && matchers
                .iter()
                .filter(|other| other.name == matcher.name)
                .count()
                == 1
    };
    let matchers = matchers.iter().filter(certain);
    matchers
        .map(|matcher| (&matcher.name, &matcher.value))
        .collect()
}
