//! A trace as a waterfall: one line a span, indented below its parent, with a bar that
//! shows when it ran.

use super::{Text, Tone, duration, list, text, time};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

const BAR_COLUMNS: u64 = 40;
const NAME_COLUMNS: usize = 44;

/// Shows one trace.
pub(crate) fn waterfall(out: &mut Text, trace: &Value) {
    let spans = list(trace, "spans");
    let start = spans
        .iter()
        .filter_map(|s| s["start"].as_u64())
        .min()
        .unwrap_or(0);
    let end = spans
        .iter()
        .filter_map(|s| s["end"].as_u64())
        .max()
        .unwrap_or(start);
    out.put(Tone::Bold, &format!("trace {}", text(trace, "trace_id")));
    let spent = duration(end.saturating_sub(start));
    out.line(
        Tone::Dim,
        &format!("  {}  {spent}  {} spans", time(Some(start)), spans.len()),
    );
    for (depth, span) in in_tree_order(spans) {
        row(out, span, depth, start, end);
    }
}

fn row(out: &mut Text, span: &Value, depth: usize, start: u64, end: u64) {
    let failed = text(span, "status") == "error";
    let label = format!(
        "{}{} {}",
        "  ".repeat(depth.min(12)),
        text(span, "service"),
        text(span, "name")
    );
    let mut label: String = label.chars().take(NAME_COLUMNS).collect();
    let missing = NAME_COLUMNS.saturating_sub(label.chars().count());
    label.extend(std::iter::repeat_n(' ', missing));
    out.put(Tone::Plain, &format!("  {label} "));
    let (from, to) = (
        span["start"].as_u64().unwrap_or(start),
        span["end"].as_u64().unwrap_or(start),
    );
    out.put(
        if failed { Tone::Bad } else { Tone::Good },
        &bar(from, to, start, end),
    );
    out.put(
        Tone::Dim,
        &format!(" {:>9}", duration(to.saturating_sub(from))),
    );
    let message = if failed {
        format!("  error {}", text(span, "status_message"))
    } else {
        String::new()
    };
    out.line(Tone::Bad, message.trim_end());
}

/// The bar of a span within its trace.
fn bar(from: u64, to: u64, start: u64, end: u64) -> String {
    let whole = end.saturating_sub(start).max(1);
    let column = |at: u64| {
        let share =
            u128::from(at.saturating_sub(start)) * u128::from(BAR_COLUMNS) / u128::from(whole);
        u64::try_from(share).unwrap_or(BAR_COLUMNS).min(BAR_COLUMNS)
    };
    let first = column(from).min(BAR_COLUMNS - 1);
    let last = column(to).max(first + 1);
    (0..BAR_COLUMNS)
        .map(|at| {
            if (first..last).contains(&at) {
                '█'
            } else {
                '·'
            }
        })
        .collect()
}

/// Parents before children, siblings by start; spans whose parent is missing are roots,
/// and spans that name one another in a circle are shown once.
fn in_tree_order(spans: &[Value]) -> Vec<(usize, &Value)> {
    let ids: HashSet<&str> = spans.iter().map(|span| text(span, "span_id")).collect();
    let mut children: HashMap<&str, Vec<&Value>> = HashMap::new();
    let mut roots = Vec::new();
    for span in spans {
        match text(span, "parent") {
            parent if ids.contains(parent) && parent != text(span, "span_id") => {
                children.entry(parent).or_default().push(span);
            }
            _ => roots.push(span),
        }
    }
    let mut ordered = Vec::with_capacity(spans.len());
    let mut stack: Vec<_> = roots.into_iter().rev().map(|span| (0, span)).collect();
    while let Some((depth, span)) = stack.pop() {
        ordered.push((depth, span));
        let below = children.remove(text(span, "span_id")).unwrap_or_default();
        stack.extend(below.into_iter().rev().map(|child| (depth + 1, child)));
    }
    let shown: HashSet<*const Value> = ordered
        .iter()
        .map(|(_, span)| std::ptr::from_ref(*span))
        .collect();
    ordered.extend(
        spans
            .iter()
            .filter(|span| !shown.contains(&std::ptr::from_ref(*span)))
            .map(|span| (0, span)),
    );
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn children_follow_their_parent_and_a_circle_is_shown_once() {
        let spans = [
            json!({"span_id": "b", "parent": "a"}),
            json!({"span_id": "a", "parent": null}),
            json!({"span_id": "c", "parent": "b"}),
            json!({"span_id": "x", "parent": "y"}),
            json!({"span_id": "y", "parent": "x"}),
            json!({"span_id": "o", "parent": "missing"}),
        ];
        let ordered = in_tree_order(&spans);
        let shown: Vec<_> = ordered
            .iter()
            .map(|(depth, span)| (*depth, text(span, "span_id")))
            .collect();
        assert_eq!(
            shown,
            [(0, "a"), (1, "b"), (2, "c"), (0, "o"), (0, "x"), (0, "y")]
        );
    }

    #[test]
    fn a_bar_is_at_least_one_column_and_never_outside() {
        for (from, to) in [
            (0, 0),
            (100, 100),
            (0, 100),
            (50, 51),
            (99, 200),
            (200, 300),
        ] {
            let bar = bar(from, to, 0, 100);
            assert_eq!(bar.chars().count() as u64, BAR_COLUMNS);
            assert!(bar.contains('█'), "{from}..{to}");
        }
    }
}
