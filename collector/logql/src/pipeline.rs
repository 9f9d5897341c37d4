//! What happens to a record after the selector: stages that drop it, change its line, take
//! labels out of it, or change those.
//!
//! ```text
//! record ─▶ stage ─▶ stage ─▶ … ─▶ line and labels, or nothing
//!                 buffers of the Scratch: text of labels, line
//! ```
//!
//! What a record needs on its way lies in a [`Scratch`], whose buffers are used again for the
//! next one: a record that is dropped costs no allocation, one that is kept costs none but for
//! templates that are more than texts and labels. A mistake in a line is no mistake of the
//! query: the record goes on with `__error__` set, and later stages may look at that.

mod condition;
mod convert;
mod decolorize;
mod distinct;
mod format;
mod json;
mod logfmt;
mod regexp;
mod select;
mod step;
mod unwrap;

mod labels;
mod limits;
mod take;

use crate::ast::Stage;
use crate::filter::CompileError;
use crate::source::{Needs, Record};
use sonde_proto::Deadline;
use std::borrow::Cow;

pub use labels::{Category, ERROR, ERROR_DETAILS, LabelsView};
pub use limits::{PipelineLimits, Wanted};
pub use unwrap::{SampleError, Unwrapper, unwrap_value};

use labels::LabelSet;
use step::{Buffers, Done, Step};

/// How much work is done between two looks at the clock: bytes of lines, mostly.
const WORK_BETWEEN_LOOKS: u64 = 1 << 18;

/// Stages, compiled.
#[derive(Clone, Debug)]
pub struct Pipeline {
    steps: Vec<Step>,
    limits: PipelineLimits,
    needs: Needs,
    equalities: Vec<(String, String)>,
}

/// Buffers for one record after another. Each thread has its own, for one pipeline: what
/// `distinct` has seen is remembered here.
#[derive(Debug, Default)]
pub struct Scratch {
    labels: LabelSet,
    line: Vec<u8>,
    buffers: Buffers,
    until: Until,
}

/// How long records go through a pipeline.
#[derive(Debug, Default)]
struct Until {
    deadline: Deadline,
    /// Since the clock was last looked at.
    work: u64,
    has_passed: bool,
}

impl Until {
    /// Accounts for work; whether it is too late for more.
    fn is_past(&mut self, work: u64) -> bool {
        self.work += work;
        if self.work >= WORK_BETWEEN_LOOKS && !self.has_passed {
            self.work = 0;
            self.has_passed = self.deadline.has_passed();
        }
        self.has_passed
    }
}

impl Scratch {
    /// Drops all records from when the deadline has passed: look at [`Scratch::gave_up`].
    #[must_use]
    pub fn until(deadline: &Deadline) -> Self {
        Self {
            until: Until {
                deadline: deadline.clone(),
                ..Until::default()
            },
            ..Self::default()
        }
    }

    /// Whether records were dropped because the deadline had passed.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.until.has_passed
    }
}

/// A record that went through a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Processed<'s> {
    /// Its line.
    pub line: &'s [u8],
    /// Its labels.
    pub labels: LabelsView<'s>,
}

impl<'s> Processed<'s> {
    fn new(record: &Record<'s>, scratch: &'s Scratch, is_own: bool) -> Self {
        Self {
            line: if is_own { &scratch.line } else { record.line },
            labels: LabelsView {
                record: *record,
                set: &scratch.labels,
            },
        }
    }

    /// The line as text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Cow<'s, str> {
        String::from_utf8_lossy(self.line)
    }
}

impl Pipeline {
    /// Compiles stages after which all labels are looked at.
    ///
    /// # Errors
    /// Which stage cannot be carried out, and why.
    pub fn compile(stages: &[Stage], limits: &PipelineLimits) -> Result<Self, CompileError> {
        Self::compile_wanted(stages, limits, &Wanted::All)
    }

    /// Compiles stages after which only some labels are looked at.
    ///
    /// # Errors
    /// As [`Pipeline::compile`].
    pub fn compile_wanted(
        stages: &[Stage],
        limits: &PipelineLimits,
        wanted: &Wanted,
    ) -> Result<Self, CompileError> {
        let patterns = crate::filter::patterns(stages);
        let mut steps = stages
            .iter()
            .map(|stage| Step::compile(stage, patterns))
            .collect::<Result<Vec<_>, _>>()?;
        let mut wanted = wanted.clone();
        let mut parses_later = false;
        for step in steps.iter_mut().rev() {
            wanted = step.want(wanted, parses_later);
            parses_later |= matches!(step, Step::Parse(..));
        }
        steps.retain(|step| !step.is_idle());
        Ok(Self {
            needs: needs(&steps),
            equalities: equalities(&steps),
            steps,
            limits: limits.clone(),
        })
    }

    /// What of a record the stages look at.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether every record leaves it as it came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Carries out the stages; `None` where one of them drops the record, or where the
    /// scratch's deadline has passed.
    pub fn run<'s>(&self, record: &Record<'s>, scratch: &'s mut Scratch) -> Option<Processed<'s>> {
        let is_own = self.carry_out(record, scratch)?;
        Some(Processed::new(record, scratch, is_own))
    }

    /// Carries out the stages; whether the line lies in the scratch at the end.
    fn carry_out(&self, record: &Record<'_>, scratch: &mut Scratch) -> Option<bool> {
        scratch.labels.clear();
        let mut is_own = false;
        for (at, step) in self.steps.iter().enumerate() {
            let line = if is_own { &scratch.line } else { record.line };
            if scratch.until.is_past(step.work(line.len())) {
                return None;
            }
            let (labels, buffers) = (&mut scratch.labels, &mut scratch.buffers);
            match step.run(at, record, line, labels, &self.limits, buffers) {
                Done::Goes => {}
                Done::GoesWithLine => {
                    std::mem::swap(&mut scratch.line, &mut scratch.buffers.next);
                    is_own = true;
                }
                Done::Drops => return None,
            }
        }
        Some(is_own)
    }

    /// The label filters that stand before any stage that changes labels and demand that a
    /// label is exactly something: a record that any of them does not hold for is dropped.
    /// The label may be one of the stream or of the metadata.
    #[must_use]
    pub fn equalities(&self) -> &[(String, String)] {
        &self.equalities
    }
}

fn needs(steps: &[Step]) -> Needs {
    steps
        .iter()
        .map(Step::needs)
        .fold(Needs::default(), |a, b| Needs {
            lengths: false,
            lines: a.lines || b.lines,
            metadata: a.metadata || b.metadata,
        })
}

fn equalities(steps: &[Step]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for step in steps.iter().take_while(|step| step.lets_filters_through()) {
        if let Step::Label(condition) = step {
            for (name, value) in condition.equalities() {
                // Under such a name the store may have the label without its suffix.
                let is_renamed = name.ends_with(labels::DUPLICATE_SUFFIX);
                if !is_renamed && name != ERROR && name != ERROR_DETAILS {
                    all.push((name.to_owned(), value.to_owned()));
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;
