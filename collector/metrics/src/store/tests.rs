//! The store: what is applied is found, whatever happens in between.

mod oracle;
mod damage;
mod steps;
mod answers;
mod delete;
mod downsampled;
mod limits;

use crate::Config;
use crate::testing::*;
use sonde_proto::{Position, Tenant, UnixNanos};
use std::time::Duration;

fn later(seconds: u64) -> UnixNanos {
    NOW.plus(Duration::from_secs(seconds))
}

fn send(bed: &Bed, n: i64, after: i64, value: f64) {
    let one = point(&[("n", &n.to_string())], after, value);
    bed.send(&[], vec![gauge("m", vec![one])]);
}

#[test]
fn what_was_sealed_is_not_replayed_and_what_was_not_is() {
    let mut bed = Bed::new(&Config::default());
    send(&bed, 1, 0, 1.0);
    send(&bed, 1, 1, 2.0);
    assert_eq!(bed.store.resume_from(), at(0));
    assert_eq!(bed.store.seal(NOW).unwrap(), at(2));
    send(&bed, 1, 2, 3.0);
    assert_eq!(bed.store.applied_to(), at(3));
    bed.reopen();
    assert_eq!(
        (bed.store.resume_from(), bed.store.applied_to()),
        (at(2), at(2))
    );
    assert_eq!(bed.samples("m"), [(0, 1.0), (1, 2.0)]);
    send(&bed, 1, 2, 3.0);
    assert_eq!(bed.samples("m"), [(0, 1.0), (1, 2.0), (2, 3.0)]);
}

#[test]
fn entries_before_the_position_are_ignored_and_other_signals_only_move_it() {
    let bed = Bed::new(&Config::default());
    let metrics = request(&[], vec![gauge("m", vec![point(&[], 0, 1.0)])]);
    let mut entry = entry(&Tenant::default(), &metrics);
    bed.store.apply(&[(at(5), entry.clone())]);
    bed.store
        .apply(&[(at(3), entry.clone()), (at(5), entry.clone())]);
    assert_eq!(bed.store.stats().records, 1);
    entry.signal = sonde_proto::Signal::Logs;
    bed.store.apply(&[(at(6), entry)]);
    assert_eq!(bed.store.applied_to(), at(7));
    assert_eq!(bed.store.stats().records, 1);
    bed.store.seal(NOW).unwrap();
    assert_eq!(bed.store.resume_from(), at(7));
}

#[test]
fn a_seal_without_samples_still_says_how_far_the_journal_was_read() {
    let mut bed = Bed::new(&Config::default());
    bed.send(&[], Vec::new());
    assert_eq!(bed.store.seal(NOW).unwrap(), at(1));
    bed.reopen();
    assert_eq!(bed.store.resume_from(), at(1));
    assert_eq!(bed.store.stats().segments, 0);
}

#[test]
fn late_samples_are_sealed_in_the_order_of_time_and_once() {
    let bed = Bed::new(&Config::default());
    for (after, value) in [
        (5000, 5.0),
        (1000, 1.0),
        (3000, 3.0),
        (1000, 9.0),
        (5000, 9.0),
    ] {
        send(&bed, 1, after, value);
    }
    bed.store.seal(NOW).unwrap();
    let stats = bed.store.stats();
    assert_eq!(
        (stats.oldest, stats.newest),
        (Some(later(1)), Some(later(5)))
    );
    assert_eq!(stats.records, 3);
    assert_eq!(bed.samples("m"), [(1000, 1.0), (3000, 3.0), (5000, 5.0)]);
}

#[test]
fn sealing_is_due_by_age_and_by_size() {
    let config = Config {
        seal_interval_seconds: 100,
        head_bytes_max: 4096,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    bed.store.settle(later(1000)).unwrap();
    send(&bed, 1, 0, 1.0);
    bed.store.settle(later(99)).unwrap();
    assert_eq!(bed.store.stats().segments, 0);
    bed.store.settle(later(100)).unwrap();
    assert_eq!(bed.store.stats().segments, 1);
    while bed.store.writer.lock().active_bytes < 2048 {
        let n = bed.store.applied_to().0 as i64;
        send(&bed, 2, n, n as f64 * 0.37);
    }
    bed.store.settle(later(1)).unwrap();
    assert_eq!(
        (bed.store.stats().segments, bed.store.stats().unsealed),
        (2, 0)
    );
}

/// Where the memory fills as fast as it is sealed, a deletion needs an instant at which nothing is
/// being sealed.
#[test]
fn who_waits_until_all_is_sealed_comes_before_the_next_seal_while_there_is_room() {
    const MAX: u64 = 32 << 10;
    let bed = Bed::new(&Config {
        head_bytes_max: MAX,
        ..Config::default()
    });
    let fill = |to: u64| {
        let mut fullest = 0;
        let mut is_frozen = false;
        loop {
            let (active, frozen) = {
                let writer = bed.store.writer.lock();
                is_frozen |= writer.frozen.is_some();
                (writer.active_bytes, writer.frozen_bytes)
            };
            fullest = fullest.max(active + frozen);
            if active >= to || is_frozen {
                return (fullest, is_frozen);
            }
            let n = bed.store.applied_to().0 as i64;
            send(&bed, n % 50, n, n as f64 * 0.37);
        }
    };
    bed.store.writer.lock().waiting = 1;
    let (fullest, is_frozen) = fill(MAX);
    assert!(!is_frozen && fullest < MAX + 1024, "{fullest}");
    // There is no room: memory is bounded whoever waits.
    let (fullest, is_frozen) = fill(u64::MAX);
    assert!(is_frozen && fullest < MAX + 1024, "{fullest}");
    bed.store.writer.lock().waiting = 0;
    bed.store.settle(NOW).unwrap();
    let (fullest, is_frozen) = fill(MAX);
    assert!(is_frozen && fullest < MAX / 2 + 1024, "{fullest}");
}

/// What is unsealed is what a crash has read again.
#[test]
fn sealing_is_due_by_the_number_of_samples() {
    let bed = Bed::new(&Config {
        unsealed_samples_max: 10,
        ..Config::default()
    });
    for round in 0..3 {
        (0..9).for_each(|n| send(&bed, 1, round * 1000 + n, 1.0));
        bed.store.settle(NOW).unwrap();
        assert_eq!(bed.store.stats().unsealed, 9, "round {round}");
        send(&bed, 1, round * 1000 + 9, 1.0);
        let covered = bed.store.settle(NOW).unwrap();
        let (stats, samples) = (bed.store.stats(), (round as u64 + 1) * 10);
        assert_eq!((stats.unsealed, stats.records), (0, samples));
        assert_eq!(covered, at(samples), "nothing is left to be replayed");
    }
}

#[test]
fn neighbours_are_merged_and_a_sample_that_came_first_wins() {
    let config = Config {
        merge_fan_in: 3,
        ..Config::default()
    };
    let mut bed = Bed::new(&config);
    for round in 0..3 {
        (0..5).for_each(|n| send(&bed, n, round * 1000, round as f64));
        send(&bed, 0, 0, 100.0 + round as f64);
        send(&bed, 10 + round, 7, 1.0);
        bed.store.seal(NOW).unwrap();
    }
    let before = bed.all();
    assert_eq!(bed.store.stats().segments, 3);
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.store.stats().segments, 1);
    assert_eq!(bed.all(), before);
    assert_eq!(
        bed.samples("m{n=\"0\"}"),
        [(0, 0.0), (1000, 1.0), (2000, 2.0)]
    );
    bed.reopen();
    assert_eq!(bed.all(), before);
    assert_eq!(bed.store.resume_from(), at(21));
}

#[test]
fn what_is_older_than_retention_goes_and_the_rest_stays() {
    let config = Config {
        retention_seconds: 1000,
        ..Config::default()
    };
    let mut bed = Bed::new(&config);
    send(&bed, 1, -900_000, 1.0);
    bed.store.seal(NOW).unwrap();
    send(&bed, 2, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.matching("m").len(), 2);
    send(&bed, 3, 101_000, 1.0);
    bed.store.seal(later(101)).unwrap();
    bed.store.settle(later(101)).unwrap();
    assert_eq!(bed.samples("m{n=\"2\"}"), [(0, 1.0)]);
    assert_eq!(bed.matching("m").len(), 2);
    bed.reopen();
    assert_eq!(bed.matching("m").len(), 2);
}

#[test]
fn a_clock_that_is_years_ahead_deletes_nothing() {
    let bed = Bed::new(&Config::default());
    send(&bed, 1, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    bed.store.settle(later(10 * 365 * 86_400)).unwrap();
    assert_eq!(bed.samples("m"), [(0, 1.0)]);
}

#[test]
fn a_tenant_that_ended_leaves_memory_and_then_goes() {
    let config = Config {
        series_idle_seconds: 100,
        retention_seconds: 400,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    let ended = Tenant::new("ended").unwrap();
    let metrics = vec![gauge("m", vec![point(&[], 0, 1.0)])];
    bed.send_as(&ended, &[], metrics);
    send(&bed, 1, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    let series = |seconds| {
        bed.store.settle(later(seconds)).unwrap();
        let stats = bed.store.stats();
        (stats.series, stats.tenants)
    };
    assert_eq!(series(99), (2, 2), "both came a moment ago");
    // The other one lives on, unsealed.
    send(&bed, 1, 200_000, 2.0);
    assert_eq!(series(201), (1, 2));
    assert_eq!(super::samples_of(&bed.store, &ended, &[]).len(), 1);
    send(&bed, 1, 500_000, 3.0);
    bed.store.seal(later(500)).unwrap();
    assert_eq!(series(550), (1, 1), "nothing of it is kept any more");
    assert_eq!(bed.samples("m"), [(200_000, 2.0), (500_000, 3.0)]);
}

#[test]
fn series_that_say_that_they_ended_leave_memory_once_they_are_sealed() {
    let bed = Bed::new(&Config::default());
    for round in 0..10 {
        for n in 0..10 {
            send(&bed, round * 10 + n, round * 1000, 1.0);
        }
        assert!(bed.store.stats().series <= 30, "round {round}");
        for n in 0..10 {
            send(&bed, round * 10 + n, round * 1000 + 500, crate::stale_nan());
        }
        bed.store.seal(NOW).unwrap();
    }
    assert_eq!(bed.matching("m").len(), 100);
    // One that comes back goes on.
    send(&bed, 0, 20_000, 2.0);
    let values: Vec<f64> = bed.samples("m{n=\"0\"}").iter().map(|s| s.1).collect();
    assert_eq!((values[0], values[2], values.len()), (1.0, 2.0, 3));
}

#[test]
fn merging_changes_no_order_of_arrival_where_sizes_differ() {
    let config = Config {
        merge_fan_in: 3,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    let conflicting = |value| send(&bed, 0, 5, value);
    // One large segment between small ones; the two that disagree are it and a later one.
    send(&bed, 1, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    conflicting(1.0);
    let noise = |n: i64| (n as f64 * 0.618).fract().sqrt();
    for n in 0..40 {
        let points = (0..5000).map(|at| point(&[("n", &(n + 10).to_string())], at, noise(at * n)));
        bed.send(&[], vec![gauge("m", points.collect())]);
    }
    bed.store.seal(NOW).unwrap();
    for round in 0..3 {
        send(&bed, 2, round, 1.0);
        if round == 2 {
            conflicting(2.0);
        }
        bed.store.seal(NOW).unwrap();
    }
    assert_eq!(bed.samples("m{n=\"0\"}"), [(5, 1.0)]);
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.store.stats().segments, 3, "the large one is apart");
    assert_eq!(bed.samples("m{n=\"0\"}"), [(5, 1.0)]);
}

#[test]
fn segments_beyond_the_bytes_go_the_oldest_first() {
    let config = Config {
        bytes_max: 3000,
        merge_fan_in: 1000,
        ..Config::default()
    };
    let bed = Bed::new(&config);
    for n in 0..40 {
        send(&bed, n, n, 1.0);
        bed.store.seal(NOW).unwrap();
        bed.store.settle(NOW).unwrap();
        assert!(bed.store.stats().bytes <= 3000);
    }
    let kept = bed.matching("m");
    assert!(kept.len() < 40 && kept.len() > 3);
    assert_eq!(bed.samples("m{n=\"39\"}"), [(39, 1.0)]);
    assert!(bed.matching("m{n=\"0\"}").is_empty());
}

#[test]
fn tenants_do_not_see_one_another() {
    let mut bed = Bed::new(&Config::default());
    let (a, b) = (Tenant::new("a").unwrap(), Tenant::new("b").unwrap());
    for sealed in [false, true] {
        for (tenant, value) in [(&a, 1.0), (&b, 2.0)] {
            let after = i64::from(sealed);
            bed.send_as(
                tenant,
                &[],
                vec![gauge("m", vec![point(&[], after, value)])],
            );
        }
        let seen = |tenant: &Tenant| -> Vec<f64> {
            let all = super::samples_of(&bed.store, tenant, &[]);
            all.into_values().flat_map(|s| s.values).collect()
        };
        let times = 1 + usize::from(sealed);
        assert_eq!(seen(&a), vec![1.0; times]);
        assert_eq!(seen(&b), vec![2.0; times]);
        assert!(seen(&Tenant::default()).is_empty());
        bed.store.seal(NOW).unwrap();
    }
    bed.reopen();
    assert_eq!(super::samples_of(&bed.store, &a, &[]).len(), 1);
}

#[test]
fn the_statistics_are_what_is_there() {
    let bed = Bed::new(&Config::default());
    assert_eq!(bed.store.stats().oldest, None);
    send(&bed, 1, 1000, 1.0);
    send(&bed, 2, 5000, 1.0);
    bed.store.seal(NOW).unwrap();
    send(&bed, 1, 3000, 1.0);
    let stats = bed.store.stats();
    assert_eq!((stats.records, stats.unsealed, stats.segments), (3, 1, 1));
    assert_eq!(stats.oldest, Some(later(1)));
    assert_eq!(stats.newest, Some(later(5)));
    let file = std::fs::metadata(bed.segment_files().remove(0)).unwrap();
    assert_eq!(stats.bytes, file.len());
    assert!(stats.head_bytes > 0);
}

#[test]
fn queries_go_on_while_samples_come_and_are_sealed() {
    let bed = Bed::new(&Config {
        merge_fan_in: 2,
        ..Config::default()
    });
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut asked) = (0, 0);
            while !done.load(std::sync::atomic::Ordering::Acquire) || asked == 0 {
                let all = bed.matching("m");
                let count: usize = all.iter().map(|(_, samples)| samples.len()).sum();
                assert!(count >= seen, "{count} after {seen}");
                (seen, asked) = (count, asked + 1);
            }
        });
        for n in 0..300 {
            send(&bed, n % 7, n, n as f64);
            if n % 10 == 9 {
                bed.store.seal(NOW).unwrap();
                bed.store.settle(NOW).unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap();
    });
    let count: usize = bed.matching("m").iter().map(|(_, s)| s.len()).sum();
    assert_eq!(count, 300);
}

#[test]
fn what_is_applied_while_another_thread_seals_is_not_lost() {
    let bed = Bed::new(&Config::default());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..500).for_each(|n| send(&bed, n % 7, n, n as f64)));
        for _ in 0..50 {
            bed.store.seal(NOW).unwrap();
        }
    });
    let count: usize = bed.matching("m").iter().map(|(_, s)| s.len()).sum();
    assert_eq!((count, bed.store.stats().records), (500, 500));
}

#[test]
fn positions_at_the_end_of_the_journal_do_not_overflow() {
    let bed = Bed::new(&Config::default());
    let metrics = request(&[], vec![gauge("m", vec![point(&[], 0, 1.0)])]);
    let last = Position(u64::MAX - 1);
    bed.store
        .apply(&[(last, entry(&Tenant::default(), &metrics))]);
    assert_eq!(bed.store.seal(NOW).unwrap(), Position(u64::MAX));
}
