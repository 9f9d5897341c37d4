//! What would be asked of a source.

use super::{parsed, seconds};
use crate::eval::{EvalLimits, Plan, Reads, explain};

fn plan(text: &str) -> Plan {
    explain(
        &parsed(text),
        &seconds(100, 200, 10),
        &EvalLimits::default(),
    )
    .expect(text)
}

#[test]
fn a_plan_says_what_is_read() {
    let check = |text: &str, expected: Reads| {
        assert_eq!(plan(text).scans[0].reads, expected, "{text}");
    };
    check("sum(count_over_time({}[1m]))", Reads::Times);
    check("sum(bytes_rate({} |= \"x\" [1m]))", Reads::TimesAndLengths);
    check("sum by (level) (count_over_time({}[1m]))", Reads::Metadata);
    check("count_over_time({}[1m])", Reads::Metadata);
    check("bytes_over_time({}[1m])", Reads::LinesAndMetadata);
    check("absent_over_time({app=\"x\"}[1m])", Reads::Times);
    check("sum(sum_over_time({} | unwrap v [1m]))", Reads::Metadata);
}

#[test]
fn a_plan_names_scans_once() {
    let plan = plan(
        r#"sum by (app, b_extracted) (count_over_time({app=~"a.*"} |= "x" | decolorize [1m] offset 5s)) / 2 > sum(rate({}[1m])) / sum(rate({}[1m]))"#,
    );
    assert_eq!(plan.times, 11);
    assert_eq!(plan.scans.len(), 2);
    let [first, second] = &plan.scans[..] else {
        panic!("two scans");
    };
    assert_eq!(first.matchers, [r#"app=~"a.*""#]);
    assert_eq!(first.filters, [r#"|= "x""#]);
    assert_eq!(first.stages, ["| decolorize"]);
    assert_eq!(first.groups, "by (app, b_extracted)");
    assert_eq!(
        (first.start_ns, first.end_ns),
        (35_000_000_001, 195_000_000_001)
    );
    assert_eq!(second.occurrences, 2);
    assert_eq!(second.metadata, None);
    let text = serde_json::to_value(second).unwrap();
    assert_eq!(text["reads"], "times");
}

#[test]
fn names_of_metadata_that_may_matter_are_told() {
    let plan = plan("sum by (a, b_extracted) (count_over_time({}[1m]))");
    let names = plan.scans[0].metadata.clone().unwrap();
    assert_eq!(names, ["a", "b_extracted", "b"]);
}
