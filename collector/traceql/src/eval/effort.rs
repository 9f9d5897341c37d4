//! How much one trace may cost: a query is given up in the middle of it when its time is over,
//! and makes no more span sets than can be held.

use super::pipeline::Set;
use sonde_proto::Deadline;
use std::cell::Cell;

/// After so many spans the time is looked at.
const STEPS: u32 = 256;
/// So many span sets are made of one trace.
pub(super) const SETS_MAX: usize = 4_000;
/// And so many bytes may be in what they are called.
const SET_BYTES_MAX: usize = 16 << 20;

const TOO_LATE: &str =
    "the time ran out within a trace of very many spans; narrow the query or the time range";
const TOO_MANY_SETS: &str = "by(...) makes more span sets of a trace than are looked at; group by something with fewer values";

/// What is left of the effort for one trace, and why it was not enough.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    deadline: Deadline,
    steps: Cell<u32>,
    is_late: Cell<bool>,
    has_too_many_sets: Cell<bool>,
}

impl Effort {
    pub(crate) fn until(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            ..Self::default()
        }
    }

    /// Whether there is time for another span. Once there is none, nothing that was found counts.
    pub(super) fn goes_on(&self) -> bool {
        self.steps.set(self.steps.get().wrapping_add(1));
        if self.steps.get().is_multiple_of(STEPS) {
            self.look();
        }
        !self.is_late.get()
    }

    /// Whether there is time for a pass over all spans.
    pub(super) fn goes_on_over_all(&self) -> bool {
        self.look();
        !self.is_late.get()
    }

    fn look(&self) {
        if self.deadline.has_passed() {
            self.is_late.set(true);
        }
    }

    /// Notes that a stage made too many sets.
    pub(super) fn note_sets(&self) {
        self.has_too_many_sets.set(true);
    }

    pub(crate) fn is_late(&self) -> bool {
        self.is_late.get()
    }

    /// Why a query was not carried out as it stands, where it was not.
    pub(crate) fn why_cut(&self) -> Option<&'static str> {
        let why = self.is_late().then_some(TOO_LATE);
        why.or(self.has_too_many_sets.get().then_some(TOO_MANY_SETS))
    }
}

/// How many sets one stage may still make.
pub(super) struct Room {
    sets: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            sets: SETS_MAX,
            bytes: SET_BYTES_MAX,
        }
    }

    /// Whether there is room for a set, which takes it.
    pub(super) fn take(&mut self, set: &Set) -> bool {
        let attributes = set.attributes.iter();
        let bytes: usize = attributes
            .map(|(name, value)| size_of::<String>() + name.len() + value.bytes())
            .sum();
        match (self.sets.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(sets), Some(bytes)) => {
                *self = Self { sets, bytes };
                true
            }
            _ => false,
        }
    }
}
