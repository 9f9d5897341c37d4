//! How much was kept by which policy, and how much was not.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;

/// What decided over a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    /// The policy of this place wanted it.
    Policy(usize),
    /// The policy of this place is one that drops.
    Dropped(usize),
    Exemplar,
    /// A vote may be missing.
    VotesOverflowed,
    /// Spans that came after their trace was judged.
    Late {
        is_kept: bool,
    },
    Nothing,
}

impl By {
    pub(super) fn is_kept(self) -> bool {
        match self {
            Self::Policy(_) | Self::Exemplar | Self::VotesOverflowed => true,
            Self::Late { is_kept } => is_kept,
            Self::Dropped(_) | Self::Nothing => false,
        }
    }
}

/// How much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) traces: u64,
    pub(super) spans: u64,
    pub(super) bytes: u64,
}

/// How much was decided in one way since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SamplingCount {
    /// Whether it was kept.
    pub kept: bool,
    /// By which policy; `none` where no policy wanted it, `late` where spans came after their
    /// trace was judged, `exemplar` where an exemplar names it, `votes_overflowed` where it
    /// could not be known whether an error log or an alert does.
    pub policy: String,
    /// Traces. Spans that came late are of none.
    pub traces: u64,
    /// Their spans.
    pub spans: u64,
    /// Their bytes, as they arrived.
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    decision: &'static str,
    policy: String,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    policies: Vec<String>,
    traces: Family<Labels, Counter>,
    spans: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    pub(super) early: Counter,
    pub(super) votes: Gauge,
    pub(super) votes_overflowed: Counter,
    pub(super) late_votes: Counter,
}

impl Counts {
    pub(super) fn register(registry: &mut Registry, policies: Vec<String>) -> Self {
        let own = Self {
            policies,
            ..Self::default()
        };
        registry.register(
            "sonde_traces_sampled_traces",
            "Traces that were judged, by whether they were kept and by what decided.",
            own.traces.clone(),
        );
        registry.register(
            "sonde_traces_sampled_spans",
            "Spans of traces that were judged, by whether they were kept and by what decided.",
            own.spans.clone(),
        );
        registry.register(
            "sonde_traces_sampled_bytes",
            "Bytes of spans of traces that were judged, by whether they were kept and by what decided.",
            own.bytes.clone(),
        );
        registry.register(
            "sonde_traces_sampled_early",
            "Traces judged before their time because too many waited.",
            own.early.clone(),
        );
        registry.register(
            "sonde_traces_sampling_votes",
            "Trace IDs named by error logs, alerts and exemplars that are remembered.",
            own.votes.clone(),
        );
        registry.register(
            "sonde_traces_sampling_votes_overflowed",
            "Trace IDs named for which there was no room; everything is kept for a while then.",
            own.votes_overflowed.clone(),
        );
        registry.register(
            "sonde_traces_sampling_late_votes",
            "Traces named by an error log, an alert or an exemplar that had not been kept.",
            own.late_votes.clone(),
        );
        own
    }

    pub(super) fn add(&self, counts: &[(By, Tally)]) {
        for (by, tally) in counts {
            let labels = self.labels(*by);
            self.traces.get_or_create(&labels).inc_by(tally.traces);
            self.spans.get_or_create(&labels).inc_by(tally.spans);
            self.bytes.get_or_create(&labels).inc_by(tally.bytes);
        }
    }

    fn labels(&self, by: By) -> Labels {
        let policy = match by {
            By::Policy(at) | By::Dropped(at) => self.policies.get(at).map_or("", |name| name),
            By::Exemplar => "exemplar",
            By::VotesOverflowed => "votes_overflowed",
            By::Late { .. } => "late",
            By::Nothing => "none",
        };
        Labels {
            decision: if by.is_kept() { "kept" } else { "not_kept" },
            policy: policy.to_owned(),
        }
    }

    /// The same, those that were kept first, the most spans first.
    pub(super) fn report(&self) -> Vec<SamplingCount> {
        let places = 0..self.policies.len();
        let policies = places.flat_map(|at| [By::Policy(at), By::Dropped(at)]);
        let others = [
            By::Exemplar,
            By::VotesOverflowed,
            By::Late { is_kept: true },
            By::Late { is_kept: false },
            By::Nothing,
        ];
        let of = |by: By| {
            let labels = self.labels(by);
            let count = |family: &Family<Labels, Counter>| {
                family.get(&labels).map_or(0, |counter| counter.get())
            };
            SamplingCount {
                kept: by.is_kept(),
                traces: count(&self.traces),
                spans: count(&self.spans),
                bytes: count(&self.bytes),
                policy: labels.policy,
            }
        };
        let mut all: Vec<_> = policies.chain(others).map(of).collect();
        all.retain(|count| count.spans > 0);
        all.sort_by_key(|count| (!count.kept, std::cmp::Reverse(count.spans)));
        all
    }
}
