//! What is written by hand, read by prost.

use super::*;
use crate::enrich::{Reading, Severity};
use proptest::prelude::*;
use prost::Message as _;
use sonde_proto::otlp::{self, logs_service::ExportLogsServiceRequest};
use sonde_proto::{SpanId, TraceId};

fn decoded(resource_field: &[u8], records: &[u8]) -> ExportLogsServiceRequest {
    let mut request = section_header(resource_field, records.len()).to_vec();
    request.extend_from_slice(records);
    ExportLogsServiceRequest::decode(&request[..]).unwrap()
}

proptest! {
    #[test]
    fn prost_reads_what_was_written(
        time in prop_oneof![Just(0), any::<u64>()],
        observed: u64,
        body in "\\PC{0,300}",
        severity in prop_oneof![Just(None), Just(Some(Severity::Error)), Just(Some(Severity::Info))],
        ids: bool,
        uid: (u64, u64),
        key in "[a-z.]{1,200}",
        value in "\\PC{0,300}",
    ) {
        let trace_id = ids.then(|| TraceId::from_slice(&[7; 16]).unwrap());
        let span_id = ids.then(|| SpanId::from_slice(&[9; 8]).unwrap());
        let reading = Reading { severity, trace_id, span_id };
        let mut records = Vec::new();
        for _ in 0..2 {
            record(&mut records, &Record { time, observed, body: &body, reading: &reading, uid });
        }
        prop_assert_eq!(record_end(&records), Some(records.len() / 2));

        let request = decoded(&resource([(key.as_str(), value.as_str())].into_iter()), &records);
        let logs = &request.resource_logs[0];
        prop_assert_eq!(&logs.resource.as_ref().unwrap().attributes, &vec![otlp::kv(&key, value)]);
        let read = &logs.scope_logs[0].log_records;
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(&read[0], &read[1]);
        prop_assert_eq!((read[0].time_unix_nano, read[0].observed_time_unix_nano), (time, observed));
        prop_assert_eq!(otlp::text(read[0].body.as_ref().unwrap()), body);
        prop_assert_eq!(read[0].severity_number, severity.map_or(0, |s| s as i32));
        prop_assert_eq!(read[0].trace_id.len() + read[0].span_id.len(), if ids { 24 } else { 0 });
        let written = otlp::attribute_text(&read[0].attributes, semconv::LOG_RECORD_UID).unwrap();
        prop_assert_eq!(written, format!("{:016x}-{:016x}", uid.0, uid.1));
    }
}
