//! A tree as text.
//!
//! [`format()`] writes one line; [`pretty`] breaks what is longer than 100 bytes, as
//! Prometheus' `format_query` does: an operator between its operands, arguments one a line.
//! What is written reads back as the same tree.

mod pretty;
mod quote;

pub use pretty::pretty;

use super::ast::{
    Aggregate, At, Binary, BinaryOp, DurationExpr, Expr, ExprKind, Length, Many, Matching,
    Selector, Subquery, When,
};
use super::number::label_number;
use quote::quote;
use sonde_proto::{METRIC_NAME, MatchOp, Matcher};
use std::fmt::Write as _;

/// An expression on one line.
#[must_use]
pub fn format(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(expr, &mut out);
    out
}

fn write_expr(expr: &Expr, out: &mut String) {
    match &expr.kind {
        ExprKind::Number(n) => out.push_str(&label_number(*n)),
        ExprKind::Duration(millis) => write_millis(*millis, out),
        ExprKind::String(text) => quote(text, out),
        ExprKind::Paren(inner) => {
            out.push('(');
            write_expr(inner, out);
            out.push(')');
        }
        ExprKind::Plus(inner) => {
            out.push('+');
            write_expr(inner, out);
        }
        ExprKind::Negate(inner) => {
            out.push('-');
            write_expr(inner, out);
        }
        ExprKind::Selector(selector) => write_selector(selector, None, out),
        ExprKind::Matrix(selector, range) => write_selector(selector, Some(range), out),
        ExprKind::Subquery(subquery) => {
            write_expr(&subquery.expr, out);
            write_subquery_range(subquery, out);
        }
        ExprKind::Binary(binary) => {
            write_expr(&binary.lhs, out);
            out.push(' ');
            write_operator(binary, out);
            out.push(' ');
            write_expr(&binary.rhs, out);
        }
        ExprKind::Aggregate(aggregate) => {
            write_aggregation(aggregate, out);
            out.push('(');
            if let Some(param) = &aggregate.param {
                write_expr(param, out);
                out.push_str(", ");
            }
            write_expr(&aggregate.expr, out);
            out.push(')');
        }
        ExprKind::Call { function, args } => {
            out.push_str(function.name);
            out.push('(');
            for (n, arg) in args.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { ", " });
                write_expr(arg, out);
            }
            out.push(')');
        }
    }
}

fn write_aggregation(aggregate: &Aggregate, out: &mut String) {
    out.push_str(aggregate.op.as_str());
    if aggregate.without {
        out.push_str(" without (");
    } else if !aggregate.labels.is_empty() {
        out.push_str(" by (");
    } else {
        return;
    }
    write_labels(&aggregate.labels, out);
    out.push_str(") ");
}

/// The operator and everything that stands between it and its right operand.
fn write_operator(binary: &Binary, out: &mut String) {
    out.push_str(binary.op.as_str());
    if binary.is_bool {
        out.push_str(" bool");
    }
    write_matching(&binary.matching, out);
}

fn write_matching(matching: &Matching, out: &mut String) {
    if !matching.labels.is_empty() || matching.on || matching.many.is_some() {
        let word = if matching.on { "on" } else { "ignoring" };
        out.push(' ');
        out.push_str(word);
        out.push_str(" (");
        write_labels(&matching.labels, out);
        out.push(')');
    }
    if let Some(many) = matching.many {
        out.push_str(match many {
            Many::Left => " group_left (",
            Many::Right => " group_right (",
        });
        write_labels(&matching.include, out);
        out.push(')');
    }
    write_fill(matching, out);
}

fn write_fill(matching: &Matching, out: &mut String) {
    let mut write = |word: &str, value: Option<f64>| {
        if let Some(value) = value {
            let _ = write!(out, " {word} ({})", label_number(value));
        }
    };
    let (left, right) = (matching.fill.left, matching.fill.right);
    if left.map(f64::to_bits) == right.map(f64::to_bits) {
        write("fill", left);
    } else {
        write("fill_left", left);
        write("fill_right", right);
    }
}

fn write_labels(labels: &[String], out: &mut String) {
    for (n, label) in labels.iter().enumerate() {
        out.push_str(if n == 0 { "" } else { ", " });
        write_label(label, out);
    }
}

/// A name that is no plain word stands in quotes.
fn write_label(name: &str, out: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = name.starts_with(|c: char| plain(c) && !c.is_ascii_digit())
        && name.chars().all(plain)
        && sonde_lex::number_word(name).is_none();
    if is_plain {
        out.push_str(name);
    } else {
        quote(name, out);
    }
}

fn write_selector(selector: &Selector, range: Option<&Length>, out: &mut String) {
    if let Some(name) = &selector.name {
        out.push_str(name);
    }
    let is_outside = |m: &&Matcher| {
        m.name == METRIC_NAME && m.op == MatchOp::Equal && Some(&m.value) == selector.name.as_ref()
    };
    let inside = selector.matchers.iter().filter(|m| !is_outside(m));
    let mut inside: Vec<String> = inside.map(matcher).collect();
    inside.sort();
    if !inside.is_empty() || selector.name.is_none() {
        out.push('{');
        out.push_str(&inside.join(","));
        out.push('}');
    }
    let edges = |out: &mut String| {
        if let Some(word) = selector.edges.word() {
            out.push(' ');
            out.push_str(word);
        }
    };
    match range {
        Some(range) => {
            out.push('[');
            write_length(range, out);
            out.push(']');
            edges(out);
            write_at(&selector.when, out);
        }
        None => {
            write_at(&selector.when, out);
            edges(out);
        }
    }
    write_offset(&selector.when, out);
}

fn matcher(matcher: &Matcher) -> String {
    let mut out = String::new();
    write_label(&matcher.name, &mut out);
    out.push_str(matcher.op.as_str());
    quote(&matcher.value, &mut out);
    out
}

fn write_subquery_range(subquery: &Subquery, out: &mut String) {
    out.push('[');
    write_length(&subquery.range, out);
    out.push(':');
    if let Some(step) = &subquery.step {
        write_length(step, out);
    }
    out.push(']');
    write_at(&subquery.when, out);
    write_offset(&subquery.when, out);
}

fn write_at(when: &When, out: &mut String) {
    match when.at {
        None => {}
        Some(At::Start) => out.push_str(" @ start()"),
        Some(At::End) => out.push_str(" @ end()"),
        Some(At::Time(millis)) => {
            let sign = if millis < 0 { "-" } else { "" };
            let (seconds, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
            // Writing to a string does not fail.
            let _ = write!(out, " @ {sign}{seconds}.{rest:03}");
        }
    }
}

fn write_offset(when: &When, out: &mut String) {
    if let Some(offset) = &when.offset {
        out.push_str(" offset ");
        write_length(offset, out);
    }
}

fn write_length(length: &Length, out: &mut String) {
    match length {
        Length::Fixed(millis) => write_millis(*millis, out),
        Length::Computed(computed) => write_duration(&computed.expr, out),
    }
}

/// A computed duration.
pub(crate) fn duration(expr: &DurationExpr) -> String {
    let mut out = String::new();
    write_duration(expr, &mut out);
    out
}

fn write_duration(expr: &DurationExpr, out: &mut String) {
    let both = |name: &str, a: &DurationExpr, b: &DurationExpr, out: &mut String| {
        out.push_str(name);
        out.push('(');
        write_duration(a, out);
        out.push_str(", ");
        write_duration(b, out);
        out.push(')');
    };
    match expr {
        DurationExpr::Number(n) => out.push_str(&label_number(*n)),
        DurationExpr::Duration(millis) => write_millis(*millis, out),
        DurationExpr::Step => out.push_str("step()"),
        DurationExpr::Range => out.push_str("range()"),
        DurationExpr::Negate(inner) => {
            out.push('-');
            write_duration(inner, out);
        }
        DurationExpr::Paren(inner) => {
            out.push('(');
            write_duration(inner, out);
            out.push(')');
        }
        DurationExpr::Least(a, b) => both("min_of", a, b, out),
        DurationExpr::Most(a, b) => both("max_of", a, b, out),
        DurationExpr::Binary(op, lhs, rhs) => write_duration_operation(*op, lhs, rhs, out),
    }
}

fn write_duration_operation(
    op: BinaryOp,
    lhs: &DurationExpr,
    rhs: &DurationExpr,
    out: &mut String,
) {
    write_duration(lhs, out);
    out.push(' ');
    out.push_str(op.as_str());
    out.push(' ');
    write_duration(rhs, out);
}

/// Prometheus' durations: `90d` rather than `12w6d`, but `1d12h`.
fn write_millis(millis: i64, out: &mut String) {
    /// Years and weeks only where they leave nothing.
    const UNITS: [(&str, u64, bool); 7] = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    if millis == 0 {
        return out.push_str("0s");
    }
    if millis < 0 {
        out.push('-');
    }
    let mut left = millis.unsigned_abs();
    for (unit, length, is_whole) in UNITS {
        if left >= length && (!is_whole || left.is_multiple_of(length)) {
            let _ = write!(out, "{}{unit}", left / length);
            left %= length;
        }
    }
}
