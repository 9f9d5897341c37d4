//! Rule files: what is read, what is refused and where, and what `promtool` says.

mod promtool;

use super::*;
use crate::fake::any;

/// The problems, one a line: `line:column message`.
fn problems(text: &str) -> String {
    let Err(found) = read("f.yaml", text, &any) else {
        return String::new();
    };
    let shown = found.0.iter().map(|problem| {
        assert_eq!(problem.file, "f.yaml");
        let hint = problem
            .hint
            .as_ref()
            .map_or(String::new(), |hint| format!(" ({hint})"));
        format!(
            "{}:{} {}{hint}\n",
            problem.line, problem.column, problem.message
        )
    });
    shown.collect()
}

fn check(text: &str, expected: &[&str]) {
    let found = problems(text);
    assert_eq!(found.lines().count(), expected.len(), "{text}\n{found}");
    for (found, expected) in found.lines().zip(expected) {
        assert!(found.starts_with(expected), "\n{found}\n{expected}");
    }
}

#[test]
fn every_problem_is_told_at_its_place() {
    let text = r#"groups:
- name: a
  interval: 1.5h
  labels: {bad-name: x}
  rules:
  - record: 1up
    expr: up +
    for: 5m
    annotations: {a: b}
  - alert: A
    record: b
    expr: up
  - alert: B
    expr: |
      sum(
        up) +
    for: 5
    labels: {__name__: x, severity: '{{ nosuch }}'}
    annotations:
      summary: >-
        one
        {{ $nosuch }}
  - expr: up
- name: a
  rules:
  - alert: C
- rules: []
"#;
    check(
        text,
        &[
            r#"3:13 `interval`: "1.5h" is no duration"#,
            r#"4:22 "bad-name" is no label name"#,
            r#"6:13 "1up" is no metric name"#,
            "7:14 `expr`: nothing follows",
            "8:10 `for` belongs to alerting rules",
            "9:18 `annotations` belong to alerting rules",
            "10:12 a rule has either `record` or `alert`",
            "16:13 `expr`: nothing follows",
            r#"17:10 `for`: "5" is no duration"#,
            r#"18:24 "__name__" is no label name"#,
            "18:41 template `severity`: ",
            "22:12 template `summary`: ",
            "23:5 the rule has neither",
            r#"24:9 the group name "a" is used twice"#,
            "26:5 the rule has no `expr`",
            "27:3 the group has no `name`",
        ],
    );
}

#[test]
fn a_key_that_is_nearly_right_is_hinted_at() {
    check(
        "groups:\n- name: a\n  rules:\n  - {alert: A, expr: up, keep_fireing_for: 5m, lables: {}}\n  intervall: 1m\n",
        &[
            "4:26 unknown key `keep_fireing_for` in `groups[0].rules[0]` (did you mean `keep_firing_for`?)",
            "4:48 unknown key `lables` in `groups[0].rules[0]` (did you mean `labels`?)",
            "5:3 unknown key `intervall` in `groups[0]` (did you mean `interval`?)",
        ],
    );
}

#[test]
fn a_file_becomes_groups_and_rules() {
    let text = r#"
groups:
- name: a
  interval: 1h30m
  query_offset: 1m
  limit: 5
  labels: {team: x, severity: low}
  rules:
  - {record: a:b, expr: "1", labels: {n: 1}}
  - {alert: A b, expr: up, for: 1d, keep_firing_for: 90s, labels: {severity: high}}
- name: b
  interval: 0s
"#;
    let file = read("f.yaml", text, &any).unwrap();
    assert_eq!((file.name(), file.rules()), ("f.yaml", 2));
    let [a, b] = &file.groups[..] else { panic!() };
    assert_eq!(a.interval, Some(Duration::from_secs(5_400)));
    assert_eq!(a.query_offset, Some(Duration::from_secs(60)));
    assert_eq!(a.limit, 5);
    assert_eq!(b.interval, None, "zero stands for the default");
    let [RuleSpec::Recording(record), RuleSpec::Alerting(alert)] = &a.rules[..] else {
        panic!("{:?}", a.rules)
    };
    assert_eq!(record.labels["n"], "1");
    assert_eq!(record.labels["severity"], "low");
    assert_eq!(alert.alert, "A b");
    assert_eq!(alert.hold, Duration::from_secs(86_400));
    assert_eq!(alert.keep_firing_for, Duration::from_secs(90));
    let labels = alert.written_labels();
    assert_eq!((labels.get("severity"), labels.get("team")), ("high", "x"));
}

#[test]
fn the_shipped_files_are_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../signals/src");
    let mut rules = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".rules.yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = read(&path.to_string_lossy(), &text, &any);
            rules += file.unwrap_or_else(|problems| panic!("{problems}")).rules();
        }
    }
    assert!(rules > 10, "{rules} rules");
}

#[test]
fn no_text_panics() {
    for text in [
        "",
        "groups:",
        "groups: 1",
        "groups: [",
        "- a",
        "groups: [{}]",
        "\u{0}",
        "groups: [{rules: [~]}]",
    ] {
        problems(text);
    }
}
