//! Native histograms that a Prometheus writes.

use super::*;
use crate::is_stale;
use crate::testing::native::{any_histogram, bits, counted};
use sonde_proto::ResetHint;

fn histograms(samples: &[(i64, Histogram)]) -> Series {
    Series {
        labels: owned(&[("__name__", "h")]),
        histograms: samples
            .iter()
            .map(|(t, h)| (NOW_MS + t, h.clone()))
            .collect(),
        ..Default::default()
    }
}

fn of_count(n: f64) -> Histogram {
    counted(-3, &[1.0, 0.0, n])
}

fn counts(bed: &Bed) -> Vec<(i64, f64)> {
    let all = bed.histograms("h").into_iter();
    all.map(|(time, h)| (time, h.positive.counts[2])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn histograms_are_kept_to_the_bit(all in prop::collection::vec(any_histogram(), 1..30)) {
        for version in Version::ALL {
            let bed = Bed::new(&Config::default());
            let all: Vec<_> = (0..).zip(all.iter().cloned()).collect();
            bed.write(version, &[histograms(&all)]);
            let found: Vec<_> = bed.histograms("h").iter().map(|(t, h)| (*t, bits(h))).collect();
            let kept = all.into_iter().map(|(time, mut h)| {
                if h.hint == ResetHint::NotReset {
                    h.hint = ResetHint::Unknown;
                }
                (time, bits(&h))
            });
            prop_assert_eq!(found, kept.collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_series_may_be_of_floats_and_of_histograms_in_turn_and_ends_with_the_marker() {
    each_version(|version, bed| {
        let ended = Histogram {
            sum: stale_nan(),
            ..Histogram::default()
        };
        let float = |time| series(&[("__name__", "h")], &[(time, 1.5)]);
        bed.write(version, &[histograms(&[(0, of_count(1.0))]), float(1)]);
        bed.write(version, &[histograms(&[(2, of_count(2.0)), (3, ended)])]);
        bed.write(version, &[float(4)]);
        assert_eq!(counts(&bed), [(0, 1.0), (2, 2.0)]);
        let floats = bed.samples("h");
        let times: Vec<i64> = floats.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [1, 3, 4]);
        assert!(is_stale(floats[1].1));
        assert_eq!(bed.store.stats().records, 5);
    });
}

#[test]
fn the_first_at_a_time_wins_and_saying_the_same_again_is_no_fault() {
    each_version(|version, bed| {
        let write = |time, n| bed.write(version, &[histograms(&[(time, of_count(n))])]);
        let float = |time| bed.write(version, &[series(&[("__name__", "h")], &[(time, 1.5)])]);
        write(10, 1.0);
        write(10, 1.0);
        write(20, 2.0);
        write(5, 3.0);
        write(5, 3.0);
        write(10, 1.0);
        assert_eq!(bed.store.refused(Reason::Duplicate), 0);
        write(20, 9.0);
        write(10, 9.0);
        write(5, 9.0);
        assert_eq!(bed.store.refused(Reason::Duplicate), 3);
        // A number is another thing than a histogram.
        [20, 10, 5].into_iter().for_each(float);
        assert_eq!(bed.store.refused(Reason::Duplicate), 6);
        float(7);
        write(7, 1.0);
        assert_eq!(bed.store.refused(Reason::Duplicate), 7);
        let wanted = [(5, 3.0), (10, 1.0), (20, 2.0)];
        assert_eq!(
            (counts(&bed), bed.samples("h")),
            (wanted.to_vec(), vec![(7, 1.5)])
        );
        bed.store.seal(NOW).unwrap();
        // Sealed is earlier.
        float(5);
        write(7, 4.0);
        assert_eq!(
            (counts(&bed), bed.samples("h")),
            (wanted.to_vec(), vec![(7, 1.5)])
        );
        bed.store.seal(NOW).unwrap();
        assert_eq!(
            (counts(&bed), bed.samples("h")),
            (wanted.to_vec(), vec![(7, 1.5)])
        );
    });
}

/// More than are kept unpacked, in order and late, again and again.
#[test]
fn many_histograms_in_any_order_are_found() {
    let bed = Bed::new(&Config::default());
    let times = || (0..600).map(|n: i64| n * 7919 % 600);
    for time in times().chain(times().rev()) {
        bed.write(Version::V1, &[histograms(&[(time, of_count(time as f64))])]);
    }
    let wanted: Vec<_> = (0..600).map(|time| (time, time as f64)).collect();
    assert_eq!(counts(&bed), wanted);
    assert_eq!(bed.store.refused(Reason::Duplicate), 0);
    assert_eq!(bed.store.stats().records, 600);
    bed.store.seal(NOW).unwrap();
    assert_eq!(counts(&bed), wanted);
}

/// What an hour of a service's latencies takes in memory, beside a series of floats.
#[test]
fn histograms_in_memory_are_packed() {
    let bed = Bed::new(&Config::default());
    bed.write(Version::V1, &[histograms(&[(0, of_count(1.0))])]);
    let before = bed.store.stats().head_bytes;
    let hour = crate::testing::native::latencies(7, 240);
    let hour: Vec<_> = (1..)
        .zip(hour)
        .map(|(t, s)| (t, (*s.value).clone()))
        .collect();
    bed.write(Version::V1, &[histograms(&hour)]);
    let bytes = bed.store.stats().head_bytes - before;
    println!("{bytes} bytes for 240 histograms");
    assert!(bytes < 240 * 80, "{bytes}");
}

#[test]
fn the_newest_of_a_series_is_a_float_or_a_histogram_or_its_end() {
    use sonde_proto::{Deadline, SampleValue, UnixNanos};
    let bed = Bed::new(&Config::default());
    let newest = || {
        let selection = crate::Selection {
            selectors: &[crate::parse_selector("h").unwrap()],
            start: UnixNanos(0),
            end: UnixNanos::from_millis(NOW_MS + 100),
            samples_max: 1000,
            deadline: &Deadline::never(),
        };
        let found = bed.store.newest(&Tenant::default(), &selection).unwrap();
        found
            .into_iter()
            .map(|one| (one.time - NOW_MS, one.value))
            .collect::<Vec<_>>()
    };
    bed.write(Version::V2, &[series(&[("__name__", "h")], &[(1, 1.5)])]);
    assert_eq!(newest(), [(1, SampleValue::Float(1.5))]);
    bed.write(Version::V2, &[histograms(&[(2, of_count(1.0))])]);
    assert_eq!(
        newest(),
        [(2, SampleValue::Histogram(of_count(1.0).into()))]
    );
    bed.write(
        Version::V2,
        &[series(&[("__name__", "h")], &[(3, stale_nan())])],
    );
    assert_eq!(newest(), []);
    bed.write(Version::V2, &[histograms(&[(4, of_count(2.0))])]);
    assert_eq!(
        newest(),
        [(4, SampleValue::Histogram(of_count(2.0).into()))]
    );
}
