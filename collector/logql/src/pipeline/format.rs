//! `| line_format "…"` and `| label_format a=b, c="…"`: Go templates over the labels.
//!
//! Most templates are texts with labels between them; those are put together without the
//! template engine. The others get as data only the labels they name. A template that fails
//! leaves the line or the label as it was, and `__error__="TemplateFormatErr"`.

mod funcs;
mod scan;

use super::labels::{ERROR, LabelSet, LabelsView, Mistake};
use super::limits::PipelineLimits;
use crate::ast::{LabelFormat, LabelFormatValue};
use crate::filter::CompileError;
use crate::source::Record;
use funcs::Moment;
use scan::{Piece, Scanned};
use sonde_template::{Limits, Set, Value};
use std::sync::Arc;

/// A template, compiled.
#[derive(Clone, Debug)]
pub(super) struct Format {
    /// Its texts and labels, where it is nothing else.
    pieces: Option<Vec<Piece>>,
    /// The labels it names; `None` where it may look at any.
    fields: Option<Vec<Arc<str>>>,
    has_line: bool,
    set: Set,
}

/// What templates look at.
#[derive(Clone, Copy)]
pub(super) struct Input<'i> {
    pub(super) record: &'i Record<'i>,
    pub(super) labels: &'i LabelSet,
    pub(super) line: &'i [u8],
    pub(super) limits: &'i PipelineLimits,
}

impl Input<'_> {
    fn view(&self) -> LabelsView<'_> {
        LabelsView {
            record: *self.record,
            set: self.labels,
        }
    }
}

impl Format {
    fn compile(template: &str) -> Result<Self, String> {
        let mut set = Set::new(funcs::all());
        set.add("", template)
            .map_err(|error| format!("not a template: {error}"))?;
        let Scanned {
            pieces,
            fields,
            has_line,
        } = scan::scan(template);
        Ok(Self {
            pieces,
            fields: fields.map(|fields| fields.into_iter().map(Arc::from).collect()),
            has_line,
            set,
        })
    }

    /// The template of `line_format`.
    pub(super) fn of_line(template: &str) -> Result<Self, CompileError> {
        Self::compile(template).map_err(|reason| {
            CompileError::new(
                format!("| line_format {}", sonde_lex::quoted(template)),
                reason,
            )
        })
    }

    /// The labels it looks at; `None` where it may look at any.
    pub(super) fn fields(&self) -> Option<&[Arc<str>]> {
        self.fields.as_deref()
    }

    /// Whether it looks at the line.
    pub(super) fn has_line(&self) -> bool {
        self.has_line
    }

    /// Appends what it yields.
    pub(super) fn render(&self, input: &Input<'_>, out: &mut String) -> Result<(), String> {
        let Some(pieces) = &self.pieces else {
            let data = self.data(input);
            return self.execute(input, &data, out);
        };
        let (view, start) = (input.view(), out.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field(name) => out.push_str(view.get(name).unwrap_or_default()),
                Piece::Line => out.push_str(&String::from_utf8_lossy(input.line)),
            }
            if out.len() - start > input.limits.template_bytes_max {
                out.truncate(start);
                return Err(format!(
                    "the output is longer than {} bytes",
                    input.limits.template_bytes_max
                ));
            }
        }
        Ok(())
    }

    fn data(&self, input: &Input<'_>) -> Value {
        let view = input.view();
        match &self.fields {
            Some(fields) => Value::strings(
                fields
                    .iter()
                    .filter_map(|name| Some((name.clone(), view.get(name)?))),
            ),
            None => Value::strings(
                view.sorted()
                    .into_iter()
                    .map(|(name, value, _)| (Arc::from(name), value)),
            ),
        }
    }

    fn execute(&self, input: &Input<'_>, data: &Value, out: &mut String) -> Result<(), String> {
        let limits = Limits {
            steps: input.limits.template_steps_max,
            output_bytes: input.limits.template_bytes_max,
            ..Limits::default()
        };
        let moment = Moment {
            line: input.line,
            time: input.record.time,
        };
        let text = self.set.execute("", data, &moment, &limits);
        out.push_str(&text.map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// `label_format`, compiled.
#[derive(Clone, Debug)]
pub(super) struct LabelFormats {
    formats: Vec<(String, Assignment)>,
}

#[derive(Clone, Debug)]
enum Assignment {
    Rename(String),
    Template(Box<Format>),
}

impl LabelFormats {
    pub(super) fn compile(formats: &[LabelFormat]) -> Result<Self, CompileError> {
        let refused = |name: &str, reason: String| {
            CompileError::new(format!("| label_format {name}=…"), reason)
        };
        let mut compiled: Vec<(String, Assignment)> = Vec::with_capacity(formats.len());
        for LabelFormat { name, value } in formats {
            if name == ERROR {
                return Err(refused(
                    name,
                    "this label cannot be set; drop it instead".into(),
                ));
            }
            if compiled.iter().any(|(known, _)| known == name) {
                let reason = "this label is set twice; use two stages, or set it once".into();
                return Err(refused(name, reason));
            }
            let assignment = match value {
                LabelFormatValue::Rename(source) => Assignment::Rename(source.clone()),
                LabelFormatValue::Template(template) => {
                    let format = Format::compile(template);
                    Assignment::Template(Box::new(format.map_err(|e| refused(name, e))?))
                }
            };
            compiled.push((name.clone(), assignment));
        }
        Ok(Self { formats: compiled })
    }

    /// The labels that it sets, each with the labels it looks at for that; `None` where it may
    /// look at any.
    pub(super) fn uses(&self) -> impl Iterator<Item = (&str, Option<Vec<&str>>)> {
        self.formats.iter().map(|(name, assignment)| {
            let sources = match assignment {
                Assignment::Rename(source) => Some(vec![source.as_str()]),
                Assignment::Template(format) => format
                    .fields()
                    .map(|fields| fields.iter().map(AsRef::as_ref).collect()),
            };
            (name.as_str(), sources)
        })
    }

    /// Whether one of its templates looks at the line.
    pub(super) fn has_line(&self) -> bool {
        self.formats.iter().any(|(_, assignment)| match assignment {
            Assignment::Rename(_) => false,
            Assignment::Template(format) => format.has_line(),
        })
    }

    /// Sets the labels. All templates see the labels as they were at the first template.
    pub(super) fn run(
        &self,
        record: &Record<'_>,
        line: &[u8],
        labels: &mut LabelSet,
        limits: &PipelineLimits,
        buffers: &mut Rendered,
    ) {
        buffers.clear();
        let mut is_rendered = false;
        let mut next = 0;
        for (at, (name, assignment)) in self.formats.iter().enumerate() {
            match assignment {
                Assignment::Rename(source) => labels.rename(name, source, record, limits),
                Assignment::Template(_) => {
                    if !is_rendered {
                        let input = Input {
                            record,
                            labels,
                            line,
                            limits,
                        };
                        self.render_from(at, &input, buffers);
                        is_rendered = true;
                    }
                    match &buffers.ends[next] {
                        Ok(range) => {
                            let text = &buffers.text[range.clone()];
                            labels.set(name, limits, |out| out.push_str(text));
                        }
                        Err(reason) => labels.fail(Mistake::TemplateFormat, reason),
                    }
                    next += 1;
                }
            }
        }
    }

    fn render_from(&self, start: usize, input: &Input<'_>, buffers: &mut Rendered) {
        for (_, assignment) in &self.formats[start..] {
            if let Assignment::Template(format) = assignment {
                let begin = buffers.text.len();
                let done = format.render(input, &mut buffers.text);
                buffers.ends.push(done.map(|()| begin..buffers.text.len()));
            }
        }
    }
}

/// What the templates of a stage yielded.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    text: String,
    ends: Vec<Result<std::ops::Range<usize>, String>>,
}

impl Rendered {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}
