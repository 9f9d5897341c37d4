//! Functions that rewrite labels.

use super::{Function, Shape, shaped};
use crate::promql::ast::Type;
use crate::promql::source::Stop;
use sonde_proto::Labels;

const TEXT: Type = Type::String;

pub(crate) const TABLE: &[Function] = &[
    shaped(
        "label_replace",
        Type::Vector,
        &[Type::Vector, TEXT, TEXT, TEXT, TEXT],
        Shape::LabelReplace,
    ),
    Function {
        repeats: true,
        optional: 1,
        ..shaped(
            "label_join",
            Type::Vector,
            &[Type::Vector, TEXT, TEXT, TEXT],
            Shape::LabelJoin,
        )
    },
];

/// A pattern's automaton is memory.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// `label_replace`, ready to be applied.
pub(crate) struct Replace {
    target: String,
    replacement: String,
    source: String,
    pattern: regex::Regex,
}

impl Replace {
    /// From the arguments after the vector.
    pub(crate) fn new([target, replacement, source, pattern]: [String; 4]) -> Result<Self, Stop> {
        check_name(&target, "label_replace")?;
        let pattern = regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(REGEX_SIZE_MAX)
            .build()
            .map_err(|error| {
                Stop::Expression(format!(
                    "invalid regular expression in label_replace(): {error}"
                ))
            })?;
        Ok(Self {
            target,
            replacement,
            source,
            pattern,
        })
    }

    pub(crate) fn apply(&self, labels: &Labels) -> Labels {
        let Some(captures) = self.pattern.captures(labels.get(&self.source)) else {
            return labels.clone();
        };
        let mut value = String::new();
        captures.expand(&self.replacement, &mut value);
        let mut builder = labels.to_builder();
        builder.set(&self.target, &value);
        builder.build()
    }
}

/// `label_join`: the values of labels, one behind the other.
pub(crate) fn join(labels: &Labels, target: &str, separator: &str, sources: &[String]) -> Labels {
    let values: Vec<&str> = sources.iter().map(|name| labels.get(name)).collect();
    let mut builder = labels.to_builder();
    builder.set(target, &values.join(separator));
    builder.build()
}

/// Refuses a name that no label can have.
pub(crate) fn check_name(name: &str, function: &str) -> Result<(), Stop> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty()
        && name.chars().all(valid)
        && !name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Ok(());
    }
    Err(Stop::Expression(format!(
        "invalid destination label name in {function}(): {name:?}"
    )))
}
