//! The measure against prost: the same bytes accepted, the size as it really is.

mod heap;

use super::*;
use crate::otlp::logs_service::ExportLogsServiceRequest;
use crate::otlp::metrics_service::ExportMetricsServiceRequest;
use crate::otlp::trace_service::ExportTraceServiceRequest;
use crate::otlp::{common, logs, metrics, resource, trace};
use crate::walk::shape::NUMBER_MAX;
use heap::Heap;
use proptest::prelude::*;
use prost::Message;
use prost::encoding::encode_varint;

/// Prost and the measure accept the same; the size is at least half of what is there, and
/// exact for what prost itself writes.
fn check<T: Message + Default + Heap>(shape: &'static Shape, bytes: &[u8]) {
    let (decoded, size) = match (T::decode(bytes), of(shape, bytes)) {
        (Ok(decoded), Ok(size)) => (decoded, size),
        (Err(_), Err(error)) => return assert!(error.offset <= bytes.len(), "{error}"),
        (decoded, size) => panic!(
            "prost: {:?}\nmeasure: {size:?}\nbytes: {bytes:02x?}",
            decoded.map(|_| "accepted")
        ),
    };
    assert!(size.decoded_bytes >= decoded.heap() / 2, "{bytes:02x?}");
    let plain = decoded.encode_to_vec();
    let again = T::decode(plain.as_slice()).unwrap();
    assert_eq!(
        of(shape, &plain).unwrap().decoded_bytes,
        again.heap(),
        "{plain:02x?}"
    );
}

fn check_request(signal: Signal, bytes: &[u8]) {
    match signal {
        Signal::Logs => check::<ExportLogsServiceRequest>(&shape::LOGS_REQUEST, bytes),
        Signal::Spans => check::<ExportTraceServiceRequest>(&shape::TRACE_REQUEST, bytes),
        Signal::Metrics => check::<ExportMetricsServiceRequest>(&shape::METRICS_REQUEST, bytes),
    }
}

/// Bytes from which decisions are drawn, one each; zeros when they are used up.
struct Draw<'a>(std::slice::Iter<'a, u8>);

impl Draw<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn number(&mut self) -> u64 {
        u64::from(self.next()) << (self.next() % 57)
    }
}

fn put_key(out: &mut Vec<u8>, number: u8, kind: u8) {
    encode_varint(u64::from(number) << 3 | u64::from(kind), out);
}

fn put_len(out: &mut Vec<u8>, number: u8, inside: &[u8]) {
    put_key(out, number, 2);
    encode_varint(inside.len() as u64, out);
    out.extend_from_slice(inside);
}

/// A message of that shape with fields as drawn: any order, any repetition, packed or not.
fn write(draw: &mut Draw<'_>, shape: &Shape, depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let is_known = |number: &u8| !matches!(shape.field(u32::from(*number)).0, Field::Unknown);
    let known: Vec<u8> = (1..=NUMBER_MAX as u8).filter(is_known).collect();
    for _ in 0..=draw.next() % 12 {
        if draw.0.len() == 0 {
            break;
        }
        let unknown = NUMBER_MAX as u8 + 1;
        let at = usize::from(draw.next()) % (known.len() * 8 + 1);
        let number = known.get(at / 8).copied().unwrap_or(unknown);
        match shape.field(u32::from(number)).0 {
            Field::Varint => {
                put_key(&mut out, number, 0);
                encode_varint(draw.number(), &mut out);
            }
            Field::Fixed64 => {
                put_key(&mut out, number, 1);
                out.extend(draw.number().to_le_bytes());
            }
            Field::Fixed32 => {
                put_key(&mut out, number, 5);
                out.extend([draw.next(); 4]);
            }
            Field::Text | Field::Texts | Field::Bytes | Field::TraceId | Field::SpanId => {
                let text = "é€ some text of some length".repeat(2);
                let len = text.floor_char_boundary(usize::from(draw.next() % 50));
                put_len(&mut out, number, &text.as_bytes()[..len]);
            }
            Field::Pairs(_) if draw.next().is_multiple_of(2) => {
                let of = |length: u8| "x".repeat(usize::from(length));
                let pair = crate::otlp::kv(&of(draw.next() % 40), of(draw.next()));
                put_len(&mut out, number, &pair.encode_to_vec());
            }
            Field::Message(inner)
            | Field::Messages(inner)
            | Field::Records(inner)
            | Field::Spans(inner)
            | Field::Pairs(inner) => {
                if depth > 0 {
                    let inside = write(draw, inner, depth - 1);
                    put_len(&mut out, number, &inside);
                }
            }
            Field::Fixed64s | Field::Varints if draw.next().is_multiple_of(2) => {
                let len = usize::from(draw.next() % 5) * 8;
                put_len(&mut out, number, &vec![draw.next() & 0x7f; len]);
            }
            Field::Fixed64s => {
                put_key(&mut out, number, 1);
                out.extend(draw.number().to_le_bytes());
            }
            Field::Varints => {
                put_key(&mut out, number, 0);
                encode_varint(draw.number(), &mut out);
            }
            Field::Unknown => put_len(&mut out, number, &[draw.next(); 3]),
        }
    }
    out
}

fn request(signal: Signal, drawn: &[u8]) -> Vec<u8> {
    let shape = match signal {
        Signal::Logs => &shape::LOGS_REQUEST,
        Signal::Spans => &shape::TRACE_REQUEST,
        Signal::Metrics => &shape::METRICS_REQUEST,
    };
    write(&mut Draw(drawn.iter()), shape, 12)
}

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(Signal::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn requests_are_accepted_and_their_size_is_right(
        signal in signal(), drawn in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = request(signal, &drawn);
        prop_assert!(measure(signal, &bytes).is_ok(), "{bytes:02x?}");
        check_request(signal, &bytes);
    }

    #[test]
    fn two_requests_joined_are_one(
        signal in signal(),
        a in proptest::collection::vec(any::<u8>(), 0..300),
        b in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        check_request(signal, &[request(signal, &a), request(signal, &b)].concat());
    }

    #[test]
    fn messages_of_every_kind_are_measured_alike(
        drawn in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let draw = || Draw(drawn.iter());
        check::<trace::Span>(&shape::SPAN, &write(&mut draw(), &shape::SPAN, 5));
        check::<metrics::Metric>(&shape::METRIC, &write(&mut draw(), &shape::METRIC, 5));
        check::<metrics::HistogramDataPoint>(
            &shape::HISTOGRAM_POINT, &write(&mut draw(), &shape::HISTOGRAM_POINT, 5));
        check::<metrics::ExponentialHistogramDataPoint>(
            &shape::EXPONENTIAL_POINT, &write(&mut draw(), &shape::EXPONENTIAL_POINT, 5));
        check::<metrics::SummaryDataPoint>(
            &shape::SUMMARY_POINT, &write(&mut draw(), &shape::SUMMARY_POINT, 5));
        check::<resource::Resource>(&shape::RESOURCE, &write(&mut draw(), &shape::RESOURCE, 5));
        check::<common::AnyValue>(&shape::ANY_VALUE, &write(&mut draw(), &shape::ANY_VALUE, 12));
    }

    #[test]
    fn damaged_requests_are_judged_alike(
        signal in signal(),
        drawn in proptest::collection::vec(any::<u8>(), 0..300),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut bytes = request(signal, &drawn);
        for (at, byte, how) in damage {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        check_request(signal, &bytes);
    }

    #[test]
    fn arbitrary_bytes_are_judged_alike(
        signal in signal(),
        bytes in proptest::collection::vec(prop_oneof![0..0x40_u8, any::<u8>()], 0..64),
    ) {
        check_request(signal, &bytes);
    }
}

/// Every field number with every wire type, holding text, no text, a message, numbers.
fn check_fields<T: Message + Default + Heap>(shape: &'static Shape) {
    assert_eq!(shape.size, size_of::<T>());
    let insides: [&[u8]; 8] = [
        b"",
        b"eighteen",
        b"\xff",
        b"\x80\x80\x80\x80\x80\x80\x80\x80",
        b"\x00\x00\x00",
        b"\x0a\x00",
        b"\x0a\x01\xff",
        b"\x08\x01",
    ];
    for number in 1..=NUMBER_MAX as u8 + 3 {
        for inside in insides {
            let mut bytes = Vec::new();
            put_len(&mut bytes, number, inside);
            check::<T>(shape, &bytes);
            check::<T>(shape, &bytes.repeat(2));
            check::<T>(shape, &bytes.repeat(9));
        }
        for (kind, value) in [(0, 1), (1, 8), (3, 0), (4, 0), (5, 4), (6, 0)] {
            let mut bytes = Vec::new();
            put_key(&mut bytes, number, kind);
            bytes.extend(std::iter::repeat_n(0, value));
            check::<T>(shape, &bytes);
            put_key(&mut bytes, number, 4);
            check::<T>(shape, &bytes);
        }
    }
}

#[test]
fn every_field_of_every_message_is_in_the_tables() {
    check_fields::<ExportLogsServiceRequest>(&shape::LOGS_REQUEST);
    check_fields::<logs::ResourceLogs>(&shape::RESOURCE_LOGS);
    check_fields::<logs::ScopeLogs>(&shape::SCOPE_LOGS);
    check_fields::<logs::LogRecord>(&shape::LOG_RECORD);
    check_fields::<ExportTraceServiceRequest>(&shape::TRACE_REQUEST);
    check_fields::<trace::ResourceSpans>(&shape::RESOURCE_SPANS);
    check_fields::<trace::ScopeSpans>(&shape::SCOPE_SPANS);
    check_fields::<trace::Span>(&shape::SPAN);
    check_fields::<trace::span::Event>(&shape::EVENT);
    check_fields::<trace::span::Link>(&shape::LINK);
    check_fields::<trace::Status>(&shape::STATUS);
    check_fields::<ExportMetricsServiceRequest>(&shape::METRICS_REQUEST);
    check_fields::<metrics::ResourceMetrics>(&shape::RESOURCE_METRICS);
    check_fields::<metrics::ScopeMetrics>(&shape::SCOPE_METRICS);
    check_fields::<metrics::Metric>(&shape::METRIC);
    check_fields::<metrics::Gauge>(&shape::GAUGE);
    check_fields::<metrics::Sum>(&shape::SUM);
    check_fields::<metrics::Histogram>(&shape::HISTOGRAM);
    check_fields::<metrics::ExponentialHistogram>(&shape::EXPONENTIAL_HISTOGRAM);
    check_fields::<metrics::Summary>(&shape::SUMMARY);
    check_fields::<metrics::NumberDataPoint>(&shape::NUMBER_POINT);
    check_fields::<metrics::HistogramDataPoint>(&shape::HISTOGRAM_POINT);
    check_fields::<metrics::ExponentialHistogramDataPoint>(&shape::EXPONENTIAL_POINT);
    check_fields::<metrics::exponential_histogram_data_point::Buckets>(&shape::BUCKETS);
    check_fields::<metrics::SummaryDataPoint>(&shape::SUMMARY_POINT);
    check_fields::<metrics::summary_data_point::ValueAtQuantile>(&shape::QUANTILE);
    check_fields::<metrics::Exemplar>(&shape::EXEMPLAR);
    check_fields::<resource::Resource>(&shape::RESOURCE);
    check_fields::<common::EntityRef>(&shape::ENTITY_REF);
    check_fields::<common::InstrumentationScope>(&shape::SCOPE);
    check_fields::<common::KeyValue>(&shape::KEY_VALUE);
    check_fields::<common::AnyValue>(&shape::ANY_VALUE);
    check_fields::<common::ArrayValue>(&shape::ARRAY_VALUE);
    check_fields::<common::KeyValueList>(&shape::KEY_VALUE_LIST);
}

/// That message inside lists, `depth` times.
fn nested(depth: usize, innermost: &[u8]) -> Vec<u8> {
    let mut value = innermost.to_vec();
    for _ in 0..depth {
        let mut list = Vec::new();
        put_len(&mut list, 1, &value);
        value.clear();
        put_len(&mut value, 5, &list);
    }
    value
}

#[test]
fn nesting_is_followed_exactly_as_deep_as_prost_does() {
    for depth in 40..60 {
        for innermost in [&b""[..], b"\x0a\x01a", b"\x7a\x01a", b"\x7b\x7c"] {
            check::<common::AnyValue>(&shape::ANY_VALUE, &nested(depth, innermost));
        }
        let group = [vec![0x7b; depth * 2], vec![0x7c; depth * 2]].concat();
        check::<trace::Span>(&shape::SPAN, &group);
    }
    assert!(of(&shape::ANY_VALUE, &nested(5_000, b"")).is_err());
    assert!(measure(Signal::Spans, &vec![0x7b; 1 << 20]).is_err());
}

#[test]
fn records_are_counted_where_they_are() {
    let points = |n| vec![metrics::NumberDataPoint::default(); n];
    let metric = |data| metrics::Metric {
        data: Some(data),
        ..Default::default()
    };
    let metrics = vec![
        metric(metrics::metric::Data::Gauge(metrics::Gauge {
            data_points: points(3),
        })),
        metric(metrics::metric::Data::Sum(metrics::Sum {
            data_points: points(2),
            ..Default::default()
        })),
        metric(metrics::metric::Data::Histogram(metrics::Histogram {
            data_points: vec![metrics::HistogramDataPoint {
                exemplars: vec![metrics::Exemplar::default(); 4],
                ..Default::default()
            }],
            ..Default::default()
        })),
        metric(metrics::metric::Data::ExponentialHistogram(
            metrics::ExponentialHistogram {
                data_points: vec![metrics::ExponentialHistogramDataPoint::default(); 5],
                ..Default::default()
            },
        )),
        metric(metrics::metric::Data::Summary(metrics::Summary {
            data_points: vec![metrics::SummaryDataPoint {
                quantile_values: vec![metrics::summary_data_point::ValueAtQuantile::default(); 3],
                ..Default::default()
            }],
        })),
        metrics::Metric::default(),
    ];
    let scope_metrics = vec![metrics::ScopeMetrics {
        metrics,
        ..Default::default()
    }];
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![metrics::ResourceMetrics {
            scope_metrics,
            ..Default::default()
        }],
    };
    let found = measure(Signal::Metrics, &request.encode_to_vec()).unwrap();
    assert_eq!(found.records, 3 + 2 + 1 + 5 + 1);
    assert_eq!(measure(Signal::Spans, b"").unwrap(), Measure::default());
}

#[test]
fn an_error_names_the_byte() {
    let mut span = Vec::new();
    put_len(&mut span, 5, b"ok\xff");
    let mut bytes = span;
    for number in [2, 2, 1] {
        let inside = std::mem::take(&mut bytes);
        put_len(&mut bytes, number, &inside);
    }
    assert_eq!(
        measure(Signal::Spans, &bytes).unwrap_err().to_string(),
        "not a valid OTLP request: a string is not UTF-8 at byte 10"
    );
}

#[test]
fn spans_without_usable_ids_are_counted_once_each() {
    let span = |trace: &[u8], span: &[u8]| trace::Span {
        trace_id: trace.into(),
        span_id: span.into(),
        ..Default::default()
    };
    let spans = vec![
        span(&[1; 16], &[1; 8]),
        span(&[0; 16], &[1; 8]),
        span(&[1; 15], &[]),
        span(&[1; 16], &[0; 8]),
        trace::Span {
            name: "x".repeat(SPAN_BYTES_MAX),
            ..span(&[1; 16], &[1; 8])
        },
    ];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![trace::ResourceSpans {
            scope_spans: vec![trace::ScopeSpans {
                spans,
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    let found = measure(Signal::Spans, &request.encode_to_vec()).unwrap();
    let found = found.unkept;
    let expected = Unkept {
        bad_trace_ids: 2,
        bad_span_ids: 1,
        too_large: 1,
        ..Unkept::default()
    };
    assert_eq!((found, found.count()), (expected, 4));
}
