//! What is packed comes back, whatever the width.

use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_come_back(max in any::<u64>(), shift in 0_u32..64, seeds in prop::collection::vec(any::<u64>(), 0..200)) {
        let max = max >> shift;
        let width = width_of(max);
        let numbers: Vec<u64> = seeds.iter().map(|n| if max == u64::MAX { *n } else { n % (max + 1) }).collect();
        let mut bytes = Vec::new();
        pack(numbers.iter().copied(), width, &mut bytes);
        prop_assert_eq!(bytes.len(), bytes_of(numbers.len(), width));
        let packed = Packed::new(&bytes, numbers.len(), width).unwrap();
        for (at, number) in numbers.iter().enumerate() {
            prop_assert_eq!(packed.get(at), *number);
        }
        prop_assert_eq!(packed.get(numbers.len() + 100), 0);
        let mut unpacked = vec![7; 3];
        prop_assert_eq!(packed.unpack(numbers.len(), &mut unpacked), width <= 16);
        if width <= 16 {
            prop_assert!(unpacked.iter().map(|n| u64::from(*n)).eq(numbers));
        }
    }
}

#[test]
fn a_length_that_does_not_fit_the_count_is_refused() {
    assert!(Packed::new(&[0; 3], 8, 4).is_none());
    assert!(Packed::new(&[0; 4], 8, 4).is_some());
    assert!(Packed::new(&[0; 57], 8, 57).is_none());
}
