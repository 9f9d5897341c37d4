//! Whether a trace is whole, or why it is not, as far as that is known.
//!
//! A part of a trace may be beyond the bounds of an answer. It may also be gone: sampling did not
//! want it, its segment was let go for age or for room, or is damaged. What sampling decided is
//! remembered by trace ([`crate::sampling`]). Of segments that are gone it is only remembered how
//! far their spans reached ([`crate::store::Gone`]), so that a trace which began by then is said
//! to lack something where it shows: a parent is missing, or it went on after. Where parents are
//! always missing, since someone else has them, a damaged segment must not make all traces
//! doubtful: those are not which had long ended when the first of its spans arrived.

use super::fetch::RawTrace;
use super::large::parent;
use crate::raw::RawSpan;
use crate::store::TraceStore;
use ahash::AHashSet;
use sonde_proto::{SpanId, Tenant, TraceId, UnixNanos};
use std::time::Duration;

/// So long after a trace ended none of its spans arrives any more.
const LATE_MAX: Duration = Duration::from_secs(3600);

/// Two reasons as one.
pub(super) fn both(first: Option<String>, second: Option<&String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}; {second}")),
        (first, second) => first.or_else(|| second.cloned()),
    }
}

impl TraceStore {
    /// Why not all spans are here of a trace that has some, however many are asked for.
    pub(super) fn in_part(&self, tenant: &Tenant, id: &TraceId, raw: &RawTrace) -> Option<String> {
        let known = self.in_part_of(tenant, id, raw.is_damaged);
        let gone = self.gone_of(tenant, raw).filter(|_| !raw.is_damaged);
        both(known, gone.as_ref())
    }

    /// The same, where nothing is known of its spans but whether some were damaged.
    pub(super) fn in_part_of(
        &self,
        tenant: &Tenant,
        id: &TraceId,
        damaged: bool,
    ) -> Option<String> {
        const DAMAGED: &str = "a segment is left out that is damaged, and may have had spans of it";
        let damaged = damaged.then(|| DAMAGED.to_owned());
        both(self.kept_in_part(tenant, id), damaged.as_ref())
    }

    /// The same of what went with whole segments.
    fn gone_of(&self, tenant: &Tenant, raw: &RawTrace) -> Option<String> {
        if raw.totals.is_some() {
            // Of a page nobody knows which parents are missing.
            return None;
        }
        let gone = self.gone(tenant)?;
        let start = raw.spans.iter().map(|span| span.start).min()?;
        if start > gone.let_go_to.max(gone.damaged_to) {
            return None;
        }
        let orphans = orphans(&raw.spans);
        let lost = match orphans {
            0 => String::new(),
            1 => "; of one of its spans the parent is not here".to_owned(),
            _ => format!("; of {orphans} of its spans the parents are not here"),
        };
        let end = raw.spans.iter().map(|span| span.end).max();
        let goes_on = |to: UnixNanos| end.is_some_and(|end| end > to);
        if start <= gone.let_go_to && (orphans > 0 || goes_on(gone.let_go_to)) {
            return Some(format!(
                "it began before spans arrived that were let go since, for age or for room (traces.retention_seconds, traces.disk_bytes_max), and some of its own may be among them{lost}"
            ));
        }
        let had_ended = end.is_some_and(|end| end < gone.damaged_from.minus(LATE_MAX));
        (start <= gone.damaged_to && !had_ended && orphans > 0).then(|| {
            format!("it began before spans arrived whose segment is damaged and lies in quarantine/{lost}")
        })
    }
}

/// Of how many spans the parent is missing.
fn orphans(spans: &[RawSpan]) -> usize {
    let known: AHashSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
    let parents = spans.iter().filter_map(parent);
    parents.filter(|parent| !known.contains(parent)).count()
}

#[cfg(test)]
mod tests {
    use crate::tests::model::{entry, open, payload, tenant, trace_id};
    use crate::{Config, TraceStore};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use sonde_proto::UnixNanos;
    use std::path::Path;

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos::from_secs(seconds)
    }

    fn span(trace: u64, id: u64, parent: u64, (start, end): (u64, u64)) -> Span {
        let parent = (parent > 0).then(|| parent.to_be_bytes().to_vec());
        Span {
            trace_id: trace_id(trace).as_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: parent.unwrap_or_default(),
            start_time_unix_nano: at(start).0,
            end_time_unix_nano: at(end).0,
            ..Span::default()
        }
    }

    fn config() -> Config {
        Config {
            retention_seconds: 100,
            ..Config::default()
        }
    }

    /// Of the first trace children arrive long before their root, of the second the root before
    /// its children. The third is of later, and never had a root.
    fn filled(dir: &Path) -> TraceStore {
        let store = open(dir, &config());
        let early = vec![span(0, 2, 1, (5, 9)), span(1, 3, 0, (5, 9))];
        store.apply(&[entry(10, &payload("shop", early))]);
        store.seal(at(10)).unwrap();
        let late = vec![
            span(0, 1, 0, (4, 199)),
            span(1, 4, 3, (6, 8)),
            span(2, 5, 6, (150, 160)),
        ];
        store.apply(&[entry(200, &payload("shop", late))]);
        store.seal(at(200)).unwrap();
        store
    }

    fn in_part(store: &TraceStore, trace: u64) -> Option<String> {
        let found = store.trace(&tenant(), &trace_id(trace)).unwrap().unwrap();
        assert_eq!(found.cut, found.in_part);
        let otlp = store.otlp(&tenant(), &trace_id(trace)).unwrap().unwrap();
        assert_eq!(otlp.cut, found.cut);
        found.in_part
    }

    #[test]
    fn a_trace_of_which_a_part_may_have_been_let_go_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path());
        (0..3).for_each(|trace| assert_eq!(in_part(&store, trace), None));
        store.settle(at(200)).unwrap();
        let check = |store: &TraceStore| {
            let goes_on = in_part(store, 0).unwrap();
            assert!(
                goes_on.contains("were let go") && !goes_on.contains("parent"),
                "{goes_on}"
            );
            let orphaned = in_part(store, 1).unwrap();
            assert!(
                orphaned.ends_with("of one of its spans the parent is not here"),
                "{orphaned}"
            );
            assert_eq!(in_part(store, 2), None);
        };
        check(&store);
        drop(store);
        check(&open(dir.path(), &config()));
    }

    /// Damages a segment, of which the first is the oldest.
    fn damage(dir: &Path, which: usize) {
        let segments = dir.join("segments").join(tenant().as_str());
        let mut segments: Vec<_> = std::fs::read_dir(segments)
            .unwrap()
            .map(|s| s.unwrap().path())
            .collect();
        segments.sort();
        for file in std::fs::read_dir(&segments[which]).unwrap() {
            std::fs::write(file.unwrap().path(), b"nothing").unwrap();
        }
    }

    #[test]
    fn a_trace_that_had_long_ended_when_what_is_damaged_arrived_does_not_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &Config::default());
        for (trace, second) in [(0, 10), (1, 7_000), (2, 7_010), (3, 7_020)] {
            let orphan = span(trace, trace + 1, 9, (second - 5, second - 1));
            store.apply(&[entry(second, &payload("shop", vec![orphan]))]);
            store.seal(at(second)).unwrap();
        }
        drop(store);
        damage(dir.path(), 2);
        let mut registry = prometheus_client::registry::Registry::default();
        let config = Config::default();
        let store = TraceStore::open(dir.path(), &config, &mut registry, at(8_000)).unwrap();
        let says_so = [0, 1, 3].map(|trace| in_part(&store, trace).is_some());
        assert_eq!(says_so, [false, true, false]);
    }

    #[test]
    fn a_trace_of_which_a_part_may_be_damaged_says_so() {
        let dir = tempfile::tempdir().unwrap();
        drop(filled(dir.path()));
        damage(dir.path(), 0);
        for _ in 0..2 {
            let mut registry = prometheus_client::registry::Registry::default();
            let store = TraceStore::open(dir.path(), &config(), &mut registry, at(300)).unwrap();
            let orphaned = in_part(&store, 1).unwrap();
            assert!(
                orphaned.contains("is damaged and lies in quarantine/"),
                "{orphaned}"
            );
            assert_eq!(in_part(&store, 0), None, "nothing shows it");
            assert_eq!(in_part(&store, 2), None);
        }
    }
}
