//! Since when samples count, where nobody asked for it: as if they did not say it.

use super::rows::load;
use super::{Memory, blocks, millis};
use crate::{Answer, Ask, Features, QueryLimits, QueryValue, Samples};
use proptest::prelude::*;
use sonde_proto::UnixNanos;

fn answer(memory: &Memory, text: &str, time: i64, start_timestamps: bool) -> Answer {
    let features = Features {
        start_timestamps,
        ..Features::all()
    };
    let limits = QueryLimits::default();
    let ask = Ask {
        text,
        features: &features,
        limits: &limits,
    };
    crate::instant(memory, &ask, UnixNanos::from_millis(time)).unwrap()
}

/// The same series, which do not say it.
fn silent(memory: &Memory) -> Memory {
    let forget = |samples: &Samples| {
        let mut samples = samples.clone();
        samples.forget_starts();
        samples
    };
    let series = memory.0.iter();
    Memory(series.map(|(l, s)| (l.clone(), forget(s))).collect())
}

#[test]
fn without_the_switch_every_answer_is_as_if_no_sample_said_it() {
    let (mut memory, mut differ) = (Memory::default(), 0);
    for block in blocks(include_str!("starts.test")) {
        let (word, rest) = block.head.split_once(' ').unwrap();
        match word {
            "load" => memory = load(millis(rest), &block.body),
            "at" => {
                let (time, text) = rest.split_once(' ').unwrap();
                let off = answer(&memory, text, millis(time), false);
                assert_eq!(off, answer(&silent(&memory), text, millis(time), false));
                differ += usize::from(off != answer(&memory, text, millis(time), true));
            }
            _ => {}
        }
    }
    assert!(differ > 8, "only {differ} cases show what the switch does");
}

#[test]
fn without_the_switch_nothing_is_told() {
    let memory = load(60_000, &["c 1 2 3", "since 60 60 60"]);
    let told = answer(&memory, "start_timestamp(c)", 120_000, false);
    assert_eq!(told.value, QueryValue::Vector(Vec::new()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to them, samples stay beside their starts.
    #[test]
    fn starts_stay_with_their_samples(
        all in prop::collection::vec((0i64..40, 0i64..4), 0..60),
        (start, end) in (0i64..40, 0i64..40),
        gone in 0i64..5,
    ) {
        let mut samples = Samples::default();
        for (n, (time, start)) in all.iter().enumerate() {
            samples.push_since(*time, n as f64, *start);
        }
        let mut model: Vec<(i64, usize, i64)> =
            all.iter().enumerate().map(|(n, (time, start))| (*time, n, *start)).collect();
        model.sort_unstable();
        model.dedup_by_key(|(time, ..)| *time);
        samples.sort_first_wins();
        model.retain(|(time, ..)| (start..=end).contains(time));
        samples.clip(start, end);
        model.retain(|(time, ..)| time % 5 != gone);
        samples.retain_from(0, |time, _| time % 5 != gone);
        let found: Vec<(i64, usize, i64)> = samples
            .iter()
            .enumerate()
            .map(|(at, (time, value))| (time, value as usize, samples.start(at)))
            .collect();
        prop_assert_eq!(found, model);
    }
}
