//! `oneOf` and `anyOf`: which alternative a writer meant, and what is wrong with it.
//!
//! A value that fits no alternative is reported against the one that it is closest to, so
//! that a wrong key in one kind of receiver is not reported as "no receiver at all".

use serde_json::Value;

use crate::problem::Report;
use crate::schema::{Checker, array, equals};
use crate::tree::{Content, Kind, Node};

/// What a wrong tag weighs against other problems.
const WRONG_TAG: usize = 1_000;

/// Checks a value against alternatives; settles it by the first that fits.
pub(crate) fn check<'s>(
    checker: &mut Checker<'s>,
    node: &mut Node,
    all: &'s [Value],
    report: &mut Report,
) {
    let likely: Vec<&Value> = all
        .iter()
        .filter(|schema| may_be(checker, node, schema))
        .collect();
    if likely.is_empty() {
        return no_kind_fits(checker, node, all, report);
    }
    if let [only] = likely[..] {
        return checker.node(node, only, report);
    }
    let mut best: Option<(usize, Report)> = None;
    for schema in &likely {
        let mut attempt = report.attempt();
        let mut settled = node.clone();
        checker.node(&mut settled, schema, &mut attempt);
        if attempt.is_empty() {
            *node = settled;
            return;
        }
        let weight = attempt.len()
            + if tags_fit(checker, node, schema) {
                0
            } else {
                WRONG_TAG
            };
        if best.as_ref().is_none_or(|(least, _)| weight < *least) {
            best = Some((weight, attempt));
        }
    }
    let words = words(checker, &likely);
    if matches!(node.content, Content::Scalar(_)) && !words.is_empty() {
        checker.not_one_of(node, &words, report);
    } else if let Some((_, attempt)) = best {
        report.absorb(attempt);
    }
}

/// Whether a value is of a kind that the alternative can be.
fn may_be<'s>(checker: &Checker<'s>, node: &Node, schema: &'s Value) -> bool {
    let Some(schema) = checker.resolve(schema).as_object() else {
        return true;
    };
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ if schema.contains_key("const") || schema.contains_key("enum") => vec!["string"],
        _ if schema.contains_key("properties") => vec!["object"],
        _ => return true,
    };
    let is = |kind: &str| kinds.contains(&kind);
    match &node.content {
        Content::List(_) => is("array"),
        Content::Map(_) => is("object"),
        Content::Scalar(scalar) if scalar.kind == Kind::Null => is("null"),
        // A plain scalar may settle as another type.
        Content::Scalar(_) => is("string") || is("boolean") || is("integer") || is("number"),
    }
}

/// Whether the keys that have one allowed value in the alternative have that value.
fn tags_fit<'s>(checker: &Checker<'s>, node: &Node, schema: &'s Value) -> bool {
    let Content::Map(entries) = &node.content else {
        return true;
    };
    let Some(schema) = checker.resolve(schema).as_object() else {
        return true;
    };
    let required = || array(schema, "required").filter_map(Value::as_str);
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return true;
    };
    let tags = properties
        .iter()
        .filter_map(|(key, schema)| Some((key, schema.get("const")?)));
    let mut wrong_tags = tags.filter(|(key, value)| {
        entries
            .iter()
            .any(|entry| entry.key == **key && !equals(&entry.value, value))
    });
    // `{variant: …}`: the one required key names the alternative.
    let only_required = required().count() == 1 && properties.len() == 1;
    let named =
        !only_required || required().all(|key| entries.iter().any(|entry| entry.key == key));
    named && wrong_tags.next().is_none()
}

/// The words that the alternatives allow, when they are words.
fn words<'s>(checker: &Checker<'s>, all: &[&'s Value]) -> Vec<&'s Value> {
    let schemas = all
        .iter()
        .filter_map(|schema| checker.resolve(schema).as_object());
    schemas
        .flat_map(|schema| schema.get("const").into_iter().chain(array(schema, "enum")))
        .collect()
}

fn no_kind_fits<'s>(
    checker: &mut Checker<'s>,
    node: &mut Node,
    all: &'s [Value],
    report: &mut Report,
) {
    let words = words(checker, &all.iter().collect::<Vec<_>>());
    if !words.is_empty() && matches!(node.content, Content::Scalar(_)) {
        checker.not_one_of(node, &words, report);
    } else if let Some(first) = all
        .iter()
        .find(|s| checker.resolve(s).get("type").is_none_or(|t| t != "null"))
    {
        checker.node(node, first, report);
    }
}
