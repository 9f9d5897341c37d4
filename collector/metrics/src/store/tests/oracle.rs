//! Random histories of a store against a plain map: batches in any order, seals, merges,
//! retention, crashes. Whatever happened, the store holds what the map holds.

use super::*;
use crate::Samples;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Entry, Labels};
use std::collections::BTreeMap;

/// How many histories are played.
const HISTORIES: u64 = 24;
/// How many things happen in each.
const EVENTS: usize = 120;

/// The journal, how much of it was applied, and what a store must hold then.
struct World {
    rng: ChaCha8Rng,
    config: Config,
    bed: Bed,
    journal: Vec<Entry>,
    model: BTreeMap<(Tenant, Labels), BTreeMap<i64, u64>>,
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
                series.entry(NOW_MS + after).or_insert(value.to_bits());
            }
            metrics.push(gauge(name, points));
        }
        self.journal.push(entry(&tenant, &request(&[], metrics)));
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
        match self.rng.random_range(0..21) {
            0..=13 => self.take(),
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
            _ => self.check(),
        }
    }

    fn check(&self) {
        for tenant in &self.tenants {
            let found = super::super::samples_of(&self.bed.store, tenant, &[]);
            let found: BTreeMap<Labels, Vec<(i64, u64)>> = found
                .into_iter()
                .map(|(labels, samples)| (labels, bits(&samples)))
                .collect();
            let wanted = self.model.iter().filter(|((t, _), _)| t == tenant);
            let wanted: BTreeMap<Labels, Vec<(i64, u64)>> = wanted
                .map(|((_, labels), samples)| {
                    (
                        labels.clone(),
                        samples.iter().map(|(t, v)| (*t, *v)).collect(),
                    )
                })
                .collect();
            assert_eq!(found, wanted);
        }
    }
}

fn bits(samples: &Samples) -> Vec<(i64, u64)> {
    samples.iter().map(|(t, v)| (t, v.to_bits())).collect()
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
