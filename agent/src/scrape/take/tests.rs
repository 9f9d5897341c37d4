//! Scrapes as text in, points as text out.

mod native;

use super::*;
use crate::scrape::config::ScrapeConfig;
use crate::scrape::job::jobs;
use prost::Message as _;
use sonde_proto::otlp::metrics::{NumberDataPoint, metric, number_data_point};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::{self, common::KeyValue};

const TEXT: &str = "text/plain; version=0.0.4";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// The taker of a target of job `j`, instance `i`.
fn taker(config: &str) -> Taker {
    taker_of(config, &[("job", "j"), ("instance", "i")])
}

fn taker_of(config: &str, target: &[(&str, &str)]) -> Taker {
    let config = format!(r#"{{"scrape_configs": [{{"job_name": "j"{config}}}]}}"#);
    let config: ScrapeConfig = serde_json::from_str(&config).unwrap();
    let job = jobs(&config).unwrap().remove(0);
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Taker::new(job.reading, target.iter().map(own).collect())
}

/// The points of requests, a line each, without the report.
fn lines(taken: &Taken) -> Vec<String> {
    let is_report = |line: &String| {
        REPORT
            .iter()
            .any(|(name, _)| line.starts_with(&format!("{name}{{")))
    };
    all_lines(taken)
        .into_iter()
        .filter(|line| !is_report(line))
        .collect()
}

fn all_lines(taken: &Taken) -> Vec<String> {
    let mut lines = Vec::new();
    for request in &taken.requests {
        let request = ExportMetricsServiceRequest::decode(request.clone()).unwrap();
        for resource in request.resource_metrics {
            let attributes = resource.resource.unwrap().attributes;
            for metric in resource.scope_metrics.into_iter().flat_map(|s| s.metrics) {
                let kind = otlp::attribute_text(&metric.metadata, "prometheus.type").unwrap();
                let (shape, points) = match metric.data.unwrap() {
                    metric::Data::Gauge(gauge) => ("", gauge.data_points),
                    metric::Data::Sum(sum) => {
                        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
                        (" rises", sum.data_points)
                    }
                    other => panic!("{other:?}"),
                };
                for point in points {
                    let labels = labels(&point, &attributes);
                    let value = value(&point);
                    let time = point.time_unix_nano / 1_000_000;
                    lines.push(format!(
                        "{}{labels} {value} {time} {kind}{shape}",
                        metric.name
                    ));
                }
            }
        }
    }
    assert_eq!(lines.len() as u64, taken.points);
    lines.sort();
    lines
}

/// What the collector makes of a point's and its resource's attributes.
fn labels(point: &NumberDataPoint, resource: &[KeyValue]) -> String {
    let text = |key| otlp::attribute_text(resource, key).map(std::borrow::Cow::into_owned);
    let mut labels = Labels::new();
    labels.extend(text("service.name").map(|job| ("job".to_owned(), job)));
    labels.extend(text("service.instance.id").map(|own| ("instance".to_owned(), own)));
    for attribute in &point.attributes {
        let value = otlp::text(attribute.value.as_ref().unwrap()).into_owned();
        set(&mut labels, &attribute.key, value);
    }
    let pairs: Vec<_> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn value(point: &NumberDataPoint) -> String {
    match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value.to_string(),
        None if point.flags == 1 => "stale".into(),
        ref other => panic!("{other:?}"),
    }
}

fn take(taker: &mut Taker, at: i64, body: &str) -> Taken {
    taker.take(at, Ok(Fetched::of(TEXT, body)), || {
        Duration::from_millis(1500)
    })
}

fn fail(taker: &mut Taker, at: i64) -> Taken {
    taker.take(at, Err("it is down".into()), || Duration::from_secs(1))
}

/// The values of the report.
fn report(taken: &Taken) -> [String; 5] {
    let lines = all_lines(taken);
    REPORT.map(|(name, _)| {
        let start = format!("{name}{{instance=i,job=j}} ");
        let line = lines
            .iter()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap();
        line.split(' ').next().unwrap().to_owned()
    })
}

#[test]
fn samples_keep_name_labels_and_kind_and_get_those_of_the_target() {
    let body = "# HELP a How\n# TYPE a counter\na{z=\"1\",y=\"\"} 5\n# TYPE h histogram\n\
                h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.75\nh_count 2\nplain NaN 1000\n";
    let taken = take(&mut taker(""), 5000, body);
    assert_eq!(
        lines(&taken),
        [
            "a{instance=i,job=j,z=1} 5 5000 counter rises",
            "h_bucket{instance=i,job=j,le=+Inf} 2 5000 histogram rises",
            "h_bucket{instance=i,job=j,le=0.5} 1 5000 histogram rises",
            "h_count{instance=i,job=j} 2 5000 histogram rises",
            "h_sum{instance=i,job=j} 0.75 5000 histogram",
            "plain{instance=i,job=j} NaN 1000 unknown",
        ]
    );
    assert_eq!(report(&taken), ["1", "1.5", "6", "6", "6"]);
    let metadata = taken.metadata.unwrap();
    assert_eq!(
        (metadata[0].metric.as_str(), metadata[0].help.as_str()),
        ("a", "How")
    );
}

#[test]
fn every_value_and_every_bit_of_it_leaves_as_it_came() {
    let body = "a 1e308\nb -0\nc 4.9e-324\nd 9007199254740993\ne +Inf\nf 0.1\n";
    let taken = take(&mut taker(""), 1, body);
    let request = ExportMetricsServiceRequest::decode(taken.requests[0].clone()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let bits = |metric: &otlp::metrics::Metric| match metric.data.as_ref().unwrap() {
        metric::Data::Gauge(gauge) => match gauge.data_points[0].value {
            Some(number_data_point::Value::AsDouble(value)) => value.to_bits(),
            _ => 0,
        },
        _ => 0,
    };
    let found: Vec<u64> = metrics[..6].iter().map(bits).collect();
    let wanted = [
        1e308,
        -0.0,
        4.9e-324,
        9007199254740992.0,
        f64::INFINITY,
        0.1,
    ];
    assert_eq!(found, wanted.map(f64::to_bits));
}

#[test]
fn a_series_that_vanishes_is_stale_once_and_is_new_when_it_is_back() {
    let mut taker = taker("");
    take(&mut taker, 1000, "a 1\nb{x=\"1\"} 2\n");
    let taken = take(&mut taker, 2000, "a 1\n");
    let stale = "b{instance=i,job=j,x=1} stale 2000 unknown";
    assert_eq!(lines(&taken), ["a{instance=i,job=j} 1 2000 unknown", stale]);
    assert_eq!(report(&taken)[2..], ["1", "1", "0"]);
    let taken = take(&mut taker, 3000, "a 1\n");
    assert_eq!(lines(&taken).len(), 1);
    let taken = take(&mut taker, 4000, "a 1\nb{x=\"1\"} 2\n");
    assert_eq!(report(&taken)[4], "1");
    assert_eq!(lines(&taken).len(), 2);
}

#[test]
fn a_scrape_that_fails_ends_all_series_and_the_next_finds_none_new() {
    let mut taker = taker("");
    take(&mut taker, 1000, "a 1\nb 2\n");
    let taken = fail(&mut taker, 2000);
    let stale = ["a", "b"].map(|name| format!("{name}{{instance=i,job=j}} stale 2000 unknown"));
    assert_eq!(lines(&taken), stale);
    assert_eq!(report(&taken), ["0", "1", "0", "0", "0"]);
    assert_eq!(taken.error.as_deref(), Some("it is down"));
    assert_eq!(lines(&fail(&mut taker, 3000)), [] as [String; 0]);
    let taken = take(&mut taker, 4000, "a 1\nb 2\n");
    assert_eq!(report(&taken)[2..], ["2", "2", "0"]);
}

#[test]
fn a_body_with_a_fault_is_nothing_and_what_stood_before_the_fault_ends_too() {
    let mut taker = taker("");
    take(&mut taker, 1000, "a 1\nb 2\n");
    let taken = take(&mut taker, 2000, "a 1\nb} 2\n");
    assert!(
        taken.error.as_deref().unwrap().starts_with("line 2"),
        "{taken:?}"
    );
    assert_eq!(
        lines(&taken)
            .iter()
            .filter(|line| line.contains("stale"))
            .count(),
        2
    );
    assert_eq!(lines(&taken).len(), 2);
    assert_eq!(report(&taken)[0], "0");
    // It is known that they have ended.
    assert_eq!(lines(&fail(&mut taker, 3000)), [] as [String; 0]);
}

#[test]
fn series_with_times_of_their_own_do_not_end_unless_that_is_wanted() {
    let stale = |config: &str| {
        let mut taker = taker(config);
        let first = lines(&take(&mut taker, 5000, "a 1 1000\n"));
        let ended = lines(&take(&mut taker, 6000, "b 1\n"));
        let ended = ended.iter().any(|line| line.contains("stale"));
        (first[0].contains(" 1000 "), ended)
    };
    assert_eq!(stale(""), (true, false));
    assert_eq!(
        stale(r#", "track_timestamps_staleness": true"#),
        (true, true)
    );
    assert_eq!(stale(r#", "honor_timestamps": false"#), (false, true));
}

#[test]
fn labels_of_target_and_body_that_collide_are_kept_apart_or_honored() {
    let body = "a{job=\"below\",instance=\"\",zone=\"x\",exported_zone=\"y\"} 1\n";
    let target = [("job", "j"), ("instance", "i"), ("zone", "z")];
    let first = |config: &str| lines(&take(&mut taker_of(config, &target), 1, body)).remove(0);
    assert_eq!(
        first(""),
        "a{exported_exported_zone=x,exported_job=below,exported_zone=y,instance=i,job=j,zone=z} 1 1 unknown"
    );
    assert_eq!(
        first(r#", "honor_labels": true"#),
        "a{exported_zone=y,job=below,zone=x} 1 1 unknown"
    );
}

#[test]
fn samples_are_relabelled_and_dropped_and_two_that_become_one_are_told() {
    let config = r#", "metric_relabel_configs": [
        {"source_labels": ["__name__"], "regex": "go_.*", "action": "drop"},
        {"source_labels": ["__name__"], "regex": "old_(.*)", "target_label": "__name__", "replacement": "new_$1"},
        {"regex": "pod", "action": "labeldrop"}]"#;
    let mut taker = taker(config);
    let body = "go_x 1\nold_a{pod=\"1\"} 2\nold_a{pod=\"2\"} 3\n";
    for at in [1000, 2000] {
        let taken = take(&mut taker, at, body);
        assert_eq!(
            lines(&taken),
            [format!("new_a{{instance=i,job=j}} 2 {at} unknown")]
        );
        assert_eq!(report(&taken)[2..4], ["3", "2"]);
        assert_eq!(taken.left_out["duplicate"], 1);
    }
    // One of the two goes on.
    let taken = take(&mut taker, 3000, "old_a{pod=\"2\"} 3\n");
    assert_eq!(lines(&taken), ["new_a{instance=i,job=j} 3 3000 unknown"]);
}

#[test]
fn what_is_beyond_a_limit_fails_the_scrape_and_tells_which() {
    let body = "a{b=\"c\"} 1\nlong{label_name=\"label value\"} 2\n";
    let error = |config: &str| take(&mut taker(config), 1, body).error.unwrap_or_default();
    for key in [
        "sample_limit",
        "label_name_length_limit",
        "label_value_length_limit",
    ] {
        assert!(error(&format!(r#", "{key}": 1"#)).contains(key), "{key}");
        assert_eq!(error(&format!(r#", "{key}": 20"#)), "", "{key}");
    }
    assert!(error(r#", "label_limit": 3"#).contains("label_limit"));
    assert_eq!(error(r#", "label_limit": 4"#), "");
    assert!(error(r#", "body_size_limit": 10"#).contains("at most 10"));
    // All are counted although one is too much.
    let taken = take(&mut taker(r#", "sample_limit": 1"#), 1, body);
    assert_eq!(report(&taken)[2..4], ["2", "2"]);
    assert_eq!(lines(&taken).len(), 0);
}

#[test]
fn a_body_that_does_not_say_what_it_is_needs_a_fallback() {
    let page = |config: &str, content_type: &str| {
        let fetched = Fetched::of(content_type, "a 1\n");
        taker(config).take(1, Ok(fetched), Duration::default).error
    };
    assert!(
        page("", "text/html")
            .unwrap()
            .contains("fallback_scrape_protocol")
    );
    let fallback = r#", "fallback_scrape_protocol": "PrometheusText0.0.4""#;
    assert_eq!(page(fallback, "text/html"), None);
}

#[test]
fn times_far_ahead_and_times_before_1970_are_left_out_and_told() {
    let at = 1_000_000;
    let body = format!(
        "a 1 {}\nb 2 -5\nc 3 {}\n",
        at + AHEAD_MAX + 1,
        at + AHEAD_MAX
    );
    let taken = take(&mut taker(""), at, &body);
    assert_eq!(lines(&taken).len(), 1);
    assert_eq!(taken.left_out["time"], 2);
    assert_eq!(taken.error, None);
}

#[test]
fn a_target_that_is_gone_ends_with_its_report() {
    let mut taker = taker("");
    take(&mut taker, 1000, "a 1\n");
    let taken = taker.end(2000);
    let ended = all_lines(&taken);
    assert_eq!(ended.len(), 6);
    assert!(
        ended.iter().all(|line| line.contains(" stale 2000 ")),
        "{ended:?}"
    );
}

#[test]
fn open_metrics_gives_starts_exemplars_and_kinds() {
    let body = "# TYPE a counter\n# UNIT a_seconds seconds\n# TYPE a_seconds counter\n\
                a_seconds_total 3 # {trace_id=\"0123456789abcdef0123456789abcdef\",x=\"y\"} 0.5\n\
                a_seconds_created 1.5\n# EOF\n";
    let mut taker = taker("");
    let taken = taker.take(9000, Ok(Fetched::of(OPEN_METRICS, body)), Duration::default);
    assert_eq!(taken.error, None);
    assert_eq!(
        lines(&taken),
        [
            "a_seconds_created{instance=i,job=j} 1.5 9000 counter",
            "a_seconds_total{instance=i,job=j} 3 9000 counter rises"
        ]
    );
    let request = ExportMetricsServiceRequest::decode(taken.requests[0].clone()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let total = metrics
        .iter()
        .find(|metric| metric.name == "a_seconds_total")
        .unwrap();
    assert_eq!(total.unit, "seconds");
    let Some(metric::Data::Sum(sum)) = &total.data else {
        panic!("{total:?}")
    };
    let point = &sum.data_points[0];
    assert_eq!(point.start_time_unix_nano, 1_500_000_000);
    assert_eq!(point.exemplars[0].trace_id[..2], [0x01, 0x23]);
    assert_eq!(point.exemplars[0].filtered_attributes[0].key, "x");
}

#[test]
fn a_large_scrape_leaves_in_requests_that_are_small_enough() {
    let body: String = (0..30_000)
        .map(|n| format!("a_metric_with_a_name{{label=\"value\",number=\"{n}\"}} {n}\n"))
        .collect();
    let taken = take(&mut taker(""), 1000, &body);
    assert_eq!(lines(&taken).len(), 30_000);
    assert!(taken.requests.len() > 1);
    assert!(
        taken
            .requests
            .iter()
            .all(|request| request.len() < (1 << 20) + (64 << 10))
    );
}

#[test]
fn what_a_target_invents_anew_each_time_is_forgotten_even_if_all_scrapes_fail() {
    let mut taker = taker(r#", "sample_limit": 1"#);
    for round in 1..20 {
        let body: String = (0..1000)
            .map(|n| format!("a{{n=\"{round}.{n}\"}} 1\n"))
            .collect();
        assert!(take(&mut taker, round, &body).error.is_some());
        assert!(taker.series.remembered() < 5000);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    /// Whatever a target says, scrape after scrape: each series has a sample or a stale marker
    /// when it vanishes, never both, and never twice at one time.
    #[test]
    fn each_series_is_there_or_ends_once(
        scrapes in proptest::collection::vec(
            proptest::option::weighted(0.8, proptest::collection::btree_set(0..6_u8, 0..6)), 1..12)
    ) {
        let mut taker = taker("");
        let mut before = std::collections::BTreeSet::new();
        for (at, scrape) in scrapes.iter().enumerate() {
            let at = at as i64 + 1;
            let taken = match scrape {
                Some(series) => {
                    let body: String = series.iter().map(|n| format!("s{{n=\"{n}\"}} {at}\n")).collect();
                    take(&mut taker, at, &body)
                }
                None => fail(&mut taker, at),
            };
            let now = scrape.clone().unwrap_or_default();
            let line = |n: &u8, value: String| format!("s{{instance=i,job=j,n={n}}} {value} {at} unknown");
            let mut wanted: Vec<_> = now.iter().map(|n| line(n, at.to_string())).collect();
            wanted.extend(before.difference(&now).map(|n| line(n, "stale".into())));
            wanted.sort();
            proptest::prop_assert_eq!(lines(&taken), wanted);
            before = now;
        }
    }
}
