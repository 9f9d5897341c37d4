//! All traces that may match, newest first, from the tail and every segment together.
//!
//! A segment is looked into when its time has come, and its lists are let go when it has no more:
//! a search that has enough has not read the older ones, and one over all that is kept holds the
//! lists of those that overlap.

use super::SearchError;
use crate::narrow::{Narrowing, Needs};
use crate::segment::{Fragment, Fragments, Matching, Order, Segment};
use crate::store::{TraceStore, View};
use sonde_proto::{Deadline, TraceId, UnixNanos};
use sonde_segment::blocks::BlockError;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Which fragments a search wants.
pub(super) struct Wanted<'n> {
    pub(super) narrowing: &'n Narrowing,
    /// A fragment overlaps this time: from, and up to but not including.
    pub(super) times: (UnixNanos, UnixNanos),
    /// When to stop looking.
    pub(super) deadline: &'n Deadline,
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
    /// The first one leads.
    clauses: Vec<Vec<Needs>>,
    /// Segments that were not looked into yet, the one that ends last behind.
    waiting: Vec<&'a Segment>,
    sources: Vec<Source<'a>>,
    heads: BinaryHeap<Reverse<(Order, usize)>>,
    deadline: Deadline,
    /// Whether something damaged was left out.
    pub(super) damaged: bool,
    /// Whether the time ran out before everything was looked at.
    pub(super) is_late: bool,
}

impl TraceStore {
    /// All fragments that may match, newest first.
    pub(super) fn candidates<'a>(&'a self, view: &'a View, wanted: &Wanted<'_>) -> Candidates<'a> {
        let (from, to) = wanted.times;
        let in_time = |s: &&'a Segment| s.meta.end >= from && s.meta.start < to;
        let segments = view.segments.iter().map(|segment| &**segment);
        let mut waiting: Vec<&Segment> = segments.filter(in_time).collect();
        waiting.sort_by_key(|segment| segment.meta.end);
        let mut candidates = Candidates {
            store: self,
            view,
            times: wanted.times,
            clauses: wanted.narrowing.clauses(),
            waiting,
            sources: Vec::new(),
            heads: BinaryHeap::new(),
            deadline: wanted.deadline.clone(),
            damaged: false,
            is_late: false,
        };
        candidates.choose_leading();
        candidates.add_tails();
        candidates
    }
}

/// So many segments are looked into to find the clause that leads.
const SAMPLED: usize = 3;
/// After so many fragments that are not wanted, the time is looked at.
const STEPS: u32 = 256;

impl<'a> Candidates<'a> {
    /// The next candidate.
    ///
    /// # Errors
    /// [`SearchError`] where a segment cannot be read.
    pub(super) fn pop(&mut self) -> Result<Option<Fragment>, SearchError> {
        while let Some(segment) = self.waiting.last() {
            if self.deadline.has_passed() {
                self.is_late = true;
                return Ok(None);
            }
            let next = self.heads.peek();
            if next.is_some_and(|Reverse(((Reverse(start), _), _))| segment.meta.end < *start) {
                break;
            }
            self.open_last()?;
        }
        let Some(Reverse((_, at))) = self.heads.pop() else {
            return Ok(None);
        };
        let fragment = self.sources[at].head.take();
        self.refill(at)?;
        Ok(fragment)
    }

    /// Puts the clause in front that lets the fewest through. It must be the same everywhere: of
    /// a trace with several parts, each may have what another clause asks for.
    fn choose_leading(&mut self) {
        if self.clauses.len() < 2 {
            return;
        }
        let mut most = vec![0; self.clauses.len()];
        for segment in self.waiting.iter().rev().take(SAMPLED) {
            // What is damaged is found when it is read for good.
            for (most, clause) in most
                .iter_mut()
                .zip(segment.clauses(&self.clauses).iter().flatten())
            {
                *most += segment.most(clause);
            }
        }
        if let Some(leading) = (0..most.len()).min_by_key(|at| most[*at]) {
            self.clauses.swap(0, leading);
        }
    }

    fn add_tails(&mut self) {
        let (view, mut walks) = (self.view, Vec::new());
        view.each_tail(|tail| {
            let mut heads = Vec::new();
            for trace in tail.traces.values() {
                let has = |clause: &Vec<Needs>| trace.may_have_any(clause);
                if overlaps(&trace.fragment, self.times) && self.clauses.first().is_none_or(has) {
                    heads.push(Head {
                        fragment: trace.fragment,
                        is_enough: self.clauses.iter().skip(1).all(has),
                    });
                }
            }
            heads.sort_unstable_by_key(|head| head.fragment.order());
            walks.push(heads);
        });
        for heads in walks {
            self.sources.push(Source {
                segment: None,
                head: None,
                walk: Walk::Tail(heads.into_iter()),
            });
            // No segment is read for the tail.
            let _ = self.refill(self.sources.len() - 1);
        }
    }

    /// Looks into the next segment.
    fn open_last(&mut self) -> Result<(), SearchError> {
        let Some(segment) = self.waiting.pop() else {
            return Ok(());
        };
        let clauses = segment.clauses(&self.clauses);
        match clauses.and_then(|found| Ok((found, segment.first_before(self.times.1)?))) {
            Ok((found, first)) => {
                self.sources.push(Source {
                    segment: Some(segment),
                    head: None,
                    walk: Walk::Segment {
                        matching: segment.matching(found, first, &self.deadline),
                        fragments: Fragments::new(segment),
                    },
                });
                self.refill(self.sources.len() - 1)
            }
            Err(error) => {
                self.damaged = true;
                self.store.tolerate(segment, error)
            }
        }
    }

    fn refill(&mut self, at: usize) -> Result<(), SearchError> {
        for step in 0_u32.. {
            if step % STEPS == STEPS - 1 && self.deadline.has_passed() {
                self.is_late = true;
                return Ok(());
            }
            let source = &mut self.sources[at];
            let head = match source.walk.next() {
                None => {
                    // It may be why the walk ended.
                    self.is_late |= self.deadline.has_passed();
                    source.walk = Walk::Tail(Vec::new().into_iter());
                    return Ok(());
                }
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
        Ok(())
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
