//! Records packed and unpacked.

use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_reads_back_and_a_cut_one_is_refused(
        observed in any::<u64>(),
        severity in 0_u8..25,
        trace in any::<Option<[u8; 16]>>(),
        span in any::<Option<[u8; 8]>>(),
        body in prop::collection::vec(any::<u8>(), 0..300),
        attributes in prop::collection::vec(("\\PC{0,9}", "\\PC{0,200}"), 0..5),
    ) {
        let record = NewRecord {
            observed: UnixNanos(observed),
            severity,
            trace_id: trace.and_then(|id| TraceId::from_slice(&id).ok()),
            span_id: span.and_then(|id| SpanId::from_slice(&id).ok()),
            body: &body,
        };
        let mut bytes = Vec::new();
        pack(&record, attributes.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())), &mut bytes);
        let read = Packed::read(&bytes).unwrap();
        prop_assert_eq!(read.observed, record.observed);
        prop_assert_eq!((read.severity, read.trace_id, read.span_id), (severity, record.trace_id, record.span_id));
        prop_assert_eq!(read.body, &body[..]);
        let pairs: Vec<_> = read.attributes().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        let expected: Vec<_> = attributes.iter().map(|(k, v)| (k.clone().into_bytes(), v.clone().into_bytes())).collect();
        prop_assert_eq!(pairs, expected);
        let before_attributes = bytes.len() - read.attributes.len();
        prop_assert!(Packed::read(&bytes[..before_attributes - 1]).is_none());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(read) = Packed::read(&bytes) {
            prop_assert!(read.attributes().count() <= bytes.len());
        }
    }
}
