//! What is taken out when only some labels are wanted, and what a pipeline needs.

use super::*;

fn wanting(text: &str, names: &[&str]) -> Pipeline {
    let mut wanted = Wanted::nothing();
    wanted.add(names.iter().copied());
    Pipeline::compile_wanted(&stages(text), &PipelineLimits::default(), &wanted).unwrap()
}

fn check_wanting(text: &str, names: &[&str], line: &str, expected: &str) {
    let outcome = outcome(
        &wanting(text, names),
        &mut Scratch::default(),
        line.as_bytes(),
    );
    assert_eq!(
        outcome,
        format!("{line} |{expected}"),
        "{text} for {names:?}"
    );
}

const JSON: &str = r#"{"a":{"x":1,"y":2},"b":3,"app":"z","c":4}"#;

#[test]
fn parsers_take_what_is_wanted() {
    let check = |text, names, expected| check_wanting(text, names, JSON, expected);
    check("| json", &["b"], r#" b="3""#);
    check("| json", &["a_y"], r#" a_y="2""#);
    check("| json", &["b", "nothing"], r#" b="3""#);
    check("| json", &["app_extracted"], r#" app_extracted="z""#);
    check("| json", &["app"], "");
    check("| json", &[], "");
    check("| json | b > 1", &[], r#" b="3""#);
    check(
        r#"| json | label_format d="{{.c}}""#,
        &["d"],
        r#" c="4" d="4""#,
    );
    check(r#"| json | label_format d=b"#, &["d"], r#" d="3""#);
    check(r#"| json | drop b="3""#, &["c"], r#" c="4""#);
    check(r#"| json q="b", r="c""#, &["r"], r#" r="4""#);
    check_wanting("| logfmt", &["b"], "a=1 b=2 c=3", r#" b="2""#);
    check_wanting("| regexp `(?P<a>.)(?P<b>.)`", &["b"], "12", r#" b="2""#);
    check_wanting("| pattern `<a> <b>`", &["b"], "1 2", r#" b="2""#);
}

#[test]
fn templates_that_look_at_everything_want_everything() {
    for template in [
        "{{.}}",
        "{{range $k, $v := .}}{{$k}}{{end}}",
        "{{$}}",
        "{{index . \"b\"}}",
    ] {
        let text = format!("| json | label_format d=`{template}`");
        let outcome = outcome(
            &wanting(&text, &["d"]),
            &mut Scratch::default(),
            JSON.as_bytes(),
        );
        assert!(
            outcome.contains(r#" b="3""#) && outcome.contains(r#" a_y="2""#),
            "{outcome}"
        );
    }
}

#[test]
fn behind_keep_only_the_kept_are_wanted() {
    let pipeline = compiled("| json | keep b");
    let first = outcome(&pipeline, &mut Scratch::default(), JSON.as_bytes());
    assert_eq!(first, format!("{JSON} | b=\"3\" -app -pod"));
}

#[test]
fn a_line_is_read_to_its_end_where_mistakes_are_wanted() {
    let line = r#"{"b":3,"c"}"#;
    check_wanting("| json", &["b"], line, r#" b="3""#);
    let pipeline = wanting(r#"| json | __error__="""#, &["b"]);
    assert_eq!(
        outcome(&pipeline, &mut Scratch::default(), line.as_bytes()),
        "dropped"
    );
}

#[test]
fn parsers_for_nothing_are_left_out() {
    assert!(wanting("| json", &[]).is_empty());
    assert!(wanting("| json | logfmt", &[]).is_empty());
    assert!(!wanting("| json", &["a"]).is_empty());
    assert!(!wanting("| unpack", &[]).is_empty());
    assert!(compiled("").is_empty());
    assert!(!compiled("| json").is_empty());
}

#[test]
fn needs_follow_the_stages() {
    let check = |text: &str, lines, metadata| {
        let needs = compiled(text).needs();
        assert_eq!((needs.lines, needs.metadata), (lines, metadata), "{text}");
        assert!(!needs.lengths);
    };
    check("", false, false);
    check(r#"|= "x""#, true, false);
    check("| json", true, true);
    check(r#"| a="x""#, false, true);
    check("| decolorize", true, false);
    check(r#"| line_format "x""#, false, false);
    check(r#"| line_format "{{__line__}}""#, true, false);
    check(r#"| line_format "{{.a}}""#, false, true);
    check("| drop a", false, false);
    check(r#"| drop a="x""#, false, true);
    check("| keep a", false, true);
}

#[test]
fn equalities_are_those_before_labels_change() {
    let check = |text: &str, expected: &[(&str, &str)]| {
        let pipeline = compiled(text);
        let found: Vec<(&str, &str)> = pipeline
            .equalities()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected, "{text}");
    };
    check(r#"| a="1""#, &[("a", "1")]);
    check(
        r#"| a="1" | b="2" and c="3", d>1"#,
        &[("a", "1"), ("b", "2"), ("c", "3")],
    );
    check(
        r#"|= "x" | decolorize | line_format "y" | a="1""#,
        &[("a", "1")],
    );
    check(r#"| a="1" or b="2""#, &[]);
    check(r#"| a="" | b!="1" | c=~"1""#, &[]);
    check(r#"| json | a="1""#, &[]);
    check(r#"| a="1" | json | b="2""#, &[("a", "1")]);
    check(r#"| drop x | a="1""#, &[]);
    check(r#"| distinct x | a="1""#, &[]);
    check(r#"| label_format x=y | a="1""#, &[]);
    check(r#"| a_extracted="1" | __error__="x""#, &[]);
}

#[test]
fn labels_of_metadata_that_the_stream_has_get_a_suffix() {
    let labels: Labels = [("app", "web"), ("k", "s")].into_iter().collect();
    let common = [
        ("app".to_owned(), "m".to_owned()),
        ("z".to_owned(), "common".to_owned()),
    ];
    let record = Record {
        time: TIME,
        line: b"k=p z=q",
        stream: StreamView {
            labels: &labels,
            metadata: &common,
        },
        metadata: &[("z", "own"), ("k", "m")],
    };
    let run = |text: &str| {
        let mut scratch = Scratch::default();
        let processed = compiled(text)
            .run(&record, &mut scratch)
            .map(|p| p.labels.all().to_string());
        processed.unwrap_or_else(|| "dropped".into())
    };
    assert_eq!(
        run(""),
        r#"{app="web", app_extracted="m", k="s", k_extracted="m", z="own"}"#
    );
    assert_eq!(run(r#"| k_extracted="m" | app="web" | z="own""#), run(""));
    assert_eq!(run(r#"| z="common""#), "dropped");
    assert_eq!(
        run("| drop k, app_extracted, z"),
        r#"{app="web", k_extracted="m"}"#
    );
    assert_eq!(
        run("| logfmt"),
        r#"{app="web", app_extracted="m", k="s", k_extracted="p", z="own", z_extracted="q"}"#
    );
}

#[test]
fn groups_are_made_of_any_layer() {
    let grouping = |is_without, labels: &[&str]| crate::ast::Grouping {
        is_without,
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    };
    let labels: Labels = [("app", "web")].into_iter().collect();
    let record = Record {
        time: TIME,
        line: b"a=1 b=2 app=x",
        stream: StreamView {
            labels: &labels,
            metadata: &[],
        },
        metadata: &[("pod", "p1")],
    };
    let pipeline = compiled("| logfmt | drop b");
    let mut scratch = Scratch::default();
    let processed = pipeline.run(&record, &mut scratch).unwrap();
    let group = |grouping| processed.labels.grouped(&grouping).to_string();
    assert_eq!(
        group(grouping(false, &["a", "pod", "app", "b", "c"])),
        r#"{a="1", app="web", pod="p1"}"#
    );
    assert_eq!(
        group(grouping(true, &["a", "pod"])),
        r#"{app="web", app_extracted="x"}"#
    );
    assert_eq!(group(grouping(false, &[])), "{}");
    assert_eq!(
        group(grouping(true, &[])),
        processed.labels.all().to_string()
    );
}
