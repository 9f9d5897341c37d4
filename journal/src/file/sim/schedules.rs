//! Random schedules of kills, power cuts, failures and damage. A failure prints its seed.

use super::folder::Fate;
use super::life::{Life, read_all};
use crate::file::reader::FileReader;
use rand::Rng as _;
use sonde_proto::Position;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

#[test]
fn whatever_was_acknowledged_survives_a_kill_or_a_power_cut_at_any_operation() {
    for seed in 0..500 {
        let mut life = Life::new(seed);
        for _ in 0..6 {
            // Short lives meet what the one before had only just begun.
            let operations = if life.random.random_bool(0.5) {
                25
            } else {
                200
            };
            let limit = life.folder.operations() + life.random.random_range(1..operations);
            life.folder.decide(Fate::PowerOff(limit));
            if let Ok(mut open) = life.open() {
                life.live(&mut open, 60);
            }
            if life.random.random_bool(0.3) {
                life.folder.restart_process();
            } else {
                life.folder.restart(&mut life.random.clone());
            }
            let (shared, _) = life
                .open()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            life.check(&shared);
        }
        // What was read after the last start is durable, too.
        life.folder.restart(&mut life.random.clone());
        let (shared, _) = life.open().unwrap();
        life.check(&shared);
    }
}

#[test]
fn an_operation_that_fails_makes_no_false_promise_and_the_journal_goes_on() {
    for seed in 0..300 {
        let mut life = Life::new(seed);
        let kind = if seed % 2 == 0 {
            io::ErrorKind::StorageFull
        } else {
            io::ErrorKind::Other
        };
        life.folder.decide(Fate::Fail(seed % 200 + 1, kind));
        let mut open = match life.open() {
            Ok(open) => open,
            Err(_) => life.open().unwrap(),
        };
        life.live(&mut open, 40);
        life.folder.decide(Fate::Well);
        life.check(&open.0);
        let promised = life.promised.len();
        life.live(&mut open, 5);
        assert!(
            life.promised.len() > promised,
            "seed {seed}: it took nothing more"
        );
        life.folder.restart(&mut life.random.clone());
        let (shared, _) = life.open().unwrap();
        life.check(&shared);
    }
}

#[test]
fn a_damaged_byte_costs_the_entry_it_stands_in_and_no_other() {
    for seed in 0..300 {
        let mut life = Life::new(seed);
        let mut open = life.open().unwrap();
        life.live(&mut open, 12);
        let (name, end) = {
            let index = open.0.index.lock();
            let Some(file) = index.files.first() else {
                continue;
            };
            (file.name.clone(), usize::try_from(file.end).unwrap())
        };
        life.folder
            .damage(&name, life.random.clone().random_range(0..end));
        let end_before = open.0.end();
        drop(open);
        let (shared, _) = life.open().unwrap();
        let mut reader = FileReader::new(Arc::clone(&shared), Position::START);
        let found: BTreeMap<_, _> = read_all(&mut reader).into_iter().collect();
        let kept = life.promised.range(shared.first()..);
        let lost: Vec<_> = kept
            .filter(|(at, payload)| found.get(at) != Some(payload))
            .map(|(at, _)| at.next())
            .collect();
        assert!(lost.len() <= 1, "seed {seed}: lost with one byte: {lost:?}");
        // Nothing tells a damaged end from one that was never whole.
        let counted = u64::from(lost.first().is_some_and(|next| *next < end_before));
        assert_eq!(life.counters.quarantined.get(), counted, "seed {seed}");
        assert!(
            found
                .iter()
                .all(|(at, payload)| life.promised.get(at) == Some(payload)),
            "seed {seed}"
        );
    }
}

#[test]
fn a_damaged_last_entry_hides_nothing_that_comes_after_it() {
    for seed in 0..50 {
        let mut life = Life::new(seed);
        let (shared, mut writer) = life.open().unwrap();
        let first = [life.entry()];
        writer.commit(&first).unwrap();
        let (name, end) = {
            let index = shared.index.lock();
            let file = index.files.last().unwrap();
            (file.name.clone(), usize::try_from(file.end).unwrap())
        };
        let at = life.random.random_range(0..end);
        life.folder.damage(&name, at);
        let mut reader = FileReader::new(Arc::clone(&shared), Position::START);
        assert_eq!(read_all(&mut reader), []);
        let second = [life.entry(), life.entry()];
        let position = writer.commit(&second).unwrap();
        let found = read_all(&mut reader);
        let payloads: Vec<_> = found.iter().map(|(_, payload)| payload).collect();
        assert_eq!(
            payloads,
            [&second[0].payload, &second[1].payload],
            "seed {seed}"
        );
        assert_eq!(found[0].0, position);
        assert_eq!(life.counters.quarantined.get(), 1, "seed {seed}");
    }
}

#[test]
fn what_is_appended_while_a_damaged_last_entry_is_read_is_not_passed_over() {
    let mut life = Life::new(1);
    let (shared, mut writer) = life.open().unwrap();
    writer.commit(&[life.entry()]).unwrap();
    let name = shared.index.lock().files[0].name.clone();
    life.folder.damage(&name, 0);
    let late = life.entry();
    let appended = late.clone();
    life.folder.at_next_read(move || {
        writer.commit(&[appended]).unwrap();
    });
    let mut reader = FileReader::new(Arc::clone(&shared), Position::START);
    assert_eq!(read_all(&mut reader), [(Position(1), late.payload)]);
}

#[test]
fn positions_that_were_skipped_are_no_damage() {
    let mut life = Life::new(1);
    let (shared, mut writer) = life.open().unwrap();
    writer.commit(&[life.entry()]).unwrap();
    writer.skip_to(Position(1000)).unwrap();
    let late = life.entry();
    assert_eq!(
        writer.commit(std::slice::from_ref(&late)),
        Ok(Position(1000))
    );
    let mut reader = FileReader::new(Arc::clone(&shared), Position::START);
    let found = read_all(&mut reader);
    assert_eq!(found[1..], [(Position(1000), late.payload)]);
    assert_eq!(life.counters.quarantined.get(), 0);
}
