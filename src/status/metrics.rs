//! `sonde status metrics`: how many series there are, and what makes them so many.

use crate::Failure;
use crate::client::Client;
use crate::command::MetricStatusArguments;
use crate::render::{self, Text, Tone};
use serde_json::Value;
use std::process::ExitCode;

/// Asks a collector for the status of its metrics and prints it.
pub(super) async fn metrics(arguments: &MetricStatusArguments) -> Result<ExitCode, Failure> {
    let top = arguments.top.to_string();
    let status = Client::new(&arguments.server)?
        .get("/sonde/v1/status/metrics", &[("top", &top)])
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
    // It is for who runs the collector.
    if status["store"].is_object() {
        store(out, &status["store"]);
    }
    refused(out, &status["refused"]);
    let cardinality = &status["cardinality"];
    let whose = render::text(status, "tenant");
    out.line(Tone::Bold, &format!("series of {whose}"));
    super::field(out, "in memory", &of_most(status));
    super::field(out, "labels", &number(&cardinality["labels"]));
    super::field(out, "labels and values", &number(&cardinality["pairs"]));
    let tables = [
        ("metrics", "series_by_metric", ["SERIES", "METRIC"]),
        ("labels by values", "values_by_label", ["VALUES", "LABEL"]),
        (
            "values by series",
            "series_by_pair",
            ["SERIES", "LABEL=VALUE"],
        ),
    ];
    offenders(out, whose, render::list(status, "offenders"));
    conflicts(out, whose, render::list(status, "conflicts"));
    for (title, name, head) in tables {
        out.line(Tone::Bold, &format!("{title} of {whose}, the most first"));
        let rows = render::list(cardinality, name)
            .iter()
            .map(|one| vec![number(&one["value"]), render::text(one, "name").to_owned()]);
        render::rows(out, &head, rows);
    }
}

/// The metrics that had series refused for want of room.
fn offenders(out: &mut Text, whose: &str, offenders: &[Value]) {
    if offenders.is_empty() {
        return;
    }
    let title = format!("metrics of {whose} whose new series had no room since the start");
    out.line(Tone::Bad, &title);
    let rows = offenders.iter().map(|one| {
        vec![
            format!("~{}", number(&one["series"])),
            render::text(one, "name").to_owned(),
            render::text(one, "label").to_owned(),
            format!("~{}", number(&one["values"])),
        ]
    });
    let head = ["REFUSED", "METRIC", "LABEL", "ITS VALUES"];
    render::rows(out, &head, rows);
}

/// The names that came with several types or units.
fn conflicts(out: &mut Text, whose: &str, conflicts: &[Value]) {
    if conflicts.is_empty() {
        return;
    }
    let title = format!("metrics of {whose} that came with several types; the first is believed");
    out.line(Tone::Bad, &title);
    let rows = conflicts.iter().map(|one| {
        let types = render::list(one, "types").iter();
        let types: Vec<&str> = types.filter_map(Value::as_str).collect();
        vec![render::text(one, "name").to_owned(), types.join(", ")]
    });
    render::rows(out, &["METRIC", "TYPES"], rows);
}

/// How many series there are of those that there may be.
fn of_most(status: &Value) -> String {
    let series = status["cardinality"]["series"].as_u64().unwrap_or(0);
    let most = status["series_max"].as_u64().unwrap_or(0);
    let percent = 100.0 * series as f64 / most.max(1) as f64;
    format!(
        "{} of at most {} ({percent:.1}%)",
        number(&series.into()),
        number(&most.into())
    )
}

fn store(out: &mut Text, store: &Value) {
    let time = |name: &str| render::time(store[name].as_u64());
    out.line(Tone::Bold, "stored, of all tenants");
    super::field(out, "samples", &number(&store["records"]));
    let disk = format!(
        "{} in {} segments",
        render::bytes(store["bytes"].as_u64().unwrap_or(0)),
        number(&store["segments"])
    );
    super::field(out, "on disk", &disk);
    for of in render::list(store, "downsampled") {
        let name = format!("downsampled to {}", render::text(of, "resolution"));
        let size = |key: &str| render::bytes(of[key].as_u64().unwrap_or(0));
        let told = format!(
            "{} in {} segments, {} saved",
            size("bytes"),
            number(&of["segments"]),
            size("bytes_saved")
        );
        super::field(out, &name, &told);
    }
    let memory = format!(
        "{} samples of {} series, about {}",
        number(&store["unsealed"]),
        number(&store["series"]),
        render::bytes(store["head_bytes"].as_u64().unwrap_or(0))
    );
    super::field(out, "in memory", &memory);
    super::field(out, "oldest", &time("oldest"));
    super::field(out, "newest", &time("newest"));
    let quarantined = store["quarantined"].as_u64().unwrap_or(0);
    if quarantined > 0 {
        let told = format!("{quarantined} segments were found damaged and moved aside");
        out.line(Tone::Bad, &told);
    }
}

/// What was refused, and why.
fn refused(out: &mut Text, refused: &Value) {
    let Some(refused) = refused.as_object().filter(|reasons| !reasons.is_empty()) else {
        return;
    };
    out.line(Tone::Bold, "refused since the start, by reason");
    for (reason, count) in refused {
        super::field(out, reason, &number(count));
    }
}

fn number(value: &Value) -> String {
    super::logs::number(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn series_are_told_beside_their_limit() {
        let status = json!({"cardinality": {"series": 1234}, "series_max": 1_000_000});
        assert_eq!(of_most(&status), "1,234 of at most 1,000,000 (0.1%)");
        assert_eq!(of_most(&json!(null)), "0 of at most 0 (0.0%)");
    }
}
