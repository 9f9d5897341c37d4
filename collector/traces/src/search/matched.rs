//! Which spans of one trace a query finds.
//!
//! A query that looks at each span by itself is asked of all spans of a trace, some thousand at a
//! time. One that looks at how they stand to one another is asked of as many as may be judged
//! together, which are the first, and the answer says so.

use super::SearchError;
use super::large::HEADS_MAX;
use super::whole::both;
use crate::decoded::Decoder;
use crate::raw::RawSpan;
use crate::store::{TraceStore, View};
use sonde_proto::{Deadline, Tenant, TraceId, UnixNanos};
use sonde_traceql::{Bounds, MatchedSpan, Query, SPAN_SETS_MAX, SpanSet};

/// The span sets, and why there may be more of them.
pub type Matched = (Vec<SpanSet>, Option<String>);

/// How many spans are judged at a time, and how many bytes of them, of a trace that is asked for
/// all of its spans.
const TOGETHER_MAX: usize = 4096;
const TOGETHER_BYTES_MAX: usize = 4 << 20;

impl TraceStore {
    /// What a query finds in one trace, whenever it happened, up to `spans_max` spans of each
    /// span set. `None` where there is no such trace; where the deadline passes, what was found
    /// by then of spans by themselves, and nothing otherwise.
    ///
    /// # Errors
    /// [`SearchError`] when a segment could not be read.
    pub fn matched(
        &self,
        tenant: &Tenant,
        id: &TraceId,
        query: &Query,
        spans_max: usize,
        deadline: &Deadline,
    ) -> Result<Option<Matched>, SearchError> {
        let Some(view) = self.view(tenant) else {
            return Ok(None);
        };
        let raw = self.raw(&view, id)?;
        if raw.spans.is_empty() {
            return Ok(None);
        }
        let in_part = self.in_part(tenant, id, &raw);
        let bounds = Bounds {
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            spans_max,
        };
        let judged = raw.spans.len();
        if raw.next.is_some() && query.is_of_single_spans() {
            drop(raw);
            let (sets, why) = self.matched_one_by_one(&view, id, query, &bounds, deadline)?;
            return Ok(Some((sets, both(why, in_part.as_ref()))));
        }
        let decoded = Decoder::default().decode(*id, &raw.spans);
        let (span_sets, why) = query.search_until(&decoded, &bounds, deadline);
        let many = span_sets.iter().any(|set| set.matched > set.spans.len());
        // How many there would be is not known; they seldom are exactly as many as are told.
        let sets = span_sets.len() >= SPAN_SETS_MAX;
        let sets = sets.then(|| format!("these are the first {SPAN_SETS_MAX} span sets"));
        let why = why.map(str::to_owned);
        let page = raw.cut.map(|cut| {
            format!("the query looks at how spans stand to one another, and was asked of the first {judged} alone: {cut}")
        });
        let many = many.then(|| too_many(spans_max));
        let cut = page.or(why).or(many).or(sets);
        Ok(Some((span_sets, both(cut, in_part.as_ref()))))
    }

    /// What a query finds that looks at each span by itself.
    fn matched_one_by_one(
        &self,
        view: &View,
        id: &TraceId,
        query: &Query,
        bounds: &Bounds,
        deadline: &Deadline,
    ) -> Result<Matched, SearchError> {
        let mut found = OneByOne::default();
        let (mut together, mut bytes) = (Vec::new(), 0);
        let visited = self.each_span(view, id, HEADS_MAX, deadline, |span| {
            bytes += span.bytes.len();
            together.push(span);
            if together.len() >= TOGETHER_MAX || bytes >= TOGETHER_BYTES_MAX {
                bytes = 0;
                found.judge(*id, &std::mem::take(&mut together), query, bounds, deadline);
            }
        })?;
        found.judge(*id, &together, query, bounds, deadline);
        let late = found
            .is_late
            .then(|| "the time was over before all spans were judged".to_owned());
        let many = (found.matched > bounds.spans_max).then(|| too_many(bounds.spans_max));
        let sets = match found.matched {
            0 => Vec::new(),
            matched => {
                found.shorten(bounds.spans_max);
                vec![SpanSet {
                    matched,
                    spans: found.spans,
                    attributes: Vec::new(),
                }]
            }
        };
        Ok((sets, visited.cut.or(late).or(many)))
    }
}

fn too_many(spans_max: usize) -> String {
    format!("more than {spans_max} spans match; these are the first")
}

/// What was found of spans that came in no order.
#[derive(Default)]
struct OneByOne {
    decoder: Decoder,
    matched: usize,
    spans: Vec<MatchedSpan>,
    is_late: bool,
}

impl OneByOne {
    fn judge(
        &mut self,
        id: TraceId,
        spans: &[RawSpan],
        query: &Query,
        bounds: &Bounds,
        deadline: &Deadline,
    ) {
        let decoded = self.decoder.decode(id, spans);
        let all = Bounds {
            spans_max: spans.len(),
            ..*bounds
        };
        let (sets, why) = query.search_until(&decoded, &all, deadline);
        self.is_late |= why.is_some();
        for set in sets {
            self.matched += set.matched;
            self.spans.extend(set.spans);
        }
        if self.spans.len() > 2 * bounds.spans_max {
            self.shorten(bounds.spans_max);
        }
    }

    /// Keeps the first.
    fn shorten(&mut self, spans_max: usize) {
        self.spans
            .sort_by(|a, b| (a.start, &a.span_id).cmp(&(b.start, &b.span_id)));
        self.spans.truncate(spans_max);
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::model::{entry, open, payload, random_span, tenant, trace_id};
    use crate::{Config, TraceQuery};
    use rand::SeedableRng as _;
    use sonde_proto::{Deadline, UnixNanos};
    use std::time::Duration;

    /// Seed 11.
    #[test]
    fn a_query_of_single_spans_is_asked_of_all_pages_and_others_say_of_how_many() {
        const SPANS: u64 = 10_000;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let spans: Vec<_> = (1..=SPANS)
            .map(|n| {
                let mut span = random_span(&mut rng, 1);
                span.trace_id = trace_id(0).as_bytes().to_vec();
                span.span_id = n.to_be_bytes().to_vec();
                span.name = format!("operation {}", n % 5);
                span
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            trace_spans_max: 50,
            ..Config::default()
        };
        let store = open(dir.path(), &config);
        store.apply(&[entry(0, &payload("web", spans[..7_000].to_vec()))]);
        store.seal(UnixNanos(0)).unwrap();
        store.apply(&[entry(1, &payload("web", spans[6_000..].to_vec()))]);
        let asked = |query: &str, spans_max, deadline: &Deadline| {
            let query = TraceQuery::parse(query).unwrap();
            let id = trace_id(0);
            let found = store.matched(&tenant(), &id, &query, spans_max, deadline);
            found.unwrap().unwrap()
        };
        let never = Deadline::never();
        let (sets, cut) = asked("{ name = \"operation 3\" } | select(kind)", 20_000, &never);
        assert_eq!((sets.len(), sets[0].matched, cut), (1, 2_000, None));
        let mut expected: Vec<_> = (1..=SPANS)
            .filter(|n| n % 5 == 3)
            .map(|n| n.to_string())
            .collect();
        let mut found: Vec<_> = sets[0]
            .spans
            .iter()
            .map(|span| {
                u64::from_str_radix(&span.span_id.to_string(), 16)
                    .unwrap()
                    .to_string()
            })
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
        let all: Vec<_> = sets[0].spans.iter().map(|span| span.span_id).collect();

        let (sets, cut) = asked("{ name = \"operation 3\" }", 7, &never);
        assert_eq!((sets[0].matched, sets[0].spans.len()), (2_000, 7));
        assert!(cut.unwrap().contains("more than 7 spans match"));
        let first: Vec<_> = sets[0].spans.iter().map(|span| span.span_id).collect();
        assert_eq!(first, all[..7], "the first in time");

        let (_, cut) = asked("{} >> {}", 7, &never);
        let cut = cut.unwrap();
        assert!(cut.contains("asked of the first 50 alone"), "{cut}");
        assert!(cut.contains("the trace has 10000 spans"), "{cut}");
        let late = Deadline::within(Duration::ZERO);
        let (sets, cut) = asked("{ name = \"operation 3\" }", 7, &late);
        assert!(sets.is_empty() && cut.unwrap().contains("the time was over"));
    }
}
