//! The critical path of a trace: what the request waited for, at every moment.
//!
//! The method is that of CRISP (Zhang et al., "CRISP: Critical Path Analysis of Large-Scale
//! Microservice Architectures", USENIX ATC 2022): from the end of the first span backwards.
//! A span's last child to end is what it waited for; before that child began, the last one
//! to end by then; and so on. What no such child covers is the span's own time.
//!
//! ```text
//! root   |─────────────────────────────|
//! a        |────────|                           a is on the path
//! b            |──────|                         b ended after a did, so a is not: b is
//! c                      |──────|               c is on the path
//! path   |root |b     |r |c     |root  |
//! ```
//!
//! Invariants: the steps are without gap or overlap, from the first span's start to its
//! end. What ends after its parent counts until the parent's end; what lies outside of it,
//! as with clocks that disagree, does not count. A span is a step's owner in one place of
//! the tree only, so parents in a circle end.

use serde::Serialize;
use sonde_proto::{SpanId, TraceId, UnixNanos};
use sonde_traces::{Outline, Span, SpanOutline, Trace};
use std::collections::HashMap;

/// How many steps are told.
const STEPS_MAX: usize = 1_000;
/// How many operations are told, those with most time first.
const OPERATIONS_MAX: usize = 20;

/// The critical path of one trace.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CriticalPath {
    pub(crate) trace_id: TraceId,
    /// The span the path is of.
    pub(crate) root: SpanId,
    pub(crate) duration_nanos: u64,
    /// In the order of time.
    pub(crate) steps: Vec<Step>,
    /// Where the time went, the longest first.
    pub(crate) operations: Vec<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<String>,
}

/// A time in which the request waited for one span's own work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Step {
    pub(crate) span_id: SpanId,
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
}

/// The steps of one operation together.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Operation {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) nanos: u64,
    /// Of the path's duration, from 0 to 1.
    pub(crate) share: f64,
}

/// What of a span a path is made of.
struct Bone<'a> {
    span_id: SpanId,
    parent: Option<SpanId>,
    start: UnixNanos,
    end: UnixNanos,
    service: &'a str,
    name: &'a str,
}

impl<'a> Bone<'a> {
    fn of(span: &'a Span) -> Self {
        Self {
            span_id: span.span_id,
            parent: span.parent,
            start: span.start,
            end: span.end,
            service: &span.service,
            name: &span.name,
        }
    }
}

/// The path of a trace; `None` where it has no span that takes time.
pub(crate) fn critical_path(trace: &Trace) -> Option<CriticalPath> {
    let bones: Vec<_> = trace.spans.iter().map(Bone::of).collect();
    path_of(trace.trace_id, &bones, trace.cut.as_ref())
}

/// The same of a trace that is too large to be read at once.
pub(super) fn path_of_outline(trace_id: TraceId, outline: &Outline) -> Option<CriticalPath> {
    let bone = |span: &SpanOutline| {
        let (service, name) = outline.operation(span);
        Bone {
            span_id: span.span_id,
            parent: span.parent,
            start: span.start,
            end: span.end,
            service,
            name,
        }
    };
    let bones: Vec<_> = outline.spans.iter().map(bone).collect();
    path_of(trace_id, &bones, outline.cut.as_ref())
}

fn path_of(
    trace_id: TraceId,
    spans: &[Bone<'_>],
    in_part: Option<&String>,
) -> Option<CriticalPath> {
    let children = children(spans);
    let root = root(spans)?;
    let mut steps = steps(spans, root, &children);
    steps.reverse();
    let span = &spans[root];
    let duration_nanos = span.end.0.saturating_sub(span.start.0);
    let operations = operations(spans, &steps, duration_nanos);
    let cut = (steps.len() > STEPS_MAX).then(|| {
        format!(
            "the path has {} steps; these are its first {STEPS_MAX}",
            steps.len()
        )
    });
    let part = |why: &String| format!("the path is of a part of the trace alone: {why}");
    let cut = cut.or_else(|| in_part.map(part));
    steps.truncate(STEPS_MAX);
    let step = |(at, start, end): (usize, u64, u64)| Step {
        span_id: spans[at].span_id,
        start: UnixNanos(start),
        end: UnixNanos(end),
    };
    Some(CriticalPath {
        trace_id,
        root: span.span_id,
        duration_nanos,
        steps: steps.into_iter().map(step).collect(),
        operations,
        cut,
    })
}

/// Where the children of each span stand.
fn children(spans: &[Bone<'_>]) -> HashMap<SpanId, Vec<usize>> {
    let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        if let Some(parent) = span.parent.filter(|parent| *parent != span.span_id) {
            children.entry(parent).or_default().push(at);
        }
    }
    children
}

/// The first span that has no parent here, and takes time; the longest of those that began
/// together. Where parents go in a circle, the first span.
fn root(spans: &[Bone<'_>]) -> Option<usize> {
    let known: std::collections::HashSet<_> = spans.iter().map(|span| span.span_id).collect();
    let takes_time = |at: &usize| spans[*at].end > spans[*at].start;
    let first = |all: &mut dyn Iterator<Item = usize>| {
        all.filter(takes_time)
            .min_by_key(|at| (spans[*at].start, std::cmp::Reverse(spans[*at].end)))
    };
    let is_root = |at: &usize| {
        spans[*at]
            .parent
            .is_none_or(|parent| !known.contains(&parent))
    };
    first(&mut (0..spans.len()).filter(is_root)).or_else(|| first(&mut (0..spans.len())))
}

/// A span on the way, and how far back its time is told.
struct Open {
    at: usize,
    /// Nothing of it counts before.
    floor: u64,
    /// Everything of it from here on is told.
    cursor: u64,
    /// Its children and when they end within it, the last to end at the back.
    children: Vec<(u64, usize)>,
}

/// Owner, start and end of each step, the last first.
fn steps(
    spans: &[Bone<'_>],
    root: usize,
    children: &HashMap<SpanId, Vec<usize>>,
) -> Vec<(usize, u64, u64)> {
    let mut visited = vec![false; spans.len()];
    let mut open_one = |at: usize, floor: u64, end: u64| {
        visited[at] = true;
        let mut own: Vec<(u64, usize)> = children
            .get(&spans[at].span_id)
            .into_iter()
            .flatten()
            .filter(|child| !visited[**child])
            .map(|child| (spans[*child].end.0.min(end), *child))
            .filter(|(child_end, child)| *child_end > floor && *child_end > spans[*child].start.0)
            .collect();
        own.sort_by_key(|(end, child)| (*end, std::cmp::Reverse(spans[*child].start), *child));
        Open {
            at,
            floor,
            cursor: end,
            children: own,
        }
    };
    let mut steps = Vec::new();
    let mut stack = vec![open_one(root, spans[root].start.0, spans[root].end.0)];
    while let Some(mut span) = stack.pop() {
        // What ends later than the cursor ran beside what is on the path already.
        let next = loop {
            match span.children.pop() {
                Some((end, _)) if end > span.cursor => {}
                next => break next,
            }
        };
        let until = next.map_or(span.floor, |(end, _)| end);
        if until < span.cursor {
            steps.push((span.at, until, span.cursor));
        }
        if let Some((end, child)) = next {
            let floor = spans[child].start.0.max(span.floor);
            span.cursor = floor;
            stack.push(span);
            stack.push(open_one(child, floor, end));
        }
    }
    steps
}

fn operations(spans: &[Bone<'_>], steps: &[(usize, u64, u64)], all_nanos: u64) -> Vec<Operation> {
    let mut nanos: HashMap<(&str, &str), u64> = HashMap::new();
    for (at, start, end) in steps {
        let span = &spans[*at];
        *nanos.entry((span.service, span.name)).or_default() += end - start;
    }
    let mut all: Vec<_> = nanos.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(OPERATIONS_MAX);
    let operation = |((service, name), nanos): ((&str, &str), u64)| Operation {
        service: service.to_owned(),
        name: name.to_owned(),
        nanos,
        share: nanos as f64 / all_nanos.max(1) as f64,
    };
    all.into_iter().map(operation).collect()
}

#[cfg(test)]
pub(in crate::lookup) mod tests;
