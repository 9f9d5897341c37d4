//! Every key is found, every damage is noticed.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;

type Pair = (Vec<u8>, Vec<u8>);

fn write(entries: &[Pair]) -> (Vec<u8>, Written) {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for (key, value) in entries {
        writer.add(key, value).unwrap();
    }
    let (written, bytes) = writer.finish_into().unwrap();
    assert_eq!(written.bytes, bytes.len() as u64);
    (bytes, written)
}

fn open(bytes: &[u8]) -> Result<Reader, BlockError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Reader::open(file.path())
}

fn all(reader: &Reader, from: Bound<&[u8]>) -> Result<Vec<Pair>, BlockError> {
    reader
        .scan(from)
        .map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec())))
        .collect()
}

/// A few blocks of entries of uneven size, one of them with several values.
fn example() -> Vec<Pair> {
    let mut entries = Vec::new();
    for n in 0..400_u32 {
        let key = (n * 3).to_be_bytes().to_vec();
        let value: Vec<u8> = (0..n % 251).flat_map(|i| (i * n).to_le_bytes()).collect();
        entries.push((key.clone(), value));
        if n % 100 == 7 {
            entries.push((key, b"again".to_vec()));
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_written_is_read(
        map in proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 0..20), proptest::collection::vec(any::<u8>(), 0..2000), 0..200),
        probes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 20),
    ) {
        let entries: Vec<_> = map.clone().into_iter().collect();
        let reader = open(&write(&entries).0).unwrap();
        prop_assert_eq!(reader.entries(), entries.len() as u64);
        reader.verify().unwrap();
        for key in map.keys().chain(&probes) {
            prop_assert_eq!(reader.get(key).unwrap().map(|v| v.to_vec()), map.get(key).cloned());
            prop_assert!(!map.contains_key(key) || reader.may_contain(key));
            let range = |from: Bound<&[u8]>| map.range::<[u8], _>((from, Bound::Unbounded)).map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>();
            for from in [Bound::Included(&key[..]), Bound::Excluded(&key[..])] {
                prop_assert_eq!(all(&reader, from).unwrap(), range(from));
            }
        }
        prop_assert_eq!(all(&reader, Bound::Unbounded).unwrap(), entries);
    }

    #[test]
    fn varints_survive_and_cut_ones_are_refused(n in any::<u64>()) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, n);
        prop_assert_eq!(take_varint(&mut &bytes[..]), Some(n));
        prop_assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), None);
    }
}

#[test]
fn a_key_that_comes_again_gives_all_its_values_across_blocks() {
    let chunk = vec![7; 20_000];
    let mut entries = vec![(b"a".to_vec(), b"first".to_vec())];
    entries.extend((0..9_u8).map(|n| (b"big".to_vec(), [&[n][..], &chunk].concat())));
    entries.push((b"c".to_vec(), b"last".to_vec()));
    let reader = open(&write(&entries).0).unwrap();
    let values = reader.get_all(b"big").unwrap();
    assert_eq!(
        values.iter().map(|v| v[0]).collect::<Vec<_>>(),
        (0..9).collect::<Vec<_>>()
    );
    assert_eq!(reader.get(b"c").unwrap().unwrap(), "last");
    assert_eq!(all(&reader, Bound::Excluded(b"big")).unwrap().len(), 1);
}

#[test]
fn a_cursor_stands_on_what_a_scan_gives() {
    let entries = example();
    let reader = open(&write(&entries).0).unwrap();
    for from in [
        &b""[..],
        &entries[0].0,
        &entries[150].0,
        b"\x00\x00\x01",
        b"\xff",
    ] {
        let mut cursor = reader.cursor(from);
        let mut found = Vec::new();
        while cursor.step().unwrap() {
            found.push((cursor.key().to_vec(), cursor.value().to_vec()));
        }
        assert_eq!(found, all(&reader, Bound::Included(from)).unwrap());
        assert!(!cursor.step().unwrap() && cursor.key().is_empty());
    }
}

#[test]
fn files_copied_behind_each_other_are_each_what_they_were() {
    let kinds = [example(), Vec::new(), vec![(vec![1], vec![2; 3_000_000])]];
    let mut joined = Vec::new();
    for entries in &kinds {
        let (bytes, _) = write(entries);
        let (mut copy, mut told) = (Vec::new(), 0);
        let wrote = |bytes| {
            told += bytes;
            Ok(())
        };
        open(&bytes).unwrap().copy_to(&mut copy, wrote).unwrap();
        assert!(copy == bytes && told == bytes.len() as u64);
        joined.extend(copy);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &joined).unwrap();
    let readers = Reader::open_all(file.path()).unwrap();
    for (reader, entries) in readers.iter().zip(&kinds) {
        reader.verify().unwrap();
        assert_eq!(&all(reader, Bound::Unbounded).unwrap(), entries);
        let mut copy = Vec::new();
        reader.copy_to(&mut copy, |_| Ok(())).unwrap();
        assert_eq!(copy, write(entries).0);
    }
    assert_eq!(readers.len(), kinds.len());
    assert!(Reader::open(file.path()).unwrap_err().is_damage());
    std::fs::write(file.path(), &joined[1..]).unwrap();
    assert!(Reader::open_all(file.path()).unwrap_err().is_damage());
}

#[test]
fn damage_that_came_after_a_file_was_opened_is_not_copied() {
    let (good, _) = write(&example());
    for at in (0..good.len()).step_by(211) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &good).unwrap();
        let reader = Reader::open(file.path()).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(file.path(), &bad).unwrap();
        let mut copy = Vec::new();
        match reader.copy_to(&mut copy, |_| Ok(())) {
            Ok(()) => assert_eq!(copy, good, "byte {at}"),
            Err(error) => {
                assert!(error.is_damage());
                // Whoever looks for what could not be copied finds it.
                assert!(reader.verify().unwrap_err().is_damage(), "byte {at}");
            }
        }
    }
}

#[test]
fn a_key_without_an_entry_may_be_in_the_filter() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.add(b"a", b"").unwrap();
    writer.also_filter(b"b");
    let reader = open(&writer.finish_into().unwrap().1).unwrap();
    assert!(reader.may_contain(b"b"));
    assert_eq!(reader.get(b"b").unwrap(), None);
}

#[test]
fn keys_out_of_order_and_values_too_large_are_refused() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.add(b"b", b"").unwrap();
    assert!(matches!(writer.add(b"a", b""), Err(BlockError::Order)));
    assert!(matches!(
        writer.add(b"c", &vec![0; VALUE_BYTES_MAX + 1]),
        Err(BlockError::TooLarge(_))
    ));
}

#[test]
fn any_flipped_byte_is_an_error_and_never_a_wrong_answer() {
    let entries = example();
    let (good, _) = write(&entries);
    let wanted: BTreeMap<_, _> = entries.iter().rev().cloned().collect();
    for at in (0..good.len()).step_by(if good.len() > 60_000 { 13 } else { 1 }) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let Ok(reader) = open(&bad) else { continue };
        assert!(
            reader.verify().is_err(),
            "byte {at} of {} went unnoticed",
            good.len()
        );
        for key in wanted.keys().step_by(97) {
            match reader.get(key) {
                Ok(found) => assert_eq!(
                    found.as_deref(),
                    wanted.get(key).map(|v| &v[..]),
                    "byte {at}"
                ),
                Err(error) => assert!(error.is_damage()),
            }
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_damaged() {
    let (good, _) = write(&example());
    for at in (0..good.len()).step_by(97) {
        assert!(open(&good[..at]).unwrap_err().is_damage(), "cut at {at}");
    }
}

#[test]
fn the_checksum_names_the_content() {
    let (_, first) = write(&example());
    let mut other = example();
    other[200].1.push(1);
    let (bytes, second) = write(&other);
    assert_ne!(first.checksum, second.checksum);
    assert_eq!(open(&bytes).unwrap().checksum(), second.checksum);
}

#[test]
fn the_filter_says_no_to_almost_all_strangers_and_yes_to_every_key() {
    let entries: Vec<_> = (0..20_000_u64)
        .map(|n| (n.to_be_bytes().to_vec(), Vec::new()))
        .collect();
    let reader = open(&write(&entries).0).unwrap();
    assert!(entries.iter().all(|(key, _)| reader.may_contain(key)));
    let wrong = (1 << 40..(1 << 40) + 20_000_u64)
        .filter(|n| reader.may_contain(&n.to_be_bytes()))
        .count();
    assert!(wrong < 200, "{wrong} of 20000, expected about 78");
}

#[test]
fn an_empty_file_is_a_file() {
    let reader = open(&write(&[]).0).unwrap();
    reader.verify().unwrap();
    assert_eq!(reader.get(b"x").unwrap(), None);
}

#[test]
fn the_hash_is_the_one_that_files_were_written_with() {
    let hashes = [
        hash64(b""),
        hash64(b"a"),
        hash64(b"12345678"),
        hash64(b"0123456789abcdef"),
    ];
    assert_eq!(
        hashes, EXPECTED_HASHES,
        "changing the hash makes every filter in every file wrong"
    );
}

const EXPECTED_HASHES: [u64; 4] = [
    4_354_591_280_154_373_193,
    14_915_944_099_275_712_327,
    3_310_930_125_292_665_885,
    16_800_442_137_686_473_563,
];
