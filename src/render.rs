//! Answers of the native API as text for a terminal.

mod table;
mod waterfall;

pub(crate) use table::{metric_table, rows, trace_table};
pub(crate) use waterfall::waterfall;

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Text on its way to the terminal, with colours only where a terminal reads it.
pub(crate) struct Text {
    text: String,
    is_terminal: bool,
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
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            text: String::new(),
            is_terminal,
            colours: is_terminal && std::env::var_os("NO_COLOR").is_none(),
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

    /// Adds a whole line for a program to read: as it is, unless a terminal reads it.
    pub(crate) fn verbatim(&mut self, text: &str) {
        if self.is_terminal {
            self.text.extend(text.chars().map(tame));
        } else {
            self.text.push_str(text);
        }
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
    pub(crate) fn finish(mut self) -> ExitCode {
        let _ = self.flush();
        ExitCode::SUCCESS
    }

    /// Prints what there is, and goes on.
    ///
    /// # Errors
    /// The reader has closed the pipe.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        let printed = stdout.write_all(self.text.as_bytes());
        self.text.clear();
        printed.and_then(|()| stdout.flush())
    }
}

/// Says something beside the answer: on the error stream, on one line.
pub(crate) fn note(text: &str) {
    let text: String = text.chars().map(tame).collect();
    // Where the error stream is closed, nobody wants to know.
    let _ = writeln!(std::io::stderr(), "sonde: {text}");
}

/// A list in an answer; empty where there is none.
pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// A text in an answer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

/// What people see of a log record.
pub(crate) struct LogRow<'a> {
    pub(crate) time: Option<u64>,
    pub(crate) level: &'a str,
    pub(crate) service: &'a str,
    pub(crate) body: &'a str,
}

/// One log record of the native API, on a line.
pub(crate) fn log_line(out: &mut Text, record: &Value) {
    let row = LogRow {
        time: record["time"].as_u64(),
        level: text(record, "level"),
        service: text(&record["labels"], "service_name"),
        body: text(record, "body"),
    };
    log_row(out, &row);
    out.end_line();
}

/// Time, level, service, body.
pub(crate) fn log_row(out: &mut Text, row: &LogRow<'_>) {
    out.put(Tone::Dim, &time(row.time));
    out.put(level_tone(row.level), &format!(" {:<5} ", row.level));
    if !row.service.is_empty() {
        out.put(Tone::Bold, row.service);
        out.put(Tone::Plain, " ");
    }
    out.put(Tone::Plain, row.body);
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

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b < 1024.0 => format!("{b:.0} B"),
        b if b < 1024.0 * 1024.0 => format!("{:.1} KiB", b / 1024.0),
        b if b < 1024.0 * 1024.0 * 1024.0 => format!("{:.1} MiB", b / 1024.0 / 1024.0),
        b => format!("{:.2} GiB", b / 1024.0 / 1024.0 / 1024.0),
    }
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
        "error" | "fatal" | "critical" => Tone::Bad,
        "warn" | "warning" => Tone::Warn,
        "debug" | "trace" => Tone::Dim,
        _ => Tone::Plain,
    }
}
