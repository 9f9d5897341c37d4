//! Pipelines, commands, fields.

use super::{Frame, Run, declare, set_variable};
use crate::ast::{Command, Operand, OperandKind, Pipe};
use crate::error::TemplateError;
use crate::time::{of_duration, of_time};
use crate::value::Value;

impl Run<'_> {
    /// The value of a pipeline, which its variables get.
    pub(super) fn pipe(
        &mut self,
        pipe: &Pipe,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Value, TemplateError> {
        frame.here = pipe.place;
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot, frame)?);
        }
        let value = value.unwrap_or_default();
        if pipe.assigns {
            for name in &pipe.variables {
                set_variable(frame, name, value.clone());
            }
        } else {
            declare(frame, &pipe.variables, &value)?;
        }
        Ok(value)
    }

    /// The value of a command, whose last argument is `piped`.
    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value>,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Value, TemplateError> {
        self.step(frame, 1)?;
        let Some((first, rest)) = command.operands.split_first() else {
            return Err(frame.error("an empty command"));
        };
        frame.here = first.place;
        match &first.kind {
            OperandKind::Function(name) => self.function(name, rest, piped, dot, frame),
            OperandKind::Field(path) => self.path(dot, path, rest, piped, dot, frame),
            OperandKind::Variable(name, path) => {
                let value = variable(frame, name);
                self.path(&value, path, rest, piped, dot, frame)
            }
            OperandKind::Chain(start, path) => {
                let value = self.argument(start, dot, frame)?;
                self.path(&value, path, rest, piped, dot, frame)
            }
            OperandKind::Nil => Err(frame.error("nil is not a command")),
            OperandKind::Dot | OperandKind::Constant(_) | OperandKind::Pipe(_) => {
                if !rest.is_empty() || piped.is_some() {
                    return Err(frame.error("can't give argument to non-function"));
                }
                self.argument(first, dot, frame)
            }
        }
    }

    /// The value of one word.
    pub(super) fn argument(
        &mut self,
        operand: &Operand,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Value, TemplateError> {
        frame.here = operand.place;
        match &operand.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Nil => Ok(Value::Nil),
            OperandKind::Constant(value) => Ok(value.clone()),
            OperandKind::Field(path) => self.path(dot, path, &[], None, dot, frame),
            OperandKind::Variable(name, path) => {
                let value = variable(frame, name);
                self.path(&value, path, &[], None, dot, frame)
            }
            OperandKind::Chain(start, path) => {
                let value = self.argument(start, dot, frame)?;
                self.path(&value, path, &[], None, dot, frame)
            }
            OperandKind::Function(name) => self.function(name, &[], None, dot, frame),
            OperandKind::Pipe(pipe) => {
                self.deeper(frame)?;
                // As in Go, variables declared between parentheses live on after them.
                let value = self.pipe(pipe, dot, frame)?;
                self.depth -= 1;
                Ok(value)
            }
        }
    }

    /// `value.a.b`, the last with arguments.
    fn path(
        &mut self,
        value: &Value,
        path: &[String],
        args: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Value, TemplateError> {
        let Some((last, before)) = path.split_last() else {
            if !args.is_empty() || piped.is_some() {
                return Err(frame.error("can't give argument to non-function"));
            }
            return Ok(value.clone());
        };
        // As in Go, no value has no value for each field, but a field without a value has none.
        if matches!(value, Value::Nil) {
            return Ok(Value::Nil);
        }
        let mut at = value.clone();
        for name in before {
            at = self.member(&at, name, &[], frame)?;
        }
        let args = self.arguments(args, piped, dot, frame)?;
        self.member(&at, last, &args, frame)
    }

    pub(super) fn arguments(
        &mut self,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Vec<Value>, TemplateError> {
        let here = frame.here;
        let mut values = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            values.push(self.argument(operand, dot, frame)?);
        }
        values.extend(piped);
        frame.here = here;
        Ok(values)
    }

    /// A field, a method's result, or a map's entry.
    fn member(
        &mut self,
        value: &Value,
        name: &str,
        args: &[Value],
        frame: &Frame,
    ) -> Result<Value, TemplateError> {
        let found = match value {
            Value::Object(object) => object.member(name, args),
            Value::Time(time) => of_time(time, name, args),
            Value::Duration(nanos) => of_duration(*nanos, name, args),
            Value::Map(_) | Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
            Value::Str(_) | Value::Html(_) | Value::Url(_) | Value::List(_) => None,
        };
        if let Some(found) = found {
            let value =
                found.map_err(|error| frame.error(format!("error calling {name}: {error}")))?;
            return self.yielded(value, frame);
        }
        match value.underlying() {
            Value::Map(_) if !args.is_empty() => {
                Err(frame.error(format!("{name} is not a method but has arguments")))
            }
            Value::Map(map) => Ok(map.get(name)),
            Value::Nil if matches!(value, Value::Nil) => {
                Err(frame.error(format!("nil pointer evaluating interface {{}}.{name}")))
            }
            _ => Err(frame.error(format!(
                "can't evaluate field {name} in type {}",
                value.type_name()
            ))),
        }
    }
}

fn variable(frame: &Frame, name: &str) -> Value {
    let mut variables = frame.variables.iter().rev();
    variables
        .find(|(known, _)| known == name)
        .map_or(Value::Nil, |(_, value)| value.clone())
}
