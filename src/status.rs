//! `sonde status`: what is stored, how far it has come, what went wrong.

mod logs;
mod metrics;
mod traces;

use crate::Failure;
use crate::client::Client;
use crate::command::{StatusArguments, StatusPart};
use crate::render::{self, Text, Tone};
use serde_json::Value;
use std::process::ExitCode;

/// Asks a collector for its status and prints it.
pub(crate) async fn status(arguments: &StatusArguments) -> Result<ExitCode, Failure> {
    match &arguments.part {
        Some(StatusPart::Logs(arguments)) => return logs::logs(arguments).await,
        Some(StatusPart::Metrics(arguments)) => return metrics::metrics(arguments).await,
        Some(StatusPart::Traces(arguments)) => return traces::traces(arguments).await,
        None => {}
    }
    let status = Client::new(&arguments.server)?
        .get("/sonde/v1/status", &[])
        .await?
        .json;
    let mut out = Text::stdout();
    if arguments.server.json {
        out.json(&status);
    } else {
        show(&mut out, &status);
    }
    Ok(out.finish())
}

fn show(out: &mut Text, status: &Value) {
    let up = status["now"].as_u64().zip(status["started"].as_u64());
    let up = up.map_or_else(String::new, |(now, started)| {
        render::duration(now.saturating_sub(started))
    });
    out.line(
        Tone::Bold,
        &format!("sonde {}, up {up}", render::text(status, "version")),
    );
    for part in ["journal", "stores"] {
        for (name, values) in status[part].as_object().into_iter().flatten() {
            fields(out, &format!("{part}.{name}"), values);
        }
    }
    for part in ["alerts", "agent"] {
        fields(out, part, &status[part]);
    }
}

/// One line of a name and its value.
fn field(out: &mut Text, name: &str, value: &str) {
    out.put(Tone::Dim, &format!("  {name:<20} "));
    out.line(Tone::Plain, value);
}

/// One line of `name=value`, with what is nested below it.
fn fields(out: &mut Text, name: &str, values: &Value) {
    let Some(values) = values.as_object() else {
        return;
    };
    out.put(Tone::Bold, &format!("{name:<16}"));
    for (key, value) in values
        .iter()
        .filter(|(_, value)| !value.is_object() && !value.is_array())
    {
        out.put(Tone::Dim, &format!(" {key}="));
        out.put(Tone::Plain, &shown(value));
    }
    out.end_line();
    let troubles = values.get("troubles").and_then(Value::as_array);
    for trouble in troubles.into_iter().flatten().filter_map(Value::as_str) {
        out.line(Tone::Bad, &format!("  {trouble}"));
    }
    for (key, value) in values.iter().filter(|(_, value)| value.is_object()) {
        fields(out, &format!("  {key}"), value);
    }
}

/// A value on one line. Nanoseconds since 1970 are the only numbers so large.
fn shown(value: &Value) -> String {
    const NANOS_MIN: u64 = 100_000_000_000_000_000;
    match (value.as_str(), value.as_u64()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(nanos)) if nanos > NANOS_MIN => render::time(Some(nanos)),
        _ => value.to_string(),
    }
}
