//! Damaged files: moved aside, reported, and the rest is served.

mod proof;

use super::*;
use std::path::{Path, PathBuf};

/// A store of two segments, closed.
fn two_segments(dir: &Path) {
    let store = open(dir, &quiet());
    for n in 0..2 {
        apply(&store, n, "a", vec![record(n + 1, &format!("line {n}"))]);
        store.seal(NOW).unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let segment = dir.join("segments/default").join(format!("{:016x}", 0));
    let all = |dir: PathBuf| std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = all(segment.join("words")).chain(all(segment)).collect();
    files.retain(|p| p.is_file());
    files.retain(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.'));
    files.sort();
    files
}

#[test]
fn whichever_file_of_a_segment_is_damaged_cut_or_gone_the_rest_is_served() {
    let fresh = tempfile::tempdir().unwrap();
    two_segments(fresh.path());
    let count = files(fresh.path()).len();
    assert!(count > 5);
    for at in 0..count {
        for damage in ["flip", "cut", "gone"] {
            let dir = tempfile::tempdir().unwrap();
            two_segments(dir.path());
            let file = files(dir.path()).swap_remove(at);
            let mut bytes = std::fs::read(&file).unwrap();
            match damage {
                "flip" => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 0x40;
                    std::fs::write(&file, bytes).unwrap();
                }
                "cut" => std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
                _ => std::fs::remove_file(&file).unwrap(),
            }
            let config = Config {
                verify_at_open: true,
                ..quiet()
            };
            let store = open(dir.path(), &config);
            assert_eq!(
                bodies(&store, "{}"),
                ["line 1"],
                "{} {damage}",
                file.display()
            );
            assert_eq!(store.stats().quarantined, 1);
            assert_eq!(
                std::fs::read_dir(dir.path().join("quarantine"))
                    .unwrap()
                    .count(),
                1
            );
            assert_eq!(store.resume_from(), Position(2));
        }
    }
}

#[test]
fn whichever_file_is_damaged_answers_are_right_or_the_segment_is_moved_aside() {
    let fresh = tempfile::tempdir().unwrap();
    two_segments(fresh.path());
    let count = files(fresh.path()).len();
    let mut aside = 0;
    for at in 0..count {
        // Nothing is verified at the start, so it is queries and merging that meet the damage.
        for place in [0, 1, 2] {
            let dir = tempfile::tempdir().unwrap();
            two_segments(dir.path());
            let file = files(dir.path()).swap_remove(at);
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = (bytes.len() - 1) * place / 2;
            bytes[middle] ^= 0x40;
            std::fs::write(&file, bytes).unwrap();
            let store = open(dir.path(), &quiet());
            let ask = |query: &str| {
                let answer = store.search(&Tenant::default(), &search(query)).unwrap();
                answer
                    .records
                    .into_iter()
                    .map(|r| r.body)
                    .collect::<Vec<_>>()
            };
            let name = format!("{} {place}", file.display());
            for _ in 0..2 {
                for query in ["{}", "{} |= \"line\"", "{} |= \"line 0\" or \"line 1\""] {
                    let found = ask(query);
                    let whole = ["line 1", "line 0"];
                    assert!(
                        found == whole || found == whole[..1],
                        "{name} {query}: {found:?}"
                    );
                }
                store.maintain(NOW).unwrap();
            }
            store.merge_all().unwrap();
            store.maintain(NOW).unwrap();
            let stats = store.stats();
            assert_eq!(stats.records, 2 - stats.quarantined, "{name}");
            aside += stats.quarantined;
        }
    }
    assert!(aside >= count as u64, "{aside} of {count} files");
}

fn flip_near_the_end(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_manifest_is_replaced_by_its_copy_and_without_one_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    flip_near_the_end(&dir.path().join("manifest.json"));
    let store = open(dir.path(), &quiet());
    assert_eq!(bodies(&store, "{}"), ["line 1", "line 0"]);
    let troubles = store.stats().troubles;
    assert!(troubles[0].contains("its copy is in force"), "{troubles:?}");
    drop(store);

    for name in ["manifest.json", "manifest.copy.json"] {
        flip_near_the_end(&dir.path().join(name));
    }
    let opened = LogStore::open(dir.path(), &quiet(), &mut Registry::default(), NOW);
    let message = opened.unwrap_err().to_string();
    for part in [
        "manifest.json",
        "its checksum does not hold",
        "restore it from a backup",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // Nothing was deleted meanwhile.
    assert!(!files(dir.path()).is_empty());
}

#[test]
fn damage_that_a_query_meets_is_reported_and_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    let blocks = files(dir.path())
        .into_iter()
        .find(|p| p.ends_with("blocks"))
        .unwrap();
    let mut bytes = std::fs::read(&blocks).unwrap();
    bytes[..20].fill(0xff);
    std::fs::write(&blocks, bytes).unwrap();
    let store = open(dir.path(), &quiet());
    let answer = store.search(&Tenant::default(), &search("{}")).unwrap();
    assert!(answer.cut.unwrap().contains("is damaged and was left out"));
    assert_eq!(answer.records.len(), 1);
    store.maintain(NOW).unwrap();
    assert_eq!(bodies(&store, "{}"), ["line 1"]);
    assert_eq!(store.stats().quarantined, 1);
}

#[test]
fn a_seal_that_cannot_be_written_is_tried_again_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        tail_bytes_max: 4 << 10,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    // A file where the tenant's directory should be: no segment can be written.
    let blocker = dir.path().join("segments/default");
    std::fs::write(&blocker, b"").unwrap();
    let line = |n: u64| record(n + 1, &format!("line {n} {}", "x ".repeat(200)));
    // Every second position was quarantined in the journal, so the next is not the one after.
    let apply_at = |n: u64| apply(&store, n * 2, "a", vec![line(n)]);
    (0..40).for_each(apply_at);
    assert!(store.seal(NOW).is_err());
    let applied = store.applied_to();
    assert!(applied < Position(79), "the tail is full and takes no more");
    assert!(store.stats().tail_bytes < 8 << 10);
    let taken = bodies(&store, "{}").len() as u64;
    assert_eq!(applied, Position(taken * 2 - 1));

    std::fs::remove_file(&blocker).unwrap();
    apply_at(40);
    assert_eq!(store.applied_to(), applied, "what was refused comes first");
    (taken..41).for_each(apply_at);
    assert_eq!(store.seal(NOW).unwrap(), Position(81));
    assert_eq!(bodies(&store, "{}").len(), 41);
}

#[test]
fn a_seal_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &quiet());
    let (first, second) = (Tenant::default(), Tenant::new("other").unwrap());
    for (n, tenant) in [(0, &first), (1, &second)] {
        let request = request("a", vec![record(1, "line")]);
        store.apply(&[(Position(n), entry(tenant, &request))]);
    }
    // The first tenant's segment is written, the second's cannot be.
    let blocker = dir.path().join("segments/other");
    std::fs::write(&blocker, b"").unwrap();
    for _ in 0..3 {
        store.seal(NOW).unwrap_err();
        let left = std::fs::read_dir(dir.path().join("segments/default")).unwrap();
        assert_eq!(left.count(), 0);
    }
    std::fs::remove_file(&blocker).unwrap();
    assert_eq!(store.seal(NOW).unwrap(), Position(2));
    assert_eq!(store.stats().records, 2);
}

#[test]
fn a_segment_that_cannot_be_read_is_not_taken_for_damaged() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    let file = files(dir.path()).pop().unwrap();
    let aside = dir.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    // A link to itself cannot be opened by anyone, not even by root.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let config = quiet();
    let store = open(dir.path(), &config);
    let answer = store.search(&Tenant::default(), &search("{}")).unwrap();
    assert!(answer.cut.unwrap().contains("could not be read"));
    assert_eq!(answer.records.len(), 1);
    let stats = store.stats();
    assert_eq!((stats.quarantined, stats.segments), (0, 2));
    assert!(stats.troubles[0].contains("cannot be read"));
    store.seal(NOW).unwrap();

    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(bodies(&store, "{}"), ["line 1", "line 0"]);
    std::fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    store
        .damaged
        .lock()
        .push((0, "seen while it could not be read".into()));
    store.maintain(NOW).unwrap();
    assert_eq!(store.stats().quarantined, 0);
    assert_eq!(bodies(&store, "{}"), ["line 1", "line 0"]);
}

#[test]
fn damage_that_is_there_when_a_segment_is_opened_again_is_moved_aside() {
    let fresh = tempfile::tempdir().unwrap();
    two_segments(fresh.path());
    let count = files(fresh.path()).len();
    let nothing_stays_open = Config {
        mapped_bytes_max: 1,
        ..quiet()
    };
    for at in 0..count {
        for damage in ["cut", "gone"] {
            let dir = tempfile::tempdir().unwrap();
            two_segments(dir.path());
            let store = open(dir.path(), &nothing_stays_open);
            assert_eq!(bodies(&store, "{} |= \"line\""), ["line 1", "line 0"]);
            let file = files(dir.path()).swap_remove(at);
            let bytes = std::fs::read(&file).unwrap();
            match damage {
                "cut" => std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
                _ => std::fs::remove_file(&file).unwrap(),
            }
            let name = format!("{} {damage}", file.display());
            let answer = store.search(&Tenant::default(), &search("{}")).unwrap();
            assert!(
                answer.cut.unwrap().contains("is damaged and was left out"),
                "{name}"
            );
            assert_eq!(answer.records.len(), 1, "{name}");
            assert_eq!(store.stats().quarantined, 0);
            store.maintain(NOW).unwrap();
            assert_eq!(bodies(&store, "{}"), ["line 1"], "{name}");
            assert_eq!(store.stats().quarantined, 1, "{name}");
        }
    }
}

#[test]
fn a_segment_that_cannot_be_opened_for_a_while_is_not_taken_for_damaged() {
    let dir = tempfile::tempdir().unwrap();
    two_segments(dir.path());
    let config = Config {
        mapped_bytes_max: 1,
        merge_factor: 2,
        ..quiet()
    };
    let store = open(dir.path(), &config);
    let file = files(dir.path()).pop().unwrap();
    let aside = dir.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    for _ in 0..2 {
        let answer = store.search(&Tenant::default(), &search("{}")).unwrap();
        assert!(
            answer
                .cut
                .unwrap()
                .contains("could not be read and was left out")
        );
        assert_eq!(answer.records.len(), 1);
        store.merge_all().unwrap();
        store.maintain(NOW).unwrap();
    }
    std::fs::rename(&aside, &file).unwrap();
    store.maintain(NOW).unwrap();
    assert_eq!(store.stats().quarantined, 0);
    assert_eq!(bodies(&store, "{}"), ["line 1", "line 0"]);
}
