//! OpenMetrics.

use crate::collect::{collect, collect_with, lines};
use sonde_exposition::{Format, Kind, Options};

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let collected = collect(Format::OpenMetrics, body).unwrap();
    assert_eq!(lines(&collected), expected, "{body}");
}

#[track_caller]
fn refused(body: &str, message: &str) {
    let error = collect(Format::OpenMetrics, body)
        .err()
        .unwrap_or_else(|| panic!("read: {body}"));
    assert_eq!(error.to_string(), message, "{body}");
}

const ALL_KINDS: &str = "\
# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
acme_http_router_request_seconds_sum{path=\"/api/v1\",method=\"GET\"} 9036.32
acme_http_router_request_seconds_count{path=\"/api/v1\",method=\"GET\"} 807283.0
acme_http_router_request_seconds_created{path=\"/api/v1\",method=\"GET\"} 1605281325.0
acme_http_router_request_seconds_sum{path=\"/api/v2\",method=\"POST\"} 479.3
acme_http_router_request_seconds_count{path=\"/api/v2\",method=\"POST\"} 34.0
acme_http_router_request_seconds_created{path=\"/api/v2\",method=\"POST\"} 1605281325.5
# TYPE go_goroutines gauge
# HELP go_goroutines Number of goroutines that currently exist.
go_goroutines 69
# TYPE process_cpu_seconds counter
# UNIT process_cpu_seconds seconds
# HELP process_cpu_seconds Total user and system CPU time spent in \\\"seconds\\\".
process_cpu_seconds_total 4.20072246e+06 1605301325.123
# TYPE foo histogram
foo_bucket{le=\"0\"} 0
foo_bucket{le=\"0.01\"} 0 # {} 0.054
foo_bucket{le=\"1\"} 11 # {trace_id=\"KOO5S4vxi0o\"} 0.67
foo_bucket{le=\"+Inf\"} 17 # {trace_id=\"oHg5SJYRHA0\"} 9.8 1520879607.789
foo_count 17
foo_sum 324789.3
foo_created  1520430000.123
# TYPE state stateset
state{state=\"a\"} 1
state{state=\"b\"} 0
# TYPE build info
build_info{version=\"1\"} 1
# TYPE size gaugehistogram
size_bucket{le=\"1.0\"} 20
size_bucket{le=\"+Inf\"} 42
size_gcount 42.0
size_gsum 3289.3
# TYPE what unknown
what 1
# EOF
";

#[test]
fn every_kind_is_read_with_starts_units_and_exemplars() {
    let body = ALL_KINDS.replace("foo_created  ", "foo_created ");
    check(
        &body,
        &[
            r#"acme_http_router_request_seconds_sum{path="/api/v1",method="GET"} 9036.32 ^1605281325000"#,
            r#"acme_http_router_request_seconds_count{path="/api/v1",method="GET"} 807283 ^1605281325000"#,
            r#"acme_http_router_request_seconds_sum{path="/api/v2",method="POST"} 479.3 ^1605281325500"#,
            r#"acme_http_router_request_seconds_count{path="/api/v2",method="POST"} 34 ^1605281325500"#,
            "go_goroutines{} 69",
            "process_cpu_seconds_total{} 4200722.46 @1605301325123",
            r#"foo_bucket{le="0.0"} 0 ^1520430000123"#,
            r#"foo_bucket{le="0.01"} 0 ^1520430000123 #{}0.054"#,
            r#"foo_bucket{le="1.0"} 11 ^1520430000123 #{trace_id="KOO5S4vxi0o"}0.67"#,
            r#"foo_bucket{le="+Inf"} 17 ^1520430000123 #{trace_id="oHg5SJYRHA0"}9.8@1520879607789"#,
            "foo_count{} 17 ^1520430000123",
            "foo_sum{} 324789.3 ^1520430000123",
            r#"state{state="a"} 1"#,
            r#"state{state="b"} 0"#,
            r#"build_info{version="1"} 1"#,
            r#"size_bucket{le="1.0"} 20"#,
            r#"size_bucket{le="+Inf"} 42"#,
            "size_gcount{} 42",
            "size_gsum{} 3289.3",
            "what{} 1",
        ],
    );
    let collected = collect(Format::OpenMetrics, &body).unwrap();
    let told: Vec<_> = collected
        .families
        .iter()
        .map(|f| (f.name.as_ref(), f.kind, f.unit.as_ref()))
        .collect();
    assert_eq!(
        told,
        [
            ("acme_http_router_request_seconds", Kind::Summary, "seconds"),
            ("go_goroutines", Kind::Gauge, ""),
            ("process_cpu_seconds", Kind::Counter, "seconds"),
            ("foo", Kind::Histogram, ""),
            ("state", Kind::StateSet, ""),
            ("build", Kind::Info, ""),
            ("size", Kind::GaugeHistogram, ""),
            ("what", Kind::Unknown, ""),
        ]
    );
    assert_eq!(
        collected.families[2].help,
        "Total user and system CPU time spent in \"seconds\"."
    );
    refused(
        ALL_KINDS,
        "line 24, column 13: expected the value, found ' '",
    );
}

#[test]
fn a_start_is_found_whatever_the_order() {
    check(
        "# TYPE a counter\na_created{x=\"1\",y=\"2\"} 1\na_total{y=\"2\",x=\"1\"} 5\na_total{x=\"2\"} 6\na_created{x=\"2\"} 2.5\n# EOF\n",
        &[
            r#"a_total{y="2",x="1"} 5 ^1000"#,
            r#"a_total{x="2"} 6 ^2500"#,
        ],
    );
    // Of a gauge and of another name it is a sample as any other.
    check(
        "# TYPE a gauge\na 1\na_created 2\n# TYPE b counter\nb_total 3\nc_created 4\n# EOF\n",
        &["a{} 1", "a_created{} 2", "b_total{} 3", "c_created{} 4"],
    );
    // A label that looks like one changes nothing.
    check(
        "# TYPE a counter\na_total{x=\"a_created\"} 1\na_created{x=\"a_created\"} 7\n# EOF",
        &[r#"a_total{x="a_created"} 1 ^7000"#],
    );
}

#[test]
fn starts_can_be_samples_too() {
    let options = Options {
        created_as_samples: true,
        ..Options::default()
    };
    let body = b"# TYPE a counter\na_total 1\na_created 2\n# EOF\n";
    let collected = collect_with(Format::OpenMetrics, body, &options).unwrap();
    assert_eq!(lines(&collected), ["a_total{} 1 ^2000", "a_created{} 2"]);
}

#[test]
fn version_two_says_the_start_on_the_line() {
    check(
        "a_total 1 5.5 st@2.5\nb_total 1 st@3 # {} 1 # {x=\"y\"} 2 3\n# EOF\n",
        &[
            "a_total{} 1 @5500 ^2500",
            r#"b_total{} 1 ^3000 #{}1 #{x="y"}2@3000"#,
        ],
    );
}

#[test]
fn names_in_quotes_may_be_anything() {
    check(
        "# TYPE \"a.b\" counter\n{\"a.b_total\",\"ü\"=\"x\"} 1\n{\"a.b_created\",\"ü\"=\"x\"} 2\n# EOF\n",
        &[r#"a.b_total{ü="x"} 1 ^2000"#],
    );
}

#[test]
fn the_end_must_be_said() {
    let cut = "the body is cut: its last line must be '# EOF'";
    refused("", &format!("line 1, column 1: {cut}"));
    refused("a 1\n", &format!("line 2, column 1: {cut}"));
    refused("a 1\nb 2", &format!("line 2, column 1: {cut}"));
    refused(
        "# EOF\na 1\n",
        "line 2, column 1: nothing may follow '# EOF'",
    );
    check("# EOF", &[]);
}

#[test]
fn what_the_text_format_bears_is_refused() {
    refused(
        "a  1\n# EOF\n",
        "line 1, column 3: expected the value, found ' '",
    );
    refused(
        "a\t1\n# EOF\n",
        "line 1, column 2: expected a space and the value, found '\\t'",
    );
    refused(
        "a{ b=\"c\"} 1\n# EOF\n",
        "line 1, column 3: expected a label name or '}', found ' '",
    );
    refused(
        "a{b=\"c\"}1\n# EOF\n",
        "line 1, column 9: expected a space and the value, found '1'",
    );
    refused(
        "\na 1\n# EOF\n",
        "line 1, column 1: expected a metric name, '{' or '#', found the end of the line",
    );
    refused(
        "# comment\n# EOF\n",
        "line 1, column 3: expected HELP, TYPE, UNIT or EOF, found 'c'",
    );
    refused(
        "#HELP a b\n# EOF\n",
        "line 1, column 2: expected HELP, TYPE, UNIT or EOF, found 'H'",
    );
    refused(
        "# TYPE a untyped\n# EOF\n",
        "line 1, column 10: \"untyped\" is no type of metric: write counter, gauge, histogram, \
         gaugehistogram, summary, info, stateset or unknown",
    );
    refused(
        "# UNIT a seconds\n# EOF\n",
        "line 1, column 10: the name must end with the unit: a_seconds",
    );
    refused(
        "a 1 2 3\n# EOF\n",
        "line 1, column 7: expected the end of the line, found '3'",
    );
    refused(
        "a 1 soon\n# EOF\n",
        "line 1, column 5: the time must be seconds since 1970, not \"soon\"",
    );
    refused(
        "a 1 # {\"b\"} 1\n# EOF\n",
        "line 1, column 8: the metric has a name already; a label needs a value",
    );
    refused(
        "a 1 # {} \n# EOF\n",
        "line 1, column 10: expected the value, found the end of the line",
    );
    refused(
        "a 1 # b\n# EOF\n",
        "line 1, column 5: the time must be seconds since 1970, not \"#\"",
    );
}
