//! What a record may cost.

use super::*;

fn limited(text: &str, limits: &PipelineLimits, line: &str) -> String {
    let pipeline = Pipeline::compile(&stages(text), limits).unwrap();
    outcome(&pipeline, &mut Scratch::default(), line.as_bytes())
}

#[test]
fn labels_beyond_the_limit_are_left_out_and_the_record_is_marked() {
    let limits = PipelineLimits {
        labels_max: 2,
        ..PipelineLimits::default()
    };
    let exact = limited("| logfmt", &limits, "a=1 b=2");
    assert_eq!(exact, r#"a=1 b=2 | a="1" b="2""#);
    let beyond = limited("| logfmt", &limits, "a=1 b=2 c=3");
    assert!(
        beyond.contains(r#"__error__="PipelineLimitErr""#),
        "{beyond}"
    );
    assert!(beyond.ends_with(r#"a="1" b="2""#), "{beyond}");
    // A label that is there may be set anew.
    let again = limited("| logfmt | label_format a=`x`", &limits, "a=1 b=2");
    assert_eq!(again, r#"a=1 b=2 | a="x" b="2""#);
}

#[test]
fn bytes_beyond_the_limit_are_left_out_and_the_record_is_marked() {
    let limits = PipelineLimits {
        label_bytes_max: 10,
        ..PipelineLimits::default()
    };
    let exact = limited("| logfmt", &limits, "a=123456789");
    assert_eq!(exact, r#"a=123456789 | a="123456789""#);
    let beyond = limited("| logfmt", &limits, "a=1234567890 b=1");
    assert!(
        beyond.contains(r#"__error__="PipelineLimitErr""#),
        "{beyond}"
    );
    assert!(beyond.ends_with(r#"b="1""#), "{beyond}");
}

#[test]
fn objects_are_followed_so_deep_only() {
    let limits = PipelineLimits {
        json_depth_max: 2,
        ..PipelineLimits::default()
    };
    let exact = limited("| json", &limits, r#"{"a":{"b":1}}"#);
    assert!(exact.ends_with(r#"| a_b="1""#), "{exact}");
    let beyond = limited("| json", &limits, r#"{"a":{"b":{"c":1}},"d":2}"#);
    assert!(
        beyond.contains(r#"__error__="PipelineLimitErr""#),
        "{beyond}"
    );
    assert!(beyond.ends_with(r#"d="2""#), "{beyond}");
}

#[test]
fn deep_nesting_breaks_nothing() {
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    for text in [
        "| json",
        r#"| json x="a.a.b""#,
        "| unpack",
        r#"| json x="a""#,
    ] {
        limited(text, &PipelineLimits::default(), &deep);
        limited(
            text,
            &PipelineLimits::default(),
            &deep.replace("{\"a\":", "["),
        );
    }
    let steps = vec!["a"; 33].join(".");
    check_refused(&format!(r#"| json x="{steps}""#), "too many steps");
}

#[test]
fn templates_are_bounded() {
    let limits = PipelineLimits {
        template_bytes_max: 8,
        template_steps_max: 50,
        ..PipelineLimits::default()
    };
    let failed = |text: &str, line: &str| {
        let outcome = limited(text, &limits, line);
        assert!(outcome.contains("TemplateFormatErr"), "{outcome}");
        assert!(outcome.starts_with(line), "{outcome}");
    };
    assert!(limited("| line_format `{{__line__}}`", &limits, "12345678").starts_with("12345678 |"));
    failed("| line_format `{{__line__}}`", "123456789");
    failed("| line_format `{{__line__ | lower}}`", "123456789");
    failed(
        "| line_format `{{range $i, $c := (fromJson __line__)}}{{end}}`",
        &format!("[{}0]", "0,".repeat(99)),
    );
}

#[test]
fn distinct_remembers_so_many_only() {
    let limits = PipelineLimits {
        distinct_max: 2,
        ..PipelineLimits::default()
    };
    let pipeline = Pipeline::compile(&stages("| logfmt | distinct a"), &limits).unwrap();
    let mut scratch = Scratch::default();
    let mut run = |line: &str| outcome(&pipeline, &mut scratch, line.as_bytes());
    assert_eq!(run("a=1"), r#"a=1 | a="1""#);
    assert_eq!(run("a=2"), r#"a=2 | a="2""#);
    assert_eq!(run("a=1"), "dropped");
    assert!(run("a=3").contains("PipelineLimitErr"));
    assert!(run("a=3").contains("PipelineLimitErr"));
}

#[test]
fn patterns_are_bounded() {
    check_refused(r"|~ `(\w{1,100}){1,100}{1,100}`", "use smaller repetitions");
    let deep = format!("{}x{}", "(".repeat(200), ")".repeat(200));
    check_refused(&format!("|~ `{deep}`"), "not a regular expression");
    let parts = "<_> ".repeat(200);
    check_refused(&format!("| pattern `{parts}<a>`"), "more than 256 parts");
    let many: Vec<String> = (0..65).map(|n| format!(r#"l{n}="a""#)).collect();
    check_refused(&format!("| json {}", many.join(",")), "more than 64 labels");
}

#[test]
fn samples_are_taken_out() {
    let sample = |unwrap: &str, line: &str| -> String {
        let text = format!("sum_over_time({{}} | logfmt | unwrap {unwrap} [1m])");
        let Ok(Expr::Metric(crate::ast::MetricExpr::Range(range))) = crate::parse(&text) else {
            panic!("{text}");
        };
        let unwrapper = Unwrapper::compile(range.unwrap.as_ref().unwrap()).unwrap();
        let mut wanted = Wanted::nothing();
        unwrapper.wants(&mut wanted);
        let limits = PipelineLimits::default();
        let pipeline = Pipeline::compile_wanted(&range.log.stages, &limits, &wanted).unwrap();
        let labels = Labels::empty();
        let record = Record {
            time: TIME,
            line: line.as_bytes(),
            stream: StreamView {
                labels: &labels,
                metadata: &[],
            },
            metadata: &[],
        };
        let mut scratch = Scratch::default();
        match unwrapper.sample(&pipeline, &record, &mut scratch) {
            None => "none".into(),
            Some((value, processed)) => {
                format!("{value} {}", processed.labels.error().unwrap_or_default())
            }
        }
    };
    assert_eq!(sample("n", "n=1.5"), "1.5 ");
    assert_eq!(sample("n", "n=-1e3"), "-1000 ");
    assert_eq!(sample("n", "m=1"), "none");
    assert_eq!(sample("n", "n=x"), "0 SampleExtractionErr");
    assert_eq!(sample("duration(n)", "n=1m30s"), "90 ");
    assert_eq!(sample("duration_seconds(n)", "n=250ms"), "0.25 ");
    assert_eq!(sample("duration(n)", "n=5"), "0 SampleExtractionErr");
    assert_eq!(sample("bytes(n)", "n=2KiB"), "2048 ");
    assert_eq!(sample(r#"n | __error__="""#, "n=x"), "none");
    assert_eq!(sample(r#"n | __error__="""#, "n=7"), "7 ");
    assert_eq!(sample("n | m > 5", "n=7 m=6"), "7 ");
    assert_eq!(sample("n | m > 5", "n=7 m=5"), "none");
}

#[test]
fn after_the_deadline_records_are_dropped_and_that_is_told() {
    let templates = r#"| line_format "{{.a}}" "#.repeat(20);
    let pipeline = Pipeline::compile(&stages(&templates), &PipelineLimits::default()).unwrap();
    let run = |scratch: &mut Scratch| {
        let labels = Labels::empty();
        let record = Record {
            time: UnixNanos(0),
            line: b"line",
            stream: StreamView {
                labels: &labels,
                metadata: &[],
            },
            metadata: &[],
        };
        pipeline.run(&record, scratch).is_some()
    };
    let deadline = Deadline::within(std::time::Duration::from_secs(3600));
    let mut scratch = Scratch::until(&deadline);
    assert!(run(&mut scratch) && !scratch.gave_up());
    drop(deadline.give_up_on_drop());
    assert!(!run(&mut scratch) && scratch.gave_up());
    assert!(!run(&mut scratch));
}

#[test]
fn what_a_template_reads_costs_it_steps() {
    let limits = PipelineLimits {
        template_steps_max: 1_000,
        ..PipelineLimits::default()
    };
    // Only the argument is long.
    let line = "x".repeat(10_000);
    let reading = r#"| line_format "{{range 10}}{{count \"y\" __line__}}{{end}}""#;
    let shown = limited(reading, &limits, &line);
    assert!(shown.contains("steps"), "{shown}");
}
