//! Go's own engine gives the same outputs, for the tables and for generated templates.

use crate::shared::{CASES, HTML_CASES, execute, json};
use serde::Deserialize;
use serde_json::json as object;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

mod generate;

#[derive(Deserialize)]
struct Outcome {
    output: String,
    error: String,
}

/// Go's outcomes; `None` without Go.
fn go(cases: &[(String, bool)]) -> Option<Vec<Outcome>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let child = Command::new("go")
        .args(["run", "."])
        .current_dir(folder)
        .env("GOFLAGS", "-mod=mod")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "the oracle needs a Go toolchain: install one"
        );
        eprintln!("skipped: no Go toolchain");
        return None;
    };
    let cases: Vec<_> = cases
        .iter()
        .map(|(text, html)| object!({"text": text, "html": html}))
        .collect();
    let input = object!({"data": json(), "cases": cases}).to_string();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "the Go program fails");
    Some(serde_json::from_slice(&done.stdout).unwrap())
}

/// Whether Go refuses what may be done here: `html` where it alone would not be enough, and
/// an index that a map of anything holds.
fn accepted(error: &str) -> bool {
    error.contains("predefined escaper") || error.contains("with type interface {}")
}

/// What differs from Go, one a line.
fn differences(cases: &[(String, bool)]) -> Vec<String> {
    let Some(outcomes) = go(cases) else {
        return Vec::new();
    };
    assert_eq!(outcomes.len(), cases.len());
    let mut found = Vec::new();
    for ((text, html), go) in cases.iter().zip(outcomes) {
        let ours = execute(text, *html);
        let same = match &ours {
            Ok(output) => go.error.is_empty() && *output == go.output,
            Err(_) => !go.error.is_empty(),
        };
        let same = same || accepted(&go.error);
        if !same {
            found.push(format!(
                "html {html}: {text}\n  ours {ours:?}\n  Go   {:?} {:?}",
                go.output, go.error
            ));
        }
    }
    found
}

fn check(cases: &[(String, bool)]) {
    let found = differences(cases);
    assert!(
        found.is_empty(),
        "{} of {} templates differ from Go:\n{}",
        found.len(),
        cases.len(),
        found.join("\n")
    );
}

#[test]
fn the_tables_hold_in_go() {
    let plain = CASES.iter().map(|(text, _)| ((*text).to_owned(), false));
    let html = HTML_CASES
        .iter()
        .map(|(text, _)| ((*text).to_owned(), true));
    check(&plain.chain(html).collect::<Vec<_>>());
}

#[test]
fn generated_templates_yield_what_go_yields() {
    let cases: Vec<_> = (0..1_500)
        .map(|seed| (generate::template(seed), false))
        .collect();
    check(&cases);
}

#[test]
fn generated_pages_are_escaped_as_go_escapes_them() {
    let cases: Vec<_> = (0..1_500)
        .map(|seed| (generate::page(seed), true))
        .collect();
    check(&cases);
}

#[test]
fn generated_formats_print_what_go_prints() {
    let cases: Vec<_> = (0..3_000)
        .map(|seed| (generate::format(seed), false))
        .collect();
    check(&cases);
}
