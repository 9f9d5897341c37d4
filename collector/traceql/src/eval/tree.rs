//! Who is whose child.
//!
//! The walk through a trace visits roots by start, and children behind their parents. A span
//! whose parent has not arrived is a root of its own, and so is the first span of a cycle, so
//! that the walk visits every span once, whatever the IDs say.

use crate::source::Trace;
use ahash::{AHashMap, AHashSet};
use sonde_proto::SpanId;

/// The tree of a trace's spans, by their place.
#[derive(Debug)]
pub(super) struct Tree {
    /// The parent of each span, cycles cut.
    pub(super) parents: Vec<Option<usize>>,
    /// All spans, parents before children.
    pub(super) order: Vec<usize>,
    /// How many children each has.
    pub(super) children: Vec<i64>,
    /// The number at which the walk comes to a span and leaves it.
    pub(super) numbers: Vec<(i64, i64)>,
    /// The span that stands for the trace.
    pub(super) root: Option<usize>,
    /// From the first start to the last end.
    pub(super) nanos: u64,
}

impl Tree {
    pub(super) fn of(trace: &dyn Trace) -> Self {
        let len = trace.len();
        let spans: Vec<_> = (0..len).map(|at| trace.span(at)).collect();
        let places: AHashMap<SpanId, usize> =
            spans.iter().enumerate().map(|(at, s)| (s.id, at)).collect();
        let found = |id: Option<SpanId>| id.and_then(|id| places.get(&id).copied());
        let mut parents: Vec<Option<usize>> = spans.iter().map(|s| found(s.parent)).collect();
        let root = spans
            .iter()
            .position(|span| span.parent.is_none())
            .or_else(|| parents.iter().position(Option::is_none))
            .or((len > 0).then_some(0));
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); len];
        for (at, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                below[*parent].push(at);
            }
        }
        let mut walk = Walk {
            visited: vec![false; len],
            order: Vec::with_capacity(len),
            numbers: vec![(0, 0); len],
            next: 1,
        };
        for at in (0..len).filter(|at| parents[*at].is_none()) {
            walk.from(at, &below);
        }
        for at in 0..len {
            // Only cycles are left, and what hangs from them.
            if !walk.visited[at] {
                let first = cycle_of(at, &parents);
                parents[first] = None;
                walk.from(first, &below);
            }
        }
        let first = spans.first().map_or(0, |span| span.start);
        let last = spans.iter().map(|span| span.end).max().unwrap_or(0);
        let mut children = vec![0; len];
        for parent in parents.iter().flatten() {
            children[*parent] += 1;
        }
        Self {
            parents,
            order: walk.order,
            children,
            numbers: walk.numbers,
            root,
            nanos: last.saturating_sub(first),
        }
    }
}

/// The first span of the cycle that one comes to from `at`, in as many steps as there are spans
/// on the way and on the cycle: a trace may be made of nothing but cycles.
fn cycle_of(at: usize, parents: &[Option<usize>]) -> usize {
    let (mut on_it, mut passed) = (at, AHashSet::new());
    while passed.insert(on_it) {
        on_it = parents[on_it].unwrap_or(on_it);
    }
    let (mut first, mut next) = (on_it, parents[on_it]);
    while let Some(place) = next.filter(|place| *place != on_it) {
        first = first.min(place);
        next = parents[place];
    }
    first
}

struct Walk {
    visited: Vec<bool>,
    order: Vec<usize>,
    numbers: Vec<(i64, i64)>,
    next: i64,
}

impl Walk {
    /// Visits a span and everything below it, without recursion: a trace may be one long chain.
    fn from(&mut self, root: usize, below: &[Vec<usize>]) {
        let mut open: Vec<(usize, usize)> = Vec::new();
        self.enter(root, &mut open);
        while let Some((at, child)) = open.last_mut() {
            let at = *at;
            let next = below[at].get(*child).copied();
            *child += 1;
            match next {
                Some(next) if !self.visited[next] => self.enter(next, &mut open),
                Some(_) => {}
                None => {
                    self.numbers[at].1 = self.next;
                    self.next += 1;
                    open.pop();
                }
            }
        }
    }

    fn enter(&mut self, at: usize, open: &mut Vec<(usize, usize)>) {
        self.visited[at] = true;
        self.order.push(at);
        self.numbers[at].0 = self.next;
        self.next += 1;
        open.push((at, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::cycle_of;

    #[test]
    fn the_first_span_of_a_cycle_is_found_from_on_it_and_from_beside_it() {
        // 0 -> 3 -> 2 -> 4 -> 3, and 1 by itself.
        let parents = [Some(3), Some(1), Some(4), Some(2), Some(3)];
        let found = [0, 1, 2, 3, 4].map(|at| cycle_of(at, &parents));
        assert_eq!(found, [2, 1, 2, 2, 2]);
    }

    /// With a step for every span of the trace each, it would take minutes.
    #[test]
    fn a_trace_of_300_000_spans_that_are_their_own_parents_is_read_at_once() {
        let parents: Vec<_> = (0..300_000).map(Some).collect();
        assert!((0..parents.len()).all(|at| cycle_of(at, &parents) == at));
    }
}
