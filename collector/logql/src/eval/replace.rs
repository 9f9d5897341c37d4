//! `label_replace`: a label made of parts of another one.

use crate::ast::LabelReplace;
use crate::eval::column::{Column, label_bytes};
use crate::eval::limits::{Budget, EvalError, Work};
use regex::bytes::Regex;
use sonde_proto::re2::{self, Dot};

/// The longest value that may be made, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Sets the destination where the pattern matches the source's whole value.
pub(crate) fn replace(
    call: &LabelReplace,
    mut columns: Vec<Column>,
    budget: &Budget,
) -> Result<Vec<Column>, EvalError> {
    let pattern = anchored(&call.regex)?;
    let mut work = Work::default();
    let mut value = Vec::new();
    for column in &mut columns {
        work.add(budget, 1 + column.labels.len())?;
        let Some(found) = pattern.captures(column.labels.get(&call.source).as_bytes()) else {
            continue;
        };
        let longest = longest(&call.replacement, column.labels.get(&call.source));
        if longest > VALUE_BYTES_MAX {
            return Err(EvalError::TooMuch(format!(
                "label_replace may make a value of {longest} bytes for the label {:?}, more than {VALUE_BYTES_MAX}; use a shorter replacement",
                call.destination
            )));
        }
        value.clear();
        found.expand(call.replacement.as_bytes(), &mut value);
        let mut labels = column.labels.to_builder();
        labels.set(&call.destination, &String::from_utf8_lossy(&value));
        column.labels = labels.build();
        budget.keep_labels(label_bytes(&column.labels))?;
    }
    Ok(columns)
}

/// Each `$` can stand for the whole source, at most.
fn longest(replacement: &str, source: &str) -> usize {
    let references = replacement.bytes().filter(|byte| *byte == b'$').count();
    replacement.len() + references * source.len()
}

fn anchored(pattern: &str) -> Result<Regex, EvalError> {
    re2::compile_whole(pattern, Dot::InLine).map_err(|reason| {
        let shown: String = pattern.chars().take(200).collect();
        EvalError::Query(format!(
            "label_replace: {shown:?} is not a regular expression that can be used: {reason}"
        ))
    })
}
