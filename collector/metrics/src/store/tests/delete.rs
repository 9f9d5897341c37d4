//! What is deleted is gone for every reader, at once and for good; what comes later is kept.

use super::*;
use crate::{Delete, Lookup};
use parking_lot::Mutex;
use sonde_proto::{Deadline, Labels};

fn selectors(all: &[&str]) -> Vec<Vec<sonde_proto::Matcher>> {
    let parse = |text: &&str| crate::parse_selector(text).unwrap();
    all.iter().map(parse).collect()
}

/// Deletes from one time to another after [`NOW`].
fn delete(bed: &Bed, selector: &str, start: i64, end: i64) {
    let delete = Delete {
        selectors: &selectors(&[selector]),
        start: NOW_MS.saturating_add(start),
        end: NOW_MS.saturating_add(end),
    };
    bed.store.delete(&Tenant::default(), &delete, NOW).unwrap();
}

/// Series, label names and values of `n`.
fn listed(bed: &Bed) -> (Vec<Labels>, Vec<String>, Vec<String>) {
    let deadline = Deadline::never();
    let lookup = Lookup {
        selectors: &[],
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: usize::MAX,
        deadline: &deadline,
    };
    let all = Lookup {
        selectors: &[Vec::new()],
        ..lookup
    };
    let tenant = Tenant::default();
    (
        bed.store.series(&tenant, &all).unwrap().items,
        bed.store.label_names(&tenant, &lookup).unwrap().items,
        bed.store.label_values(&tenant, "n", &lookup).unwrap().items,
    )
}

fn config() -> Config {
    Config {
        merge_fan_in: 100,
        ..Config::default()
    }
}

#[test]
fn what_is_deleted_is_gone_for_every_reader_and_stays_so() {
    let mut bed = Bed::new(&config());
    for t in 0..10 {
        send(&bed, 1, t, 1.0);
        send(&bed, 2, t, 2.0);
    }
    delete(&bed, r#"m{n="1"}"#, i64::MIN, i64::MAX);
    delete(&bed, r#"m{n="2"}"#, 3, 5);
    let wanted: Vec<_> = (0..10)
        .filter(|t| !(3..=5).contains(t))
        .map(|t| (t, 2.0))
        .collect();
    let check = |bed: &Bed| {
        assert_eq!(bed.samples("m"), wanted);
        let (series, names, values) = listed(bed);
        assert_eq!(series.len(), 1);
        assert_eq!((names.len(), values), (2, vec!["2".to_owned()]));
    };
    check(&bed);
    bed.reopen();
    check(&bed);
    bed.crash();
    check(&bed);
    let before = std::fs::metadata(&bed.segment_files()[0]).unwrap().len();
    bed.store.clean_deleted().unwrap();
    check(&bed);
    assert_eq!(bed.segment_files().len(), 1);
    assert!(std::fs::metadata(&bed.segment_files()[0]).unwrap().len() < before);
    assert_eq!(bed.store.stats().records, 7);
    bed.reopen();
    check(&bed);
}

#[test]
fn what_comes_after_a_deletion_is_kept_even_at_the_same_times() {
    let mut bed = Bed::new(&config());
    (0..3).for_each(|t| send(&bed, 1, t, 1.0));
    delete(&bed, "m", 1, 2);
    (0..4).for_each(|t| send(&bed, 1, t, 9.0));
    let wanted = [(0, 1.0), (1, 9.0), (2, 9.0), (3, 9.0)];
    assert_eq!(bed.samples("m"), wanted);
    bed.store.seal(NOW).unwrap();
    bed.store.clean_deleted().unwrap();
    assert_eq!(bed.samples("m"), wanted);
    bed.reopen();
    assert_eq!(bed.samples("m"), wanted);
}

#[test]
fn a_segment_of_which_nothing_is_left_goes_and_so_does_what_was_said_of_it() {
    let bed = Bed::new(&config());
    send(&bed, 1, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    send(&bed, 2, 0, 1.0);
    delete(&bed, r#"{n="1"}"#, i64::MIN, i64::MAX);
    let manifest = || std::fs::read_to_string(bed.dir.path().join("manifest.json")).unwrap();
    assert!(manifest().contains("deletions"));
    bed.store.clean_deleted().unwrap();
    assert_eq!(bed.segment_files().len(), 1);
    assert!(!manifest().contains("deletions"), "{}", manifest());
    assert_eq!(bed.all().len(), 1);
}

#[test]
fn other_tenants_keep_what_is_theirs() {
    let bed = Bed::new(&config());
    let other = Tenant::new("other").unwrap();
    bed.send_as(&other, &[], vec![gauge("m", vec![point(&[], 0, 1.0)])]);
    send(&bed, 1, 0, 1.0);
    delete(&bed, "m", i64::MIN, i64::MAX);
    assert_eq!(bed.all(), []);
    let found = crate::store::samples_of(&bed.store, &other, &[]);
    assert_eq!(found.len(), 1);
}

#[test]
fn totals_of_deltas_go_on_after_a_deletion_as_they_would_after_a_restart() {
    let totals = |restart: bool| {
        let mut bed = Bed::new(&config());
        let send = |bed: &Bed, t| {
            bed.send(&[], vec![counter("c", DELTA, vec![point(&[], t, 5.0)])]);
        };
        (0..4).for_each(|t| send(&bed, t));
        delete(&bed, "c_total", 2, 3);
        if restart {
            bed.reopen();
        }
        (4..6).for_each(|t| send(&bed, t));
        bed.samples("c_total")
    };
    assert_eq!(totals(false), [(0, 5.0), (1, 10.0), (4, 15.0), (5, 20.0)]);
    assert_eq!(totals(true), totals(false));
}

#[test]
fn too_many_deletions_are_refused_until_they_are_cleaned() {
    let bed = Bed::new(&config());
    send(&bed, 1, 0, 1.0);
    let many = vec!["m"; 1001];
    let delete = Delete {
        selectors: &selectors(&many),
        start: NOW_MS,
        end: NOW_MS,
    };
    let refused = bed.store.delete(&Tenant::default(), &delete, NOW);
    assert!(refused.unwrap_err().to_string().contains("clean"));
    assert_eq!(bed.all().len(), 1);
}

#[test]
fn a_snapshot_is_a_store_that_stays_as_it_was() {
    let bed = Bed::new(&config());
    (0..3).for_each(|t| send(&bed, 1, t, 1.0));
    bed.store.seal(NOW).unwrap();
    delete(&bed, "m", 0, 0);
    send(&bed, 2, 5, 1.0);
    let [whole, sealed] = ["whole", "sealed"].map(|name| bed.dir.path().join(name));
    bed.store.snapshot(&sealed, true, NOW).unwrap();
    bed.store.snapshot(&whole, false, NOW).unwrap();
    assert!(bed.store.snapshot(&whole, false, NOW).is_err());
    delete(&bed, "m", i64::MIN, i64::MAX);
    bed.store.clean_deleted().unwrap();
    assert_eq!(bed.all(), []);
    for (dir, series) in [(whole, 2), (sealed, 1)] {
        let store = open(&dir, &config());
        let matchers = crate::parse_selector("m").unwrap();
        let found = crate::store::samples_of(&store, &Tenant::default(), &matchers);
        assert_eq!(found.len(), series);
        let first = found.values().next().unwrap();
        assert_eq!(first.times, [NOW_MS + 1, NOW_MS + 2]);
        // It goes on by itself.
        let (at, metrics) = (store.applied_to(), gauge("x", vec![point(&[], 0, 1.0)]));
        store.apply(&[(at, entry(&Tenant::default(), &request(&[], vec![metrics])))]);
        store.seal(NOW).unwrap();
    }
}

#[test]
fn exemplars_of_deleted_samples_go_with_them() {
    let bed = Bed::new(&config());
    let exemplar = |after: i64| sonde_proto::otlp::metrics::Exemplar {
        time_unix_nano: UnixNanos::from_millis(NOW_MS + after).0,
        trace_id: vec![1; 16],
        value: Some(sonde_proto::otlp::metrics::exemplar::Value::AsDouble(1.0)),
        ..Default::default()
    };
    for t in 0..3 {
        let mut one = point(&[], t, 1.0);
        one.exemplars = vec![exemplar(t)];
        bed.send(&[], vec![gauge("m", vec![one])]);
    }
    let all = || {
        let found = bed.store.exemplars(
            &Tenant::default(),
            &selectors(&["m"]),
            UnixNanos(0),
            UnixNanos(u64::MAX),
            &sonde_proto::Deadline::never(),
        );
        let found = found.unwrap();
        found.into_iter().map(|(_, of)| of.len()).sum::<usize>()
    };
    assert_eq!(all(), 3);
    delete(&bed, "m", 1, 1);
    assert_eq!(all(), 2);
}

#[test]
fn totals_of_histograms_of_deltas_go_on_after_a_deletion_as_they_do_after_a_restart() {
    let kept = [false, true].map(|restarts| {
        let mut bed = Bed::new(&Config::default());
        let send = |bed: &Bed, seconds: std::ops::Range<i64>| {
            for second in seconds {
                bed.send(&[], vec![exponential(DELTA, second * 1000, 5)]);
            }
        };
        send(&bed, 0..4);
        delete(&bed, r#"{__name__=~".+"}"#, 2000, 3000);
        if restarts {
            bed.reopen();
        }
        // What was kept and is sent once more is no new delta.
        send(&bed, 1..2);
        send(&bed, 4..6);
        let all = super::super::samples_of(&bed.store, &Tenant::default(), &[]);
        let counts = all.into_values().flat_map(|samples| samples.histograms);
        counts
            .map(|one| (one.time - NOW_MS, one.value.count))
            .collect::<Vec<_>>()
    });
    assert_eq!(kept[0], kept[1]);
    let times: Vec<i64> = kept[0].iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 1000, 4000, 5000]);
    assert!(kept[0].windows(2).all(|pair| pair[0].1 < pair[1].1));
}

/// What comes while the deletion waits for the disk is applied, and is kept.
#[test]
fn entries_are_taken_while_a_deletion_waits_for_what_is_before_it_to_be_sealed() {
    let bed = Bed::new(&config());
    (0..3).for_each(|t| send(&bed, 1, t, 1.0));
    let (reached, has_reached) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    at_each_step(bed.dir.path(), move || {
        // It is told once, and later steps find nobody who tells.
        if reached.send(()).is_ok() {
            let _ = may_go_on.lock().recv();
        }
        Ok(())
    });
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| delete(&bed, "m", 0, 10));
        has_reached.recv().unwrap();
        for t in 3..6 {
            send(&bed, 1, t, 2.0);
            bed.store.maintain(NOW).unwrap();
        }
        assert_eq!(bed.samples("m").len(), 6);
        assert!(!deleting.is_finished());
        drop((go_on, has_reached));
        deleting.join().unwrap();
    });
    let kept = [(3, 2.0), (4, 2.0), (5, 2.0)];
    assert_eq!(bed.samples("m"), kept);
    // The series goes on from what was kept: what is older is late, and nothing is lost.
    send(&bed, 1, 4, 9.0);
    send(&bed, 1, 2, 9.0);
    send(&bed, 1, 6, 2.0);
    let all = [(2, 9.0), (3, 2.0), (4, 2.0), (5, 2.0), (6, 2.0)];
    assert_eq!(bed.samples("m"), all);
    bed.store.seal(NOW).unwrap();
    assert_eq!(bed.samples("m"), all);
}

/// What came late while a deletion waited is the first at its time, also for a series of which
/// nothing newer is left.
#[test]
fn a_late_sample_that_comes_while_a_deletion_waits_stays_the_first_at_its_time() {
    let bed = Bed::new(&config());
    send(&bed, 1, 5, 1.0);
    let (reached, has_reached) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    at_each_step(bed.dir.path(), move || {
        // It is told once, and later steps find nobody who tells.
        if reached.send(()).is_ok() {
            let _ = may_go_on.lock().recv();
        }
        Ok(())
    });
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| delete(&bed, "m", 0, 10));
        has_reached.recv().unwrap();
        send(&bed, 1, 3, 1.0);
        drop((go_on, has_reached));
        deleting.join().unwrap();
    });
    send(&bed, 1, 3, 2.0);
    send(&bed, 1, 6, 3.0);
    let kept = [(3, 1.0), (6, 3.0)];
    assert_eq!(bed.samples("m"), kept);
    bed.store.seal(NOW).unwrap();
    assert_eq!(bed.samples("m"), kept);
}

/// More series than forget their newest sample at once, some of which are looked up.
#[test]
fn many_series_begin_anew_after_their_deletion() {
    const GAUGES: usize = 5000;
    const COUNTERS: usize = 100;
    let bed = Bed::new(&config());
    let send_all = |t: i64| {
        let named = |n: usize| n.to_string();
        let gauges = (0..GAUGES).map(|n| point(&[("n", &named(n))], t, 1.0));
        let counters = (0..COUNTERS).map(|n| point(&[("n", &named(n))], t, 1.0));
        let metrics = vec![
            gauge("g", gauges.collect()),
            counter("c", DELTA, counters.collect()),
        ];
        bed.send(&[], metrics);
    };
    (1..4).for_each(send_all);
    delete(&bed, r#"{n=~".+"}"#, 2, 10);
    // An older time than that of the newest that was deleted, and what was counted until 1.
    send_all(2);
    let all = bed.all();
    assert_eq!(all.len(), GAUGES + COUNTERS);
    for (series, samples) in all {
        let is_counter = series.contains("c_total");
        let second = if is_counter { 2.0 } else { 1.0 };
        assert_eq!(samples, [(1, 1.0), (2, second)], "{series}");
    }
}
