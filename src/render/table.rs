//! Lists as tables.

use super::{Text, Tone, duration, text, time};
use comfy_table::{Table, presets};
use serde_json::Value;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.iter().copied());
    table
}

/// A cell: of one line, whatever its text holds.
fn cell(text: impl Into<String>) -> String {
    let text: String = text.into();
    text.chars().map(super::tame).collect()
}

fn put(out: &mut Text, table: &Table) {
    table
        .to_string()
        .lines()
        .for_each(|line| out.line(Tone::Plain, line.trim_end()));
}

/// Any rows below a header.
pub(crate) fn rows(out: &mut Text, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = table(header);
    for row in rows {
        table.add_row(row.into_iter().map(cell));
    }
    put(out, &table);
}

/// Traces, newest first.
pub(crate) fn trace_table(out: &mut Text, traces: &[Value]) {
    let mut table = table(&[
        "TRACE", "START", "DURATION", "SPANS", "ERRORS", "ROOT", "SERVICES",
    ]);
    for trace in traces {
        let services: Vec<_> = trace["services"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let root = format!(
            "{} {}",
            text(trace, "root_service"),
            text(trace, "root_name")
        );
        let row = [
            text(trace, "trace_id").to_owned(),
            time(trace["start"].as_u64()),
            duration(trace["duration_nanos"].as_u64().unwrap_or(0)),
            trace["spans"].to_string(),
            trace["errors"].to_string(),
            root,
            services.join(", "),
        ];
        table.add_row(row.map(cell));
    }
    put(out, &table);
}

/// The value of a PromQL query.
pub(crate) fn metric_table(out: &mut Text, data: &Value) {
    match data["resultType"].as_str() {
        Some("vector") => {
            let mut table = table(&["VALUE", "SERIES"]);
            for sample in super::list(data, "result") {
                let row = [
                    sample["value"][1].as_str().unwrap_or("").to_owned(),
                    series(&sample["metric"]),
                ];
                table.add_row(row.map(cell));
            }
            put(out, &table);
        }
        Some("matrix") => {
            for found in super::list(data, "result") {
                out.line(Tone::Bold, &series(&found["metric"]));
                for point in super::list(found, "values") {
                    let nanos = point[0].as_f64().map(|seconds| (seconds * 1e9) as u64);
                    let value = point[1].as_str().unwrap_or("");
                    out.line(Tone::Plain, &format!("  {}  {value}", time(nanos)));
                }
            }
        }
        _ => out.line(Tone::Plain, data["result"][1].as_str().unwrap_or("")),
    }
}

/// `name{label="value", …}`
fn series(metric: &Value) -> String {
    let labels = metric.as_object().into_iter().flatten();
    let labels: Vec<_> = labels
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}{{{}}}", text(metric, "__name__"), labels.join(", "))
}
