//! `sonde status traces`: what spans are stored, and what they cost.

use super::field;
use super::logs::number;
use crate::Failure;
use crate::client::Client;
use crate::command::TraceStatusArguments;
use crate::render::{self, Text, Tone};
use serde_json::Value;
use std::process::ExitCode;

/// Asks a collector for the status of its traces and prints it.
pub(super) async fn traces(arguments: &TraceStatusArguments) -> Result<ExitCode, Failure> {
    let top = arguments.top.to_string();
    let status = Client::new(&arguments.server)?
        .get("/sonde/v1/status/traces", &[("top", &top)])
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
    out.line(Tone::Bold, "by tenant");
    let usage = render::list(status, "usage");
    let rows = usage.iter().map(|tenant| {
        vec![
            render::text(tenant, "tenant").to_owned(),
            number(&tenant["spans"]),
            number(&tenant["traces"]),
            number(&tenant["services"]),
            bytes(&tenant["disk_bytes"]),
            per_span(tenant),
            bytes(&tenant["tail_bytes"]),
            render::time(tenant["oldest"].as_u64()),
        ]
    });
    let titles = [
        "TENANT", "SPANS", "TRACES", "SERVICES", "DISK", "A SPAN", "MEMORY", "OLDEST",
    ];
    render::rows(out, &titles, rows);
    kept(out, &status["retention"]);
    left_out(out, &status["dropped"]);
    sampled(out, &status["sampling"]);
    for tenant in usage {
        let whose = render::text(tenant, "tenant");
        out.line(Tone::Bold, &format!("services of {whose}, the most first"));
        let rows = render::list(tenant, "largest").iter().map(|one| {
            vec![
                number(&one["spans"]),
                number(&one["errors"]),
                render::text(one, "service").to_owned(),
            ]
        });
        render::rows(out, &["SPANS", "FAILED", "SERVICE"], rows);
    }
    out.note_if_cut(status);
}

fn store(out: &mut Text, store: &Value) {
    let time = |name: &str| render::time(store[name].as_u64());
    out.line(Tone::Bold, "stored, of all tenants");
    field(out, "spans", &number(&store["records"]));
    let disk = format!(
        "{} in {} segments",
        bytes(&store["bytes"]),
        number(&store["segments"])
    );
    field(out, "on disk", &disk);
    field(out, "in memory", &bytes(&store["tail_bytes"]));
    field(out, "oldest", &time("oldest"));
    field(out, "newest", &time("newest"));
    let quarantined = store["quarantined"].as_u64().unwrap_or(0);
    if quarantined > 0 {
        let told = format!("{quarantined} segments were found damaged or missing since the start");
        out.line(Tone::Bad, &told);
    }
    let aside = store["aside_segments"].as_u64().unwrap_or(0);
    if aside > 0 {
        let size = bytes(&store["aside_bytes"]);
        let told = format!(
            "{aside} damaged segments lie in quarantine/, {size}; nothing deletes them but you"
        );
        out.line(Tone::Bad, &told);
    }
    for trouble in render::list(store, "troubles") {
        out.line(Tone::Bad, trouble.as_str().unwrap_or(""));
    }
}

fn kept(out: &mut Text, retention: &Value) {
    let nanos = retention["seconds"].as_u64().unwrap_or(0);
    let told = format!(
        "{} after they arrived, {} at most",
        render::duration(nanos.saturating_mul(1_000_000_000)),
        bytes(&retention["bytes_max"])
    );
    field(out, "kept", &told);
}

fn left_out(out: &mut Text, dropped: &Value) {
    let Some(dropped) = dropped.as_object().filter(|reasons| !reasons.is_empty()) else {
        return;
    };
    out.line(Tone::Bold, "left out since the start, by reason");
    for (reason, count) in dropped {
        field(out, reason, &number(count));
    }
}

/// What was kept by which policy.
fn sampled(out: &mut Text, counts: &Value) {
    let Some(counts) = counts.as_array() else {
        return;
    };
    out.line(Tone::Bold, "sampled since the start, by what decided");
    let rows = counts.iter().map(|count| {
        let is_kept = count["kept"].as_bool().unwrap_or(false);
        vec![
            (if is_kept { "kept" } else { "not kept" }).to_owned(),
            render::text(count, "policy").to_owned(),
            number(&count["traces"]),
            number(&count["spans"]),
            bytes(&count["bytes"]),
        ]
    });
    let titles = ["DECISION", "POLICY", "TRACES", "SPANS", "BYTES"];
    render::rows(out, &titles, rows);
}

/// Bytes on disk of each span there.
fn per_span(tenant: &Value) -> String {
    let count = |name: &str| tenant[name].as_u64().unwrap_or(0);
    let sealed = count("spans").saturating_sub(count("tail_spans"));
    match count("disk_bytes").checked_div(sealed) {
        Some(each) => render::bytes(each),
        None => "-".to_owned(),
    }
}

fn bytes(value: &Value) -> String {
    render::bytes(value.as_u64().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bytes_of_a_span_are_those_of_sealed_ones() {
        let tenant = json!({"spans": 30, "tail_spans": 10, "disk_bytes": 1240});
        assert_eq!(per_span(&tenant), render::bytes(62));
        assert_eq!(per_span(&json!({"spans": 10, "tail_spans": 10})), "-");
    }
}
