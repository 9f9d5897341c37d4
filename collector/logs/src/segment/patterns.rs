//! What the lines of a block look like: of templated bodies without their text, but for those
//! whose templates are cut coarsely.

use super::bodies::Bodies;
use super::candidates::Candidate;
use super::directory::Section;
use super::fetch::Scratch;
use super::guarded;
use super::pick::Picked;
use super::reader::Segment;
use crate::search::{ChooseError, Chosen};
use sonde_patterns::PatternTexts;
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
    ) -> Result<(u64, u64), ChooseError> {
        guarded(|| {
            let block = self.block(candidate.block)?;
            let mut picked = Picked::of_streams(&block, chosen, candidate.may_have)?;
            block.times(&mut scratch.numbers, &mut scratch.times)?;
            picked.keep_times(&scratch.times, (steps.start, steps.end));
            let mut rows = picked.rows();
            if let Some(veils) = chosen.veils() {
                picked.know_streams_of(&rows, &block, chosen)?;
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
                    let found = read.patterns(&rows).ok_or_else(nonsense)?;
                    count(&found.texts, &found.of_rows, &rows, step, &mut each)
                        .ok_or_else(nonsense)?;
                    block.section(Section::Bodies)?.len() + found.body_bytes
                }
                plain @ Bodies::Plain(_) => {
                    let mut texts = PatternTexts::default();
                    let mut of_rows = Vec::with_capacity(rows.len());
                    let line = |_: usize, body: &[u8]| of_rows.push(texts.of(body));
                    let read = plain.some(&rows, unpacker, bodies, line);
                    count(texts.texts(), &of_rows, &rows, step, &mut each).ok_or_else(nonsense)?;
                    read.ok_or_else(nonsense)?
                }
            };
            Ok((rows.len() as u64, bytes as u64))
        })
    }
}

/// Counts neighbours of one step together, each row with the pattern at its place in `of_rows`:
/// those of a stream lie in the order of their times.
fn count(
    texts: &[String],
    of_rows: &[u32],
    rows: &[usize],
    step: impl Fn(usize) -> u64,
    each: &mut impl FnMut(Alike<'_>),
) -> Option<()> {
    let mut lines = vec![0_u64; texts.len()];
    let mut seen = Vec::new();
    let mut left = of_rows;
    for of_step in rows.chunk_by(|a, b| step(*a) == step(*b)) {
        let (now, later) = left.split_at_checked(of_step.len())?;
        left = later;
        for text in now {
            let count = lines.get_mut(*text as usize)?;
            if *count == 0 {
                seen.push(*text as usize);
            }
            *count += 1;
        }
        let step = step(*of_step.first()?);
        for text in seen.drain(..) {
            each(Alike {
                pattern: texts.get(text)?,
                step,
                lines: std::mem::take(&mut lines[text]),
            });
        }
    }
    Some(())
}
