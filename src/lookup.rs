//! `sonde lookup`: a request's trace, logs and alerts on one screen, or what runs in a pod.

use crate::Failure;
use crate::client::Client;
use crate::command::LookupArguments;
use crate::render::{self, Text, Tone};
use serde_json::Value;
use std::process::ExitCode;

/// Looks an identifier up. The exit code is 1 when nothing carries it.
pub(crate) async fn lookup(arguments: &LookupArguments) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.server)?;
    let answer = client
        .get(
            &format!("/sonde/v1/lookup/{}", path_segment(&arguments.id)),
            &[],
        )
        .await?;
    let mut out = Text::stdout();
    if arguments.server.json {
        out.json(&answer.json);
    } else if arguments.timeline && answer.found {
        timeline(&mut out, &answer.json);
    } else {
        show(&mut out, &answer.json);
    }
    let printed = out.finish();
    Ok(if answer.found {
        printed
    } else {
        ExitCode::FAILURE
    })
}

fn show(out: &mut Text, found: &Value) {
    if let Some(message) = found["message"].as_str() {
        out.line(
            Tone::Warn,
            &format!("{}: {message}", render::text(found, "id")),
        );
        return;
    }
    let traces = render::list(found, "traces");
    if matches!(render::text(found, "kind"), "pod" | "pod_uid" | "container") {
        if !traces.is_empty() {
            out.line(Tone::Bold, &format!("newest traces ({})", traces.len()));
            traces.iter().for_each(|trace| trace_line(out, trace));
            out.end_line();
        }
    } else {
        for trace in traces {
            render::waterfall(out, trace);
            out.end_line();
        }
    }
    let logs = render::list(found, "logs");
    if !logs.is_empty() {
        out.line(Tone::Bold, &format!("logs ({})", logs.len()));
        logs.iter().for_each(|record| render::log_line(out, record));
        out.end_line();
    }
    cuts(out, found);
    around(out, found);
    let alerts = render::list(found, "alerts");
    if !alerts.is_empty() {
        out.line(Tone::Bold, &format!("alerts ({})", alerts.len()));
        alerts
            .iter()
            .for_each(|alert| render::alert_line(out, alert));
    }
}

/// One of the traces that touched a place.
fn trace_line(out: &mut Text, trace: &Value) {
    let spans = render::list(trace, "spans");
    let nanos = |span: &Value, name: &str| span[name].as_u64();
    let start = spans.iter().filter_map(|s| nanos(s, "start")).min();
    let end = spans.iter().filter_map(|s| nanos(s, "end")).max();
    let (start, end) = (start.unwrap_or(0), end.unwrap_or(0));
    let failed = spans.iter().any(|s| render::text(s, "status") == "error");
    out.put(Tone::Dim, &render::time(Some(start)));
    out.put(
        Tone::Plain,
        &format!(" {}", render::text(trace, "trace_id")),
    );
    let spent = render::duration(end.saturating_sub(start));
    out.put(Tone::Dim, &format!(" {spent:>9} {:>4} spans ", spans.len()));
    if let Some(first) = spans.first() {
        let (service, name) = (render::text(first, "service"), render::text(first, "name"));
        out.put(Tone::Plain, &format!(" {service} {name}"));
    }
    out.line(Tone::Bad, if failed { " error" } else { "" });
}

/// Why parts are not everything.
fn cuts(out: &mut Text, found: &Value) {
    for (part, cut) in found["cuts"].as_object().into_iter().flatten() {
        let cut = cut.as_str().unwrap_or("");
        out.line(Tone::Warn, &format!("{part} were cut: {cut}"));
    }
}

/// Where it ran, and what runs there.
fn ran(out: &mut Text, found: &Value) {
    let ran = render::list(found, "ran");
    if ran.is_empty() {
        return;
    }
    out.line(Tone::Bold, &format!("ran in ({})", ran.len()));
    for place in ran {
        let names = |list: &str| {
            let names = render::list(place, list).iter().filter_map(Value::as_str);
            names.collect::<Vec<_>>().join(" ")
        };
        let (namespace, pod) = (render::text(place, "namespace"), render::text(place, "pod"));
        let mut line = match (namespace, pod) {
            (_, "") => String::from("  no pod"),
            ("", pod) => format!("  pod {pod}"),
            (namespace, pod) => format!("  pod {namespace}/{pod}"),
        };
        for (what, list) in [
            ("node", "nodes"),
            ("container", "containers"),
            ("image", "images"),
            ("service", "services"),
        ] {
            let names = names(list);
            if !names.is_empty() {
                line += &format!("  {what} {names}");
            }
        }
        out.line(Tone::Plain, &line);
    }
    out.end_line();
}

/// Where it ran, what the traces waited for, what had changed, and what was busy.
fn around(out: &mut Text, found: &Value) {
    ran(out, found);
    for path in render::list(found, "critical_paths") {
        let waited = path["duration_nanos"].as_u64().unwrap_or(0);
        out.line(
            Tone::Bold,
            &format!("waited for ({})", render::duration(waited)),
        );
        for operation in render::list(path, "operations") {
            let share = operation["share"].as_f64().unwrap_or(0.0) * 100.0;
            let nanos = operation["nanos"].as_u64().unwrap_or(0);
            let (service, name) = (
                render::text(operation, "service"),
                render::text(operation, "name"),
            );
            let spent = render::duration(nanos);
            out.line(
                Tone::Plain,
                &format!("  {share:>3.0} % {spent:>9}  {service} {name}"),
            );
        }
        out.end_line();
    }
    let changes = render::list(found, "changes");
    if !changes.is_empty() {
        out.line(Tone::Bold, &format!("changed before ({})", changes.len()));
        for change in changes {
            let of = |name: &str| render::text(change, name);
            out.put(Tone::Dim, &render::time(change["time"].as_u64()));
            let (service, attribute) = (of("service"), of("attribute"));
            let (before, after) = (of("before"), of("after"));
            out.line(
                Tone::Plain,
                &format!(" {service} {attribute}: {before} → {after}"),
            );
        }
        out.end_line();
    }
    let load = render::list(found, "load");
    if !load.is_empty() {
        out.line(Tone::Bold, &format!("load ({})", load.len()));
        for signal in load {
            let labels = signal["labels"].as_object().into_iter().flatten();
            let labels: Vec<_> = labels
                .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
                .collect();
            let value = signal["value"].as_f64().unwrap_or(0.0);
            let (metric, unit) = (render::text(signal, "metric"), render::text(signal, "unit"));
            let line = format!("  {value:>10.3} {unit:<10} {metric} {}", labels.join(" "));
            out.line(Tone::Plain, line.trim_end());
        }
        out.end_line();
    }
}

/// Prints everything in the order of time.
fn timeline(out: &mut Text, found: &Value) {
    for moment in render::list(found, "timeline") {
        let of = |name: &str| render::text(moment, name);
        out.put(Tone::Dim, &render::time(moment["time"].as_u64()));
        let is_bad = moment["is_bad"].as_bool() == Some(true);
        let tone = if is_bad { Tone::Bad } else { Tone::Plain };
        out.put(tone, &format!(" {:<10} ", of("kind")));
        out.put(Tone::Bold, of("service"));
        out.put(Tone::Plain, &format!(" {}", of("text")));
        if let Some(nanos) = moment["duration_nanos"].as_u64() {
            out.put(Tone::Dim, &format!("  {}", render::duration(nanos)));
        }
        out.end_line();
    }
    cuts(out, found);
}

/// Percent-encodes what is not plain in a path.
fn path_segment(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    id.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
