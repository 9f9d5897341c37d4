//! The natural order of texts: `a9` comes before `a10`.

use std::cmp::Ordering;

/// Compares runs of digits by their numbers and everything else byte by byte. Numbers of one
/// value are in the order of how many zeros lead them.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number, other);
            (number, a) = digits(a);
            (other, b) = digits(b);
            compare_numbers(number, other)
        } else {
            (a, b) = (&a[1..], &b[1..]);
            x.cmp(y)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|c| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let bare = |digits: &[u8]| digits.iter().take_while(|c| **c == b'0').count();
    let (zeros, others) = (bare(a), bare(b));
    let (x, y) = (&a[zeros..], &b[others..]);
    let value = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
    value.then_with(|| zeros.cmp(&others))
}

#[cfg(test)]
mod tests {
    use super::compare;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    #[test]
    fn numbers_in_texts_are_compared_as_numbers() {
        for (less, more) in [
            ("a9", "a10"),
            ("", "a"),
            ("a", "a1"),
            ("1", "a"),
            ("a1b9", "a1b10"),
            ("a2", "a02"),
            ("a02", "a3"),
            ("host-2.example", "host-12.example"),
            ("99999999999999999999998", "99999999999999999999999"),
            ("A", "a"),
        ] {
            assert_eq!(compare(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(compare(more, less), Ordering::Greater, "{less} {more}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_an_order(a in "[a0-2é]{0,6}", b in "[a0-2é]{0,6}", c in "[a0-2é]{0,6}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b) == Ordering::Equal, a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
