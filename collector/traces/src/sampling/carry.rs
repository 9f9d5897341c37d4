//! What of a tail waits when a seal begins, and goes on in the next tail.

use super::{HELD_BYTES_MAX, Ripe, Sampler};
use crate::raw::{Context, RawSpan};
use crate::tail::{SharedTail, Tail, TailTrace};
use crate::token;
use crate::wire::{Field, fields};
use ahash::{AHashMap, AHashSet};
use bytes::Bytes;
use sonde_proto::{Position, Tenant, TraceId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const NAME: u64 = 5;

/// The traces that wait, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) tails: AHashMap<Tenant, Tail>,
    /// Which these are.
    pub(crate) waiting: AHashMap<Tenant, AHashSet<TraceId>>,
    /// About how many bytes they take.
    pub(crate) bytes: usize,
    /// Where the first of them begins.
    pub(crate) from: Option<Position>,
}

/// A trace that may wait.
struct Waiting<'a> {
    tenant: &'a Tenant,
    id: TraceId,
    first: Position,
    taken: u64,
    bytes: usize,
    tail: usize,
}

impl Sampler {
    /// The traces of some tails that are not ripe: copies, for the tails stay as they are. Of
    /// more than may wait, the oldest do not.
    pub(crate) fn carry(&self, tails: &[(Tenant, SharedTail)], ripe: &Ripe) -> Carried {
        let guards: Vec<_> = tails.iter().map(|(_, tail)| tail.read()).collect();
        let mut waiting = Vec::new();
        {
            let decisions = self.decisions.lock();
            for (at, (tenant, _)) in tails.iter().enumerate() {
                for (id, trace) in &guards[at].traces {
                    let is_ripe = trace.arrived.1 <= ripe.quiet_since
                        || trace.arrived.0 <= ripe.begun_by
                        || decisions.of(tenant, id).is_some();
                    if !is_ripe {
                        waiting.push(Waiting {
                            tenant,
                            id: *id,
                            first: trace.first,
                            taken: trace.taken,
                            bytes: trace.bytes(),
                            tail: at,
                        });
                    }
                }
            }
        }
        self.let_early_go(&mut waiting);
        let mut carried = Carried {
            from: waiting.iter().map(|w| w.first).min(),
            ..Carried::default()
        };
        let mut copies = AHashMap::new();
        for one in waiting {
            let Some(trace) = guards[one.tail].traces.get(&one.id) else {
                continue;
            };
            let tail = carried.tails.entry(one.tenant.clone()).or_default();
            tail.adopt(one.id, trace.copied(&mut copies));
            let ids = carried.waiting.entry(one.tenant.clone()).or_default();
            ids.insert(one.id);
        }
        carried.tails.values_mut().for_each(Tail::name_all);
        carried.bytes = carried.tails.values().map(|tail| tail.bytes).sum();
        carried
    }

    /// Keeps the traces that wait within their bounds: the newest may go on waiting.
    fn let_early_go(&self, waiting: &mut Vec<Waiting<'_>>) {
        waiting.sort_unstable_by_key(|w| std::cmp::Reverse((w.first, w.id)));
        let taken = self.taken.load(Ordering::Relaxed);
        let mut bytes = 0;
        let fits = |w: &&Waiting<'_>| {
            bytes += w.bytes;
            bytes <= self.waiting_bytes_max && taken - w.taken.min(taken) <= HELD_BYTES_MAX
        };
        let fitting = waiting.iter().take(self.config.num_traces);
        let fitting = fitting.take_while(fits).count();
        self.note_early((waiting.len() - fitting) as u64);
        waiting.truncate(fitting);
    }
}

impl Tail {
    /// Takes a trace of another tail as it is.
    pub(super) fn adopt(&mut self, id: TraceId, trace: TailTrace) {
        let (first, last) = trace.arrived;
        let (oldest, newest) = self.received.unwrap_or(trace.arrived);
        self.received = Some((oldest.min(first), newest.max(last)));
        let (from, to) = self.positions.unwrap_or((trace.first, trace.last.next()));
        self.positions = Some((from.min(trace.first), to.max(trace.last.next())));
        self.spans += trace.spans.len() as u64;
        self.bytes += trace.bytes();
        self.traces.insert(id, trace);
    }

    /// Lists the services and operations of traces that were adopted.
    pub(super) fn name_all(&mut self) {
        let mut services: AHashMap<*const Context, Option<String>> = AHashMap::new();
        let (mut tokens, mut found, mut pairs) = (Vec::new(), AHashSet::new(), Vec::new());
        for span in self.traces.values().flat_map(|trace| &trace.spans) {
            let context = Arc::as_ptr(&span.context);
            let service = services.entry(context).or_insert_with(|| {
                tokens.clear();
                let service = token::of_context(&span.context, &[], &mut tokens);
                service.ok().map(std::borrow::Cow::into_owned)
            });
            let (Some(service), Some(name)) = (service, name(span)) else {
                continue;
            };
            let key = sonde_segment::blocks::hash64(name.as_bytes());
            if found.insert((context, key)) {
                pairs.push((service.clone(), Box::from(name)));
            }
        }
        for (service, name) in pairs {
            self.add_name(&service, name);
        }
    }
}

fn name(span: &RawSpan) -> Option<&str> {
    let mut found = "";
    for field in fields(&span.bytes) {
        if let (NAME, Field::Bytes(bytes)) = field.ok()? {
            found = std::str::from_utf8(bytes).ok()?;
        }
    }
    Some(found)
}

impl TailTrace {
    /// The same in memory of its own: its spans no longer hold the requests they came in.
    fn copied(&self, contexts: &mut AHashMap<*const Context, Arc<Context>>) -> Self {
        let mut copy = self.clone();
        for span in &mut copy.spans {
            let context = contexts
                .entry(Arc::as_ptr(&span.context))
                .or_insert_with(|| Arc::new(span.context.copied()));
            span.context = Arc::clone(context);
            span.bytes = Bytes::copy_from_slice(&span.bytes);
        }
        copy
    }
}
