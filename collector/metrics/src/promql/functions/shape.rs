//! Functions over the vector as a whole, or over nothing: their names and arguments. How
//! they are computed is in `eval::shape`.

use super::{Function, Shape, shaped};
use crate::promql::ast::Type;

pub(crate) const TABLE: &[Function] = &[
    shaped("absent", Type::Vector, &[Type::Vector], Shape::Absent),
    shaped(
        "absent_over_time",
        Type::Vector,
        &[Type::Matrix],
        Shape::AbsentOverTime,
    ),
    shaped("scalar", Type::Scalar, &[Type::Vector], Shape::Scalar),
    shaped("sort", Type::Vector, &[Type::Vector], Shape::Sort),
    shaped("sort_desc", Type::Vector, &[Type::Vector], Shape::SortDesc),
    Function {
        repeats: true,
        optional: 1,
        ..shaped(
            "sort_by_label",
            Type::Vector,
            &[Type::Vector, Type::String],
            Shape::SortByLabel,
        )
    },
    Function {
        repeats: true,
        optional: 1,
        ..shaped(
            "sort_by_label_desc",
            Type::Vector,
            &[Type::Vector, Type::String],
            Shape::SortByLabelDesc,
        )
    },
    shaped("time", Type::Scalar, &[], Shape::Time),
    shaped("timestamp", Type::Vector, &[Type::Vector], Shape::Timestamp),
    shaped("vector", Type::Vector, &[Type::Scalar], Shape::Vector),
];
