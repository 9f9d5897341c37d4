//! Bodies in and out again, and one search over all of them against one a body.

use super::*;
use crate::query::FilterOp;
use proptest::prelude::*;

fn laid(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for body in bodies {
        bytes.extend_from_slice(body);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn check_reads_back(bodies: &[Vec<u8>]) {
    let (bytes, ends) = laid(bodies);
    let (mut packer, mut unpacker) = (Packer::new().unwrap(), Unpacker::new().unwrap());
    let mut section = Vec::new();
    put(&bytes, &ends, &mut packer, &mut section);
    let read = Bodies::read(&section, &ends).unwrap();
    let mut all = vec![7; 5];
    read.all(&mut unpacker, &mut all).unwrap();
    assert_eq!(all, bytes);
    let rows: Vec<usize> = (0..bodies.len()).step_by(3).collect();
    let (mut page, mut back) = (Vec::new(), Vec::new());
    let each = |row: usize, body: &[u8]| back.push((row, body.to_vec()));
    let unpacked = read.some(&rows, &mut unpacker, &mut page, each).unwrap();
    let expected: Vec<_> = rows
        .iter()
        .map(|row| (*row, bodies[*row].clone()))
        .collect();
    assert_eq!(back, expected);
    assert!(unpacked <= bytes.len());
}

#[test]
fn bodies_of_many_pages_read_back() {
    let body = |n: usize| n.to_string().repeat(n % 3000).into_bytes();
    check_reads_back(&(0..200).map(body).collect::<Vec<_>>());
    check_reads_back(&[vec![b'x'; 20 << 20], Vec::new(), vec![b'y']]);
    check_reads_back(&[Vec::new(), Vec::new()]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_needle_is_found_in_exactly_the_bodies_that_have_it(
        bodies in prop::collection::vec("[ab ]{0,6}".prop_map(String::into_bytes), 1..40),
        needles in prop::collection::vec("[ab ]{0,4}", 1..3),
        every in 1_usize..4,
    ) {
        check_reads_back(&bodies);
        let (bytes, ends) = laid(&bodies);
        let filters: Vec<_> = needles.iter().map(|n| LineFilter::new(FilterOp::Contains, n).unwrap()).collect();
        let mut rows: Vec<usize> = (0..bodies.len()).step_by(every).collect();
        let expected: Vec<usize> = rows.iter().copied().filter(|r| filters.iter().all(|f| f.matches(&bodies[*r]))).collect();
        filter(&filters, &bytes, &ends, &mut rows);
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(section in prop::collection::vec(any::<u8>(), 0..60), ends in prop::collection::vec(0_usize..100, 0..9)) {
        let mut ends = ends;
        ends.sort_unstable();
        if let Some(read) = Bodies::read(&section, &ends) {
            let mut unpacker = Unpacker::new().unwrap();
            read.all(&mut unpacker, &mut Vec::new());
            let rows: Vec<usize> = (0..ends.len()).collect();
            read.some(&rows, &mut unpacker, &mut Vec::new(), |_, _| {});
        }
    }
}
