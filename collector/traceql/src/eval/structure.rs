//! The structural operators, each in one or two passes over the spans.
//!
//! Whether a span has an ancestor of a set is what its parent is or has, so parents come
//! first; whether it has a descendant of a set is what its children are or have, so children
//! come first. Siblings are counted by the parent that they name, whether it has arrived or
//! not.

use super::Context;
use crate::ast::{Form, Relation};
use ahash::AHashMap;
use sonde_proto::SpanId;

impl Context<'_> {
    /// What an operator leaves of two sets of spans, in order.
    pub(super) fn related(
        &self,
        left: &[usize],
        relation: Relation,
        form: Form,
        right: &[usize],
    ) -> Vec<usize> {
        let stands = self.standing(left, relation);
        let plain = |at: &&usize| stands[**at];
        match form {
            Form::Plain => right.iter().filter(plain).copied().collect(),
            Form::Not => right.iter().filter(|at| !stands[**at]).copied().collect(),
            Form::Union => {
                let opposite = self.standing(right, opposite(relation));
                let mut both: Vec<usize> = right.iter().filter(plain).copied().collect();
                both.extend(left.iter().filter(|at| opposite[**at]));
                both.sort_unstable();
                both.dedup();
                both
            }
        }
    }

    /// For every span whether it stands so to one of `of`.
    fn standing(&self, of: &[usize], relation: Relation) -> Vec<bool> {
        let mut is_of = vec![false; self.trace.len()];
        of.iter().for_each(|at| is_of[*at] = true);
        let mut stands = vec![false; is_of.len()];
        if relation == Relation::Sibling {
            self.siblings(&is_of, &mut stands);
            return stands;
        }
        let tree = self.tree();
        match relation {
            Relation::Child => {
                for (at, parent) in tree.parents.iter().enumerate() {
                    stands[at] = parent.is_some_and(|parent| is_of[parent]);
                }
            }
            Relation::Descendant => {
                for at in &tree.order {
                    stands[*at] =
                        tree.parents[*at].is_some_and(|parent| is_of[parent] || stands[parent]);
                }
            }
            Relation::Parent => {
                for (at, parent) in tree.parents.iter().enumerate() {
                    if let Some(parent) = parent {
                        stands[*parent] |= is_of[at];
                    }
                }
            }
            Relation::Ancestor => {
                for at in tree.order.iter().rev() {
                    if let Some(parent) = tree.parents[*at] {
                        stands[parent] |= is_of[*at] || stands[*at];
                    }
                }
            }
            Relation::Sibling => {}
        }
        stands
    }

    fn siblings(&self, is_of: &[bool], stands: &mut [bool]) {
        let parent_of = |at: usize| self.trace.span(at).parent;
        let mut counts: AHashMap<SpanId, usize> = AHashMap::new();
        for at in (0..is_of.len()).filter(|at| is_of[*at]) {
            if let Some(parent) = parent_of(at) {
                *counts.entry(parent).or_default() += 1;
            }
        }
        for (at, stands) in stands.iter_mut().enumerate() {
            let count = parent_of(at).and_then(|parent| counts.get(&parent));
            // No span is its own sibling.
            *stands = count.is_some_and(|count| *count > usize::from(is_of[at]));
        }
    }
}

fn opposite(relation: Relation) -> Relation {
    match relation {
        Relation::Child => Relation::Parent,
        Relation::Descendant => Relation::Ancestor,
        Relation::Parent => Relation::Child,
        Relation::Ancestor => Relation::Descendant,
        Relation::Sibling => Relation::Sibling,
    }
}
