//! Which fragments of a segment may match: first by token lists, then by columns, a group at a
//! time, so that a search which has enough has not read the rest.

use super::Segment;
use super::columns::GROUP;
use crate::codes::CodeNeeds;
use crate::narrow::Needs;
use sonde_proto::Deadline;
use sonde_segment::blocks::BlockError;
use std::ops::Range;

/// A fragment that may match, by its ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) ordinal: u32,
    /// Whether it may match by itself. Otherwise it needs another part of its trace to.
    pub(crate) is_enough: bool,
}

/// A walk over the candidates of a segment.
pub(crate) struct Matching<'a> {
    segment: &'a Segment,
    clauses: Vec<Clause>,
    from: u32,
    group: u32,
    groups: u32,
    deadline: Deadline,
    /// What is left of the group before, the next one last.
    found: Vec<Candidate>,
}

/// Of one of these a matching trace has a span.
pub(crate) struct Clause {
    alternatives: Vec<Alternative>,
}

struct Alternative {
    /// The fragments that have its tokens; `None`: all.
    ordinals: Option<Vec<u32>>,
    code: CodeNeeds,
}

impl Segment {
    /// Looks up what clauses ask for.
    pub(crate) fn clauses(&self, clauses: &[Vec<Needs>]) -> Result<Vec<Clause>, BlockError> {
        let clause = |needs: &Vec<Needs>| {
            let alternatives = needs.iter().map(|needs| {
                Ok(Alternative {
                    ordinals: self.ordinals(&needs.tokens)?,
                    code: needs.code,
                })
            });
            Ok(Clause {
                alternatives: alternatives.collect::<Result<_, BlockError>>()?,
            })
        };
        clauses.iter().map(clause).collect()
    }

    /// How many fragments a clause lets through at most.
    pub(crate) fn most(&self, clause: &Clause) -> u64 {
        let of = |alternative: &Alternative| match &alternative.ordinals {
            Some(ordinals) => ordinals.len() as u64,
            None => u64::from(self.fragments),
        };
        clause.alternatives.iter().map(of).sum()
    }

    /// Fragments that may match, from one ordinal on. They may have a span of the first clause;
    /// of the others their trace may have one elsewhere. Once it is too late, there are no more.
    pub(crate) fn matching(
        &self,
        clauses: Vec<Clause>,
        from: u32,
        deadline: &Deadline,
    ) -> Matching<'_> {
        Matching {
            segment: self,
            clauses,
            from,
            group: from / GROUP,
            groups: self.fragments.div_ceil(GROUP),
            deadline: deadline.clone(),
            found: Vec::new(),
        }
    }
}

impl Segment {
    fn ordinals_of(&self, group: u32) -> Range<u32> {
        let first = group.saturating_mul(GROUP);
        first..first.saturating_add(GROUP).min(self.fragments)
    }
}

impl Matching<'_> {
    fn fill(&mut self) -> Result<(), BlockError> {
        while self.found.is_empty() && self.group < self.groups && !self.deadline.has_passed() {
            self.found = self.read(self.group)?;
            self.found
                .retain(|candidate| candidate.ordinal >= self.from);
            self.group += 1;
        }
        Ok(())
    }

    /// The candidates of a group, the last ordinal first.
    fn read(&self, group: u32) -> Result<Vec<Candidate>, BlockError> {
        let Some((leading, others)) = self.clauses.split_first() else {
            let all = self.segment.ordinals_of(group);
            let candidate = |ordinal| Candidate {
                ordinal,
                is_enough: true,
            };
            return Ok(all.rev().map(candidate).collect());
        };
        let mut found: Vec<Candidate> = Vec::new();
        found.extend(
            leading
                .read(self.segment, group)?
                .into_iter()
                .rev()
                .map(|ordinal| Candidate {
                    ordinal,
                    is_enough: true,
                }),
        );
        for clause in others {
            if found.is_empty() {
                break;
            }
            let also = clause.read(self.segment, group)?;
            for candidate in &mut found {
                candidate.is_enough &= also.binary_search(&candidate.ordinal).is_ok();
            }
        }
        Ok(found)
    }
}

impl Iterator for Matching<'_> {
    type Item = Result<Candidate, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(()) => self.found.pop().map(Ok),
            Err(error) => {
                self.groups = 0;
                Some(Err(error))
            }
        }
    }
}

impl Clause {
    /// The fragments of a group that may have such a span, ascending.
    fn read(&self, segment: &Segment, group: u32) -> Result<Vec<u32>, BlockError> {
        let mut found = Vec::new();
        for alternative in &self.alternatives {
            alternative.read(segment, group, &mut found)?;
        }
        if self.alternatives.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        Ok(found)
    }
}

impl Alternative {
    fn read(&self, segment: &Segment, group: u32, out: &mut Vec<u32>) -> Result<(), BlockError> {
        let Range { start: first, end } = segment.ordinals_of(group);
        let listed = self.ordinals.as_ref().map(|ordinals| {
            let from = ordinals.partition_point(|o| *o < first);
            let to = ordinals.partition_point(|o| *o < end);
            &ordinals[from..to]
        });
        if listed.is_some_and(<[u32]>::is_empty) {
            return Ok(());
        }
        let columns = match self.code.is_nothing() {
            true => None,
            false => segment.group(group, &self.code)?,
        };
        let may_match = |ordinal: &u32| {
            columns
                .as_ref()
                .is_none_or(|group| group.may_have(ordinal - first, &self.code))
        };
        match listed {
            Some(listed) => out.extend(listed.iter().copied().filter(may_match)),
            None => out.extend((first..end).filter(may_match)),
        }
        Ok(())
    }
}
