//! Labels and URLs of targets.

use super::*;
use crate::scrape::config::ScrapeConfig;
use crate::scrape::job::jobs;

fn job(config: &str) -> Job {
    let config = format!(r#"{{"scrape_configs": [{config}]}}"#);
    let config: ScrapeConfig = serde_json::from_str(&config).unwrap();
    jobs(&config).unwrap().remove(0)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

fn active(job: &Job, pairs: &[(&str, &str)]) -> Target {
    match Target::find(job, labels(pairs)).unwrap() {
        Found::Active(target) => *target,
        Found::Dropped(labels) => panic!("dropped: {labels:?}"),
    }
}

#[test]
fn a_target_has_job_and_instance_and_nothing_internal() {
    let job = job(
        r#"{"job_name": "api", "scheme": "https", "metrics_path": "/m x",
            "params": {"match[]": ["{a=\"b\"}", "up"], "z": []}}"#,
    );
    let target = active(&job, &[("__address__", "h:1"), ("zone", "x"), ("none", "")]);
    assert_eq!(
        target.labels,
        labels(&[("instance", "h:1"), ("job", "api"), ("zone", "x")])
    );
    assert_eq!(
        target.uri.to_string(),
        "https://h:1/m%20x?match%5B%5D=%7Ba%3D%22b%22%7D&match%5B%5D=up"
    );
    assert_eq!(target.discovered["__param_match[]"], "{a=\"b\"}");
}

#[test]
fn relabelling_chooses_address_path_parameter_and_interval() {
    let job = job(
        r#"{"job_name": "probe", "metrics_path": "/probe", "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": "prober:9115"},
            {"target_label": "__scrape_interval__", "replacement": "20s"},
            {"source_labels": ["skip"], "regex": "yes", "action": "drop"}]}"#,
    );
    let target = active(&job, &[("__address__", "example.org")]);
    assert_eq!(
        target.uri.to_string(),
        "http://prober:9115/probe?target=example.org"
    );
    assert_eq!(get(&target.labels, "instance"), "example.org");
    assert_eq!(target.interval.to_string(), "20s");
    let skipped = labels(&[("__address__", "h:1"), ("skip", "yes")]);
    assert!(matches!(Target::find(&job, skipped), Ok(Found::Dropped(_))));
}

#[test]
fn what_is_no_address_is_told() {
    let job = job(r#"{"job_name": "a"}"#);
    for bad in [
        "",
        "http://h:1",
        "h:1/metrics",
        "user:secret@h:1",
        "h:one two",
    ] {
        let error = Target::find(&job, labels(&[("__address__", bad)])).unwrap_err();
        assert!(!error.is_empty(), "{bad}");
    }
}

#[test]
fn turns_are_spread_over_the_interval_and_stay_where_they_are() {
    let job = job(r#"{"job_name": "a", "scrape_interval": "10s"}"#);
    let target = |n: u64| active(&job, &[("__address__", &format!("h:{n}"))]);
    let now = 1_700_000_000_123_456_789;
    let second = |n: u64| {
        let offset = target(n).offset(now);
        assert!(offset < Duration::from_secs(10));
        // Nobody's turn depends on when it is asked for.
        let later = target(n).offset(now + 3_000_000_000);
        let turned = (offset + Duration::from_secs(7)).as_nanos() % 10_000_000_000;
        assert_eq!(later.as_nanos(), turned);
        offset.as_secs()
    };
    let mut by_second = [0; 10];
    (0..1000).for_each(|n| by_second[second(n) as usize] += 1);
    assert!(
        by_second.iter().all(|count| (50..200).contains(count)),
        "{by_second:?}"
    );
}
