//! The head: order, duplicates, limits, forgetting.

use super::groups::{Group, Key, Keys, Refusal};
use super::{Head, Outcome, Room};
use crate::chunk::open::SAMPLES_MAX;
use crate::postings::Index as _;
use crate::promql::HistogramSample;
use crate::translate::labels::LabelMap;
use crate::{Samples, stale_nan};
use proptest::prelude::*;
use sonde_proto::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;

fn labels(pairs: &[(&str, &str)]) -> LabelMap {
    pairs
        .iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect()
}

fn one_series() -> (Head, u32) {
    let mut head = Head::default();
    let (id, is_new) = head
        .series_of(&labels(&[("a", "1")]), &Room::of(10))
        .unwrap();
    assert!(is_new);
    (head, id)
}

fn read(head: &Head, id: u32, start: i64, end: i64) -> Samples {
    let mut samples = Samples::default();
    for chunk in head.chunks(id, start, end).0 {
        chunk.read(&mut samples).unwrap();
    }
    samples.sort_first_wins();
    samples.clip(start, end);
    samples
}

#[test]
fn samples_in_any_order_are_kept_and_the_first_at_a_time_wins() {
    let (mut head, id) = one_series();
    assert_eq!(head.push(id, 20, 2.0), Outcome::Appended);
    assert_eq!(head.push(id, 20, 9.0), Outcome::Duplicate);
    assert_eq!(head.push(id, 10, 1.0), Outcome::Late);
    assert_eq!(head.push(id, 10, 9.0), Outcome::Duplicate);
    assert_eq!(head.push(id, 30, 3.0), Outcome::Appended);
    assert_eq!(head.push(id, 20, 9.0), Outcome::Duplicate);
    assert_eq!(head.push(id, 20, 2.0), Outcome::Known);
    head.freeze();
    assert_eq!(head.push(id, 20, 9.0), Outcome::Duplicate);
    assert_eq!(head.push(id, 10, 1.0), Outcome::Known);
    let kept: Vec<_> = read(&head, id, i64::MIN, i64::MAX).iter().collect();
    assert_eq!(kept, [(10, 1.0), (20, 2.0), (30, 3.0)]);
    assert_eq!(head.span(), Some((10, 30)));
    assert_eq!(head.last(id), Some((30, 3.0)));
}

/// As one request may bring them, in no order. Who looked through those before for each would not
/// come to an end.
#[test]
fn many_late_samples_are_taken_at_once() {
    const LATE: i64 = 200_003;
    let (mut head, id) = one_series();
    head.push(id, LATE, 0.0);
    for n in 1..LATE {
        let time = n * 7_919 % LATE;
        assert_eq!(head.push(id, time, time as f64), Outcome::Late);
    }
    assert_eq!(head.push(id, 77, 77.0), Outcome::Known);
    assert_eq!(head.push(id, 77, 78.0), Outcome::Duplicate);
    let kept = read(&head, id, 1, LATE - 1);
    assert!(kept.times.iter().copied().eq(1..LATE));
    assert!(kept.iter().all(|(time, value)| time as f64 == value));
    assert_eq!(read(&head, id, 5, 6).times, [5, 6]);
}

/// The same of histograms, which are packed meanwhile.
#[test]
fn many_late_histograms_are_taken_at_once() {
    const LATE: i64 = 50_021;
    let (mut head, id) = one_series();
    let sample = |time: i64| HistogramSample {
        time,
        value: Arc::new(Histogram {
            count: time as f64,
            zero_count: time as f64,
            ..Histogram::default()
        }),
        start: 0,
    };
    head.push_histogram(id, sample(LATE));
    for n in 1..LATE {
        let late = sample(n * 7_919 % LATE);
        assert_eq!(head.push_histogram(id, late), Outcome::Late);
    }
    for time in 1..LATE {
        assert_eq!(head.push_histogram(id, sample(time)), Outcome::Duplicate);
    }
    let found = head.histogram_at(id, 77).map(|found| found.count);
    assert_eq!(found, Some(77.0));
    assert_eq!(head.histogram_at(id, LATE + 1), None);
    let kept = read(&head, id, 1, LATE - 1).histograms;
    assert!(kept.iter().map(|sample| sample.time).eq(1..LATE));
    assert!(
        kept.iter()
            .all(|sample| sample.value.count == sample.time as f64)
    );
}

#[test]
fn a_stale_marker_is_a_sample_but_no_last_value() {
    let (mut head, id) = one_series();
    head.push(id, 10, 5.0);
    head.push(id, 20, stale_nan());
    assert_eq!(head.last(id), Some((20, 5.0)));
    assert!(crate::is_stale(read(&head, id, 20, 20).values[0]));
}

#[test]
fn times_at_the_ends_of_time_are_kept() {
    let (mut head, id) = one_series();
    for time in [i64::MAX, 0, i64::MIN + 1, -1] {
        head.push(id, time, time as f64);
    }
    let kept = read(&head, id, i64::MIN, i64::MAX);
    assert_eq!(kept.times, [i64::MIN + 1, -1, 0, i64::MAX]);
    assert_eq!(head.push(id, i64::MAX, 0.0), Outcome::Duplicate);
}

#[test]
fn only_so_many_series_are_taken_and_known_ones_go_on() {
    let mut head = Head::default();
    for n in 0..3 {
        let taken = head.series_of(&labels(&[("n", &n.to_string())]), &Room::of(3));
        assert_eq!(taken, Ok((n, true)));
    }
    let symbols = head.symbols().iter().len();
    assert_eq!(
        head.series_of(&labels(&[("n", "3")]), &Room::of(3)),
        Err(Refusal::SeriesMax)
    );
    assert_eq!(
        head.symbols().iter().len(),
        symbols,
        "no text is kept of it"
    );
    assert_eq!(
        head.series_of(&labels(&[("n", "1")]), &Room::of(3)),
        Ok((1, false))
    );
}

#[test]
fn a_series_is_its_whole_label_set() {
    let mut head = Head::default();
    let sets: [&[(&str, &str)]; 5] = [
        &[("a", "1")],
        &[("a", "1"), ("b", "1")],
        &[("b", "1")],
        &[("a", "b")],
        &[("1", "a")],
    ];
    for (id, set) in (0..).zip(sets) {
        assert_eq!(head.series_of(&labels(set), &Room::of(10)), Ok((id, true)));
        assert_eq!(head.series_of(&labels(set), &Room::of(10)), Ok((id, false)));
        assert_eq!(head.labels(id), set.iter().copied().collect());
    }
}

#[test]
fn thawing_lets_go_of_samples_and_of_series_that_are_idle() {
    let mut head = Head::default();
    for n in 0..4 {
        let (id, _) = head
            .series_of(&labels(&[("n", &n.to_string())]), &Room::of(10))
            .unwrap();
        (0..300).for_each(|t| {
            head.push(id, i64::from(n) * 1000 + t, 1.0);
        });
    }
    let bytes = head.bytes();
    let frozen = head.freeze().unwrap();
    assert_eq!(frozen.series().count(), 4);
    assert_eq!(head.samples(), 1200, "it is still there to be read");
    let retired = head.thaw(2000);
    assert!(Arc::ptr_eq(&retired.unwrap(), &frozen));
    assert_eq!((head.samples(), head.span()), (0, None));
    assert!(head.bytes() < bytes);
    // Series 0 and 1 had nothing since 2000: half of all, so they go.
    assert_eq!(head.count(), 2);
    let (id, is_new) = head
        .series_of(&labels(&[("n", "3")]), &Room::of(10))
        .unwrap();
    assert!(!is_new);
    assert_eq!(head.last(id), Some((3299, 1.0)));
    assert_eq!(head.push(id, 3299, 7.0), Outcome::Duplicate);
    assert!(
        head.series_of(&labels(&[("n", "0")]), &Room::of(10))
            .unwrap()
            .1
    );
}

#[test]
fn a_few_idle_series_are_not_worth_renumbering() {
    let mut head = Head::default();
    for n in 0..8 {
        let (id, _) = head
            .series_of(&labels(&[("n", &n.to_string())]), &Room::of(10))
            .unwrap();
        head.push(id, i64::from(n), 1.0);
    }
    head.freeze().unwrap();
    head.thaw(2);
    assert_eq!(head.count(), 8);
}

#[test]
fn refusals_are_remembered_up_to_a_number_and_forgotten_when_asked() {
    let mut head = Head::default();
    let keys = Keys::default();
    let group = |series| Group {
        shape: 0,
        series: std::iter::once(series).collect(),
    };
    let refused = Refusal::Labels.number();
    for n in 0..100_000u32 {
        let key = keys.key(Key::ROOT, &[&n.to_le_bytes()]);
        head.groups.insert(key, group(refused), 0);
    }
    let known = keys.key(Key::ROOT, &[b"known"]);
    head.groups.insert(known, group(7), 0);
    assert!(head.groups.bytes() < 5 << 20, "{}", head.groups.bytes());
    assert_eq!(
        head.groups.get(known).map(|g| g.series.to_vec()),
        Some(vec![7])
    );
    head.groups.forget_refused();
    assert!(head.groups.bytes() < 100);
    assert!(head.groups.get(known).is_some());
    assert_eq!(Refusal::of(refused), Some(Refusal::Labels));
    assert_eq!(Refusal::of(7), None);
}

#[test]
fn keys_tell_apart_what_is_cut_differently() {
    let keys = Keys::default();
    let key = |parts: &[&[u8]]| keys.key(Key::ROOT, parts);
    assert_eq!(key(&[b"ab", b"c"]), key(&[b"ab", b"c"]));
    assert_ne!(key(&[b"ab", b"c"]), key(&[b"a", b"bc"]));
    assert_ne!(key(&[b"ab"]), key(&[b"ab", b""]));
    assert_ne!(keys.key(key(&[b"a"]), &[b"b"]), key(&[b"a", b"b"]));
}

proptest! {
    #[test]
    fn whatever_the_order_a_series_is_what_a_map_would_be(
        pushes in prop::collection::vec((0i64..400, any::<i32>()), 0..600),
        start in -10i64..410,
        length in 0i64..400,
    ) {
        let (mut head, id) = one_series();
        let mut model: BTreeMap<i64, f64> = BTreeMap::new();
        for (time, value) in pushes {
            let value = f64::from(value);
            let outcome = head.push(id, time, value);
            let newest = model.last_key_value().map(|(t, _)| *t);
            prop_assert_eq!(outcome == Outcome::Appended, newest.is_none_or(|newest| time > newest));
            model.entry(time).or_insert(value);
        }
        prop_assert!(head.samples() >= model.len() as u64);
        let end = start + length;
        let wanted: Vec<_> = model.range(start..=end).map(|(t, v)| (*t, *v)).collect();
        prop_assert_eq!(read(&head, id, start, end).iter().collect::<Vec<_>>(), wanted.clone());
        if !wanted.is_empty() {
            prop_assert!(head.overlaps(id, start, end));
        }
    }

    #[test]
    fn rising_times_fill_chunks(count in 0usize..500) {
        let (mut head, id) = one_series();
        (0..count).for_each(|n| { head.push(id, n as i64, n as f64); });
        let (chunks, _) = head.chunks(id, i64::MIN, i64::MAX);
        prop_assert_eq!(chunks.len(), count.div_ceil(usize::from(SAMPLES_MAX)));
        prop_assert_eq!(head.samples(), count as u64);
    }
}

#[test]
fn the_same_series_in_ever_other_words_does_not_fill_memory() {
    let (mut head, keys) = (Head::default(), Keys::default());
    let group = Group {
        shape: 0,
        series: [0; 100].into_iter().collect(),
    };
    let mut most = 0;
    for n in 0..200_000_u32 {
        let key = keys.key(Key::ROOT, &[&n.to_le_bytes()]);
        head.groups.insert(key, group.clone(), 1000);
        assert!(head.groups.get(key).is_some());
        most = most.max(head.groups.bytes());
    }
    assert!(most < 40 << 20, "{most} bytes");
}
