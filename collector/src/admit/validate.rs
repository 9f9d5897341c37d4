//! Whether a payload is the OTLP request that it claims to be, how many records it has,
//! and whether it stays of a bearable size when it is decoded.
//!
//! Two bytes can say "an empty span", which has 270 bytes once decoded: without a bound a
//! few kilobytes of compressed input would cost gigabytes wherever the payload is decoded
//! later. Nothing is decoded here; the payload is walked in place.

use sonde_proto::Signal;
use sonde_proto::walk::{self, Measure};

/// What any request may become, however small it is.
const DECODED_BYTES_ANY: u64 = 64 << 20;
/// What a request may become beyond that for each of its own bytes. Spans with eight
/// attributes become up to 4.5 times as large, data points with four 2.7 times; those with one
/// short attribute up to 11 times, which passes below 20 MiB.
const DECODED_PER_BYTE: u64 = 8;

/// What a request holds: the number of log records, spans or data points, and more.
///
/// # Errors
/// What is wrong with the bytes, where they are no valid request or too much once decoded.
pub(super) fn measured(signal: Signal, payload: &[u8]) -> Result<Measure, String> {
    let measure = walk::measure(signal, payload).map_err(|error| error.to_string())?;
    let allowed = decoded_bytes_max(payload.len());
    if measure.decoded_bytes > allowed {
        return Err(format!(
            "its {} bytes would need {} MiB of memory when decoded, more than the allowed {} MiB; \
             send smaller batches, without empty records or attributes",
            payload.len(),
            measure.decoded_bytes >> 20,
            allowed >> 20,
        ));
    }
    Ok(measure)
}

fn decoded_bytes_max(payload_len: usize) -> u64 {
    DECODED_BYTES_ANY.saturating_add((payload_len as u64).saturating_mul(DECODED_PER_BYTE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use sonde_proto::otlp::metrics::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
    };
    use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
    use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
    use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
    use sonde_proto::otlp::{common, kv};

    /// The largest request, as it is configured unless told otherwise.
    const REQUEST_BYTES: usize = 16 << 20;
    /// Enough of anything harmful.
    const BOMB_BYTES: usize = 4 << 20;

    /// The bytes of a message that holds `inside` in the fields of `path`, outermost first.
    fn within(path: &[u8], inside: Vec<u8>) -> Vec<u8> {
        path.iter().rev().fold(inside, |inside, number| {
            let mut bytes = vec![number << 3 | 2];
            prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
            bytes.extend(inside);
            bytes
        })
    }

    /// `one`, at that path, as often as it fits.
    fn many(path: &[u8], one: &[u8], bytes: usize) -> Vec<u8> {
        within(path, one.repeat((bytes - 64) / one.len()))
    }

    fn bomb(path: &[u8], one: &[u8]) -> Vec<u8> {
        many(path, one, BOMB_BYTES)
    }

    fn records(signal: Signal, payload: &[u8]) -> Result<u64, String> {
        measured(signal, payload).map(|measure| measure.records)
    }

    #[track_caller]
    fn refused(signal: Signal, payload: &[u8]) {
        let reason = records(signal, payload).unwrap_err();
        assert!(reason.contains("MiB of memory when decoded"), "{reason}");
    }

    #[test]
    fn empty_records_are_refused() {
        refused(Signal::Logs, &bomb(&[1, 2], &[0x12, 0]));
        refused(Signal::Spans, &bomb(&[1, 2], &[0x12, 0]));
        for data in [5, 7, 9, 10, 11] {
            refused(Signal::Metrics, &bomb(&[1, 2, 2, data], &[0x0a, 0]));
        }
    }

    #[test]
    fn empty_containers_are_refused() {
        for signal in Signal::ALL {
            refused(signal, &bomb(&[], &[0x0a, 0]));
            refused(signal, &bomb(&[1], &[0x12, 0]));
        }
        refused(Signal::Metrics, &bomb(&[1, 2], &[0x12, 0]));
    }

    #[test]
    fn empty_parts_of_one_span_are_refused() {
        for part in [9, 11, 13] {
            refused(Signal::Spans, &bomb(&[1, 2, 2], &[part << 3 | 2, 0]));
        }
        refused(Signal::Spans, &bomb(&[1, 1], &[0x0a, 0]));
    }

    #[test]
    fn empty_parts_of_one_data_point_are_refused() {
        refused(Signal::Metrics, &bomb(&[1, 2, 2, 5, 1], &[0x3a, 0]));
        refused(Signal::Metrics, &bomb(&[1, 2, 2, 9, 1], &[0x42, 0]));
        refused(Signal::Metrics, &bomb(&[1, 2, 2, 10, 1], &[0x5a, 0]));
    }

    #[test]
    fn lists_in_lists_are_refused() {
        let flat = many(&[1, 2, 2, 9, 2, 5], &[0x0a, 0], REQUEST_BYTES);
        refused(Signal::Spans, &flat);
        let pairs = bomb(&[1, 2, 2, 9, 2, 5], &within(&[1, 5, 1], Vec::new()));
        refused(Signal::Spans, &pairs);
        let deep = [1, 5].repeat(40);
        let deep = bomb(&[1, 2, 2, 9, 2, 5], &within(&deep, Vec::new()));
        refused(Signal::Spans, &deep);
    }

    /// Eight bytes a number are what decoding makes of one byte; nothing of unknown fields.
    #[test]
    fn buckets_and_unknown_fields_stay_within_the_bound() {
        let counts = vec![0; REQUEST_BYTES - 64];
        let buckets = within(&[1, 2, 2, 10, 1, 8, 2], counts);
        assert_eq!(records(Signal::Metrics, &buckets), Ok(1));
        let unpacked = bomb(&[1, 2, 2, 10, 1, 8], &[0x10, 1]);
        assert_eq!(records(Signal::Metrics, &unpacked), Ok(1));
        let empty_buckets = bomb(&[1, 2, 2, 10, 1], &[0x42, 0]);
        assert_eq!(records(Signal::Metrics, &empty_buckets), Ok(1));
        let unknown = bomb(&[1, 2, 2], &[0xfa, 1, 0]);
        assert_eq!(records(Signal::Spans, &unknown), Ok(1));
    }

    fn spans(count: usize) -> Vec<u8> {
        let span = Span {
            trace_id: vec![7; 16],
            span_id: vec![8; 8],
            parent_span_id: vec![9; 8],
            name: "GET /api/items/{id}".into(),
            kind: 2,
            start_time_unix_nano: 1 << 60,
            end_time_unix_nano: 1 << 60,
            attributes: vec![
                kv("http.method", "GET"),
                kv("http.route", "/items/{id}"),
                kv("http.status_code", "200"),
                kv("server.address", "shop"),
                kv("url.path", "/items/17"),
                kv("request.id", "req-1234"),
                kv("net.peer", "10.0.0.1"),
                kv("thread.id", "12"),
            ],
            ..Default::default()
        };
        let scope_spans = vec![ScopeSpans {
            spans: vec![span; count],
            ..Default::default()
        }];
        let resource_spans = vec![ResourceSpans {
            scope_spans,
            ..Default::default()
        }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn points(count: usize, attributes: Vec<common::KeyValue>) -> Vec<u8> {
        let point = NumberDataPoint {
            attributes,
            start_time_unix_nano: 1 << 60,
            time_unix_nano: 1 << 60,
            value: Some(number_data_point::Value::AsDouble(0.5)),
            ..Default::default()
        };
        let data = metric::Data::Gauge(Gauge {
            data_points: vec![point; count],
        });
        let metrics = vec![Metric {
            name: "process.cpu.time".into(),
            data: Some(data),
            ..Default::default()
        }];
        let scope_metrics = vec![ScopeMetrics {
            metrics,
            ..Default::default()
        }];
        let resource_metrics = vec![ResourceMetrics {
            scope_metrics,
            ..Default::default()
        }];
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }

    /// How many bytes each byte of the payload becomes.
    fn growth(signal: Signal, payload: &[u8]) -> f64 {
        walk::measure(signal, payload).unwrap().decoded_bytes as f64 / payload.len() as f64
    }

    /// A power of two and one more, where the vectors have the most unused room.
    const UNLUCKY: usize = (1 << 14) + 1;

    #[test]
    fn ordinary_requests_of_the_largest_size_stay_far_below_the_bound() {
        let at_most = decoded_bytes_max(REQUEST_BYTES) as f64 / REQUEST_BYTES as f64;
        let spans = spans(UNLUCKY);
        assert!((280..340).contains(&(spans.len() / UNLUCKY)));
        let span_growth = growth(Signal::Spans, &spans);
        assert!(span_growth < at_most / 2.0, "{span_growth}");
        assert_eq!(records(Signal::Spans, &spans), Ok(UNLUCKY as u64));

        let attributes = vec![kv("service.instance.id", "checkout-7d9f-x2x4k"); 4];
        let points = points(UNLUCKY, attributes);
        assert!((180..220).contains(&(points.len() / UNLUCKY)));
        let point_growth = growth(Signal::Metrics, &points);
        assert!(point_growth < at_most / 2.0, "{point_growth}");
        assert_eq!(records(Signal::Metrics, &points), Ok(UNLUCKY as u64));
    }

    /// One short attribute reserves room for four: the densest request that is sent.
    #[test]
    fn large_requests_of_the_densest_data_points_pass() {
        let payload = points((1 << 18) + 1, vec![kv("cpu", "0")]);
        assert!(payload.len() > REQUEST_BYTES / 2 && payload.len() < REQUEST_BYTES);
        assert_eq!(records(Signal::Metrics, &payload), Ok((1 << 18) + 1));
    }

    #[test]
    fn malformed_bytes_are_refused_with_their_place() {
        assert_eq!(
            records(Signal::Spans, &[0x0a, 5, 0]),
            Err("not a valid OTLP request: a length reaches beyond its message at byte 1".into())
        );
    }
}
