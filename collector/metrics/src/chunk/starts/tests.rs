//! Starts: what is told is what was noted, and damage is an error.

use super::{Starts, read, split, with};
use crate::Samples;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Starts as they come: one for long, one with each sample, unknown, anything.
fn starts(times: &[i64]) -> impl Strategy<Value = Vec<i64>> + use<> {
    let times = times.to_vec();
    let pieces = prop::collection::vec((0u8..5, 1usize..40, any::<i64>()), 1..8);
    pieces.prop_map(move |pieces| {
        let kinds = pieces
            .iter()
            .cycle()
            .flat_map(|(kind, length, number)| std::iter::repeat_n((*kind, *number), *length));
        let one = |(at, (kind, number)): (usize, (u8, i64))| match kind {
            0 => 0,
            1 => number,
            2 => times[at.saturating_sub(1)].wrapping_add(number % 3),
            3 => times[at].wrapping_sub(1),
            _ => times[at].wrapping_mul(number),
        };
        (0..times.len()).zip(kinds).map(one).collect()
    })
}

fn times() -> impl Strategy<Value = Vec<i64>> {
    prop_oneof![
        (
            0i64..2_000_000_000_000,
            prop::collection::vec(1i64..100_000, 1..200)
        )
            .prop_map(|(first, steps)| {
                let next = |time: &mut i64, step: i64| {
                    *time += step;
                    Some(*time)
                };
                steps.into_iter().scan(first, next).collect()
            }),
        prop::collection::btree_set(any::<i64>(), 1..50).prop_map(|t| t.into_iter().collect()),
    ]
}

fn told(bytes: &[u8], times: &[i64]) -> Option<Vec<i64>> {
    let mut all = Vec::new();
    let note = |at: usize, start| {
        assert_eq!(at, all.len());
        all.push(start);
    };
    read(bytes, times, note).ok().map(|()| all)
}

fn size(times: &[i64], start: impl Fn(usize) -> i64) -> usize {
    let starts: Vec<i64> = (0..times.len()).map(start).collect();
    let (column, _) = with(&starts, times, Vec::new());
    let (bytes, _) = split(&column).unwrap();
    assert_eq!(told(bytes, times), Some(starts));
    column.len()
}

#[test]
fn a_start_that_stays_takes_a_few_bytes() {
    let times: Vec<i64> = (0..480).map(|n| 1_700_000_000_000 + n * 15_000).collect();
    let week = times[0] - 7 * 86_400_000;
    assert_eq!(size(&times, |_| week), 9);
    // Once more in the middle.
    assert_eq!(
        size(&times, |n| if n < 200 { week } else { times[200] - 9 }),
        16
    );
    // From sample to sample, and shortly before each.
    assert_eq!(size(&times, |n| times[n.max(1) - 1]), 7);
    assert_eq!(size(&times, |n| times[n] - 1), 5);
    // Of each sample its own.
    assert!(size(&times, |n| times[n] - (n * n * 37 % 14_983) as i64) < 480 * 5);
    assert_eq!(
        with(&[0; 480], &times, vec![1, 2, 3]),
        (vec![1, 2, 3], false)
    );
}

#[test]
fn runs_that_contradict_their_samples_are_damage() {
    let times = [10, 20, 30];
    for bad in [
        // None, too many, too few, something behind.
        &[0b01, 0][..],
        &[4 << 2 | 1, 0],
        &[2 << 2 | 1, 0],
        &[3 << 2 | 1, 0, 0],
        // A number that is none, or ends.
        &[3 << 2 | 1],
        &[3 << 2 | 2, 0x80],
        &[
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
    ] {
        assert_eq!(told(bad, &times), None, "{bad:?}");
    }
    assert!(split(&[4, 3, 0, 0]).is_err());
    assert!(split(&[4]).is_err());
    assert!(split(&[4, 0xff, 0xff]).is_err());
    assert_eq!(told(&[], &times), Some(Vec::new()));
}

/// As many as one request may bring, each before all that came until then and with a start of its
/// own: who looked at the others for each would not come to an end.
#[test]
fn a_million_late_samples_are_noted_at_once() {
    const LATE: i64 = 1_000_000;
    let mut starts = Starts::default();
    starts.push(LATE + 1, 7);
    (1..=LATE)
        .rev()
        .for_each(|time| starts.insert(time, time * 3));
    assert!((1..=LATE).all(|time| starts.at(time) == time * 3));
    assert_eq!((starts.at(0), starts.at(LATE + 1)), (0, 7));
    assert!(starts.bytes() > LATE as usize * size_of::<(i64, i64)>());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_was_written(
        (times, starts) in times().prop_flat_map(|times| (Just(times.clone()), starts(&times))),
        column in prop::collection::vec(0u8..4, 1..9),
    ) {
        let (bytes, has) = with(&starts, &times, column.clone());
        prop_assert_eq!(has, starts.iter().any(|start| *start != 0));
        let (encoded, rest) = split(&bytes).unwrap();
        prop_assert_eq!(rest, &column[..]);
        if has {
            prop_assert_eq!(told(encoded, &times), Some(starts));
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), times in times()) {
        let _ = told(&bytes, &times);
        let _ = split(&bytes);
    }

    /// In whatever order samples come.
    #[test]
    fn each_sample_keeps_its_own(all in prop::collection::vec((0i64..30, 0i64..4), 0..80)) {
        let (mut starts, mut model) = (Starts::default(), BTreeMap::new());
        for (time, start) in all {
            if model.contains_key(&time) {
                continue;
            }
            if model.last_key_value().is_none_or(|(last, _)| *last < time) {
                starts.push(time, start);
            } else {
                starts.insert(time, start);
            }
            model.insert(time, start);
        }
        let mut samples = Samples::default();
        model.keys().for_each(|time| samples.push(*time, 0.0));
        starts.tell(&mut samples, (0, 0));
        let told: Vec<i64> = (0..model.len()).map(|at| samples.start(at)).collect();
        prop_assert_eq!(told, model.into_values().collect::<Vec<_>>());
    }
}
