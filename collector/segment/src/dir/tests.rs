//! Crashes, rubbish and damage in a directory of segments.

use super::aside::Moved;
use super::swap::{COPY, DAMAGED, MANIFEST, Step};
use super::*;
use sonde_proto::{Position, UnixNanos};

fn tenant() -> Tenant {
    Tenant::new("team-a").unwrap()
}

fn add_segment(dir: &SegmentDir, manifest: &mut Manifest) -> u64 {
    let id = manifest.take_id();
    let path = dir.create(&tenant(), id).unwrap();
    fs::write(path, id.to_string()).unwrap();
    dir.persist(&tenant(), id).unwrap();
    let meta = SegmentMeta {
        id,
        tenant: tenant(),
        start: UnixNanos(id),
        end: UnixNanos(id + 1),
        positions: (Position(id), Position(id + 1)),
        bytes: 1,
        records: 1,
        checksum: 0,
        extra: serde_json::Value::Null,
    };
    manifest.segments.push(meta);
    manifest.covers = Position(id + 1);
    id
}

fn stored(root: &Path) -> Vec<PathBuf> {
    let mut found = children(&root.join(SEGMENTS).join("team-a")).unwrap_or_default();
    found.sort_unstable();
    found
}

#[test]
fn a_crash_at_any_step_of_a_swap_leaves_the_old_or_the_new_manifest() {
    let steps = [
        Step::Created,
        Step::Written,
        Step::Synced,
        Step::Renamed,
        Step::DirectorySynced,
    ];
    for crash_after in steps {
        let root = tempfile::tempdir().unwrap();
        let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
        let old_id = add_segment(&dir, &mut manifest);
        dir.swap(&manifest).unwrap();
        let old = manifest.clone();

        manifest.segments.clear();
        add_segment(&dir, &mut manifest);
        let crash = |step| {
            if step == crash_after {
                Err(io::Error::other("crash"))
            } else {
                Ok(())
            }
        };
        let error = dir.swap_in_steps(&manifest, crash).unwrap_err();
        drop(dir);

        let (dir, found) = SegmentDir::open(root.path()).unwrap();
        let renamed = matches!(crash_after, Step::Renamed | Step::DirectorySynced);
        assert_eq!(error.may_be_in_force(), renamed, "{crash_after:?}");
        assert_eq!(
            found,
            if renamed { manifest } else { old },
            "crash after {crash_after:?}"
        );
        let listed: Vec<_> = found
            .segments
            .iter()
            .map(|s| dir.path(&s.tenant, s.id))
            .collect();
        assert_eq!(
            stored(root.path()),
            listed,
            "exactly what is listed lies there"
        );
        assert_eq!(found.segments[0].id == old_id, !renamed);
        assert!(!root.path().join(MANIFEST_TEMP).exists());
        assert_eq!(dir.quarantined(), 0);
    }
}

#[test]
fn a_torn_temporary_manifest_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    fs::write(
        root.path().join(MANIFEST_TEMP),
        &manifest.encode().unwrap()[..20],
    )
    .unwrap();
    let (_, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(found, manifest);
}

#[test]
fn segments_that_no_manifest_lists_are_deleted_at_open_be_they_files_or_directories() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    fs::write(dir.create(&tenant(), 77).unwrap(), "rubbish").unwrap();
    let whole_dir = dir.create(&Tenant::new("other").unwrap(), 78).unwrap();
    fs::create_dir_all(whole_dir.join("inner")).unwrap();
    fs::write(whole_dir.join("inner/file"), "rubbish").unwrap();
    fs::write(root.path().join(SEGMENTS).join("stray"), "rubbish").unwrap();

    let (dir, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(found, manifest);
    assert_eq!(stored(root.path()).len(), 1);
    assert!(!whole_dir.exists() && !dir.path(&tenant(), 77).exists());
    assert!(!root.path().join(SEGMENTS).join("stray").exists());
}

/// Changes a bit of the last byte.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn in_quarantine(root: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let aside = children(&root.join(QUARANTINE)).unwrap().into_iter();
    let mut names: Vec<String> = aside.map(name).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_damaged_manifest_and_copy_are_a_clear_error_and_nothing_is_deleted() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let id = add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    damage(&root.path().join(MANIFEST));
    damage(&root.path().join(COPY));

    let error = SegmentDir::open(root.path()).unwrap_err().to_string();
    assert!(
        error.contains("manifest.json") && error.contains("checksum") && error.contains("backup"),
        "{error}"
    );
    assert!(dir.path(&tenant(), id).exists());
}

#[test]
fn the_copy_serves_in_place_of_a_damaged_or_missing_manifest_and_nothing_is_lost() {
    for gone in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
        for _ in 0..3 {
            add_segment(&dir, &mut manifest);
            dir.swap(&manifest).unwrap();
        }
        let path = root.path().join(MANIFEST);
        match gone {
            true => fs::remove_file(&path).unwrap(),
            false => damage(&path),
        }
        let (dir, found) = SegmentDir::open(root.path()).unwrap();
        assert_eq!(found, manifest);
        assert_eq!((stored(root.path()).len(), dir.quarantined()), (3, 0));
        assert!(dir.troubles()[0].contains("its copy is in force"));
        assert_eq!(root.path().join(DAMAGED).exists(), !gone);
        let (dir, found) = SegmentDir::open(root.path()).unwrap();
        assert_eq!(found, manifest);
        assert!(dir.troubles().is_empty(), "it was put in its place");
    }
}

#[test]
fn what_an_older_copy_does_not_list_is_moved_aside_and_its_number_is_not_given_again() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    let (old, bytes) = (manifest.clone(), fs::read(root.path().join(COPY)).unwrap());
    let newest = add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    fs::write(root.path().join(COPY), bytes).unwrap();
    damage(&root.path().join(MANIFEST));

    let (dir, mut found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(found.segments, old.segments);
    assert_eq!(found.take_id(), newest + 1);
    assert_eq!(
        in_quarantine(root.path()),
        [format!("{newest:016x}-unlisted")]
    );
    assert_eq!(dir.aside().segments, 1);
}

#[test]
fn a_manifest_of_a_later_version_is_refused_although_there_is_a_copy() {
    let root = tempfile::tempdir().unwrap();
    let (dir, manifest) = SegmentDir::open(root.path()).unwrap();
    dir.swap(&manifest).unwrap();
    fs::write(root.path().join(MANIFEST), "sonde-manifest 2 00000000\n{}").unwrap();
    let error = SegmentDir::open(root.path()).unwrap_err().to_string();
    assert!(error.contains("format version is 2"), "{error}");
}

#[test]
fn damaged_segments_are_moved_aside_counted_and_never_deleted_and_the_rest_stays() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let ids: Vec<u64> = (0..40).map(|_| add_segment(&dir, &mut manifest)).collect();
    dir.swap(&manifest).unwrap();
    for id in &ids[..39] {
        dir.quarantine(&mut manifest, *id, "checksum: block 3/7")
            .unwrap();
    }
    assert_eq!(dir.quarantined(), 39);
    assert_eq!(
        manifest.segments.iter().map(|s| s.id).collect::<Vec<_>>(),
        [ids[39]]
    );
    let aside = in_quarantine(root.path());
    assert_eq!(aside.len(), 39);
    assert_eq!(aside[0], "0000000000000000-checksum--block-3-7");
    let expected = Aside {
        segments: 39,
        bytes: (0..39).map(|id: u64| id.to_string().len() as u64).sum(),
    };
    assert_eq!(dir.aside(), expected);
    let (dir, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(found, manifest);
    assert_eq!((dir.aside(), dir.quarantined()), (expected, 0));
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in children(from).unwrap() {
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_tree(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

#[test]
fn a_crash_at_any_step_of_moving_a_segment_aside_keeps_its_files() {
    for crash_after in [Moved::Renamed, Moved::Synced, Moved::Unlisted] {
        let (root, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
        let (bad, good) = (
            add_segment(&dir, &mut manifest),
            add_segment(&dir, &mut manifest),
        );
        dir.swap(&manifest).unwrap();
        let mut copied = false;
        let crash = |step| {
            if step == crash_after {
                copy_tree(root.path(), crashed.path());
                copied = true;
            }
        };
        dir.quarantine_in_steps(&mut manifest, bad, "checksum", crash)
            .unwrap();
        assert!(copied);
        let (_, found) = SegmentDir::open(crashed.path()).unwrap();
        let listed: Vec<u64> = found.segments.iter().map(|s| s.id).collect();
        assert_eq!(listed, [good], "{crash_after:?}");
        let aside = in_quarantine(crashed.path());
        assert_eq!(aside, [format!("{bad:016x}-checksum")], "{crash_after:?}");
    }
}

#[test]
fn a_segment_stays_where_it_is_if_the_manifest_cannot_be_swapped() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let id = add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    let before = manifest.clone();
    let blocker = root.path().join(MANIFEST_TEMP);
    fs::create_dir(&blocker).unwrap();
    dir.quarantine(&mut manifest, id, "checksum").unwrap_err();
    assert_eq!(manifest, before);
    assert!(dir.path(&tenant(), id).exists());
    assert_eq!(
        (dir.quarantined(), in_quarantine(root.path()).len()),
        (0, 0)
    );
    fs::remove_dir(&blocker).unwrap();
    dir.quarantine(&mut manifest, id, "checksum").unwrap();
    assert_eq!(
        (dir.quarantined(), in_quarantine(root.path()).len()),
        (1, 1)
    );
}

#[test]
fn a_segment_that_cannot_be_looked_at_is_not_missing() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let id = add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    // A link to itself cannot be followed by anyone, not even by root.
    let folder = root.path().join(SEGMENTS).join("team-a");
    let away = root.path().join("away");
    fs::rename(&folder, &away).unwrap();
    std::os::unix::fs::symlink(&folder, &folder).unwrap();
    let (dir, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!((&found, dir.quarantined()), (&manifest, 0));
    dir.swap(&found).unwrap();

    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    let (dir, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(found, manifest);
    assert!(dir.path(&tenant(), id).exists());
}

#[test]
fn a_listed_segment_that_is_gone_is_told_of_until_somebody_deletes_the_note() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let (gone, kept) = (
        add_segment(&dir, &mut manifest),
        add_segment(&dir, &mut manifest),
    );
    dir.swap(&manifest).unwrap();
    dir.remove(&tenant(), gone);
    let note = format!("{gone:016x}-missing.json");
    // Whether there was a swap in between or not, and after it.
    for swapped in [false, true, true] {
        let (dir, found) = SegmentDir::open(root.path()).unwrap();
        let listed: Vec<u64> = found.segments.iter().map(|s| s.id).collect();
        assert_eq!(listed, [kept]);
        assert_eq!(in_quarantine(root.path()), std::slice::from_ref(&note));
        assert_eq!(dir.aside().segments, 1);
        let [trouble] = dir.troubles() else {
            panic!("{:?}", dir.troubles());
        };
        assert!(
            trouble.contains("is missing") && trouble.contains(&note),
            "{trouble}"
        );
        if swapped {
            dir.swap(&found).unwrap();
        }
    }
    fs::remove_file(root.path().join(QUARANTINE).join(note)).unwrap();
    let (dir, _) = SegmentDir::open(root.path()).unwrap();
    assert_eq!((dir.troubles().len(), dir.aside().segments), (0, 0));
}

#[test]
fn a_missing_segment_whose_files_come_back_is_not_deleted() {
    for swapped in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
        let id = add_segment(&dir, &mut manifest);
        dir.swap(&manifest).unwrap();
        let (path, away) = (dir.path(&tenant(), id), root.path().join("away"));
        fs::rename(&path, &away).unwrap();
        let (dir, found) = SegmentDir::open(root.path()).unwrap();
        assert_eq!((found.segments.len(), dir.quarantined()), (0, 1));
        if swapped {
            dir.swap(&found).unwrap();
        }
        fs::rename(&away, &path).unwrap();
        let (dir, found) = SegmentDir::open(root.path()).unwrap();
        let told = dir.troubles().len();
        if swapped {
            assert_eq!(in_quarantine(root.path()), [format!("{id:016x}-returned")]);
            assert_eq!((found.segments.len(), told), (0, 1));
        } else {
            // The manifest lists it still, so it was never gone.
            assert_eq!((found, told), (manifest.clone(), 0));
            assert_eq!(in_quarantine(root.path()), Vec::<String>::new());
        }
        // And that stays so.
        let (dir, _) = SegmentDir::open(root.path()).unwrap();
        assert!(dir.troubles().is_empty());
        assert_eq!(dir.aside().segments, u64::from(swapped));
    }
}

#[test]
fn of_many_missing_segments_some_are_told_of_and_rubbish_beside_them_is_let_be() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let ids: Vec<u64> = (0..12).map(|_| add_segment(&dir, &mut manifest)).collect();
    dir.swap(&manifest).unwrap();
    ids.iter().for_each(|id| dir.remove(&tenant(), *id));
    fs::write(root.path().join(QUARANTINE).join("x-missing.json"), "{").unwrap();
    let (dir, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!((found.segments.len(), dir.quarantined()), (0, 12));
    assert_eq!((dir.troubles().len(), dir.aside().segments), (9, 13));
    assert!(dir.troubles()[8].starts_with("4 more segments"));
}
