//! A disk and a journal without room: refused, told, and usable again after a trim.

use super::folder::{Fate, Folder};
use super::life::{Life, Open};
use crate::AppendError;
use crate::file::writer::Writer;
use sonde_proto::Position;
use std::sync::atomic::Ordering;

/// Appends until there is no room.
fn fill(life: &mut Life, writer: &mut Writer<Folder>) {
    for _ in 0..10_000 {
        let entry = life.entry();
        match writer.commit(std::slice::from_ref(&entry)) {
            Ok(at) => {
                life.promise(at, &entry);
            }
            Err(AppendError::Full { .. }) => return,
            Err(error) => panic!("seed {}: {error}", life.seed),
        }
    }
    panic!("seed {}: it never got full", life.seed);
}

/// Appends, which must succeed.
fn append(life: &mut Life, writer: &mut Writer<Folder>) {
    let entry = life.entry();
    let at = writer.commit(std::slice::from_ref(&entry));
    let at = at.unwrap_or_else(|error| panic!("seed {}: {error}", life.seed));
    life.promise(at, &entry);
}

#[test]
fn a_full_disk_can_be_started_from_read_and_trimmed_and_then_takes_entries_again() {
    for seed in 0..100 {
        let mut life = Life::new(seed);
        let mut open: Open = life.open().unwrap();
        life.live(&mut open, 40);
        life.folder.decide(Fate::DiskFull);
        fill(&mut life, &mut open.1);
        assert!(life.gave_up_space.load(Ordering::Relaxed) > 0);
        drop(open);

        let (shared, mut writer) = life.open().unwrap();
        life.check(&shared);
        let last = shared.index.lock().files.last().unwrap().first;
        life.trimmed = life.trimmed.max(last);
        shared.trim(life.trimmed).unwrap();
        append(&mut life, &mut writer);
        life.check(&shared);
    }
}

#[test]
fn a_full_journal_is_never_full_for_good() {
    for seed in 0..200 {
        let mut life = Life::in_little_room(seed, 16 << 10 | seed << 8);
        let (shared, mut writer) = life.open().unwrap();
        for _ in 0..5 {
            fill(&mut life, &mut writer);
            let end: Position = shared.end();
            shared.trim(end).unwrap();
            life.trimmed = end;
            append(&mut life, &mut writer);
            life.check(&shared);
        }
    }
}

#[test]
fn spares_make_room_for_an_entry_that_none_of_them_holds() {
    let mut life = Life::in_little_room(3, 20 << 10);
    let (shared, mut writer) = life.open().unwrap();
    fill(&mut life, &mut writer);
    let last = shared.index.lock().files.last().unwrap().first;
    shared.trim(last).unwrap();
    life.trimmed = last;
    assert_eq!(shared.index.lock().spares.len(), 2);
    let mut large = life.entry();
    large.payload = vec![7; 7500].into();
    let at = writer.commit(std::slice::from_ref(&large)).unwrap();
    life.promise(at, &large);
    life.check(&shared);
}
