//! Prometheus' Python client beside: it reads what we write, we read what it writes.

use crate::collect::{Kept, Value, collect_with};
use crate::foreign;
use crate::generate::write;
use crate::programs::{find, skipped};
use serde_json::json;
use sonde_exposition::{Escaping, Format, Options, Protocol};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The interpreter, if it has the client.
fn python() -> Option<PathBuf> {
    let python = find("PYTHON", "python3")?;
    let import = Command::new(&python)
        .args(["-c", "import prometheus_client"])
        .output();
    import
        .is_ok_and(|done| done.status.success())
        .then_some(python)
}

fn client(python: &PathBuf, arguments: &[&str], input: &[u8]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exposition/client.py");
    let mut child = Command::new(python)
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(input)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn ours(format: Format, body: &[u8]) -> Vec<String> {
    let options = Options {
        created_as_samples: true,
        ..Options::default()
    };
    let collected = collect_with(format, body, &options).unwrap();
    let mut lines: Vec<_> = collected.samples.iter().map(line).collect();
    lines.sort();
    lines
}

fn line(kept: &Kept) -> String {
    let mut labels = kept.labels.clone();
    labels.sort();
    let Value::Float(value) = kept.value else {
        panic!("a float")
    };
    let exemplar = kept.exemplars.first().map(|exemplar| {
        let mut labels = exemplar.labels.clone();
        labels.sort();
        json!([labels, exemplar.value])
    });
    json!({"name": kept.name, "labels": labels, "value": value, "time": kept.time, "exemplar": exemplar}).to_string()
}

fn theirs(lines: &str) -> Vec<String> {
    let parsed = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut lines: Vec<_> = parsed.map(|line| line.to_string()).collect();
    lines.sort();
    lines
}

#[test]
fn the_python_client_reads_what_we_write() {
    let Some(python) = python() else {
        return skipped("prometheus_client for Python");
    };
    let made = foreign::families(None);
    let body = write(Protocol::OpenMetrics1, Escaping::Underscores, &made);
    let read = theirs(&client(&python, &["read"], &body));
    assert!(read.len() > 10);
    assert_eq!(read, ours(Format::OpenMetrics, &body));
}

#[test]
fn we_read_what_the_python_client_writes() {
    let Some(python) = python() else {
        return skipped("prometheus_client for Python");
    };
    for (word, format) in [("text", Format::Text), ("open", Format::OpenMetrics)] {
        let said = client(&python, &["write", word], b"");
        let (body, lines) = said.split_once("---\n").unwrap();
        assert!(lines.lines().count() > 10);
        assert_eq!(ours(format, body.as_bytes()), theirs(lines), "{body}");
    }
}
