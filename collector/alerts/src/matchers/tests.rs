//! Tests of matchers, in both of their forms.

use super::*;

fn check(text: &str, expected: &[&str]) {
    let parsed: Vec<String> = parse(text)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(parsed, expected, "{text}");
}

#[test]
fn matchers_are_read_in_every_way_they_are_written() {
    check("foo=bar", &[r#"foo="bar""#]);
    check(" foo = \"bar\" ", &[r#"foo="bar""#]);
    check("foo!~\"a|b\"", &[r#"foo!~"a|b""#]);
    check("{foo=\"bar\",b!=c,}", &[r#"foo="bar""#, r#"b!="c""#]);
    check("foo=bar, b=~\"x,y.*\"", &[r#"foo="bar""#, r#"b=~"x,y.*""#]);
    check("{}", &[]);
    check("\"my label\"=\"é\"", &[r#"my label="é""#]);
    check("foo=", &[r#"foo="""#]);
    check("foo=\"\"", &[r#"foo="""#]);
    check("foo=bär", &[r#"foo="bär""#]);
}

#[test]
fn the_older_grammar_keeps_unknown_escapes_and_wins_where_both_read_the_text() {
    check(r#"foo=~"\d+\.\d+""#, &[r#"foo=~"\\d+\\.\\d+""#]);
    check(r#"foo="a\nb""#, &[r#"foo="a\nb""#]);
    check(r#"foo="a\tb""#, &[r#"foo="a\\tb""#]);
    check(r#""f o"="a\tb""#, &[r#"f o="a\tb""#]);
}

#[test]
fn texts_that_are_no_matchers_are_refused() {
    for text in [
        "",
        "foo",
        "=bar",
        "foo=\"bar",
        "foo=~\"(\"",
        "{foo=\"bar",
        "foo=a\"b",
        "foo==bar=\"",
        "a b=c",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}
