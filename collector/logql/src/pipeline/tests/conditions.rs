//! Label filters.

use super::*;

/// Whether a line of logfmt passes the filter.
fn passes(filter: &str, line: &str) -> String {
    let pipeline = compiled(&format!("| logfmt | {filter}"));
    let outcome = outcome(&pipeline, &mut Scratch::default(), line.as_bytes());
    match outcome.as_str() {
        "dropped" => "no".into(),
        kept => match kept.split_once("__error__=\"") {
            Some((_, error)) => error[..error.find('"').unwrap()].into(),
            None => "yes".into(),
        },
    }
}

fn check(filter: &str, line: &str, expected: &str) {
    assert_eq!(passes(filter, line), expected, "{filter} of {line}");
}

#[test]
fn texts_are_compared() {
    check(r#"a="x""#, "a=x", "yes");
    check(r#"a="x""#, "a=y", "no");
    check(r#"a="x""#, "", "no");
    check(r#"a="""#, "", "yes");
    check(r#"a!="x""#, "", "yes");
    check(r#"a!="""#, "a=x", "yes");
    check(r#"a=~"x|y""#, "a=y", "yes");
    check(r#"a=~"x""#, "a=xx", "no");
    check(r#"a!~"x.*""#, "a=xx", "no");
    check(r#"a!~"x.*""#, "", "yes");
    check(r#"app="web""#, "", "yes");
    check(r#"pod="p1""#, "", "yes");
    check(r#"pod="p2""#, "", "no");
    check(r#"app_extracted="x""#, "app=x", "yes");
}

#[test]
fn numbers_are_compared() {
    for (op, less, same, more) in [
        ("==", "no", "yes", "no"),
        ("=", "no", "yes", "no"),
        ("!=", "yes", "no", "yes"),
        (">", "no", "no", "yes"),
        (">=", "no", "yes", "yes"),
        ("<", "yes", "no", "no"),
        ("<=", "yes", "yes", "no"),
    ] {
        let filter = format!("a {op} 5");
        check(&filter, "a=4.5", less);
        check(&filter, "a=5.0", same);
        check(&filter, "a=1e1", more);
        check(&filter, "", "no");
        check(&filter, "a=x", "LabelFilterErr");
    }
    check("a > -1", "a=0", "yes");
    check("a > 1e3", "a=Inf", "yes");
    check("a > 1", "a=nan", "no");
    check("a == 3", "a=0x1.8p1", "yes");
    check("a == 24", "a=0x18", "LabelFilterErr");
    check("a > 1", "a=1e999", "LabelFilterErr");
    check("a > 1", "a=1_0", "LabelFilterErr");
}

#[test]
fn an_empty_label_is_no_number() {
    let text = "| logfmt --keep-empty | a > 1";
    let outcome = outcome(&compiled(text), &mut Scratch::default(), b"a=");
    assert!(outcome.contains("LabelFilterErr"), "{outcome}");
}

#[test]
fn durations_are_compared() {
    check("a > 250ms", "a=1s", "yes");
    check("a > 250ms", "a=250ms", "no");
    check("a >= 250ms", "a=0.25s", "yes");
    check("a < 1m", "a=59.9s", "yes");
    check("a == 90s", "a=1m30s", "yes");
    check("a < 1s", "a=-5m", "yes");
    check("a < 1s", "a=0", "yes");
    check("a > 1µs", "a=2us", "yes");
    check("a > 1s", "a=5", "LabelFilterErr");
    check("a > 1s", "a=1d", "LabelFilterErr");
    check("a > 1s", "", "no");
}

#[test]
fn sizes_are_compared() {
    check("a > 1KB", "a=1001", "yes");
    check("a > 1KB", "a=1KiB", "yes");
    check("a > 1KiB", "a=1KB", "no");
    check("a == 5MiB", "a=5mib", "yes");
    check("a == 20KB", "a=\"20 kB\"", "yes");
    check("a == 1500B", "a=1.5k", "yes");
    check("a == 1024B", "a=\"1,024\"", "yes");
    check("a > 1KB", "a=1ZB", "LabelFilterErr");
    check("a > 1KB", "a=-1KB", "LabelFilterErr");
    check("a > 1KB", "", "no");
}

#[test]
fn addresses_are_looked_for() {
    check(r#"a=ip("10.0.0.0/8")"#, "a=10.1.2.3", "yes");
    check(r#"a=ip("10.0.0.0/8")"#, "a=11.1.2.3", "no");
    check(r#"a!=ip("10.0.0.0/8")"#, "a=11.1.2.3", "yes");
    check(r#"a!=ip("10.0.0.0/8")"#, "a=text", "yes");
    check(r#"a=ip("10.0.0.1-10.0.0.9")"#, "a=10.0.0.9", "yes");
    check(r#"a=ip("fe80::/10")"#, "a=fe80::1", "yes");
    check(r#"a!=ip("10.0.0.0/8")"#, "", "no");
    // A record with a mistake passes: only texts look at mistakes.
    check(
        r#"b > 1 | a=ip("10.0.0.0/8")"#,
        "b=x a=text",
        "LabelFilterErr",
    );
    check_refused(r#"| a=ip("10.0.0.0/33")"#, "is no address");
}

#[test]
fn filters_are_joined() {
    check("a > 1 and b > 1", "a=2 b=2", "yes");
    check("a > 1 and b > 1", "a=2 b=1", "no");
    check("a > 1 , b > 1", "a=1 b=2", "no");
    check("a > 1 b > 1", "a=2 b=2", "yes");
    check("a > 1 or b > 1", "a=1 b=2", "yes");
    check("a > 1 or b > 1", "a=2", "yes");
    check("a > 1 or b > 1", "a=1 b=1", "no");
    check("a > 1 or b > 1 and c > 1", "a=2 b=1 c=1", "yes");
    check("(a > 1 or b > 1) and c > 1", "a=2 b=1 c=1", "no");
}

#[test]
fn mistakes_and_joined_filters() {
    // The first side of an `or` decides alone where it is satisfied.
    check("a > 1 or b > 1", "a=2 b=x", "yes");
    check("a > 1 or b > 1", "a=x b=2", "LabelFilterErr");
    check("a > 1 or b > 1", "a=1 b=x", "LabelFilterErr");
    check("a > 1 and b > 1", "a=x b=1", "no");
    check("a > 1 and b > 1", "a=1 b=x", "no");
    check("a > 1 and b > 1", "a=2 b=x", "LabelFilterErr");
    // Both sides of an `and` are looked at.
    check(
        "(a > 1 and b > 1) or c > 1",
        "a=1 b=x c=2",
        "LabelFilterErr",
    );
}

#[test]
fn filters_see_mistakes() {
    check(r#"a > 1 | __error__="""#, "a=x", "no");
    check(r#"a > 1 | __error__="""#, "a=2", "yes");
    check(r#"a > 1 | __error__!="""#, "a=x", "LabelFilterErr");
    check(
        r#"a > 1 | __error__="LabelFilterErr""#,
        "a=x",
        "LabelFilterErr",
    );
    check(r#"a > 1 | __error__=~"JSON.*""#, "a=x", "no");
    check(
        r#"a > 1 | __error_details__=~".*no number.*""#,
        "a=x",
        "LabelFilterErr",
    );
    // The first mistake stays.
    let text = "| json | a > 1";
    let outcome = outcome(
        &compiled(text),
        &mut Scratch::default(),
        br#"{"a":"x","b"}"#,
    );
    assert!(outcome.contains("JSONParserErr"), "{outcome}");
}
