//! Every encoding gives its values back, and the one that fits is chosen.

use super::*;
use crate::encode::Zip;
use crate::split::Span;
use proptest::prelude::*;

/// The encoding that was chosen, after the values were checked.
fn encoding_of(values: &[Vec<u8>]) -> u8 {
    let (mut bodies, mut spans) = (Vec::new(), Vec::new());
    for value in values {
        let from = bodies.len() as u32;
        bodies.extend_from_slice(value);
        spans.push(Span {
            from,
            to: bodies.len() as u32,
        });
    }
    let (mut head, mut data) = (vec![7], Vec::new());
    let mut writer = ColumnWriter::default();
    let named: Vec<Vec<u8>> = writer
        .write(&spans, &bodies, &mut Zip::new(), (&mut head, &mut data))
        .0
        .iter()
        .map(|value| value.of(&bodies).to_vec())
        .collect();
    assert!(values.iter().all(|value| named.contains(value)));
    let (mut heads, mut rest) = (Wire(&head), Wire(&data));
    let column = Column::read(&mut heads, &mut rest, 10).unwrap();
    assert!(heads.0.is_empty() && rest.0.is_empty());
    assert!(column.number == 17 && column.raw_bytes <= bodies.len());
    let decoded = column.decode().unwrap();
    let view = column.view(&decoded).unwrap();
    assert_eq!(column.values, values.len());
    for (at, value) in values.iter().enumerate() {
        let mut out = b"before".to_vec();
        view.append(at, &mut out).unwrap();
        assert_eq!(&out[6..], value, "value {at}");
        assert_eq!(view.length(at).unwrap(), value.len());
        assert!(column.may_contain(signature(value), value));
    }
    for beyond in [values.len(), values.len() + 1000] {
        let _ = view.append(beyond, &mut Vec::new());
        let _ = view.length(beyond);
    }
    head[1]
}

fn check(values: impl IntoIterator<Item = String>, expected: u8) {
    let values: Vec<_> = values.into_iter().map(String::into_bytes).collect();
    assert_eq!(encoding_of(&values), expected);
}

#[test]
fn the_encoding_is_the_smallest_that_fits() {
    check(vec!["same".into(); 100], CONST);
    check(vec![String::new()], CONST);
    check(
        (0..1000).map(|n| ["GET", "PUT"][n % 2].into()),
        IDS << 4 | TEXT,
    );
    check(
        (0..1000).map(|n| [200, 404, 500][n % 3].to_string()),
        IDS << 4 | WHOLE,
    );
    check((0..1000).map(|n| n.to_string()), WHOLE);
    check((0..1000).map(|n| (n + 1_000_000).to_string()), WHOLE);
    check((0..1000).map(|n| format!("{n:04}")), PADDED);
    check(
        (0..1000).map(|n| format!("{:x}", n * 77 + 0xa000_0000_u32)),
        HEX,
    );
    check(
        (0..1000).map(|n| format!("{:x}", n % 150 * 77 + 0xa000_0000_u32)),
        IDS << 4 | HEX,
    );
    check((0..1000).map(|n| format!("{:x}", n * 77)), TEXT);
    check((0..1000).map(|n| format!("{n:017}")), HEX);
    check((0..1000).map(|n| format!("user{n}")), TEXT);
    let names = (0..1000_u32).map(|n| {
        let digits = (0..8).map(|at| n.wrapping_mul(0x9e37_79b1) >> (4 * at) & 3);
        let letters = digits.map(|digit| b"abcd"[digit as usize] as char);
        format!("of.{}", letters.collect::<String>())
    });
    check(names, GRAMS);
    check(
        (0..1000).map(|n| format!("user{}", n / 5)),
        RUNS << 4 | TEXT,
    );
    check((0..1000).map(|n| (n / 50).to_string()), RUNS << 4 | WHOLE);
}

fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let of = |pattern: &'static str| prop::collection::vec(pattern, 1..150);
    prop_oneof![
        of("[0-9]{1,18}"),
        of("0|[1-9][0-9]{0,15}"),
        of("[0-9]{5}"),
        of("[0-9a-f]{7}"),
        of("[0-9a-f]{0,7}"),
        of("[a-c]{0,2}"),
        of(".{0,40}"),
        of("v[0-9]{1,3}"),
    ]
    .prop_flat_map(|values| (Just(values), 1_usize..6))
    .prop_map(|(values, times)| {
        let many = values.into_iter().flat_map(|v| vec![v; times]);
        many.map(String::into_bytes).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn values_come_back(values in values()) {
        encoding_of(&values);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), data in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(column) = Column::read(&mut Wire(&bytes), &mut Wire(&data), 0)
            && let Ok(decoded) = column.decode()
            && let Ok(view) = column.view(&decoded)
        {
            for at in [0, 1, column.values.saturating_sub(1), column.values, usize::from(u16::MAX)] {
                let _ = view.append(at, &mut Vec::new());
                let _ = view.length(at);
            }
        }
    }
}
