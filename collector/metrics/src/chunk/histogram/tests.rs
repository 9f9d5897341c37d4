//! Histograms as bytes: what is read is what was written, to the bit; damage is an error.

use super::{BUCKETS_MAX, NUMBERS_MAX, SAMPLES_MAX, pieces, read, write};
use crate::chunk::columns;
use crate::promql::HistogramSample;
use crate::testing::native::{all_bits, any_histogram, counted, latencies, side};
use proptest::prelude::*;
use sonde_proto::{Histogram, ResetHint};
use std::sync::Arc;

fn at(times: &[i64], values: Vec<Histogram>) -> Vec<HistogramSample> {
    let both = times.iter().zip(values);
    both.map(|(time, value)| HistogramSample {
        time: *time,
        value: Arc::new(value),
        start: 0,
    })
    .collect()
}

fn times(samples: &[HistogramSample]) -> Vec<i64> {
    samples.iter().map(|sample| sample.time).collect()
}

/// Reads what was written of samples; returns how many bytes that were.
fn check(samples: &[HistogramSample]) -> usize {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for piece in pieces(samples) {
        let column = write(piece);
        read(&column, &times(piece), &mut found).unwrap();
        bytes += column.len();
    }
    assert_eq!(all_bits(&found), all_bits(samples));
    bytes
}

/// Samples whose counts grow or not, with the same buckets for a while.
fn runs() -> impl Strategy<Value = Vec<HistogramSample>> {
    let run = (any_histogram(), prop::collection::vec(0u32..1000, 1..40));
    let grown = |(first, steps): (Histogram, Vec<u32>)| {
        let mut all = vec![first];
        for step in steps {
            let mut next = all[all.len() - 1].clone();
            let counts = next.positive.counts.iter_mut();
            counts.for_each(|count| *count += f64::from(step % 7));
            next.count += f64::from(step);
            next.hint = [ResetHint::Unknown, ResetHint::NotReset][usize::from(step > 990)];
            all.push(next);
        }
        all
    };
    prop::collection::vec(run, 1..5).prop_map(move |runs| {
        let values: Vec<_> = runs.into_iter().flat_map(grown).collect();
        let times: Vec<i64> = (0..values.len() as i64).map(|n| n * 15_000).collect();
        at(&times, values)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn histograms_are_read_as_they_were_written(
        values in prop::collection::vec(any_histogram(), 0..12),
        runs in runs(),
    ) {
        let times: Vec<i64> = (0..values.len() as i64).collect();
        check(&at(&times, values));
        check(&runs);
    }

    #[test]
    fn damage_is_an_error_or_other_histograms_and_nothing_worse(
        runs in runs(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut column, times) = (write(&runs), times(&runs));
        let mut found = Vec::new();
        prop_assert!(read(&column[..cut.index(column.len())], &times, &mut found).is_err());
        for (place, byte) in flips {
            let place = place.index(column.len());
            column[place] ^= byte;
        }
        found.clear();
        if read(&column, &times, &mut found).is_ok() {
            prop_assert_eq!(found.len(), times.len());
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_histograms(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        count in 0usize..40,
    ) {
        let mut column = vec![super::HISTOGRAMS];
        column.extend((count as u32).to_le_bytes());
        column.extend(bytes);
        let _ = read(&column, &vec![0; count], &mut Vec::new());
    }
}

#[test]
fn a_column_of_floats_is_none_of_histograms_and_the_other_way_round() {
    let floats = columns::write_values(&[1.0, 2.0]);
    assert!(!super::is_of_histograms(&floats));
    assert!(read(&floats, &[0, 1], &mut Vec::new()).is_err());
    let column = write(&at(&[0, 1], vec![counted(0, &[1.0]), counted(0, &[2.0])]));
    assert!(super::is_of_histograms(&column));
    assert!(columns::read_values(&column, &mut Vec::new()).is_err());
    assert!(read(&column, &[0], &mut Vec::new()).is_err());
    assert!(read(&column, &[0, 1, 2], &mut Vec::new()).is_err());
}

#[test]
fn what_reading_takes_is_bounded() {
    let wide = Histogram {
        positive: side(0, &[1.0; BUCKETS_MAX]),
        negative: side(0, &[1.0; BUCKETS_MAX]),
        ..Histogram::default()
    };
    let all: Vec<i64> = (0..100).collect();
    let samples = at(&all, vec![wide; 100]);
    check(&samples);
    let sizes: Vec<usize> = pieces(&samples).map(<[_]>::len).collect();
    assert_eq!(sizes[0], NUMBERS_MAX / (2 * BUCKETS_MAX + 2));
    assert_eq!(sizes.iter().sum::<usize>(), 100);
    // In one piece it would be more than is read.
    assert!(read(&write(&samples), &all, &mut Vec::new()).is_err());
    let many: Vec<i64> = (0..2 * SAMPLES_MAX as i64 + 1).collect();
    let narrow = at(&many, vec![Histogram::default(); many.len()]);
    let sizes: Vec<usize> = pieces(&narrow).map(<[_]>::len).collect();
    assert_eq!(sizes, [SAMPLES_MAX, SAMPLES_MAX, 1]);
    assert!(check(&narrow) < 200);
}

/// 34 buckets as numbers of eight bytes would be 304 bytes.
#[test]
fn latencies_take_few_bytes() {
    let samples = latencies(1, 480);
    let bytes = check(&samples) as f64 / 480.0;
    println!("{bytes:.1} bytes a histogram");
    assert!(bytes < 30.0, "{bytes}");
    // One that is begun again keeps its buckets.
    let mut again = latencies(2, 40);
    again.extend(latencies(3, 40).into_iter().map(|mut sample| {
        sample.time += 600_000;
        sample
    }));
    check(&again);
}
