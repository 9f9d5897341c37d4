//! Instrumentation scopes tell series apart.

use crate::Config;
use crate::telemetry::Reason;
use crate::testing::*;
use prost::Message as _;
use sonde_proto::otlp::common::InstrumentationScope;
use sonde_proto::otlp::metrics::{Metric, ScopeMetrics};
use sonde_proto::{Entry, Signal, Tenant};

/// Applies one request with these scopes of one resource.
fn send(bed: &Bed, scopes: Vec<(InstrumentationScope, &str, Metric)>) {
    let mut request = request(&[("service.name", "shop")], Vec::new());
    let scopes = scopes.into_iter().map(|(scope, url, metric)| ScopeMetrics {
        scope: Some(scope),
        schema_url: url.into(),
        metrics: vec![metric],
    });
    request.resource_metrics[0].scope_metrics = scopes.collect();
    let payload = request.encode_to_vec().into();
    let entry = Entry::otlp(Tenant::default(), Signal::Metrics, NOW, payload);
    bed.store.apply(&[(bed.store.applied_to(), entry)]);
}

fn named(name: &str, version: &str) -> InstrumentationScope {
    InstrumentationScope {
        name: name.into(),
        version: version.into(),
        ..Default::default()
    }
}

fn one(value: f64) -> Metric {
    gauge("m", vec![point(&[("a", "1")], 0, value)])
}

fn two_scopes(config: &Config) -> Bed {
    let bed = Bed::new(config);
    let scopes = vec![
        (named("http", "1.0"), "", one(1.0)),
        (named("grpc", ""), "", one(2.0)),
        (InstrumentationScope::default(), "", one(3.0)),
    ];
    send(&bed, scopes.clone());
    send(&bed, scopes);
    bed
}

#[test]
fn two_scopes_with_a_metric_of_one_name_are_two_series() {
    let bed = two_scopes(&Config::default());
    assert_eq!(
        bed.samples(r#"m{otel_scope_name="http",otel_scope_version="1.0"}"#),
        [(0, 1.0)]
    );
    assert_eq!(
        bed.samples(r#"m{otel_scope_name="grpc",otel_scope_version=""}"#),
        [(0, 2.0)]
    );
    assert_eq!(bed.samples(r#"m{otel_scope_name=""}"#), [(0, 3.0)]);
    assert_eq!(bed.store.refused(Reason::Duplicate), 0);
}

#[test]
fn without_scope_labels_they_share_one_and_what_is_refused_is_counted() {
    let bed = two_scopes(&Config {
        scope_labels: false,
        ..Config::default()
    });
    assert_eq!(bed.samples("m"), [(0, 1.0)]);
    assert_eq!(bed.store.refused(Reason::Duplicate), 4);
}

#[test]
fn what_a_scope_says_of_itself_is_on_its_series() {
    let bed = Bed::new(&Config::default());
    let mut scope = named("http", "");
    scope.attributes = attributes(&[("team.name", "a"), ("name", "b"), ("version", "c")]);
    send(&bed, vec![(scope, "https://s/1", one(1.0))]);
    let found = bed.matching("m");
    assert_eq!(
        found[0].0,
        r#"{__name__="m", a="1", job="shop", otel_scope_name="http", otel_scope_schema_url="https://s/1", otel_scope_team_name="a", service_name="shop"}"#
    );
}
