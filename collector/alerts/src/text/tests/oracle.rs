//! `amtool template render` as the judge: the same text over the same data yields the same.

use super::*;
use crate::config::tests::oracle::amtool;
use std::process::Command;

const TEXTS: [&str; 24] = [
    "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}",
    "{{ range .Alerts }}{{ .Status }}{{ .Labels.instance }} {{ .Annotations.summary }};{{ end }}",
    "{{ range .Alerts.Firing }}{{ .Labels.instance }}{{ else }}none{{ end }}",
    "{{ .GroupLabels.Names }}{{ .CommonAnnotations.Values }}",
    "{{ (.CommonLabels.Remove .GroupLabels.Names).Names }}",
    "{{ .CommonLabels.nothing }}|{{ index .CommonLabels \"service\" }}|{{ len .CommonLabels }}",
    "{{ with .CommonLabels.nothing }}yes{{ else }}no{{ end }}",
    "{{ if and .CommonLabels.service (not .CommonLabels.nothing) }}yes{{ end }}",
    "{{ (index .Alerts 0).StartsAt }} {{ (index .Alerts 0).EndsAt }}",
    "{{ (index .Alerts 1).EndsAt.Sub (index .Alerts 1).StartsAt }}",
    "{{ (index .Alerts 1).StartsAt.Format \"Mon, 02 Jan 2006 15:04:05 MST\" }} {{ (index .Alerts 1).StartsAt.Unix }}",
    "{{ \"hello wORLD foo_bar don't a-b HIGH a.b x:y 3com über 1st.of\" | title }}",
    "{{ .CommonLabels.alertname | toUpper | toLower }}",
    "{{ .CommonLabels.Values | join \", \" }}",
    "{{ match \"^High\" .CommonLabels.alertname }}{{ match \"\\\\d+\" \"abc\" }}",
    "{{ reReplaceAll \"(\\\\w+):(\\\\d+)\" \"$2/${1}\" \"a:1 b:22\" }}{{ reReplaceAll \"x*\" \"-\" \"abxd\" }}",
    "{{ stringSlice \"a\" \"b\" \"c\" }} {{ stringSlice \"a\" \"b\" | join \"\" }}",
    "{{ printf \"%d %q %5.2f %v %-6s| %06d\" 3 \"x\" 2.5 true \"ab\" 42 }}",
    "{{- range $i, $a := .Alerts -}} {{ if $i }}, {{ end }}{{ $a.Labels.instance }} {{- end -}}",
    "{{ define \"t\" }}[{{ . }}]{{ end }}{{ range .CommonLabels.Names }}{{ template \"t\" . }}{{ end }}",
    "{{ $x := 1 }}{{ range .Alerts }}{{ $x = 2 }}{{ end }}{{ $x }}",
    "{{ eq .Status \"firing\" }} {{ ne .Status \"firing\" \"x\" }}",
    "{{ .Alerts | len | printf \"%03d\" }} {{ slice \"abcdef\" 1 3 }} {{ html \"<a>\" }} {{ urlquery \"a b&c\" }}",
    "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value | safeHtml }} {{ . }}{{ break }}{{ end }}",
];

const PAGES: [&str; 5] = [
    "<p title=\"{{ .CommonLabels.alertname }}\">{{ .CommonLabels.alertname }}</p>",
    "<a href=\"{{ .ExternalURL }}?q={{ .CommonLabels.alertname }}\">{{ .CommonLabels.service | safeHtml }}</a>",
    "<a href=\"{{ (index .Alerts 0).GeneratorURL }}\">x</a>",
    "<a href=\"{{ .CommonLabels.alertname }}\">x</a>",
    "<td>{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }}<br>{{ end }}</td>",
];

/// The output, or `None` when amtool fails.
fn rendered(amtool: &Path, dir: &Path, kind: &str, text: &str) -> Option<String> {
    let output = Command::new(amtool)
        .args(["template", "render", "--template.type", kind])
        .arg(format!("--template.text={text}"))
        .arg(format!(
            "--template.data={}",
            dir.join("data.json").display()
        ))
        .arg(format!("--template.glob={}", dir.join("x.tmpl").display()))
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn amtool_renders_the_same() {
    let Some(amtool) = amtool() else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.tmpl"), "").unwrap();
    let mut differences = Vec::new();
    for delivery in [two(), hostile()] {
        // Our JSON of the data is what amtool reads it from.
        let data = data::of(&delivery, "http://sonde.example.org");
        std::fs::write(dir.path().join("data.json"), json::text(&data)).unwrap();
        let texts = TEXTS.map(|text| ("text", Escape::None, text));
        let pages = PAGES.map(|text| ("html", Escape::Html, text));
        for (kind, escape, text) in texts.into_iter().chain(pages) {
            let theirs = rendered(&amtool, dir.path(), kind, text);
            let ours = execute(text, &delivery, escape);
            if theirs.as_deref() != ours.as_deref().ok() {
                differences.push(format!("{text}\n  amtool: {theirs:?}\n  ours:   {ours:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
