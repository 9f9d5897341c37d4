//! Cursors over restarts.

use super::*;

fn entry(identity: u64, inode: u64, generation: u64) -> Entry {
    let key = FileKey { device: 1, inode };
    let known = Known {
        key,
        born: 3,
        head: Print::of(b"first\n"),
        start: Print::of(b"first\nsec"),
        generation,
    };
    let at = At {
        resume: 6,
        read: 9,
        sent: [Some(0), None, Some(3)],
        ..At::default()
    };
    let base = PathBuf::from("/logs/a.log");
    Entry {
        identity: Identity(identity),
        known,
        base,
        at,
        finished: None,
        seen: UnixNanos(5),
    }
}

#[test]
fn cursors_survive_the_file_and_the_newest_generation_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = CursorFile::new(dir.path());
    assert_eq!(file.load().unwrap(), Saved::default());
    let mut ledger = Ledger::default();
    ledger.add(entry(u64::MAX - 3, 7, 0));
    ledger.add(entry(4, 7, 1));
    assert!(ledger.is_dirty() && ledger.is_urgent());
    file.save(&ledger.to_saved()).unwrap();
    let restored = Ledger::restore(file.load().unwrap());
    assert_eq!(restored.to_saved(), ledger.to_saved());
    assert_eq!(
        restored
            .newest(FileKey {
                device: 1,
                inode: 7
            })
            .unwrap()
            .identity,
        Identity(4)
    );
    assert_eq!(restored.cut_short(), [entry(u64::MAX - 3, 7, 0)]);
}

#[test]
fn damaged_cursors_are_set_aside_and_the_agent_starts() {
    let dir = tempfile::tempdir().unwrap();
    let file = CursorFile::new(dir.path());
    for text in [
        "{\"version\":1,\"files\":[{",
        "{\"version\":99,\"files\":[],\"bases\":{}}",
    ] {
        std::fs::write(dir.path().join("cursors.json"), text).unwrap();
        assert_eq!(file.load().unwrap(), Saved::default());
        assert!(dir.path().join("cursors.json.damaged").exists());
        assert!(!dir.path().join("cursors.json").exists());
    }
}

#[test]
fn what_is_not_seen_for_long_is_forgotten_unless_it_is_still_followed() {
    let mut ledger = Ledger::default();
    ledger.add(entry(4, 7, 0));
    ledger.add(entry(8, 9, 0));
    ledger.forget(UnixNanos(6), |identity| identity == Identity(8));
    assert_eq!(
        ledger.newest(FileKey {
            device: 1,
            inode: 7
        }),
        None
    );
    assert!(
        ledger
            .newest(FileKey {
                device: 1,
                inode: 9
            })
            .is_some()
    );
}
