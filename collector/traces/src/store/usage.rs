//! What every tenant's spans are, and what they cost.

use super::TraceStore;
use super::view::View;
use crate::codes;
use ahash::AHashMap;
use serde::Serialize;
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What one tenant has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TraceUsage {
    /// Whose it is.
    pub tenant: String,
    /// All spans, sealed or not; copies count until a merge writes them anew.
    pub spans: u64,
    /// Parts of traces: a trace whose spans came late has several.
    pub traces: u64,
    /// Bytes of segments on disk.
    pub disk_bytes: u64,
    /// The same by what lies there.
    pub parts: BTreeMap<String, u64>,
    /// How many segments there are.
    pub segments: usize,
    /// The earliest start of a span.
    pub oldest: Option<UnixNanos>,
    /// The latest end of a span.
    pub newest: Option<UnixNanos>,
    /// Spans in memory that are not sealed yet.
    pub tail_spans: u64,
    /// About how many bytes these take.
    pub tail_bytes: u64,
    /// How many services there are.
    pub services: usize,
    /// Those of them with the most spans, the largest first.
    pub largest: Vec<ServiceUsage>,
    /// Why some spans of services were not counted, where some were not.
    pub cut: Option<String>,
}

/// What one service has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceUsage {
    /// Its name.
    pub service: String,
    /// How many spans it has.
    pub spans: u64,
    /// How many of them failed.
    pub errors: u64,
}

/// Spans and failed ones, by the code of their service.
type Counts = AHashMap<u32, (u64, u64)>;

const STATUS_ERROR: u8 = 2;
const STATUS_BITS: u8 = 0b11;

impl TraceStore {
    /// The tenants that have anything here.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        let state = self.state.read();
        let sealed = state.segments.iter().map(|s| &s.meta.tenant);
        let tenants: BTreeSet<&Tenant> = sealed.chain(state.tails.keys()).collect();
        tenants.into_iter().cloned().collect()
    }

    /// What one tenant has, with the `top` services that have the most. Reads a few bytes a
    /// span, and stops counting at the deadline.
    #[must_use]
    pub fn usage_of(&self, tenant: &Tenant, top: usize, deadline: &Deadline) -> TraceUsage {
        let mut usage = TraceUsage {
            tenant: tenant.as_str().to_owned(),
            ..TraceUsage::default()
        };
        let Some(view) = self.view(tenant) else {
            return usage;
        };
        usage.add_sizes(&view);
        let mut counts = Counts::default();
        let mut count = |service: u32, flags: u8| {
            let (spans, errors) = counts.entry(service).or_default();
            *spans += 1;
            *errors += u64::from(flags & STATUS_BITS == STATUS_ERROR);
        };
        view.each_tail(|tail| {
            let codes = tail.traces.values().flat_map(|trace| &trace.codes);
            codes.for_each(|code| count(code.service, code.flags));
        });
        for segment in &view.segments {
            match segment.each_service(deadline, &mut count) {
                Ok(true) => {}
                Ok(false) => {
                    usage.cut = Some("the time was over before all spans were counted".to_owned());
                    break;
                }
                Err(error) => self.note_damage(segment, &error),
            }
        }
        let names = self.services(tenant);
        usage.services = names.len();
        usage.largest = largest(&names, &counts, top);
        usage
    }
}

impl TraceUsage {
    fn add_sizes(&mut self, view: &View) {
        for segment in &view.segments {
            let meta = &segment.meta;
            self.segments += 1;
            self.spans += meta.records;
            self.traces += segment.fragment_count();
            self.disk_bytes += meta.bytes;
            self.note_times(meta.start, meta.end);
            for (part, bytes) in segment.parts() {
                *self.parts.entry(part.to_owned()).or_default() += bytes;
            }
        }
        view.each_tail(|tail| {
            self.tail_spans += tail.spans;
            self.tail_bytes += tail.bytes as u64;
            self.traces += tail.traces.len() as u64;
            for trace in tail.traces.values() {
                self.note_times(trace.fragment.start, trace.fragment.end);
            }
        });
        self.spans += self.tail_spans;
    }

    fn note_times(&mut self, start: UnixNanos, end: UnixNanos) {
        self.oldest = Some(self.oldest.map_or(start, |oldest| oldest.min(start)));
        self.newest = Some(self.newest.map_or(end, |newest| newest.max(end)));
    }
}

/// Services of the same code, which are two among thousands, are told as one.
fn largest(names: &[String], counts: &Counts, top: usize) -> Vec<ServiceUsage> {
    let mut told = BTreeSet::new();
    let mut all: Vec<ServiceUsage> = Vec::new();
    for name in names {
        let code = codes::service(name).unwrap_or(0);
        if let Some((spans, errors)) = counts.get(&code).copied()
            && told.insert(code)
        {
            all.push(ServiceUsage {
                service: name.clone(),
                spans,
                errors,
            });
        }
    }
    all.sort_by_key(|one| Reverse((one.spans, one.errors)));
    all.truncate(top);
    all
}
