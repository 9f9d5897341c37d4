//! Attributes in and out again.

use super::*;
use proptest::prelude::*;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct Found(Vec<Vec<u8>>);

impl build::Terms for Found {
    fn value(&mut self, value: &[u8]) {
        self.0.push(value.to_vec());
    }
    fn pair(&mut self, _: &[u8], _: &[u8]) {}
}

fn check(records: &[Pairs]) {
    let mut builder = AttributesBuilder::default();
    for _ in 0..2 {
        for record in records {
            builder.push(record.iter().map(|(k, v)| (&k[..], &v[..])));
        }
        let (mut bytes, mut found) = (Vec::new(), Found::default());
        builder.finish(&mut bytes, &mut found);
        let read = Attributes::read(&bytes, records.len()).unwrap();
        let every: Vec<usize> = (0..records.len()).collect();
        for rows in [every.clone(), every.into_iter().step_by(3).collect()] {
            let mut back: Vec<Pairs> = vec![Vec::new(); records.len()];
            read.for_each(&rows, |row, k, v| back[row].push((k.to_vec(), v.to_vec())));
            for (row, record) in records.iter().enumerate() {
                let expected = if rows.contains(&row) {
                    &record[..]
                } else {
                    &[]
                };
                assert_eq!(back[row], expected);
            }
        }
        for (name, value) in records.iter().flatten() {
            assert!(name == b"log.record.uid" || found.0.contains(value));
        }
    }
}

#[test]
fn more_names_than_there_are_columns_come_back_in_order() {
    let record = |from: usize| -> Pairs {
        (from..from + 300)
            .map(|n| {
                (
                    format!("name.{}", n % 310).into_bytes(),
                    format!("value {n}").into_bytes(),
                )
            })
            .collect()
    };
    check(&[record(0), Vec::new(), record(100), record(7)]);
}

#[test]
fn uids_come_back_whatever_they_are() {
    let uid = |text: &str| vec![(b"log.record.uid".to_vec(), text.as_bytes().to_vec())];
    let real = |n: u64| uid(&format!("{:016x}-{:016x}", u64::MAX - n / 3, n * 100));
    check(&(0..300).map(real).collect::<Vec<_>>());
    check(&[real(1), uid("0123456789ABCDEF-0123456789abcdef"), real(2)]);
    check(&[real(1), uid(""), uid("0123456789abcdef 0123456789abcdef")]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn attributes_read_back(
        records in prop::collection::vec(
            prop::collection::vec(("[a-d]{0,2}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..6)), 0..6),
            0..80,
        ),
    ) {
        check(&records);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), count in 0_usize..100) {
        if let Some(read) = Attributes::read(&bytes, count) {
            read.for_each(&(0..count).collect::<Vec<_>>(), |_, _, _| {});
        }
    }
}
