//! Encodings: what is read is what was written, and damage is an error.

use super::bits::{BitReader, BitWriter, unzigzag, zigzag};
use super::columns::{read_times, read_values, write_times, write_values};
use super::open::{ClosedChunk, OpenChunk, SAMPLES_MAX};
use crate::{STALE_NAN_BITS, Samples};
use proptest::prelude::*;

/// Values as they come: bit patterns of every kind, counters, decimals, constants.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let special = prop::sample::select(vec![
        0u64,
        (-0.0f64).to_bits(),
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        f64::NAN.to_bits(),
        f64::NAN.to_bits() | 0x8000_0000_0000_1234,
        STALE_NAN_BITS,
        f64::MIN_POSITIVE.to_bits(),
        f64::MAX.to_bits(),
        1,
        u64::MAX,
        9_007_199_254_740_991f64.to_bits(),
        9_007_199_254_740_993f64.to_bits(),
    ]);
    let bits = |bits: Vec<u64>| bits.into_iter().map(f64::from_bits).collect::<Vec<_>>();
    let counter = prop::collection::vec(0u32..100_000, 0..300).prop_map(|steps| {
        let mut sum = 0.0;
        let next = |step| {
            sum += f64::from(step);
            sum
        };
        steps.into_iter().map(next).collect()
    });
    let decimals = (
        prop::collection::vec(-1_000_000i64..1_000_000, 0..300),
        0u8..6,
    )
        .prop_map(|(whole, places)| {
            let scale = 10f64.powi(i32::from(places));
            whole.into_iter().map(|n| n as f64 / scale).collect()
        });
    prop_oneof![
        prop::collection::vec(any::<u64>(), 0..200).prop_map(bits),
        prop::collection::vec(prop_oneof![special, any::<u64>()], 0..200).prop_map(bits),
        counter,
        decimals,
        (any::<u64>(), 0usize..300).prop_map(|(bits, n)| vec![f64::from_bits(bits); n]),
        prop::collection::vec(any::<i64>(), 0..150)
            .prop_map(|n| n.into_iter().map(|n| n as f64).collect()),
    ]
}

/// Rising times: steady, with jitter, with gaps, and from one end of time to the other.
fn times() -> impl Strategy<Value = Vec<i64>> {
    let rising = |start: i64, steps: Vec<i64>| {
        let mut time = start;
        let mut next = |step: i64| {
            time = time.saturating_add(step.max(1));
            time
        };
        let mut times: Vec<i64> = steps.into_iter().map(&mut next).collect();
        times.dedup();
        times
    };
    let jitter = prop::collection::vec(14_950i64..15_050, 1..300);
    let gaps = prop::collection::vec(prop_oneof![Just(15_000i64), 1i64..100_000_000], 1..300);
    let wild = prop::collection::btree_set(any::<i64>(), 1..200);
    prop_oneof![
        (0i64..2_000_000_000_000, jitter).prop_map(move |(start, steps)| rising(start, steps)),
        (any::<i64>(), gaps).prop_map(move |(start, steps)| rising(start, steps)),
        (any::<i64>(), 1i64..100_000, 1usize..300)
            .prop_map(move |(start, step, n)| rising(start, vec![step; n])),
        wild.prop_map(|times| times.into_iter().collect()),
        Just(vec![i64::MIN, -1, 0, 1, i64::MAX]),
    ]
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn chunk(samples: &[(i64, f64)]) -> ClosedChunk {
    let ((time, value), rest) = samples.split_first().unwrap();
    let mut open = OpenChunk::begin(*time, *value);
    rest.iter()
        .for_each(|(time, value)| open.push(*time, *value));
    open.close()
}

proptest! {
    #[test]
    fn values_come_back_bit_by_bit(values in values()) {
        let mut read = vec![1.5];
        read_values(&write_values(&values), &mut read).unwrap();
        prop_assert_eq!(bits(&read[1..]), bits(&values));
    }

    #[test]
    fn times_come_back(times in times()) {
        let mut read = vec![7];
        read_times(&write_times(&times), &mut read).unwrap();
        prop_assert_eq!(&read[1..], &times);
    }

    #[test]
    fn an_open_chunk_reads_as_it_was_pushed_at_every_length(times in times(), values in values()) {
        let samples: Vec<(i64, f64)> =
            times.into_iter().zip(values).take(usize::from(SAMPLES_MAX)).collect();
        for length in [1, samples.len() / 2, samples.len()] {
            if length == 0 || length > samples.len() {
                continue;
            }
            let closed = chunk(&samples[..length]);
            let mut read = Samples::default();
            closed.read(&mut read).unwrap();
            let mut wanted = Samples::default();
            samples[..length].iter().for_each(|(time, value)| wanted.push(*time, *value));
            prop_assert!(read == wanted);
            prop_assert_eq!((closed.first, closed.last), (samples[0].0, samples[length - 1].0));
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_other_numbers_and_never_more_than_they_say(
        times in times(),
        values in values(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for whole in [write_values(&values), write_times(&times)] {
            let mut damaged = whole.clone();
            for (at, bit) in &flips {
                let at = at.index(damaged.len());
                damaged[at] ^= 1 << bit;
            }
            for bytes in [&damaged[..], &damaged[..cut.index(damaged.len())], &whole[..cut.index(whole.len())]] {
                let (mut read, mut read_t) = (Vec::new(), Vec::new());
                let _ = read_values(bytes, &mut read);
                let _ = read_times(bytes, &mut read_t);
                prop_assert!(read.len() <= 1 << 20 && read_t.len() <= 1 << 20);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 1u16..200) {
        let _ = read_values(&bytes, &mut Vec::new());
        let _ = read_times(&bytes, &mut Vec::new());
        let chunk = ClosedChunk { first: 0, last: 0, count, bytes: bytes.into() };
        let mut samples = Samples::default();
        let _ = chunk.read(&mut samples);
        prop_assert!(samples.len() <= usize::from(count));
    }

    #[test]
    fn bits_come_back(fields in prop::collection::vec((any::<u64>(), 0u32..=64), 0..100)) {
        let mut out = BitWriter::default();
        let kept = |value: u64, count: u32| if count == 0 { 0 } else { value & (u64::MAX >> (64 - count)) };
        fields.iter().for_each(|(value, count)| out.write(*value, *count));
        let bytes = out.to_bytes();
        prop_assert_eq!(bytes.len(), out.len());
        let mut read = BitReader::new(&bytes);
        for (value, count) in &fields {
            prop_assert_eq!(read.read(*count), Ok(kept(*value, *count)));
        }
        prop_assert!(read.read(8).is_err());
    }

    #[test]
    fn zigzag_is_its_own_way_back(n in any::<i64>()) {
        prop_assert_eq!(unzigzag(zigzag(n)), n);
    }
}

/// A cut column of times misses bits: there is no length at which that goes unnoticed.
#[test]
fn a_column_of_times_cut_anywhere_is_an_error() {
    let times: Vec<i64> = (0..200).map(|n| n * 15_000 + n * n % 7).collect();
    let values: Vec<f64> = (0..200)
        .map(|n| f64::from(n * n % 11) + 0.123_456_789)
        .collect();
    let (times, values) = (write_times(&times), write_values(&values));
    for cut in 0..times.len() {
        assert!(read_times(&times[..cut], &mut Vec::new()).is_err(), "{cut}");
    }
    for cut in 0..values.len() {
        assert!(
            read_values(&values[..cut], &mut Vec::new()).is_err(),
            "{cut}"
        );
    }
}

/// The sizes that the encodings were chosen for.
#[test]
fn each_kind_of_series_gets_its_small_encoding() {
    let size = |values: &[f64]| write_values(values).len();
    assert_eq!(size(&[STALE; 900]), 13);
    let counter: Vec<f64> = (0..960).map(|n| f64::from(n * 1000 + n % 10)).collect();
    assert!(size(&counter) < 960, "{}", size(&counter));
    let cents: Vec<f64> = (0..960).map(|n| f64::from(n % 50) / 100.0).collect();
    assert!(size(&cents) < 800, "{}", size(&cents));
    let steady: Vec<i64> = (0..960).map(|n| 1_700_000_000_000 + n * 15_000).collect();
    assert!(
        write_times(&steady).len() < 150,
        "{}",
        write_times(&steady).len()
    );
}

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);
