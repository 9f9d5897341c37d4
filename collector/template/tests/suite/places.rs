//! Errors name the line and the column at which something is wrong.

use crate::shared::execute;

fn check(text: &str, place: &str, message: &str) {
    let error = execute(text, false).unwrap_err();
    assert!(
        error.starts_with(&format!("t:{place}: ")) && error.contains(message),
        "{text}\nis refused with {error}\ninstead of {place} and {message}"
    );
}

#[test]
fn a_text_that_cannot_be_read_is_refused_where_it_is_wrong() {
    check("a\nb {{nofunc}}", "2:5", "\"nofunc\" not defined");
    check("ä {{$x}}", "1:5", "undefined variable \"$x\"");
    check("{{if .A}}", "1:10", "{{end}} is missing");
    check("a\n{{end}}", "2:3", "unexpected {{end}}");
    check("{{ print (1 }}", "1:10", "unclosed left paren");
    check("x\n\n  {{ .A ", "3:3", "unclosed action");
    check("{{/* x", "1:1", "unclosed comment");
    check("{{\"a}}", "1:3", "unterminated quoted string");
    check("{{1x}}", "1:3", "bad number syntax");
    check(
        "{{1 | 2}}",
        "1:7",
        "non executable command in pipeline stage 2",
    );
    check(
        "{{define \"a\"}}1{{end}}\n{{define \"a\"}}2{{end}}",
        "2:10",
        "defined twice",
    );
    check(
        "{{range .L}}{{else}}{{break}}{{end}}",
        "1:23",
        "outside {{range}}",
    );
}

#[test]
fn a_step_that_cannot_be_taken_is_refused_where_it_stands() {
    check(
        "a\n {{.Str.x}}",
        "2:4",
        "can't evaluate field x in type string",
    );
    check("{{print 1 (fail)}}", "1:12", "error calling fail: failed");
    check(
        "{{len .Str | upper}}",
        "1:14",
        "error calling upper: wants a string",
    );
    check(
        "{{template \"nope\"}}",
        "1:3",
        "template \"nope\" is not defined",
    );
    check(
        "\n{{range .Str}}{{end}}",
        "2:9",
        "range can't iterate over string",
    );
    check("{{index .List 3}}", "1:3", "index out of range: 3");
    check("{{.Missing.x}}", "1:3", "nil pointer evaluating");
}
