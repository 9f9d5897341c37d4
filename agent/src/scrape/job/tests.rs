//! Which configurations are taken, and what is said of others.

use super::*;

fn check(yaml_as_json: &str) -> Result<Vec<Job>, String> {
    jobs(&serde_json::from_str(yaml_as_json).unwrap())
}

#[test]
fn a_job_takes_from_global_what_it_does_not_say_itself() {
    let jobs = check(
        r#"{"global": {"scrape_interval": "5s", "sample_limit": 7, "body_size_limit": "1MB"},
            "scrape_configs": [{"job_name": "a"},
                               {"job_name": "b", "scrape_interval": "1m", "sample_limit": 0}]}"#,
    )
    .unwrap();
    let found = |job: &Job| {
        let (interval, timeout) = (job.interval.to_string(), job.timeout.to_string());
        (interval, timeout, job.reading.sample_limit)
    };
    assert_eq!(found(&jobs[0]), ("5s".into(), "5s".into(), 7));
    assert_eq!(found(&jobs[1]), ("1m".into(), "10s".into(), 0));
    assert_eq!(jobs[1].access.body_bytes, 1 << 20);
    assert!(
        jobs[0]
            .access
            .accept
            .starts_with("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,")
    );
}

#[test]
fn what_cannot_work_is_told_with_its_place() {
    for (config, told) in [
        (r#"[{}]"#, "job_name is missing"),
        (r#"[{"job_name": "a"}, {"job_name": "a"}]"#, "same name"),
        (
            r#"[{"job_name": "a", "scrape_interval": "1s", "scrape_timeout": "2s"}]"#,
            "must not be longer",
        ),
        (
            r#"[{"job_name": "a", "relabel_configs": [{"action": "paint"}]}]"#,
            "relabel_configs[0]: there is no action",
        ),
        (
            r#"[{"job_name": "a", "scrape_protocols": ["PrometheusProto", "PrometheusProto"]}]"#,
            "twice",
        ),
        (
            r#"[{"job_name": "a", "basic_auth": {"username": "u"}, "authorization": {}}]"#,
            "at most one of",
        ),
        (
            r#"[{"job_name": "a", "authorization": {"type": "Basic"}}]"#,
            "basic_auth",
        ),
    ] {
        let all = format!(r#"{{"scrape_configs": {config}}}"#);
        let error = check(&all).unwrap_err();
        assert!(
            error.contains(told) && error.contains("scrape.scrape_configs["),
            "{error}"
        );
    }
}

#[test]
fn more_targets_than_allowed_are_all_refused() {
    let jobs = check(r#"{"scrape_configs": [{"job_name": "a", "target_limit": 1}]}"#).unwrap();
    let group = |targets: &[&str]| StaticConfig {
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        ..StaticConfig::default()
    };
    // The same target twice is one.
    assert_eq!(
        jobs[0].targets(&[group(&["h:1", "h:1"])]).unwrap().refused,
        None
    );
    let refused = jobs[0].targets(&[group(&["h:1", "h:2"])]).unwrap().refused;
    assert!(refused.unwrap().contains("target_limit"));
}
