//! `json`, `logfmt`, `regexp`, `pattern`, `unpack`, `decolorize`.

use super::*;

const JSON_ERROR: &str = r#"__error__="JSONParserErr""#;

/// A line that is no JSON: the labels before the mistake, and where it is.
fn check_bad_json(line: &str, labels: &str, details: &str) {
    let labels = format!("{JSON_ERROR} __error_details__={details:?} {labels}");
    check_labels("| json", line, labels.trim_end());
}

#[test]
fn json_takes_members_as_labels() {
    let check = |line, labels| check_labels("| json", line, labels);
    check("{}", "");
    check(r#"{"a":"1"}"#, r#"a="1""#);
    check(r#" { "a" : "1" , "b" : 2 } "#, r#"a="1" b="2""#);
    check(r#"{"a":""}"#, r#"a="""#);
    check(r#"{"a":true,"b":false,"c":null}"#, r#"a="true" b="false""#);
    check(
        r#"{"a":1.50,"b":-0,"c":1e3,"d":12345678901234567890123}"#,
        r#"a="1.50" b="-0" c="1e3" d="12345678901234567890123""#,
    );
    check(r#"{"a":[1,{"b":"]"}],"c":1}"#, r#"c="1""#);
    check(r#"{"a":{}}"#, "");
    check(r#"{"a":{"b":1}}"#, r#"a_b="1""#);
    check(
        r#"{"a":{"b":{"c":1},"d":2},"e":3}"#,
        r#"a_b_c="1" a_d="2" e="3""#,
    );
    check("{\"a\":\n\t1}", r#"a="1""#);
    check("{\"a\":\"x\ty\"}", r#"a="x\ty""#);
}

#[test]
fn json_names_become_names_of_labels() {
    let check = |line, labels| check_labels("| json", line, labels);
    check(r#"{"a-b":1,"c.d":2,"e f":3}"#, r#"a_b="1" c_d="2" e_f="3""#);
    check(r#"{"é":1}"#, r#"_="1""#);
    check(r#"{" a ":1}"#, r#"a="1""#);
    check(r#"{"1a":1}"#, r#"_1a="1""#);
    check(r#"{"a":{"1b":1}}"#, r#"a_1b="1""#);
    check(r#"{"":1}"#, "");
    check(r#"{"":{"a":1}}"#, r#"a="1""#);
    check(r#"{"a":{"":1}}"#, r#"a_="1""#);
    check(r#"{"a":{"b c":{"d/e":1}}}"#, r#"a_b_c_d_e="1""#);
    check(r#"{"a\u0062":1}"#, r#"ab="1""#);
}

#[test]
fn json_keys_of_another_layer_get_a_suffix() {
    let check = |line, labels| check_labels("| json", line, labels);
    check(r#"{"app":"x"}"#, r#"app_extracted="x""#);
    check(r#"{"pod":"x"}"#, r#"pod_extracted="x""#);
    check(r#"{"app":{"a":1}}"#, r#"app_a="1""#);
    // The first of equal names stays.
    check(r#"{"a":1,"a":2}"#, r#"a="1""#);
    check(r#"{"a":{"b":1},"a_b":2}"#, r#"a_b="1""#);
    check_labels("| json | json", r#"{"a":1}"#, r#"a="1""#);
    check_labels(r#"| label_format a="x" | json"#, r#"{"a":1}"#, r#"a="x""#);
}

#[test]
fn json_strings_lose_their_escapes() {
    let check = |line, labels| check_labels("| json", line, labels);
    check(
        r#"{"a":"\"\\\/\b\f\n\r\t"}"#,
        r#"a="\"\\/\u{8}\u{c}\n\r\t""#,
    );
    check(r#"{"a":"caf\u00e9 \ud83d\ude00"}"#, r#"a="café 😀""#);
    check(r#"{"a":"\ufffd!"}"#, r#"a=" !""#);
    // An escape that is none: an empty value, as in Loki.
    check(r#"{"a":"x\q","b":1}"#, r#"a="" b="1""#);
    check(r#"{"a":"x\ud83d","b":1}"#, r#"a="" b="1""#);
    check(r#"{"a":"x\u00g0","b":1}"#, r#"a="" b="1""#);
    check(r#"{"a":"\ud83d\u0041","b":1}"#, r#"a="" b="1""#);
    // Control characters need none.
    check(
        "{\"a\":\"x\t\u{1}\ny\",\"b\":1}",
        r#"a="x\t\u{1}\ny" b="1""#,
    );
    // In a key it is a mistake, but only where all keys matter.
    check_bad_json(
        r#"{"c":1,"a\q":2,"b":3}"#,
        r#"c="1""#,
        "a key has an unknown escape at byte 1",
    );
    check_labels(
        r#"| json b="b", c="c""#,
        r#"{"c":1,"a\q":2,"b":3}"#,
        r#"b="" c="1""#,
    );
    check_labels(
        r#"| json b="t[0].b", c="c", d="d""#,
        r#"{"d":1,"t":[{"a\q":2,"b":3}],"c":4}"#,
        r#"b="" c="" d="1""#,
    );
    check_bytes(
        "| json",
        b"{\"a\":\"x\xff\xfey\"}",
        "{\"a\":\"x\u{fffd}\u{fffd}y\"} | a=\"x  y\"",
    );
}

#[test]
fn json_mistakes_mark_the_record() {
    check_bad_json("", "", "no object: a { is missing at byte 1");
    check_bad_json("plain text", "", "no object: a { is missing at byte 1");
    check_bad_json("[1]", "", "no object: a { is missing at byte 1");
    check_bad_json("{", "", "the object has no end at byte 2");
    check_bad_json(r#"{"a""#, "", "a colon is missing at byte 5");
    check_bad_json(r#"{"a":"#, "", "a value is missing at byte 6");
    check_bad_json(r#"{"a":1"#, r#"a="1""#, "the object has no end at byte 7");
    check_bad_json(
        r#"{"a":1,}"#,
        r#"a="1""#,
        "a key in quotes is missing at byte 8",
    );
    check_bad_json(
        r#"{"a":1 "b":2}"#,
        r#"a="1""#,
        "a comma or } is missing at byte 8",
    );
    check_bad_json(r#"{a:1}"#, "", "a key in quotes is missing at byte 2");
    check_bad_json(r#"{"a":"x}"#, "", "a string has no end at byte 6");
    check_bad_json(r#"{"a":[1}"#, "", "the object has no end at byte 9");
}

#[test]
fn json_values_that_are_none_mark_the_record() {
    for value in [
        "tru", "TRUE", "01", "1.", ".5", "+1", "1e", "-", "nul", "'x'", "0x1",
    ] {
        let line = format!(r#"{{"a":{value}}}"#);
        check_bad_json(
            &line,
            "",
            "no value: neither a string, a number, true, false nor null at byte 6",
        );
    }
}

#[test]
fn what_follows_the_object_is_not_looked_at() {
    check_labels("| json", r#"{"a":1} trailing"#, r#"a="1""#);
    check_labels("| json", r#"{"a":1}{"b":2}"#, r#"a="1""#);
}

#[test]
fn json_with_paths_takes_what_it_names() {
    let line = r#"{"a":{"b":[10,{"c d":"x"}],"e":"y"},"f":null,"g":[1,2],"h":"i\"j"}"#;
    let check = |stage: &str, labels| check_labels(&format!("| json {stage}"), line, labels);
    check(r#"x="a.e""#, r#"x="y""#);
    check("h", r#"h="i\"j""#);
    check(r#"x="a.b[0]""#, r#"x="10""#);
    check(r#"x="a.b[1][\"c d\"]""#, r#"x="x""#);
    check(r#"x="[\"a\"].e""#, r#"x="y""#);
    check(r#"x="[\"a\"][\"b\"][0]""#, r#"x="10""#);
    check(r#"x="a.b[2]""#, r#"x="""#);
    check(r#"x="nothing""#, r#"x="""#);
    check(r#"x="a.e.z""#, r#"x="""#);
    check(r#"x="f""#, r#"x="""#);
    check(r#"x="g""#, r#"x="[1,2]""#);
    check(r#"x="a.b[1]""#, r#"x="{\"c d\":\"x\"}""#);
    check(r#"x="a.e", y="a.b[0]", h"#, r#"h="i\"j" x="y" y="10""#);
    check(
        r#"x="a", y="a.e""#,
        r#"x="{\"b\":[10,{\"c d\":\"x\"}],\"e\":\"y\"}" y="y""#,
    );
    check(r#"x="a.e", y="a.e""#, r#"x="y" y="y""#);
    check(r#"app="a.e""#, r#"app_extracted="y""#);
    check(r#"app="nothing""#, "");
    check(r#"pod="nothing""#, "");
}

#[test]
fn json_with_paths_reads_arrays_and_refuses_text() {
    check_labels(r#"| json x="[1].a""#, r#"[0,{"a":5}]"#, r#"x="5""#);
    check_labels(r#"| json x="a""#, r#""text""#, r#"x="""#);
    check_labels(r#"| json x="a""#, "", "");
    check_labels(r#"| json x="a""#, r#"{"a":1,"a":2}"#, r#"x="1""#);
    check_labels(
        r#"| json x="a""#,
        "text",
        r#"__error__="JSONParserErr" __error_details__="neither an object, an array nor a string at byte 1""#,
    );
    check_labels(
        r#"| json x="b""#,
        r#"{"a":1 "b":2}"#,
        r#"__error__="JSONParserErr" __error_details__="a comma or } is missing at byte 8" x="""#,
    );
    // Behind what was looked for nothing is looked at.
    check_labels(r#"| json x="a""#, r#"{"a":1 "b":2}"#, r#"x="1""#);
}

#[test]
fn logfmt_takes_pairs() {
    let check = |line, labels| check_labels("| logfmt", line, labels);
    check("", "");
    check("   ", "");
    check("a=1 b=two", r#"a="1" b="two""#);
    check("  a=1\tb=2  ", r#"a="1" b="2""#);
    check(r#"a="x y" b="z""#, r#"a="x y" b="z""#);
    check(r#"a="x"b="y""#, r#"a="x" b="y""#);
    check(
        r#"a="\"x\" \\ \n\t\u00e9 \ud83d\ude00 \'""#,
        "a=\"\\\"x\\\" \\\\ \\n\\té 😀 '\"",
    );
    check(r#"a= b=2 c"#, r#"b="2""#);
    check(r#"a="" b=2"#, r#"b="2""#);
    check("a=1 a=2", r#"a="1""#);
    check("a-b=1 c.d=2 é=3 4x=4", r#"_="3" _4x="4" a_b="1" c_d="2""#);
    check("app=x pod=y", r#"app_extracted="x" pod_extracted="y""#);
    check("msg=\u{fffd}x", r#"msg=" x""#);
    check_bytes(
        "| logfmt",
        b"a=\xffx b=1",
        "a=\u{fffd}x b=1 | a=\" x\" b=\"1\"",
    );
}

#[test]
fn logfmt_leaves_out_what_is_malformed() {
    let check = |line, labels| check_labels("| logfmt", line, labels);
    check("plain text a=1", r#"a="1""#);
    check("=x a=1", r#"a="1""#);
    check("a=b=c d=1", r#"d="1""#);
    check(r#"a=b"c" d=1"#, r#"d="1""#);
    check(r#"a"b=c d=1"#, r#"d="1""#);
    check(r#"a="x d=1"#, "");
    check(r#"a="\q" d=1"#, r#"d="1""#);
    check(r#"a="\u12" d=1"#, r#"d="1""#);
    check("\u{fffd}=1 a=2", r#"a="2""#);
    // Control characters need no escapes, beside other escapes neither.
    check("a=\"x\ny\" d=1", r#"a="x\ny" d="1""#);
    check("a=\"\\\\x\ny\u{1}\" d=1", r#"a="\\x\ny\u{1}" d="1""#);
}

#[test]
fn strict_logfmt_ends_at_a_mistake() {
    let check = |line, labels: &str, details: &str| {
        let error = format!("__error__=\"LogfmtParserErr\" __error_details__={details:?} {labels}");
        check_labels("| logfmt --strict", line, error.trim_end());
    };
    check("a=1 =x b=2", r#"a="1""#, "= without a key at byte 5");
    check("a=b=c", "", "= in a value without quotes at byte 4");
    check(r#"a=b"c""#, "", "a quote within a value at byte 4");
    check(r#"a"b"#, "", "a quote in a key at byte 2");
    check(r#"a="x"#, "", "a value in quotes has no end at byte 3");
    check(
        r#"a="\q""#,
        "",
        "an unknown escape in a value in quotes at byte 3",
    );
    check_labels("| logfmt --strict", "a=1 b", r#"a="1""#);
}

#[test]
fn logfmt_keeps_empty_values_where_told() {
    let check = |line, labels| check_labels("| logfmt --keep-empty", line, labels);
    check(r#"a= b c="" d=1"#, r#"a="" b="" c="" d="1""#);
    check("a", r#"a="""#);
}

#[test]
fn logfmt_takes_what_it_names() {
    let line = r#"level=warn took=5ms user.id=7 app=x"#;
    let check = |stage: &str, labels| check_labels(&format!("| logfmt {stage}"), line, labels);
    check("level", r#"level="warn""#);
    check(r#"l="level", t="took""#, r#"l="warn" t="5ms""#);
    check(r#"id="user_id""#, r#"id="7""#);
    check(r#"x="nothing""#, r#"x="""#);
    check(r#"a="app""#, r#"a="x""#);
    check("app", r#"app_extracted="x""#);
    check(r#"app="nothing""#, "");
    check(r#"x="level", y="level""#, r#"x="warn" y="warn""#);
}

#[test]
fn regexp_takes_named_groups() {
    let check = |pattern: &str, line, labels| {
        check_labels(&format!("| regexp `{pattern}`"), line, labels);
    };
    check(
        r"(?P<method>\w+) (?P<path>\S+)",
        "GET /a?b",
        r#"method="GET" path="/a?b""#,
    );
    check(r"(?<n>\d+)", "x12y", r#"n="12""#);
    check(r"(?P<n>\d+)", "no digits", "");
    check(r"(?P<a>x)|(?P<b>y)", "y", r#"a="" b="y""#);
    check(r"(unnamed)(?P<a>.)", "unnamed!", r#"a="!""#);
    check(r"(?P<app>\w+)", "x", r#"app_extracted="x""#);
    check(r"(?P<n>\d+)", "٣4", r#"n="4""#);
    check_bytes(
        "| regexp `(?P<a>..)$`",
        b"x\xffy",
        "x\u{fffd}y | a=\"\u{fffd}y\"",
    );
    check_refused(r#"| regexp "(a)""#, "no group has a name");
    check_refused(r#"| regexp "(?P<a>x)(?P<a>y)""#, "duplicate");
    check_refused(r#"| regexp "(?P<a>""#, "not a regular expression");
    check_refused(r#"| regexp "(?P<a.b>x)""#, "no name of a label");
}

#[test]
fn pattern_takes_captures() {
    let check = |pattern: &str, line, labels| {
        check_labels(&format!("| pattern `{pattern}`"), line, labels);
    };
    let line = r#"1.2.3.4 - - [29/Feb] "GET /a HTTP/1.1" 200 12"#;
    check(
        r#"<ip> - - <_> "<method> <path> <_>" <status> <size>"#,
        line,
        r#"ip="1.2.3.4" method="GET" path="/a" size="12" status="200""#,
    );
    check("<a> <b>", "x", r#"a="x""#);
    check("<a> <b>", "x y z", r#"a="x" b="y z""#);
    check("<a> <b>", "", "");
    check("x<a>", "yx1", "");
    check("x<a>", "x1", r#"a="1""#);
    check("<a>,<b>,<c>", "1,2", r#"a="1" b="2""#);
    check("<_>,<b>", "1,2", r#"b="2""#);
    check("<a>,<_>", "1", r#"a="1""#);
    check("<a>x", "x", r#"a="""#);
    check("<1a> <a>", "<1a> b", r#"a="b""#);
    check("<app>", "x", r#"app_extracted="x""#);
    check_refused(r#"| pattern "text""#, "takes nothing out");
    check_refused(r#"| pattern "<_>""#, "takes nothing out");
    check_refused(
        r#"| pattern "<a><b>""#,
        "nothing stands between <a> and <b>",
    );
    check_refused(r#"| pattern "<a> <a>""#, "<a> stands there twice");
}

#[test]
fn unpack_undoes_packing() {
    check(
        "| unpack",
        r#"{"host":"h1","n":1,"_entry":"the \"line\"","app":"x","a-b":"c"}"#,
        r#"the "line" | a_b="c" app_extracted="x" host="h1""#,
    );
    check_labels("| unpack", r#"{"host":"h1"}"#, "");
    check_labels("| unpack", "", "");
    check_labels(
        "| unpack",
        "text",
        r#"__error__="JSONParserErr" __error_details__="no object: a { is missing at byte 1""#,
    );
    check_labels(
        "| unpack",
        r#"{"_entry":"x""#,
        r#"__error__="JSONParserErr" __error_details__="the object has no end at byte 14""#,
    );
    check(
        "| unpack | json",
        r#"{"_entry":"{\"a\":1}"}"#,
        r#"{"a":1} | a="1""#,
    );
}

#[test]
fn decolorize_takes_escape_sequences_away() {
    let check = |line, expected: &str| super::check("| decolorize", line, &format!("{expected} |"));
    check("plain", "plain");
    check("\x1b[31mred\x1b[0m", "red");
    check("\x1b[1;38;5;9mx\x1b[m y", "x y");
    check("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c", "abc");
    check("a\u{9b}31mb", "ab");
    check("a\x1b(Bb\x1b7c", "abc");
    check("torn \x1b[3", "torn \x1b[3");
    check("torn \x1b", "torn \x1b");
    check("\x1b\x1b[0mx", "\x1bx");
    check("\x1b[2Kx\x1b[1Ay", "xy");
}
