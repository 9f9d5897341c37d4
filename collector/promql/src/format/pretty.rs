//! A tree on several lines: an operator between its operands, arguments one a line.

use super::{format, write_aggregation, write_operator, write_subquery_range};
use crate::ast::{Expr, ExprKind};

/// A longer node is broken.
const LINE_BYTES_MAX: usize = 100;

/// An expression on as many lines as it takes.
#[must_use]
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_pretty(expr, 0, &mut out);
    out
}

/// Writes a node whose line begins at a level; at level 0 the line has begun already.
fn write_pretty(expr: &Expr, level: usize, out: &mut String) {
    let line = format(expr);
    if let ExprKind::Subquery(subquery) = &expr.kind {
        if line.len() > LINE_BYTES_MAX {
            write_pretty(&subquery.expr, level, out);
            write_subquery_range(subquery, out);
        } else {
            // As there: it is not moved in.
            out.push_str(&line);
        }
        return;
    }
    let inner = match &expr.kind {
        ExprKind::Plus(inner) => Some(("+", inner)),
        ExprKind::Negate(inner) => Some(("-", inner)),
        _ => None,
    };
    if let Some((sign, inner)) = inner {
        let mut text = String::new();
        write_pretty(inner, level, &mut text);
        indent(level, out);
        out.push_str(sign);
        out.push_str(text.trim_start());
        return;
    }
    if let (true, ExprKind::Binary(binary)) = (line.len() > LINE_BYTES_MAX, &expr.kind) {
        write_pretty(&binary.lhs, level + 1, out);
        out.push('\n');
        indent(level, out);
        write_operator(binary, out);
        out.push('\n');
        write_pretty(&binary.rhs, level + 1, out);
        return;
    }
    indent(level, out);
    let mut parts: Vec<&Expr> = Vec::new();
    match &expr.kind {
        ExprKind::Paren(inner) => parts.push(inner),
        ExprKind::Aggregate(aggregate) => {
            parts.extend(&aggregate.param);
            parts.push(&aggregate.expr);
        }
        ExprKind::Call { args, .. } => parts.extend(args),
        _ => {}
    }
    if line.len() <= LINE_BYTES_MAX || parts.is_empty() {
        out.push_str(&line);
        return;
    }
    match &expr.kind {
        ExprKind::Aggregate(aggregate) => write_aggregation(aggregate, out),
        ExprKind::Call { function, .. } => out.push_str(function.name),
        _ => {}
    }
    out.push('(');
    for (n, part) in parts.into_iter().enumerate() {
        out.push_str(if n == 0 { "\n" } else { ",\n" });
        write_pretty(part, level + 1, out);
    }
    out.push('\n');
    indent(level, out);
    out.push(')');
}

fn indent(level: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", level));
}
