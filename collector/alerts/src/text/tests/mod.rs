//! Tests of texts: functions, data, default templates, hostile labels.

mod oracle;

use super::*;
use crate::core::Delivery;
use crate::fixture::{delivery, hostile, two};

fn execute(text: &str, delivery: &Delivery, escape: Escape) -> Result<String, String> {
    let data = data::of(delivery, "http://sonde.example.org");
    let text = Texts::default()
        .compile(text, escape)
        .map_err(|error| error.to_string())?;
    text.execute(&data, delivery.at)
}

fn check(text: &str, expected: &str) {
    assert_eq!(
        execute(text, &two(), Escape::None).as_deref(),
        Ok(expected),
        "{text}"
    );
}

fn check_error(text: &str, expected: &str) {
    let error = execute(text, &two(), Escape::None).expect_err(text);
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn the_data_has_alertmanagers_names() {
    check(
        "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}",
        r"team\.x firing http://sonde.example.org",
    );
    check(
        "{{ len .Alerts }} {{ .Alerts.Firing | len }} {{ .Alerts.Resolved | len }}",
        "2 1 1",
    );
    check(
        "{{ .GroupLabels.alertname }} {{ .CommonLabels.service }}{{ .CommonLabels.instance }}",
        "HighLatency shop",
    );
    check(
        "{{ .CommonAnnotations.runbook }}{{ .CommonAnnotations.summary }}",
        "http://x.org",
    );
    check(
        "{{ range .Alerts }}{{ .Status }} {{ .Labels.instance }} {{ .Annotations.summary }};{{ end }}",
        "firing a:1 p99 is 2 s;resolved b:1 p99 is 3 s;",
    );
    check(
        "{{ (index .Alerts 0).StartsAt }}",
        "2026-01-02 03:04:05 +0000 UTC",
    );
    check(
        "{{ (index .Alerts 0).EndsAt }}",
        "0001-01-01 00:00:00 +0000 UTC",
    );
    check(
        "{{ (index .Alerts 1).EndsAt.Format \"15:04:05\" }}",
        "03:05:05",
    );
    check(
        "{{ len (index .Alerts 0).Fingerprint }} {{ (index .Alerts 0).GeneratorURL }}",
        "16 http://sonde.example.org/graph?g0.expr=up&g0.tab=1",
    );
    check(
        "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}",
        "alertname=HighLatency;service=shop;",
    );
    check(
        "{{ .CommonLabels.Names | join \",\" }} {{ .CommonLabels.Values | join \",\" }}",
        "alertname,service HighLatency,shop",
    );
    check(
        "{{ (.CommonLabels.Remove (stringSlice \"alertname\")).SortedPairs }}",
        "service=shop",
    );
    check(
        "{{ .CommonLabels.SortedPairs.Names }} {{ .CommonLabels }}",
        "[alertname service] alertname=HighLatency, service=shop",
    );
    check(
        "{{ range $name, $value := .GroupLabels }}{{ $name }}:{{ $value }}{{ end }}",
        "alertname:HighLatency",
    );
    check_error(
        "{{ .Nothing }}",
        "can't evaluate field Nothing in type *template.Data",
    );
    check_error(
        "{{ .CommonLabels.Remove }}",
        "wrong number of args for Remove",
    );
}

#[test]
fn every_function_does_what_alertmanagers_does() {
    check(
        r#"{{ "aB" | toUpper }} {{ "aB" | toLower }} {{ "hello wORLD" | title }} [{{ trimSpace "  x " }}]"#,
        "AB ab Hello World [x]",
    );
    check(
        r#"{{ match "^Hi.*" .CommonLabels.alertname }} {{ match "^x" "y" }}"#,
        "true false",
    );
    check(r#"{{ reReplaceAll "(.*):(.*)" "$2-${1}" "a:1" }}"#, "1-a");
    check(
        r#"{{ stringSlice "a" "b" | join "+" }} {{ list 1 "x" true }} {{ append (list 1) 2 3 }}"#,
        "a+b [1 x true] [1 2 3]",
    );
    check(
        r#"{{ $d := dict "a" 1 "b" "x" }}{{ $d.a }}{{ $d.b }}{{ range $k, $v := $d }};{{ $k }}{{ end }}"#,
        "1x;a;b",
    );
    check(
        r#"{{ urlUnescape "a%20b%2Fc+d" }} {{ "a?>" | base64encode }} {{ "YT8-" | base64decode }}"#,
        "a b/c d YT8- a?>",
    );
    check(
        r#"{{ now.Format "15:04:05" }} {{ now | tz "Asia/Tokyo" | date "2006-01-02 15:04 MST" }}"#,
        "03:05:35 2026-01-02 12:05 JST",
    );
    check(
        "{{ since (index .Alerts 0).StartsAt }} {{ since (index .Alerts 0).StartsAt | humanizeDuration }}",
        "1m30s 1m 30s",
    );
    check(
        r#"{{ humanizeDuration 0 }} {{ humanizeDuration 93784 }} {{ humanizeDuration "0.0125" }} {{ humanizeDuration 59.5 }} {{ humanizeDuration 3600.0 }}"#,
        "0s 1d 2h 3m 4s 12.5ms 59.5s 1h 0m 0s",
    );
    check(
        r#"{{ toJson (dict "a" (list 1 2.5 "<x>" nil true)) }}"#,
        r#"{"a":[1,2.5,"\u003cx\u003e",null,true]}"#,
    );
    check(
        "{{ toJson .CommonLabels }} {{ toJson .GroupLabels.SortedPairs }}",
        r#"{"alertname":"HighLatency","service":"shop"} [{"Name":"alertname","Value":"HighLatency"}]"#,
    );
    check(
        r#"{{ "<b>" | safeHtml }}{{ "javascript:x" | safeUrl }}{{ slackEscape "<!here> & co" }}"#,
        "<b>javascript:x&lt;!here&gt; &amp; co",
    );
}

#[test]
fn a_call_that_cannot_be_made_fails_and_says_why() {
    check_error(r#"{{ match "(" "x" }}"#, "is no pattern");
    check_error(r#"{{ match "(a{999}){999}" "x" }}"#, "is no pattern");
    check_error(
        r#"{{ tz "Nowhere/Land" now }}"#,
        "unknown time zone Nowhere/Land",
    );
    check_error(r#"{{ dict "a" }}"#, "an even number");
    check_error(r#"{{ toUpper 1 }}"#, "toUpper: expected string; found int");
    check_error(
        r#"{{ join "," "x" }}"#,
        "join: expected a list; found string",
    );
    check_error(r#"{{ urlUnescape "%zz" }}"#, "invalid URL escape");
    check_error(r#"{{ base64decode "a" }}"#, "no URL-safe base64");
    check_error(
        r#"{{ humanizeDuration "x" }}"#,
        "humanizeDuration: expected a number",
    );
}

#[test]
fn what_does_not_exist_is_refused_when_it_is_compiled() {
    let place = |text: &str| {
        let error = Texts::default().compile(text, Escape::None).unwrap_err();
        (error.line, error.column, error.message)
    };
    assert_eq!(place("a\n  {{ toDate \"x\" }}").0, 2);
    let (line, column, message) = place("a\n{{- template \"slack.default.titel\" . }}");
    assert_eq!((line, column), (2, 14));
    assert!(
        message.ends_with("the nearest that exists is \"slack.default.title\""),
        "{message}"
    );
    assert!(
        place("{{ if }}").2.contains("missing value"),
        "{:?}",
        place("{{ if }}")
    );
}

#[test]
fn a_text_may_define_templates_of_its_own_and_for_itself_only() {
    let mut texts = Texts::default();
    let text = texts
        .compile(
            r#"{{ define "own" }}x{{ end }}{{ template "own" . }}"#,
            Escape::None,
        )
        .unwrap();
    assert_eq!(
        text.execute(&Value::Nil, crate::fixture::T0).as_deref(),
        Ok("x")
    );
    texts
        .compile(r#"{{ template "own" . }}"#, Escape::None)
        .unwrap_err();
}

#[test]
fn files_replace_default_templates() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("a.tmpl"),
        r#"{{ define "__subject" }}ours{{ end }}{{ define "b" }}{{ template "later" . }}{{ end }}"#,
    )
    .unwrap();
    std::fs::write(
        dir.path().join("b.tmpl"),
        r#"{{ define "later" }}later{{ end }}"#,
    )
    .unwrap();
    let mut texts = Texts::default();
    assert_eq!(texts.add_files(dir.path(), "*.tmpl"), Vec::<String>::new());
    assert_eq!(
        texts.add_files(dir.path(), "none/*.tmpl"),
        Vec::<String>::new()
    );
    let text = texts
        .compile(
            r#"{{ template "slack.default.title" . }} {{ template "b" . }}"#,
            Escape::None,
        )
        .unwrap();
    assert_eq!(
        text.execute(&Value::Nil, crate::fixture::T0).as_deref(),
        Ok("ours later")
    );
}

#[test]
fn every_default_template_can_be_executed() {
    for set in [two(), hostile(), delivery(vec![])] {
        for name in BUILT_IN.names() {
            let of_alerts = [
                "__text_alert_list",
                "__email_alerts",
                "pagerduty.default.instances",
            ]
            .contains(&name);
            if ["__text_alert", "default.tmpl", "email.tmpl"].contains(&name) {
                continue;
            }
            let data = if of_alerts { ".Alerts.Firing" } else { "." };
            for escape in [Escape::None, Escape::Html] {
                let text = format!("{{{{ template {name:?} {data} }}}}");
                execute(&text, &set, escape).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}

#[test]
fn the_default_templates_say_what_it_is_about() {
    check(
        r#"{{ template "__subject" . }}"#,
        "[FIRING:1] HighLatency (shop)",
    );
    check(
        r#"{{ template "slack.default.title" . }}"#,
        "[FIRING:1] HighLatency (shop)",
    );
    check(
        r#"{{ template "slack.default.titlelink" . }}"#,
        "http://sonde.example.org/alerts",
    );
    check(
        r#"{{ template "slack.default.text" . }}"#,
        "• p99 is 2 s\n• p99 is 3 s\n",
    );
    check(r#"{{ template "pagerduty.default.client" . }}"#, "Sonde");
    check(
        r#"{{ template "pagerduty.default.instances" .Alerts.Resolved }}"#,
        "HighLatency: p99 is 3 s\n  instance = b:1\n  service = shop\n  since 2026-01-02 03:04:05 UTC until 2026-01-02 03:05:05 UTC\n  \
         http://sonde.example.org/graph?g0.expr=up&g0.tab=1\n\n",
    );
    let html = execute(
        r#"{{ template "email.default.html" . }}"#,
        &two(),
        Escape::Html,
    )
    .unwrap();
    for part in [
        "<title>[FIRING:1] HighLatency (shop)</title>",
        "p99 is 3 s",
        "href=\"http://sonde.example.org/alerts\"",
        "until",
    ] {
        assert!(html.contains(part), "{part} is not in\n{html}");
    }
}

#[test]
fn no_label_calls_everybody_in_slack_or_writes_html_in_a_mail() {
    for name in BUILT_IN.names() {
        if name.starts_with("slack.") {
            let text = execute(
                &format!("{{{{ template {name:?} . }}}}"),
                &hostile(),
                Escape::None,
            )
            .unwrap();
            assert!(!text.contains(['<', '>']), "{name}: {text}");
        }
    }
    let html = execute(
        r#"{{ template "email.default.html" . }}"#,
        &hostile(),
        Escape::Html,
    )
    .unwrap();
    assert!(
        !html.contains("<script") && !html.contains("<!channel"),
        "{html}"
    );
    // A label is data and never a template.
    assert!(html.contains("{{ .Status }}"), "{html}");
}

proptest::proptest! {
    #[test]
    fn no_text_in_a_label_is_markup_anywhere(text in "[<>&\"'!@#a-z{} \\n\\r|/-]{0,40}", ended in proptest::bool::ANY) {
        let labels = [("alertname", text.as_str()), ("service", &text)];
        let annotations = [("summary", text.as_str()), ("description", &text)];
        let delivery = delivery(vec![crate::fixture::alert(&labels, &annotations, ended)]);
        for name in ["title", "fallback", "text", "pretext"] {
            let text = execute(&format!("{{{{ template \"slack.default.{name}\" . }}}}"), &delivery, Escape::None).unwrap();
            proptest::prop_assert!(!text.contains(['<', '>']), "{name}: {text}");
            let without = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            proptest::prop_assert!(!without.contains('&'), "{name}: {text}");
        }
        let elements = |delivery: &Delivery| {
            let html = execute(r#"{{ template "email.default.html" . }}"#, delivery, Escape::Html).unwrap();
            html.matches('<').count()
        };
        let plain = crate::fixture::alert(&[("alertname", "x"), ("service", "x")], &[("summary", "x"), ("description", "x")], ended);
        if !text.is_empty() {
            proptest::prop_assert_eq!(elements(&delivery), elements(&crate::fixture::delivery(vec![plain])));
        }
    }
}

#[test]
fn an_execution_is_bounded() {
    check_error(
        r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#,
        "",
    );
    let nested = "{{ range $.Alerts }}".repeat(40) + "x" + &"{{ end }}".repeat(40);
    check_error(&nested, "");
}
