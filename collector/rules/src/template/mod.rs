//! Labels and annotations of alerting rules: Go templates over one result.
//!
//! The variables and functions are those of Prometheus (`template/template.go`). A template
//! that fails becomes a text that says so, because an alert with a broken annotation is
//! better than none. An expansion is bounded in steps and output, and the expansions of one
//! evaluation together in what they write and in the queries they make.

mod functions;
mod humanize;
mod result;

pub(crate) use functions::link;

use crate::group::Turn;
use crate::query::{Query, Sample};
use functions::Number;
use sonde_proto::UnixNanos;
use sonde_template::{Funcs, Host, Limits, Object, Set, TemplateError, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What every template may say without having defined it. On the first line, so that only
/// columns there have to be shifted.
const DEFINITIONS: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                           {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The name that messages about a template begin with.
const NAME: &str = "template";

/// An empty set with the functions of rules.
static FUNCTIONS: LazyLock<Set> = LazyLock::new(|| {
    let mut funcs = Funcs::new();
    functions::add(&mut funcs);
    humanize::add(&mut funcs);
    result::add(&mut funcs);
    for name in ["query", "externalURL", "pathPrefix", "now"] {
        funcs.declare(name);
    }
    Set::new(funcs)
});

/// A text that may be a template.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    written: String,
    /// `None` when there is nothing to expand.
    set: Option<Set>,
}

impl Text {
    /// Reads a text. Places in errors are those in `written`.
    pub(crate) fn parse(written: &str) -> Result<Self, TemplateError> {
        let set = if written.contains("{{") {
            let mut set = FUNCTIONS.clone();
            set.add(NAME, &format!("{DEFINITIONS}{written}"))
                .map_err(own_place)?;
            Some(set)
        } else {
            None
        };
        Ok(Self {
            written: written.into(),
            set,
        })
    }

    /// The text before expansion.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }
}

/// The place without the definitions that were put in front.
fn own_place(mut error: TemplateError) -> TemplateError {
    if error.line == 1 {
        error.column = error.column.saturating_sub(DEFINITIONS.len()).max(1);
    }
    error
}

/// Expands the templates of one rule in one evaluation.
pub(crate) struct Expansion<'a> {
    turn: &'a Turn<'a>,
    query: &'a dyn Query,
    /// How much may still be written.
    bytes_left: Cell<usize>,
    answers: RefCell<HashMap<String, Result<Value, String>>>,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(turn: &'a Turn<'a>, query: &'a dyn Query) -> Self {
        Self {
            turn,
            query,
            bytes_left: Cell::new(turn.config.template_bytes_max),
            answers: RefCell::default(),
        }
    }

    /// What templates see of a result.
    pub(crate) fn scope(&self, sample: &Sample) -> Value {
        Value::object(Scope {
            labels: Value::strings(sample.labels.iter()),
            external_labels: Value::strings(self.turn.config.external_labels.iter()),
            external_url: Value::from(self.turn.config.external_url.as_str()),
            value: Value::from(sample.number()),
        })
    }

    /// The expanded text.
    pub(crate) fn expand(&self, text: &Text, scope: &Value) -> String {
        let Some(set) = &text.set else {
            return text.written.clone();
        };
        let expanded = self.execute(set, scope).unwrap_or_else(|why| {
            self.turn.telemetry.template_failures.inc();
            format!("<error expanding template: {why}>")
        });
        let left = self.bytes_left.get().saturating_sub(expanded.len());
        self.bytes_left.set(left);
        expanded
    }

    fn execute(&self, set: &Set, scope: &Value) -> Result<String, String> {
        let config = self.turn.config;
        let left = self.bytes_left.get();
        if left == 0 {
            let bytes_max = config.template_bytes_max;
            return Err(format!(
                "the templates of this rule write more than {bytes_max} bytes in one evaluation"
            ));
        }
        let limits = Limits {
            output_bytes: config.template_limits.output_bytes.min(left),
            ..config.template_limits
        };
        set.execute(NAME, scope, self, &limits)
            .map_err(|error| own_place(error).to_string())
    }

    /// Asks a query once for all templates of the evaluation.
    fn ask(&self, expr: &str) -> Result<Value, String> {
        if let Some(answer) = self.answers.borrow().get(expr) {
            return answer.clone();
        }
        let queries_max = self.turn.config.template_queries_max;
        if self.answers.borrow().len() >= queries_max {
            return Err(format!(
                "the templates of this rule make more than {queries_max} different queries"
            ));
        }
        let answer = self
            .query
            .instant(expr, self.turn.at)
            .map(|samples| samples.iter().map(result::value).collect::<Vec<_>>().into());
        let mut answers = self.answers.borrow_mut();
        answers.insert(expr.into(), answer.clone());
        answer
    }
}

impl Host for Expansion<'_> {
    fn call(&self, function: &str, args: &[Value]) -> Result<Value, String> {
        let url = &self.turn.config.external_url;
        match (function, args) {
            ("query", [expr]) => self.ask(expr.as_str().ok_or("query: expected a string")?),
            ("externalURL", []) => Ok(Value::from(url.as_str())),
            ("pathPrefix", []) => Ok(Value::from(path(url))),
            ("now", []) => Ok(Value::Float(seconds(self.turn.at))),
            _ => Err(format!(
                "wrong number of args for {function}: got {}",
                args.len()
            )),
        }
    }
}

fn seconds(time: UnixNanos) -> Number {
    time.as_secs_f64()
}

/// The path of a URL.
fn path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

/// The `.` of a template.
struct Scope {
    labels: Value,
    external_labels: Value,
    external_url: Value,
    value: Value,
}

impl Object for Scope {
    fn type_name(&self) -> &str {
        "struct { Labels, ExternalLabels, ExternalURL, Value }"
    }

    fn member(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        let value = match name {
            "Labels" => &self.labels,
            "ExternalLabels" => &self.external_labels,
            "ExternalURL" => &self.external_url,
            "Value" => &self.value,
            _ => return None,
        };
        Some(Ok(value.clone()))
    }
}

#[cfg(test)]
mod tests;
