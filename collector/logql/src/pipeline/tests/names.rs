//! Under which names parsers put what they find.

use super::*;

/// Runs stages on a record with these labels of the stream and this metadata; all labels, by
/// name, each with a letter for where it comes from.
fn run(text: &str, stream: &[(&str, &str)], metadata: &[(&str, &str)], line: &str) -> String {
    let labels: Labels = stream.iter().copied().collect();
    let record = Record {
        time: TIME,
        line: line.as_bytes(),
        stream: StreamView {
            labels: &labels,
            metadata: &[],
        },
        metadata,
    };
    let mut scratch = Scratch::default();
    let pipeline = compiled(text);
    let processed = pipeline.run(&record, &mut scratch).unwrap();
    let shown = processed
        .labels
        .sorted()
        .into_iter()
        .map(|(name, value, category)| {
            assert_eq!(processed.labels.get(&name), Some(value), "{text}: {name}");
            let letter = match category {
                Category::Stream => 's',
                Category::StructuredMetadata => 'm',
                Category::Parsed => 'p',
            };
            format!("{letter}:{name}={value}")
        });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_a_stage_has_set_no_later_parser_sets() {
    let check = |text: &str, expected| check_labels(text, r#"{"a":"1","b":"2"}"#, expected);
    check("| json | drop a | json", r#"b="2""#);
    check("| json | keep app, pod, b | json", r#"b="2""#);
    check("| json | label_format c=a | json", r#"b="2" c="1""#);
    check("| json | label_format a=`x` | drop a | json", r#"b="2""#);
    check("| label_format a=`x` | drop a | json", r#"b="2""#);
    check(r"| json | drop a | regexp `(?P<a>\w)`", r#"b="2""#);
    check("| json | drop a | pattern `{<a>}`", r#"b="2""#);
    check(
        "| json | drop a | line_format `a=3 b=4 c=5` | logfmt | line_format `{\"a\":\"1\",\"b\":\"2\"}`",
        r#"b="2" c="5""#,
    );
    // What is asked for by name is set anew, by a stage as by a parser.
    check(r#"| json | drop a | json a="a""#, r#"a="1" b="2""#);
    check(
        "| json | drop a | label_format a=`x` | json",
        r#"a="x" b="2""#,
    );
    // Nothing of it is left for the next record: `check_labels` runs all twice.
}

#[test]
fn removed_names_are_as_good_as_found() {
    let wanted = Wanted::Only(vec!["a".into(), "b".into()]);
    let text = "| json | drop a | json";
    let pipeline =
        Pipeline::compile_wanted(&stages(text), &PipelineLimits::default(), &wanted).unwrap();
    let mut scratch = Scratch::default();
    // Behind what is wanted the line is not read.
    let shown = outcome(&pipeline, &mut scratch, br#"{"a":1,"b":2,broken"#);
    assert_eq!(shown, r#"{"a":1,"b":2,broken | b="2""#);
}

#[test]
fn metadata_that_was_set_anew_gives_way() {
    let metadata = [("pod", "m")];
    let check = |text, expected: &str| {
        assert_eq!(
            run(text, &[("app", "s")], &metadata, r#"{"pod":"l"}"#),
            expected,
            "{text}"
        );
    };
    check("| json", "s:app=s m:pod=m p:pod_extracted=l");
    check("| label_format pod=`x` | json", "s:app=s p:pod=x");
    check("| label_format pod=`x` | drop pod | json", "s:app=s");
    check("| drop pod | json", "s:app=s p:pod=l");
    check(
        "| label_format other=pod | json",
        "s:app=s p:other=m p:pod=l",
    );
    // `keep` removes what is covered together with what covers it.
    check("| label_format pod=`x` | keep app", "s:app=s");
    check(r#"| label_format pod=`x` | keep pod="m""#, "");
    check(r#"| label_format app=`x` | keep app="s""#, "");
    check(r#"| label_format app=`x` | keep app="x""#, "p:app=x");
}

#[test]
fn the_name_that_metadata_got_is_its_name() {
    let (stream, metadata) = ([("host", "s")], [("host", "m")]);
    let check = |text, line, expected: &str| {
        assert_eq!(
            run(text, &stream, &metadata, line),
            expected,
            "{text} of {line}"
        );
    };
    check("| logfmt", "a=1", "p:a=1 s:host=s m:host_extracted=m");
    check(
        "| logfmt",
        "host_extracted=l",
        "s:host=s m:host_extracted=m p:host_extracted_extracted=l",
    );
    // The key itself takes the name from the metadata, and then the other key has none left.
    check("| logfmt", "host=l", "s:host=s p:host_extracted=l");
    check(
        "| logfmt",
        "host=l host_extracted=k",
        "s:host=s p:host_extracted=l",
    );
    check(
        "| logfmt",
        "host_extracted=k host=l",
        "s:host=s p:host_extracted=l p:host_extracted_extracted=k",
    );
    check(
        "| drop host_extracted | logfmt",
        "host_extracted=l",
        "s:host=s p:host_extracted=l",
    );
    check("| drop host | logfmt", "host=l", "p:host_extracted=l");
    check("| keep host_extracted", "", "m:host_extracted=m");
}

#[test]
fn metadata_of_one_name_is_one_label() {
    let stream = [("host", "s"), ("host_extracted", "t")];
    let check = |metadata: &[(&str, &str)], expected: &str| {
        assert_eq!(run("", &stream, metadata, ""), expected, "{metadata:?}");
    };
    // It covers the label of the stream whose name it got.
    check(&[("host", "m")], "s:host=s m:host_extracted=m");
    check(
        &[("other", "1"), ("other", "2")],
        "s:host=s s:host_extracted=t m:other=2",
    );
    let stream = [("host", "s")];
    let check = |metadata: &[(&str, &str)], expected: &str| {
        assert_eq!(run("", &stream, metadata, ""), expected, "{metadata:?}");
    };
    check(
        &[("host", "1"), ("host_extracted", "2")],
        "s:host=s m:host_extracted=2",
    );
    check(
        &[("host_extracted", "2"), ("host", "1")],
        "s:host=s m:host_extracted=1",
    );
}

#[test]
fn much_metadata_is_one_label_a_name_too() {
    let names: Vec<String> = (0..300).map(|n| format!("m{}", n / 2)).collect();
    let mut metadata: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "first")).collect();
    for pair in metadata.iter_mut().skip(1).step_by(2) {
        pair.1 = "last";
    }
    metadata.push(("host", "1"));
    metadata.push(("host_extracted", "2"));
    let shown = run(
        "| logfmt",
        &[("host", "s")],
        &metadata,
        "m7=x m7_extracted=y m999=z host=k",
    );
    assert_eq!(shown.matches("=last").count(), 150);
    assert!(!shown.contains("=first"));
    for part in [
        "p:m7_extracted=x",
        "p:m999=z",
        "p:host_extracted=k",
        "s:host=s",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains('y'), "{shown}");
}

#[test]
fn what_was_asked_for_and_not_found_takes_nothing_away() {
    let check = |text, stream: &[(&str, &str)], line, expected: &str| {
        assert_eq!(run(text, stream, &[], line), expected, "{text} of {line}");
    };
    let level = [("level", "s")];
    check(
        "| logfmt | drop level, __error__ | logfmt --strict level | drop __error__, __error_details__",
        &level,
        "level=l",
        "p:level_extracted=l",
    );
    // Broken before the key: what an earlier stage found stays.
    check(
        "| logfmt | drop level | logfmt --strict level | drop __error__, __error_details__, a",
        &level,
        "a=1 =broken level=l",
        "p:level_extracted=l",
    );
    check(
        r#"| json | drop level | line_format `{}` | json level="level""#,
        &level,
        r#"{"level":"l"}"#,
        "p:level= p:level_extracted=l",
    );
    // Without a label of the stream, the value is that of the last stage that asked for it.
    check(
        "| logfmt level | line_format `b=2` | logfmt level",
        &[],
        "level=l",
        "p:level=",
    );
    check("| logfmt level", &level, "b=2", "s:level=s");
}
