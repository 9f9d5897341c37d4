//! `sonde query metrics --explain`: what each part of a query took, as a tree.

use crate::Failure;
use crate::client::Client;
use crate::command::MetricArguments;
use crate::render::{self, Text};
use serde_json::Value;
use std::process::ExitCode;

/// How many characters of a part are shown.
const PART_CHARS_MAX: usize = 100;

pub(super) async fn metrics(
    client: &Client,
    arguments: &MetricArguments,
) -> Result<ExitCode, Failure> {
    let mut parameters = vec![("query", arguments.query.as_str())];
    match &arguments.start {
        None => parameters.push(("time", &arguments.time)),
        Some(start) => parameters.extend([
            ("start", start.as_str()),
            ("end", &arguments.end),
            ("step", &arguments.step),
        ]),
    }
    let answer = client.get("/sonde/v1/explain/metrics", &parameters).await?;
    let mut out = Text::stdout();
    if arguments.server.json {
        out.json(&answer.json);
    } else {
        show(&mut out, &answer.json);
    }
    Ok(out.finish())
}

fn show(out: &mut Text, answer: &Value) {
    const HEAD: [&str; 7] = [
        "MS", "STEPS", "SERIES", "READ", "CHUNKS", "BYTES", "SAMPLES",
    ];
    let mut head = HEAD.to_vec();
    head.push("PART");
    let rows = render::list(answer, "parts").iter().map(row);
    render::rows(out, &head, rows);
    for kind in ["warnings", "infos"] {
        let said = render::list(answer, kind).iter();
        said.filter_map(Value::as_str).for_each(render::note);
    }
}

/// One part; what it stands in is above it, less indented. Nothing read is left blank.
fn row(part: &Value) -> Vec<String> {
    let number = |name: &str| part[name].as_u64().unwrap_or(0);
    let read = |name: &str| match number("series_read") {
        0 => String::new(),
        _ => number(name).to_string(),
    };
    let indent = "  ".repeat(usize::try_from(number("depth")).unwrap_or(0).min(40));
    let text: String = render::text(part, "part")
        .chars()
        .take(PART_CHARS_MAX)
        .collect();
    let bytes = match number("series_read") {
        0 => String::new(),
        _ => render::bytes(number("bytes")),
    };
    vec![
        format!("{:.3}", part["milliseconds"].as_f64().unwrap_or(0.0)),
        number("steps").to_string(),
        number("series").to_string(),
        read("series_read"),
        read("chunks"),
        bytes,
        read("samples"),
        format!("{indent}{text}"),
    ]
}
