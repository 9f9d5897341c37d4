//! Damaged files and disks that refuse: the rest is served, nothing that was kept is lost.

use super::*;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::fs;

/// Three sealed segments with a series of their own each.
fn three_segments() -> Bed {
    let bed = Bed::new(&Config {
        merge_fan_in: 100,
        index_cache_bytes_max: 0,
        ..Config::default()
    });
    for n in 0..3 {
        (0..50).for_each(|t| send(&bed, n, t, t as f64 * 1.1));
        bed.store.seal(NOW).unwrap();
    }
    bed
}

fn damage(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

fn quarantined(bed: &Bed) -> usize {
    fs::read_dir(bed.dir.path().join("quarantine"))
        .unwrap()
        .count()
}

#[test]
fn a_damaged_index_is_moved_aside_at_the_start_and_the_rest_is_served() {
    let mut bed = three_segments();
    let file = bed.segment_files().remove(1);
    let length = fs::metadata(&file).unwrap().len() as usize;
    damage(&file, length - 40);
    bed.reopen();
    assert_eq!(bed.matching("m").len(), 2);
    let stats = bed.store.stats();
    assert_eq!((stats.segments, stats.quarantined), (2, 1));
    assert_eq!(quarantined(&bed), 1);
    assert_eq!(bed.store.resume_from(), at(150));
    bed.reopen();
    assert_eq!((bed.matching("m").len(), quarantined(&bed)), (2, 1));
}

#[test]
fn a_damaged_column_is_found_by_a_query_which_is_answered_from_the_rest() {
    let mut bed = three_segments();
    damage(&bed.segment_files()[1], 3);
    bed.reopen();
    let limits = crate::QueryLimits::default();
    let asked = bed.store.instant(
        &Tenant::default(),
        "count_over_time(m[5m])",
        later(1),
        &limits,
    );
    let crate::QueryValue::Vector(found) = asked.unwrap().value else {
        panic!("not a vector");
    };
    assert_eq!(found.len(), 2);
    bed.store.settle(NOW).unwrap();
    assert_eq!((bed.store.stats().segments, quarantined(&bed)), (2, 1));
    assert_eq!(bed.matching("m").len(), 2);
}

#[test]
fn a_damaged_segment_does_not_stop_merging() {
    let bed = Bed::new(&Config {
        merge_fan_in: 3,
        ..Config::default()
    });
    for n in 0..4 {
        (0..50).for_each(|t| send(&bed, n, t, t as f64 * 1.1));
        bed.store.seal(NOW).unwrap();
    }
    damage(&bed.segment_files()[1], 3);
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.segment_files().len(), 1, "nothing half written is left");
    assert_eq!((bed.store.stats().segments, quarantined(&bed)), (1, 1));
    assert_eq!(bed.matching("m").len(), 3);
}

#[test]
fn a_store_of_another_version_is_refused_and_stays_as_it_is() {
    let bed = three_segments();
    let file = bed.segment_files().remove(1);
    let length = fs::metadata(&file).unwrap().len() as usize;
    damage(&file, length - 8);
    let mut registry = prometheus_client::registry::Registry::default();
    let opened = crate::MetricStore::open(bed.dir.path(), &Config::default(), &mut registry, NOW);
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("another version"), "{error}");
    assert_eq!((bed.segment_files().len(), quarantined(&bed)), (3, 0));
}

#[test]
fn a_missing_file_is_counted_and_the_rest_is_served() {
    let mut bed = three_segments();
    fs::remove_file(&bed.segment_files()[0]).unwrap();
    bed.reopen();
    assert_eq!(
        (bed.matching("m").len(), bed.store.stats().quarantined),
        (2, 1)
    );
}

#[test]
fn a_segment_that_cannot_be_read_is_an_error_and_stays_where_it_is() {
    let mut bed = three_segments();
    let file = bed.segment_files().remove(0);
    let aside = bed.dir.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    // A link to itself cannot be opened by anyone, not even by root.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    let opened = crate::MetricStore::open(bed.dir.path(), &Config::default(), &mut registry, NOW);
    assert!(matches!(opened, Err(crate::OpenError::Segment { .. })));
    fs::rename(&aside, &file).unwrap();
    bed.reopen();
    assert_eq!((bed.matching("m").len(), quarantined(&bed)), (3, 0));
}

#[test]
fn a_damaged_manifest_is_replaced_by_its_copy_and_without_one_is_an_error_that_says_which() {
    let mut bed = three_segments();
    let path = bed.dir.path().join("manifest.json");
    fs::write(&path, "{").unwrap();
    bed.reopen();
    assert_eq!(bed.matching("m").len(), 3);
    fs::write(&path, "{").unwrap();
    fs::write(bed.dir.path().join("manifest.copy.json"), "{").unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    let opened = crate::MetricStore::open(bed.dir.path(), &Config::default(), &mut registry, NOW);
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("manifest.json"), "{error}");
}

/// A directory where the manifest's temporary file should go makes every swap fail.
#[test]
fn a_seal_that_cannot_swap_the_manifest_changes_nothing_and_is_tried_again() {
    let mut bed = three_segments();
    send(&bed, 9, 0, 1.0);
    let blocked = bed.dir.path().join("manifest.json.tmp");
    fs::create_dir(&blocked).unwrap();
    for _ in 0..3 {
        assert!(bed.store.seal(NOW).is_err());
        assert!(bed.store.settle(later(100_000)).is_err());
        assert_eq!(bed.samples("m{n=\"9\"}"), [(0, 1.0)]);
        assert_eq!(
            (bed.store.resume_from(), bed.store.stats().unsealed),
            (at(150), 1)
        );
    }
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(bed.segment_files().len(), 3, "what failed is tidied up");
    assert_eq!(bed.store.seal(NOW).unwrap(), at(151));
    assert_eq!(
        (bed.store.stats().segments, bed.segment_files().len()),
        (4, 4)
    );
    bed.reopen();
    assert_eq!(bed.matching("m").len(), 4);
}

#[test]
fn a_merge_that_fails_is_counted_left_alone_until_segments_change_and_stops_nothing() {
    let bed = Bed::new(&Config {
        merge_fan_in: 3,
        ..Config::default()
    });
    for n in 0..3 {
        send(&bed, n, 0, 1.0);
        bed.store.seal(NOW).unwrap();
    }
    let (files, before) = (bed.segment_files(), bed.all());
    let blocked = bed.dir.path().join("manifest.json.tmp");
    fs::create_dir(&blocked).unwrap();
    let failures = || bed.store.telemetry.merge_failures.get();
    for _ in 0..3 {
        assert_eq!(bed.store.settle(NOW).unwrap(), at(3));
        assert_eq!((failures(), bed.segment_files()), (1, files.clone()));
    }
    fs::remove_dir(&blocked).unwrap();
    bed.store.settle(NOW).unwrap();
    assert_eq!(bed.segment_files(), files, "it is not tried again yet");
    send(&bed, 9, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    bed.store.settle(NOW).unwrap();
    assert_eq!((failures(), bed.segment_files().len()), (1, 1));
    assert_eq!(bed.all()[..3], before);
}

/// A file where the directory of tenant `b` should go makes every seal of it fail.
#[test]
fn a_seal_that_fails_leaves_no_files_and_does_not_stop_retention() {
    let bed = Bed::new(&Config {
        retention_seconds: 1000,
        ..Config::default()
    });
    let files = |tenant: &str| {
        let folder = bed.dir.path().join("segments").join(tenant);
        fs::read_dir(folder).unwrap().count()
    };
    let send_as = |tenant: &str, after| {
        let metrics = vec![gauge("m", vec![point(&[], after, 1.0)])];
        bed.send_as(&Tenant::new(tenant).unwrap(), &[], metrics);
    };
    send_as("a", 0);
    bed.store.seal(NOW).unwrap();
    fs::write(bed.dir.path().join("segments/b"), "in the way").unwrap();
    send_as("a", 1);
    send_as("b", 1);
    for _ in 0..3 {
        assert!(bed.store.seal(NOW).is_err());
        assert_eq!(files("a"), 1, "what was written of `a` is tidied up");
    }
    assert!(bed.store.settle(later(100_000)).is_err());
    let stats = bed.store.stats();
    assert_eq!((files("a"), stats.segments, stats.unsealed), (0, 0, 2));
    fs::remove_file(bed.dir.path().join("segments/b")).unwrap();
    assert_eq!(bed.store.seal(NOW).unwrap(), at(3));
    assert_eq!((files("a"), files("b")), (1, 1));
}

/// A file where the tenant's directory should go makes every segment fail.
#[test]
fn a_segment_that_cannot_be_written_leaves_its_samples_in_memory() {
    let bed = Bed::new(&Config::default());
    send(&bed, 1, 0, 1.0);
    let segments = bed.dir.path().join("segments");
    fs::remove_dir(&segments).unwrap();
    fs::write(&segments, "in the way").unwrap();
    let error = bed.store.seal(NOW).unwrap_err().to_string();
    assert!(error.contains("segments"), "{error}");
    assert_eq!(bed.samples("m"), [(0, 1.0)]);
    assert_eq!(bed.store.resume_from(), at(0));
    fs::remove_file(&segments).unwrap();
    fs::create_dir(&segments).unwrap();
    bed.store.seal(NOW).unwrap();
    assert_eq!(bed.samples("m"), [(0, 1.0)]);
}

/// The disk of every step before the swap is what a crash there leaves behind.
#[test]
fn a_crash_before_the_swap_leaves_the_state_before_and_the_replay_mends_it() {
    let mut bed = three_segments();
    let manifest = fs::read(bed.dir.path().join("manifest.json")).unwrap();
    send(&bed, 9, 0, 1.0);
    bed.store.seal(NOW).unwrap();
    for cut in [0, 10, usize::MAX] {
        fs::write(bed.dir.path().join("manifest.json"), &manifest).unwrap();
        let torn = bed
            .segment_files()
            .remove(0)
            .with_file_name("00000000000000ff");
        let whole = fs::read(bed.segment_files().remove(0)).unwrap();
        fs::write(&torn, &whole[..cut.min(whole.len())]).unwrap();
        bed.reopen();
        assert!(!torn.exists());
        assert_eq!(
            (bed.store.resume_from(), bed.matching("m").len()),
            (at(150), 3)
        );
        send(&bed, 9, 0, 1.0);
        bed.store.seal(NOW).unwrap();
        assert_eq!(bed.samples("m{n=\"9\"}"), [(0, 1.0)]);
    }
}

/// How many damages are tried.
const DAMAGES: u64 = 150;

/// Wherever bytes are changed or missing, what is found was sent, the other segments are whole,
/// and the damaged one is moved aside as soon as somebody has missed something of it.
#[test]
fn any_damage_of_one_segment_is_found_and_the_others_are_served() {
    let whole = three_segments();
    let sent: BTreeSet<String> = every_sample(&whole);
    let mut seen = [0; 3];
    for seed in 0..DAMAGES {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        copy(whole.dir.path(), dir.path());
        let which = rng.random_range(0..3usize);
        let name = whole.segment_files()[which].clone();
        let file = dir
            .path()
            .join(name.strip_prefix(whole.dir.path()).unwrap());
        let mut bytes = fs::read(&file).unwrap();
        // The version is not damage, but another program's.
        let version = bytes.len() - 8..bytes.len() - 4;
        if rng.random_bool(0.3) {
            bytes.truncate(rng.random_range(0..bytes.len()));
        } else {
            let at = rng.random_range(0..bytes.len());
            if version.contains(&at) {
                continue;
            }
            bytes[at] ^= rng.random_range(1..=255u8);
        }
        fs::write(&file, bytes).unwrap();
        let bed = Bed::open_in(
            dir,
            &Config {
                merge_fan_in: 100,
                index_cache_bytes_max: 0,
                ..Config::default()
            },
        );
        let found = every_sample(&bed);
        assert!(
            found.is_subset(&sent),
            "seed {seed}: something was invented"
        );
        let of_others = |n: usize| format!("n=\"{n}\"");
        for n in (0..3).filter(|n| *n != which) {
            let of =
                |all: &BTreeSet<String>| all.iter().filter(|s| s.contains(&of_others(n))).count();
            assert_eq!(
                of(&found),
                of(&sent),
                "seed {seed}: another segment lost something"
            );
        }
        bed.store.settle(NOW).unwrap();
        let stats = bed.store.stats();
        let moved = usize::from(found.len() < sent.len());
        assert_eq!(stats.quarantined as usize, moved, "seed {seed}");
        assert_eq!((stats.segments, quarantined(&bed)), (3 - moved, moved));
        seen[which] += moved;
    }
    assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}");
}

fn every_sample(bed: &Bed) -> BTreeSet<String> {
    let all = bed.matching("m").into_iter();
    all.flat_map(|(labels, samples)| {
        let one = move |(time, value)| format!("{labels} {time} {value}");
        samples.into_iter().map(one)
    })
    .collect()
}
