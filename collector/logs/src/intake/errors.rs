//! The traces of which an error is logged.

use crate::stream::Level;
use sonde_proto::{Entry, Signal, TraceId, walk};

/// Visits the trace ID of every record of an entry that is an error or worse and has one. What
/// is no valid entry of logs has none.
pub fn each_error(entry: &Entry, mut visit: impl FnMut(TraceId)) {
    if entry.signal != Signal::Logs {
        return;
    }
    let Ok(logs) = walk::logs(&entry.payload) else {
        return;
    };
    let scopes = logs.resources().flat_map(|resource| resource.scopes());
    for record in scopes.flat_map(|scope| scope.records()) {
        if !record.trace_id.is_empty()
            && Level::of(record.severity_number, record.severity_text).is_error()
            && let Ok(trace_id) = TraceId::from_slice(record.trace_id)
        {
            visit(trace_id);
        }
    }
}
