//! What was scraped keeps its names.

use crate::testing::*;
use crate::{Config, is_stale};
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::{Metric, NumberDataPoint};

fn scraped(kind: &str, metric: Metric) -> Metric {
    Metric {
        metadata: vec![kv("receiver", "x"), kv("prometheus.type", kind)],
        ..metric
    }
}

#[test]
fn names_and_labels_of_what_was_scraped_are_kept_letter_by_letter() {
    let bed = Bed::new(&Config::default());
    let labels = [("a.b", "1"), ("_x", "2"), ("0", "3"), ("none", "")];
    let requests = Metric {
        unit: "s".into(),
        description: "How many".into(),
        ..counter("requests.seen", CUMULATIVE, vec![point(&labels, 0, 1.0)])
    };
    let resource = [
        ("service.name", "api"),
        ("service.instance.id", "h:1"),
        ("host.name", "h"),
    ];
    bed.send(&resource, vec![scraped("counter", requests)]);
    let found = bed.matching(r#"{"requests.seen"}"#);
    let wanted = r#"{0="3", __name__="requests.seen", _x="2", a.b="1", instance="h:1", job="api"}"#;
    assert_eq!(found, [(wanted.to_owned(), vec![(0, 1.0)])]);
}

#[test]
fn an_attribute_says_better_than_the_resource_whose_series_it_is() {
    let bed = Bed::new(&Config::default());
    let points = vec![
        point(&[("job", "below"), ("instance", "")], 0, 1.0),
        point(&[("z", "1")], 0, 2.0),
    ];
    let resource = [("service.name", "above"), ("service.instance.id", "h:1")];
    bed.send(&resource, vec![scraped("unknown", gauge("m", points))]);
    let values = |selector: &str| {
        let all = bed.matching(selector);
        all.into_iter()
            .map(|(_, samples)| samples[0].1)
            .collect::<Vec<_>>()
    };
    assert_eq!(values(r#"m{job="below",instance=""}"#), [1.0]);
    assert_eq!(values(r#"m{job="above",instance="h:1",z="1"}"#), [2.0]);
}

#[test]
fn a_point_without_a_value_ends_what_was_scraped_and_kinds_are_told_of_the_whole() {
    let bed = Bed::new(&Config::default());
    let ended = NumberDataPoint {
        value: None,
        flags: 1,
        ..point(&[("le", "+Inf")], 1, 0.0)
    };
    let buckets = counter(
        "h_bucket",
        CUMULATIVE,
        vec![point(&[("le", "+Inf")], 0, 4.0), ended],
    );
    bed.send(&[], vec![scraped("histogram", buckets)]);
    let samples = bed.samples("h_bucket");
    assert_eq!(samples[0], (0, 4.0));
    assert!(is_stale(samples[1].1));
    let told = bed.store.metadata(&sonde_proto::Tenant::default());
    let told: Vec<_> = told.iter().map(|m| (m.name.as_str(), m.kind)).collect();
    assert_eq!(told, [("h", "histogram")]);
}
