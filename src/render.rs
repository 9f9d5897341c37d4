//! Answers of the native API as text for a terminal.

mod table;
mod waterfall;

pub(crate) use table::{metric_table, trace_table};
pub(crate) use waterfall::waterfall;

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Text on its way to the terminal, with colours only where a terminal reads it.
pub(crate) struct Text {
    text: String,
    colours: bool,
}

/// A character as a terminal may see it: no controls, and none of Unicode's marks that
/// reorder what stands beside them (UAX #9).
pub(crate) fn tame(c: char) -> char {
    let reorders =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match c {
        '\t' => ' ',
        _ if c.is_control() || reorders || matches!(c, '\u{2028}' | '\u{2029}') => '\u{fffd}',
        _ => c,
    }
}

/// How a piece of text stands out.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
}

impl Text {
    /// Text for the standard output.
    pub(crate) fn stdout() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            text: String::new(),
            colours,
        }
    }

    /// Adds text in a tone. What could move the cursor or turn the direction of writing never
    /// reaches the terminal, so that no text can pass for a row of ours.
    pub(crate) fn put(&mut self, tone: Tone, text: &str) {
        let code = match tone {
            Tone::Plain => "",
            Tone::Dim => "\u{1b}[2m",
            Tone::Bold => "\u{1b}[1m",
            Tone::Good => "\u{1b}[32m",
            Tone::Warn => "\u{1b}[33m",
            Tone::Bad => "\u{1b}[31m",
        };
        let coloured = self.colours && !code.is_empty();
        if coloured {
            self.text.push_str(code);
        }
        self.text.extend(text.chars().map(tame));
        if coloured {
            self.text.push_str("\u{1b}[0m");
        }
    }

    /// Adds a whole line.
    pub(crate) fn line(&mut self, tone: Tone, text: &str) {
        self.put(tone, text);
        self.end_line();
    }

    /// Ends the line.
    pub(crate) fn end_line(&mut self) {
        self.text.push('\n');
    }

    /// Adds JSON, indented.
    pub(crate) fn json(&mut self, value: &Value) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{value:#}");
    }

    /// Says why an answer is not complete, if it is not.
    pub(crate) fn note_if_cut(&mut self, answer: &Value) {
        if let Some(cut) = answer["cut"].as_str() {
            self.line(Tone::Warn, &format!("the answer was cut: {cut}"));
        }
    }

    /// Prints it. A reader that closes the pipe early has read enough.
    pub(crate) fn finish(self) -> ExitCode {
        let _ = std::io::stdout().lock().write_all(self.text.as_bytes());
        ExitCode::SUCCESS
    }
}

/// A list in an answer; empty where there is none.
pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// A text in an answer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

/// One log record: time, level, service, body.
pub(crate) fn log_line(out: &mut Text, record: &Value) {
    let level = text(record, "level");
    out.put(Tone::Dim, &time(record["time"].as_u64()));
    out.put(level_tone(level), &format!(" {level:<5} "));
    let labels = &record["labels"];
    out.put(Tone::Bold, text(labels, "service_name"));
    out.line(Tone::Plain, &format!(" {}", text(record, "body")));
}

/// One alert: state, name, labels, summary.
pub(crate) fn alert_line(out: &mut Text, alert: &Value) {
    let firing = alert["ends_at"].is_null();
    out.put(
        if firing { Tone::Bad } else { Tone::Good },
        if firing { "firing   " } else { "resolved " },
    );
    out.put(Tone::Bold, text(&alert["labels"], "alertname"));
    let labels = alert["labels"].as_object().into_iter().flatten();
    let labels: Vec<_> = labels
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
        .collect();
    out.put(Tone::Dim, &format!(" {}", labels.join(" ")));
    out.put(
        Tone::Plain,
        &format!("  since {}", time(alert["starts_at"].as_u64())),
    );
    out.line(
        Tone::Plain,
        &format!("  {}", text(&alert["annotations"], "summary")),
    );
}

/// A time of day with its date, in UTC, to the millisecond.
pub(crate) fn time(nanos: Option<u64>) -> String {
    let stamp = nanos.and_then(|n| jiff::Timestamp::from_nanosecond(i128::from(n)).ok());
    stamp.map_or_else(|| "-".into(), |stamp| format!("{stamp:.3}"))
}

/// A duration in the unit that suits it.
pub(crate) fn duration(nanos: u64) -> String {
    let nanos = nanos as f64;
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n if n < 1e9 => format!("{:.1} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

fn level_tone(level: &str) -> Tone {
    match level {
        "error" | "fatal" => Tone::Bad,
        "warn" => Tone::Warn,
        "debug" | "trace" => Tone::Dim,
        _ => Tone::Plain,
    }
}
