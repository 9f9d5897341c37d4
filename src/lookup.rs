//! `sonde lookup`: a request's trace, logs and alerts on one screen.

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
    for trace in render::list(found, "traces") {
        render::waterfall(out, trace);
        out.end_line();
    }
    let logs = render::list(found, "logs");
    if !logs.is_empty() {
        out.line(Tone::Bold, &format!("logs ({})", logs.len()));
        logs.iter().for_each(|record| render::log_line(out, record));
        out.end_line();
    }
    out.note_if_cut(found);
    let alerts = render::list(found, "alerts");
    if !alerts.is_empty() {
        out.line(Tone::Bold, &format!("alerts ({})", alerts.len()));
        alerts
            .iter()
            .for_each(|alert| render::alert_line(out, alert));
    }
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
