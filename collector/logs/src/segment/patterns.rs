//! What the lines of a block look like: of templated bodies mostly without their text.

use super::bodies::Bodies;
use super::candidates::Candidate;
use super::directory::Section;
use super::fetch::Scratch;
use super::pick::Picked;
use super::reader::Segment;
use super::{Damage, guarded};
use crate::search::Chosen;
use sonde_patterns::{RowPatterns, pattern_of};
use sonde_proto::UnixNanos;

/// Lines that look alike.
pub(crate) struct Alike<'a> {
    pub(crate) pattern: &'a str,
    /// The number of their step in time.
    pub(crate) step: u64,
    pub(crate) lines: u64,
}

/// A period, in steps that are counted from the start of all times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    pub(crate) nanos: u64,
}

impl Steps {
    /// The number of the step of a time.
    pub(crate) fn of(&self, time: UnixNanos) -> u64 {
        time.0 / self.nanos.max(1)
    }
}

impl Segment {
    /// Calls `each` with the lines of a block that are to be seen, those together that look
    /// alike and are of one step. How many records and bytes were looked at.
    pub(crate) fn patterns(
        &self,
        candidate: Candidate,
        steps: Steps,
        chosen: &Chosen<'_>,
        scratch: &mut Scratch,
        mut each: impl FnMut(Alike<'_>),
    ) -> Result<(u64, u64), Damage> {
        guarded(|| {
            let block = self.block(candidate.block)?;
            let mut picked = Picked::of_streams(&block, chosen, candidate.may_have);
            block.times(&mut scratch.numbers, &mut scratch.times)?;
            picked.keep_times(&scratch.times, (steps.start, steps.end));
            let mut rows = picked.rows();
            if let Some(veils) = chosen.veils() {
                block.keep_visible(veils, &mut rows, scratch)?;
            }
            if rows.is_empty() {
                return Ok((0, 0));
            }
            let Scratch {
                unpacker,
                numbers,
                times,
                ends,
                bodies,
                ..
            } = &mut *scratch;
            block.ends(numbers, ends)?;
            let nonsense = || block.nonsense(Section::Bodies);
            let step = |row: usize| steps.of(times.get(row).copied().unwrap_or_default());
            let bytes = match block.bodies(ends)? {
                Bodies::Templated(read) => {
                    let patterns = read.patterns().ok_or_else(nonsense)?;
                    count(&patterns, &rows, step, &mut each).ok_or_else(nonsense)?;
                    block.section(Section::Bodies)?.len()
                }
                plain @ Bodies::Plain(_) => {
                    let line = |row: usize, body: &[u8]| {
                        each(Alike {
                            pattern: &pattern_of(body),
                            step: step(row),
                            lines: 1,
                        });
                    };
                    let read = plain.some(&rows, unpacker, bodies, line);
                    read.ok_or_else(nonsense)?
                }
            };
            Ok((rows.len() as u64, bytes as u64))
        })
    }
}

/// Counts neighbours of one step together: those of a stream lie in the order of their times.
fn count(
    patterns: &RowPatterns,
    rows: &[usize],
    step: impl Fn(usize) -> u64,
    each: &mut impl FnMut(Alike<'_>),
) -> Option<()> {
    let mut lines = vec![0_u64; patterns.texts.len()];
    let mut seen = Vec::new();
    for of_step in rows.chunk_by(|a, b| step(*a) == step(*b)) {
        for row in of_step {
            let text = *patterns.of_rows.get(*row)?;
            let count = lines.get_mut(text as usize)?;
            if *count == 0 {
                seen.push(text as usize);
            }
            *count += 1;
        }
        let step = step(*of_step.first()?);
        for text in seen.drain(..) {
            each(Alike {
                pattern: patterns.texts.get(text)?,
                step,
                lines: std::mem::take(&mut lines[text]),
            });
        }
    }
    Some(())
}
