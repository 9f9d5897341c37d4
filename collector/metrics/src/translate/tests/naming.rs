//! What metrics and labels are called.

use crate::Config;
use crate::testing::*;
use crate::translate::names;
use crate::translate::units::suffixes;
use crate::translate::wire::Kind;
use sonde_proto::Tenant;
use sonde_proto::otlp::any_kv;
use sonde_proto::otlp::common::any_value::Value;
use sonde_proto::otlp::metrics::Metric;

#[test]
fn a_metrics_name_gets_its_unit_and_kind() {
    let cases = [
        (
            "http.server.duration",
            "s",
            Kind::Histogram,
            "http_server_duration_seconds",
        ),
        (
            "http_server_duration_seconds",
            "s",
            Kind::Histogram,
            "http_server_duration_seconds",
        ),
        ("requests", "", Kind::Counter, "requests_total"),
        ("requests", "1", Kind::Counter, "requests_total"),
        ("requests_total", "", Kind::Counter, "requests_total"),
        (
            "total.requests",
            "{request}",
            Kind::Counter,
            "requests_total",
        ),
        ("cpu.utilization", "1", Kind::Gauge, "cpu_utilization_ratio"),
        ("cpu.ratio", "1", Kind::Gauge, "cpu_ratio"),
        ("queue.length", "1", Kind::UpDown, "queue_length"),
        ("queue.length", "{item}", Kind::UpDown, "queue_length"),
        ("disk.io", "By", Kind::Counter, "disk_io_bytes_total"),
        ("disk.io", "By/s", Kind::Gauge, "disk_io_bytes_per_second"),
        ("speed", "m/s", Kind::Gauge, "speed_meters_per_second"),
        ("speed", "{packet}/s", Kind::Gauge, "speed_per_second"),
        ("fan", "rpm", Kind::Gauge, "fan_rpm"),
        ("a b--c", "", Kind::Gauge, "a_b_c"),
        ("node:cpu:rate5m", "", Kind::Gauge, "node:cpu:rate5m"),
        ("1st", "", Kind::Gauge, "_1st"),
        ("température", "Cel", Kind::Gauge, "temp_rature_celsius"),
        // Names that Prometheus itself takes come back as they are.
        ("_up__x_", "", Kind::Gauge, "_up__x_"),
    ];
    for (name, unit, kind, wanted) in cases {
        assert_eq!(names::metric(name, unit, kind), wanted, "{name} in {unit}");
    }
}

#[test]
fn units_become_words() {
    let cases = [
        ("s", "seconds", ""),
        ("ms", "milliseconds", ""),
        ("MiBy", "mebibytes", ""),
        ("KBy/h", "kilobytes", "hour"),
        ("%", "percent", ""),
        ("1", "", ""),
        ("", "", ""),
        (" By ", "bytes", ""),
        ("{a}/{b}", "", ""),
        ("foo/bar/baz", "foo", "bar_baz"),
        ("1/mo", "", "month"),
        ("__x__", "x", ""),
    ];
    for (unit, main, per) in cases {
        assert_eq!(suffixes(unit), (main.into(), per.into()), "{unit}");
    }
}

#[test]
fn a_labels_name_is_escaped() {
    for (name, wanted) in [
        ("http.method", "http_method"),
        ("a-b c", "a_b_c"),
        ("0day", "key_0day"),
        ("_private", "key_private"),
        ("__reserved__", "__reserved__"),
        ("größe", "gr__e"),
        ("ok_9", "ok_9"),
    ] {
        assert_eq!(names::label(name), wanted);
    }
}

#[test]
fn the_resource_gives_job_and_instance_and_what_is_promoted() {
    let bed = Bed::new(&Config::default());
    let resource = [
        ("service.name", "cart"),
        ("service.namespace", "shop"),
        ("service.instance.id", "i-1"),
        ("k8s.pod.name", "cart-7d"),
        ("os.type", "linux"),
    ];
    bed.send(
        &resource,
        vec![gauge(
            "up",
            vec![point(&[("zone", "a"), ("job", "mine")], 0, 1.0)],
        )],
    );
    let wanted = r#"{__name__="up", instance="i-1", job="shop/cart", k8s_pod_name="cart-7d", service_name="cart", service_namespace="shop", zone="a"}"#;
    assert_eq!(bed.matching("up")[0].0, wanted);
    let target = r#"{__name__="target_info", instance="i-1", job="shop/cart", k8s_pod_name="cart-7d", os_type="linux"}"#;
    assert_eq!(
        bed.matching("target_info"),
        [(target.to_owned(), vec![(0, 1.0)])]
    );
}

#[test]
fn a_resource_that_says_only_who_it_is_has_no_target_info() {
    let bed = Bed::new(&Config::default());
    let metric = || vec![gauge("up", vec![point(&[], 0, 1.0)])];
    bed.send(&[("service.name", "cart")], metric());
    bed.send(&[("os.type", "linux")], metric());
    assert!(bed.matching("target_info").is_empty());
}

#[test]
fn target_info_is_written_once_for_the_newest_point_of_a_request() {
    let bed = Bed::new(&Config::default());
    let resource = [("service.name", "cart"), ("os.type", "linux")];
    let metrics = |times: &[i64]| {
        let points = times.iter().map(|t| point(&[], *t, 1.0)).collect();
        vec![gauge("up", points)]
    };
    bed.send(&resource, metrics(&[0, 1000, 500]));
    bed.send(&resource, metrics(&[1000]));
    bed.send(&resource, metrics(&[3000]));
    assert_eq!(bed.samples("target_info"), [(1000, 1.0), (3000, 1.0)]);
}

#[test]
fn attributes_of_one_label_name_are_joined_and_empty_ones_left_out() {
    let bed = Bed::new(&Config::default());
    let attributes = [
        ("a.b", "2"),
        ("a-b", "1"),
        ("a_b", "3"),
        ("empty", ""),
        ("__name__", "other"),
        ("", "nameless"),
    ];
    bed.send(&[], vec![gauge("m", vec![point(&attributes, 0, 1.0)])]);
    assert_eq!(
        bed.all(),
        [(r#"{__name__="m", a_b="1;2;3"}"#.to_owned(), vec![(0, 1.0)])]
    );
}

#[test]
fn values_of_other_types_are_written_out() {
    let bed = Bed::new(&Config::default());
    let mut one = point(&[], 0, 1.0);
    one.attributes = vec![
        any_kv("n", Value::IntValue(7)),
        any_kv("b", Value::BoolValue(true)),
        any_kv("f", Value::DoubleValue(1.5)),
    ];
    bed.send(&[], vec![gauge("m", vec![one])]);
    assert_eq!(
        bed.all()[0].0,
        r#"{__name__="m", b="true", f="1.5", n="7"}"#
    );
}

#[test]
fn equal_label_sets_are_one_series_however_they_were_written() {
    let bed = Bed::new(&Config::default());
    let first = point(&[("a", "1"), ("b", "2")], 0, 1.0);
    let second = point(&[("b", "2"), ("a", "1")], 1000, 2.0);
    bed.send(&[], vec![gauge("m", vec![first])]);
    bed.send(&[("ignored", "x")], vec![gauge("m", vec![second])]);
    assert_eq!(bed.samples("m"), [(0, 1.0), (1000, 2.0)]);
}

#[test]
fn metadata_says_what_a_metric_means_and_is_bounded() {
    let config = Config {
        metadata_max: 2,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    let described = Metric {
        description: "é".repeat(600),
        unit: "s".into(),
        ..counter("work", CUMULATIVE, vec![point(&[], 0, 1.0)])
    };
    let long = "x".repeat(2000);
    bed.send(
        &[],
        vec![
            gauge(&long, vec![point(&[], 0, 1.0)]),
            described,
            gauge("b", vec![point(&[], 0, 1.0)]),
            gauge("c", vec![point(&[], 0, 1.0)]),
        ],
    );
    let known = bed.store.metadata(&Tenant::default());
    let names: Vec<&str> = known.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["b", "work_seconds_total"]);
    assert_eq!((known[1].kind, known[1].unit.as_str()), ("counter", "s"));
    assert_eq!(known[1].help.len(), 512);
    assert!(
        bed.store
            .metadata(&Tenant::new("other").unwrap())
            .is_empty()
    );
}

#[test]
fn one_name_with_two_types_keeps_both_meanings_the_first_first_and_is_counted() {
    let bed = Bed::new(&Config::default());
    let of = |kind: &str, unit: &str, after| {
        let points = vec![point(&[("of", kind)], after, 1.0)];
        let metric = match kind {
            "gauge" => gauge("work_total", points),
            _ => counter("work", CUMULATIVE, points),
        };
        Metric {
            unit: unit.into(),
            description: format!("{kind} {after}"),
            ..metric
        }
    };
    bed.send(&[], vec![of("counter", "", 0)]);
    bed.send(&[], vec![of("gauge", "", 0)]);
    bed.send(&[("service.name", "b")], vec![of("counter", "", 1)]);
    let known = bed.store.metadata(&Tenant::default());
    let found: Vec<_> = known
        .iter()
        .map(|m| (m.name.as_str(), m.kind, m.help.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("work_total", "counter", "counter 1"),
            ("work_total", "gauge", "gauge 0")
        ]
    );
    assert_eq!(bed.store.conflicts(), 1);
    assert_eq!(bed.matching("work_total").len(), 3);
}
