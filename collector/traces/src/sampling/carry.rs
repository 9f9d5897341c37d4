//! What of a tail waits when a seal begins, and goes on in the next tail.

use super::{HELD_BYTES_MAX, Ripe, Sampler};
use crate::raw::{Context, RawSpan, Shell};
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
                        || trace.arrived.0 > ripe.begun_after
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
        let mut copies = Copies::default();
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
        carried.bytes = copies.bytes + carried.tails.values().map(|tail| tail.bytes).sum::<usize>();
        if carried.bytes > self.waiting_bytes_max.saturating_mul(2) / 4 * 3 {
            // What they share takes too much. The tail must have room for others.
            let traces = carried.waiting.values().map(|ids| ids.len() as u64);
            self.note_early(traces.sum());
            return Carried::default();
        }
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
        self.note_run(trace.fragment.start, trace.fragment.end);
        let (from, to) = self.positions.unwrap_or((trace.first, trace.last.next()));
        self.positions = Some((from.min(trace.first), to.max(trace.last.next())));
        self.spans += trace.spans.len() as u64;
        self.bytes += trace.bytes();
        self.traces.insert(id, trace);
    }

    /// Lists the services and operations of traces that were adopted.
    pub(super) fn name_all(&mut self) {
        let mut services: AHashMap<*const Shell, String> = AHashMap::new();
        let (mut tokens, mut found, mut pairs) = (Vec::new(), AHashSet::new(), Vec::new());
        for span in self.traces.values().flat_map(|trace| &trace.spans) {
            let resource = Arc::as_ptr(&span.context.resource);
            let service = services.entry(resource).or_insert_with(|| {
                tokens.clear();
                let service = token::of_resource(&span.context.resource, &[], &mut tokens);
                service.into_owned()
            });
            let Some(name) = name(span) else {
                continue;
            };
            let key = sonde_segment::blocks::hash64(name.as_bytes());
            if found.insert((resource, key)) {
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
    fn copied(&self, copies: &mut Copies) -> Self {
        let mut copy = self.clone();
        for span in &mut copy.spans {
            span.context = copies.of(&span.context);
            span.bytes = Bytes::copy_from_slice(&span.bytes);
        }
        copy
    }
}

/// Copies of what spans share, each made once. What they were made of is held meanwhile, so that
/// it is told by its place.
#[derive(Default)]
struct Copies {
    contexts: AHashMap<*const Context, Arc<Context>>,
    shells: AHashMap<*const Shell, Arc<Shell>>,
    bytes: usize,
}

impl Copies {
    fn of(&mut self, context: &Arc<Context>) -> Arc<Context> {
        if let Some(copy) = self.contexts.get(&Arc::as_ptr(context)) {
            return Arc::clone(copy);
        }
        let copy = Arc::new(Context {
            resource: self.shell(&context.resource),
            scope: self.shell(&context.scope),
        });
        self.bytes += size_of::<Context>();
        self.contexts
            .insert(Arc::as_ptr(context), Arc::clone(&copy));
        copy
    }

    fn shell(&mut self, shell: &Arc<Shell>) -> Arc<Shell> {
        let copy = self.shells.entry(Arc::as_ptr(shell)).or_insert_with(|| {
            let copy = shell.set_apart();
            self.bytes += copy.bytes_apart() + size_of::<Shell>();
            copy
        });
        Arc::clone(copy)
    }
}
