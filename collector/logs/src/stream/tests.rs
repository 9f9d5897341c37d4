//! Labels and levels of streams.

use super::labels::Cut;
use super::*;
use crate::config::Config;
use prost::Message as _;
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use sonde_proto::walk;

fn stream(config: &Config, attributes: &[(&str, &str)]) -> (Stream, Cut) {
    let request = ExportLogsServiceRequest {
        resource_logs: vec![logs::ResourceLogs {
            resource: Some(Resource {
                attributes: attributes.iter().map(|(k, v)| otlp::kv(k, *v)).collect(),
                ..Default::default()
            }),
            scope_logs: vec![logs::ScopeLogs {
                scope: Some(otlp::common::InstrumentationScope {
                    name: "lib".into(),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let bytes = request.encode_to_vec();
    let logs = walk::logs(&bytes).unwrap();
    let resource = logs.resources().next().unwrap();
    let scope = resource.scopes().next().unwrap().scope;
    LabelRules::new(config).stream(resource.attributes(), &scope)
}

#[test]
fn configured_attributes_become_labels_and_the_rest_is_kept() {
    let (stream, cut) = stream(
        &Config::default(),
        &[
            ("service.name", "pay"),
            ("k8s.pod.name", "pay-1"),
            ("service.version", "7"),
            ("host.name", ""),
        ],
    );
    assert_eq!(
        stream.labels.to_string(),
        r#"{k8s_pod_name="pay-1", service_name="pay"}"#
    );
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert_eq!(
        stream.resource,
        [
            pair("service.version", "7"),
            pair("host.name", ""),
            pair("otel.scope.name", "lib")
        ]
        .into()
    );
    assert_eq!(cut, Cut::default());
    assert_eq!(
        at_level(&stream, Level::Warn, false).labels.get("level"),
        "warn"
    );
}

#[test]
fn too_many_labels_and_attributes_are_bounded_and_counted() {
    let names: Vec<String> = (0..100_000).map(|n| format!("k8s.label.{n}")).collect();
    let attributes: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "v")).collect();
    let config = Config::default();
    let (stream, cut) = stream(&config, &attributes);
    assert_eq!(stream.labels.len() as u64, config.labels_max);
    assert_eq!(stream.resource.len() as u64, config.attributes_max);
    // One more than the attributes: the scope's name found no room either.
    assert_eq!(
        cut.attributes,
        100_001 - config.labels_max - config.attributes_max
    );
}

#[test]
fn a_long_label_value_is_cut_at_a_character() {
    let config = Config {
        label_value_bytes_max: 4,
        ..Config::default()
    };
    let (stream, cut) = stream(&config, &[("service.name", "abcé")]);
    assert_eq!(stream.labels.get("service_name"), "abc");
    assert_eq!(cut.labels, 1);
}

#[test]
fn the_level_comes_from_the_number_then_from_the_text() {
    let check =
        |number, text, expected: &str| assert_eq!(Level::of(number, text).as_str(), expected);
    check(9, "ERROR", "info");
    check(0, "Error", "error");
    check(0, " WARNING ", "warn");
    check(24, "", "fatal");
    check(25, "", "unknown");
    check(-3, "nonsense", "unknown");
}

#[test]
fn pushed_labels_are_labels_under_their_own_names_and_keep_their_level() {
    let config = Config {
        labels: Vec::new(),
        labels_max: 3,
        ..Config::default()
    };
    let pushed = [
        ("service.name", "pay"),
        ("loki.label.app", "x"),
        ("loki.label.level", "ERR"),
        ("loki.label.zone", "z"),
        ("loki.label.service_name", "pay"),
        ("loki.label.more", "1"),
    ];
    let (stream, _) = stream(&config, &pushed);
    assert_eq!(
        stream.labels.to_string(),
        r#"{app="x", level="ERR", service_name="pay", zone="z"}"#
    );
    let error = at_level(&stream, Level::Error, has_level(&stream));
    assert_eq!((error.labels, error.level), (stream.labels, Level::Error));
    let more = ("loki.label.more".to_owned(), "1".to_owned());
    assert!(stream.resource.contains(&more));
}

#[test]
fn a_stream_at_a_level_is_the_same_made_from_any_other_level() {
    for label in [("service.name", "cart"), ("loki.label.level", "own")] {
        let (base, _) = stream(&Config::default(), &[label]);
        let is_set = has_level(&base);
        let warn = at_level(&base, Level::Warn, is_set);
        let error = at_level(&base, Level::Error, is_set);
        assert_eq!(at_level(&error, Level::Warn, is_set), warn);
        assert_eq!(at_level(&warn, Level::Error, is_set), error);
        assert_eq!(warn.labels == error.labels, is_set);
    }
}
