//! One stage, compiled, and what it does to a record.

use super::condition::Condition;
use super::decolorize::decolorize;
use super::distinct::Seen;
use super::format::{Format, Input, LabelFormats, Rendered};
use super::json::{Names, Paths, json, unpack};
use super::labels::{ERROR, LabelSet, Mistake};
use super::limits::{PipelineLimits, Wanted};
use super::logfmt::Logfmt;
use super::regexp::Regexp;
use super::select;
use super::take::Taker;
use crate::ast::{Extraction, LabelSelector, Stage};
use crate::filter::{CompileError, LineFilter, Template, push_lossy};
use crate::source::{Needs, Record};
use regex::bytes::CaptureLocations;

/// A template may take its steps for any line.
const TEMPLATE_WORK: u64 = 1 << 15;

/// A stage, compiled.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Line(LineFilter),
    Parse(Parser, Wanted),
    Decolorize,
    Label(Condition),
    LineFormat(Box<Format>),
    LabelFormat(LabelFormats),
    Drop(Vec<LabelSelector>),
    Keep(Vec<LabelSelector>),
    Distinct(Vec<String>),
}

/// What takes labels out of lines.
#[derive(Clone, Debug)]
pub(super) enum Parser {
    Json,
    Paths(Paths),
    Logfmt(Logfmt),
    Regexp(Box<Regexp>),
    Pattern(Template),
    Unpack,
}

/// What a step did.
pub(super) enum Done {
    /// The record goes on.
    Goes,
    /// It goes on with the line that lies in [`Buffers::next`].
    GoesWithLine,
    /// It is dropped.
    Drops,
}

/// Buffers of the steps. Those of a step that remembers something are its own.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) next: Vec<u8>,
    text: String,
    lossy: String,
    name: String,
    names: Names,
    rendered: Rendered,
    own: Vec<Own>,
}

#[derive(Debug, Default)]
struct Own {
    captures: Option<CaptureLocations>,
    seen: Seen,
}

impl Step {
    /// Compiles a stage; all stages have so many regular expressions.
    pub(super) fn compile(stage: &Stage, patterns: usize) -> Result<Self, CompileError> {
        let shown = |name: &str, text: &str| format!("| {name} {}", sonde_lex::quoted(text));
        Ok(match stage {
            Stage::Line(filter) => Self::Line(LineFilter::compile_beside(filter, patterns)?),
            Stage::Json(extractions) if extractions.is_empty() => Self::parse(Parser::Json),
            Stage::Json(extractions) => {
                let paths = Paths::compile(extractions)
                    .map_err(|reason| CompileError::new(shown_extractions(extractions), reason))?;
                Self::parse(Parser::Paths(paths))
            }
            Stage::Logfmt {
                strict,
                keep_empty,
                extractions,
            } => Self::parse(Parser::Logfmt(Logfmt {
                strict: *strict,
                keep_empty: *keep_empty,
                extractions: extractions.clone(),
            })),
            Stage::Regexp(text) => {
                let regexp = Regexp::compile(text, patterns)
                    .map_err(|reason| CompileError::new(shown("regexp", text), reason))?;
                Self::parse(Parser::Regexp(Box::new(regexp)))
            }
            Stage::Pattern(text) => {
                let template = Template::of_parser(text)
                    .map_err(|reason| CompileError::new(shown("pattern", text), reason))?;
                Self::parse(Parser::Pattern(template))
            }
            Stage::Unpack => Self::parse(Parser::Unpack),
            Stage::Decolorize => Self::Decolorize,
            Stage::Label(filter) => Self::Label(Condition::compile(filter)?),
            Stage::LineFormat(text) => Self::LineFormat(Box::new(Format::of_line(text)?)),
            Stage::LabelFormat(formats) => Self::LabelFormat(LabelFormats::compile(formats)?),
            Stage::Drop(selectors) => Self::Drop(selectors.clone()),
            Stage::Keep(selectors) => Self::Keep(selectors.clone()),
            Stage::Distinct(names) => Self::Distinct(names.clone()),
        })
    }

    /// About how much work the step is for a line of so many bytes, in bytes looked at.
    pub(super) fn work(&self, line_bytes: usize) -> u64 {
        match self {
            Self::LineFormat(_) | Self::LabelFormat(_) => TEMPLATE_WORK,
            _ => 16 + line_bytes as u64,
        }
    }

    fn parse(parser: Parser) -> Self {
        Self::Parse(parser, Wanted::All)
    }

    /// Tells the step which labels are looked at after it; says which are before it.
    pub(super) fn want(&mut self, after: Wanted, parses_later: bool) -> Wanted {
        let mut before = after;
        match self {
            Self::Line(_) | Self::Decolorize => {}
            Self::Parse(_, wanted) => *wanted = before.clone(),
            Self::Label(condition) => before.add(condition.names()),
            Self::LineFormat(format) => match format.fields() {
                Some(fields) => before.add(fields.iter().map(AsRef::as_ref)),
                None => before = Wanted::All,
            },
            Self::LabelFormat(formats) => {
                for (_, sources) in formats.uses() {
                    match sources {
                        Some(sources) => before.add(sources),
                        None => before = Wanted::All,
                    }
                }
            }
            Self::Drop(selectors) => before.add(select::names_of_matchers(selectors)),
            // A later parser leaves out what this stage removes: then all of it is wanted.
            Self::Keep(selectors)
                if before == Wanted::All && !selectors.is_empty() && !parses_later =>
            {
                before = Wanted::nothing();
                before.add(select::names(selectors));
                // Whoever looks at all labels looks at mistakes.
                before.add([ERROR]);
            }
            Self::Keep(selectors) => before.add(select::names_of_matchers(selectors)),
            Self::Distinct(names) => before.add(names.iter().map(String::as_str)),
        }
        before
    }

    /// Whether no record is changed or dropped by it.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            // The line may be another behind `unpack`, whatever labels are wanted.
            Self::Parse(Parser::Unpack, _) => false,
            Self::Parse(_, wanted) => wanted.is_nothing(),
            _ => false,
        }
    }

    /// Whether a label filter behind it can be asked before it: labels are the same, and it
    /// remembers nothing of records that the filter would drop.
    pub(super) fn lets_filters_through(&self) -> bool {
        match self {
            Self::Line(_) | Self::Decolorize | Self::Label(_) | Self::LineFormat(_) => true,
            Self::Parse(..) | Self::LabelFormat(_) | Self::Drop(_) => false,
            Self::Keep(_) | Self::Distinct(_) => false,
        }
    }

    /// What of a record it looks at.
    pub(super) fn needs(&self) -> Needs {
        let (lines, metadata) = match self {
            Self::Line(_) | Self::Decolorize => (true, false),
            Self::Parse(..) => (true, true),
            Self::Label(_) | Self::Distinct(_) => (false, true),
            Self::LineFormat(format) => (
                format.has_line(),
                format.fields().is_none_or(|f| !f.is_empty()),
            ),
            Self::LabelFormat(formats) => (formats.has_line(), true),
            Self::Drop(selectors) => {
                let has_matcher = select::names_of_matchers(selectors).next().is_some();
                (false, has_matcher)
            }
            Self::Keep(_) => (false, true),
        };
        Needs {
            lengths: false,
            lines,
            metadata,
        }
    }

    /// Carries it out; `at` is its place among the steps.
    pub(super) fn run(
        &self,
        at: usize,
        record: &Record<'_>,
        line: &[u8],
        labels: &mut LabelSet,
        limits: &PipelineLimits,
        buffers: &mut Buffers,
    ) -> Done {
        let goes = match self {
            Self::Line(filter) => filter.matches(line),
            Self::Label(condition) => condition.holds(record, labels),
            Self::Distinct(names) => {
                let seen = &mut buffers.own(at).seen;
                seen.passes(names, record, labels, limits)
            }
            Self::Decolorize => {
                return if decolorize(line, &mut buffers.next) {
                    Done::GoesWithLine
                } else {
                    Done::Goes
                };
            }
            Self::Parse(parser, wanted) => {
                return parser.run(at, record, line, labels, wanted, limits, buffers);
            }
            Self::LineFormat(format) => {
                let input = Input {
                    record,
                    labels,
                    line,
                    limits,
                };
                buffers.text.clear();
                match format.render(&input, &mut buffers.text) {
                    Ok(()) => return buffers.text_is_next(),
                    Err(reason) => labels.fail(Mistake::TemplateFormat, &reason),
                }
                true
            }
            Self::LabelFormat(formats) => {
                formats.run(record, line, labels, limits, &mut buffers.rendered);
                true
            }
            Self::Drop(selectors) => {
                select::drop(selectors, record, labels);
                true
            }
            Self::Keep(selectors) => {
                select::keep(selectors, record, labels);
                true
            }
        };
        if goes { Done::Goes } else { Done::Drops }
    }
}

fn shown_extractions(extractions: &[Extraction]) -> String {
    let all: Vec<String> = extractions
        .iter()
        .map(|one| format!("{}={}", one.label, sonde_lex::quoted(&one.path)))
        .collect();
    format!("| json {}", all.join(", "))
}

impl Parser {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a record's state are borrowed apart"
    )]
    fn run(
        &self,
        at: usize,
        record: &Record<'_>,
        line: &[u8],
        labels: &mut LabelSet,
        wanted: &Wanted,
        limits: &PipelineLimits,
        buffers: &mut Buffers,
    ) -> Done {
        buffers.own(at);
        let line = text(line, &mut buffers.lossy);
        let mut taker = Taker::new(record, labels, wanted, limits, &mut buffers.name);
        match self {
            Self::Json => json(line, &mut buffers.names, &mut taker),
            Self::Paths(paths) => paths.run(line, &mut buffers.names, &mut taker),
            Self::Logfmt(logfmt) => logfmt.run(line, &mut buffers.names.path, &mut taker),
            Self::Regexp(regexp) => {
                let found = &mut buffers.own[at].captures;
                regexp.run(line, found, &mut taker);
            }
            Self::Pattern(template) => template.extract(line, |name, text| {
                taker.take(name, |out| out.push_str(text));
            }),
            Self::Unpack => {
                if unpack(line, &mut buffers.names, &mut taker, &mut buffers.text) {
                    return buffers.text_is_next();
                }
            }
        }
        Done::Goes
    }
}

impl Buffers {
    fn own(&mut self, at: usize) -> &mut Own {
        if self.own.len() <= at {
            self.own.resize_with(at + 1, Own::default);
        }
        &mut self.own[at]
    }

    /// The text becomes the next line.
    fn text_is_next(&mut self) -> Done {
        let mut old = std::mem::take(&mut self.next);
        old.clear();
        self.next = std::mem::take(&mut self.text).into_bytes();
        self.text = String::from_utf8(old).unwrap_or_default();
        Done::GoesWithLine
    }
}

/// A line as text, with U+FFFD for each byte that is not UTF-8.
fn text<'t>(line: &'t [u8], lossy: &'t mut String) -> &'t str {
    match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(_) => {
            lossy.clear();
            push_lossy(lossy, line, char::REPLACEMENT_CHARACTER);
            lossy
        }
    }
}
