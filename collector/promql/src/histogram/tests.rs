//! Arithmetic against a slow model: a map from bucket indexes to counts, and quantiles and
//! fractions looked for bucket by bucket.

use super::*;
use proptest::prelude::*;
use sonde_proto::Buckets;
use std::collections::BTreeMap;

type Map = BTreeMap<i64, f64>;

/// The same observations as maps.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    schema: i8,
    zero_threshold: f64,
    zero_count: f64,
    count: f64,
    positive: Map,
    negative: Map,
}

impl Model {
    fn of(h: &Histogram) -> Self {
        let map = |side: &Buckets| -> Map {
            let entries = side.indexes().zip(side.counts.iter().copied());
            entries.filter(|(_, count)| *count != 0.0).collect()
        };
        Self {
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: h.zero_count,
            count: h.count,
            positive: map(&h.positive),
            negative: map(&h.negative),
        }
    }

    /// 2^(i * 2^-schema)
    fn end(&self, index: i64) -> f64 {
        2f64.powf(index as f64 / 2f64.powi(i32::from(self.schema)))
    }

    fn coarser(&mut self) {
        // Index 1 and 2 become 1, 3 and 4 become 2, 0 and -1 become 0.
        let join = |map: &Map| {
            let mut joined = Map::new();
            for (index, count) in map {
                let half = (*index as f64 / 2.0).ceil() as i64;
                *joined.entry(half).or_default() += count;
            }
            joined
        };
        self.positive = join(&self.positive);
        self.negative = join(&self.negative);
        self.schema -= 1;
    }

    /// Takes the lowest buckets into the zero bucket until it is as wide.
    fn widen(&mut self, threshold: f64) {
        self.zero_threshold = self.zero_threshold.max(threshold);
        loop {
            let within = |map: &Map, model: &Self| {
                let lowest = map.keys().next().copied();
                lowest.filter(|index| model.end(index - 1) < model.zero_threshold * (1.0 - 1e-12))
            };
            if let Some(index) = within(&self.positive, self) {
                self.zero_count += self.positive.remove(&index).unwrap();
                self.zero_threshold = self.zero_threshold.max(self.end(index));
            } else if let Some(index) = within(&self.negative, self) {
                self.zero_count += self.negative.remove(&index).unwrap();
                self.zero_threshold = self.zero_threshold.max(self.end(index));
            } else {
                return;
            }
        }
    }

    fn plus(mut self, mut other: Self, sign: f64) -> Self {
        for _ in 0..100 {
            self.widen(other.zero_threshold);
            other.widen(self.zero_threshold);
        }
        while self.schema > other.schema {
            self.coarser();
        }
        while other.schema > self.schema {
            other.coarser();
        }
        self.zero_count += sign * other.zero_count;
        self.count += sign * other.count;
        for (to, from) in [
            (&mut self.positive, other.positive),
            (&mut self.negative, other.negative),
        ] {
            for (index, count) in from {
                *to.entry(index).or_default() += sign * count;
            }
            to.retain(|_, count| *count != 0.0);
        }
        self
    }

    fn is_close(&self, other: &Self) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9);
        self.schema == other.schema
            && near(self.zero_threshold, other.zero_threshold)
            && self.zero_count == other.zero_count
            && self.count == other.count
            && self.positive == other.positive
            && self.negative == other.negative
    }
}

fn side() -> impl Strategy<Value = Map> {
    prop::collection::btree_map(-12i64..12, (0u32..9).prop_map(f64::from), 0..8)
}

fn exponential() -> impl Strategy<Value = Histogram> {
    let threshold = prop::sample::select(vec![0.0, 1e-3, 0.25, 0.3, 1.0, 1.7, 4.0]);
    (-1i8..=2, threshold, 0u32..5, side(), side()).prop_map(
        |(schema, threshold, zero, positive, negative)| {
            let mut h = Histogram {
                schema,
                zero_threshold: threshold,
                zero_count: f64::from(zero),
                positive: spread_out(&positive),
                negative: spread_out(&negative),
                ..Histogram::default()
            };
            // Buckets lie outside of the zero bucket.
            h.positive = layout::outside(&h.positive, schema, threshold);
            h.negative = layout::outside(&h.negative, schema, threshold);
            let counts = h.positive.counts.iter().chain(&h.negative.counts);
            h.count = h.zero_count + counts.sum::<f64>();
            h.sum = h.count;
            h
        },
    )
}

/// Spans as they may come: with empty buckets in them.
fn spread_out(map: &Map) -> Buckets {
    let (Some(first), Some(last)) = (map.keys().next(), map.keys().last()) else {
        return Buckets::default();
    };
    let counts: Vec<f64> = (*first..=*last)
        .map(|index| map.get(&index).copied().unwrap_or(0.0))
        .collect();
    Buckets {
        spans: vec![sonde_proto::BucketSpan {
            offset: *first as i32,
            length: counts.len() as u32,
        }],
        counts,
    }
}

fn custom() -> impl Strategy<Value = Histogram> {
    let bounds = prop::collection::btree_set(-5i32..6, 0..5);
    (bounds, prop::collection::vec(0u32..9, 6)).prop_map(|(bounds, counts)| {
        let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        let counts: Vec<f64> = counts[..=bounds.len()]
            .iter()
            .map(|c| f64::from(*c))
            .collect();
        let map: Map = (0..).zip(counts).collect();
        let count = map.values().sum();
        Histogram {
            schema: CUSTOM_SCHEMA,
            positive: spread_out(&map),
            count,
            sum: count,
            bounds: bounds.into(),
            ..Histogram::default()
        }
    })
}

fn any() -> impl Strategy<Value = Histogram> {
    prop_oneof![exponential(), custom()]
}

/// How many observations of a histogram lie at or below a bound that ends a bucket.
fn at_or_below(h: &Histogram, bound: f64) -> f64 {
    let below = buckets(h).into_iter().filter(|b| b.upper <= bound);
    below.map(|bucket| bucket.count).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_differences_are_those_of_maps(a in exponential(), b in exponential()) {
        for (sign, combine) in [(1.0, add as fn(&mut _, &_) -> _), (-1.0, subtract)] {
            let mut ours = a.clone();
            combine(&mut ours, &b).unwrap();
            let wanted = Model::of(&a).plus(Model::of(&b), sign);
            prop_assert!(Model::of(&ours).is_close(&wanted), "{ours:?}\n{wanted:?}");
        }
    }

    #[test]
    fn a_coarser_schema_joins_buckets(h in exponential(), steps in 0i8..3) {
        let mut ours = h.clone();
        let target = h.schema - steps;
        reduce(&mut ours, target);
        let mut wanted = Model::of(&h);
        (0..steps).for_each(|_| wanted.coarser());
        prop_assert!(Model::of(&ours).is_close(&wanted));
        reduce(&mut ours, 8);
        prop_assert_eq!(ours.schema, target);
    }

    #[test]
    fn custom_sums_count_the_same_below_each_bound_in_common(a in custom(), b in custom()) {
        let mut sum = a.clone();
        let combined = add(&mut sum, &b).unwrap();
        prop_assert_eq!(combined.other_bounds, a.bounds != b.bounds);
        prop_assert_eq!(sum.check(100), Ok(()));
        prop_assert_eq!(sum.count, a.count + b.count);
        for bound in a.bounds.iter().filter(|bound| b.bounds.contains(bound)) {
            prop_assert!(sum.bounds.contains(bound));
            let wanted = at_or_below(&a, *bound) + at_or_below(&b, *bound);
            prop_assert_eq!(at_or_below(&sum, *bound), wanted);
        }
        prop_assert!(sum.bounds.iter().all(|x| a.bounds.contains(x) && b.bounds.contains(x)));
    }

    #[test]
    fn compacting_and_adding_keep_histograms_sound(a in any(), b in any()) {
        let mut compacted = a.clone();
        compact(&mut compacted);
        prop_assert!(equal(&a, &compacted));
        prop_assert!(!compacted.positive.counts.contains(&0.0));
        prop_assert_eq!(compacted.check(100), Ok(()));
        let mut sum = a.clone();
        if add(&mut sum, &b).is_ok() {
            prop_assert_eq!(sum.check(100), Ok(()));
        } else {
            prop_assert!(is_custom(&a) != is_custom(&b));
        }
    }

    #[test]
    fn what_grows_was_not_reset_and_what_shrinks_was(a in exponential(), b in exponential()) {
        let mut grown = a.clone();
        add(&mut grown, &b).unwrap();
        prop_assert!(!is_reset(&a, &grown), "{a:?}\n{grown:?}");
        if b.count > 0.0 {
            prop_assert!(is_reset(&grown, &a));
        }
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_its_rank(h in any(), q in 0.0f64..=1.0) {
        let (found, nan) = quantile(&h, q);
        prop_assert_eq!(nan, None);
        if h.count == 0.0 {
            prop_assert!(found.is_nan());
            return Ok(());
        }
        // Bucket by bucket; at the end of one, either neighbour is right.
        let rank = q * h.count;
        let mut passed = 0.0;
        let slack = 1e-9 * h.count;
        let fits = buckets(&h).into_iter().any(|bucket| {
            let is_here = rank >= passed - slack && rank <= passed + bucket.count + slack;
            passed += bucket.count;
            let near = 1e-9 * found.abs().max(1e-9);
            is_here && found >= bucket.lower - near && found <= bucket.upper + near
        });
        prop_assert!(fits, "{found} of {}", text(&h));
    }

    /// Custom buckets against the same buckets as series, which a Prometheus was asked about.
    #[test]
    fn custom_buckets_give_what_classic_ones_give(
        h in custom(),
        q in 0.0f64..=1.0,
        lower in -6.0f64..6.0,
        length in 0.1f64..6.0,
    ) {
        prop_assume!(h.count > 0.0 && !h.bounds.is_empty());
        let classic = || -> Vec<(f64, f64)> {
            let bounds = h.bounds.iter().copied().chain([f64::INFINITY]);
            bounds.map(|bound| (bound, at_or_below(&h, bound))).collect()
        };
        let (found, _) = fraction(&h, lower, lower + length);
        let wanted = crate::functions::histogram::fraction(lower, lower + length, &mut classic());
        prop_assert!((found - wanted).abs() < 1e-9, "{found} {wanted} {}", text(&h));
        // At the end of a bucket, the next one is as right.
        let rank = q * h.count;
        let is_end = |passed: f64| (passed - rank).abs() < 1e-6;
        prop_assume!(!is_end(0.0) && !classic().iter().any(|(_, passed)| is_end(*passed)));
        let (found, _) = quantile(&h, q);
        let (wanted, _) = crate::functions::histogram::quantile(q, &mut classic());
        prop_assert!((found - wanted).abs() < 1e-9, "{found} {wanted} {}", text(&h));
    }

    #[test]
    fn quantiles_rise(h in any(), p in 0.0f64..=1.0, q in 0.0f64..=1.0) {
        prop_assume!(h.count > 0.0);
        let (low, high) = (quantile(&h, p.min(q)).0, quantile(&h, p.max(q)).0);
        prop_assert!(low <= high + 1e-9 * high.abs().max(1e-9));
    }

    #[test]
    fn a_fraction_at_bucket_ends_is_what_is_counted(h in any(), low in 0usize..8, high in 0usize..8) {
        prop_assume!(h.count > 0.0);
        let ends: Vec<f64> = buckets(&h).iter().map(|bucket| bucket.upper).collect();
        prop_assume!(ends.len() > 1);
        let low = low % (ends.len() - 1);
        let high = low + 1 + high % (ends.len() - 1 - low);
        let (found, _) = fraction(&h, ends[low], ends[high]);
        let between = buckets(&h)[low + 1..=high].iter().map(|b| b.count).sum::<f64>();
        // The zero bucket may end at zero where nothing is below it.
        prop_assume!(is_custom(&h) || !h.positive.counts.is_empty());
        // One without a width lies between any two values around it.
        prop_assume!(h.zero_count == 0.0 || h.zero_threshold > 0.0);
        prop_assert!((found - between / h.count).abs() < 1e-9, "{found} {}", between / h.count);
    }

    #[test]
    fn the_fraction_below_a_quantile_is_the_quantile(mut h in exponential(), q in 0.01f64..0.99) {
        h.count -= h.zero_count;
        h.zero_count = 0.0;
        prop_assume!(h.count > 0.0);
        let (value, _) = quantile(&h, q);
        let (found, _) = fraction(&h, f64::NEG_INFINITY, value);
        prop_assert!((found - q).abs() < 1e-6, "{found} {q} {}", text(&h));
    }
}

#[test]
fn bounds_are_powers_of_two_and_end_at_the_largest_number() {
    let bound = buckets::bound;
    assert_eq!(bound(0, 0), 1.0);
    assert_eq!(bound(0, -3), 0.125);
    assert_eq!(bound(-2, 1), 16.0);
    assert_eq!(bound(1, 1), std::f64::consts::SQRT_2);
    assert_eq!(bound(0, 1024), f64::MAX);
    assert_eq!(bound(3, 1024 << 3), f64::MAX);
    assert_eq!(bound(-4, 64), f64::MAX);
    assert_eq!(bound(0, 1025), f64::INFINITY);
    assert_eq!(bound(8, i64::from(i32::MAX)), f64::INFINITY);
    assert_eq!(bound(0, i64::from(i32::MIN)), 0.0);
}

#[test]
fn far_indexes_stay_in_spans() {
    let far = [(i64::from(i32::MIN), 1.0), (i64::from(i32::MAX), 2.0)];
    let made = side::collect(far.into_iter());
    assert_eq!(made.indexes().collect::<Vec<_>>().len(), 2);
    assert_eq!(side::entries(&made).collect::<Vec<_>>(), far);
}
