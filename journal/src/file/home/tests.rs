//! A directory that is new, foreign, half made, or short of room.

use super::*;

fn check(found: &str, expected: Option<u64>) {
    assert_eq!(parse(found), expected.map(Key), "{found:?}");
}

#[test]
fn the_format_line_holds_the_key_or_is_refused() {
    check("sonde journal 2 00000000000000ff\n", Some(255));
    check("sonde journal 2 00000000000000f\n", None);
    check("sonde journal 2", None);
    check("sonde journal 1\n", None);
    check("", None);
}

#[test]
fn a_journal_keeps_its_key_and_no_two_have_the_same() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let keys = [0, 1, 0].map(|n| key(dirs[n].path()).unwrap());
    assert_eq!(keys[0], keys[2]);
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn entries_without_their_format_are_not_taken_for_an_empty_journal() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs-0")).unwrap();
    assert!(key(dir.path()).is_ok());
    std::fs::remove_file(dir.path().join("format")).unwrap();
    std::fs::write(dir.path().join("logs-0/00000000000000000000.journal"), "x").unwrap();
    let error = key(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::FormatMissing { .. }), "{error}");
}

#[test]
fn directories_are_made_all_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    create(&deep).unwrap();
    create(&deep).unwrap();
    assert!(deep.is_dir());
}

#[test]
fn the_quarantine_is_bounded_and_counts_what_lies_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("quarantine");
    std::fs::create_dir(&kept).unwrap();
    let old = File::create(kept.join("old")).unwrap();
    old.set_len(QUARANTINE_BYTES_MAX - 10).unwrap();
    let keep = Quarantine::new(dir.path()).of("logs-0".into());
    keep("f", 1, &[1; 8]);
    keep("f", 9, &[1; 8]);
    keep("f", 20, &[1; 2]);
    let names = |name: &str| kept.join(name).exists();
    assert!(names("logs-0-f-1") && !names("logs-0-f-9") && names("logs-0-f-20"));
}

#[test]
fn the_reserve_is_taken_once_and_given_back_once() {
    let dir = tempfile::tempdir().unwrap();
    let reserve = Reserve::new(dir.path(), 100_000);
    reserve.take();
    let meta = || std::fs::metadata(dir.path().join("reserve"));
    assert_eq!(meta().unwrap().len(), 100_000);
    reserve.giver()();
    assert!(meta().is_err());
    reserve.giver()();
}
