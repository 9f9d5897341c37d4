//! Crashes, rubbish and damage in a directory of segments.

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

#[test]
fn a_damaged_manifest_is_a_clear_error_and_deletes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let id = add_segment(&dir, &mut manifest);
    dir.swap(&manifest).unwrap();
    let path = root.path().join(MANIFEST);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();

    let error = SegmentDir::open(root.path()).unwrap_err().to_string();
    assert!(
        error.contains("manifest.json") && error.contains("checksum") && error.contains("backup"),
        "{error}"
    );
    assert!(dir.path(&tenant(), id).exists());
}

#[test]
fn a_damaged_segment_is_moved_aside_counted_and_the_rest_stays() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let ids: Vec<u64> = (0..20).map(|_| add_segment(&dir, &mut manifest)).collect();
    dir.swap(&manifest).unwrap();
    for id in &ids[..19] {
        dir.quarantine(&mut manifest, *id, "checksum: block 3/7")
            .unwrap();
    }
    assert_eq!(dir.quarantined(), 19);
    assert_eq!(
        manifest.segments.iter().map(|s| s.id).collect::<Vec<_>>(),
        [ids[19]]
    );
    let mut aside = children(&root.path().join(QUARANTINE)).unwrap();
    aside.sort_unstable();
    assert_eq!(aside.len(), QUARANTINED_MAX, "old damage is forgotten");
    assert!(
        aside[0].ends_with("0000000000000003-checksum--block-3-7"),
        "{aside:?}"
    );
    let (_, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(found, manifest);
}

#[test]
fn a_listed_segment_that_is_gone_is_counted_and_left_out() {
    let root = tempfile::tempdir().unwrap();
    let (dir, mut manifest) = SegmentDir::open(root.path()).unwrap();
    let (gone, kept) = (
        add_segment(&dir, &mut manifest),
        add_segment(&dir, &mut manifest),
    );
    dir.swap(&manifest).unwrap();
    dir.remove(&tenant(), gone);
    let (dir, found) = SegmentDir::open(root.path()).unwrap();
    assert_eq!(
        found.segments.iter().map(|s| s.id).collect::<Vec<_>>(),
        [kept]
    );
    assert_eq!(dir.quarantined(), 1);
    assert!(found.segment(kept).is_some() && found.segment(gone).is_none());
}
