//! Carries out a query on one trace.

mod effort;
mod field;
mod pipeline;
mod several;
mod structure;
mod tree;

use crate::ast::{Field, Intrinsic, Pipeline, Query, Spansets, Stage};
use crate::source::Trace;
use crate::value::{Static, Value, told as told_text};
use effort::Effort;
use pipeline::Set;
use serde::Serialize;
use sonde_proto::{Deadline, SpanId, UnixNanos};
use std::cell::OnceCell;
use tree::Tree;

pub(crate) use field::Comparing;

/// How many span sets of a trace are told: `by` makes as many as there are values.
pub const SPAN_SETS_MAX: usize = 100;

/// A set of spans of one trace that a query found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpanSet {
    /// How many spans it has.
    pub matched: usize,
    /// By what it was made: `by(...)` and the numbers that were compared.
    pub attributes: Vec<(String, Static)>,
    /// The first of its spans.
    pub spans: Vec<MatchedSpan>,
}

/// A span that a query found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatchedSpan {
    /// Its ID.
    pub span_id: SpanId,
    /// What was done.
    pub name: String,
    /// The service it happened in.
    pub service: String,
    /// When it began.
    pub start: UnixNanos,
    /// How long it took.
    pub duration_nanos: u64,
    /// What the query asked of it or selected, where it is there.
    pub attributes: Vec<(String, Static)>,
}

/// Which spans a query looks at, and how many of them are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// They run at or after this time.
    pub start: UnixNanos,
    /// They start before this time.
    pub end: UnixNanos,
    /// How many spans of a set are told.
    pub spans_max: usize,
}

/// A trace, and what was found out about it as a whole.
pub(crate) struct Context<'a> {
    pub(crate) trace: &'a dyn Trace,
    pub(crate) effort: Effort,
    tree: OnceCell<Tree>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(trace: &'a dyn Trace, deadline: &Deadline) -> Self {
        Self {
            trace,
            effort: Effort::until(deadline),
            tree: OnceCell::new(),
        }
    }

    fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::of(self.trace))
    }

    /// The spans that a pipeline leaves of those that run within a time, in order.
    pub(crate) fn spans(
        &self,
        pipeline: &Pipeline,
        start: UnixNanos,
        end: UnixNanos,
    ) -> Vec<usize> {
        pipeline::union(self.sets(pipeline, start, end))
    }

    /// What a pipeline leaves of the spans that run within a time.
    fn sets(&self, pipeline: &Pipeline, start: UnixNanos, end: UnixNanos) -> Vec<Set> {
        let is_within = |at: &usize| {
            let span = self.trace.span(*at);
            span.start < end.0 && span.end >= start.0
        };
        let all = Set {
            spans: (0..self.trace.len()).filter(is_within).collect(),
            attributes: Vec::new(),
        };
        self.pipeline(pipeline, vec![all])
    }
}

impl Query {
    /// What the query finds among the spans of a trace that lie within the bounds. Of the
    /// others it sees only how they hang together, and what is true of the trace as a whole.
    #[must_use]
    pub fn search(&self, trace: &dyn Trace, bounds: &Bounds) -> Vec<SpanSet> {
        self.search_until(trace, bounds, &Deadline::never()).0
    }

    /// The same, and why it is not all where it is not: the time ran out, and nothing is found, or
    /// `by` made too many sets.
    #[must_use]
    pub fn search_until(
        &self,
        trace: &dyn Trace,
        bounds: &Bounds,
        deadline: &Deadline,
    ) -> (Vec<SpanSet>, Option<&'static str>) {
        let context = Context::new(trace, deadline);
        let mut sets = context.sets(&self.pipeline, bounds.start, bounds.end);
        let cut = context.effort.why_cut();
        if sets.is_empty() || context.effort.is_late() {
            return (Vec::new(), cut);
        }
        sets.truncate(SPAN_SETS_MAX);
        let told = self.told();
        let tell = |set: Set| SpanSet {
            matched: set.spans.len(),
            spans: set
                .spans
                .iter()
                .take(bounds.spans_max)
                .map(|at| context.matched(*at, &told))
                .collect(),
            attributes: set.attributes,
        };
        (sets.into_iter().map(tell).collect(), cut)
    }

    /// The places of the first found spans, whatever sets they are in.
    #[must_use]
    pub fn places(&self, trace: &dyn Trace, bounds: &Bounds) -> Vec<usize> {
        self.places_until(trace, bounds, &Deadline::never()).0
    }

    /// The same, and why it is not all, as [`Self::search_until`] does.
    #[must_use]
    pub fn places_until(
        &self,
        trace: &dyn Trace,
        bounds: &Bounds,
        deadline: &Deadline,
    ) -> (Vec<usize>, Option<&'static str>) {
        let context = Context::new(trace, deadline);
        context.places(&self.pipeline, bounds)
    }

    /// The values that a field has on the first found spans: the elements where it is a list,
    /// none where it is missing. Returns why they are not all, as [`Self::search_until`] does.
    pub fn each_value(
        &self,
        field: &Field,
        trace: &dyn Trace,
        bounds: &Bounds,
        deadline: &Deadline,
        each: &mut dyn FnMut(&Value<'_>),
    ) -> Option<&'static str> {
        let context = Context::new(trace, deadline);
        let (places, cut) = context.places(&self.pipeline, bounds);
        for at in places {
            match context.value(field, at) {
                Value::Nil => {}
                Value::List(values) => values.iter().for_each(&mut *each),
                value => each(&value),
            }
        }
        cut
    }

    /// The fields whose values are told with a found span: those of conditions and `select`.
    fn told(&self) -> Vec<&Field> {
        let mut told = Vec::new();
        of_pipeline(&self.pipeline, &mut told);
        told
    }
}

impl Context<'_> {
    /// The first spans that a pipeline finds; none where the time ran out.
    fn places(&self, pipeline: &Pipeline, bounds: &Bounds) -> (Vec<usize>, Option<&'static str>) {
        let mut spans = self.spans(pipeline, bounds.start, bounds.end);
        let found = match self.effort.is_late() {
            true => 0,
            false => bounds.spans_max,
        };
        spans.truncate(found);
        (spans, self.effort.why_cut())
    }

    fn matched(&self, at: usize, told: &[&Field]) -> MatchedSpan {
        let span = self.trace.span(at);
        let attribute = |field: &&Field| {
            let value = self.value(field, at);
            (!value.is_nil()).then(|| (name_of(field), value.into_told()))
        };
        MatchedSpan {
            span_id: span.id,
            name: told_text(span.name),
            service: told_text(span.service),
            start: UnixNanos(span.start),
            duration_nanos: span.nanos(),
            attributes: told.iter().filter_map(attribute).collect(),
        }
    }
}

/// What a field's value is called beside a span: without its scope.
fn name_of(field: &Field) -> String {
    match field {
        Field::Attribute(attribute) => attribute.name.clone(),
        Field::Intrinsic(intrinsic) => intrinsic.label().to_owned(),
        other => other.to_string(),
    }
}

fn of_pipeline<'q>(pipeline: &'q Pipeline, told: &mut Vec<&'q Field>) {
    for stage in &pipeline.stages {
        match stage {
            Stage::Spansets(spansets) => of_spansets(spansets, told),
            Stage::Select(fields) => fields.iter().for_each(|field| push(field, told)),
            Stage::Scalar { .. } | Stage::By(_) | Stage::Coalesce => {}
        }
    }
}

fn of_spansets<'q>(spansets: &'q Spansets, told: &mut Vec<&'q Field>) {
    match spansets {
        Spansets::Filter(None) => {}
        Spansets::Filter(Some(field)) => of_field(field, told),
        Spansets::Pipeline(pipeline) => of_pipeline(pipeline, told),
        Spansets::Binary { left, right, .. } => {
            of_spansets(left, told);
            of_spansets(right, told);
        }
    }
}

fn of_field<'q>(field: &'q Field, told: &mut Vec<&'q Field>) {
    match field {
        Field::Literal(_) => {}
        Field::Attribute(_) | Field::Intrinsic(_) => push(field, told),
        Field::Binary { left, right, .. } => {
            of_field(left, told);
            of_field(right, told);
        }
        Field::Match { field, .. } | Field::Not(field) | Field::Minus(field) => {
            of_field(field, told);
        }
    }
}

/// How many fields are told with a span.
const TOLD_MAX: usize = 64;

fn push<'q>(field: &'q Field, told: &mut Vec<&'q Field>) {
    // These stand beside the attributes, and what is true of the trace beside its spans.
    let is_beside = matches!(
        field,
        Field::Intrinsic(
            Intrinsic::Name
                | Intrinsic::Duration
                | Intrinsic::Id
                | Intrinsic::TraceDuration
                | Intrinsic::TraceId
                | Intrinsic::RootName
                | Intrinsic::RootService
                | Intrinsic::Parent
        )
    );
    if !is_beside && told.len() < TOLD_MAX && !told.contains(&field) {
        told.push(field);
    }
}
