//! `line_format` and `label_format`.

use super::*;

#[test]
fn lines_are_put_together() {
    let check = |template: &str, expected: &str| {
        let text = format!("| logfmt | line_format `{template}`");
        let pipeline = compiled(&text);
        let outcome = outcome(&pipeline, &mut Scratch::default(), b"a=1 b=two");
        assert_eq!(
            outcome,
            format!("{expected} | a=\"1\" b=\"two\""),
            "{template}"
        );
    };
    check("", "");
    check("text", "text");
    check("{{.a}}", "1");
    check("{{ .a }}-{{.b}}", "1-two");
    check("{{.nothing}}", "");
    check("{{.app}}/{{.pod}}", "web/p1");
    check("{{__line__}}!", "a=1 b=two!");
    check("{{.a -}}  x", "1x");
    check("{{.b | upper}}", "TWO");
    check("{{if eq .a \"1\"}}yes{{else}}no{{end}}", "yes");
    check("{{if .nothing}}yes{{else}}no{{end}}", "no");
    check(
        "{{range $k, $v := .}}{{$k}}={{$v}};{{end}}",
        "a=1;app=web;b=two;pod=p1;",
    );
    check("{{.}}", "map[a:1 app:web b:two pod:p1]");
    check("{{with .b}}<{{.}}>{{end}}", "<two>");
    check("{{printf \"%5s|%-5s\" .a .b}}", "    1|two  ");
    check("{{__timestamp__.Unix}}", "1709210096");
    check(
        "{{__timestamp__ | date \"2006-01-02T15:04:05.000Z07:00\"}}",
        "2024-02-29T12:34:56.789Z",
    );
    check("{{__timestamp__ | unixEpochNanos}}", "1709210096789012345");
    check("{{\"}}\"}}{{.a}}", "}}1");
    check("{{/* }} .x */}}{{.a}}", "1");
    check("{{ 1.5 }}{{ .a }}", "1.51");
}

#[test]
fn a_line_that_is_not_utf8_is_shown() {
    check_bytes("| line_format `<{{__line__}}>`", b"x\xff", "<x\u{fffd}> |");
    check_bytes(
        "| line_format `{{__line__ | upper}}`",
        b"x\xff",
        "X\u{fffd} |",
    );
}

#[test]
fn templates_that_fail_leave_the_line() {
    let failed = |template: &str, message: &str| {
        let text = format!("| line_format `{template}`");
        let outcome = outcome(&compiled(&text), &mut Scratch::default(), b"line");
        assert!(
            outcome.starts_with(r#"line | __error__="TemplateFormatErr" __error_details__="#)
                && outcome.contains(message),
            "{outcome}"
        );
    };
    failed("{{ .app | fromJson | len }}", "len");
    failed("{{ div 1 0 }}", "division by zero");
    failed("{{ upper 1 }}", "upper takes a string, not a int");
    failed(
        "{{ regexReplaceAll \"(\" .app \"x\" }}",
        "not a regular expression",
    );
    failed("{{ repeat 99999999 .app }}", "more than");
    check_refused("| line_format `{{.a`", "not a template");
    check_refused("| line_format `{{nothing .a}}`", "nothing");
    check_refused("| label_format a=`{{`", "not a template");
}

#[test]
fn labels_are_set() {
    let check = |text: &str, labels: &str| {
        check_labels(
            &format!("| logfmt | label_format {text}"),
            "a=1 b=2",
            labels,
        );
    };
    check("c=a", r#"b="2" c="1""#);
    check("b=a", r#"b="1""#);
    check("a=a", r#"a="1" b="2""#);
    check("c=__error__", r#"a="1" b="2""#);
    check("c=nothing", r#"a="1" b="2""#);
    check("c=app", r#"a="1" b="2" c="web" -app"#);
    check("c=pod", r#"a="1" b="2" c="p1" -pod"#);
    check("app=a", r#"app="1" b="2" -app"#);
    check("c=`{{.a}}{{.b}}`", r#"a="1" b="2" c="12""#);
    check("a=``", r#"a="" b="2""#);
    check("app=`x{{.app}}`", r#"a="1" app="xweb" b="2" -app"#);
    check("c=`{{__line__ | len}}`", r#"a="1" b="2" c="7""#);
    check("c=`{{.a | printf \"%03s\"}}`", r#"a="1" b="2" c="001""#);
}

#[test]
fn templates_of_a_stage_see_the_labels_before_them() {
    let check = |text: &str, labels: &str| {
        check_labels(
            &format!("| logfmt | label_format {text}"),
            "a=1 b=2",
            labels,
        );
    };
    check("a=`{{.b}}`, b=`{{.a}}`", r#"a="2" b="1""#);
    // Names are changed in order; what stands before the first template is seen by it.
    check("c=a, d=`{{.c}}{{.a}}`", r#"b="2" c="1" d="1""#);
    check("d=`{{.a}}`, c=a, e=`{{.c}}`", r#"b="2" c="1" d="1" e="""#);
    check("c=a, d=c", r#"b="2" d="1""#);
}

#[test]
fn labels_that_cannot_be_set_are_refused() {
    let error = crate::ast::LabelFormat {
        name: ERROR.into(),
        value: crate::ast::LabelFormatValue::Rename("a".into()),
    };
    let stages = [Stage::LabelFormat(vec![error])];
    let refused = Pipeline::compile(&stages, &PipelineLimits::default()).unwrap_err();
    assert!(refused.to_string().contains("cannot be set"), "{refused}");
    let stages = [stages_of("a=b"), stages_of("a=c")].concat();
    let refused = Pipeline::compile(&[Stage::LabelFormat(stages)], &PipelineLimits::default());
    assert!(refused.unwrap_err().to_string().contains("set twice"));
}

fn stages_of(assignment: &str) -> Vec<crate::ast::LabelFormat> {
    match stages(&format!("| label_format {assignment}")).remove(0) {
        Stage::LabelFormat(formats) => formats,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_template_that_fails_leaves_its_label() {
    let text = "| logfmt | label_format a=`{{div 1 0}}`, b=`x`";
    let outcome = outcome(&compiled(text), &mut Scratch::default(), b"a=1 b=2");
    assert!(
        outcome.contains(r#"__error__="TemplateFormatErr""#),
        "{outcome}"
    );
    assert!(outcome.ends_with(r#"a="1" b="x""#), "{outcome}");
}
