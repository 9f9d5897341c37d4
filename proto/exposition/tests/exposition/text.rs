//! Prometheus' text format.

use crate::collect::{collect, lines};
use sonde_exposition::{Format, Kind};

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let collected = collect(Format::Text, body).unwrap();
    assert_eq!(lines(&collected), expected, "{body}");
}

#[track_caller]
fn refused(body: &str, message: &str) {
    let error = collect(Format::Text, body)
        .err()
        .unwrap_or_else(|| panic!("read: {body}"));
    assert_eq!(error.to_string(), message, "{body}");
}

#[test]
fn the_example_of_the_description_is_read() {
    let body = "\
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000
http_requests_total{method=\"post\",code=\"400\"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem=\"division by zero\"} +Inf -3982045

# A histogram, which has a pretty complex representation in the text format:
# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le=\"0.05\"} 24054
http_request_duration_seconds_bucket{le=\"1\"} 133988
http_request_duration_seconds_bucket{le=\"+Inf\"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# Finally a summary, which has a complex representation, too:
# HELP rpc_duration_seconds A summary of the RPC duration in seconds.
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile=\"0.01\"} 3102
rpc_duration_seconds{quantile=\"1\"} 4773
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
";
    check(
        body,
        &[
            r#"http_requests_total{method="post",code="200"} 1027 @1395066363000"#,
            r#"http_requests_total{method="post",code="400"} 3 @1395066363000"#,
            r#"msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1458255915"#,
            "metric_without_timestamp_and_labels{} 12.47",
            r#"something_weird{problem="division by zero"} inf @-3982045"#,
            r#"http_request_duration_seconds_bucket{le="0.05"} 24054"#,
            r#"http_request_duration_seconds_bucket{le="1.0"} 133988"#,
            r#"http_request_duration_seconds_bucket{le="+Inf"} 144320"#,
            "http_request_duration_seconds_sum{} 53423",
            "http_request_duration_seconds_count{} 144320",
            r#"rpc_duration_seconds{quantile="0.01"} 3102"#,
            r#"rpc_duration_seconds{quantile="1.0"} 4773"#,
            "rpc_duration_seconds_sum{} 17560473",
            "rpc_duration_seconds_count{} 2693",
        ],
    );
    let collected = collect(Format::Text, body).unwrap();
    let told: Vec<_> = collected
        .families
        .iter()
        .map(|f| (f.name.as_ref(), f.kind))
        .collect();
    assert_eq!(
        told,
        [
            ("http_requests_total", Kind::Counter),
            ("msdos_file_access_time_seconds", Kind::Unknown),
            ("metric_without_timestamp_and_labels", Kind::Unknown),
            ("something_weird", Kind::Unknown),
            ("http_request_duration_seconds", Kind::Histogram),
            ("rpc_duration_seconds", Kind::Summary),
        ]
    );
    assert_eq!(
        collected.families[0].help,
        "The total number of HTTP requests."
    );
}

#[test]
fn blanks_may_stand_anywhere_between_words() {
    check(
        "\t a { b = \"c\" ,\td=\"\" , }\t1\t 2 \n",
        &[r#"a{b="c",d=""} 1 @2"#],
    );
    check("a{}1\na{b=\"c\"}2\n \n\t\n", &["a{} 1", r#"a{b="c"} 2"#]);
    check("a 1", &["a{} 1"]);
    check("", &[]);
}

#[test]
fn names_in_quotes_may_be_anything() {
    check(
        r#"{"http.requests","a b"="c"} 1"#,
        &[r#"http.requests{a b="c"} 1"#],
    );
    check(r#"{a="b","tür"} 1"#, &[r#"tür{a="b"} 1"#]);
    check(r#"{"a\"b\\c"} 1"#, &[r#"a"b\c{} 1"#]);
    check(
        "# TYPE \"a.b\" histogram\n{\"a.b_bucket\",le=\"1\"} 1",
        &[r#"a.b_bucket{le="1.0"} 1"#],
    );
}

#[test]
fn comments_that_say_nothing_of_a_metric_are_passed_over() {
    check(
        "#HELP a b\n#\n# HELPFUL hint\n# HELP\n# UNIT a b\n# EOF\n## TYPE\na 1\n",
        &["a{} 1"],
    );
}

#[test]
fn help_keeps_its_blanks_and_loses_its_escapes() {
    let body = "# HELP a  two \\\\ \\n \\\" \\x\n# HELP b\n# TYPE c\t gauge \n";
    let collected = collect(Format::Text, body).unwrap();
    let told: Vec<_> = collected
        .families
        .iter()
        .map(|f| (f.name.as_ref(), f.help.as_ref()))
        .collect();
    assert_eq!(told, [("a", " two \\ \n \\\" \\x"), ("b", ""), ("c", "")]);
    assert_eq!(collected.families[2].kind, Kind::Gauge);
}

#[test]
fn a_family_is_told_again_when_more_is_said_or_its_samples_go_on() {
    let body = "# TYPE a counter\na 1\nb 2\na 3\n# HELP a late\na 4\n";
    let collected = collect(Format::Text, body).unwrap();
    let told: Vec<_> = collected
        .families
        .iter()
        .map(|f| (f.name.as_ref(), f.kind, f.help.as_ref()))
        .collect();
    assert_eq!(
        told,
        [
            ("a", Kind::Counter, ""),
            ("b", Kind::Unknown, ""),
            ("a", Kind::Counter, ""),
            ("a", Kind::Counter, "late"),
        ]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    refused(
        "a 1\nb-c 2\n",
        "line 2, column 2: expected a space and the value, found '-'",
    );
    refused(
        "a\n",
        "line 1, column 2: expected a space and the value, found the end of the line",
    );
    refused(
        "a \n",
        "line 1, column 3: expected the value, found the end of the line",
    );
    refused(
        "a one\n",
        "line 1, column 3: the value \"one\" is not a number",
    );
    refused(
        "a 1 1.5\n",
        "line 1, column 5: the time must be whole milliseconds since 1970, not \"1.5\"",
    );
    refused(
        "a 1 2 3\n",
        "line 1, column 7: expected the end of the line, found '3'",
    );
    refused(
        "a 1\r\n",
        "line 1, column 3: the value \"1\\r\" is not a number",
    );
    refused(
        "é 1\n",
        "line 1, column 1: expected a metric name, '{' or '#', found 'é'",
    );
    refused(
        "a{é=\"ü\",-} 1\n",
        "line 1, column 3: expected a label name or '}', found 'é'",
    );
    refused(
        "a{\"é\"=\"ü\",-} 1\n",
        "line 1, column 11: expected a label name or '}', found '-'",
    );
    refused(
        "a{b=c} 1\n",
        "line 1, column 5: expected a quoted text, found 'c'",
    );
    refused(
        "a{b=\"c} 1\n",
        "line 1, column 5: the quote is not closed on this line; write line feeds as \\n",
    );
    refused(
        "a{b=\"c\\\"} 1\n",
        "line 1, column 5: the quote is not closed on this line",
    );
    refused("a{b} 1\n", "line 1, column 4: expected '=', found '}'");
    refused(
        "a{b=\"c\" d=\"e\"} 1\n",
        "line 1, column 9: expected ',' or '}', found 'd'",
    );
    refused(
        "a{b=\"c\",b=\"d\"} 1\n",
        "line 1, column 9: label \"b\" stands here twice",
    );
    refused(
        "a{,} 1\n",
        "line 1, column 3: expected a label name or '}', found ','",
    );
    refused(
        "a{\"b\"} 1\n",
        "line 1, column 3: the metric has a name already; a label needs a value",
    );
    refused(
        "{b=\"c\"} 1\n",
        "line 1, column 1: the metric has no name; write name{...} or {\"name\",...}",
    );
    refused(
        "{} 1\n",
        "line 1, column 1: expected a metric name, '{' or '#', found '{'",
    );
    refused(
        "{\"\"} 1\n",
        "line 1, column 1: the name of the metric is empty",
    );
    refused(
        "a{__name__=\"b\"} 1\n",
        "line 1, column 3: the name stands before the braces or alone in quotes, not in __name__",
    );
    refused(
        "# TYPE a b\n",
        "line 1, column 10: \"b\" is no type of metric: write counter, gauge, histogram, summary or untyped",
    );
    refused(
        "# TYPE a info\n",
        "line 1, column 10: \"info\" is no type of metric: write counter, gauge, histogram, summary or untyped",
    );
    refused(
        "# HELP 1a b\n",
        "line 1, column 8: expected the name of a metric, found '1'",
    );
    refused(
        "# HELP a-b c\n",
        "line 1, column 9: expected a space after the name, found '-'",
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_is() {
    let error = collect(Format::Text, b"a 1\nb{c=\"\xc3\xbc\xff\"} 1\n")
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "line 2, column 7: the text is not UTF-8 here"
    );
}

#[test]
fn not_a_number_is_never_a_stale_marker() {
    let collected = collect(Format::Text, "a NaN\n").unwrap();
    assert_eq!(
        collected.samples[0].value,
        crate::collect::Value::Float(0x7ff8_0000_0000_0001)
    );
}
