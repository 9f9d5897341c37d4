//! Functions, and what they may yield.

use super::output::Output;
use super::{Frame, Mode, Run};
use crate::ast::Operand;
use crate::builtin;
use crate::error::TemplateError;
use crate::funcs::Entry;
use crate::value::Value;

/// How deep lists and maps may stand in each other, so that printing or dropping them
/// cannot exhaust the stack.
const VALUE_DEPTH_MAX: usize = 64;

/// How many bytes of a string cost a step.
const BYTES_A_STEP: usize = 64;

/// How many parts of a list or map cost a step.
const PARTS_A_STEP: usize = 4;

impl Run<'_> {
    pub(super) fn function(
        &mut self,
        name: &str,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Value, TemplateError> {
        let entry = self.set.funcs().get(name).cloned();
        if entry.is_none() && matches!(name, "and" | "or") {
            return self.and_or(name == "or", operands, piped, dot, frame);
        }
        let args = self.arguments(operands, piped, dot, frame)?;
        let texts = args.iter().filter_map(Value::as_str);
        let bytes = texts.fold(0_usize, |bytes, text| bytes.saturating_add(text.len()));
        self.step(frame, steps(bytes, BYTES_A_STEP))?;
        let result = match entry {
            Some(Entry::Template) => return self.template_call(name, &args, frame),
            Some(Entry::Own(function, cost)) => {
                self.step(frame, cost)?;
                function(&args)
            }
            Some(Entry::Host) => self.host.call(name, &args),
            None => self.built_in(name, &args),
        };
        let value =
            result.map_err(|error| frame.error(format!("error calling {name}: {error}")))?;
        self.yielded(value, frame)
    }

    fn built_in(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let bytes_max = self.limits.output_bytes;
        match (self.mode, name) {
            // Every action is escaped, and once is enough.
            (Mode::Html, "html") => builtin::text(args, bytes_max).map(Value::from),
            (Mode::Html, "urlquery") => {
                let query = builtin::call(name, args, bytes_max)?;
                Ok(Value::Url(query.as_str().unwrap_or_default().into()))
            }
            _ => builtin::call(name, args, bytes_max),
        }
    }

    /// `and` and `or` evaluate only what they need.
    fn and_or(
        &mut self,
        or: bool,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        frame: &mut Frame,
    ) -> Result<Value, TemplateError> {
        let mut value = None;
        for operand in operands {
            let next = self.argument(operand, dot, frame)?;
            if next.truth() == or {
                return Ok(next);
            }
            value = Some(next);
        }
        piped.or(value).ok_or_else(|| {
            let name = if or { "or" } else { "and" };
            frame.error(format!(
                "wrong number of args for {name}: want at least 1 got 0"
            ))
        })
    }

    /// The output of a template as a value.
    fn template_call(
        &mut self,
        function: &str,
        args: &[Value],
        frame: &Frame,
    ) -> Result<Value, TemplateError> {
        let (name, data) = match args {
            [name] => (name.as_str(), Value::Nil),
            [name, data] => (name.as_str(), data.clone()),
            _ => (None, Value::Nil),
        };
        let Some(name) = name else {
            let message = format!("{function} takes the name of a template and its data");
            return Err(frame.error(message));
        };
        let inner = Output::new(self.mode, self.limits.output_bytes);
        let outer = std::mem::replace(&mut self.out, inner);
        let done = self.call_template(name, &data, frame);
        let inner = std::mem::replace(&mut self.out, outer);
        done?;
        self.yielded(Value::Html(inner.into_text().into()), frame)
    }

    /// Counts what a function or method yielded, and refuses what is too large.
    pub(super) fn yielded(&mut self, value: Value, frame: &Frame) -> Result<Value, TemplateError> {
        self.count(&value, 0, frame)?;
        Ok(value)
    }

    fn count(&mut self, value: &Value, depth: usize, frame: &Frame) -> Result<(), TemplateError> {
        match value {
            Value::Str(text) | Value::Html(text) | Value::Url(text) if depth == 0 => {
                if text.len() > self.limits.output_bytes {
                    return Err(frame.error(format!(
                        "a value is longer than {} bytes",
                        self.limits.output_bytes
                    )));
                }
                self.step(frame, steps(text.len(), BYTES_A_STEP))
            }
            Value::List(items) => {
                self.step(frame, 1 + steps(items.len(), PARTS_A_STEP))?;
                self.count_parts(items.iter(), depth, frame)
            }
            Value::Map(map) => {
                self.step(frame, 1 + steps(map.entries.len(), PARTS_A_STEP))?;
                self.count_parts(map.entries.values(), depth, frame)
            }
            _ => Ok(()),
        }
    }

    fn count_parts<'v>(
        &mut self,
        parts: impl Iterator<Item = &'v Value>,
        depth: usize,
        frame: &Frame,
    ) -> Result<(), TemplateError> {
        if depth >= VALUE_DEPTH_MAX {
            let message = format!("a value is nested more than {VALUE_DEPTH_MAX} deep");
            return Err(frame.error(message));
        }
        for part in parts {
            self.count(part, depth + 1, frame)?;
        }
        Ok(())
    }
}

fn steps(size: usize, a_step: usize) -> u64 {
    u64::try_from(size / a_step).unwrap_or(u64::MAX)
}
