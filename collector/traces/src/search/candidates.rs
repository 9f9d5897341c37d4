//! All traces that may match, newest first, from the tail and every segment together.

use super::SearchError;
use crate::narrow::{Narrowing, Needs};
use crate::segment::{Clause, Fragment, Fragments, Matching, Order, Segment};
use crate::store::{TraceStore, View};
use sonde_proto::{TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Which fragments a search wants.
pub(super) struct Wanted<'n> {
    pub(super) narrowing: &'n Narrowing,
    /// A fragment overlaps this time: from, and up to but not including.
    pub(super) times: (UnixNanos, UnixNanos),
}

/// A part of a trace that may match.
#[derive(Clone, Copy)]
struct Head {
    fragment: Fragment,
    /// Whether it may match by itself. Otherwise it needs another part of its trace to.
    is_enough: bool,
}

/// One sorted walk over fragments.
struct Source<'a> {
    segment: Option<&'a Segment>,
    head: Option<Fragment>,
    walk: Walk<'a>,
}

enum Walk<'a> {
    Tail(std::vec::IntoIter<Head>),
    Segment {
        matching: Matching<'a>,
        fragments: Fragments<'a>,
    },
}

/// All walks, merged.
pub(super) struct Candidates<'a> {
    store: &'a TraceStore,
    view: &'a View,
    times: (UnixNanos, UnixNanos),
    sources: Vec<Source<'a>>,
    heads: BinaryHeap<Reverse<(Order, usize)>>,
    started: bool,
    /// Whether something damaged was left out.
    pub(super) damaged: bool,
}

impl TraceStore {
    /// All fragments that may match, newest first.
    pub(super) fn candidates<'a>(&'a self, view: &'a View, wanted: &Wanted<'_>) -> Candidates<'a> {
        let mut clauses = wanted.narrowing.clauses();
        let mut candidates = Candidates {
            store: self,
            view,
            times: wanted.times,
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            started: false,
            damaged: false,
        };
        let mut found = candidates.look_up(&clauses);
        // The clause that lets the fewest through leads. It must be the same everywhere: of a
        // trace with several parts, each may have what another clause asks for.
        let most = |at: &usize| -> u64 {
            let of = found
                .iter()
                .map(|(segment, clauses, _)| segment.most(&clauses[*at]));
            of.sum()
        };
        if let Some(leading) = (0..clauses.len()).min_by_key(most) {
            clauses.swap(0, leading);
            found
                .iter_mut()
                .for_each(|(_, clauses, _)| clauses.swap(0, leading));
        }
        candidates.add_tails(&clauses);
        let segments = found.into_iter().map(|(segment, clauses, first)| Source {
            segment: Some(segment),
            head: None,
            walk: Walk::Segment {
                matching: segment.matching(clauses, first),
                fragments: Fragments::new(segment),
            },
        });
        candidates.sources.extend(segments);
        candidates
    }
}

impl<'a> Candidates<'a> {
    /// The next candidate.
    ///
    /// # Errors
    /// [`SearchError`] where a segment cannot be read.
    pub(super) fn pop(&mut self) -> Result<Option<Fragment>, SearchError> {
        if !self.started {
            self.started = true;
            (0..self.sources.len()).try_for_each(|at| self.refill(at))?;
        }
        let Some(Reverse((_, at))) = self.heads.pop() else {
            return Ok(None);
        };
        let fragment = self.sources[at].head.take();
        self.refill(at)?;
        Ok(fragment)
    }

    fn add_tails(&mut self, clauses: &[Vec<Needs>]) {
        let (view, mut walks) = (self.view, Vec::new());
        view.each_tail(|tail| {
            let mut heads = Vec::new();
            for trace in tail.traces.values() {
                let has = |clause: &Vec<Needs>| trace.may_have_any(clause);
                if overlaps(&trace.fragment, self.times) && clauses.first().is_none_or(has) {
                    heads.push(Head {
                        fragment: trace.fragment,
                        is_enough: clauses.iter().skip(1).all(has),
                    });
                }
            }
            heads.sort_unstable_by_key(|head| head.fragment.order());
            walks.push(heads);
        });
        self.sources.extend(walks.into_iter().map(|heads| Source {
            segment: None,
            head: None,
            walk: Walk::Tail(heads.into_iter()),
        }));
    }

    /// What the clauses are in every segment that has spans of the time, and its first
    /// fragment of it.
    fn look_up(&mut self, clauses: &[Vec<Needs>]) -> Vec<(&'a Segment, Vec<Clause>, u32)> {
        let ((from, to), mut all) = (self.times, Vec::new());
        for segment in &self.view.segments {
            if segment.meta.end < from || segment.meta.start >= to {
                continue;
            }
            let found = segment.clauses(clauses);
            match found.and_then(|found| Ok((found, segment.first_before(to)?))) {
                Ok((found, first)) => all.push((&**segment, found, first)),
                Err(error) => {
                    self.damaged = true;
                    self.store.note_damage(segment, &error);
                }
            }
        }
        all
    }

    fn refill(&mut self, at: usize) -> Result<(), SearchError> {
        loop {
            let source = &mut self.sources[at];
            let head = match source.walk.next() {
                None => return Ok(()),
                Some(Ok(head)) => head,
                Some(Err(error)) => {
                    self.damaged = true;
                    let Some(segment) = source.segment else {
                        return Ok(());
                    };
                    return self.store.tolerate(segment, error);
                }
            };
            let is_wanted = overlaps(&head.fragment, self.times)
                && (head.is_enough || self.has_more_of(&head.fragment.trace_id, at));
            if is_wanted {
                let order = head.fragment.order();
                self.heads.push(Reverse((order, at)));
                self.sources[at].head = Some(head.fragment);
                return Ok(());
            }
        }
    }

    /// Whether the trace may have spans elsewhere than in one source.
    fn has_more_of(&self, id: &TraceId, at: usize) -> bool {
        let here = self.sources[at].segment;
        let is_other = |segment: &Segment| here.is_none_or(|here| !std::ptr::eq(here, segment));
        let mut parts = 0;
        self.view
            .each_tail(|tail| parts += usize::from(tail.traces.contains_key(id)));
        let in_tails = parts > usize::from(here.is_none());
        let mut segments = self.view.segments.iter();
        in_tails || segments.any(|segment| is_other(segment) && segment.may_have(id))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Head, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Tail(heads) => heads.next().map(Ok),
            Self::Segment {
                matching,
                fragments,
            } => {
                let candidate = match matching.next()? {
                    Ok(candidate) => candidate,
                    Err(error) => return Some(Err(error)),
                };
                let fragment = fragments.get(candidate.ordinal).transpose()?;
                Some(fragment.map(|fragment| Head {
                    fragment,
                    is_enough: candidate.is_enough,
                }))
            }
        }
    }
}

fn overlaps(fragment: &Fragment, (from, to): (UnixNanos, UnixNanos)) -> bool {
    fragment.start < to && fragment.end >= from
}
