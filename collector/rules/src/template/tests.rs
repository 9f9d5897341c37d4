//! Templates of rules. The expected texts are those of Prometheus' `template_test.go`, or
//! follow its code where it has no test.

use super::*;
use crate::engine::EngineConfig;
use crate::fake::{self, Store};
use crate::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use sonde_proto::SampleValue;
use std::time::Duration;

fn expand_over(store: &Store, config: &EngineConfig, text: &str, value: f64) -> String {
    let telemetry = Telemetry::register(&mut Registry::default());
    let turn = turn(config, &telemetry);
    let expansion = Expansion::new(&turn, store);
    let sample = Sample {
        labels: fake::labels(&[("host", "a.example:9100"), ("__name__", "load")]),
        value: SampleValue::Float(value),
    };
    let text = Text::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    expansion.expand(&text, &expansion.scope(&sample))
}

fn turn<'a>(config: &'a EngineConfig, telemetry: &'a Telemetry) -> Turn<'a> {
    Turn {
        at: fake::at(1_700_000_000),
        sampled_at: fake::at(1_700_000_000),
        interval: Duration::from_secs(60),
        down_since: None,
        limit: 0,
        config,
        telemetry,
        file: "f",
        group: "g",
    }
}

fn expand(text: &str) -> String {
    let store = Store::default();
    store.set(
        "metric",
        &[
            (
                &[
                    ("__name__", "metric"),
                    ("instance", "b"),
                    ("__value__", "v"),
                ],
                21.0,
            ),
            (&[("__name__", "metric"), ("instance", "a")], 11.0),
        ],
    );
    let config = EngineConfig {
        external_url: "http://testhost:9090/path/prefix".into(),
        external_labels: fake::labels(&[("cluster", "c1")]),
        ..EngineConfig::default()
    };
    expand_over(&store, &config, text, 1.5)
}

fn check(text: &str, expected: &str) {
    assert_eq!(expand(text), expected, "{text}");
}

#[test]
fn the_variables_are_there() {
    check("plain }} text", "plain }} text");
    check("{{ $labels.host }}={{ $value }}", "a.example:9100=1.5");
    check("{{ .Labels.host }} {{ .Value }}", "a.example:9100 1.5");
    check("[{{ $labels.nothing }}]", "[]");
    check("{{ $externalLabels.cluster }}", "c1");
    check("{{ $externalURL }}", "http://testhost:9090/path/prefix");
    check(
        "{{ externalURL }}|{{ pathPrefix }}",
        "http://testhost:9090/path/prefix|/path/prefix",
    );
    check("{{ now }}", "1.7e+09");
}

#[test]
fn queries_can_be_made() {
    check(r#"{{ query "metric" | first | value }}"#, "21");
    check(
        r#"{{ query "metric" | sortByLabel "instance" | first | label "instance" }}"#,
        "a",
    );
    check(
        r#"{{ range query "metric" | sortByLabel "instance" }}{{ .Labels.instance }}:{{ .Value }};{{ end }}"#,
        "a:11;b:21;",
    );
    check(r#"{{ query "metric" | first | strvalue }}"#, "v");
    check(
        r#"{{ with query "none" }}some{{ else }}none{{ end }}"#,
        "none",
    );
}

#[test]
fn numbers_are_made_readable() {
    for (function, value, expected) in [
        ("humanize", "0.0", "0"),
        ("humanize", "1.0", "1"),
        ("humanize", "1234567.0", "1.235M"),
        ("humanize", ".12", "120m"),
        ("humanize", "\"0\"", "0"),
        ("humanize", "\"1234567\"", "1.235M"),
        ("humanize", "\"+Inf\"", "+Inf"),
        ("humanize", "\"-Inf\"", "-Inf"),
        ("humanize", "\"NaN\"", "NaN"),
        ("humanize", "999.96", "1000"),
        ("humanize", "-45000", "-45k"),
        ("humanize1024", "0.0", "0"),
        ("humanize1024", "1.0", "1"),
        ("humanize1024", "1048576.0", "1Mi"),
        ("humanize1024", ".12", "0.12"),
        ("humanizeDuration", "0", "0s"),
        ("humanizeDuration", "1", "1s"),
        ("humanizeDuration", "60", "1m 0s"),
        ("humanizeDuration", "3600", "1h 0m 0s"),
        ("humanizeDuration", "86400", "1d 0h 0m 0s"),
        ("humanizeDuration", "86461", "1d 0h 1m 1s"),
        ("humanizeDuration", "-1", "-1s"),
        ("humanizeDuration", "-86461", "-1d 0h 1m 1s"),
        ("humanizeDuration", ".1", "100ms"),
        ("humanizeDuration", ".0001", "100us"),
        ("humanizeDuration", ".12345", "123.5ms"),
        ("humanizeDuration", "1.2345", "1.234s"),
        ("humanizeDuration", "12.345", "12.35s"),
        ("humanizePercentage", "-0.22222", "-22.22%"),
        ("humanizePercentage", "0.0", "0%"),
        ("humanizePercentage", "0.1234567", "12.35%"),
        ("humanizePercentage", "1.23456", "123.5%"),
        ("humanizePercentage", "12345.6", "1.235e+06%"),
        (
            "humanizeTimestamp",
            "1435065584.128",
            "2015-06-23 13:19:44.128 +0000 UTC",
        ),
        ("humanizeTimestamp", "\"NaN\"", "NaN"),
        (
            "toTime",
            "1435065584.128",
            "2015-06-23 13:19:44.128 +0000 UTC",
        ),
        ("toDuration", "90", "1m30s"),
        ("parseDuration", "\"1h2m10ms\"", "3720.01"),
    ] {
        check(&format!("{{{{ {function} {value} }}}}"), expected);
    }
    check(
        "{{ 1435065584.128 | toTime | printf \"%T\" | len | not }}",
        "false",
    );
    check("{{ (1435065584.128 | toTime).Year }}", "2015");
}

#[test]
fn texts_are_changed() {
    check(r#"{{ "aa bb CC" | title }}"#, "Aa Bb CC");
    check(r#"{{ "it's un_der x-ray" | title }}"#, "It'S Un_der X-Ray");
    check(r#"{{ "Aa" | toUpper }}{{ "Aa" | toLower }}"#, "AAaa");
    check(
        r#"{{ match "a+" "aa" }} {{ match "a+" "b" }}"#,
        "true false",
    );
    check(r#"{{ reReplaceAll "(a)b" "x$1" "ab" }}"#, "xa");
    check(r#"{{ "foo.bar:80" | stripPort }}"#, "foo.bar");
    check(r#"{{ "[2001:db8::1]:80" | stripPort }}"#, "2001:db8::1");
    check(r#"{{ "foo.bar" | stripPort }}"#, "foo.bar");
    check(r#"{{ "2001:db8::1" | stripPort }}"#, "2001:db8::1");
    check(r#"{{ "hostname.bar.io:80" | stripDomain }}"#, "hostname:80");
    check(r#"{{ "hostname.bar.io" | stripDomain }}"#, "hostname");
    check(r#"{{ "10.0.0.1:80" | stripDomain }}"#, "10.0.0.1:80");
    check(
        r#"{{ "[2001:db8::1]:80" | stripDomain }}"#,
        "[2001:db8::1]:80",
    );
    check(
        r#"{{ graphLink "up == 1" }}"#,
        "/graph?g0.expr=up+%3D%3D+1&g0.tab=0",
    );
    check(r#"{{ tableLink "up" }}"#, "/graph?g0.expr=up&g0.tab=1");
    check(r#"{{ "a b&c" | urlQueryEscape }}"#, "a+b%26c");
    check(r#"{{ "<b>" | safeHtml }}"#, "<b>");
    check(
        r#"{{ define "x" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "x" (args "a" 2) }}"#,
        "a-2",
    );
}

#[test]
fn failures_are_told_in_the_text() {
    for (text, why) in [
        (r#"{{ query "none" | first }}"#, "no elements"),
        (r#"{{ match "(" "x" }}"#, "regex"),
        (r#"{{ humanize "much" }}"#, "can't convert"),
        (r#"{{ toTime 1e30 }}"#, "cannot be represented"),
        (r#"{{ .Nothing }}"#, "Nothing"),
        (r#"{{ first }}"#, "expected the result of a query"),
        (r#"{{ query 1 }}"#, "expected a string"),
        (
            r#"{{ range $i := query "metric" }}{{ label 1 . }}{{ end }}"#,
            "expected string",
        ),
    ] {
        let expanded = expand(text);
        assert!(
            expanded.starts_with("<error expanding template: ") && expanded.contains(why),
            "{text}: {expanded}"
        );
    }
}

#[test]
fn expansions_are_bounded() {
    let store = Store::default();
    let many: Vec<_> = (0..10).map(|_| (&[][..], 1.0)).collect();
    store.set("q", &many);
    let config = EngineConfig {
        template_queries_max: 2,
        ..EngineConfig::default()
    };
    let twice = expand_over(
        &store,
        &config,
        r#"{{ query "q" | len }}{{ query "q" | len }}"#,
        1.0,
    );
    assert_eq!((twice.as_str(), store.asked.borrow().len()), ("1010", 1));
    let text = r#"{{ range query "q" }}{{ end }}{{ query "r" | len }}{{ query "s" | len }}"#;
    let refused = expand_over(&store, &config, text, 1.0);
    assert!(
        refused.contains("more than 2 different queries"),
        "{refused}"
    );

    let row = r#"{{ range query "q" }}{{ range query "q" }}{{ range query "q" }}{{ range query "q" }}{{ range query "q" }}{{ range query "q" }}x{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}"#;
    let endless = expand_over(&store, &config, row, 1.0);
    assert!(endless.starts_with("<error"), "{}", endless.len());
}

#[test]
fn places_are_those_of_the_written_text() {
    for (text, line, column) in [("{{ nosuch }}", 1, 4), ("abc\n  {{ nosuch }}", 2, 6)] {
        let error = Text::parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{error}");
    }
    let expanded = expand("{{ humanize \"x\" }}");
    assert!(expanded.contains("template:1:"), "{expanded}");
}

#[test]
fn the_expansions_of_one_evaluation_share_their_output() {
    let telemetry = Telemetry::register(&mut Registry::default());
    let config = EngineConfig {
        template_bytes_max: 10,
        ..EngineConfig::default()
    };
    let store = Store::default();
    let turn = turn(&config, &telemetry);
    let expansion = Expansion::new(&turn, &store);
    let sample = Sample {
        labels: fake::labels(&[]),
        value: SampleValue::Float(1.0),
    };
    let scope = expansion.scope(&sample);
    let text = Text::parse("{{ printf \"%06d\" 1 }}").unwrap();
    assert_eq!(expansion.expand(&text, &scope), "000001");
    for _ in 0..2 {
        assert!(expansion.expand(&text, &scope).starts_with("<error"));
    }
    let plain = Text::parse("plain").unwrap();
    assert_eq!(expansion.expand(&plain, &scope), "plain");
    assert_eq!(telemetry.template_failures.get(), 2);
}
