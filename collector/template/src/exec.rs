//! Walks a template over its data.
//!
//! Every step is counted, every level of nesting and every byte of output bounded, so that
//! an execution ends soon whatever the template says.

mod call;
mod evaluate;
mod output;

use crate::ast::{Body, Branch, Definition, Node, Pipe};
use crate::error::{Place, TemplateError};
use crate::funcs::Host;
use crate::limits::{DEPTH_MAX, Limits, VARIABLES_MAX};
use crate::set::Set;
use crate::value::Value;
use output::Output;
use std::sync::Arc;

/// Whether the output is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Html,
}

/// One execution.
pub(crate) struct Run<'a> {
    set: &'a Set,
    host: &'a dyn Host,
    limits: Limits,
    mode: Mode,
    steps: u64,
    depth: usize,
    out: Output,
}

/// One template that is being executed.
struct Frame {
    /// The name of the text it stands in.
    text: Arc<str>,
    variables: Vec<(String, Value)>,
    /// Where the execution is, for messages.
    here: Place,
}

impl Frame {
    fn error(&self, message: impl Into<String>) -> TemplateError {
        self.here.error(&self.text, message)
    }
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Run<'a> {
    pub(crate) fn new(set: &'a Set, host: &'a dyn Host, limits: &Limits, mode: Mode) -> Self {
        let limits = Limits {
            depth: limits.depth.min(DEPTH_MAX),
            ..*limits
        };
        Self {
            set,
            host,
            limits,
            mode,
            steps: 0,
            depth: 0,
            out: Output::new(mode, limits.output_bytes),
        }
    }

    /// The output of a template.
    pub(crate) fn whole(mut self, name: &str, data: &Value) -> Result<String, TemplateError> {
        let Some(definition) = self.set.get(name) else {
            let message = format!("there is no template {name:?}");
            return Err(Place::START.error(name, message));
        };
        self.template(definition, data)?;
        Ok(self.out.into_text())
    }

    fn template(&mut self, definition: &Definition, data: &Value) -> Result<(), TemplateError> {
        let mut frame = Frame {
            text: Arc::clone(&definition.text),
            variables: vec![("$".into(), data.clone())],
            here: Place::START,
        };
        self.body(&definition.body, data, &mut frame).map(drop)
    }

    fn body(&mut self, body: &Body, dot: &Value, frame: &mut Frame) -> Result<Flow, TemplateError> {
        self.deeper(frame)?;
        let variables = frame.variables.len();
        let mut flow = Flow::On;
        for node in body {
            flow = self.node(node, dot, frame)?;
            if flow != Flow::On {
                break;
            }
        }
        frame.variables.truncate(variables);
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value, frame: &mut Frame) -> Result<Flow, TemplateError> {
        self.step(frame, 1)?;
        match node {
            Node::Text(text) => self
                .out
                .text(text)
                .map_err(|message| frame.error(message))?,
            Node::Action(pipe) => self.action(pipe, dot, frame)?,
            Node::If(branch) => return self.if_or_with(branch, dot, frame, false),
            Node::With(branch) => return self.if_or_with(branch, dot, frame, true),
            Node::Range(branch) => return self.range(branch, dot, frame),
            Node::Template { name, pipe, place } => {
                frame.here = *place;
                let data = match pipe {
                    Some(pipe) => self.pipe(pipe, dot, frame)?,
                    None => Value::Nil,
                };
                self.call_template(name, &data, frame)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn action(&mut self, pipe: &Pipe, dot: &Value, frame: &mut Frame) -> Result<(), TemplateError> {
        let value = self.pipe(pipe, dot, frame)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        frame.here = pipe.place;
        self.out
            .value(&value)
            .map_err(|message| frame.error(message))
    }

    fn call_template(
        &mut self,
        name: &str,
        data: &Value,
        frame: &Frame,
    ) -> Result<(), TemplateError> {
        let Some(definition) = self.set.get(name) else {
            return Err(frame.error(format!("template {name:?} is not defined")));
        };
        self.template(definition, data)
    }

    fn if_or_with(
        &mut self,
        branch: &Branch,
        dot: &Value,
        frame: &mut Frame,
        with: bool,
    ) -> Result<Flow, TemplateError> {
        let variables = frame.variables.len();
        let value = self.pipe(&branch.pipe, dot, frame)?;
        let flow = match (value.truth(), &branch.otherwise) {
            (true, _) if with => self.body(&branch.then, &value, frame)?,
            (true, _) => self.body(&branch.then, dot, frame)?,
            (false, Some(otherwise)) => self.body(otherwise, dot, frame)?,
            (false, None) => Flow::On,
        };
        frame.variables.truncate(variables);
        Ok(flow)
    }

    fn range(
        &mut self,
        branch: &Branch,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Flow, TemplateError> {
        let variables = frame.variables.len();
        let over = self.pipe(&branch.pipe, dot, frame)?.underlying();
        let any = match &over {
            Value::Nil => false,
            Value::List(items) => {
                let items = items.iter().enumerate();
                let rounds = items.map(|(at, item)| (Value::from(at), item.clone()));
                self.rounds(branch, rounds, frame)?
            }
            Value::Map(map) => {
                let entries = map.entries.iter();
                let rounds = entries.map(|(key, item)| (Value::Str(Arc::clone(key)), item.clone()));
                self.rounds(branch, rounds, frame)?
            }
            Value::Int(count) if branch.pipe.variables.len() > 1 => {
                return Err(frame.error(format!(
                    "can't use {count} to iterate over more than one variable"
                )));
            }
            Value::Int(count) => {
                let rounds = (0..*count).map(|at| (Value::Int(at), Value::Int(at)));
                self.rounds(branch, rounds, frame)?
            }
            other => {
                return Err(frame.error(format!("range can't iterate over {}", other.type_name())));
            }
        };
        let flow = match &branch.otherwise {
            Some(otherwise) if !any => self.body(otherwise, dot, frame)?,
            Some(_) | None => Flow::On,
        };
        frame.variables.truncate(variables);
        Ok(flow)
    }

    /// Executes the body for each key and value. Returns whether there was any.
    fn rounds(
        &mut self,
        branch: &Branch,
        rounds: impl Iterator<Item = (Value, Value)>,
        frame: &mut Frame,
    ) -> Result<bool, TemplateError> {
        let mut any = false;
        for (key, item) in rounds {
            any = true;
            self.step(frame, 1)?;
            let names = branch.pipe.variables.as_slice();
            let values: &[(&String, &Value)] = match names {
                [] => &[],
                [item_name] => &[(item_name, &item)],
                [key_name, item_name, ..] => &[(key_name, &key), (item_name, &item)],
            };
            for (name, value) in values {
                set_variable(frame, name, (*value).clone());
            }
            if self.body(&branch.then, &item, frame)? == Flow::Break {
                break;
            }
        }
        Ok(any)
    }

    /// Counts steps.
    fn step(&mut self, frame: &Frame, count: u64) -> Result<(), TemplateError> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > self.limits.steps {
            let message = format!("the template takes more than {} steps", self.limits.steps);
            return Err(frame.error(message));
        }
        Ok(())
    }

    /// Counts a level of nesting; the caller takes it back.
    fn deeper(&mut self, frame: &Frame) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            let message = format!("nested more than {} deep", self.limits.depth);
            return Err(frame.error(message));
        }
        Ok(())
    }
}

/// Gives the innermost variable of a name another value.
fn set_variable(frame: &mut Frame, name: &str, value: Value) {
    let mut variables = frame.variables.iter_mut().rev();
    if let Some((_, old)) = variables.find(|(known, _)| known == name) {
        *old = value;
    }
}

/// Declares variables with one value.
fn declare(frame: &mut Frame, names: &[String], value: &Value) -> Result<(), TemplateError> {
    if frame.variables.len() + names.len() > VARIABLES_MAX {
        return Err(frame.error(format!("more than {VARIABLES_MAX} variables at once")));
    }
    let declared = names.iter().map(|name| (name.clone(), value.clone()));
    frame.variables.extend(declared);
    Ok(())
}
