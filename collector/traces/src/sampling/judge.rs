//! Judges the traces of frozen tails, beside the thread that takes spans.

use super::decisions::{Decision, Decisions, Fate};
use super::policy::Rule;
use super::rates::Rates;
use super::report::{By, Tally};
use super::subject::Subject;
use super::{DECISIONS, Ripe, Sampler, file};
use crate::store::StoreError;
use crate::tail::{Tail, TailTrace};
use ahash::{AHashMap, AHashSet};
use sonde_proto::{Position, Tenant, TraceId};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

/// How long what a rate spent is remembered after the last trace of its second is judged.
const SPENT_FOR: Duration = Duration::from_secs(600);

/// What a seal judges, and by what.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) sampler: Arc<Sampler>,
    /// Traces that are not judged yet.
    pub(crate) waiting: AHashMap<Tenant, AHashSet<TraceId>>,
    /// Every entry before this position is in the tails.
    pub(crate) judged_to: Position,
    pub(crate) ripe: Ripe,
}

/// What was decided, durable but not in force.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(super) decisions: Decisions,
    pub(super) counts: Vec<(By, Tally)>,
    pub(super) rates: Rates,
}

/// A sitting of the judge: over all tenants of a seal.
pub(crate) struct Sitting<'a> {
    judge: &'a Judge,
    decisions: Decisions,
    counts: AHashMap<By, Tally>,
    /// What was spent before, and in this sitting.
    rates: Rates,
}

impl Judge {
    pub(crate) fn sit(&self) -> Sitting<'_> {
        Sitting {
            judge: self,
            decisions: self.sampler.decisions.lock().clone(),
            counts: AHashMap::new(),
            rates: self.sampler.rates.lock().clone(),
        }
    }
}

impl Sitting<'_> {
    /// Judges the traces of a tenant's tail that do not wait; returns those that are kept.
    pub(crate) fn judge(&mut self, tenant: &Tenant, tail: &Tail) -> Tail {
        let waiting = self.judge.waiting.get(tenant);
        let waits = |id: &TraceId| waiting.is_some_and(|ids| ids.contains(id));
        let mut ripe: Vec<_> = tail.traces.iter().filter(|(id, _)| !waits(id)).collect();
        // In an order that is the same when they are replayed: a rate keeps the first.
        ripe.sort_unstable_by_key(|(id, trace)| (trace.first, **id));
        let (mut kept, decoder) = (Tail::default(), RefCell::default());
        for (id, trace) in ripe {
            let voted = self.judge.sampler.voted(tenant, id);
            let subject = Subject::new(*id, trace, voted, &decoder);
            if self.keeps(tenant, *id, trace, &subject) {
                kept.adopt(*id, trace.clone());
            }
        }
        kept.name_all();
        kept
    }

    fn keeps(
        &mut self,
        tenant: &Tenant,
        id: TraceId,
        trace: &TailTrace,
        subject: &Subject<'_>,
    ) -> bool {
        let before = self.decisions.of(tenant, &id);
        if let Some(Decision {
            fate: Fate::Kept | Fate::Partial,
            judged_to,
            ..
        }) = before
        {
            // What is replayed was counted before.
            if trace.first >= judged_to {
                self.count(By::Late { is_kept: true }, subject, 0);
            }
            return true;
        }
        let second = trace.arrived.0.0 / 1_000_000_000;
        let by = self.wanted_by(tenant, second, subject);
        let (fate, by, traces) = match (by.is_kept(), before.is_some()) {
            (true, false) => (Fate::Kept, by, 1),
            (true, true) => (Fate::Partial, by, 0),
            (false, false) => (Fate::NotKept, by, 1),
            (false, true) => (Fate::NotKept, By::Late { is_kept: false }, 0),
        };
        self.count(by, subject, traces);
        let judged_to = match (fate, before) {
            // A crash must not lose what is kept of it from now on.
            (Fate::Partial, Some(before)) => before.judged_to,
            _ => self.judge.judged_to,
        };
        let decision = Decision {
            fate,
            judged_to,
            at: self.judge.ripe.now,
        };
        self.decisions.remember(tenant, id, decision);
        fate.is_kept()
    }

    /// What keeps a trace, or keeps it out. Exemplars are promised to lead somewhere; then what
    /// is to be dropped is; then the first policy that wants it counts.
    fn wanted_by(&mut self, tenant: &Tenant, second: u64, subject: &Subject<'_>) -> By {
        if subject.voted().by_exemplar() {
            return By::Exemplar;
        }
        let sampler = &self.judge.sampler;
        let policies = &sampler.config.policies.0;
        let all = || policies.iter().enumerate();
        for (at, policy) in all() {
            if matches!(policy.rule, Rule::Drop(_)) && policy.rule.wants(subject, &mut |_, _| true)
            {
                return By::Dropped(at);
            }
        }
        for (at, policy) in all().filter(|(_, p)| !matches!(p.rule, Rule::Drop(_))) {
            let key = (tenant.clone(), at, second);
            let mut spent = self.rates.spent(&key);
            let before = spent;
            let mut spend = |per_second: u64, spans: u64| {
                let fits = spent.saturating_add(spans) <= per_second;
                spent += if fits { spans } else { 0 };
                fits
            };
            if policy.rule.wants(subject, &mut spend) {
                if spent > before {
                    self.rates.spend(key, spent - before);
                }
                return By::Policy(at);
            }
        }
        let counts_votes = policies.iter().any(|policy| policy.rule.counts_votes());
        if counts_votes && sampler.votes.lock().may_miss(self.judge.ripe.now) {
            return By::VotesOverflowed;
        }
        By::Nothing
    }

    fn count(&mut self, by: By, subject: &Subject<'_>, traces: u64) {
        let (spans, bytes) = subject.size();
        let tally = self.counts.entry(by).or_default();
        tally.traces += traces;
        tally.spans += spans;
        tally.bytes += bytes;
    }

    /// Makes what was decided durable.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub(crate) fn finish(mut self) -> Result<Decided, StoreError> {
        let sampler = &self.judge.sampler;
        let config = &sampler.config;
        let now = self.judge.ripe.now;
        let wait_max = config.decision_wait_max.duration();
        // A rate spends on traces that it keeps, of which no more are remembered either.
        self.rates.forget(
            now.minus(wait_max + SPENT_FOR),
            config.decision_cache.sampled_cache_size,
        );
        let mut bytes = Vec::new();
        self.decisions.encode(&mut bytes);
        self.rates.encode(|at| config.policies.name(at), &mut bytes);
        let path = sampler.dir.join(DECISIONS);
        file::replace(&path, &bytes).map_err(|cause| StoreError::Sampling { path, cause })?;
        Ok(Decided {
            decisions: self.decisions,
            counts: self.counts.into_iter().collect(),
            rates: self.rates,
        })
    }
}
