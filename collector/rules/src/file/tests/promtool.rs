//! What Prometheus' own `promtool check rules` accepts and refuses.

use super::any;
use crate::file::read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that both must judge alike. What only newer versions know (`query_offset`, labels
/// of groups, names beyond letters, digits and `_`) is not among them.
const FILES: &[&str] = &[
    "",
    "groups:\n",
    "groups: []\n",
    "groups: 1\n",
    "grups: []\n",
    "groups:\n- name: a\n",
    "groups:\n- name: ''\n  rules: []\n",
    "groups:\n- rules: []\n",
    "groups:\n- name: a\n  rules: []\n- name: a\n  rules: []\n",
    "groups:\n- name: a\n  rules: []\n- name: b\n  rules: []\n",
    "groups:\n- name: a\n  interval: 1h30m\n  limit: 10\n  rules: []\n",
    "groups:\n- name: a\n  interval: 30m1h\n  rules: []\n",
    "groups:\n- name: a\n  interval: '0'\n  rules: []\n",
    "groups:\n- name: a\n  interval: 0\n  rules: []\n",
    "groups:\n- name: a\n  interval: 5\n  rules: []\n",
    "groups:\n- name: a\n  interval: -5s\n  rules: []\n",
    "groups:\n- name: a\n  interval: 300y\n  rules: []\n",
    "groups:\n- name: a\n  limit: many\n  rules: []\n",
    "groups:\n- name: a\n  limit: -1\n  rules: []\n",
    "groups:\n- name: a\n  partial: warn\n  rules: []\n",
    "groups:\n- name: a\n  name: b\n  rules: []\n",
];

/// Rules, each of which is put into a group.
const RULES: &[&str] = &[
    "{record: a, expr: up}",
    "{record: 'a:b:c', expr: up}",
    "{record: '', expr: up}",
    "{record: a}",
    "{record: a, expr: ''}",
    "{record: a, expr: up +}",
    "{record: a, expr: 1}",
    "{record: a, expr: up, for: 1m}",
    "{record: a, expr: up, for: 0s}",
    "{record: a, expr: up, keep_firing_for: 1m}",
    "{record: a, expr: up, annotations: {a: b}}",
    "{record: a, expr: up, annotations: {}}",
    "{record: a, expr: up, labels: {a: '{{ $nosuch }}'}}",
    "{record: a, expr: up, labels: {a: 1, b: true, c: 1.5}}",
    "{record: a, expr: up, labels: {a: [1]}}",
    "{record: a, expr: up, labels: {__name__: b}}",
    "{record: a, expr: up, labels: {__n: b}}",
    "{record: a, expr: up, labels: {'': b}}",
    "{record: a, alert: b, expr: up}",
    "{expr: up}",
    "{alert: A, expr: up}",
    "{alert: A name with spaces, expr: up}",
    "{alert: 1, expr: up}",
    "{alert: A, expr: up, for: 1h30m, keep_firing_for: 5m}",
    "{alert: A, expr: up, for: 5}",
    "{alert: A, expr: up, for: ''}",
    "{alert: A, expr: up, for: 1m1m}",
    "{alert: A, expr: up, severity: page}",
    "{alert: A, expr: up, labels: {a: '{{ $value }}'}}",
    "{alert: A, expr: up, labels: {a: '{{ $nosuch }}'}}",
    "{alert: A, expr: up, labels: {a: '{{ nosuch 1 }}'}}",
    "{alert: A, expr: up, labels: {a: '{{ if }}'}}",
    "{alert: A, expr: up, labels: {a: '}} {'}}",
    "{alert: A, expr: up, annotations: {'': b}}",
    "{alert: A, expr: up, annotations: {a: '{{ if $value }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ $externalLabels.x }} {{ $externalURL }} {{ .ExternalLabels }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ range query `up` | sortByLabel `x` }}{{ .Labels.x }}{{ end }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ query `up` | first | value | humanize }}{{ query `up` | first | label `x` }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ 1 | humanize1024 }}{{ 1 | humanizeDuration }}{{ 1 | humanizePercentage }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ 1 | humanizeTimestamp }}{{ toTime 1 }}{{ parseDuration `1m` }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ title `x` }}{{ toUpper `x` }}{{ toLower `x` }}{{ match `x` `y` }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ reReplaceAll `x` `y` `z` }}{{ stripPort `x` }}{{ stripDomain `x` }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ graphLink `x` }}{{ tableLink `x` }}{{ pathPrefix }}{{ externalURL }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ args 1 2 }}{{ safeHtml `x` }}{{ strvalue . }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ define `x` }}a{{ end }}{{ template `x` . }}{{ template `y` }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ $x := 1 }}{{ with $x }}{{ . }}{{ else }}b{{ end }}'}}",
    "{alert: A, expr: up, annotations: {a: '{{ \"unclosed }}'}}",
    "{alert: A, expr: up, annotations: {a: ~}}",
    "{alert: A, expr: up, labels: ~, annotations: ~}",
];

/// Names that Prometheus 3 accepts. We keep to the older rules, because the store would
/// rename them.
const NAMES: &[&str] = &[
    "{record: 1a, expr: up}",
    "{record: a-b, expr: up}",
    "{record: a.b, expr: up}",
    "{record: a, expr: up, labels: {1a: b}}",
    "{record: a, expr: up, labels: {a.b: b}}",
    "{alert: A, expr: up, labels: {a-b: b}}",
];

#[test]
fn what_promtool_accepts_is_read_and_what_it_refuses_is_not() {
    let Some(promtool) = promtool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = if is_older_than_3(&promtool) {
        NAMES
    } else {
        &[]
    };
    let rules = RULES.iter().chain(names);
    let wrapped = rules.map(|rule| format!("groups:\n- name: a\n  rules:\n  - {rule}\n"));
    let files: Vec<String> = FILES
        .iter()
        .map(ToString::to_string)
        .chain(wrapped)
        .collect();
    let (mut differences, mut accepted) = (String::new(), 0);
    for (at, text) in files.iter().enumerate() {
        let path = folder.path().join(format!("{at}.yaml"));
        std::fs::write(&path, text).unwrap();
        let (accepts, said) = judge(&promtool, &path);
        accepted += usize::from(accepts);
        let ours = read("f.yaml", text, &any);
        if ours.is_ok() != accepts {
            let ours = ours.map(|_| "accepted".to_owned());
            let ours = ours.unwrap_or_else(|problems| problems.to_string());
            differences += &format!("---\n{text}\nwe: {ours}\npromtool: {said}\n");
        }
    }
    assert!(differences.is_empty(), "{differences}");
    let refused = files.len() - accepted;
    assert!(
        accepted > 20 && refused > 20,
        "promtool judges: {accepted} good, {refused} bad"
    );
}

fn judge(promtool: &Path, file: &Path) -> (bool, String) {
    let output = Command::new(promtool)
        .args(["check", "rules"])
        .arg(file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

fn is_older_than_3(promtool: &Path) -> bool {
    let output = Command::new(promtool).arg("--version").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).contains("version 2.")
}

/// The program, or `None` after saying that the test is skipped.
fn promtool() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = std::fs::read_to_string(root.join("target/test-tools/env"));
    let installed = installed.unwrap_or_default();
    let named = installed
        .lines()
        .find_map(|line| line.strip_prefix("PROMTOOL="));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&paths).map(|folder| folder.join("promtool"));
    let found = named
        .map(PathBuf::from)
        .into_iter()
        .chain(in_path)
        .find(|path| path.exists());
    if found.is_none() {
        let why = "no promtool is installed: run tests/setup";
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{why}"
        );
        eprintln!("skipped: {why}");
    }
    found
}
