//! Stages, one by one and together.
//!
//! Records come from the stream `{app="web"}` with the metadata `pod="p1"`. What is expected
//! is written as the line, and behind ` | ` the parsed labels by name, then `-app` or `-pod`
//! where those are gone, and other labels of the lower layers as `name:value`.

mod conditions;
mod formats;
mod functions;
mod hints;
mod limits;
mod names;
mod parsers;
mod properties;
mod selects;

use super::*;
use crate::ast::Expr;
use crate::source::StreamView;
use sonde_proto::{Labels, UnixNanos};
use std::fmt::Write as _;

/// 2024-02-29T12:34:56.789012345Z
const TIME: UnixNanos = UnixNanos(1_709_210_096_789_012_345);

/// The stages of a query without its selector.
fn stages(text: &str) -> Vec<Stage> {
    match crate::parse(&format!("{{}} {text}")) {
        Ok(Expr::Log(log)) => log.stages,
        other => panic!("{text}: {other:?}"),
    }
}

fn compiled(text: &str) -> Pipeline {
    Pipeline::compile(&stages(text), &PipelineLimits::default())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a pipeline makes of a record; `dropped` where it drops it.
fn outcome(pipeline: &Pipeline, scratch: &mut Scratch, line: &[u8]) -> String {
    let labels: Labels = [("app", "web")].into_iter().collect();
    let record = Record {
        time: TIME,
        line,
        stream: StreamView {
            labels: &labels,
            metadata: &[],
        },
        metadata: &[("pod", "p1")],
    };
    pipeline
        .run(&record, scratch)
        .map_or_else(|| "dropped".into(), |processed| shown(&processed))
}

fn shown(processed: &Processed<'_>) -> String {
    let mut out = format!("{} |", processed.text());
    let all = processed.labels.sorted();
    for (name, value, category) in &all {
        assert_eq!(processed.labels.get(name), Some(*value), "{name}");
        match (&**name, category) {
            (name, Category::Parsed) => write!(out, " {name}={value:?}").unwrap(),
            ("app", Category::Stream) | ("pod", Category::StructuredMetadata) => {
                assert!(matches!(*value, "web" | "p1"));
            }
            (name, _) => write!(out, " {name}:{value}").unwrap(),
        }
    }
    for (name, below) in [
        ("app", Category::Stream),
        ("pod", Category::StructuredMetadata),
    ] {
        if !all
            .iter()
            .any(|(known, _, category)| known == name && *category == below)
        {
            write!(out, " -{name}").unwrap();
        }
    }
    out
}

fn check_bytes(text: &str, line: &[u8], expected: &str) {
    let pipeline = compiled(text);
    let mut scratch = Scratch::default();
    let first = outcome(&pipeline, &mut scratch, line);
    assert_eq!(
        first,
        expected,
        "{text} of {:?}",
        String::from_utf8_lossy(line)
    );
    // Nothing of one record is left for the next; `distinct` is meant to remember.
    if !text.contains("distinct") {
        assert_eq!(
            outcome(&pipeline, &mut scratch, line),
            first,
            "again: {text}"
        );
    }
}

fn check(text: &str, line: &str, expected: &str) {
    check_bytes(text, line.as_bytes(), expected);
}

/// The same line, with these parsed labels.
fn check_labels(text: &str, line: &str, labels: &str) {
    let blank = if labels.is_empty() { "" } else { " " };
    check(text, line, &format!("{line} |{blank}{labels}"));
}

fn check_refused(text: &str, message: &str) {
    match Pipeline::compile(&stages(text), &PipelineLimits::default()) {
        Ok(_) => panic!("{text} was not refused"),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
