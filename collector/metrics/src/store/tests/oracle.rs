//! Random histories of a store against a plain map: batches of floats and histograms in any
//! order, some of which say since when they count, seals, merges, deletions, crashes. Whatever happened, the store holds what the map
//! holds.

use super::*;
use crate::Samples;
use crate::testing::native::{Bits, bits, counted};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::{Entry, Histogram, Labels};
use std::collections::BTreeMap;

/// How many histories are played.
const HISTORIES: u64 = 24;
/// How many things happen in each.
const EVENTS: usize = 120;

/// What is at a time, and since when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    Float(u64, i64),
    Histogram(Box<Bits>, i64),
}

/// The journal, how much of it was applied, and what a store must hold then.
struct World {
    rng: ChaCha8Rng,
    config: Config,
    bed: Bed,
    journal: Vec<Entry>,
    model: BTreeMap<(Tenant, Labels), BTreeMap<i64, Held>>,
    tenants: Vec<Tenant>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = Config {
            merge_fan_in: rng.random_range(2..5),
            // Nothing expires here: what is dropped with its segment is another test's matter.
            series_idle_seconds: rng.random_range(0..600),
            // Mostly so little that seals are due all the time, and sometimes waited for.
            head_bytes_max: *[32 << 10, 128 << 10, 1 << 20].choose(&mut rng).unwrap(),
            unsealed_samples_max: *[300, 10_000_000].choose(&mut rng).unwrap(),
            index_cache_bytes_max: *[0, 1 << 20].choose(&mut rng).unwrap(),
            ..Config::default()
        };
        let tenants = ["a", "b"].map(|name| Tenant::new(name).unwrap()).to_vec();
        Self {
            rng,
            bed: Bed::new(&config),
            config,
            journal: Vec::new(),
            model: BTreeMap::new(),
            tenants,
        }
    }

    /// A request with some samples, written to the journal, applied, and noted in the map.
    fn take(&mut self) {
        let tenant = self.tenants.choose(&mut self.rng).unwrap().clone();
        let mut metrics = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let (name, n) = (
                *["up", "load", "heat"].choose(&mut self.rng).unwrap(),
                self.rng.random_range(0..6u8).to_string(),
            );
            let pairs = [("n", n.as_str())];
            let mut points = Vec::new();
            for _ in 0..self.rng.random_range(1..40) {
                let after = self.rng.random_range(-300_000..300_000);
                let value = self.value();
                points.push(point(&pairs, after, value));
                let labels: Labels = [("__name__", name), ("n", &n)].into_iter().collect();
                let series = self.model.entry((tenant.clone(), labels)).or_default();
                let held = Held::Float(value.to_bits(), 0);
                series.entry(NOW_MS + after).or_insert(held);
            }
            metrics.push(gauge(name, points));
        }
        self.journal.push(entry(&tenant, &request(&[], metrics)));
        self.replay();
    }

    /// The same of histograms, and of floats of the same series, as a Prometheus writes them.
    fn take_written(&mut self) {
        let tenant = self.tenants.choose(&mut self.rng).unwrap().clone();
        for _ in 0..self.rng.random_range(1..4) {
            let (name, n) = (
                *["latency", "heat"].choose(&mut self.rng).unwrap(),
                self.rng.random_range(0..4u8).to_string(),
            );
            let pairs = [("__name__", name), ("n", n.as_str())];
            let labels: Labels = pairs.into_iter().collect();
            let model = self.model.entry((tenant.clone(), labels)).or_default();
            let mut series = Series {
                labels: pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec(),
                ..Series::default()
            };
            let version = *Version::ALL.choose(&mut self.rng).unwrap();
            let usual = NOW_MS - self.rng.random_range(0..3) * 1_000_000;
            let start = |rng: &mut ChaCha8Rng, time: i64| {
                let starts = [0, usual, usual, usual, usual, time, time - 1];
                let start = *starts.choose(rng).unwrap();
                if version == Version::V2 { start } else { 0 }
            };
            // A request's floats come before its histograms.
            for _ in 0..self.rng.random_range(0..3) {
                let time = NOW_MS + self.rng.random_range(-300_000..300_000);
                let start = start(&mut self.rng, time);
                series.samples.push((time, time as f64));
                series.starts.push((time, start));
                let held = Held::Float((time as f64).to_bits(), start);
                model.entry(time).or_insert(held);
            }
            let from = self.rng.random_range(-300_000..300_000);
            for step in 0..self.rng.random_range(1..40) {
                // In the order of time, mostly.
                let is_late = self.rng.random_range(0..10u8) == 0;
                let late = if is_late {
                    self.rng.random_range(0..100_000)
                } else {
                    0
                };
                let time = NOW_MS + from + step * 50 - late;
                let value = self::histogram(&mut self.rng);
                let start = start(&mut self.rng, time);
                let known = series.starts.iter().find(|(at, _)| *at == time);
                let start = known.map_or(start, |(_, start)| *start);
                let held = Held::Histogram(Box::new(bits(&value)), start);
                model.entry(time).or_insert(held);
                series.starts.push((time, start));
                series.histograms.push((time, value));
            }
            let body = body(version, &[series]).unwrap();
            let entry = Entry::remote_write(tenant.clone(), version, NOW, body.into());
            self.journal.push(entry);
        }
        self.replay();
    }

    fn value(&mut self) -> f64 {
        match self.rng.random_range(0..12) {
            0 => f64::from_bits(self.rng.random()),
            1 => crate::stale_nan(),
            2 => f64::from(self.rng.random_range(0..3u8)),
            _ => f64::from(self.rng.random_range(0..100_000u32)) / 100.0,
        }
    }

    /// Applies what the journal holds from where the store is.
    fn replay(&mut self) {
        let from = self.bed.store.applied_to().0 as usize;
        let rest = self.journal.iter().enumerate().skip(from);
        let batch: Vec<_> = rest.map(|(n, e)| (at(n as u64), e.clone())).collect();
        self.bed.store.apply(&batch);
    }

    fn event(&mut self) {
        match self.rng.random_range(0..24) {
            0..=9 => self.take(),
            10..=13 => self.take_written(),
            14 | 15 => {
                self.bed.store.seal(NOW).unwrap();
            }
            16 => {
                let now = later(self.rng.random_range(0..20_000));
                self.bed.store.settle(now).unwrap();
            }
            // Starts seals and merges, which go on beside what happens next.
            17 | 18 => {
                let now = later(self.rng.random_range(0..20_000));
                self.bed.store.maintain(now).unwrap();
            }
            19 => {
                self.bed.crash();
                self.replay();
            }
            20 | 21 => self.delete(),
            22 => self.bed.store.clean_deleted().unwrap(),
            _ => self.check(),
        }
    }

    /// Deletes some of what was applied, here and in the map.
    fn delete(&mut self) {
        let tenant = self.tenants.choose(&mut self.rng).unwrap().clone();
        let selectors = [
            r#"up"#,
            r#"{n="3"}"#,
            r#"{__name__=~"load|heat",n!~"[0-3]"}"#,
            r#"{n!=""}"#,
            r#"{n="7"}"#,
        ];
        let count = self.rng.random_range(1..3);
        let selectors: Vec<_> = (0..count)
            .map(|_| selectors.choose(&mut self.rng).unwrap())
            .collect();
        let selectors: Vec<Vec<_>> = selectors
            .into_iter()
            .map(|text| crate::parse_selector(text).unwrap())
            .collect();
        let start = NOW_MS + self.rng.random_range(-320_000..300_000);
        let end = start + self.rng.random_range(0..300_000);
        let delete = crate::Delete {
            selectors: &selectors,
            start,
            end,
        };
        self.bed.store.delete(&tenant, &delete, NOW).unwrap();
        let of = self.model.iter_mut().filter(|((t, _), _)| *t == tenant);
        for ((_, labels), samples) in of {
            let matches =
                |s: &Vec<sonde_proto::Matcher>| s.iter().all(|m| m.matches_labels(labels));
            if selectors.iter().any(matches) {
                samples.retain(|time, _| !(start..=end).contains(time));
            }
        }
        self.model.retain(|_, samples| !samples.is_empty());
    }

    /// The label sets that may have samples, which are all that do: a series of which nothing is
    /// left may be listed only where a part of its chunk was deleted.
    fn check_listed(&self, tenant: &Tenant, wanted: &BTreeMap<Labels, Vec<(i64, Held)>>) {
        let deadline = sonde_proto::Deadline::never();
        let lookup = crate::Lookup {
            selectors: &[Vec::new()],
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit: usize::MAX,
            deadline: &deadline,
        };
        let listed = self.bed.store.series(tenant, &lookup).unwrap().items;
        for labels in wanted.keys() {
            assert!(listed.contains(labels), "{labels} is not listed");
        }
    }

    fn check(&self) {
        for tenant in &self.tenants {
            let found = super::super::samples_of(&self.bed.store, tenant, &[]);
            // One of which nothing is left may still be selected, see below.
            let found: BTreeMap<Labels, Vec<(i64, Held)>> = found
                .into_iter()
                .map(|(labels, samples)| (labels, held(&samples)))
                .filter(|(_, samples)| !samples.is_empty())
                .collect();
            let wanted = self.model.iter().filter(|((t, _), _)| t == tenant);
            let wanted: BTreeMap<Labels, Vec<(i64, Held)>> = wanted
                .map(|((_, labels), samples)| {
                    (
                        labels.clone(),
                        samples.iter().map(|(t, v)| (*t, v.clone())).collect(),
                    )
                })
                .collect();
            assert_eq!(found, wanted);
            self.check_listed(tenant, &wanted);
        }
    }
}

fn held(samples: &Samples) -> Vec<(i64, Held)> {
    // The end of a series says nothing of it.
    let start = |at, value| match crate::is_stale(value) {
        true => 0,
        false => samples.start(at),
    };
    let floats = samples.iter().enumerate();
    let floats = floats.map(|(at, (t, v))| (t, Held::Float(v.to_bits(), start(at, v))));
    let histograms = samples.histograms.iter();
    let histograms =
        histograms.map(|s| (s.time, Held::Histogram(Box::new(bits(&s.value)), s.start)));
    let mut all: Vec<_> = floats.chain(histograms).collect();
    all.sort_by_key(|(time, _)| *time);
    all
}

/// One of a few layouts.
fn histogram(rng: &mut ChaCha8Rng) -> Histogram {
    let counts: Vec<f64> = (0..rng.random_range(1..4))
        .map(|_| f64::from(rng.random_range(0..1000u16)) / *[1.0, 8.0].choose(rng).unwrap())
        .collect();
    counted(rng.random_range(-1..2), &counts)
}

#[test]
fn whatever_happens_the_store_holds_what_a_map_would() {
    for seed in 0..HISTORIES {
        let mut world = World::new(seed);
        for _ in 0..EVENTS {
            world.event();
        }
        world.check();
        world.bed.store.seal(NOW).unwrap();
        world.check();
        world.bed.reopen();
        assert_eq!(
            world.bed.store.resume_from().0 as usize,
            world.journal.len()
        );
        world.check();
        assert!(world.config.merge_fan_in > 1);
    }
}

/// The same of exponential histograms.
#[test]
fn totals_of_histograms_of_deltas_are_the_same_through_seals_and_crashes() {
    for seed in 0..HISTORIES {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = Config {
            merge_fan_in: 2,
            series_idle_seconds: rng.random_range(0..2),
            seal_interval_seconds: rng.random_range(0..20),
            ..Config::default()
        };
        let mut bed = Bed::new(&config);
        let (mut journal, mut wanted, mut total) = (Vec::new(), Vec::new(), 0.0);
        for step in 0..60 {
            let count = rng.random_range(0..50u64);
            total += count as f64 + 1.0;
            wanted.push((step * 1000, total));
            let metrics = vec![exponential(DELTA, step * 1000, count)];
            journal.push(entry(&Tenant::default(), &request(&[], metrics)));
            let replay = |bed: &Bed| {
                let from = bed.store.applied_to().0 as usize;
                for (n, entry) in journal.iter().enumerate().skip(from) {
                    bed.store.apply(&[(at(n as u64), entry.clone())]);
                }
            };
            replay(&bed);
            match rng.random_range(0..6) {
                0 => {
                    bed.store.seal(later(step as u64)).unwrap();
                }
                1 => {
                    bed.store.maintain(later(step as u64)).unwrap();
                }
                2 => {
                    bed.crash();
                    replay(&bed);
                }
                _ => {}
            }
        }
        let found = bed.histograms("delta").into_iter();
        let found: Vec<_> = found.map(|(time, h)| (time, h.count)).collect();
        assert_eq!(found, wanted, "seed {seed}");
    }
}

/// Deltas become totals that do not depend on when the store was sealed or crashed.
#[test]
fn totals_of_deltas_are_the_same_through_seals_and_crashes() {
    for seed in 0..HISTORIES {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = Config {
            merge_fan_in: 2,
            series_idle_seconds: rng.random_range(0..2),
            seal_interval_seconds: rng.random_range(0..20),
            ..Config::default()
        };
        let mut bed = Bed::new(&config);
        let (mut journal, mut wanted, mut total) = (Vec::new(), Vec::new(), 0.0);
        for step in 0..60 {
            let value = f64::from(rng.random_range(0..50u8));
            total += value;
            wanted.push((step * 1000, total));
            let metrics = vec![counter("c", DELTA, vec![point(&[], step * 1000, value)])];
            journal.push(entry(&Tenant::default(), &request(&[], metrics)));
            bed.store
                .apply(&[(at(step as u64), journal[step as usize].clone())]);
            match rng.random_range(0..6) {
                0 => {
                    bed.store.seal(later(step as u64)).unwrap();
                }
                1 => {
                    bed.store.maintain(later(step as u64)).unwrap();
                }
                2 => {
                    bed.crash();
                    let from = bed.store.resume_from().0 as usize;
                    for (n, entry) in journal.iter().enumerate().skip(from) {
                        bed.store.apply(&[(at(n as u64), entry.clone())]);
                    }
                }
                _ => {}
            }
        }
        assert_eq!(bed.samples("c_total"), wanted, "seed {seed}");
    }
}
