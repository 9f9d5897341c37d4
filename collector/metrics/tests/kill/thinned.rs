//! The same where old samples are downsampled: what an interval held is known after every kill
//! to the last sample, unless some of it was deleted, and nothing deleted comes back.

use super::*;
use sonde_metrics::Step;
use sonde_proto::period::Period;
use std::collections::BTreeSet;

const KILLS: u64 = 26;
/// The coarsest resolution, in milliseconds.
const RESOLUTION: i64 = 2000;

pub(super) fn steps() -> Downsampling {
    let step = |after, resolution| Step {
        after: Period::read(after).unwrap(),
        resolution: Period::read(resolution).unwrap(),
    };
    let steps = vec![step("3s", "500ms"), step("8s", "2s")];
    Downsampling::try_from(steps).unwrap()
}

/// What an interval of a service held.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    count: f64,
    sum: f64,
    least: f64,
    most: f64,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        }
    }
}

type Intervals = BTreeMap<(u64, i64), Held>;

/// The end of an interval belongs to it.
fn interval(time: i64) -> i64 {
    (time - 1).div_euclid(RESOLUTION)
}

fn held(samples: &BTreeMap<Key, f64>, rests: &[(u64, Rest)]) -> Intervals {
    let mut all = Intervals::new();
    for ((service, time), value) in samples {
        let of = all.entry((*service, interval(*time))).or_default();
        of.count += 1.0;
        of.sum += value;
        of.least = of.least.min(*value);
        of.most = of.most.max(*value);
    }
    for (service, rest) in rests {
        let of = all.entry((*service, interval(rest.end))).or_default();
        of.count += rest.count;
        of.sum += rest.sum;
    }
    all
}

/// What is wrong with a store that is to hold everything before a position, if anything is.
fn wrong(store: &MetricStore, promised: &Promised, before: u64) -> Option<String> {
    let (found, rests) = everything(store);
    let expected = promised.expected(before);
    if let Some(more) = found
        .iter()
        .find(|(key, value)| expected.get(key) != Some(value))
    {
        return Some(format!("{more:?} came back or was invented"));
    }
    let touched: BTreeSet<(u64, i64)> = promised
        .deletes
        .iter()
        .flat_map(|asked| {
            let (service, (start, end)) = asked.what();
            (interval(start)..=interval(end)).map(move |at| (service, at))
        })
        .collect();
    let (is, was) = (held(&found, &rests), held(&expected, &[]));
    for (at, is) in &is {
        let was = was.get(at).copied().unwrap_or_default();
        if is.count > was.count || (!touched.contains(at) && *is != was) {
            return Some(format!("interval {at:?} held {was:?}, and there is {is:?}"));
        }
    }
    let lost = was
        .keys()
        .find(|at| !touched.contains(at) && !is.contains_key(at));
    lost.map(|at| format!("interval {at:?} is lost"))
}

/// A deletion that nobody was told of is in force or not, but not by half. Where neither can be told
/// from the other it is not: what it is for may not be in any segment yet, and comes then.
fn check(store: &MetricStore, promised: &mut Promised, before: u64) {
    let without = wrong(store, promised, before);
    if let (Some(open), Some(_)) = (promised.open.take(), &without) {
        promised.deletes.push(open);
        let with = wrong(store, promised, before);
        assert_eq!(with, None, "or else {without:?}; of {before} positions");
        return;
    }
    assert_eq!(without, None, "of {before} positions");
}

#[test]
fn what_was_thinned_is_known_after_every_kill() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut random = random(5, 0);
    let mut promised = Promised::default();
    for life in 1..=KILLS {
        let lines = match random.random_range(0..6) {
            0 => 0,
            _ => random.random_range(1..120),
        };
        for said in live_and_die(dir.path(), THINNED + life, lines, Said::parse) {
            promised.take(said);
        }
        let store = open(dir.path(), Old::Thinned);
        let stats = store.stats();
        assert_eq!(stats.quarantined, 0, "life {life}: a kill damages nothing");
        let resume_from = store.resume_from().0;
        assert!(resume_from >= promised.covers, "life {life}");
        check(&store, &mut promised, resume_from);
    }
    assert!(promised.covers > 300, "{}", promised.covers);
    let store = open(dir.path(), Old::Thinned);
    // Which steps were taken by then depends on when it was killed.
    assert!(!store.stats().downsampled.is_empty());
    let (found, rests) = everything(&store);
    assert!(!rests.is_empty(), "{} samples, no rests", found.len());
}
