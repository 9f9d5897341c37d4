//! Headers as Prometheus, its clients and others send them.

use super::{Answer, Format, FormatError, Protocol, accept, format_of, negotiate};
use crate::names::Escaping;
use proptest::prelude::*;

#[test]
fn a_content_type_names_the_format() {
    let check =
        |header, expected| assert_eq!(format_of(Some(header), None), Ok(expected), "{header}");
    check("text/plain", Format::Text);
    check("text/plain; version=0.0.4; charset=utf-8", Format::Text);
    check("Text/Plain;version=1.0.0;escaping=values", Format::Text);
    check(
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Format::OpenMetrics,
    );
    check(
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        Format::Protobuf,
    );
    check("application/vnd.google.protobuf", Format::Protobuf);
}

#[test]
fn what_is_not_known_falls_back_or_is_refused() {
    let html = Some("text/html; charset=utf-8");
    assert_eq!(format_of(html, Some(Format::Text)), Ok(Format::Text));
    assert_eq!(
        format_of(html, None),
        Err(FormatError::Unknown("text/html; charset=utf-8".to_owned()))
    );
    assert_eq!(format_of(None, None), Err(FormatError::Missing));
    assert_eq!(
        format_of(Some(" "), Some(Format::OpenMetrics)),
        Ok(Format::OpenMetrics)
    );
    let text_protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text";
    assert!(format_of(Some(text_protobuf), None).is_err());
}

#[test]
fn a_scrape_asks_in_order_of_liking() {
    let all = [
        Protocol::Protobuf,
        Protocol::OpenMetrics1,
        Protocol::OpenMetrics0,
        Protocol::Text1,
        Protocol::Text0,
    ];
    assert_eq!(
        accept(&all, Escaping::Utf8),
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         application/openmetrics-text;version=0.0.1;q=0.4,\
         text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
         text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    );
    assert_eq!(
        negotiate(Some(&accept(&all[1..], Escaping::Utf8))),
        Answer {
            protocol: Protocol::OpenMetrics1,
            escaping: Escaping::Utf8
        }
    );
}

#[test]
fn the_dearest_that_can_be_written_is_answered() {
    let check = |header, protocol, escaping| {
        assert_eq!(
            negotiate(header),
            Answer { protocol, escaping },
            "{header:?}"
        );
    };
    let underscores = Escaping::Underscores;
    check(None, Protocol::Text0, underscores);
    check(Some("*/*"), Protocol::Text0, underscores);
    check(
        Some("text/html,application/xml;q=0.9,*/*;q=0.8"),
        Protocol::Text0,
        underscores,
    );
    check(
        Some("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.9"),
        Protocol::OpenMetrics1,
        underscores,
    );
    check(
        Some(
            "application/openmetrics-text;version=9.9.9,text/plain;version=1.0.0;escaping=dots;q=0.1",
        ),
        Protocol::Text1,
        Escaping::Dots,
    );
    check(
        Some("application/vnd.google.protobuf"),
        Protocol::Text0,
        underscores,
    );
    check(
        Some("application/openmetrics-text;q=0"),
        Protocol::Text0,
        underscores,
    );
}

#[test]
fn an_answer_says_what_it_is() {
    let answer = negotiate(Some(
        "application/openmetrics-text;version=1.0.0;escaping=values",
    ));
    assert_eq!(
        answer.content_type(),
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"
    );
    assert_eq!(
        negotiate(None).content_type(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_header_is_answered(header in "([a-z/*=.;,\" 0-9-]|text/plain|q=|version=){0,12}") {
        let answer = negotiate(Some(&header));
        prop_assert_eq!(
            format_of(Some(&answer.content_type()), None),
            Ok(answer.protocol.format())
        );
    }
}
