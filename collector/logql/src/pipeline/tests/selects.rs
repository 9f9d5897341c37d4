//! `drop`, `keep`, `distinct`, and line filters between other stages.

use super::*;

const LINE: &str = "a=1 b=2 c=3";

#[test]
fn drop_removes_labels() {
    let check = |text: &str, expected: &str| {
        super::check(
            &format!("| logfmt {text}"),
            LINE,
            &format!("{LINE} |{expected}"),
        );
    };
    check("| drop a", r#" b="2" c="3""#);
    check("| drop a, c", r#" b="2""#);
    check("| drop nothing", r#" a="1" b="2" c="3""#);
    check("| drop app", r#" a="1" b="2" c="3" -app"#);
    check("| drop pod", r#" a="1" b="2" c="3" -pod"#);
    check(r#"| drop a="1""#, r#" b="2" c="3""#);
    check(r#"| drop a="2""#, r#" a="1" b="2" c="3""#);
    check(r#"| drop a!="2", b=~"[0-9]""#, r#" c="3""#);
    check(
        r#"| drop app="web", pod="p2""#,
        r#" a="1" b="2" c="3" -app"#,
    );
    check(r#"| drop a | drop b"#, r#" c="3""#);
    check(r#"| drop a | a="""#, r#" b="2" c="3""#);
    check(r#"| drop a | label_format a="x""#, r#" a="x" b="2" c="3""#);
    check(
        r#"| drop app | label_format app="x""#,
        r#" a="1" app="x" b="2" c="3" -app"#,
    );
}

#[test]
fn keys_and_dropped_labels() {
    // A label of the stream keeps its name to itself even when dropped, metadata does not.
    check(
        "| drop app | logfmt",
        "app=x",
        r#"app=x | app_extracted="x" -app"#,
    );
    check("| drop pod | logfmt", "pod=x", r#"pod=x | pod="x" -pod"#);
    check(
        "| keep nothing | logfmt",
        "pod=x app=y",
        r#"pod=x app=y | app_extracted="y" pod="x" -app -pod"#,
    );
}

#[test]
fn drop_removes_mistakes_where_they_are_named() {
    let line = "text";
    let details = r#"__error_details__="no object: a { is missing at byte 1""#;
    check_labels("| json | drop __error__", line, details);
    check_labels("| json | drop __error__, __error_details__", line, "");
    check_labels(
        "| json | drop __error_details__",
        line,
        r#"__error__="JSONParserErr""#,
    );
    check_labels(r#"| json | drop __error__="JSONParserErr""#, line, details);
    check_labels(
        r#"| json | drop __error__="other""#,
        line,
        &format!("__error__=\"JSONParserErr\" {details}"),
    );
    check_labels(
        r#"| json | drop __error__, __error_details__=~"no.*""#,
        line,
        "",
    );
}

#[test]
fn keep_removes_the_others() {
    let check = |text: &str, expected: &str| {
        super::check(
            &format!("| logfmt {text}"),
            LINE,
            &format!("{LINE} |{expected}"),
        );
    };
    check("| keep a", r#" a="1" -app -pod"#);
    check("| keep a, app", r#" a="1" -pod"#);
    check("| keep pod", " -app");
    check("| keep nothing", " -app -pod");
    check(r#"| keep a="1""#, r#" a="1" -app -pod"#);
    check(r#"| keep a="2", b"#, r#" b="2" -app -pod"#);
    check(r#"| keep app="web""#, " -pod");
    check(r#"| keep app="x""#, " -app -pod");
    check("| keep a, app | keep app, pod", " -pod");
    check(
        r#"| keep a | label_format z="{{.a}}{{.app}}""#,
        r#" a="1" z="1" -app -pod"#,
    );
}

#[test]
fn keep_never_removes_mistakes() {
    check(
        "| json | keep a",
        r#"{"a":1,"b"}"#,
        r#"{"a":1,"b"} | __error__="JSONParserErr" __error_details__="a colon is missing at byte 11" a="1" -app -pod"#,
    );
}

#[test]
fn distinct_drops_what_was_there_before() {
    let run = |text: &str, lines: &[&str]| -> String {
        let pipeline = compiled(text);
        let mut scratch = Scratch::default();
        let passes = |line: &&str| outcome(&pipeline, &mut scratch, line.as_bytes()) != "dropped";
        lines
            .iter()
            .map(passes)
            .map(|yes| if yes { '1' } else { '0' })
            .collect()
    };
    assert_eq!(
        run(
            "| logfmt | distinct a",
            &["a=1", "a=1", "a=2", "b=1", "a=2"]
        ),
        "10100"
    );
    // Each label on its own: a value of the first label is remembered even where the second
    // drops the record.
    let lines = ["a=1 b=1", "a=2 b=1", "a=2 b=2", "a=3 b=3"];
    assert_eq!(run("| logfmt | distinct a, b", &lines), "1001");
    assert_eq!(run("| logfmt | distinct a | distinct b", &lines), "1001");
    assert_eq!(run("| distinct app", &["x", "y"]), "10");
}

#[test]
fn line_filters_see_the_line_as_it_is_there() {
    check(r#"|= "a" | line_format "b" |= "b" != "a""#, "a", "b |");
    check(r#"| line_format "b" |= "a""#, "a", "dropped");
    check(
        r#"| decolorize |= "red text""#,
        "\x1b[31mred\x1b[0m text",
        "red text |",
    );
    check_bytes(r#"|= "b""#, b"\xffb\xfe", "\u{fffd}b\u{fffd} |");
    check_bytes(r"|~ `a.b$`", b"a\xffb", "a\u{fffd}b |");
}
