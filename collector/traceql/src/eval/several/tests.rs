//! The short way says what looking at every pair says.

use crate::ast::Compare;
use crate::eval::Comparing as _;
use crate::value::{Kind, Static, Status, Value};
use proptest::prelude::*;
use std::cmp::Ordering;

const OPS: [Compare; 6] = [
    Compare::Equal,
    Compare::NotEqual,
    Compare::Less,
    Compare::LessEqual,
    Compare::Greater,
    Compare::GreaterEqual,
];

fn each_pair(op: Compare, left: &[Static], right: &[Static]) -> bool {
    let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
    let orderings: Vec<Ordering> = pairs.filter_map(|(l, r)| l.compare(r)).collect();
    match op {
        Compare::NotEqual => !orderings.is_empty() && orderings.iter().all(|o| o.is_ne()),
        _ => orderings.iter().any(|ordering| op.accepts(*ordering)),
    }
}

/// Values of which many are the same, among them whole numbers that only differ as such.
fn value() -> impl Strategy<Value = Static> {
    const WHOLE: i64 = 1 << 53;
    prop_oneof![
        Just(Value::Nil),
        "[ab]{0,2}".prop_map(|text| Value::Str(text.into())),
        any::<bool>().prop_map(Value::Bool),
        (0..3_usize).prop_map(|at| Value::Status(Status::ALL[at])),
        (0..6_usize).prop_map(|at| Value::Kind(Kind::ALL[at])),
        (-1..3_i64).prop_map(Value::Int),
        (WHOLE - 1..WHOLE + 3).prop_map(Value::Int),
        (-1..3_i64).prop_map(Value::Duration),
        (-2..6_i32).prop_map(|halves| Value::Float(f64::from(halves) / 2.0)),
        Just(Value::Float(WHOLE as f64)),
        Just(Value::Float(f64::NAN)),
        Just(Value::Float(f64::INFINITY)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn lists_compare_as_their_pairs_do(
        left in proptest::collection::vec(value(), 0..6),
        right in proptest::collection::vec(value(), 0..6),
    ) {
        let lists = (Value::List(left.clone()), Value::List(right.clone()));
        for op in OPS {
            let expected = each_pair(op, &left, &right);
            prop_assert_eq!(op.holds(&lists.0, &lists.1), expected, "{:?}", op);
        }
        for one in left {
            for op in OPS {
                let expected = each_pair(op, std::slice::from_ref(&one), &right);
                prop_assert_eq!(op.holds(&one, &lists.1), expected, "{:?} {:?}", one, op);
                let expected = each_pair(op, &right, std::slice::from_ref(&one));
                prop_assert_eq!(op.holds(&lists.1, &one), expected, "{:?} {:?}", op, one);
            }
        }
    }
}

/// Their pairs are more than can be looked at, or kept.
#[test]
fn lists_of_300_000_values_are_compared() {
    let list = |from: i64| Value::List((from..from + 300_000).map(Value::Int).collect());
    let (low, high) = (list(0), list(300_000));
    let which = |left, right| OPS.map(|op| op.holds(left, right));
    assert_eq!(which(&low, &high), [false, true, true, true, false, false]);
    assert_eq!(which(&low, &low), [true, false, true, true, true, true]);
}
