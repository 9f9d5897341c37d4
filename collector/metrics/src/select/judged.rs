//! What patterns say about the labels of a head, asked while it is not locked.
//!
//! Who writes waits for whoever reads, and a pattern over a million values takes seconds. So
//! where many series are to be looked at, the values are copied some at a time and judged in
//! between; what is new by the time of the answer is judged then. Numbers of texts hold until
//! the head is renumbered, and so does what is known about them.

use crate::postings::{Clock, Index as _, Known, split};
use crate::promql::source::Stop;
use crate::symbols::Symbol;
use crate::tenant::{State, TenantStore};
use ahash::AHashMap;
use sonde_proto::{Deadline, MatchOp, Matcher};

/// How many series are looked at while the head is locked.
const STEP: usize = 4096;

/// What is known of a head, and by which numbers.
#[derive(Default)]
pub(super) struct Judged {
    numbering: u64,
    known: Known,
}

impl Judged {
    /// Judges what is there now, where it is more than is quickly judged later.
    pub(super) fn read(
        tenant: &TenantStore,
        matchers: &[Matcher],
        deadline: &Deadline,
    ) -> Result<Self, Stop> {
        let (narrow, wide) = split(matchers);
        let is_pattern = |m: &&Matcher| matches!(m.op, MatchOp::Regex | MatchOp::NotRegex);
        if !wide.iter().any(is_pattern) {
            return Ok(Self::default());
        }
        let (numbering, mut ids) = {
            let head = &tenant.state.read().head;
            let found = head.narrowed(&narrow, &wide);
            let found = found.unwrap_or_else(|| (0..head.count()).collect());
            (head.numbering(), found)
        };
        let mut judged = Self {
            numbering,
            known: Known::default(),
        };
        let mut clock = Clock::new(deadline);
        for matcher in wide {
            let mut known = AHashMap::new();
            if ids.len() > STEP && is_pattern(&matcher) {
                let mut left = Vec::new();
                for some in ids.chunks(STEP) {
                    let Some(values) = judged.copied(&tenant.state.read(), matcher, some, &known)
                    else {
                        return Ok(Self::default());
                    };
                    for (value, text) in values.texts {
                        clock.work(matcher, &text);
                        clock.check()?;
                        known.insert(Some(value), matcher.matches(&text));
                    }
                    let is_left = |value| known.get(value).copied().unwrap_or(true);
                    let of_some = some.iter().zip(&values.of_series);
                    left.extend(
                        of_some
                            .filter(|(_, value)| is_left(*value))
                            .map(|(id, _)| *id),
                    );
                }
                ids = left;
            }
            judged.known.push(known);
        }
        Ok(judged)
    }

    /// Copies the values that some series have and nothing is known of. `None` where numbers
    /// are others than they were.
    fn copied(
        &self,
        state: &State,
        matcher: &Matcher,
        some: &[u32],
        known: &AHashMap<Option<Symbol>, bool>,
    ) -> Option<Values> {
        let head = &state.head;
        if head.numbering() != self.numbering {
            return None;
        }
        let mut values = Values::default();
        let name = head.symbols().find(&matcher.name);
        for id in some {
            let pair = head.pairs(*id).iter().find(|(n, _)| Some(*n) == name);
            let value = pair.map(|(_, value)| *value);
            values.of_series.push(value);
            if let Some(value) = value.filter(|_| !known.contains_key(&value)) {
                let text = || head.symbols().text(value).into();
                values.texts.entry(value).or_insert_with(text);
            }
        }
        Some(values)
    }

    /// What is known, if it still holds.
    pub(super) fn of(self, state: &State) -> Known {
        if state.head.numbering() == self.numbering {
            self.known
        } else {
            Known::default()
        }
    }
}

/// What series have of one label.
#[derive(Default)]
struct Values {
    of_series: Vec<Option<Symbol>>,
    texts: AHashMap<Symbol, Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::testing::*;
    use sonde_proto::Tenant;

    /// So many series of `m`, each with an `own` value.
    fn bed(count: usize) -> (Bed, std::sync::Arc<TenantStore>) {
        let bed = Bed::new(&Config::default());
        let owns: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        let points = owns.iter().map(|own| point(&[("own", own)], 0, 1.0));
        bed.send(&[], vec![gauge("m", points.collect())]);
        let tenant = bed.store.tenant(&Tenant::default()).unwrap();
        (bed, tenant)
    }

    fn matchers() -> Vec<Matcher> {
        crate::parse_selector("{own=~\"1.*\",own!~\".*7\",__name__!=\"\"}").unwrap()
    }

    #[test]
    fn where_series_are_many_no_pattern_is_asked_while_they_are_locked() {
        let (_bed, tenant) = bed(STEP + 1);
        let (matchers, never) = (matchers(), Deadline::never());
        let judged = Judged::read(&tenant, &matchers, &never).unwrap();
        let sizes: Vec<usize> = judged.known.iter().map(|known| known.len()).collect();
        // Those that begin with 1 are few enough to be judged at once.
        assert_eq!(sizes, [STEP + 1, 0, 0]);
        let state = tenant.state.read();
        let direct = state.head.matching(&matchers);
        let known = judged.of(&state);
        let found = state.head.matching_known(&matchers, known, &never).unwrap();
        assert!(!found.is_empty());
        assert_eq!(found, direct);
    }

    #[test]
    fn few_series_and_plain_texts_are_judged_later() {
        let (_bed, tenant) = bed(10);
        let judged = Judged::read(&tenant, &matchers(), &Deadline::never()).unwrap();
        assert!(judged.known.iter().all(|known| known.is_empty()));
        let plain = crate::parse_selector("m{own!=\"1\"}").unwrap();
        let judged = Judged::read(&tenant, &plain, &Deadline::never()).unwrap();
        assert!(judged.known.is_empty());
    }

    #[test]
    fn what_is_known_by_other_numbers_is_forgotten() {
        let (_bed, tenant) = bed(STEP + 1);
        let never = Deadline::never();
        let mut judged = Judged::read(&tenant, &matchers(), &never).unwrap();
        judged.numbering += 1;
        let copied = judged.copied(&tenant.state.read(), &matchers()[0], &[1], &AHashMap::new());
        assert!(copied.is_none());
        assert!(judged.of(&tenant.state.read()).is_empty());
        let deadline = Deadline::never();
        drop(deadline.give_up_on_drop());
        assert_eq!(
            Judged::read(&tenant, &matchers(), &deadline).err(),
            Some(Stop::Deadline)
        );
    }
}
