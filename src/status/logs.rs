//! `sonde status logs`: what is stored, and what it costs.

use super::field;
use crate::Failure;
use crate::client::Client;
use crate::command::LogStatusArguments;
use crate::query::duration;
use crate::render::{self, Text, Tone};
use serde_json::Value;
use std::process::ExitCode;

/// Asks a collector for the status of its logs and prints it.
pub(super) async fn logs(arguments: &LogStatusArguments) -> Result<ExitCode, Failure> {
    let seconds = (duration("--since", &arguments.since)? / 1_000_000_000).max(1);
    let (start, top) = (format!("-{seconds}s"), arguments.top.to_string());
    let parameters = [("start", start.as_str()), ("top", &top)];
    let status = Client::new(&arguments.server)?
        .get("/sonde/v1/status/logs", &parameters)
        .await?
        .json;
    let mut out = Text::stdout();
    if arguments.server.json {
        out.json(&status);
    } else {
        show(&mut out, &status, &arguments.since);
    }
    Ok(out.finish())
}

fn show(out: &mut Text, status: &Value, since: &str) {
    // It is for who runs the collector.
    if status["store"].is_object() {
        store(out, &status["store"]);
    }
    disk(out, status);
    kept(out, &status["retention"]);
    left_out(out, &status["dropped"]);
    deletes(out, status);
    out.line(Tone::Bold, &format!("tenants, last {since}"));
    let rows = render::list(status, "tenants").iter().map(|tenant| {
        vec![
            render::text(tenant, "tenant").to_owned(),
            number(&tenant["streams"]),
            number(&tenant["records"]),
            bytes(&tenant["bytes"]),
        ]
    });
    render::rows(out, &["TENANT", "STREAMS", "RECORDS", "BYTES"], rows);
    let whose = render::text(status, "tenant");
    out.line(
        Tone::Bold,
        &format!("largest streams of {whose}, last {since}"),
    );
    let rows = render::list(status, "streams").iter().map(|stream| {
        vec![
            bytes(&stream["bytes"]),
            number(&stream["records"]),
            labels(&stream["labels"]),
        ]
    });
    render::rows(out, &["BYTES", "RECORDS", "STREAM"], rows);
    out.line(Tone::Bold, &format!("labels of {whose}, last {since}"));
    let rows = render::list(status, "labels").iter().map(|label| {
        vec![
            render::text(label, "name").to_owned(),
            number(&label["values"]),
            bytes(&label["bytes"]),
        ]
    });
    render::rows(out, &["LABEL", "VALUES", "BYTES"], rows);
    out.note_if_cut(status);
}

fn store(out: &mut Text, store: &Value) {
    let time = |name: &str| render::time(store[name].as_u64());
    out.line(Tone::Bold, "stored");
    field(out, "records", &number(&store["records"]));
    field(out, "on disk", &on_disk(store));
    let tail = format!(
        "{} records, {}",
        number(&store["tail_records"]),
        bytes(&store["tail_bytes"])
    );
    field(out, "in memory", &tail);
    field(out, "oldest", &time("oldest"));
    field(out, "newest", &time("newest"));
    let quarantined = store["quarantined"].as_u64().unwrap_or(0);
    if quarantined > 0 {
        out.line(
            Tone::Bad,
            &format!("{quarantined} segments were found damaged or missing since the start"),
        );
    }
    let aside = store["aside_segments"].as_u64().unwrap_or(0);
    if aside > 0 {
        let size = bytes(&store["aside_bytes"]);
        out.line(
            Tone::Bad,
            &format!(
                "{aside} damaged segments lie in quarantine/, {size}; nothing deletes them but you, and delete requests do not reach them"
            ),
        );
    }
    for trouble in render::list(store, "troubles") {
        out.line(Tone::Bad, trouble.as_str().unwrap_or(""));
    }
}

/// Bytes and segments, and how they compare to the lines where that is known.
fn on_disk(store: &Value) -> String {
    let disk = store["bytes"].as_u64().unwrap_or(0);
    let segments = number(&store["segments"]);
    let lines = store["line_bytes"].as_u64().filter(|lines| *lines > 0);
    let share = lines.map_or_else(String::new, |lines| {
        let share = disk as f64 / lines as f64;
        format!(", {share:.3} of the {} of lines", render::bytes(lines))
    });
    format!("{} in {segments} segments{share}", render::bytes(disk))
}

/// What each tenant has on disk, by part.
fn disk(out: &mut Text, status: &Value) {
    out.line(Tone::Bold, "on disk, by tenant");
    let rows = render::list(status, "usage").iter().map(|tenant| {
        vec![
            render::text(tenant, "tenant").to_owned(),
            number(&tenant["segments"]),
            number(&tenant["records"]),
            bytes(&tenant["line_bytes"]),
            bytes(&tenant["disk_bytes"]),
            parts(&tenant["parts"]),
            render::time(tenant["oldest"].as_u64()),
        ]
    });
    let titles = [
        "TENANT", "SEGMENTS", "RECORDS", "LINES", "DISK", "PARTS", "OLDEST",
    ];
    render::rows(out, &titles, rows);
}

/// Shares of the whole, the largest first.
fn parts(parts: &Value) -> String {
    let all = parts.as_object().into_iter().flatten();
    let mut parts: Vec<(&str, u64)> = all
        .map(|(name, bytes)| (name.as_str(), bytes.as_u64().unwrap_or(0)))
        .collect();
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let whole = parts.iter().map(|(_, bytes)| bytes).sum::<u64>().max(1);
    let shown = parts.iter().map(|(name, bytes)| {
        let percent = 100.0 * *bytes as f64 / whole as f64;
        format!("{name} {percent:.0}%")
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// How long, and how much, is kept.
fn kept(out: &mut Text, retention: &Value) {
    if !retention.is_object() {
        return;
    }
    out.line(Tone::Bold, "kept");
    field(out, "all streams", &how_long(&retention["seconds"]));
    for stream in render::list(retention, "streams") {
        let shown = format!(
            "{} (priority {})",
            how_long(&stream["seconds"]),
            number(&stream["priority"])
        );
        field(out, render::text(stream, "selector"), &shown);
    }
    let shared = match retention["bytes_shared"].as_bool() {
        Some(true) => ", shared by all tenants without a limit of their own",
        _ => "",
    };
    let most = match retention["bytes_max"].as_u64() {
        None | Some(0) => "no limit".to_owned(),
        Some(bytes) => format!("{}{shared}", render::bytes(bytes)),
    };
    field(out, "at most", &most);
}

fn how_long(seconds: &Value) -> String {
    match seconds.as_u64() {
        None | Some(0) => "for ever".to_owned(),
        Some(seconds) if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        Some(seconds) if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        Some(seconds) => format!("{seconds} s"),
    }
}

/// What was left out, and why.
fn left_out(out: &mut Text, dropped: &Value) {
    let Some(dropped) = dropped.as_object().filter(|values| !values.is_empty()) else {
        return;
    };
    out.line(Tone::Bold, "left out");
    for (reason, count) in dropped {
        field(out, reason, &number(count));
    }
}

fn deletes(out: &mut Text, status: &Value) {
    let deletes = render::list(status, "deletes");
    if deletes.is_empty() {
        return;
    }
    out.line(Tone::Bold, "delete requests");
    let rows = deletes.iter().map(|request| {
        let shown = |name: &str| match request[name].as_u64() {
            Some(nanos) => render::time(Some(nanos)),
            None => render::text(request, name).to_owned(),
        };
        ["id", "status", "start", "end", "query"]
            .map(shown)
            .to_vec()
    });
    render::rows(out, &["ID", "STATUS", "FROM", "TO", "QUERY"], rows);
}

/// A number with its thousands apart.
pub(super) fn number(value: &Value) -> String {
    let digits = value.as_u64().unwrap_or(0).to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn bytes(value: &Value) -> String {
    render::bytes(value.as_u64().unwrap_or(0))
}

fn labels(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(&json!(n)), text);
        }
        assert_eq!(number(&json!(null)), "0");
    }

    #[test]
    fn parts_are_shares_and_times_are_whole() {
        let parts_of = json!({"blocks": 80, "tokens": 15, "words": 5});
        assert_eq!(parts(&parts_of), "blocks 80%, tokens 15%, words 5%");
        assert_eq!(parts(&json!(null)), "");
        for (seconds, text) in [
            (0, "for ever"),
            (90, "90 s"),
            (7200, "2 h"),
            (1_209_600, "14 d"),
        ] {
            assert_eq!(how_long(&json!(seconds)), text);
        }
    }

    #[test]
    fn what_lines_cost_on_disk_is_told_where_it_is_known() {
        let store = json!({"bytes": 38 << 20, "segments": 3, "line_bytes": 100 << 20});
        assert_eq!(
            on_disk(&store),
            "38.0 MiB in 3 segments, 0.380 of the 100.0 MiB of lines"
        );
        assert_eq!(on_disk(&json!({"bytes": 5})), "5 B in 0 segments");
    }
}
