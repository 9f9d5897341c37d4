//! Every instant of sealing and merging: a disk that refuses there once, a process that ends
//! there. And a memory that is full.

use super::*;
use crate::testing::native::{Bits, all_bits};
use sonde_proto::Entry;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many times something is sent and sealed.
const ROUNDS: i64 = 3;

fn config() -> Config {
    Config {
        merge_fan_in: 2,
        ..Config::default()
    }
}

/// Two tenants, series that come and stay, and late samples.
fn journal() -> Vec<Entry> {
    let mut journal = Vec::new();
    for round in 0..ROUNDS {
        for name in ["a", "b"] {
            let points = (0..3).map(|n| point(&[("n", &n.to_string())], round * 1000, 1.0));
            let late = point(&[("n", "0")], 500 - round, round as f64);
            let own = point(&[("round", &round.to_string())], round, 2.0);
            let metrics = vec![
                gauge("m", points.chain([late, own]).collect()),
                exponential(CUMULATIVE, round * 1000, 3 + round as u64),
                exponential(DELTA, round * 1000, 2),
            ];
            let tenant = Tenant::new(name).unwrap();
            journal.push(entry(&tenant, &request(&[], metrics)));
        }
    }
    journal
}

type Found = Vec<(String, Vec<(i64, u64)>, Vec<(i64, Bits)>)>;

fn found(store: &crate::MetricStore) -> Found {
    let mut all = Found::new();
    for name in ["a", "b"] {
        for (labels, samples) in super::super::samples_of(store, &Tenant::new(name).unwrap(), &[]) {
            let histograms = all_bits(&samples.histograms);
            let samples = samples.iter().map(|(t, v)| (t, v.to_bits())).collect();
            all.push((format!("{name} {labels}"), samples, histograms));
        }
    }
    all
}

fn replay(store: &crate::MetricStore, journal: &[Entry]) {
    let from = store.resume_from().0 as usize;
    for (n, entry) in journal.iter().enumerate().skip(from) {
        store.apply(&[(at(n as u64), entry.clone())]);
    }
}

/// What must be found after each round.
fn wanted(journal: &[Entry]) -> Vec<Found> {
    let bed = Bed::new(&Config::default());
    let rounds = (1..=journal.len() / 2).map(|round| {
        replay(&bed.store, &journal[..round * 2]);
        found(&bed.store)
    });
    rounds.collect()
}

/// Sends and seals round after round, and tries again what does not work.
fn run(bed: &Bed, journal: &[Entry], wanted: &[Found]) {
    for (round, (entries, wanted)) in journal.chunks(2).zip(wanted).enumerate() {
        for (n, entry) in entries.iter().enumerate() {
            bed.store
                .apply(&[(at((round * 2 + n) as u64), entry.clone())]);
        }
        let tried = (0..3).find(|_| bed.store.seal(NOW).is_ok());
        assert!(tried.is_some(), "it fails once");
        let _ = bed.store.settle(NOW);
        assert_eq!(found(&bed.store), *wanted);
    }
}

#[test]
fn a_disk_that_refuses_once_at_any_step_costs_nothing() {
    let journal = journal();
    let wanted = wanted(&journal);
    for failing in 0.. {
        let mut bed = Bed::new(&config());
        let step = Arc::new(AtomicUsize::new(0));
        let steps = Arc::clone(&step);
        at_each_step(bed.dir.path(), move || {
            let is_it = step.fetch_add(1, Ordering::SeqCst) == failing;
            if is_it {
                Err(io::Error::other("no room"))
            } else {
                Ok(())
            }
        });
        run(&bed, &journal, &wanted);
        let listed = bed.store.stats().segments;
        assert_eq!(bed.segment_files().len(), listed, "step {failing}");
        bed.reopen();
        assert_eq!(bed.store.resume_from(), at(journal.len() as u64));
        assert_eq!(
            found(&bed.store),
            wanted[wanted.len() - 1],
            "step {failing}"
        );
        if steps.load(Ordering::SeqCst) <= failing {
            assert!(failing > 30, "{failing} are too few to be all");
            return;
        }
    }
}

#[test]
fn a_process_that_ends_at_any_step_loses_nothing_and_doubles_nothing() {
    let journal = journal();
    let (bed, wanted) = (Bed::new(&config()), wanted(&journal));
    let images = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (dir, left) = (bed.dir.path().to_owned(), Arc::clone(&images));
    at_each_step(bed.dir.path(), move || {
        let image = tempfile::tempdir()?;
        copy(&dir, image.path());
        left.lock().push(image);
        Ok(())
    });
    run(&bed, &journal, &wanted);
    let images = std::mem::take(&mut *images.lock());
    assert!(images.len() > 30, "{} are too few to be all", images.len());
    for (step, image) in images.iter().enumerate() {
        let store = open(image.path(), &config());
        replay(&store, &journal);
        assert_eq!(found(&store), wanted[wanted.len() - 1], "step {step}");
        store.seal(NOW).unwrap();
        assert_eq!(found(&store), wanted[wanted.len() - 1], "step {step}");
        assert_eq!(store.stats().quarantined, 0);
    }
}

/// A file where the segments should go makes every seal fail.
fn block(dir: &Path) {
    std::fs::remove_dir_all(dir.join("segments")).unwrap();
    std::fs::write(dir.join("segments"), "in the way").unwrap();
}

#[test]
fn a_memory_that_is_full_and_cannot_be_sealed_takes_nothing_more_and_loses_nothing() {
    const MAX: u64 = 32 << 10;
    let bed = Bed::new(&Config {
        head_bytes_max: MAX,
        ..Config::default()
    });
    block(bed.dir.path());
    let apply = |n: u64| {
        let points = vec![point(&[("n", &(n % 50).to_string())], n as i64, n as f64)];
        let entry = entry(&Tenant::default(), &request(&[], vec![gauge("m", points)]));
        bed.store.apply(&[(at(n), entry)]);
    };
    (0..20_000).for_each(apply);
    let taken = bed.store.applied_to();
    assert!(taken > at(100) && taken < at(20_000), "{taken:?}");
    let (active, frozen) = {
        let writer = bed.store.writer.lock();
        (writer.active_bytes, writer.frozen_bytes)
    };
    assert!(active + frozen < MAX + 1024, "{active} and {frozen}");
    let count = || -> usize { bed.matching("m").iter().map(|(_, s)| s.len()).sum() };
    assert_eq!(count() as u64, taken.0, "all that was taken is found");
    apply(taken.0 + 7);
    assert_eq!(
        bed.store.applied_to(),
        taken,
        "what was refused comes first"
    );
    std::fs::remove_file(bed.dir.path().join("segments")).unwrap();
    std::fs::create_dir(bed.dir.path().join("segments")).unwrap();
    apply(taken.0 + 7);
    assert_eq!(bed.store.applied_to(), taken, "also when there is room");
    (taken.0..20_000).for_each(apply);
    assert_eq!(bed.store.applied_to(), at(20_000));
    assert_eq!(bed.store.seal(NOW).unwrap(), at(20_000));
    assert_eq!(count(), 20_000);
}

#[test]
fn what_comes_while_a_seal_goes_on_is_visible_and_not_covered_by_it() {
    let mut bed = Bed::new(&Config::default());
    send(&bed, 1, 1, 1.0);
    let (reached, waits) = std::sync::mpsc::sync_channel(1);
    let (goes_on, gate) = std::sync::mpsc::channel::<()>();
    let gate = parking_lot::Mutex::new(Some(gate));
    at_each_step(bed.dir.path(), move || {
        if let Some(gate) = gate.lock().take() {
            reached.send(()).unwrap();
            gate.recv().unwrap();
        }
        Ok(())
    });
    bed.store.maintain(later(7200)).unwrap();
    waits.recv().unwrap();
    send(&bed, 1, 2, 2.0);
    send(&bed, 1, 0, 0.0);
    send(&bed, 2, 0, 5.0);
    let all = [(0, 0.0), (1, 1.0), (2, 2.0)];
    assert_eq!(bed.samples("m{n=\"1\"}"), all);
    assert_eq!(bed.store.stats().unsealed, 4);
    goes_on.send(()).unwrap();
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.store.resume_from(), at(1));
    assert_eq!(
        (bed.store.stats().segments, bed.store.stats().unsealed),
        (1, 3)
    );
    assert_eq!(bed.samples("m{n=\"1\"}"), all);
    bed.reopen();
    assert_eq!(bed.samples("m"), [(1, 1.0)]);
}
