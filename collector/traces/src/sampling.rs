//! Tail sampling: which traces are written, decided when they have arrived.
//!
//! ```text
//! spans → tail ── freeze ──┬─ young traces ────────────────→ next tail, and the journal is held
//!                          └─ the others → judged by policies ─┬─ kept → segment
//!                                                              └─ not kept: remembered
//! ```
//!
//! A trace is judged at the first seal after it has been quiet for a while, on the thread that
//! writes the segments. Until then it is in the tail, where queries find it, and the manifest's
//! position does not pass its first entry: after a crash it is replayed and judged then.
//!
//! Invariants:
//! - What was kept is in a segment, or in the journal behind the manifest's position.
//! - Decisions are durable before the segments that follow from them are listed, and a decision
//!   that is known is never taken back, but for spans of a trace that was not kept which are
//!   wanted for themselves.
//! - Nothing here looks at a clock: time is that of the entries while they are replayed.
//!
//! Where there are no policies any more, nothing is judged, and what was decided is still
//! remembered: what a replay brings of a trace that was not kept stays out, and whoever asks for
//! one is told.

mod config;
mod file;
mod chance;
mod subject;
mod policy;
mod votes;
mod decisions;
mod rates;
mod carry;
mod judge;
mod report;

pub use config::{DecisionCache, Policies, Policy, Sampling};
pub use report::SamplingCount;
pub use votes::Vote;

pub(crate) use carry::Carried;
pub(crate) use judge::{Decided, Judge};

use crate::store::StoreError;
use crate::tail::Parsed;
use config::POLICIES_MAX;
use decisions::{AGE_MAX, Decisions, Fate, Limits};
use file::{Body, Version};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use rates::Rates;
use report::Counts;
use sonde_proto::{Position, Tenant, TraceId, UnixNanos};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use votes::{Voted, Votes};

const DECISIONS: &str = "sampling.decisions";
const VOTES: &str = "sampling.votes";

/// A trace that waits holds the journal back by at most so many bytes of entries.
const HELD_BYTES_MAX: u64 = 512 << 20;

/// Decides what is kept.
#[derive(Debug)]
pub(crate) struct Sampler {
    config: Sampling,
    dir: PathBuf,
    /// About how many bytes of traces that wait may be in memory when a seal begins.
    waiting_bytes_max: usize,
    decisions: Mutex<Decisions>,
    /// Entries before this position were judged, in part, before this start.
    replayed_to: Position,
    rates: Mutex<Rates>,
    votes: Mutex<Votes>,
    /// Those for traces that had been judged and were not kept.
    late: Mutex<Votes>,
    /// Held while the votes are written.
    saving: Mutex<()>,
    counts: Counts,
    /// When the last entry arrived.
    newest: AtomicU64,
    /// Until when votes are known to be complete.
    heard_to: AtomicU64,
    /// Logs before this position had their votes, as the file says.
    heard_saved: AtomicU64,
    is_replaying: AtomicBool,
    /// How many bytes of entries came since the start.
    taken: AtomicU64,
}

/// Up to when traces are ripe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ripe {
    /// Those whose last span arrived by then.
    quiet_since: UnixNanos,
    /// Those whose first span did.
    begun_by: UnixNanos,
    /// And those whose first span claims to have arrived later: by a clock that went wrong.
    begun_after: UnixNanos,
    pub(crate) now: UnixNanos,
}

impl Sampler {
    /// The sampler of a store whose segments cover the journal up to a position; `None` where
    /// everything is kept, and was.
    pub(crate) fn open(
        dir: &Path,
        config: &crate::Config,
        registry: &mut Registry,
        covers: Position,
        now: UnixNanos,
    ) -> Option<Arc<Self>> {
        let sampling = config.sampling.clone();
        let Decided {
            mut decisions,
            rates,
            ..
        } = read_decisions(dir, config, covers);
        if sampling.policies.0.is_empty() {
            if decisions.judged_to() <= covers {
                decisions.forget(now);
            }
            if decisions.is_empty() {
                return None;
            }
        }
        let [votes, late] = read_votes(dir, &sampling);
        let policies = sampling.policies.0.iter().take(POLICIES_MAX);
        let names = policies.map(|policy| policy.name().to_owned()).collect();
        Some(Arc::new(Self {
            dir: dir.to_owned(),
            waiting_bytes_max: usize::try_from(config.seal_bytes / 2).unwrap_or(usize::MAX),
            replayed_to: decisions.judged_to(),
            decisions: Mutex::new(decisions),
            rates: Mutex::new(rates),
            heard_saved: AtomicU64::new(votes.heard().0),
            votes: Mutex::new(votes),
            late: Mutex::new(late),
            saving: Mutex::new(()),
            counts: Counts::register(registry, names),
            newest: AtomicU64::new(0),
            heard_to: AtomicU64::new(u64::MAX),
            is_replaying: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            config: sampling,
        }))
    }

    /// Whether traces are judged, and not only remembered to have been.
    pub(crate) fn judges(&self) -> bool {
        !self.config.policies.0.is_empty()
    }

    /// Notes an entry, and leaves those of its spans out that come again of traces which were
    /// not kept.
    pub(crate) fn take(&self, tenant: &Tenant, position: Position, parsed: &mut Parsed) {
        self.newest.store(parsed.received.0, Ordering::Relaxed);
        let bytes = parsed.payload_bytes as u64;
        parsed.taken = self.taken.fetch_add(bytes, Ordering::Relaxed);
        if position < self.replayed_to {
            let decisions = self.decisions.lock();
            parsed.spans.retain(|span| {
                let known = decisions.of(tenant, &span.trace_id);
                known.is_none_or(|known| known.fate == Fate::Kept || position >= known.judged_to)
            });
        }
    }

    /// Which traces are ripe, where it is `now` for those who do not replay.
    pub(crate) fn ripe(&self, now: UnixNanos) -> Ripe {
        let newest = UnixNanos(self.newest.load(Ordering::Relaxed));
        let now = match self.is_replaying.load(Ordering::Relaxed) {
            true => newest,
            false => {
                self.votes.lock().note_now(now);
                self.late.lock().note_now(now);
                now
            }
        };
        let heard_to = now.min(UnixNanos(self.heard_to.load(Ordering::Relaxed)));
        let wait_max = self.config.decision_wait_max.duration();
        Ripe {
            quiet_since: heard_to.minus(self.config.decision_wait.duration()),
            begun_by: heard_to.minus(wait_max),
            begun_after: now.plus(wait_max),
            now,
        }
    }

    /// Whether it is remembered that a trace was kept.
    pub(crate) fn has_kept(&self, tenant: &Tenant, id: &TraceId) -> bool {
        let known = self.decisions.lock().of(tenant, id);
        known.is_some_and(|known| known.fate == Fate::Kept)
    }

    /// Who named a trace.
    fn voted(&self, tenant: &Tenant, id: &TraceId) -> Voted {
        let voted = self.votes.lock().of(tenant, id);
        voted.and(self.late.lock().of(tenant, id))
    }

    /// Puts decisions in force that are durable.
    pub(crate) fn adopt(&self, decided: Decided) {
        self.counts.add(&decided.counts);
        *self.rates.lock() = decided.rates;
        *self.decisions.lock() = decided.decisions;
    }

    pub(crate) fn note_early(&self, traces: u64) {
        self.counts.early.inc_by(traces);
    }

    pub(crate) fn vote(&self, tenant: &Tenant, id: TraceId, vote: Vote, at: UnixNanos) -> bool {
        let known = self.decisions.lock().of(tenant, &id);
        match known.map(|known| known.fate) {
            Some(Fate::Kept) => return true,
            Some(Fate::Partial | Fate::NotKept) => {
                self.counts.late_votes.inc();
                self.late.lock().add(tenant, id, vote, at);
                return false;
            }
            None => {}
        }
        let mut votes = self.votes.lock();
        let is_counted = votes.add(tenant, id, vote, at);
        if !is_counted {
            self.counts.votes_overflowed.inc();
        }
        let known = i64::try_from(votes.len()).unwrap_or(i64::MAX);
        self.counts.votes.set(known);
        is_counted
    }

    /// Makes votes durable, where there are new ones or those of logs before a position are not;
    /// returns up to which position they are.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be written; the next call tries again.
    pub(crate) fn save_votes(&self, needed: Position) -> Result<Position, StoreError> {
        let _one_at_a_time = self.saving.lock();
        let saved = Position(self.heard_saved.load(Ordering::Relaxed));
        let (bytes, heard) = {
            let (mut votes, mut late) = (self.votes.lock(), self.late.lock());
            if votes.is_saved() && late.is_saved() && saved >= needed {
                return Ok(saved);
            }
            votes.note_saved(true);
            late.note_saved(true);
            ([votes.encode(), late.encode()].concat(), votes.heard())
        };
        let path = self.dir.join(VOTES);
        file::replace(&path, &bytes).map_err(|cause| {
            self.votes.lock().note_saved(false);
            StoreError::Sampling { path, cause }
        })?;
        self.heard_saved.store(heard.0, Ordering::Relaxed);
        Ok(heard)
    }

    pub(crate) fn hear(&self, position: Position, until: UnixNanos) {
        self.votes.lock().hear(position);
        self.heard_to.store(until.0, Ordering::Relaxed);
    }

    pub(crate) fn note_replaying(&self, is_replaying: bool) {
        self.is_replaying.store(is_replaying, Ordering::Relaxed);
    }

    /// What is remembered of a trace that was not kept, or not all of it; `has_spans` says whether
    /// there are any.
    pub(crate) fn told(&self, tenant: &Tenant, id: &TraceId, has_spans: bool) -> Option<String> {
        let fate = self.decisions.lock().of(tenant, id)?.fate;
        let told = match (fate, has_spans) {
            (Fate::Kept, _) => return None,
            (Fate::NotKept, true) if self.judges() => {
                "no sampling policy wanted this trace when it was judged; these spans came later, and are judged by themselves"
            }
            (Fate::Partial, _) | (Fate::NotKept, true) => {
                "no sampling policy wanted this trace when it was judged; spans that came later were kept, those before were not"
            }
            (Fate::NotKept, false) => {
                "no sampling policy wanted this trace, so it was not kept (traces.sampling.policies)"
            }
        };
        let named = self.late.lock().of(tenant, id).said();
        let named = named.map_or_else(String::new, |who| {
            format!("; {who} named it only after it was judged")
        });
        Some(format!("{told}{named}"))
    }

    pub(crate) fn report(&self) -> Vec<SamplingCount> {
        self.counts.report()
    }
}

/// What was decided before this start.
fn read_decisions(dir: &Path, config: &crate::Config, covers: Position) -> Decided {
    let sampling = &config.sampling;
    let retention = Duration::from_secs(config.retention_seconds);
    let none = || Decided {
        decisions: Decisions::new(Limits::new(sampling.decision_cache, retention)),
        rates: Rates::default(),
        counts: Vec::new(),
    };
    let mut decided = none();
    let mut decode = |Body { version, bytes }: Body| {
        let mut bytes = bytes.as_slice();
        decided.decisions.decode(version, &mut bytes)?;
        if version >= Version::Second {
            let place = |name: &str| sampling.policies.place(name);
            decided.rates.decode(place, &mut bytes)?;
        }
        bytes.is_empty().then_some(())
    };
    let read = file::read(&dir.join(DECISIONS));
    if read.is_some_and(|body| decode(body).is_none()) {
        return none();
    }
    if !decided.decisions.know_all_kept_from(covers) {
        // What a rate kept and is replayed may be judged again, and must find room once more.
        decided.rates = Rates::default();
    }
    decided
}

/// The votes that were given before this start, and those that came too late.
fn read_votes(dir: &Path, sampling: &Sampling) -> [Votes; 2] {
    let empty =
        || [sampling.vote_ttl.duration(), AGE_MAX].map(|ttl| Votes::new(sampling.votes_max, ttl));
    let [mut votes, mut late] = empty();
    let mut decode = |Body { version, bytes }: Body| {
        let mut bytes = bytes.as_slice();
        votes.decode(&mut bytes)?;
        if version >= Version::Second {
            late.decode(&mut bytes)?;
        }
        bytes.is_empty().then_some(())
    };
    let read = file::read(&dir.join(VOTES));
    match read.is_some_and(|body| decode(body).is_none()) {
        true => empty(),
        false => [votes, late],
    }
}

#[cfg(test)]
mod tests;
